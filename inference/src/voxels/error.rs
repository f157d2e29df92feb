//! Why an operation on voxels can't be done, and who must act.

use crate::assembly::MOST_VOXELS;

/// All of them are permanent: the same input gives the same answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VoxelError {
    /// The model's author must act.
    #[error("{what} is {value}, it must be {must}: the model's manifest has to be mended")]
    Asked { what: &'static str, value: String, must: &'static str },
    /// The model's author must act, or the series is not for this model.
    #[error(
        "a block of {} x {} x {} voxels is above the limit of {MOST_VOXELS}: the model has to ask \
         for a smaller size or a wider spacing, or the rule for smaller series", .0[0], .0[1], .0[2]
    )]
    TooManyVoxels([usize; 3]),
    /// The admin must act: the rule selects images that are no volume.
    #[error("the images have no place in the patient: {0}; the rule has to select other images")]
    NoPlace(&'static str),
    /// The model's author must act: what the graph gave does not fit what went in.
    #[error(
        "{what} has {found} numbers where {expected} are needed: the model's graph and its manifest \
         disagree"
    )]
    Count { what: &'static str, found: usize, expected: usize },
    /// The model's author must act.
    #[error(
        "the mean over a footprint needs grids with parallel axes: the manifest has to keep the \
         orientation of the images, or ask for linear"
    )]
    Oblique,
}

impl VoxelError {
    pub(crate) fn asked(what: &'static str, value: impl ToString, must: &'static str) -> Self {
        Self::Asked { what, value: value.to_string(), must }
    }
}

/// An error when `found` is not `expected`.
pub(super) fn count(what: &'static str, found: usize, expected: usize) -> Result<(), VoxelError> {
    if found == expected { Ok(()) } else { Err(VoxelError::Count { what, found, expected }) }
}

/// How many voxels a block of this size has, if it may be made.
pub(super) fn voxels(size: [usize; 3]) -> Result<usize, VoxelError> {
    if size.contains(&0) {
        return Err(VoxelError::asked(
            "the size of a block",
            format!("{size:?}"),
            "1 or more along each axis",
        ));
    }
    let product = size[0].checked_mul(size[1]).and_then(|plane| plane.checked_mul(size[2]));
    product.filter(|voxels| *voxels <= MOST_VOXELS).ok_or(VoxelError::TooManyVoxels(size))
}
