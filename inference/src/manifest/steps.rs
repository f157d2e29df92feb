//! `image-steps` and `steps` of `[input]`: what is done to the intensities, one after the other.

use crate::cuda::{DeviceError, Gpu, OnDevice};
use crate::voxels::error::VoxelError;
use crate::voxels::intensity::{self, Applied, Over};
use serde::Deserialize;

/// One entry of a list: a table with one key. The arithmetic stands at [`crate::voxels::intensity`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Step {
    /// To 0 to 1, cut.
    Window(Ends),
    Clip(Ends),
    MinMax(MinMax),
    ZScore(ZScore),
    /// Quantiles of all voxels, from 0 to 1, to 0 and 1, cut.
    Quantiles(Quantiles),
    /// Linear between pairs `[from, to]`, the outer ones beyond.
    Piecewise(Vec<[f32; 2]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ends {
    pub low: f32,
    pub high: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinMax {}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZScore {
    #[serde(default)]
    pub over: Counted,
}

/// Which voxels a mean is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    #[default]
    All,
    /// Those that are not 0; the others stay 0.
    NonZero,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    pub low: f64,
    pub high: f64,
    /// Added to the distance of the two.
    #[serde(default)]
    pub plus: f64,
}

impl Step {
    /// Whether a device can do it: those for which `put_on` does something.
    pub fn has_kernel(&self) -> bool {
        matches!(
            self,
            Self::Window(_)
                | Self::Clip(_)
                | Self::MinMax(_)
                | Self::ZScore(_)
                | Self::Piecewise(_)
        )
    }

    /// The same on a device.
    pub fn put_on(&self, gpu: &Gpu, voxels: &OnDevice) -> Result<(), DeviceError> {
        match self {
            Self::Window(Ends { low, high }) => gpu.window(voxels, *low, *high),
            Self::Clip(Ends { low, high }) => gpu.clip(voxels, *low, *high),
            Self::MinMax(_) => gpu.min_max(voxels),
            Self::ZScore(ZScore { over: Counted::All }) => {
                gpu.z_score(voxels, Over::All, Applied::ToAll)
            }
            Self::ZScore(ZScore { over: Counted::NonZero }) => {
                gpu.z_score(voxels, Over::NonZero, Applied::ToThose)
            }
            Self::Piecewise(knots) => gpu.piecewise(voxels, knots),
            _ => Err(DeviceError::no_kernel(&format!("{self:?}"))),
        }
    }

    pub fn apply(&self, voxels: &mut [f32]) -> Result<(), VoxelError> {
        match self {
            Self::Window(Ends { low, high }) => intensity::window(voxels, *low, *high),
            Self::Clip(Ends { low, high }) => intensity::clip(voxels, *low, *high),
            Self::MinMax(_) => {
                intensity::min_max(voxels);
                Ok(())
            }
            Self::ZScore(ZScore { over: Counted::All }) => {
                intensity::z_score(voxels, Over::All, Applied::ToAll);
                Ok(())
            }
            Self::ZScore(ZScore { over: Counted::NonZero }) => {
                intensity::z_score(voxels, Over::NonZero, Applied::ToThose);
                Ok(())
            }
            Self::Quantiles(Quantiles { low, high, plus }) => {
                intensity::quantile_scale(voxels, *low, *high, *plus, Over::All)
            }
            Self::Piecewise(knots) => intensity::piecewise(voxels, knots),
        }
    }
}
