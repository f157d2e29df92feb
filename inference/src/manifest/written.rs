//! A manifest as its author wrote it: the keys that exist, their types, and where each value stands in the file.

use super::boxes::{Column, Zero};
use super::grid::Multiple;
use super::image::{Colour, Crop, Resizing};
use super::outputs::{Back, FigureName};
use super::windows::{Blending, Each};
use super::{
    Activation, Along, Axes, Intensity, Interpolation, ResultKind, SliceOrder, Step, Tell,
};
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
    pub batching: Option<Spanned<WrittenBatching>>,
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
    #[serde(default, rename = "choice")]
    pub choices: Vec<WrittenChoice>,
    #[serde(default, rename = "segmentation")]
    pub segmentations: Vec<WrittenSegmentation>,
    #[serde(default, rename = "detection")]
    pub detections: Vec<WrittenDetection>,
    #[serde(default, rename = "image")]
    pub images: Vec<WrittenDerived>,
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
            batching: self.batching,
            algorithm: self.algorithm,
            procedure: self.procedure,
            input: inputs(self.input),
            groups: self.groups,
            measurements: self.measurements,
            classifications: self.classifications,
            choices: self.choices,
            segmentations: self.segmentations,
            detections: self.detections,
            images: self.images,
        }
    }
}

/// What each key means stands at [`super::Batching`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenBatching {
    pub most: Spanned<usize>,
    pub wait_ms: Option<Spanned<u64>>,
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
    pub padding: Option<Spanned<f32>>,
    pub axes: Spanned<Axes>,
    /// Of a volume.
    pub slice_order: Option<Spanned<SliceOrder>>,
    pub image: Option<Spanned<WrittenImage>>,
    pub frames: Option<Spanned<WrittenFrames>>,
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
    Frames,
}

/// `modality = "CR"`, or a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a modality is a word, or a list of words")]
pub enum Modalities {
    One(String),
    Several(Vec<String>),
}

impl Modalities {
    pub fn names(&self, modality: &str) -> bool {
        match self {
            Self::One(one) => one == modality,
            Self::Several(all) => all.iter().any(|one| one == modality),
        }
    }
}

/// What each key means stands at [`super::image::ImageWanted`].
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenImage {
    pub size: Option<Spanned<[usize; 2]>>,
    #[serde(default)]
    pub crop: Crop,
    #[serde(default)]
    pub colour: Colour,
    pub interpolation: Option<Spanned<Resizing>>,
    pub channels: Option<Spanned<usize>>,
    pub mean: Option<Spanned<Vec<f32>>>,
    pub sd: Option<Spanned<Vec<f32>>>,
}

/// What each key means stands at [`super::FramesWanted`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenFrames {
    pub tell: Tell,
    pub batch: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenGrid {
    #[serde(default)]
    pub along: Along,
    pub orientation: Option<Spanned<String>>,
    pub spacing: Option<Spanned<[f64; 3]>>,
    pub size: Option<Spanned<[usize; 3]>>,
    pub crop_or_pad: Option<Spanned<[usize; 3]>>,
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
    pub degrees_from_coronal: Option<Spanned<WrittenRange>>,
    pub degrees_from_sagittal: Option<Spanned<WrittenRange>>,
    pub frames: Option<Spanned<WrittenRange>>,
    pub lossy: Option<bool>,
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
    /// Key of a segmentation.
    pub of: Option<Spanned<String>>,
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

/// `[[choice]]`: what each key means stands at [`super::ChoiceOutput`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenChoice {
    pub key: Spanned<String>,
    pub group: Spanned<String>,
    pub question: Spanned<Code>,
    pub classes: Spanned<Vec<Spanned<Code>>>,
    pub tensor: Spanned<String>,
    pub activation: Spanned<Activation>,
    pub undetermined_below: Option<Spanned<f64>>,
    pub concept: Option<Spanned<Code>>,
    pub unit: Option<Spanned<Code>>,
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
    pub activation: Option<Spanned<Activation>>,
    pub back: Option<Spanned<Back>>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenDetection {
    pub key: Spanned<String>,
    pub label: Spanned<String>,
    pub boxes: Spanned<String>,
    pub columns: Spanned<Vec<Column>>,
    #[serde(default)]
    pub zero: Zero,
    pub scores: Spanned<String>,
    pub labels: Option<Spanned<String>>,
    pub class: Option<Spanned<usize>>,
    pub activation: Spanned<Activation>,
    pub score_at_least: Spanned<f64>,
    pub overlap_at_most: Spanned<f64>,
    pub most_boxes: Spanned<usize>,
    pub finding: Spanned<Code>,
    pub site: Option<Spanned<Code>>,
    pub method: Option<Spanned<Code>>,
    pub concept: Spanned<Code>,
    pub unit: Spanned<Code>,
    pub colour: Spanned<String>,
}

/// `[[image]]`: images made of images.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenDerived {
    pub key: Spanned<String>,
    pub label: Spanned<String>,
    pub tensor: Spanned<String>,
    pub scale: Option<Spanned<f64>>,
    pub offset: Option<Spanned<f64>>,
    pub rescale: Option<Spanned<WrittenRescale>>,
    pub derivation: Spanned<Code>,
    pub quantity: Option<Spanned<Code>>,
    pub unit: Option<Spanned<Code>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub struct WrittenRescale {
    pub slope: f64,
    pub intercept: f64,
}
