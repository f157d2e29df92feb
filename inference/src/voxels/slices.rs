//! Slices of a block one at a time, each with its neighbours.

use super::error::{VoxelError, count, voxels};

/// Slice `at` of a block and `neighbours` others on either side of it, in their order: `[slice][row][column]`.
/// Beyond the ends of the block its outermost slice stands again.
pub fn with_neighbours(
    block: &[f32],
    size: [usize; 3],
    at: usize,
    neighbours: usize,
    out: &mut [f32],
) -> Result<(), VoxelError> {
    count("the block to take slices of", block.len(), voxels(size)?)?;
    if at >= size[0] {
        return Err(VoxelError::asked("the number of a slice", at, "below how many there are"));
    }
    let plane = size[1] * size[2];
    let expected = plane.saturating_mul(neighbours.saturating_mul(2).saturating_add(1));
    count("room for a slice and its neighbours", out.len(), expected)?;
    for (number, out) in out.chunks_mut(plane).enumerate() {
        let slice = (at + number).saturating_sub(neighbours).min(size[0] - 1);
        out.copy_from_slice(&block[slice * plane..(slice + 1) * plane]);
    }
    Ok(())
}
