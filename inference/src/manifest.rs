//! What a model takes and gives, as its manifest says: tensors, geometry limits, coded concepts. No model is known in code.

mod check;
mod written;

use gantry_terms::code::Code;
use serde::Deserialize;
use std::time::Duration;

/// The version of the manifest format that this build reads: `manifest = 1`.
pub const VERSION: i64 = 1;

/// A checked manifest: every code fits DICOM, every group exists, every number is in its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the graph file beside the manifest.
    pub graph: String,
    /// SHA-256 that the graph file must have, lower-case hexadecimal.
    pub sha256: Option<String>,
    pub results: Vec<ResultKind>,
    /// How long one run may take.
    pub time_out: Duration,
    pub algorithm: AlgorithmEntry,
    /// Procedure Reported (121058, DCM), CID 100.
    pub procedure: Code,
    pub input: Input,
    pub groups: Vec<Group>,
    pub measurements: Vec<MeasurementOutput>,
    /// In drawing order: the last one is drawn on top.
    pub segmentations: Vec<SegmentationOutput>,
}

/// What can be composed from the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultKind {
    StructuredReport,
    SecondaryCapture,
}

impl ResultKind {
    /// As manifests and rules write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StructuredReport => "structured-report",
            Self::SecondaryCapture => "secondary-capture",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlgorithmEntry {
    pub title: String,
    pub version: String,
    pub manufacturer: String,
    /// CID 7162.
    pub family: Code,
    pub research_only: bool,
}

/// The volume that the graph takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub kind: InputKind,
    /// Modality (0008,0060) of the images.
    pub modality: String,
    /// Takes float32 `[slices, rows, columns]`.
    pub tensor: String,
    pub intensity: Intensity,
    pub axes: Axes,
    pub slice_order: SliceOrder,
    /// Takes float32 `[3]`: mm between slices, rows and columns, in the order of `axes`.
    pub spacing_tensor: Option<String>,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// One series as one block.
    Volume,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intensity {
    /// Rescale Slope and Intercept applied (PS3.3 C.11.1), nothing else.
    Hounsfield,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axes {
    SliceRowColumn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SliceOrder {
    /// Position grows along the normal, row direction x column direction: for axial slices of a
    /// supine patient from the feet to the head.
    AlongNormal,
}

/// Series outside of these are refused with a reason before the graph runs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Each value of Pixel Spacing (0028,0030) in mm.
    pub pixel_spacing: Limit,
    /// Distance of neighbouring slices in mm.
    pub slice_step: Limit,
    pub slices: Limit,
    /// Angle between the slices and the axial plane.
    pub degrees_from_axial: Limit,
}

/// Both ends belong to it; a missing end has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limit {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// As a sentence ends: `the model takes ...`.
impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, "{min} and more"),
            (None, Some(max)) => write!(f, "up to {max}"),
            (None, None) => write!(f, "any"),
        }
    }
}

impl Limit {
    pub fn holds(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

/// A measurement group of the report (TID 1501).
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub key: String,
    pub label: String,
    pub finding: Option<Code>,
    pub site: Option<Code>,
    pub method: Option<Code>,
}

/// One number: element `index` of a float32 tensor of one dimension, times `scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementOutput {
    pub key: String,
    /// Key of a [`Group`] that exists.
    pub group: String,
    pub tensor: String,
    pub index: usize,
    pub concept: Code,
    pub derivation: Option<Code>,
    pub unit: Code,
    pub scale: f64,
}

/// One mask: the voxels of a uint8 tensor of the input's shape that are equal to `value`.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationOutput {
    pub key: String,
    pub label: String,
    pub tensor: String,
    pub value: u8,
    pub category: Code,
    pub property: Code,
    /// sRGB.
    pub colour: [u8; 3],
}
