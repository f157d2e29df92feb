//! One projection image, a chest film for instance, as numbers: it has no place in the patient, only rows and columns.

use crate::uid::Uid;
use serde::{Deserialize, Serialize};

/// Pixels row by row (`[row * columns + column]`), high where a display shows them bright: what is
/// MONOCHROME1 (PS3.3 C.7.6.3.1.2) is inverted. In the unit that the model's manifest asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Film {
    pub rows: usize,
    pub columns: usize,
    /// Written apart from the rest: they are many.
    #[serde(skip)]
    pub pixels: Vec<f32>,
    pub sop_class: Uid,
    pub sop_instance: Uid,
    /// Millimetres between rows, then between columns, at the detector or where they were calibrated.
    pub pixel_spacing: Option<[f64; 2]>,
}
