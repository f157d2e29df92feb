//! `[input.windows]`: the pieces in which a volume goes through the graph, where it does not go as a whole.

use super::{Axes, Side};
use crate::voxels::error::VoxelError;
use crate::voxels::windows::{Importance, Windows};
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowsWanted {
    pub pieces: Pieces,
    /// How many pieces go through the graph at a time, at most.
    pub batch: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pieces {
    /// Blocks that slide over the volume; the arithmetic stands at [`crate::voxels::windows`].
    Sliding {
        size: [usize; 3],
        overlap: f64,
        importance: Importance,
        /// What the graph sees where a window is larger than the volume.
        outside: f32,
    },
    /// Slice by slice along the slowest axis of the block. The channels are the slice and so many others
    /// on either side of it, and the outermost slice again where there is no other.
    Slices { neighbours: usize },
}

/// The whole of a volume that is not cut into blocks: `each = "slice"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    Slice,
}

/// `blending = ".."`: how much a window counts at each of its voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blending {
    /// The same everywhere.
    #[default]
    Constant,
    /// Most in its middle.
    Gaussian,
}

impl Blending {
    pub fn importance(self) -> Importance {
        match self {
            Self::Constant => Importance::Constant,
            Self::Gaussian => Importance::Gaussian(0.125),
        }
    }
}

impl WindowsWanted {
    /// Where the pieces lie over a block: what the graph answers to one covers as much.
    pub fn over(&self, size: [usize; 3]) -> Result<Windows, VoxelError> {
        match self.pieces {
            Pieces::Sliding { size: window, overlap, .. } => Windows::over(size, window, overlap),
            Pieces::Slices { .. } => Windows::over(size, [1, size[1], size[2]], 0.0),
        }
    }

    /// Channels of one piece as the graph takes it.
    pub fn channels(&self) -> usize {
        match self.pieces {
            Pieces::Sliding { .. } => 1,
            Pieces::Slices { neighbours } => 2 * neighbours + 1,
        }
    }

    /// What is known of a tensor of pieces with so many channels, cut of a block with these sides.
    pub fn sides(&self, axes: Axes, channels: usize, block: [Side; 3]) -> Vec<Side> {
        let piece = match self.pieces {
            Pieces::Sliding { size, .. } => size.map(Side::of),
            Pieces::Slices { .. } => block,
        };
        axes.tensor(Side::of(self.batch), Side::of(channels), piece)
    }
}
