//! Holes of a mask: what is not of it and can't be reached from the border.

use super::components::{Components, Neighbours};
use super::error::{VoxelError, count, voxels};

/// Fills what no way over faces connects to the border of the block, as
/// `scipy.ndimage.binary_fill_holes`. A block of a single slice is all border.
pub fn fill(mask: &mut [bool], size: [usize; 3]) -> Result<(), VoxelError> {
    filled(mask, size, true)
}

/// The same of a picture: its slice is no border, only the ends of its rows and columns are.
pub fn fill_flat(mask: &mut [bool], size: [usize; 3]) -> Result<(), VoxelError> {
    filled(mask, size, false)
}

fn filled(mask: &mut [bool], size: [usize; 3], is_solid: bool) -> Result<(), VoxelError> {
    count("a mask", mask.len(), voxels(size)?)?;
    let around = Components::where_is(size, Neighbours::Faces, |at| !mask[at]);
    let mut open = vec![false; around.sizes().len()];
    for run in around.runs() {
        let (slice, row, columns) = (run.row() / size[1], run.row() % size[1], run.columns());
        let outermost = is_solid && (slice == 0 || slice + 1 == size[0]);
        let at_end = row == 0 || row + 1 == size[1] || columns.start == 0 || columns.end == size[2];
        open[run.component()] |= at_end || outermost;
    }
    for run in around.runs().iter().filter(|run| !open[run.component()]) {
        mask[around.span(run)].fill(true);
    }
    Ok(())
}
