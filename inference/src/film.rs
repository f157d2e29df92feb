//! One film out of a Part 10 file: its pixels after the modality LUT, or as a display would show them (PS3.3 C.11.1, C.11.2).

use crate::decode::{self, DecodeError, Pixels, decode_elements};
use crate::elements::Elements;
use crate::manifest::{Input, Intensity};
use crate::slice::{self, SliceError, check_modality, rescaled};
use crate::voxels::displayed::{Lut, Voi};
use crate::voxels::error::VoxelError;
use crate::voxels::intensity::{invert, window};
use gantry_terms::film::Film;

const IMAGER_PIXEL_SPACING: u32 = 0x0018_1164;
const WINDOW_CENTER: u32 = 0x0028_1050;
const WINDOW_WIDTH: u32 = 0x0028_1051;
const VOI_LUT_FUNCTION: u32 = 0x0028_1056;
const LUT_DESCRIPTOR: u32 = 0x0028_3002;
const LUT_DATA: u32 = 0x0028_3006;
const VOI_LUT_SEQUENCE: u32 = 0x0028_3010;

/// What [`intensities`] and [`read`] have to know beside the pixels.
pub(crate) const TAGS: &[u32] = &[
    IMAGER_PIXEL_SPACING,
    WINDOW_CENTER,
    WINDOW_WIDTH,
    VOI_LUT_FUNCTION,
    VOI_LUT_SEQUENCE,
    slice::SOP_CLASS_UID,
    slice::SOP_INSTANCE_UID,
    slice::MODALITY,
    slice::PIXEL_SPACING,
    slice::MODALITY_LUT_SEQUENCE,
    slice::RESCALE_INTERCEPT,
    slice::RESCALE_SLOPE,
    slice::RESCALE_TYPE,
];

