//! Where the voxels of a stack of slices lie in the patient (PS3.3 C.7.6.2.1.1).

use serde::{Deserialize, Serialize};

/// A regular stack: every slice has the same orientation, and neighbours are `slice_step` mm apart
/// along the normal. Patient coordinates are in mm, x to the left, y to the back, z to the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    pub slices: usize,
    pub rows: usize,
    pub columns: usize,
    /// Centre of the first voxel (column 0, row 0) of the first slice: its Image Position (Patient).
    pub origin: [f64; 3],
    /// Unit vector along growing column index: the first three of Image Orientation (Patient).
    pub row_direction: [f64; 3],
    /// Unit vector along growing row index: the last three of Image Orientation (Patient).
    pub column_direction: [f64; 3],
    /// Millimetres between rows, then between columns, as Pixel Spacing (0028,0030) has them.
    pub pixel_spacing: [f64; 2],
    /// Millimetres from the centre of a slice to that of the next, along `normal`, above 0
    /// (for a single slice: its Slice Thickness).
    pub slice_step: f64,
}

impl Geometry {
    /// Unit vector from slice to slice: `row_direction` x `column_direction`.
    /// Slices are ordered so that their position along it grows.
    pub fn normal(&self) -> [f64; 3] {
        cross(self.row_direction, self.column_direction)
    }

    pub fn voxels(&self) -> usize {
        self.slices * self.rows * self.columns
    }

    /// Volume of one voxel in mm3.
    pub fn voxel_volume(&self) -> f64 {
        self.pixel_spacing[0] * self.pixel_spacing[1] * self.slice_step
    }
}

pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A slice may lie this part of a step beside its place in an even stack: then each voxel is nearest to its own slice.
const BESIDE: f64 = 0.25;

/// Of places in mm along the normal, in ascending order, the one that lies farthest from where it would be if all steps
/// were the mean one, and by how many mm; none where all lie near enough.
pub fn beside_its_place(places: &[f64]) -> Option<(usize, f64)> {
    let (first, last) = (places.first()?, places.last()?);
    let step = (last - first) / (places.len() - 1).max(1) as f64;
    let off = |(at, place): (usize, &f64)| (at, (place - (first + at as f64 * step)).abs());
    let farthest = places.iter().enumerate().map(off).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (farthest.1 > BESIDE * step + 1e-9).then_some(farthest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_of_steps_add_up_until_a_slice_is_not_where_it_is_drawn() {
        let stack = |steps: &[f64]| -> Vec<f64> {
            let mut place = -50.0;
            let next = steps.iter().map(|step| {
                place += step;
                place
            });
            std::iter::once(-50.0).chain(next).collect()
        };
        let two = [vec![1.09; 100], vec![1.0; 100]].concat();
        let (at, beside) = beside_its_place(&stack(&two)).unwrap();
        assert_eq!((at, (beside * 1e6).round()), (100, 4_500_000.0));
        assert_eq!(beside_its_place(&stack(&[1.0; 200])), None);
        assert_eq!(beside_its_place(&[]), None);
        assert_eq!(beside_its_place(&[3.0]), None);
    }

    #[test]
    fn an_axial_stack_is_counted_towards_the_head() {
        assert_eq!(cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), [0.0, 0.0, 1.0]);
        assert_eq!(dot([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), 32.0);
    }
}
