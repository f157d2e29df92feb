//! What the stored values of an image mean: after the modality LUT, or as a display would show them (PS3.3 C.11.1, C.11.2).

use crate::decode::Pixels;
use crate::elements::Elements;
use crate::enhanced::{FRAME_VOI_LUT, Groups, PIXEL_VALUE_TRANSFORMATION};
use crate::manifest::{Input, Intensity};
use crate::padding::Padding;
use crate::slice::SliceError;
use crate::tables;
use crate::voxels::displayed::{Lut, Voi};
use crate::voxels::error::VoxelError;
use crate::voxels::intensity::{invert, window};

const WINDOW_CENTER: u32 = 0x0028_1050;
const WINDOW_WIDTH: u32 = 0x0028_1051;
const RESCALE_INTERCEPT: u32 = 0x0028_1052;
const RESCALE_SLOPE: u32 = 0x0028_1053;
const RESCALE_TYPE: u32 = 0x0028_1054;
const VOI_LUT_FUNCTION: u32 = 0x0028_1056;
const MODALITY_LUT_SEQUENCE: u32 = 0x0028_3000;
const LUT_DESCRIPTOR: u32 = 0x0028_3002;
const MODALITY_LUT_TYPE: u32 = 0x0028_3004;
const LUT_DATA: u32 = 0x0028_3006;
const VOI_LUT_SEQUENCE: u32 = 0x0028_3010;
const PRESENTATION_LUT_SHAPE: u32 = 0x2050_0020;

/// What [`Shown`] and [`Tables`] have to know.
pub(crate) const TAGS: &[u32] = &[
    WINDOW_CENTER,
    WINDOW_WIDTH,
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    RESCALE_TYPE,
    VOI_LUT_FUNCTION,
    MODALITY_LUT_SEQUENCE,
    VOI_LUT_SEQUENCE,
    PRESENTATION_LUT_SHAPE,
];

const MODALITY_LUT: &str = "Modality LUT Sequence";
const VOI_LUT: &str = "VOI LUT Sequence";

/// Why nobody can tell what stored values mean. All of them are permanent; none repeats a patient's attribute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IntensitiesError {
    #[error("lacks a usable {0}")]
    Missing(&'static str),
    #[error("is rescaled to something other than Hounsfield units (Rescale Type)")]
    RescaleType,
    #[error(
        "has a Modality LUT Sequence to something other than Hounsfield units (Modality LUT Type)"
    )]
    TableType,
    #[error(
        "has a Rescale Slope or Rescale Intercept by which its values are no numbers of 32 bits"
    )]
    Rescale,
    #[error(
        "is inverted (MONOCHROME1), which a slice of a volume may be only as a display shows it (`displayed`)"
    )]
    Inverted,
    #[error("has a {0} that can not be read (PS3.3 C.11)")]
    Table(&'static str),
    #[error("has a window of centre {centre} and width {width}, by which nothing can be shown")]
    Window { centre: f64, width: f64 },
    #[error("has a VOI LUT Function that the standard does not have")]
    Function,
    #[error("has a Presentation LUT Shape that contradicts its Photometric Interpretation")]
    Shape,
    #[error(transparent)]
    Voxels(#[from] VoxelError),
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
    /// By the functional groups of a frame (PS3.3 C.7.6.16.2.9, C.7.6.16.2.10), and by the image where there are none.
    pub(crate) fn of(
        image: &'a Elements<'a>,
        tables: &'a Tables<'a>,
        frame: Option<&'a OfFrame<'a>>,
    ) -> Self {
        let values = frame.and_then(|frame| frame.values.as_ref());
        let window = frame.and_then(|frame| frame.window.as_ref());
        Self {
            image,
            values: values.unwrap_or(image),
            window: window.unwrap_or(image),
            modality_lut: tables.modality.as_ref().filter(|_| values.is_none()),
            voi_lut: tables.voi.as_ref().filter(|_| window.is_none()),
        }
    }

    /// Whether it says how grey values are shown.
    pub(crate) fn has_voi(&self) -> bool {
        matches!(voi(self, false), Ok(Some(_)))
    }
}

/// What the functional groups of a frame say of its values, where they do.
pub(crate) struct OfFrame<'a> {
    values: Option<Elements<'a>>,
    window: Option<Elements<'a>>,
}

