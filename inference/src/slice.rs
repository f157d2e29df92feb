//! The slices of an image, one or a frame each: where it lies in the patient (PS3.3 C.7.6.2) and its pixels after the modality LUT (PS3.3 C.11.1).

use crate::decode::{self, DecodeError, Frames, Pixels};
use crate::elements::Elements;
use crate::enhanced::{self, Groups};
use crate::lossy::{LOSSY_IMAGE_COMPRESSION, is_lossy};
use crate::manifest::{Input, Intensity};
use crate::padding::{self, Padding};
use gantry_terms::geometry::{cross, dot};
use gantry_terms::uid::Uid;
use gantry_terms::volume::SliceSource;

pub const SOP_CLASS_UID: u32 = 0x0008_0016;
pub const SOP_INSTANCE_UID: u32 = 0x0008_0018;
pub const MODALITY: u32 = 0x0008_0060;
const SLICE_THICKNESS: u32 = 0x0018_0050;
const INSTANCE_NUMBER: u32 = 0x0020_0013;
const IMAGE_POSITION: u32 = 0x0020_0032;
const IMAGE_ORIENTATION: u32 = 0x0020_0037;
const FRAME_OF_REFERENCE: u32 = 0x0020_0052;
pub const PIXEL_SPACING: u32 = 0x0028_0030;
pub const MODALITY_LUT_SEQUENCE: u32 = 0x0028_3000;
pub const RESCALE_INTERCEPT: u32 = 0x0028_1052;
pub const RESCALE_SLOPE: u32 = 0x0028_1053;
pub const RESCALE_TYPE: u32 = 0x0028_1054;

const TAGS: &[u32] = &[
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    MODALITY,
    SLICE_THICKNESS,
    INSTANCE_NUMBER,
    IMAGE_POSITION,
    IMAGE_ORIENTATION,
    FRAME_OF_REFERENCE,
    PIXEL_SPACING,
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    RESCALE_TYPE,
    MODALITY_LUT_SEQUENCE,
    LOSSY_IMAGE_COMPRESSION,
];

/// Direction cosines are written with few digits: their lengths and the cosine of their angle may
/// be off by this much.
const COSINE_TOLERANCE: f64 = 1e-3;

/// Why one slice can not be used. Never repeats a patient's attribute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SliceError {
    #[error(transparent)]
    Pixels(#[from] DecodeError),
    #[error("lacks a usable {0}")]
    Missing(&'static str),
    #[error("is of another modality than {}, which the model takes", .0.join(" or "))]
    Modality(Vec<String>),
    #[error(
        "has row and column directions that are not perpendicular unit vectors \
         (lengths {row:.4} and {column:.4}, cosine {cosine:.4})"
    )]
    Orientation { row: f64, column: f64, cosine: f64 },
    #[error("is rescaled to something other than Hounsfield units (Rescale Type)")]
    RescaleType,
    #[error("has a Modality LUT Sequence, which is not supported")]
    ModalityLut,
    #[error("is inverted (MONOCHROME1), which no slice of a volume may be")]
    Inverted,
    #[error("was compressed with loss, which the model does not take")]
    Lossy,
    #[error(
        "has a Rescale Slope or Rescale Intercept by which its values are no numbers of 32 bits"
    )]
    Rescale,
    #[error("has {0} frames and no functional groups, which say where each of them lies")]
    NoGroups(usize),
    #[error("has not as many Per-frame Functional Groups as its {frames} frames")]
    Groups { frames: usize },
    #[error(
        "has {count} {what}: which of them make the volume is not said, and nothing is guessed"
    )]
    Mixed { what: String, count: usize },
    #[error("has a Rescale Slope and others of the series have none, or the other way round")]
    MixedRescale,
}

/// What [`crate::stack`] needs to know of a slice.
#[derive(Debug, Clone)]
pub struct Slice {
    pub name: SliceName,
    pub source: SliceSource,
    pub rows: usize,
    pub columns: usize,
    pub row_direction: [f64; 3],
    pub column_direction: [f64; 3],
    pub pixel_spacing: [f64; 2],
    pub thickness: Option<f64>,
    pub frame_of_reference: Option<Uid>,
    /// It has a rescale slope and intercept.
    pub rescaled: bool,
    /// Row by row, after the modality LUT.
    pub voxels: Vec<f32>,
}

/// What a slice is called in a reason: its Instance Number, or the place at which it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceName {
    Instance(i64),
    Given(usize),
    /// Behind its place among the frames, counted from 1.
    FrameOfInstance(u32, i64),
    FrameOfGiven(u32, usize),
}

impl SliceName {
    fn frame(self, frame: u32) -> Self {
        match self {
            Self::Instance(number) => Self::FrameOfInstance(frame, number),
            Self::Given(place) => Self::FrameOfGiven(frame, place),
            of_frame => of_frame,
        }
    }
}

