//! Numbers on a grid: intensities, labels or a mask.

use super::error::{VoxelError, count};
use super::grid::Grid;
use gantry_terms::volume::Volume;

/// As many voxels as its grid has, slowest axis first. `f32` for intensities and scores, `u16` for
/// labels, `bool` for a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct Block<T = f32> {
    grid: Grid,
    voxels: Vec<T>,
}

impl<T> Block<T> {
    pub fn new(grid: Grid, voxels: Vec<T>) -> Result<Self, VoxelError> {
        count("a block", voxels.len(), grid.voxels())?;
        Ok(Self { grid, voxels })
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    pub fn voxels(&self) -> &[T] {
        &self.voxels
    }

    pub fn voxels_mut(&mut self) -> &mut [T] {
        &mut self.voxels
    }

    pub fn into_voxels(self) -> Vec<T> {
        self.voxels
    }
}

impl Block {
    /// The numbers of a series, where its slices lie: slice, row, column.
    pub fn of(volume: Volume) -> Result<Self, VoxelError> {
        Self::new(Grid::of(&volume.geometry)?, volume.voxels)
    }
}
