//! The border of a mask on one slice as closed lines along the edges of its pixels.

/// A point by column and row: 0 is the outer edge of the first pixel (PS3.3 C.10.5.1.2).
pub type Point = [f64; 2];

/// To the right, down, to the left and up, as steps of column and row.
const STEPS: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/// One line for each part and one for each hole in it, the longest one first; the first corner does not stand again at
/// the end. Pixels that touch at a corner alone are parts of their own.
pub fn contours(inside: &[u8], columns: usize) -> Vec<Vec<Point>> {
    let mut edges = Edges::of(inside, columns);
    let mut lines = Vec::new();
    for start in 0..edges.leaving.len() {
        while let Some(line) = edges.line(start) {
            lines.push(line);
        }
    }
    lines.sort_by_key(|line| std::cmp::Reverse(length(line)));
    lines
}

/// In edges of pixels.
fn length(line: &[Point]) -> u64 {
    let next = line.iter().cycle().skip(1);
    line.iter().zip(next).map(|(a, b)| ((a[0] - b[0]).abs() + (a[1] - b[1]).abs()) as u64).sum()
}

/// The edges between inside and outside, inside on the right of each.
struct Edges {
    /// Corners of pixels in a row.
    wide: usize,
    /// For each corner of a pixel a bit for each step that an edge leaves it by.
    leaving: Vec<u8>,
}

impl Edges {
    fn of(inside: &[u8], columns: usize) -> Self {
        let rows = inside.len().checked_div(columns).unwrap_or(0);
        let wide = columns + 1;
        let mut leaving = vec![0u8; wide * (rows + 1)];
        let is_inside = |row: Option<usize>, column: Option<usize>| match (row, column) {
            (Some(row), Some(column)) if row < rows && column < columns => {
                inside[row * columns + column] != 0
            }
            _ => false,
        };
        for row in 0..rows {
            for column in (0..columns).filter(|column| inside[row * columns + column] != 0) {
                let corner = row * wide + column;
                let around = [
                    (row.checked_sub(1), Some(column), corner),
                    (Some(row), Some(column + 1), corner + 1),
                    (Some(row + 1), Some(column), corner + wide + 1),
                    (Some(row), column.checked_sub(1), corner + wide),
                ];
                for (step, (row, column, from)) in around.into_iter().enumerate() {
                    if !is_inside(row, column) {
                        leaving[from] |= 1 << step;
                    }
                }
            }
        }
        Self { wide, leaving }
    }

    /// Takes away the line that leaves a corner, if there is one. Corners are asked from the top and from the left on, so
    /// that no other line comes through the first one any more.
    fn line(&mut self, start: usize) -> Option<Vec<Point>> {
        let mut step = (0..4).find(|step| self.leaving[start] & (1 << step) != 0)?;
        let (mut at, mut corners) = (start, Vec::new());
        let mut before = None;
        loop {
            if before != Some(step) {
                corners.push([(at % self.wide) as f64, (at / self.wide) as f64]);
            }
            self.leaving[at] &= !(1 << step);
            let [right, down] = STEPS[step];
            at = at.checked_add_signed(right + down * self.wide as isize)?;
            before = Some(step);
            // The sharpest turn around what is inside comes first.
            let turns = [(step + 1) % 4, step, (step + 3) % 4];
            let leaving = self.leaving.get(at)?;
            match turns.into_iter().find(|step| leaving & (1 << step) != 0) {
                Some(next) if at != start => step = next,
                _ => return Some(corners),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[&str], expected: &[&[[i32; 2]]]) {
        let inside: Vec<u8> = rows.concat().bytes().map(|b| u8::from(b == b'#')).collect();
        let found: Vec<Vec<[i32; 2]>> = contours(&inside, rows[0].len())
            .into_iter()
            .map(|line| line.into_iter().map(|at| at.map(|n| n as i32)).collect())
            .collect();
        assert_eq!(found, expected, "{rows:?}");
    }

    #[test]
    fn a_line_goes_along_the_outer_edges_and_has_a_point_at_each_corner() {
        check(&["...", "...", "..."], &[]);
        check(&["#"], &[&[[0, 0], [1, 0], [1, 1], [0, 1]]]);
        check(&["....", ".##.", ".##."], &[&[[1, 1], [3, 1], [3, 3], [1, 3]]]);
        check(&["#.", "##"], &[&[[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [0, 2]]]);
    }

    #[test]
    fn a_hole_is_a_line_of_its_own_and_so_is_what_touches_at_a_corner() {
        check(
            &["###", "#.#", "###"],
            &[&[[0, 0], [3, 0], [3, 3], [0, 3]], &[[1, 1], [1, 2], [2, 2], [2, 1]]],
        );
        let [first, second] = [[[0, 0], [1, 0], [1, 1], [0, 1]], [[1, 1], [2, 1], [2, 2], [1, 2]]];
        check(&["#.", ".#"], &[&first, &second]);
        check(
            &[".#", "#."],
            &[&[[1, 0], [2, 0], [2, 1], [1, 1]], &[[0, 1], [1, 1], [1, 2], [0, 2]]],
        );
    }

    /// By the shoelace formula, for masks of every kind of noise.
    #[test]
    fn the_lines_hold_as_many_pixels_as_the_mask() {
        let (columns, rows) = (23, 17);
        let mut noise = 7u32;
        for share in [1, 3, 5, 7] {
            let inside: Vec<u8> = (0..columns * rows)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    u8::from((noise >> 24) % 8 < share)
                })
                .collect();
            let area = |line: &Vec<Point>| -> f64 {
                let next = line.iter().cycle().skip(1);
                line.iter().zip(next).map(|(a, b)| (a[0] * b[1] - b[0] * a[1]) / 2.0).sum()
            };
            let found: f64 = contours(&inside, columns).iter().map(area).sum();
            let expected: u32 = inside.iter().map(|voxel| u32::from(*voxel)).sum();
            assert_eq!(found, f64::from(expected), "{share} of 8");
        }
    }
}