impl std::fmt::Display for SliceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance(number) => write!(f, "instance number {number}"),
            Self::Given(place) => write!(f, "image {place} as given"),
            Self::FrameOfInstance(frame, number) => {
                write!(f, "frame {frame} of instance number {number}")
            }
            Self::FrameOfGiven(frame, place) => {
                write!(f, "frame {frame} of image {place} as given")
            }
        }
    }
}

/// Why a slice can not be used, behind the best name that is known by then.
pub type Refused = (SliceName, SliceError);

/// Reads the slices of an image, one after the other: the only one, or each frame of one with functional
/// groups. No more than one of them is decoded before it is taken.
pub fn read<E: From<Refused>>(
    part10: &[u8],
    place: usize,
    input: &Input,
    mut take: impl FnMut(Slice) -> Result<(), E>,
) -> Result<(), E> {
    let given = SliceName::Given(place);
    let wanted = [TAGS, decode::TAGS, enhanced::TAGS, padding::TAGS].concat();
    let elements = Elements::read(part10, &wanted)
        .map_err(|unreadable| (given, DecodeError::from(unreadable).into()))?;
    let number = elements.decimal(INSTANCE_NUMBER).map(|n| SliceName::Instance(n as i64));
    let name = number.unwrap_or(given);
    let image = Image::open(&elements, input).map_err(|error| (name, error))?;
    for at in 0..image.frames.count() {
        let name = if image.groups.is_some() { name.frame(at as u32 + 1) } else { name };
        take(image.slice(at, name).map_err(|error| (name, error))?)?;
    }
    Ok(())
}

/// An image whose slices are read.
struct Image<'a> {
    elements: &'a Elements<'a>,
    input: &'a Input,
    frames: Frames<'a>,
    groups: Option<Groups<'a>>,
    sop_class: Uid,
    sop_instance: Uid,
}

impl<'a> Image<'a> {
    fn open(elements: &'a Elements<'a>, input: &'a Input) -> Result<Self, SliceError> {
        check_modality(elements, input)?;
        let frames = Frames::of(elements)?;
        if frames.are_colour() {
            return Err(DecodeError::NotGrey.into());
        }
        let groups = Groups::read(elements, frames.count())?;
        match &groups {
            Some(groups) => groups.check_one_stack()?,
            None if frames.count() > 1 => return Err(SliceError::NoGroups(frames.count())),
            None => {}
        }
        let sop_class = uid(elements, SOP_CLASS_UID, "SOP Class UID")?;
        let sop_instance = uid(elements, SOP_INSTANCE_UID, "SOP Instance UID")?;
        Ok(Self { elements, input, frames, groups, sop_class, sop_instance })
    }

    fn slice(&self, at: usize, name: SliceName) -> Result<Slice, SliceError> {
        let Some(groups) = &self.groups else {
            let image = self.elements;
            return self.made(at, name, [image, image, image, image]);
        };
        let orientation = groups.of_frame(at, enhanced::PLANE_ORIENTATION, &[IMAGE_ORIENTATION])?;
        let measures =
            groups.of_frame(at, enhanced::PIXEL_MEASURES, &[PIXEL_SPACING, SLICE_THICKNESS])?;
        let position = groups.of_frame(at, enhanced::PLANE_POSITION, &[IMAGE_POSITION])?;
        let wanted = [RESCALE_INTERCEPT, RESCALE_SLOPE, RESCALE_TYPE];
        let values = groups.of_frame(at, enhanced::PIXEL_VALUE_TRANSFORMATION, &wanted)?;
        self.made(at, name, [&orientation, &measures, &position, &values])
    }

    /// By the attributes as they stand in the image or in each functional group.
    fn made(
        &self,
        at: usize,
        name: SliceName,
        [of_orientation, measures, of_position, of_values]: [&Elements; 4],
    ) -> Result<Slice, SliceError> {
        let (row_direction, column_direction) = orientation(of_orientation)?;
        let spacing: [f64; 2] = numbers(measures, PIXEL_SPACING, "Pixel Spacing")?;
        if spacing.iter().any(|mm| *mm <= 0.0) {
            return Err(SliceError::Missing("Pixel Spacing"));
        }
        let source = SliceSource {
            sop_class: self.sop_class.clone(),
            sop_instance: self.sop_instance.clone(),
            frame: self.groups.is_some().then_some(at as u32 + 1),
            position: numbers(of_position, IMAGE_POSITION, "Image Position (Patient)")?,
        };
        let rescale = match self.input.intensity {
            Intensity::Hounsfield => Some(hounsfield(of_values)?),
            Intensity::Rescaled | Intensity::Displayed => rescaled(of_values)?,
        };
        let pixels = self.frames.frame(at)?;
        if pixels.inverted {
            return Err(SliceError::Inverted);
        }
        let frame_of_reference = self.elements.text(FRAME_OF_REFERENCE);
        Ok(Slice {
            name,
            source,
            rows: pixels.rows,
            columns: pixels.columns,
            row_direction,
            column_direction,
            pixel_spacing: spacing,
            thickness: measures.decimal(SLICE_THICKNESS).filter(|mm| *mm > 0.0),
            frame_of_reference: frame_of_reference.and_then(|text| Uid::parse(text).ok()),
            rescaled: rescale.is_some(),
            voxels: self.intensities(&pixels, rescale.unwrap_or((1.0, 0.0)))?,
        })
    }

