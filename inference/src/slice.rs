//! One slice: where it lies in the patient (PS3.3 C.7.6.2) and its pixels after the modality LUT (PS3.3 C.11.1).

use crate::decode::{self, DecodeError, decode_elements};
use crate::elements::Elements;
use crate::manifest::{Input, Intensity};
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
}

impl std::fmt::Display for SliceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance(number) => write!(f, "instance number {number}"),
            Self::Given(place) => write!(f, "image {place} as given"),
        }
    }
}

impl Slice {
    /// Reads a slice of the modality; the name in the error is the best one known by then.
    pub fn read(
        part10: &[u8],
        place: usize,
        input: &Input,
    ) -> Result<Self, (SliceName, SliceError)> {
        let given = SliceName::Given(place);
        let wanted: Vec<u32> = TAGS.iter().chain(decode::TAGS).copied().collect();
        let elements = Elements::read(part10, &wanted)
            .map_err(|unreadable| (given, DecodeError::from(unreadable).into()))?;
        let number = elements.decimal(INSTANCE_NUMBER).map(|n| SliceName::Instance(n as i64));
        let name = number.unwrap_or(given);
        Self::from_elements(&elements, name, input).map_err(|error| (name, error))
    }

    fn from_elements(
        elements: &Elements,
        name: SliceName,
        input: &Input,
    ) -> Result<Self, SliceError> {
        check_modality(elements, input)?;
        let (row_direction, column_direction) = orientation(elements)?;
        let spacing: [f64; 2] = numbers(elements, PIXEL_SPACING, "Pixel Spacing")?;
        if spacing.iter().any(|mm| *mm <= 0.0) {
            return Err(SliceError::Missing("Pixel Spacing"));
        }
        let source = SliceSource {
            sop_class: uid(elements, SOP_CLASS_UID, "SOP Class UID")?,
            sop_instance: uid(elements, SOP_INSTANCE_UID, "SOP Instance UID")?,
            position: numbers(elements, IMAGE_POSITION, "Image Position (Patient)")?,
        };
        let rescale = match input.intensity {
            Intensity::Hounsfield => Some(hounsfield(elements)?),
            Intensity::Rescaled | Intensity::Displayed => rescaled(elements)?,
        };
        let (slope, intercept) = rescale.unwrap_or((1.0, 0.0));
        let pixels = decode_elements(elements)?;
        if pixels.inverted {
            return Err(SliceError::Inverted);
        }
        let intensity = |value: &i32| (f64::from(*value) * slope + intercept) as f32;
        Ok(Self {
            name,
            source,
            rows: pixels.rows,
            columns: pixels.columns,
            row_direction,
            column_direction,
            pixel_spacing: spacing,
            thickness: elements.decimal(SLICE_THICKNESS).filter(|mm| *mm > 0.0),
            frame_of_reference: elements.text(FRAME_OF_REFERENCE).and_then(|t| Uid::parse(t).ok()),
            rescaled: rescale.is_some(),
            voxels: pixels.values.iter().map(intensity).collect(),
        })
    }
}

pub fn check_modality(elements: &Elements, input: &Input) -> Result<(), SliceError> {
    let found = elements.text(MODALITY);
    let taken = input.modalities.iter().any(|modality| found == Some(modality));
    taken.then_some(()).ok_or_else(|| SliceError::Modality(input.modalities.clone()))
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
