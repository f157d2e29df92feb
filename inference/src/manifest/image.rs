//! `[input.image]`: how a film, or a frame of a cine, becomes the tensor of a graph: cut, brought to a size, repeated as channels, normalised.

use super::{Side, Step};
use crate::voxels::error::VoxelError;
use crate::voxels::image::{Image, Kernel};
use crate::voxels::intensity::{per_channel, put_padding};
use serde::Deserialize;

/// In the order in which it is done, between `image-steps` and `steps`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageWanted {
    pub crop: Crop,
    /// Rows and columns; none: as many as the film has.
    pub size: Option<[usize; 2]>,
    pub interpolation: Resizing,
    pub colour: Colour,
    /// The film so many times, or its colours.
    pub channels: usize,
    /// Of each channel, what is taken off and what is divided by, after `steps`.
    pub normalised: Option<(Vec<f32>, Vec<f32>)>,
}

/// Which images are taken, and what their channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// Grey ones, once or three times.
    #[default]
    Grey,
    /// Those with colours, as red, green and blue.
    Rgb,
    /// Both: grey ones three times.
    Any,
}

/// Rows, then columns, of a tensor on its film: from outer edge to outer edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilmPlace {
    /// Pixels of the tensor.
    pub size: [usize; 2],
    /// Where its first one begins, in pixels of the film.
    pub first: [f64; 2],
    /// How many pixels of the film one of its own goes over.
    pub step: [f64; 2],
}

impl FilmPlace {
    /// From the tensor to the film.
    pub fn on_film(&self, axis: usize, at: f64) -> f64 {
        self.first[axis] + at * self.step[axis]
    }
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
    pub fn sides(&self, batch: Side, channels: usize, of_images: Side) -> Vec<Side> {
        let [rows, columns] = self.size.map_or([of_images; 2], |size| size.map(Side::of));
        vec![batch, Side::of(channels), rows, columns]
    }

    /// Where the tensor lies on a film of so many rows and columns.
    pub fn place(&self, film: [usize; 2]) -> FilmPlace {
        let side = film[0].min(film[1]);
        let cut = match self.crop {
            Crop::None => film,
            Crop::CentreSquare => [side; 2],
        };
        let size = self.size.unwrap_or(cut);
        FilmPlace {
            size,
            // As `Image::centre_square` cuts.
            first: [0, 1].map(|a| ((film[a] - cut[a]) / 2) as f64),
            step: [0, 1].map(|a| cut[a] as f64 / size[a].max(1) as f64),
        }
    }

    /// Rows and columns of the tensor of a film with so many.
    pub fn size_of(&self, [rows, columns]: [usize; 2]) -> [usize; 2] {
        self.size.unwrap_or(match self.crop {
            Crop::None => [rows, columns],
            Crop::CentreSquare => [rows.min(columns); 2],
        })
    }

    /// The numbers of one film or frame for the tensor, by channel, row and column, of pixels in the same
    /// order. `padding` stands in the end where a pixel is padding, or made of one.
    pub fn fill(
        &self,
        [rows, columns]: [usize; 2],
        pixels: &[f32],
        [before, after]: [&[Step]; 2],
        padding: Option<f32>,
    ) -> Result<Vec<f32>, VoxelError> {
        let mut pixels = pixels.to_vec();
        before.iter().try_for_each(|step| step.apply(&mut pixels))?;
        let mut tensor = Vec::new();
        for plane in pixels.chunks((rows * columns).max(1)) {
            let mut image = Image::new([rows, columns], plane.to_vec())?;
            if self.crop == Crop::CentreSquare {
                image = image.centre_square();
            }
            if let Some(size) = self.size.filter(|size| *size != image.size()) {
                image = image.resized(size, self.interpolation.kernel())?;
            }
            tensor.extend(image.into_pixels());
        }
        after.iter().try_for_each(|step| step.apply(&mut tensor))?;
        let [rows, columns] = self.size_of([rows, columns]);
        if self.channels > 1 && tensor.len() == rows * columns {
            tensor = tensor.repeat(self.channels);
        }
        if let Some((mean, sd)) = &self.normalised {
            per_channel(&mut tensor, mean, sd)?;
        }
        if let Some(value) = padding {
            put_padding(&mut tensor, value);
        }
        Ok(tensor)
    }
}
