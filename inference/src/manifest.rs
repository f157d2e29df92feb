//! What a model takes and gives, as its manifest says: tensors, geometry limits, coded concepts. No model is known in code.

mod batching;
mod boxes;
mod check;
mod frames;
mod grid;
mod image;
mod outputs;
mod steps;
mod windows;
mod written;

pub use batching::Batching;
pub use boxes::{BoxTensor, Column, DetectionOutput, Part, Zero};
pub use frames::{FramesWanted, Tell};
pub use grid::{Along, GridWanted, Interpolation};
pub use image::{Colour, Crop, FilmPlace, ImageWanted, Resizing};
pub use outputs::{
    Activation, AtLeast, Back, ChoiceOutput, ClassificationOutput, Cleaning, DerivedOutput, Figure,
    MeasurementOutput, MeasurementSource, Reading, SegmentationOutput, Told,
};
pub use steps::Step;
pub use windows::{Blending, Each, Pieces, WindowsWanted};

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
    /// Whether the CPU may run it where a device was meant to and can not.
    pub cpu: bool,
    /// None: each job is a run of its own.
    pub batching: Option<Batching>,
    pub algorithm: AlgorithmEntry,
    /// Procedure Reported (121058, DCM), CID 100.
    pub procedure: Code,
    /// At least one. The first one leads: masks lie over its images, results go into its study.
    pub inputs: Vec<Input>,
    pub groups: Vec<Group>,
    pub measurements: Vec<MeasurementOutput>,
    /// One of a group at the most.
    pub classifications: Vec<ClassificationOutput>,
    pub choices: Vec<ChoiceOutput>,
    /// In drawing order: the last one is drawn on top.
    pub segmentations: Vec<SegmentationOutput>,
    pub detections: Vec<DetectionOutput>,
    pub derived: Vec<DerivedOutput>,
}

/// What can be composed from the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultKind {
    StructuredReport,
    SecondaryCapture,
    DerivedImages,
    /// The masks as segments.
    Segmentation,
    /// The probabilities behind the masks as segments.
    FractionalSegmentation,
    /// The masks as one number for each voxel, where the peer takes that, else as segments.
    LabelMap,
    /// A quantity for each voxel.
    ParametricMap,
    /// The images that show what was found.
    KeyObjects,
    /// Outlines of masks and boxes over the images themselves.
    PresentationState,
    /// The report as sentences.
    TextReport,
    /// The same for people, as pages.
    EncapsulatedPdf,
}

impl ResultKind {
    /// As manifests and rules write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StructuredReport => "structured-report",
            Self::SecondaryCapture => "secondary-capture",
            Self::DerivedImages => "derived-images",
            Self::Segmentation => "segmentation",
            Self::FractionalSegmentation => "fractional-segmentation",
            Self::LabelMap => "label-map",
            Self::ParametricMap => "parametric-map",
            Self::KeyObjects => "key-objects",
            Self::PresentationState => "presentation-state",
            Self::TextReport => "text-report",
            Self::EncapsulatedPdf => "encapsulated-pdf",
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

/// A tensor that the graph takes or gives, as the manifest means it.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorWanted<'a> {
    pub name: &'a str,
    pub kind: TensorKind<'a>,
    pub sides: Vec<Side>,
    /// The side that may stand before them: of an output that has so much for each of a batch.
    pub batch: Option<Side>,
}

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TensorKind<'a> {
    /// Read as float32.
    Numbers,
    /// Whole numbers, one for each voxel.
    Labels,
    /// Numbers, a box in each row.
    Boxes(&'a BoxTensor),
    /// Numbers, one or more for each box.
    Scores,
    /// int32 or int64, one for each box.
    Classes,
}

/// What is known of one dimension of a tensor before any image has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Any,
    Exactly(i64),
    AtLeast(i64),
    MultipleOf(i64),
    /// The graph may not fix it.
    Open,
    /// As many as the images have: the graph may not fix it.
    OfImages,
}

impl Side {
    fn of(side: usize) -> Self {
        Self::Exactly(side as i64)
    }

