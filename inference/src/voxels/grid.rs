//! Where a block lies in the patient: the way of each index step in mm (PS3.3 C.7.6.2.1.1).

use super::error::{self, VoxelError};
use gantry_terms::geometry::{Geometry, cross, dot};

/// Three directions whose unit vectors span less than this (their triple product) lie in one plane.
const FLAT: f64 = 1e-3;

/// A parallelepiped of voxels, in any orientation. Patient coordinates are in mm: x to the left, y to
/// the back, z to the head (LPS). At least one voxel, at most `assembly::MOST_VOXELS`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    size: [usize; 3],
    origin: [f64; 3],
    steps: [[f64; 3]; 3],
    /// Rows of the inverse of the matrix whose columns are the steps.
    inverse: [[f64; 3]; 3],
}

impl Grid {
    /// `origin` is the centre of voxel (0, 0, 0); `steps[a]` is the way from a voxel to the next along
    /// array axis `a`, slowest axis first.
    pub fn new(
        size: [usize; 3],
        origin: [f64; 3],
        steps: [[f64; 3]; 3],
    ) -> Result<Self, VoxelError> {
        error::voxels(size)?;
        if !origin.iter().chain(steps.iter().flatten()).all(|number| number.is_finite()) {
            return Err(VoxelError::NoPlace("a position or a direction is not a finite number"));
        }
        let volume = dot(steps[0], cross(steps[1], steps[2]));
        let lengths: f64 = steps.iter().map(|step| length(*step)).product();
        // `!(..)`: NaN from numbers that overflow is no place either.
        if !(volume.abs() > FLAT * lengths && lengths.is_normal()) {
            return Err(VoxelError::NoPlace(
                "two steps have one direction, or a step has no length",
            ));
        }
        let row = |b: usize, c: usize| cross(steps[b], steps[c]).map(|part| part / volume);
        let inverse = [row(1, 2), row(2, 0), row(0, 1)];
        if !inverse.iter().flatten().all(|number| number.is_finite()) {
            return Err(VoxelError::NoPlace("a step is far too long or too short"));
        }
        Ok(Self { size, origin, steps, inverse })
    }

    /// Slice, row, column of a stack of slices.
    pub fn of(geometry: &Geometry) -> Result<Self, VoxelError> {
        let along = |direction: [f64; 3], mm: f64| direction.map(|part| part * mm);
        let [between_rows, between_columns] = geometry.pixel_spacing;
        Self::new(
            [geometry.slices, geometry.rows, geometry.columns],
            geometry.origin,
            [
                along(geometry.normal(), geometry.slice_step),
                along(geometry.column_direction, between_rows),
                along(geometry.row_direction, between_columns),
            ],
        )
    }

    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    pub fn origin(&self) -> [f64; 3] {
        self.origin
    }

    pub fn steps(&self) -> [[f64; 3]; 3] {
        self.steps
    }

    /// Millimetres from a voxel to the next along each array axis.
    pub fn spacing(&self) -> [f64; 3] {
        self.steps.map(length)
    }

    pub fn voxels(&self) -> usize {
        self.size.iter().product()
    }

    /// Volume of one voxel in mm3.
    pub fn voxel_volume(&self) -> f64 {
        dot(self.steps[0], cross(self.steps[1], self.steps[2])).abs()
    }

    /// `origin + i0 * steps[0] + i1 * steps[1] + i2 * steps[2]`, in mm.
    pub fn to_mm(&self, index: [f64; 3]) -> [f64; 3] {
        let [slow, middle, fast] = self.steps;
        let way = |a: usize| index[0] * slow[a] + index[1] * middle[a] + index[2] * fast[a];
        [0, 1, 2].map(|a| self.origin[a] + way(a))
    }

    /// The index, with its fraction, of a place in mm. The inverse of `to_mm`.
    pub fn to_index(&self, mm: [f64; 3]) -> [f64; 3] {
        let way = [0, 1, 2].map(|a| mm[a] - self.origin[a]);
        self.inverse.map(|row| dot(row, way))
    }

    /// The middle of the block in mm: index `(size - 1) / 2`.
    pub fn centre(&self) -> [f64; 3] {
        self.to_mm(self.size.map(|voxels| (voxels - 1) as f64 / 2.0))
    }

    /// Whether both have the same voxels at the same places, to a thousandth of a step.
    pub fn is_like(&self, other: &Self) -> bool {
        let last = |a: usize| -> [f64; 3] {
            std::array::from_fn(|b| if a == b { (self.size[b] - 1) as f64 } else { 0.0 })
        };
        let agrees = |index: [f64; 3]| {
            let there = other.to_index(self.to_mm(index));
            (0..3).all(|a| (there[a] - index[a]).abs() <= 1e-3)
        };
        self.size == other.size && agrees([0.0; 3]) && (0..3).all(|a| agrees(last(a)))
    }

    /// How far one index step along `other`'s axis `a` goes along each axis of this grid.
    pub(super) fn steps_of(&self, other: &Self, a: usize) -> [f64; 3] {
        self.inverse.map(|row| dot(row, other.steps[a]))
    }
}

pub(super) fn length(vector: [f64; 3]) -> f64 {
    dot(vector, vector).sqrt()
}
