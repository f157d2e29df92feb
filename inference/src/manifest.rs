//! What a model takes and gives, as its manifest says: tensors, geometry limits, coded concepts. No model is known in code.

mod check;
mod grid;
mod image;
mod outputs;
mod steps;
mod windows;
mod written;

pub use grid::{Along, GridWanted, Interpolation};
pub use image::{Crop, ImageWanted, Resizing};
pub use outputs::{
    Activation, ClassificationOutput, Cleaning, Figure, MeasurementOutput, MeasurementSource,
    Reading, SegmentationOutput,
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
    pub algorithm: AlgorithmEntry,
    /// Procedure Reported (121058, DCM), CID 100.
    pub procedure: Code,
    /// At least one. The first one leads: masks lie over its images, results go into its study.
    pub inputs: Vec<Input>,
    pub groups: Vec<Group>,
    pub measurements: Vec<MeasurementOutput>,
    /// One of a group at the most.
    pub classifications: Vec<ClassificationOutput>,
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

/// A tensor that the graph takes or gives, as the manifest means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorWanted<'a> {
    pub name: &'a str,
    /// uint8; else float32.
    pub labels: bool,
    pub sides: Vec<Side>,
}

/// What is known of one dimension of a tensor before any image has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Any,
    Exactly(i64),
    AtLeast(i64),
    MultipleOf(i64),
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
        let masks = self.segmentations.iter().map(|segmentation| segmentation.key.as_str());
        numbers.chain(answers).chain(masks)
    }

    /// The tensors that the graph takes.
    pub fn taken(&self) -> impl Iterator<Item = TensorWanted<'_>> {
        self.inputs.iter().flat_map(|input| {
            let sides = self.sides(input, true);
            let voxels = TensorWanted { name: &input.tensor, labels: false, sides };
            let spacing = input.spacing_tensor.as_deref().map(|name| TensorWanted {
                name,
                labels: false,
                sides: vec![Side::Exactly(3)],
            });
            std::iter::once(voxels).chain(spacing)
        })
    }

    /// Each use of a tensor that the graph gives; one tensor may be used several times.
    pub fn given(&self) -> impl Iterator<Item = TensorWanted<'_>> {
        let element = |name, index: usize| TensorWanted {
            name,
            labels: false,
            sides: vec![Side::AtLeast(i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1))],
        };
        let numbers =
            self.measurements.iter().filter_map(move |measurement| match &measurement.source {
                MeasurementSource::Tensor { tensor, index } => Some(element(tensor, *index)),
                MeasurementSource::Mask { .. } => None,
            });
        let classes = self.classifications.iter().map(move |c| element(&c.tensor, c.class));
        let masks = self.segmentations.iter().map(|segmentation| {
            let mut sides = self.sides(self.lead(), false);
            if let (Reading::HighestScore(class), Some(classes)) =
                (segmentation.reading, sides.get_mut(1))
            {
                *classes = Side::AtLeast(i64::from(class) + 1);
            }
            let labels = matches!(segmentation.reading, Reading::Label(_));
            TensorWanted { name: &segmentation.tensor, labels, sides }
        });
        numbers.chain(classes).chain(masks)
    }

    /// Of a tensor that goes in or comes out. Without a `size` its voxels depend on the images.
    fn sides(&self, input: &Input, goes_in: bool) -> Vec<Side> {
        if let InputKind::Image(image) = &input.kind {
            return image.sides();
        }
        let grid = self.lead().grid.as_ref();
        let size = grid.and_then(|grid| grid.size).map(|size| size.map(Side::of));
        let multiple = grid.and_then(|grid| grid.multiple_of);
        let multiple = multiple.map(|of| of.map(|side| Side::MultipleOf(side as i64)));
        let block = size.or(multiple).unwrap_or([Side::Any; 3]);
        match &self.lead().windows {
            None => input.axes.whole(Side::Exactly(1), block),
            Some(windows) => {
                let channels = if goes_in { windows.channels() } else { 1 };
                windows.sides(input.axes, channels, block)
            }
        }
    }
}

/// The volume or the film that the graph takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As rules name the selection that fills it; `input` where there is only one.
    pub name: String,
    /// On the leading input's grid, whatever way these images lie.
    pub onto_lead: bool,
    pub kind: InputKind,
    /// Modality (0008,0060) of the images: one of these.
    pub modalities: Vec<String>,
    /// Takes float32 in the order of `axes`.
    pub tensor: String,
    pub intensity: Intensity,
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
    /// Takes float32 `[3]`: mm between slices, rows and columns, in the order of `axes`.
    pub spacing_tensor: Option<String>,
    pub limits: Limits,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InputKind {
    /// One series as one block.
    Volume,
    /// One film.
    Image(ImageWanted),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intensity {
    /// Hounsfield units: Rescale Slope and Intercept applied (PS3.3 C.11.1), nothing else.
    Hounsfield,
    /// The same where the image has them, and the stored values where it has not, in whatever unit.
    Rescaled,
    /// Of a film, what a display shows of it: the modality LUT, then the VOI LUT or window of its header, from
    /// 0 for dark to 1 for bright (PS3.3 C.11.2). Without either its stored values from the least that they
    /// may be to the highest.
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
        self.whole(1, size.map(|side| side as i64))
    }

    /// Slices are put together as a block.
    fn whole<T: Copy>(self, one: T, size: [T; 3]) -> Vec<T> {
        match self {
            Self::BatchChannelRowColumn => Self::BatchChannelSliceRowColumn.tensor(one, one, size),
            axes => axes.tensor(one, one, size),
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