impl<'a> OfFrame<'a> {
    /// `at` counts from 0.
    pub(crate) fn read(groups: &'a Groups<'a>, at: usize) -> Result<Self, SliceError> {
        let rescale = [RESCALE_INTERCEPT, RESCALE_SLOPE, RESCALE_TYPE];
        let wanted = [WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION];
        Ok(Self {
            values: groups.found(at, PIXEL_VALUE_TRANSFORMATION, &rescale)?,
            window: groups.found(at, FRAME_VOI_LUT, &wanted)?,
        })
    }

    pub(crate) fn has_window(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.decimal(WINDOW_CENTER).is_some())
    }
}

/// The first items of Modality LUT Sequence and VOI LUT Sequence, read once for all frames.
pub(crate) struct Tables<'a> {
    modality: Option<Elements<'a>>,
    voi: Option<Elements<'a>>,
}

impl<'a> Tables<'a> {
    pub(crate) fn read(image: &'a Elements<'a>) -> Result<Self, IntensitiesError> {
        let item = |sequence, name| {
            let item = image.item(sequence, &[LUT_DESCRIPTOR, LUT_DATA, MODALITY_LUT_TYPE]);
            item.map_err(|_| IntensitiesError::Table(name))
        };
        let modality = item(MODALITY_LUT_SEQUENCE, MODALITY_LUT)?;
        Ok(Self { modality, voi: item(VOI_LUT_SEQUENCE, VOI_LUT)? })
    }
}

/// By channel and row, high where a display is bright. Padding is NaN where the model says what it takes
/// for it.
pub(crate) fn intensities(
    shown: Shown,
    input: &Input,
    pixels: Pixels,
) -> Result<Vec<f32>, IntensitiesError> {
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
    mark_padding(&shown, input, &pixels, &mut values);
    Ok(values)
}

fn mark_padding(shown: &Shown, input: &Input, pixels: &Pixels, values: &mut [f32]) {
    if input.padding.is_some()
        && let Some(padding) = Padding::read(shown.image, pixels.signed)
    {
        padding.mark(pixels, values);
    }
}

/// There is no modality LUT and no window of colours (PS3.3 C.11.1, C.11.2): their values are shown as they are.
fn colours(pixels: &Pixels, displayed: bool) -> Result<Vec<f32>, IntensitiesError> {
    let mut values: Vec<f32> = pixels.values.iter().map(|value| *value as f32).collect();
    if displayed {
        window(&mut values, 0.0, ((1u32 << pixels.bits_stored) - 1) as f32)?;
    }
    Ok(values)
}

/// IDENTITY belongs to MONOCHROME2 and INVERSE to MONOCHROME1 (PS3.3 C.8.11.3.1.2): one of two that contradict
/// each other is wrong, and nobody here knows which.
fn check_shape(elements: &Elements, inverted: bool) -> Result<(), IntensitiesError> {
    match elements.text(PRESENTATION_LUT_SHAPE) {
        Some("IDENTITY") if inverted => Err(IntensitiesError::Shape),
        Some("INVERSE") if !inverted => Err(IntensitiesError::Shape),
        _ => Ok(()),
    }
}

/// What the numbers of a slice are: those of one volume are all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Stored,
    Rescaled,
    LookedUp,
    Displayed,
}

impl Meaning {
    /// What an image has whose numbers are these.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Stored => "neither a Rescale Slope nor a Modality LUT Sequence",
            Self::Rescaled => "a Rescale Slope",
            Self::LookedUp => "a Modality LUT Sequence",
            Self::Displayed => "a display's values",
        }
    }
}