    /// Whether a side that the graph fixes can be this one; a side that it leaves open is below 0.
    pub fn fits(self, fixed: i64) -> bool {
        fixed < 0
            || match self {
                Self::Any => true,
                Self::Open | Self::OfImages => false,
                Self::Exactly(side) => fixed == side,
                Self::AtLeast(least) => fixed >= least,
                Self::MultipleOf(side) => fixed % side.max(1) == 0,
            }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => write!(f, "any"),
            Self::Exactly(side) => write!(f, "{side}"),
            Self::AtLeast(least) => write!(f, "{least} or more"),
            Self::MultipleOf(side) => write!(f, "a multiple of {side}"),
            Self::Open => write!(f, "a batch that is left open"),
            Self::OfImages => write!(f, "as many as the images have"),
        }
    }
}

/// What the only input of a model is called.
pub const INPUT: &str = "input";

impl Manifest {
    /// The input that masks lie over.
    pub fn lead(&self) -> &Input {
        &self.inputs[0]
    }

    /// The keys of all that comes out.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        let numbers = self.measurements.iter().map(|measurement| measurement.key.as_str());
        let answers = self.classifications.iter().map(|answer| answer.key.as_str());
        let choices = self.choices.iter().map(|choice| choice.key.as_str());
        let answers = answers.chain(choices);
        let masks = self.segmentations.iter().map(|segmentation| segmentation.key.as_str());
        let boxes = self.detections.iter().map(|detection| detection.key.as_str());
        let images = self.derived.iter().map(|derived| derived.key.as_str());
        numbers.chain(answers).chain(masks).chain(boxes).chain(images)
    }

    /// The tensors of images, with the places of the inputs that are the channels of each, in their order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Vec<usize>)> {
        self.inputs.iter().filter(|input| input.channel == 0).map(|first| {
            let mut all: Vec<(usize, usize)> = (self.inputs.iter().enumerate())
                .filter(|(_, input)| input.tensor == first.tensor)
                .map(|(at, input)| (input.channel, at))
                .collect();
            all.sort_unstable();
            (first.tensor.as_str(), all.into_iter().map(|(_, at)| at).collect())
        })
    }

    /// The tensors that the graph takes.
    pub fn taken(&self) -> impl Iterator<Item = TensorWanted<'_>> {
        self.inputs.iter().flat_map(|input| {
            let sides = self.sides(input, true);
            let numbers =
                |name, sides| TensorWanted { name, kind: TensorKind::Numbers, sides, batch: None };
            let spacing = input.spacing_tensor.as_deref();
            let spacing = spacing.map(|name| numbers(name, vec![Side::Exactly(3)]));
            let tensor = (input.channel == 0).then(|| numbers(input.tensor.as_str(), sides));
            tensor.into_iter().chain(spacing)
        })
    }

    /// Each use of a tensor that the graph gives; one tensor may be used several times.
    pub fn given(&self) -> impl Iterator<Item = TensorWanted<'_>> {
        // A row for each film or frame, where several go through the graph together.
        let several = match (&self.batching, &self.lead().kind) {
            (Some(_), _) => Some(Side::Open),
            (None, InputKind::Frames(frames)) if frames.batch > 1 => Some(Side::of(frames.batch)),
            _ => None,
        };
        let row = move |name, side| TensorWanted {
            name,
            kind: TensorKind::Numbers,
            sides: several.into_iter().chain([side]).collect(),
            batch: several.is_none().then_some(Side::Exactly(1)),
        };
        let element = move |name, index: usize| row(name, at_least(index));
        let numbers =
            self.measurements.iter().filter_map(move |measurement| match &measurement.source {
                MeasurementSource::Tensor { tensor, index } => Some(element(tensor, *index)),
                MeasurementSource::Mask { .. } => None,
            });
        let classes = self.classifications.iter().map(move |c| element(&c.tensor, c.class));
        let choices =
            self.choices.iter().map(move |c| row(c.tensor.as_str(), Side::of(c.classes.len())));
        let classes = classes.chain(choices);
        let masks = self.segmentations.iter().map(|segmentation| self.of_mask(segmentation));
        let boxes = self.detections.iter().flat_map(|detection| self.of_boxes(detection));
        let images = self.derived.iter().map(|derived| TensorWanted {
            name: &derived.tensor,
            kind: TensorKind::Numbers,
            sides: self.sides(self.lead(), false),
            batch: None,
        });
        numbers.chain(classes).chain(masks).chain(boxes).chain(images)
    }

    fn of_mask<'a>(&'a self, segmentation: &'a SegmentationOutput) -> TensorWanted<'a> {
        let mut sides = self.sides(self.lead(), false);
        let class = match segmentation.reading {
            Reading::Label(_) => None,
            Reading::HighestScore(class) => Some(class),
            Reading::AtLeast(limit) => limit.class,
        };
        if let (Some(class), Some(classes)) = (class, sides.get_mut(1)) {
            *classes = at_least(usize::from(class));
        }
        let kind = match segmentation.reading {
            Reading::Label(_) => TensorKind::Labels,
            Reading::HighestScore(_) | Reading::AtLeast(_) => TensorKind::Numbers,
        };
        TensorWanted { name: &segmentation.tensor, kind, sides, batch: None }
    }

    /// Boxes, scores, and labels where there are some.
    fn of_boxes<'a>(
        &self,
        detection: &'a DetectionOutput,
    ) -> impl Iterator<Item = TensorWanted<'a>> {
        let batch = match &self.lead().kind {
            InputKind::Frames(frames) => frames.batch,
            _ => self.lead().windows.as_ref().map_or(1, |windows| windows.batch),
        };
        let batch = Some(Side::of(batch));
        let of = move |name, kind, sides| TensorWanted { name, kind, sides, batch };
        let columns = Side::of(detection.boxes.columns.len());
        let boxes = (&detection.boxes.tensor, TensorKind::Boxes(&detection.boxes));
        let scores = match (&detection.labels, detection.class) {
            (None, Some(class)) => vec![Side::Any, at_least(class)],
            _ => vec![Side::Any],
        };
        let labels = detection.labels.as_ref();
        let labels = labels.map(|name| of(name, TensorKind::Classes, vec![Side::Any]));
        [
            of(boxes.0, boxes.1, vec![Side::Any, columns]),
            of(&detection.scores, TensorKind::Scores, scores),
        ]
        .into_iter()
        .chain(labels)
    }

    /// Of a tensor that goes in or comes out. Without a `size` its voxels depend on the images.
    fn sides(&self, input: &Input, goes_in: bool) -> Vec<Side> {
        let open = if goes_in { Side::OfImages } else { Side::Any };
        match &input.kind {
            InputKind::Image(image) => {
                let batch = self.batching.map_or(Side::Exactly(1), |_| Side::Open);
                return image.sides(batch, if goes_in { image.channels } else { 1 }, open);
            }
            InputKind::Frames(frames) => return frames.sides(goes_in, open),
            InputKind::Volume => {}
        }
        let grid = self.lead().grid.as_ref();
        let size = grid.and_then(GridWanted::fixed_size).map(|size| size.map(Side::of));
        let multiple = grid.and_then(|grid| grid.multiple_of);
        let multiple = multiple.map(|of| of.map(|side| Side::MultipleOf(side as i64)));
        let block = size.or(multiple).unwrap_or([open; 3]);
        let share = self.inputs.iter().filter(|other| other.tensor == input.tensor).count();
        let share = if goes_in { share } else { 1 };
        match &self.lead().windows {
            None => input.axes.whole([Side::of(1), Side::of(share)], block),
            Some(windows) => {
                let channels = if goes_in { share * windows.channels() } else { 1 };
                windows.sides(input.axes, channels, block)
            }
        }
    }
}

