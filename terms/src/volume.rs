//! A series as one block of numbers in the patient's space, with the instance that each slice came from.

use crate::geometry::Geometry;
use crate::uid::Uid;
use serde::{Deserialize, Serialize};

/// Voxels in slice, row, column order (`[(slice * rows + row) * columns + column]`),
/// after the modality LUT (PS3.3 C.11.1): for CT, Hounsfield units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Volume {
    pub geometry: Geometry,
    /// Written apart from the rest: they are many.
    #[serde(skip)]
    pub voxels: Vec<f32>,
    /// One for each slice, in the order of the slices.
    pub slices: Vec<SliceSource>,
    /// Frame of Reference UID (0020,0052) of all slices, if they have one.
    pub frame_of_reference: Option<Uid>,
}

/// The instance that a slice came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceSource {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    /// Image Position (Patient) of this very slice in mm.
    pub position: [f64; 3],
}
