//! Films and the frames of a cine out of a Part 10 file: after the modality LUT, or as a display would show them (PS3.3 C.11.1, C.11.2).

use crate::assembly::MOST_VOXELS;
use crate::decode::{self, DecodeError, Frames, Pixels};
use crate::elements::Elements;
use crate::enhanced::{self, FRAME_VOI_LUT, Groups, PIXEL_VALUE_TRANSFORMATION};
use crate::frames::MOST_TOLD;
use crate::lossy::LOSSY_IMAGE_COMPRESSION;
use crate::manifest::{Colour, Input, InputKind, Intensity, Limit, Tell};
use crate::padding::{self, Padding};
use crate::slice::{self, SliceError, check_modality, range, rescaled};
use crate::span;
use crate::tables;
use crate::ultrasound;
use crate::voxels::displayed::{Lut, Voi};
use crate::voxels::error::VoxelError;
use crate::voxels::intensity::{invert, window};
use gantry_terms::film::Film;

const MAGNIFICATION: u32 = 0x0018_1114;
const IMAGER_PIXEL_SPACING: u32 = 0x0018_1164;
const NOMINAL_SCANNED_PIXEL_SPACING: u32 = 0x0018_2010;
const PIXEL_SPACING_CALIBRATION_TYPE: u32 = 0x0028_0A02;
/// Modalities whose rays spread from a point: what they show is larger than what lies in the patient.
const PROJECTIONS: [&str; 8] = ["CR", "DX", "MG", "IO", "PX", "XA", "RF", "RG"];
/// Two sizes of a pixel that differ by less are the same one, written twice.
const SAME_SPACING: f64 = 1e-3;
const WINDOW_CENTER: u32 = 0x0028_1050;
const WINDOW_WIDTH: u32 = 0x0028_1051;
const VOI_LUT_FUNCTION: u32 = 0x0028_1056;
const LUT_DESCRIPTOR: u32 = 0x0028_3002;
const LUT_DATA: u32 = 0x0028_3006;
const VOI_LUT_SEQUENCE: u32 = 0x0028_3010;
const PRESENTATION_LUT_SHAPE: u32 = 0x2050_0020;

/// What [`intensities`] and [`read`] have to know beside the pixels.
pub(crate) const TAGS: &[u32] = &[
    MAGNIFICATION,
    IMAGER_PIXEL_SPACING,
    WINDOW_CENTER,
    WINDOW_WIDTH,
    VOI_LUT_FUNCTION,
    VOI_LUT_SEQUENCE,
    PRESENTATION_LUT_SHAPE,
    LOSSY_IMAGE_COMPRESSION,
    slice::SOP_CLASS_UID,
    slice::SOP_INSTANCE_UID,
    NOMINAL_SCANNED_PIXEL_SPACING,
    PIXEL_SPACING_CALIBRATION_TYPE,
    slice::MODALITY,
    slice::PIXEL_SPACING,
    slice::MODALITY_LUT_SEQUENCE,
    slice::RESCALE_INTERCEPT,
    slice::RESCALE_SLOPE,
    slice::RESCALE_TYPE,
    ultrasound::SEQUENCE_OF_ULTRASOUND_REGIONS,
];

const MODALITY_LUT: &str = "Modality LUT Sequence";
const VOI_LUT: &str = "VOI LUT Sequence";

/// Why one film can not be used. All of them are permanent; none repeats a patient's attribute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FilmError {
    #[error(transparent)]
    Image(#[from] SliceError),
    #[error("has a {0} that can not be read (PS3.3 C.11)")]
    Table(&'static str),
    #[error("has a window of centre {centre} and width {width}, by which nothing can be shown")]
    Window { centre: f64, width: f64 },
    #[error("has a VOI LUT Function that the standard does not have")]
    Function,
    #[error("has a Presentation LUT Shape that contradicts its Photometric Interpretation")]
    Shape,
    #[error("is grey (MONOCHROME1 or MONOCHROME2), the model takes colours")]
    NotColour,
    #[error("has more than {MOST_VOXELS} pixels in its {0} frames")]
    TooLarge(usize),
    #[error("has {found} frames, the model takes {limit}")]
    Count { found: usize, limit: Limit },
    #[error(
        "has {0} frames, and each of at most {MOST_TOLD} is told: `tell = \"mean\"` or `\"max\"` in the \
         manifest, or a model for so many"
    )]
    TooManyTold(usize),
    #[error(transparent)]
    Voxels(#[from] VoxelError),
}

impl From<DecodeError> for FilmError {
    fn from(error: DecodeError) -> Self {
        SliceError::from(error).into()
    }
}

