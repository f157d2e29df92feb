//! A manifest as its author wrote it: the keys that exist, their types, and where each value stands in the file.

use super::grid::Multiple;
use super::image::{Crop, Resizing};
use super::outputs::FigureName;
use super::windows::{Blending, Each};
use super::{Activation, Along, Axes, Intensity, Interpolation, ResultKind, SliceOrder, Step};
use gantry_terms::code::Code;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Written<I> {
    /// Read before everything else, see `check_version`.
    #[serde(rename = "manifest")]
    pub _version: i64,
    pub graph: Spanned<String>,
    pub sha256: Option<Spanned<String>>,
    pub results: Spanned<Vec<ResultKind>>,
    pub time_out: Spanned<f64>,
    #[serde(default = "allowed")]
    pub cpu: bool,
    pub algorithm: WrittenAlgorithm,
    pub procedure: Spanned<Code>,
    /// [`WrittenInput`], or several by their names.
    pub input: I,
    #[serde(default, rename = "group")]
    pub groups: Vec<WrittenGroup>,
    #[serde(default, rename = "measurement")]
    pub measurements: Vec<WrittenMeasurement>,
    #[serde(default, rename = "classification")]
    pub classifications: Vec<WrittenClassification>,
    #[serde(default, rename = "segmentation")]
    pub segmentations: Vec<WrittenSegmentation>,
}

fn allowed() -> bool {
    true
}

/// Each with its name, if it has one.
pub type Inputs = Vec<(Option<Spanned<String>>, WrittenInput)>;

impl<I> Written<I> {
    pub fn with_inputs(self, inputs: impl FnOnce(I) -> Inputs) -> Written<Inputs> {
        Written {
            _version: self._version,
            graph: self.graph,
            sha256: self.sha256,
            results: self.results,
            time_out: self.time_out,
            cpu: self.cpu,
            algorithm: self.algorithm,
            procedure: self.procedure,
            input: inputs(self.input),
            groups: self.groups,
            measurements: self.measurements,
            classifications: self.classifications,
            segmentations: self.segmentations,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenAlgorithm {
    pub title: Spanned<String>,
    pub version: Spanned<String>,
    pub manufacturer: Spanned<String>,
    pub family: Spanned<Code>,
    pub research_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenInput {
    /// The name of the leading input.
    pub onto: Option<Spanned<String>>,
    pub kind: Spanned<WrittenKind>,
    pub modality: Spanned<Modalities>,
    pub tensor: Spanned<String>,
    pub intensity: Spanned<Intensity>,
    pub axes: Spanned<Axes>,
    /// Of a volume.
    pub slice_order: Option<Spanned<SliceOrder>>,
    pub image: Option<Spanned<WrittenImage>>,
    pub grid: Option<Spanned<WrittenGrid>>,
    pub windows: Option<Spanned<WrittenWindows>>,
    #[serde(default)]
    pub image_steps: Vec<Spanned<Step>>,
    #[serde(default)]
    pub steps: Vec<Spanned<Step>>,
    pub spacing_tensor: Option<Spanned<String>>,
    #[serde(default)]
    pub limits: WrittenLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrittenKind {
    Volume,
    Image,
}

/// `modality = "CR"`, or a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a modality is a word, or a list of words")]
pub enum Modalities {
    One(String),
    Several(Vec<String>),
}

/// What each key means stands at [`super::image::ImageWanted`].
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenImage {
    pub size: Option<Spanned<[usize; 2]>>,
    #[serde(default)]
    pub crop: Crop,
    pub interpolation: Option<Spanned<Resizing>>,
    pub channels: Option<Spanned<usize>>,
    pub mean: Option<Spanned<Vec<f32>>>,
    pub sd: Option<Spanned<Vec<f32>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenGrid {
    #[serde(default)]
    pub along: Along,
    pub orientation: Option<Spanned<String>>,
    pub spacing: Option<Spanned<[f64; 3]>>,
    pub size: Option<Spanned<[usize; 3]>>,
    pub multiple_of: Option<Spanned<Multiple>>,
    #[serde(default)]
    pub interpolation: Interpolation,
    #[serde(default)]
    pub outside: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenWindows {
    pub each: Option<Spanned<Each>>,
    pub neighbours: Option<Spanned<usize>>,
    pub size: Option<Spanned<[usize; 3]>>,
    pub overlap: Option<Spanned<f64>>,
    pub blending: Option<Spanned<Blending>>,
    pub outside: Option<Spanned<f32>>,
    pub batch: Option<Spanned<usize>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenLimits {
    pub pixel_spacing: Option<Spanned<WrittenRange>>,
    pub slice_step: Option<Spanned<WrittenRange>>,
    pub slices: Option<Spanned<WrittenRange>>,
    pub degrees_from_axial: Option<Spanned<WrittenRange>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub struct WrittenRange {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenGroup {
    pub key: Spanned<String>,
    pub label: Spanned<String>,
    pub finding: Option<Spanned<Code>>,
    pub site: Option<Spanned<Code>>,
    pub method: Option<Spanned<Code>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenMeasurement {
    pub key: Spanned<String>,
    pub group: Spanned<String>,
    pub tensor: Option<Spanned<String>>,
    pub index: Option<Spanned<usize>>,
    /// Key of a segmentation.
    pub of: Option<Spanned<String>>,
    pub figure: Option<Spanned<FigureName>>,
    pub percentile: Option<Spanned<f64>>,
    pub concept: Spanned<Code>,
    pub derivation: Option<Spanned<Code>>,
    pub unit: Spanned<Code>,
    pub scale: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenClassification {
    pub key: Spanned<String>,
    pub group: Spanned<String>,
    pub tensor: Spanned<String>,
    pub class: Spanned<usize>,
    pub activation: Activation,
    pub present_at_least: Spanned<f64>,
    pub absent_below: Option<Spanned<f64>>,
    pub concept: Spanned<Code>,
    pub unit: Spanned<Code>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenSegmentation {
    pub key: Spanned<String>,
    pub label: Spanned<String>,
    pub tensor: Spanned<String>,
    pub value: Option<Spanned<u8>>,
    pub class: Option<Spanned<u16>>,
    pub at_least: Option<Spanned<f32>>,
    pub least_voxels: Option<Spanned<usize>>,
    #[serde(default)]
    pub largest_component: bool,
    #[serde(default)]
    pub fill_holes: bool,
    pub category: Spanned<Code>,
    pub property: Spanned<Code>,
    pub colour: Spanned<String>,
    pub draw_order: i64,
}
