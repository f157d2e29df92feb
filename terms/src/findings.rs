//! What a model found in images: measurements, answers, places, masks and images, each bound to coded concepts, and who found it.

use crate::code::Code;
use crate::region::Region;
use serde::{Deserialize, Serialize};

/// All that one run of a model says about its images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Findings {
    pub algorithm: Algorithm,
    /// Procedure Reported of TID 1500 (CID 100), by the manifest.
    pub procedure: Code,
    /// Each group becomes one Measurement Group of the report (TID 1501; 1410 or 1411 with a region), in this order.
    pub groups: Vec<MeasurementGroup>,
    pub masks: Vec<Mask>,
    /// Images that the model made of its images.
    pub derived: Vec<Derived>,
    /// What is told beside the findings, as in "nodule: the best 20 of 35 boxes".
    pub remarks: Vec<String>,
}

/// Who made the findings (PS3.16 TID 4019).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Algorithm {
    /// The model's name: its folder below `models/`.
    pub name: String,
    /// A title for people, as in "Lung densitometry".
    pub title: String,
    pub version: String,
    pub manufacturer: String,
    /// Coded family, CID 7162, as in (123110, DCM, "Artificial Intelligence").
    pub family: Code,
    /// SHA-256 of the graph file, lower-case hexadecimal.
    pub digest: String,
    /// The same of its manifest: another threshold makes another result.
    pub manifest_digest: String,
    pub research_only: bool,
}

/// Measurements of one thing at one site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MeasurementGroup {
    /// Tracking Identifier (112039, DCM): what a reader calls it.
    pub label: String,
    /// Finding (121071, DCM) that the group is about, if the manifest names one.
    pub finding: Option<Code>,
    /// Finding Site (363698007, SCT).
    pub site: Option<Code>,
    /// Measurement Method (370129005, SCT).
    pub method: Option<Code>,
    pub measurements: Vec<Measurement>,
    /// Whether the finding is there, if the model says so.
    pub presence: Option<Presence>,
    /// What the model says to other questions, each with one of several classes.
    pub answers: Vec<Answer>,
    /// The frame that it was found in, counted from 1, if it was found in one of several.
    pub frame: Option<u32>,
    /// Where it is, if it was found at one place.
    pub region: Option<Region>,
    /// Key of the mask that the measurements are taken of, if they are of one.
    pub segment: Option<String>,
}

/// The answer to whether a finding is there (PS3.16 CID 240).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    Present,
    Absent,
    Undetermined,
}

/// What a model says to a question, as in (272741003, SCT, "Laterality"): (7771000, SCT, "Left").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The output's key in the manifest.
    pub key: String,
    pub question: Code,
    /// None: no class is probable enough.
    pub value: Option<Code>,
}

/// One number with its name and unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    /// The output's key in the manifest, as in `lung-volume`.
    pub key: String,
    pub concept: Code,
    /// Derivation (121401, DCM), CID 7464, as in (373098007, SCT, "Mean").
    pub derivation: Option<Code>,
    /// UCUM unit.
    pub unit: Code,
    /// `Err` when the model gave no usable number (PS3.16 CID 42), never a NaN.
    pub value: Result<f64, NoValue>,
}

/// Why a measurement has no number: the Numeric Value Qualifier (0040,A301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoValue {
    /// (114000, DCM, "Not a number")
    NotANumber,
    /// (114006, DCM, "Measurement failure")
    MeasurementFailure,
}

/// Voxels that belong to something, over the source volume, or pixels over the frames of a film: same order and size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mask {
    pub key: String,
    pub label: String,
    /// Segmented Property Category (PS3.3 C.8.20.2, CID 7150).
    pub category: Code,
    /// Segmented Property Type.
    pub property: Code,
    /// sRGB colour to draw it in.
    pub colour: [u8; 3],
    /// 1 inside, 0 outside. Written apart from the rest: they are many.
    #[serde(skip)]
    pub voxels: Vec<u8>,
    /// How probable it is that a voxel is inside, from 0 to 255, where the model says so; else none. Written apart, too.
    #[serde(skip)]
    pub probabilities: Vec<u8>,
}

/// Whether a Segmented Property Category (CID 7150) is that of something which ought not to be there.
pub fn is_abnormal(category: &Code) -> bool {
    (category.value.as_str(), category.scheme.as_str()) == ("49755003", "SCT")
}

/// An image for each image of the source: same order, rows and columns, at the same places.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Derived {
    pub key: String,
    /// What the series is called.
    pub label: String,
    /// Derivation Code Sequence (0008,9215), CID 7203.
    pub derivation: Code,
    /// What one step of the stored values is, and what 0 stands for; none: as the source has it.
    pub rescale: Option<[f64; 2]>,
    /// None: the values are what the source's are.
    pub quantity: Option<Quantity>,
    /// In the unit of the quantity, or of the source's intensities; NaN where a quantity has no value. Written apart from the rest: they are many.
    #[serde(skip)]
    pub values: Vec<f32>,
}

/// What the values of an image are of, where they are no intensities of its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    pub concept: Code,
    /// UCUM unit.
    pub unit: Code,
}