/// Room for an element at this index.
fn at_least(index: usize) -> Side {
    Side::AtLeast(i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1))
}

/// The volume, the film or the frames that the graph takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As rules name the selection that fills it; `input` where there is only one.
    pub name: String,
    /// On the leading input's grid, whatever way these images lie.
    pub onto_lead: bool,
    pub kind: InputKind,
    /// Modality (0008,0060) of the images: one of these.
    pub modalities: Vec<String>,
    /// Takes numbers in the order of `axes`.
    pub tensor: String,
    /// Which of the inputs that go into this tensor it is, from 0: each of them is a channel, or as many as it has slices.
    pub channel: usize,
    pub intensity: Intensity,
    /// What the graph sees where the images have padding (PS3.3 C.7.5.1.1.2); none: it goes through as it stands.
    pub padding: Option<f32>,
    pub axes: Axes,
    /// Of a volume.
    pub slice_order: Option<SliceOrder>,
    /// The grid that the images are brought onto; none: they go in as they are.
    pub grid: Option<GridWanted>,
    /// How the block goes through the graph in pieces; only of the leading input. None: as a whole.
    pub windows: Option<WindowsWanted>,
    /// What is done to the intensities of the images, one after the other, before they are brought
    /// onto the grid.
    pub image_steps: Vec<Step>,
    /// The same on the grid.
    pub steps: Vec<Step>,
    /// Takes numbers `[3]`: mm between slices, rows and columns, in the order of `axes`.
    pub spacing_tensor: Option<String>,
    pub limits: Limits,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InputKind {
    /// One series as one block.
    Volume,
    /// One film.
    Image(ImageWanted),
    /// The frames of one multi-frame image.
    Frames(FramesWanted),
}

