//! Numbers of a fine grid on a coarse one: the mean over what each voxel covers.

use super::block::Block;
use super::error::VoxelError;
use super::grid::Grid;
use super::resample::Way;
use super::separable::separable;
use super::taps::Taps;

/// Along each axis where the steps of `onto` are wider: the mean of the source over the voxel of `onto`,
/// source voxels being boxes, each counted with the part that is covered; what sticks out of the source
/// counts for nothing. Along the others: linear. `outside` where the centre lies beyond the outer faces.
/// A NaN makes NaN of each voxel that covers a part of it. The axes of both grids have to be parallel, in
/// any order.
pub fn area(block: &Block, onto: &Grid, outside: f32) -> Result<Block, VoxelError> {
    let size = block.grid().size();
    let parallel = Way::between(block.grid(), onto).parallel().ok_or(VoxelError::Oblique)?;
    let taps = [0, 1, 2].map(|a| Taps::area(parallel.lines[a], size[a]));
    let voxels = separable(block.voxels(), size, &taps, outside);
    Block::new(*onto, parallel.to_target_order(voxels))
}