/// Those of a slice, after the modality LUT or as a display would show them.
pub(crate) fn of_slice(
    shown: Shown,
    input: &Input,
    pixels: Pixels,
) -> Result<(Vec<f32>, Meaning), IntensitiesError> {
    if input.intensity == Intensity::Displayed {
        return Ok((intensities(shown, input, pixels)?, Meaning::Displayed));
    }
    if pixels.inverted {
        return Err(IntensitiesError::Inverted);
    }
    let meaning = match (input.intensity, shown.modality_lut) {
        (Intensity::Hounsfield, Some(table)) => {
            table_of_hounsfield(table)?;
            // In the same unit as what is rescaled to it.
            Meaning::Rescaled
        }
        (Intensity::Hounsfield, None) => {
            hounsfield(shown.values)?;
            Meaning::Rescaled
        }
        (_, Some(_)) => Meaning::LookedUp,
        (_, None) => match rescaled(shown.values)? {
            Some(_) => Meaning::Rescaled,
            None => Meaning::Stored,
        },
    };
    let (mut voxels, _) = after_modality_lut(&shown, &pixels)?;
    mark_padding(&shown, input, &pixels, &mut voxels);
    Ok((voxels, meaning))
}

/// CT must have both (PS3.3 C.8.2.1).
fn hounsfield(elements: &Elements) -> Result<(), IntensitiesError> {
    match elements.text(RESCALE_TYPE) {
        None | Some("HU") => {}
        Some(_) => return Err(IntensitiesError::RescaleType),
    }
    rescaled(elements)?.map(|_| ()).ok_or(IntensitiesError::Missing("Rescale Slope"))
}

/// A table goes before a rescale, and its type is its unit (PS3.3 C.11.1.1.2).
fn table_of_hounsfield(table: &Elements) -> Result<(), IntensitiesError> {
    match table.text(MODALITY_LUT_TYPE) {
        Some("HU") => Ok(()),
        _ => Err(IntensitiesError::TableType),
    }
}

/// Both or none (PS3.3 C.11.1).
fn rescaled(elements: &Elements) -> Result<Option<(f64, f64)>, IntensitiesError> {
    if elements.is_blank(RESCALE_SLOPE) && elements.is_blank(RESCALE_INTERCEPT) {
        return match elements.is_present(MODALITY_LUT_SEQUENCE) {
            // One without a first item, and nothing in its place.
            true => Err(IntensitiesError::Table(MODALITY_LUT)),
            false => Ok(None),
        };
    }
    let slope = elements.decimal(RESCALE_SLOPE).filter(|slope| *slope != 0.0);
    let slope = slope.ok_or(IntensitiesError::Missing("Rescale Slope"))?;
    let intercept = elements.decimal(RESCALE_INTERCEPT);
    Ok(Some((slope, intercept.ok_or(IntensitiesError::Missing("Rescale Intercept"))?)))
}

/// With the ends of the range that stored values may have there.
fn after_modality_lut(
    shown: &Shown,
    pixels: &Pixels,
) -> Result<(Vec<f32>, [f32; 2]), IntensitiesError> {
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
fn voi(shown: &Shown, signed: bool) -> Result<Option<Voi>, IntensitiesError> {
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
        Some(_) => return Err(IntensitiesError::Function),
    };
    voi.apply(&mut []).map_err(|_| IntensitiesError::Window { centre, width })?;
    Ok(Some(voi))
}

/// The table of such an item (PS3.3 C.11.1, C.11.2); none where there is none.
fn lut(
    item: Option<&Elements>,
    name: &'static str,
    signed: bool,
) -> Result<Option<Lut>, IntensitiesError> {
    let Some(item) = item else { return Ok(None) };
    let table = tables::read(item, [LUT_DESCRIPTOR, LUT_DATA], signed);
    table.map(Some).ok_or(IntensitiesError::Table(name))
}

/// The least and the highest value that stored values may become. Neither is so large that a sum of two is
/// no number, and they are not the same.
fn range(pixels: &Pixels, (slope, intercept): (f64, f64)) -> Result<[f32; 2], IntensitiesError> {
    let half = 1i32 << (pixels.bits_stored - 1);
    let stored = if pixels.signed { [-half, half - 1] } else { [0, 2 * half - 1] };
    let [one, other] = stored.map(|value| (f64::from(value) * slope + intercept) as f32);
    let (low, high) = (one.min(other), one.max(other));
    let fits = |end: f32| end.abs() <= f32::MAX / 4.0;
    // A NaN fits nowhere.
    match fits(low) && fits(high) && low < high {
        true => Ok([low, high]),
        false => Err(IntensitiesError::Rescale),
    }
}
