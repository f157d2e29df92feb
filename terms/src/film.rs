//! One projection image, a chest film for instance, or the frames of a cine, as numbers: without a place in the patient.

use crate::uid::Uid;
use serde::{Deserialize, Serialize};

/// Pixels by frame, channel, row and column (`[((frame * channels + channel) * rows + row) * columns + column]`), high where a display shows them bright: what is
/// MONOCHROME1 (PS3.3 C.7.6.3.1.2) is inverted. In the unit that the model's manifest asks for. NaN is padding, where the
/// model says what it takes for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Film {
    /// 1, or as many as a multi-frame image has.
    pub frames: usize,
    /// 1, or 3 for red, green and blue.
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
    /// Written apart from the rest: they are many.
    #[serde(skip)]
    pub pixels: Vec<f32>,
    pub sop_class: Uid,
    pub sop_instance: Uid,
    /// Millimetres between rows, then between columns, at the detector or where they were calibrated.
    pub pixel_spacing: Option<[f64; 2]>,
    /// The same in the patient: of ultrasound as its regions are calibrated (PS3.3 C.8.5.5); else Pixel Spacing where it was calibrated, or what the detector has (Imager Pixel Spacing) by the
    /// magnification that the image names (Estimated Radiographic Magnification Factor; PS3.3 10.7.1.1).
    pub patient_spacing: Option<[f64; 2]>,
}

impl Film {
    /// How many numbers there have to be.
    pub fn count(&self) -> usize {
        self.frames * self.channels * self.rows * self.columns
    }

    /// How many pixels its frames have, whatever number of channels each of them has.
    pub fn places(&self) -> usize {
        self.frames * self.rows * self.columns
    }

    /// The pixels of one frame, counted from 0.
    pub fn frame(&self, at: usize) -> &[f32] {
        let length = self.channels * self.rows * self.columns;
        self.pixels.get(at * length..(at + 1) * length).unwrap_or_default()
    }
}