/// Blocks for as long as decoding takes: not for a thread that others wait for. Frame by frame, so that
/// beside the pixels that are given only one is decoded.
pub fn read(part10: &[u8], input: &Input) -> Result<Film, FilmError> {
    let elements = elements(part10)?;
    check_modality(&elements, input)?;
    read_elements(&elements, input)
}

/// All frames of an image of any modality, grey or with colours, as a display would show them: between 0 and 1. Grey ones by their own
/// window or table; where they have none, or none that shows anything, values of 8 bits as they are, others over their span, in which padding counts for
/// nothing.
pub fn shown(part10: &[u8]) -> Result<Film, FilmError> {
    let elements = elements(part10)?;
    let frames = Frames::of(&elements)?;
    if frames.are_colour() || has_voi(&elements)? {
        return read_elements(&elements, &Input::shown());
    }
    // A window or a table that cannot be read is none.
    if frames.bits_stored() <= 8
        && let Ok(film) = read_elements(&elements, &Input::shown())
    {
        return Ok(film);
    }
    let (intensity, padding) = (Intensity::Rescaled, Some(0.0));
    let mut film = read_elements(&elements, &Input { intensity, padding, ..Input::shown() })?;
    span::stretch(&mut film.pixels)?;
    Ok(film)
}

/// Whether the image, or the functional group of some frame, says how its grey values are shown.
fn has_voi(image: &Elements) -> Result<bool, FilmError> {
    let tables = Tables::read(image)?;
    if matches!(voi(&Shown::by(image, &tables), false), Ok(Some(_))) {
        return Ok(true);
    }
    let frames = Frames::of(image)?.count();
    let Some(groups) = Groups::read(image, frames)? else { return Ok(false) };
    for at in 0..frames {
        let window = groups.found(at, FRAME_VOI_LUT, &[WINDOW_CENTER, WINDOW_WIDTH])?;
        if window.is_some_and(|window| window.decimal(WINDOW_CENTER).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn elements(part10: &[u8]) -> Result<Elements<'_>, DecodeError> {
    let wanted = [TAGS, decode::TAGS, padding::TAGS, enhanced::TAGS].concat();
    Ok(Elements::read(part10, &wanted)?)
}

fn read_elements(elements: &Elements, input: &Input) -> Result<Film, FilmError> {
    let sop_class = slice::uid(elements, slice::SOP_CLASS_UID, "SOP Class UID")?;
    let sop_instance = slice::uid(elements, slice::SOP_INSTANCE_UID, "SOP Instance UID")?;
    let of = Frames::of(elements)?;
    let (frames, [rows, columns]) = (of.count(), of.size());
    let channels = if of.are_colour() { 3 } else { 1 };
    check_kind(input, frames, channels)?;
    let count = [frames, channels, rows].iter().try_fold(columns, |all, n| all.checked_mul(*n));
    let count = count.filter(|count| *count <= MOST_VOXELS).ok_or(FilmError::TooLarge(frames))?;
    let mut pixels = Vec::with_capacity(count);
    let groups = Groups::read(elements, frames)?;
    let tables = Tables::read(elements)?;
    for at in 0..frames {
        let frame = of.frame(at)?;
        pixels.extend(match &groups {
            None => intensities(Shown::by(elements, &tables), input, frame)?,
            Some(groups) => of_group(elements, &tables, groups, at, input, frame)?,
        });
    }
    Ok(Film {
        frames,
        channels,
        rows,
        columns,
        pixels,
        sop_class,
        sop_instance,
        pixel_spacing: spacing(elements),
        patient_spacing: patient_spacing(elements),
    })
}

/// As many frames and as many channels as the model takes.
fn check_kind(input: &Input, frames: usize, channels: usize) -> Result<(), FilmError> {
    if matches!(input.kind, InputKind::Image(_)) && frames > 1 {
        return Err(DecodeError::SeveralFrames(frames).into());
    }
    let limit = input.limits.frames;
    if !limit.holds(frames as f64) {
        return Err(FilmError::Count { found: frames, limit });
    }
    if let InputKind::Frames(wanted) = &input.kind
        && wanted.tell == Tell::Each
        && frames > MOST_TOLD
    {
        return Err(FilmError::TooManyTold(frames));
    }
    match (input.kind.image().map(|image| image.colour), channels) {
        (Some(Colour::Rgb), 1) => Err(FilmError::NotColour),
        (Some(Colour::Rgb | Colour::Any), _) | (_, 1) => Ok(()),
        _ => Err(DecodeError::NotGrey.into()),
    }
}

/// Where the attributes stand that say how a frame is shown: all in the image, or each in its functional group.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    image: &'a Elements<'a>,
    /// Rescale Slope and Intercept.
    values: &'a Elements<'a>,
    /// Window.
    window: &'a Elements<'a>,
    /// Instead of them, where the image has them; functional groups have none.
    modality_lut: Option<&'a Elements<'a>>,
    voi_lut: Option<&'a Elements<'a>>,
}

impl<'a> Shown<'a> {
    pub(crate) fn by(image: &'a Elements<'a>, tables: &'a Tables<'a>) -> Self {
        let (modality_lut, voi_lut) = (tables.modality.as_ref(), tables.voi.as_ref());
        Self { image, values: image, window: image, modality_lut, voi_lut }
    }
}

/// The first items of Modality LUT Sequence and VOI LUT Sequence, read once for all frames.
pub(crate) struct Tables<'a> {
    modality: Option<Elements<'a>>,
    voi: Option<Elements<'a>>,
}

