//! The slices of an image, one or a frame each: where it lies in the patient (PS3.3 C.7.6.2), and its intensities.

use crate::decode::{self, DecodeError, Frames};
use crate::elements::Elements;
use crate::enhanced::{self, Groups};
use crate::intensities::{self, IntensitiesError, Meaning, OfFrame, Shown, Tables};
use crate::lossy::{LOSSY_IMAGE_COMPRESSION, is_lossy};
use crate::manifest::{Input, Limit};
use crate::padding;
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
    #[error(transparent)]
    Intensities(#[from] IntensitiesError),
    #[error("was compressed with loss, which the model does not take")]
    Lossy,
    #[error("has {0} frames and no functional groups, which say where each of them lies")]
    NoGroups(usize),
    #[error("has {frames} frames, and the number of slices that the model takes is {limit}")]
    TooManySlices { frames: usize, limit: Limit },
    #[error("has not as many Per-frame Functional Groups as its {frames} frames")]
    Groups { frames: usize },
    #[error(
        "has {count} {what}: which of them make the volume is not said, and nothing is guessed"
    )]
    Mixed { what: String, count: usize },
    #[error("has {0}, unlike others of the series: its numbers are of another kind (PS3.3 C.11.1)")]
    MixedMeaning(&'static str),
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
    /// What its voxels are.
    pub meaning: Meaning,
    /// Row by row, after the modality LUT or as a display shows them.
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
/// groups. No more than one of them is decoded before it is taken, and none before `begin` has agreed to so
/// many voxels.
pub fn read<E: From<Refused>>(
    part10: &[u8],
    place: usize,
    input: &Input,
    begin: impl FnOnce(usize) -> Result<(), E>,
    mut take: impl FnMut(Slice) -> Result<(), E>,
) -> Result<(), E> {
    let given = SliceName::Given(place);
    let wanted = [TAGS, intensities::TAGS, decode::TAGS, enhanced::TAGS, padding::TAGS].concat();
    let elements = Elements::read(part10, &wanted)
        .map_err(|unreadable| (given, DecodeError::from(unreadable).into()))?;
    let number = elements.decimal(INSTANCE_NUMBER).map(|n| SliceName::Instance(n as i64));
    let name = number.unwrap_or(given);
    let tables = Tables::read(&elements).map_err(|error| (name, error.into()))?;
    let image = Image::open(&elements, &tables, input).map_err(|error| (name, error))?;
    let [rows, columns] = image.frames.size();
    begin(image.frames.count().saturating_mul(rows * columns))?;
    for at in 0..image.frames.count() {
        let name = if image.groups.is_some() { name.frame(at as u32 + 1) } else { name };
        take(image.slice(at, name).map_err(|error| (name, error))?)?;
    }
    Ok(())
}

/// An image whose slices are read.
struct Image<'a> {
    elements: &'a Elements<'a>,
    tables: &'a Tables<'a>,
    input: &'a Input,
    frames: Frames<'a>,
    groups: Option<Groups<'a>>,
    sop_class: Uid,
    sop_instance: Uid,
}

impl<'a> Image<'a> {
    fn open(
        elements: &'a Elements<'a>,
        tables: &'a Tables<'a>,
        input: &'a Input,
    ) -> Result<Self, SliceError> {
        check_modality(elements, input)?;
        let frames = Frames::of(elements)?;
        if frames.are_colour() {
            return Err(DecodeError::NotGrey.into());
        }
        let (count, limit) = (frames.count(), input.limits.slices);
        if count as f64 > limit.max.unwrap_or(f64::INFINITY) {
            return Err(SliceError::TooManySlices { frames: count, limit });
        }
        let groups = Groups::read(elements, frames.count())?;
        match &groups {
            Some(groups) => groups.check_one_stack()?,
            None if frames.count() > 1 => return Err(SliceError::NoGroups(frames.count())),
            None => {}
        }
        let sop_class = uid(elements, SOP_CLASS_UID, "SOP Class UID")?;
        let sop_instance = uid(elements, SOP_INSTANCE_UID, "SOP Instance UID")?;
        Ok(Self { elements, tables, input, frames, groups, sop_class, sop_instance })
    }

    fn slice(&self, at: usize, name: SliceName) -> Result<Slice, SliceError> {
        let Some(groups) = &self.groups else {
            let image = self.elements;
            return self.made(at, name, [image, image, image], None);
        };
        let orientation = groups.of_frame(at, enhanced::PLANE_ORIENTATION, &[IMAGE_ORIENTATION])?;
        let measures =
            groups.of_frame(at, enhanced::PIXEL_MEASURES, &[PIXEL_SPACING, SLICE_THICKNESS])?;
        let position = groups.of_frame(at, enhanced::PLANE_POSITION, &[IMAGE_POSITION])?;
        let said = OfFrame::read(groups, at)?;
        self.made(at, name, [&orientation, &measures, &position], Some(&said))
    }

    /// By the attributes as they stand in the image or in each functional group.
    fn made(
        &self,
        at: usize,
        name: SliceName,
        [of_orientation, measures, of_position]: [&Elements; 3],
        said: Option<&OfFrame>,
    ) -> Result<Slice, SliceError> {
        let (row_direction, column_direction) = orientation(of_orientation)?;
        let spacing: [f64; 2] = numbers(measures, PIXEL_SPACING, "Pixel Spacing")?;
        if spacing.iter().any(|mm| *mm <= 0.0) {
            return Err(SliceError::Missing("Pixel Spacing"));
        }
        let source = SliceSource {
            sop_class: self.sop_class.clone(),
            sop_instance: self.sop_instance.clone(),
            frame: (self.groups.is_some() && self.frames.count() > 1).then_some(at as u32 + 1),
            position: numbers(of_position, IMAGE_POSITION, "Image Position (Patient)")?,
        };
        let pixels = self.frames.frame(at)?;
        let (rows, columns) = (pixels.rows, pixels.columns);
        let shown = Shown::of(self.elements, self.tables, said);
        let (voxels, meaning) = intensities::of_slice(shown, self.input, pixels)?;
        let frame_of_reference = self.elements.text(FRAME_OF_REFERENCE);
        Ok(Slice {
            name,
            source,
            rows,
            columns,
            row_direction,
            column_direction,
            pixel_spacing: spacing,
            thickness: measures.decimal(SLICE_THICKNESS).filter(|mm| *mm > 0.0),
            frame_of_reference: frame_of_reference.and_then(|text| Uid::parse(text).ok()),
            meaning,
            voxels,
        })
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
