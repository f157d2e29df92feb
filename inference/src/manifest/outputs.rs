//! What the graph gives and what it means: numbers, answers, masks, figures taken of masks, and images.

use gantry_terms::code::Code;
use gantry_terms::findings::Quantity;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementOutput {
    pub key: String,
    /// Key of a [`super::Group`] that exists.
    pub group: String,
    pub source: MeasurementSource,
    pub concept: Code,
    pub derivation: Option<Code>,
    pub unit: Code,
    pub scale: f64,
}

/// Where a number comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum MeasurementSource {
    /// Element `index` of a float32 tensor of one dimension, or of two of which the first is 1.
    Tensor { tensor: String, index: usize },
    /// Of a mask, as it lies over the images: its key exists.
    Mask { segmentation: String, figure: Figure },
}

/// Whether the finding of a group is there, by a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationOutput {
    pub key: String,
    /// Key of a [`super::Group`] that exists and has a finding.
    pub group: String,
    /// A float32 tensor of one dimension, or of two of which the first is 1: a number for each class.
    pub tensor: String,
    pub class: usize,
    pub activation: Activation,
    /// Of a probability, from 0 to 1.
    pub present_at_least: f64,
    /// Not above the other; between the two nothing is decided.
    pub absent_below: f64,
    /// Of the probability as it is told.
    pub concept: Code,
    pub unit: Code,
    /// 1, or 100 for per cent.
    pub scale: f64,
}

/// Which of several classes answers a question: the most probable one.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceOutput {
    pub key: String,
    /// Key of a [`super::Group`] that exists.
    pub group: String,
    pub question: Code,
    /// At least two, in the order of the tensor's numbers.
    pub classes: Vec<Code>,
    /// A float32 tensor of one dimension, or of two of which the first is 1: a number for each class and no others.
    pub tensor: String,
    /// Not each class by itself: they exclude each other.
    pub activation: Activation,
    /// From 0 to 1: where no class is as probable, nothing is decided.
    pub undetermined_below: f64,
    /// How the probability of the answer is told, if it is.
    pub told: Option<Told>,
}

/// A probability as a number of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub concept: Code,
    pub unit: Code,
    /// 1, or 100 for per cent.
    pub scale: f64,
}

/// How the numbers of the classes become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// They are probabilities.
    None,
    /// 1 / (1 + exp(-x)): each class by itself.
    Sigmoid,
    /// exp(x) beside the sum of all classes: one of them is there.
    Softmax,
}

/// What is measured of a mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// In mm3 times this, by the unit.
    Volume(f64),
    /// Of a film: in mm2 in the patient times this, or in pixels.
    Area(Option<f64>),
    /// Of the intensities before any step, in the unit of the images.
    Mean,
    StandardDeviation,
    Minimum,
    Maximum,
    Sum,
    /// 0 to 100.
    Percentile(f64),
    /// Parts that hang together by faces, edges or corners.
    Count,
}

/// Names of figures in manifests; a percentile is `percentile = 95`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FigureName {
    Volume,
    Area,
    Mean,
    StandardDeviation,
    Minimum,
    Maximum,
    Sum,
    Count,
}

/// One mask over the images.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationOutput {
    pub key: String,
    pub label: String,
    pub tensor: String,
    pub reading: Reading,
    pub back: Back,
    pub cleaning: Cleaning,
    pub category: Code,
    pub property: Code,
    /// sRGB.
    pub colour: [u8; 3],
}

/// Which voxels of the tensor are in the mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// Those of a tensor of whole numbers in the shape of the input that are equal to this.
    Label(u8),
    /// Those of a tensor of numbers `[1, classes, ...]` whose highest score is that of this class.
    HighestScore(u16),
    /// Those whose number is equal to a limit or above.
    AtLeast(AtLeast),
}

/// Which numbers a mask has a limit of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtLeast {
    /// Of a probability, from 0 to 1, where there is an activation.
    pub least: f32,
    /// Of a tensor of numbers `[1, classes, ...]`; none: the tensor is in the shape of the input.
    pub class: Option<u16>,
    /// Makes probabilities of the numbers; none: they are in whatever unit.
    pub activation: Option<Activation>,
}

/// What is brought from the model's grid back onto the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// The mask, cleaned: each voxel of the images has what the nearest one of the grid has.
    #[default]
    Mask,
    /// The probabilities, trilinearly: the mask is made and cleaned on the images.
    Probability,
}

/// What is taken away from a mask or put into it, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaning {
    /// Parts that hang together by faces, edges or corners and have fewer voxels are taken away.
    pub least_voxels: Option<usize>,
    /// Only the largest such part stays.
    pub largest_component: bool,
    /// What is closed in on all sides is filled.
    pub fill_holes: bool,
}

/// Images that the graph makes of its images, one for each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivedOutput {
    pub key: String,
    pub label: String,
    /// A float32 tensor in the shape of the input, with one channel.
    pub tensor: String,
    /// A number of the tensor times `scale` and more by `offset` is in the unit of the quantity, or of the images.
    pub scale: f64,
    pub offset: f64,
    /// Slope and intercept of the stored values; none: those of the images.
    pub rescale: Option<[f64; 2]>,
    /// CID 7203.
    pub derivation: Code,
    /// None: the values are what those of the images are.
    pub quantity: Option<Quantity>,
}