impl<'a> Tables<'a> {
    pub(crate) fn read(image: &'a Elements<'a>) -> Result<Self, FilmError> {
        let item = |sequence, name| {
            let item = image.item(sequence, &[LUT_DESCRIPTOR, LUT_DATA]);
            item.map_err(|_| FilmError::Table(name))
        };
        let modality = item(slice::MODALITY_LUT_SEQUENCE, MODALITY_LUT)?;
        Ok(Self { modality, voi: item(VOI_LUT_SEQUENCE, VOI_LUT)? })
    }
}

/// A frame by its functional groups (PS3.3 C.7.6.16.2.9, C.7.6.16.2.10), or by the image where it has them not.
fn of_group(
    image: &Elements,
    tables: &Tables,
    groups: &Groups,
    at: usize,
    input: &Input,
    frame: Pixels,
) -> Result<Vec<f32>, FilmError> {
    let rescale = [slice::RESCALE_INTERCEPT, slice::RESCALE_SLOPE, slice::RESCALE_TYPE];
    let values = groups.found(at, PIXEL_VALUE_TRANSFORMATION, &rescale)?;
    let wanted = [WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION];
    let window = groups.found(at, FRAME_VOI_LUT, &wanted)?;
    let shown = Shown::by(image, tables);
    let shown = match &values {
        Some(values) => Shown { values, modality_lut: None, ..shown },
        None => shown,
    };
    let shown = match &window {
        Some(window) => Shown { window, voi_lut: None, ..shown },
        None => shown,
    };
    intensities(shown, input, frame)
}

/// By channel and row, high where a display is bright. Padding is NaN where the model says what it takes
/// for it.
pub(crate) fn intensities(
    shown: Shown,
    input: &Input,
    pixels: Pixels,
) -> Result<Vec<f32>, FilmError> {
    let displayed = input.intensity == Intensity::Displayed;
    if pixels.channels == 3 {
        return colours(&pixels, displayed);
    }
    check_shape(shown.image, pixels.inverted)?;
    let (mut values, [low, high]) = after_modality_lut(&shown, &pixels)?;
    if displayed {
        match voi(&shown, low < 0.0)? {
            Some(voi) => voi.apply(&mut values)?,
            // Nothing says how it is to be shown: the least value that it may have is dark.
            None => window(&mut values, low, high)?,
        }
    }
    if pixels.inverted {
        let [low, high] = if displayed { [0.0, 1.0] } else { [low, high] };
        invert(&mut values, low, high)?;
    }
    if input.padding.is_some()
        && let Some(padding) = Padding::read(shown.image, pixels.signed)
    {
        padding.mark(&pixels, &mut values);
    }
    Ok(values)
}

/// There is no modality LUT and no window of colours (PS3.3 C.11.1, C.11.2): their values are shown as they are.
fn colours(pixels: &Pixels, displayed: bool) -> Result<Vec<f32>, FilmError> {
    let mut values: Vec<f32> = pixels.values.iter().map(|value| *value as f32).collect();
    if displayed {
        window(&mut values, 0.0, ((1u32 << pixels.bits_stored) - 1) as f32)?;
    }
    Ok(values)
}

/// IDENTITY belongs to MONOCHROME2 and INVERSE to MONOCHROME1 (PS3.3 C.8.11.3.1.2): one of two that contradict
/// each other is wrong, and nobody here knows which.
fn check_shape(elements: &Elements, inverted: bool) -> Result<(), FilmError> {
    match elements.text(PRESENTATION_LUT_SHAPE) {
        Some("IDENTITY") if inverted => Err(FilmError::Shape),
        Some("INVERSE") if !inverted => Err(FilmError::Shape),
        _ => Ok(()),
    }
}

