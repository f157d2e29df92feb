//! What a report measured: a volume with its slices, or one film.

use gantry_terms::film::Film;
use gantry_terms::images::Images;
use gantry_terms::volume::Volume;

/// Borrowed: nobody copies voxels for a report.
#[derive(Debug, Clone, Copy)]
pub enum Measured<'a> {
    Volume(&'a Volume),
    Film(&'a Film),
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