/// Why one film can not be used. All of them are permanent; none repeats a patient's attribute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FilmError {
    #[error(transparent)]
    Image(#[from] SliceError),
    #[error("has a {0} that can not be read (PS3.3 C.11)")]
    Table(&'static str),
    #[error("has a window of centre {centre} and width {width}, by which nothing can be shown")]
    Window { centre: f64, width: f64 },
    #[error("has the VOI LUT Function {0}, which the standard does not have")]
    Function(String),
    #[error(transparent)]
    Voxels(#[from] VoxelError),
}

impl From<DecodeError> for FilmError {
    fn from(error: DecodeError) -> Self {
        SliceError::from(error).into()
    }
}

/// Blocks for as long as decoding takes: not for a thread that others wait for.
pub fn read(part10: &[u8], input: &Input) -> Result<Film, FilmError> {
    let wanted: Vec<u32> = TAGS.iter().chain(decode::TAGS).copied().collect();
    let elements = Elements::read(part10, &wanted).map_err(DecodeError::from)?;
    check_modality(&elements, input)?;
    let sop_class = slice::uid(&elements, slice::SOP_CLASS_UID, "SOP Class UID")?;
    let sop_instance = slice::uid(&elements, slice::SOP_INSTANCE_UID, "SOP Instance UID")?;
    let pixels = decode_elements(&elements)?;
    let (rows, columns) = (pixels.rows, pixels.columns);
    let values = intensities(&elements, input.intensity, pixels)?;
    let pixel_spacing = spacing(&elements);
    Ok(Film { rows, columns, pixels: values, sop_class, sop_instance, pixel_spacing })
}

/// Row by row, high where a display is bright.
pub(crate) fn intensities(
    elements: &Elements,
    wanted: Intensity,
    pixels: Pixels,
) -> Result<Vec<f32>, FilmError> {
    let inverted = pixels.inverted;
    let (mut values, [low, high]) = after_modality_lut(elements, &pixels)?;
    drop(pixels);
    if wanted != Intensity::Displayed {
        if inverted {
            invert(&mut values, low, high)?;
        }
        return Ok(values);
    }
    match voi(elements, low < 0.0)? {
        Some(voi) => voi.apply(&mut values)?,
        // Nothing says how it is to be shown: the least value that it may have is dark.
        None => window(&mut values, low, high)?,
    }
    if inverted {
        invert(&mut values, 0.0, 1.0)?;
    }
    Ok(values)
}

/// With the ends of the range that stored values may have there.
fn after_modality_lut(
    elements: &Elements,
    pixels: &Pixels,
) -> Result<(Vec<f32>, [f32; 2]), FilmError> {
    let half = 1i32 << (pixels.bits_stored - 1);
    let stored = if pixels.signed { [-half, half - 1] } else { [0, 2 * half - 1] };
    let name = "Modality LUT Sequence";
    if let Some(table) = lut(elements, slice::MODALITY_LUT_SEQUENCE, name, pixels.signed)? {
        let mut values: Vec<f32> = pixels.values.iter().map(|value| *value as f32).collect();
        table.apply(&mut values);
        return Ok((values, [0.0, table.most()]));
    }
    let (slope, intercept) = rescaled(elements)?.unwrap_or((1.0, 0.0));
    let rescale = |value: i32| (f64::from(value) * slope + intercept) as f32;
    let [one, other] = stored.map(rescale);
    let values = pixels.values.iter().map(|value| rescale(*value)).collect();
    Ok((values, [one.min(other), one.max(other)]))
}

/// A table is taken before a window, and of several the first one (PS3.3 C.11.2.1: they are alternatives).
fn voi(elements: &Elements, signed: bool) -> Result<Option<Voi>, FilmError> {
    if let Some(table) = lut(elements, VOI_LUT_SEQUENCE, "VOI LUT Sequence", signed)? {
        return Ok(Some(Voi::Table(table)));
    }
    let ends = elements.decimal(WINDOW_CENTER).zip(elements.decimal(WINDOW_WIDTH));
    let Some((centre, width)) = ends else { return Ok(None) };
    let voi = match elements.text(VOI_LUT_FUNCTION) {
        None | Some("LINEAR") => Voi::Linear { centre, width },
        Some("LINEAR_EXACT") => Voi::LinearExact { centre, width },
        Some("SIGMOID") => Voi::Sigmoid { centre, width },
        Some(other) => return Err(FilmError::Function(other.chars().take(16).collect())),
    };
    voi.apply(&mut []).map_err(|_| FilmError::Window { centre, width })?;
    Ok(Some(voi))
}

/// The first item of such a sequence (PS3.3 C.11.1, C.11.2); none where it has none.
fn lut(
    elements: &Elements,
    sequence: u32,
    name: &'static str,
    signed: bool,
) -> Result<Option<Lut>, FilmError> {
    let wrong = FilmError::Table(name);
    let wanted = [LUT_DESCRIPTOR, LUT_DATA];
    let Some(item) = elements.item(sequence, &wanted).map_err(|_| wrong.clone())? else {
        return Ok(None);
    };
    let (Some(descriptor), Some(data)) = (item.words(LUT_DESCRIPTOR), item.bytes(LUT_DATA)) else {
        return Err(wrong);
    };
    let [count, first, bits] = descriptor[..] else { return Err(wrong) };
    let count = if count == 0 { 1 << 16 } else { usize::from(count) };
    // Entries of 8 bits may lie in one byte each.
    let entries = match data.len() < 2 * count {
        true => data.iter().map(|byte| u16::from(*byte)).collect(),
        false => item.words(LUT_DATA).unwrap_or_default(),
    };
    let entries: Vec<u16> = entries.into_iter().take(count).collect();
    if entries.len() < count || (data.len() < 2 * count && bits > 8) {
        return Err(wrong);
    }
    let first = if signed { f32::from(first as i16) } else { f32::from(first) };
    Lut::new(first, bits, entries).map(Some).map_err(|_| wrong)
}

/// Between rows, then between columns: calibrated ones first, else those at the detector.
fn spacing(elements: &Elements) -> Option<[f64; 2]> {
    let spacings = [slice::PIXEL_SPACING, IMAGER_PIXEL_SPACING].into_iter();
    let usable = |both: &[f64; 2]| both.iter().all(|mm| *mm > 0.0);
    let read = |tag| elements.decimals(tag).and_then(|values| values.try_into().ok());
    spacings.filter_map(read).find(usable)
}
