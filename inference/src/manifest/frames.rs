//! `[input.frames]`: how the frames of a cine go through a graph, and what is told of them.

use super::{ImageWanted, Side};
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

impl FramesWanted {
    /// Of the tensor that goes in.
    pub fn sides(&self) -> Vec<Side> {
        self.image.sides(Side::of(self.batch), self.image.channels)
    }
}
