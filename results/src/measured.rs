//! What a report measured: a volume with its slices, or one film.

use gantry_terms::film::Film;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};

/// Borrowed: nobody copies voxels for a report.
#[derive(Debug, Clone, Copy)]
pub enum Measured<'a> {
    Volume(&'a Volume),
    Film(&'a Film),
}

/// One image, or one frame of one, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    pub sop_class: &'a Uid,
    pub sop_instance: &'a Uid,
    pub frame: Option<u32>,
}

impl<'a> Measured<'a> {
    /// Rows and columns.
    pub fn size(self) -> [usize; 2] {
        match self {
            Self::Volume(volume) => [volume.geometry.rows, volume.geometry.columns],
            Self::Film(film) => [film.rows, film.columns],
        }
    }

    /// Of a film its frames.
    pub fn slices(self) -> usize {
        match self {
            Self::Volume(volume) => volume.geometry.slices,
            Self::Film(film) => film.frames,
        }
    }

    /// How many voxels a mask has.
    pub fn places(self) -> usize {
        self.slices() * self.size().iter().product::<usize>()
    }

    pub fn frame_of_reference(self) -> Option<&'a Uid> {
        match self {
            Self::Volume(volume) => volume.frame_of_reference.as_ref(),
            Self::Film(_) => None,
        }
    }

    /// The image that shows a slice, and which of its frames does where it has several.
    pub fn image(self, slice: usize) -> Option<Image<'a>> {
        match self {
            Self::Volume(volume) => {
                let SliceSource { sop_class, sop_instance, frame, .. } =
                    volume.slices.get(slice)?;
                Some(Image { sop_class, sop_instance, frame: *frame })
            }
            Self::Film(film) => {
                let Film { sop_class, sop_instance, .. } = film;
                let frame = (film.frames > 1).then_some(slice as u32 + 1);
                (slice < film.frames).then_some(Image { sop_class, sop_instance, frame })
            }
        }
    }
}

impl<'a> From<&'a Volume> for Measured<'a> {
    fn from(volume: &'a Volume) -> Self {
        Self::Volume(volume)
    }
}

impl<'a> From<&'a Film> for Measured<'a> {
    fn from(film: &'a Film) -> Self {
        Self::Film(film)
    }
}

impl<'a> From<&'a Images> for Measured<'a> {
    fn from(images: &'a Images) -> Self {
        match images {
            Images::Volume(volume) => Self::Volume(volume),
            Images::Film(film) => Self::Film(film),
        }
    }
}
