//! What one input of a model is given: a series as a volume, or one film, or the frames of a cine.

use crate::film::Film;
use crate::uid::Uid;
use crate::volume::Volume;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Cheap to clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Images {
    Volume(Arc<Volume>),
    Film(Arc<Film>),
}

impl Images {
    /// SOP Class UID and SOP Instance UID of each image once, in the order of the slices.
    pub fn sources(&self) -> Vec<(&Uid, &Uid)> {
        match self {
            Self::Volume(volume) => {
                let mut seen = HashSet::new();
                let slices = volume.slices.iter().filter(|slice| seen.insert(&slice.sop_instance));
                slices.map(|slice| (&slice.sop_class, &slice.sop_instance)).collect()
            }
            Self::Film(film) => vec![(&film.sop_class, &film.sop_instance)],
        }
    }

    /// Voxels or pixels.
    pub fn numbers(&self) -> &[f32] {
        match self {
            Self::Volume(volume) => &volume.voxels,
            Self::Film(film) => &film.pixels,
        }
    }

    /// How many numbers there have to be.
    pub fn count(&self) -> usize {
        match self {
            Self::Volume(volume) => volume.geometry.voxels(),
            Self::Film(film) => film.count(),
        }
    }

    /// How many voxels a mask over them has.
    pub fn places(&self) -> usize {
        match self {
            Self::Volume(volume) => volume.geometry.voxels(),
            Self::Film(film) => film.places(),
        }
    }

    /// The same with these numbers.
    pub fn with_numbers(&self, numbers: Vec<f32>) -> Self {
        match self {
            Self::Volume(volume) => Self::from(Volume {
                geometry: volume.geometry.clone(),
                voxels: numbers,
                slices: volume.slices.clone(),
                frame_of_reference: volume.frame_of_reference.clone(),
                displayed: volume.displayed,
            }),
            Self::Film(film) => Self::from(Film {
                pixels: numbers,
                sop_class: film.sop_class.clone(),
                sop_instance: film.sop_instance.clone(),
                ..**film
            }),
        }
    }
}

impl From<Volume> for Images {
    fn from(volume: Volume) -> Self {
        Self::Volume(Arc::new(volume))
    }
}

impl From<Arc<Volume>> for Images {
    fn from(volume: Arc<Volume>) -> Self {
        Self::Volume(volume)
    }
}

impl From<Film> for Images {
    fn from(film: Film) -> Self {
        Self::Film(Arc::new(film))
    }
}
