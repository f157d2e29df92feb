//! `[input.grid]`: the grid that images are brought onto before the graph sees them.

use crate::voxels::area::area;
use crate::voxels::block::Block;
use crate::voxels::error::VoxelError;
use crate::voxels::grid::Grid;
use crate::voxels::orientation::Orientation;
use crate::voxels::resample::{linear, nearest};
use serde::Deserialize;

/// Its axes are the tensor's, slowest first. With `spacing` alone it has as many voxels as the images
/// need, with `size` alone it reaches from face to face of the images, with both it is cut or padded
/// around their centre.
#[derive(Debug, Clone, PartialEq)]
pub struct GridWanted {
    pub along: Along,
    /// None: the axes stay in the order of slice, row, column.
    pub orientation: Option<Orientation>,
    /// mm.
    pub spacing: Option<[f64; 3]>,
    pub size: Option<[usize; 3]>,
    /// Instead of both: as many voxels as the images have them, cut or padded around the centre.
    pub crop_or_pad: Option<[usize; 3]>,
    /// The block is padded on both sides until these divide its size.
    pub multiple_of: Option<[usize; 3]>,
    pub interpolation: Interpolation,
    /// What stands where there is no image.
    pub outside: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Along {
    /// The axes of the images: an oblique series stays oblique.
    #[default]
    Images,
    /// The axes of the patient: a cube, whatever way the images lie.
    Patient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Trilinear.
    #[default]
    Linear,
    Nearest,
    /// The mean over the footprint of a voxel.
    Area,
}

/// `multiple-of = 16`, or one number for each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a multiple is one number, or three of them")]
pub enum Multiple {
    OfAll(usize),
    OfEach([usize; 3]),
}

impl Multiple {
    pub fn of_each(self) -> [usize; 3] {
        match self {
            Self::OfAll(multiple) => [multiple; 3],
            Self::OfEach(multiples) => multiples,
        }
    }
}

impl GridWanted {
    /// As many voxels as there are, whatever the images are.
    pub fn fixed_size(&self) -> Option<[usize; 3]> {
        self.size.or(self.crop_or_pad)
    }

    /// The grid for images that lie like this.
    pub fn over(&self, images: &Grid) -> Result<Grid, VoxelError> {
        if let (Along::Patient, Some([side, ..]), Some([spacing, ..]), Some(orientation)) =
            (self.along, self.size, self.spacing, self.orientation)
        {
            return images.conformed(side, spacing, orientation);
        }
        let turned = match self.orientation {
            Some(orientation) => images.reoriented(orientation),
            None => *images,
        };
        if let Some(size) = self.crop_or_pad {
            return turned.centre_crop_or_pad(size);
        }
        let grid = match (self.spacing, self.size) {
            (None, None) => turned,
            (Some(spacing), None) => turned.with_spacing(spacing)?,
            (None, Some(size)) => turned.with_size(size)?,
            (Some(spacing), Some(size)) => turned.with_spacing_and_size(spacing, size)?,
        };
        self.multiple_of.map_or(Ok(grid), |multiple| grid.pad_to_multiple(multiple))
    }

    pub fn fill(&self, images: &Block) -> Result<Block, VoxelError> {
        let grid = self.over(images.grid())?;
        match self.interpolation {
            Interpolation::Linear => linear(images, &grid, self.outside),
            Interpolation::Nearest => nearest(images, &grid, self.outside),
            Interpolation::Area => area(images, &grid, self.outside),
        }
    }
}
