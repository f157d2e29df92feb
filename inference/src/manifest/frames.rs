//! `[input.frames]`: how the frames of a cine go through a graph, and what is told of them.

use super::image::{Crop, Resizing};
use super::{Axes, Colour, ImageWanted, Input, InputKind, Intensity, Limits, Side};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq)]
pub struct FramesWanted {
    /// What is done to each frame.
    pub image: ImageWanted,
    pub tell: Tell,
    /// How many go through the graph at a time, at most.
    pub batch: usize,
}

/// What the findings of many frames become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// Those of each frame, with its number.
    Each,
    /// Of each number the mean over all frames.
    Mean,
    /// Of each number the highest one.
    Max,
}

impl Input {
    /// For no model: all frames of any image, grey or with colours, as a display shows them.
    pub(crate) fn shown() -> Self {
        let image = ImageWanted {
            crop: Crop::None,
            size: None,
            interpolation: Resizing::Nearest,
            colour: Colour::Any,
            channels: 3,
            normalised: None,
        };
        Self {
            name: String::new(),
            onto_lead: false,
            kind: InputKind::Frames(FramesWanted { image, tell: Tell::Mean, batch: 1 }),
            modalities: Vec::new(),
            tensor: String::new(),
            channel: 0,
            intensity: Intensity::Displayed,
            padding: None,
            axes: Axes::BatchChannelRowColumn,
            slice_order: None,
            grid: None,
            windows: None,
            image_steps: Vec::new(),
            steps: Vec::new(),
            spacing_tensor: None,
            limits: Limits::default(),
        }
    }
}

impl FramesWanted {
    /// Of the tensor that goes in, or of one that comes out with a number for each pixel.
    pub fn sides(&self, goes_in: bool, of_images: Side) -> Vec<Side> {
        let channels = if goes_in { self.image.channels } else { 1 };
        self.image.sides(Side::of(self.batch), channels, of_images)
    }
}