/// With the ends of the range that stored values may have there.
fn after_modality_lut(shown: &Shown, pixels: &Pixels) -> Result<(Vec<f32>, [f32; 2]), FilmError> {
    if let Some(table) = lut(shown.modality_lut, MODALITY_LUT, pixels.signed)? {
        let mut values: Vec<f32> = pixels.values.iter().map(|value| *value as f32).collect();
        table.apply(&mut values);
        return Ok((values, [0.0, table.most()]));
    }
    let (slope, intercept) = rescaled(shown.values)?.unwrap_or((1.0, 0.0));
    let ends = range(pixels, (slope, intercept))?;
    let rescale = |value: &i32| (f64::from(*value) * slope + intercept) as f32;
    Ok((pixels.values.iter().map(rescale).collect(), ends))
}

/// A table is taken before a window, and of several the first one (PS3.3 C.11.2.1: they are alternatives).
fn voi(shown: &Shown, signed: bool) -> Result<Option<Voi>, FilmError> {
    if let Some(table) = lut(shown.voi_lut, VOI_LUT, signed)? {
        return Ok(Some(Voi::Table(table)));
    }
    let elements = shown.window;
    let ends = elements.decimal(WINDOW_CENTER).zip(elements.decimal(WINDOW_WIDTH));
    let Some((centre, width)) = ends else { return Ok(None) };
    let voi = match elements.text(VOI_LUT_FUNCTION) {
        None | Some("LINEAR") => Voi::Linear { centre, width },
        Some("LINEAR_EXACT") => Voi::LinearExact { centre, width },
        Some("SIGMOID") => Voi::Sigmoid { centre, width },
        Some(_) => return Err(FilmError::Function),
    };
    voi.apply(&mut []).map_err(|_| FilmError::Window { centre, width })?;
    Ok(Some(voi))
}

/// The table of such an item (PS3.3 C.11.1, C.11.2); none where there is none.
fn lut(
    item: Option<&Elements>,
    name: &'static str,
    signed: bool,
) -> Result<Option<Lut>, FilmError> {
    let Some(item) = item else { return Ok(None) };
    let table = tables::read(item, [LUT_DESCRIPTOR, LUT_DATA], signed);
    table.map(Some).ok_or(FilmError::Table(name))
}

/// Between rows, then between columns: calibrated ones first, else those at the detector.
fn spacing(elements: &Elements) -> Option<[f64; 2]> {
    let at = |tag| spacing_by(elements, tag);
    at(slice::PIXEL_SPACING).or_else(|| at(IMAGER_PIXEL_SPACING))
}

/// Of ultrasound what its regions say. Else Pixel Spacing where it was calibrated: it says so, or it is another one than at the detector or on the scanned film. Of a
/// projection that has no other it cannot be told (PS3.3 10.7.1.1). What lies nearer to the source than the detector is as many times smaller
/// than its picture (C.8.7.5: the distance from source to detector over that from source to patient, which is 1 or more).
fn patient_spacing(elements: &Elements) -> Option<[f64; 2]> {
    let at = |tag| spacing_by(elements, tag);
    let detector = at(IMAGER_PIXEL_SPACING);
    let other = detector.or_else(|| at(NOMINAL_SCANNED_PIXEL_SPACING));
    let is_calibrated = |spacing: &[f64; 2]| {
        let is_projection =
            elements.text(slice::MODALITY).is_none_or(|modality| PROJECTIONS.contains(&modality));
        let says_so = elements.text(PIXEL_SPACING_CALIBRATION_TYPE).is_some();
        let differs = |other: [f64; 2]| {
            spacing.iter().zip(other).any(|(mm, other)| (mm / other - 1.0).abs() > SAME_SPACING)
        };
        says_so || other.map_or(!is_projection, differs)
    };
    let projected = || {
        let magnified = elements.decimal(MAGNIFICATION).filter(|times| *times >= 1.0)?;
        Some(detector?.map(|mm| mm / magnified))
    };
    let calibrated = at(slice::PIXEL_SPACING).filter(is_calibrated);
    let regions = ultrasound::spacing(elements);
    regions.or(calibrated).or_else(projected)
}

fn spacing_by(elements: &Elements, tag: u32) -> Option<[f64; 2]> {
    let both: [f64; 2] = elements.decimals(tag)?.try_into().ok()?;
    both.iter().all(|mm| *mm > 0.0).then_some(both)
}
