//! Films and the frames of a cine out of a Part 10 file, and how large their pixels are.

use crate::assembly::MOST_VOXELS;
use crate::decode::{self, DecodeError, Frames};
use crate::elements::Elements;
use crate::enhanced::{self, Groups};
use crate::frames::MOST_TOLD;
use crate::intensities::{self, IntensitiesError, OfFrame, Shown, Tables, intensities};
use crate::lossy::LOSSY_IMAGE_COMPRESSION;
use crate::manifest::{Colour, Input, InputKind, Intensity, Limit, Tell};
use crate::padding;
use crate::slice::{self, SliceError, check_modality};
use crate::span;
use crate::ultrasound;
use crate::voxels::error::VoxelError;
use gantry_terms::film::Film;

const MAGNIFICATION: u32 = 0x0018_1114;
const IMAGER_PIXEL_SPACING: u32 = 0x0018_1164;
const NOMINAL_SCANNED_PIXEL_SPACING: u32 = 0x0018_2010;
const PIXEL_SPACING_CALIBRATION_TYPE: u32 = 0x0028_0A02;
/// Modalities whose rays spread from a point: what they show is larger than what lies in the patient.
const PROJECTIONS: [&str; 8] = ["CR", "DX", "MG", "IO", "PX", "XA", "RF", "RG"];
/// Two sizes of a pixel that differ by less are the same one, written twice.
const SAME_SPACING: f64 = 1e-3;

/// What [`read`] has to know beside the pixels and [`crate::intensities`].
pub(crate) const TAGS: &[u32] = &[
    MAGNIFICATION,
    IMAGER_PIXEL_SPACING,
    LOSSY_IMAGE_COMPRESSION,
    slice::SOP_CLASS_UID,
    slice::SOP_INSTANCE_UID,
    NOMINAL_SCANNED_PIXEL_SPACING,
    PIXEL_SPACING_CALIBRATION_TYPE,
    slice::MODALITY,
    slice::PIXEL_SPACING,
    ultrasound::SEQUENCE_OF_ULTRASOUND_REGIONS,
];

/// Why one film can not be used. All of them are permanent; none repeats a patient's attribute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FilmError {
    #[error(transparent)]
    Image(#[from] SliceError),
    #[error(transparent)]
    Intensities(#[from] IntensitiesError),
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
    if Shown::of(image, &tables, None).has_voi() {
        return Ok(true);
    }
    let frames = Frames::of(image)?.count();
    let Some(groups) = Groups::read(image, frames)? else { return Ok(false) };
    for at in 0..frames {
        if OfFrame::read(&groups, at)?.has_window() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn elements(part10: &[u8]) -> Result<Elements<'_>, DecodeError> {
    let wanted = [TAGS, intensities::TAGS, decode::TAGS, padding::TAGS, enhanced::TAGS].concat();
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
        let said = groups.as_ref().map(|groups| OfFrame::read(groups, at)).transpose()?;
        let shown = Shown::of(elements, &tables, said.as_ref());
        pixels.extend(intensities(shown, input, frame)?);
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
