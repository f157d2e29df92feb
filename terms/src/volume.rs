//! A series as one block of numbers in the patient's space, with the instance that each slice came from.

use crate::geometry::Geometry;
use crate::uid::Uid;
use serde::{Deserialize, Serialize};

/// Voxels in slice, row, column order (`[(slice * rows + row) * columns + column]`),
/// after the modality LUT (PS3.3 C.11.1): for CT, Hounsfield units; or as a display shows them. NaN is padding (PS3.3 C.7.5.1.1.2),
/// where the model says what it takes for it.
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
    /// Its voxels are what a display shows, from 0 for dark to 1 for bright (PS3.3 C.11.2), and measure nothing.
    pub displayed: bool,
}

impl Volume {
    /// Where a point of a slice lies in the patient, in mm, by its column and row: 0 is the outer edge of the first pixel
    /// (PS3.3 C.7.6.2.1.1, whose 0 is the middle of it). None where there is no such slice.
    pub fn in_patient(&self, slice: usize, [column, row]: [f64; 2]) -> Option<[f64; 3]> {
        let Geometry { row_direction, column_direction, pixel_spacing, .. } = &self.geometry;
        let [between_rows, between_columns] = pixel_spacing;
        let first = self.slices.get(slice)?.position;
        Some([0, 1, 2].map(|a| {
            first[a]
                + row_direction[a] * (column - 0.5) * between_columns
                + column_direction[a] * (row - 0.5) * between_rows
        }))
    }
}

/// The instance that a slice came from, or the frame of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceSource {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    /// Of an image with functional groups (PS3.3 C.7.6.16), counted from 1.
    pub frame: Option<u32>,
    /// Image Position (Patient) of this very slice in mm.
    pub position: [f64; 3],
}
