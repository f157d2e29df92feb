//! `[input.image]`: how a film becomes the tensor of a graph: cut, brought to a size, repeated as channels, normalised.

use super::{Side, Step};
use crate::voxels::error::VoxelError;
use crate::voxels::image::{Image, Kernel};
use crate::voxels::intensity::per_channel;
use gantry_terms::film::Film;
use serde::Deserialize;

/// In the order in which it is done, between `image-steps` and `steps`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageWanted {
    pub crop: Crop,
    /// Rows and columns; none: as many as the film has.
    pub size: Option<[usize; 2]>,
    pub interpolation: Resizing,
    /// The film so many times.
    pub channels: usize,
    /// Of each channel, what is taken off and what is divided by, after `steps`.
    pub normalised: Option<(Vec<f32>, Vec<f32>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    #[default]
    None,
    /// The largest square in the middle.
    CentreSquare,
}

/// As Pillow's `Image.resize` of a float image; the arithmetic stands at [`Kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resizing {
    Nearest,
    #[default]
    Bilinear,
    Bicubic,
}

impl Resizing {
    fn kernel(self) -> Kernel {
        match self {
            Self::Nearest => Kernel::Nearest,
            Self::Bilinear => Kernel::Bilinear,
            Self::Bicubic => Kernel::Bicubic,
        }
    }
}

impl ImageWanted {
    /// Batch, channels, rows, columns.
    pub fn sides(&self, batch: Side) -> Vec<Side> {
        let [rows, columns] = self.size.map_or([Side::Any; 2], |size| size.map(Side::of));
        vec![batch, Side::of(self.channels), rows, columns]
    }

    /// The shape and the numbers of the tensor.
    pub fn fill(
        &self,
        film: &Film,
        [before, after]: [&[Step]; 2],
    ) -> Result<(Vec<i64>, Vec<f32>), VoxelError> {
        let mut pixels = film.pixels.clone();
        before.iter().try_for_each(|step| step.apply(&mut pixels))?;
        let mut image = Image::new([film.rows, film.columns], pixels)?;
        if self.crop == Crop::CentreSquare {
            image = image.centre_square();
        }
        if let Some(size) = self.size.filter(|size| *size != image.size()) {
            image = image.resized(size, self.interpolation.kernel())?;
        }
        let [rows, columns] = image.size();
        let mut plane = image.into_pixels();
        after.iter().try_for_each(|step| step.apply(&mut plane))?;
        let mut tensor = plane.repeat(self.channels);
        if let Some((mean, sd)) = &self.normalised {
            per_channel(&mut tensor, mean, sd)?;
        }
        Ok(([1, self.channels, rows, columns].map(|side| side as i64).to_vec(), tensor))
    }
}
