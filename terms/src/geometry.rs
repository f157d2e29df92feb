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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axial_stack_is_counted_towards_the_head() {
        assert_eq!(cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), [0.0, 0.0, 1.0]);
        assert_eq!(dot([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), 32.0);
    }
}