impl InputKind {
    /// What is done to a film or to each frame.
    pub fn image(&self) -> Option<&ImageWanted> {
        match self {
            Self::Volume => None,
            Self::Image(image) => Some(image),
            Self::Frames(frames) => Some(&frames.image),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intensity {
    /// Hounsfield units: Rescale Slope and Intercept applied, or a Modality LUT to HU (PS3.3 C.11.1), nothing else.
    Hounsfield,
    /// The modality LUT where the image has one, and the stored values where it has not, in whatever unit.
    Rescaled,
    /// What a display shows of a film, or of each slice of a volume: the modality LUT, then the VOI LUT or window of its
    /// header, from 0 for dark to 1 for bright (PS3.3 C.11.2). Without either its values from the least that they may be to the
    /// highest.
    Displayed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axes {
    SliceRowColumn,
    /// Batch and channel are 1, but for windows in batches.
    BatchChannelSliceRowColumn,
    /// A film; or one slice at a time, or a batch of them, whose neighbours may be channels.
    BatchChannelRowColumn,
}

impl Axes {
    /// The shape of the tensor of a whole block of this size.
    pub fn shape(self, size: [usize; 3]) -> Vec<i64> {
        self.whole([1, 1], size.map(|side| side as i64))
    }

    /// Slices are put together as a block.
    fn whole<T: Copy>(self, [batch, channels]: [T; 2], size: [T; 3]) -> Vec<T> {
        match self {
            Self::BatchChannelRowColumn => {
                Self::BatchChannelSliceRowColumn.tensor(batch, channels, size)
            }
            axes => axes.tensor(batch, channels, size),
        }
    }

    /// What stands along each side of a tensor of pieces.
    pub fn tensor<T>(self, batch: T, channels: T, [slices, rows, columns]: [T; 3]) -> Vec<T> {
        match self {
            Self::SliceRowColumn => vec![slices, rows, columns],
            Self::BatchChannelSliceRowColumn => vec![batch, channels, slices, rows, columns],
            Self::BatchChannelRowColumn => vec![batch, channels, rows, columns],
        }
    }
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
    /// Angle between the slices and the axial plane, and so on.
    pub degrees_from_axial: Limit,
    pub degrees_from_coronal: Limit,
    pub degrees_from_sagittal: Limit,
    /// Of a cine.
    pub frames: Limit,
    /// What was compressed with loss is refused.
    pub lossless: bool,
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
    /// Key of the [`SegmentationOutput`] that all its numbers are of, if they are of one.
    pub segment: Option<String>,
}
