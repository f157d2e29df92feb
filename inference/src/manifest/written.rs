//! A manifest as its author wrote it: the keys that exist, their types, and where each value stands in the file.

use super::{Axes, InputKind, Intensity, ResultKind, SliceOrder};
use gantry_terms::code::Code;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Written {
    /// Read before everything else, see `check_version`.
    #[serde(rename = "manifest")]
    pub _version: i64,
    pub graph: Spanned<String>,
    pub sha256: Option<Spanned<String>>,
    pub results: Spanned<Vec<ResultKind>>,
    pub time_out: Spanned<f64>,
    pub algorithm: WrittenAlgorithm,
    pub procedure: Spanned<Code>,
    pub input: WrittenInput,
    #[serde(default, rename = "group")]
    pub groups: Vec<WrittenGroup>,
    #[serde(default, rename = "measurement")]
    pub measurements: Vec<WrittenMeasurement>,
    #[serde(default, rename = "segmentation")]
    pub segmentations: Vec<WrittenSegmentation>,
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
    pub kind: InputKind,
    pub modality: Spanned<String>,
    pub tensor: Spanned<String>,
    pub intensity: Intensity,
    pub axes: Axes,
    pub slice_order: SliceOrder,
    pub spacing_tensor: Option<Spanned<String>>,
    #[serde(default)]
    pub limits: WrittenLimits,
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
    pub tensor: Spanned<String>,
    pub index: usize,
    pub concept: Spanned<Code>,
    pub derivation: Option<Spanned<Code>>,
    pub unit: Spanned<Code>,
    pub scale: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenSegmentation {
    pub key: Spanned<String>,
    pub label: Spanned<String>,
    pub tensor: Spanned<String>,
    pub value: Option<u8>,
    pub category: Spanned<Code>,
    pub property: Spanned<Code>,
    pub colour: Spanned<String>,
    pub draw_order: i64,
}
