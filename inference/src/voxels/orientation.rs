//! Toward which side of the patient each axis of a block grows, and turning a block without interpolation.

use super::block::Block;
use super::error::VoxelError;
use super::grid::{Grid, length};
use super::threads;
use std::fmt;

/// Letters for growing and falling x, y and z in patient coordinates (PS3.3 C.7.6.1.1.1; S and I are
/// its H and F).
const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['S', 'I']];
const PERMUTATIONS: [[usize; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// A code such as `LIA`: the side toward which each array axis grows, slowest axis first. An axial stack
/// of slices is `SPL`. The letters are L or R, P or A, S or I.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation([Toward; 3]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Toward {
    /// 0 for x, 1 for y, 2 for z.
    axis: usize,
    falls: bool,
}

impl Orientation {
    pub fn parse(code: &str) -> Result<Self, VoxelError> {
        let mut found = [None; 3];
        let mut letters = code.chars();
        for place in &mut found {
            *place = letters.next().and_then(toward);
        }
        if let ([Some(a), Some(b), Some(c)], None) = (found, letters.next())
            && a.axis != b.axis
            && b.axis != c.axis
            && a.axis != c.axis
        {
            return Ok(Self([a, b, c]));
        }
        let must = "three letters, one of L and R, one of P and A, one of S and I";
        Err(VoxelError::asked("an orientation", format!("`{code}`"), must))
    }

    /// The code of the axes of the patient that are nearest to those of the grid: of all ways to give each
    /// array axis one of them, the one with the largest sum of cosines.
    pub fn of(grid: &Grid) -> Self {
        let steps = grid.steps();
        let cosine = |a: usize, axis: usize| steps[a][axis] / length(steps[a]);
        let sum = |way: &[usize; 3]| (0..3).map(|a| cosine(a, way[a]).abs()).sum::<f64>();
        let mut best = PERMUTATIONS[0];
        for way in PERMUTATIONS {
            if sum(&way) > sum(&best) {
                best = way;
            }
        }
        Self([0, 1, 2].map(|a| Toward { axis: best[a], falls: cosine(a, best[a]) < 0.0 }))
    }

    /// For each axis wanted, the axis of this orientation to take and whether it has to be flipped.
    fn turn_to(self, wanted: Self) -> [(usize, bool); 3] {
        wanted.0.map(|wanted| {
            let from = self.0.iter().position(|own| own.axis == wanted.axis).unwrap_or(0);
            (from, self.0[from].falls != wanted.falls)
        })
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|to| write!(f, "{}", LETTERS[to.axis][usize::from(to.falls)]))
    }
}

fn toward(letter: char) -> Option<Toward> {
    let axis = LETTERS.iter().position(|pair| pair.contains(&letter))?;
    Some(Toward { axis, falls: LETTERS[axis][1] == letter })
}

impl Grid {
    /// The same voxels at the same places, numbered along the axes that are nearest to `orientation`.
    pub fn reoriented(&self, orientation: Orientation) -> Self {
        let turn = Orientation::of(self).turn_to(orientation);
        let mut first = [0.0; 3];
        for (from, flipped) in turn {
            first[from] = if flipped { (self.size()[from] - 1) as f64 } else { 0.0 };
        }
        let step = |(from, flipped): (usize, bool)| {
            let step = self.steps()[from];
            if flipped { step.map(|mm| -mm) } else { step }
        };
        let size = turn.map(|(from, _)| self.size()[from]);
        // The same voxels in another order are a grid as they were.
        Self::new(size, self.to_mm(first), turn.map(step)).unwrap_or(*self)
    }
}

/// The block along the axes that are nearest to `orientation`: its axes are exchanged and flipped, each
/// value stays where it is in the patient. An oblique block stays oblique.
pub fn reoriented<T: Copy + Default + Send + Sync>(
    block: &Block<T>,
    orientation: Orientation,
) -> Result<Block<T>, VoxelError> {
    let grid = block.grid();
    let turn = Orientation::of(grid).turn_to(orientation);
    Block::new(grid.reoriented(orientation), turned(block.voxels(), grid.size(), turn))
}

/// Side of the cubes that are copied at a time: both sides of one stay in the nearest cache.
const TILE: usize = 16;

/// Axis `a` of the result is axis `turn[a].0` of `voxels`, flipped where `turn[a].1`.
pub(super) fn turned<T: Copy + Default + Send + Sync>(
    voxels: &[T],
    size: [usize; 3],
    turn: [(usize, bool); 3],
) -> Vec<T> {
    let strides = [size[1] * size[2], size[2], 1];
    let to = turn.map(|(from, _)| size[from]);
    // Where index `i` along axis `a` of the result lies in `voxels`.
    let at = |a: usize, i: usize| {
        let (from, flipped) = turn[a];
        strides[from] * if flipped { to[a] - 1 - i } else { i }
    };
    let plane = to[1] * to[2];
    let mut out = vec![T::default(); voxels.len()];
    threads::in_parts(
        &mut out,
        plane * TILE,
        || (),
        |(), first, slab| {
            let (begin, planes) = (first / plane, slab.len() / plane);
            for (y0, x0) in tiles(to[1], to[2]) {
                let (y1, x1) = (to[1].min(y0 + TILE), to[2].min(x0 + TILE));
                for (z, y) in (0..planes).flat_map(|z| (y0..y1).map(move |y| (z, y))) {
                    let base = at(0, begin + z) + at(1, y);
                    let row = &mut slab[z * plane + y * to[2]..][..to[2]];
                    row[x0..x1]
                        .iter_mut()
                        .zip(x0..)
                        .for_each(|(v, x)| *v = voxels[base + at(2, x)]);
                }
            }
        },
    );
    out
}

fn tiles(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).step_by(TILE).flat_map(move |y| (0..columns).step_by(TILE).map(move |x| (y, x)))
}