    fn intensities(&self, pixels: &Pixels, rescale: (f64, f64)) -> Result<Vec<f32>, SliceError> {
        range(pixels, rescale)?;
        let (slope, intercept) = rescale;
        let intensity = |value: &i32| (f64::from(*value) * slope + intercept) as f32;
        let mut voxels: Vec<f32> = pixels.values.iter().map(intensity).collect();
        if self.input.padding.is_some()
            && let Some(padding) = Padding::read(self.elements, pixels.signed)
        {
            padding.mark(pixels, &mut voxels);
        }
        Ok(voxels)
    }
}

/// The least and the highest value that stored values may become. Neither is so large that a sum of two is
/// no number, and they are not the same.
pub fn range(pixels: &Pixels, (slope, intercept): (f64, f64)) -> Result<[f32; 2], SliceError> {
    let half = 1i32 << (pixels.bits_stored - 1);
    let stored = if pixels.signed { [-half, half - 1] } else { [0, 2 * half - 1] };
    let [one, other] = stored.map(|value| (f64::from(value) * slope + intercept) as f32);
    let (low, high) = (one.min(other), one.max(other));
    let fits = |end: f32| end.abs() <= f32::MAX / 4.0;
    // A NaN fits nowhere.
    match fits(low) && fits(high) && low < high {
        true => Ok([low, high]),
        false => Err(SliceError::Rescale),
    }
}

/// And that it lost nothing, where the model wants that.
pub fn check_modality(elements: &Elements, input: &Input) -> Result<(), SliceError> {
    let found = elements.text(MODALITY);
    let taken = input.modalities.iter().any(|modality| found == Some(modality));
    if !taken {
        return Err(SliceError::Modality(input.modalities.clone()));
    }
    match input.limits.lossless && is_lossy(elements) {
        true => Err(SliceError::Lossy),
        false => Ok(()),
    }
}

/// Unit vectors along the rows and the columns, made exactly unit and perpendicular.
fn orientation(elements: &Elements) -> Result<([f64; 3], [f64; 3]), SliceError> {
    let [a, b, c, d, e, f] = numbers(elements, IMAGE_ORIENTATION, "Image Orientation (Patient)")?;
    let (row, column) = ([a, b, c], [d, e, f]);
    let (row_length, column_length) = (dot(row, row).sqrt(), dot(column, column).sqrt());
    let cosine = dot(row, column);
    let off = [row_length - 1.0, column_length - 1.0, cosine];
    if off.iter().any(|by| by.abs() > COSINE_TOLERANCE) {
        return Err(SliceError::Orientation { row: row_length, column: column_length, cosine });
    }
    let row = row.map(|part| part / row_length);
    let normal = cross(row, column);
    let length = dot(normal, normal).sqrt();
    let normal = normal.map(|part| part / length);
    Ok((row, cross(normal, row)))
}

/// CT must have both (PS3.3 C.8.2.1); a lookup table instead of them does not occur there.
fn hounsfield(elements: &Elements) -> Result<(f64, f64), SliceError> {
    match elements.text(RESCALE_TYPE) {
        None | Some("HU") => {}
        Some(_) => return Err(SliceError::RescaleType),
    }
    let slope = elements.decimal(RESCALE_SLOPE).filter(|slope| *slope != 0.0);
    let slope = slope.ok_or(SliceError::Missing("Rescale Slope"))?;
    let intercept = elements.decimal(RESCALE_INTERCEPT);
    Ok((slope, intercept.ok_or(SliceError::Missing("Rescale Intercept"))?))
}

/// Both or none (PS3.3 C.11.1); a lookup table can't be said in two numbers.
pub fn rescaled(elements: &Elements) -> Result<Option<(f64, f64)>, SliceError> {
    if elements.is_present(MODALITY_LUT_SEQUENCE) {
        return Err(SliceError::ModalityLut);
    }
    if elements.is_blank(RESCALE_SLOPE) && elements.is_blank(RESCALE_INTERCEPT) {
        return Ok(None);
    }
    let slope = elements.decimal(RESCALE_SLOPE).filter(|slope| *slope != 0.0);
    let slope = slope.ok_or(SliceError::Missing("Rescale Slope"))?;
    let intercept = elements.decimal(RESCALE_INTERCEPT);
    Ok(Some((slope, intercept.ok_or(SliceError::Missing("Rescale Intercept"))?)))
}

fn numbers<const N: usize>(
    elements: &Elements,
    tag: u32,
    name: &'static str,
) -> Result<[f64; N], SliceError> {
    let values = elements.decimals(tag).and_then(|values| values.try_into().ok());
    values.ok_or(SliceError::Missing(name))
}

pub fn uid(elements: &Elements, tag: u32, name: &'static str) -> Result<Uid, SliceError> {
    let parsed = elements.text(tag).and_then(|text| Uid::parse(text).ok());
    parsed.ok_or(SliceError::Missing(name))
}
