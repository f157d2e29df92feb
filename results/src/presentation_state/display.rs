//! How the source's images go from stored values to a screen, as a presentation state repeats it (PS3.3 C.11.1, C.11.8).

use crate::data_set::DataSet;
use crate::object::ComposeError;
use crate::source::{texts, whole};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::borrow::Cow;

/// What one image says of its display, for all of it or for each frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// At least one; of an image without functional groups exactly one.
    frames: Vec<Display>,
}

/// What a display does to the stored values of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Display {
    /// Of the Modality LUT module; empty where the values stand for themselves.
    pub modality: DataSet,
    /// The windows and tables of an item of the Softcopy VOI LUT Sequence; empty where there is none.
    pub voi: DataSet,
    /// Low values are bright.
    pub inverted: bool,
}

impl Shown {
    /// Reads a Part 10 file; its pixels are not read.
    pub fn read(part10: &[u8]) -> Result<Self, ComposeError> {
        let image = whole(part10)?;
        let photometric = texts(&image, tags::PHOTOMETRIC_INTERPRETATION);
        let inverted = match photometric.first().map(String::as_str) {
            Some("MONOCHROME1") => true,
            Some("MONOCHROME2") => false,
            _ => return Err(ComposeError::NotGrey),
        };
        let shared = image.sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        let shared = shared.into_iter().next().unwrap_or_else(DataSet::new);
        let each = image.sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let display = |groups: [&DataSet; 2]| Display {
            modality: modality(&said(groups, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, &image)),
            voi: voi(&said(groups, tags::FRAME_VOILUT_SEQUENCE, &image)),
            inverted,
        };
        let mut frames: Vec<Display> = each.iter().map(|own| display([own, &shared])).collect();
        if frames.is_empty() {
            frames.push(display([&shared, &shared]));
        }
        Ok(Self { frames })
    }

    /// Of a frame counted from 1, or of the whole image.
    pub fn display(&self, frame: Option<u32>) -> Result<&Display, ComposeError> {
        let at = frame.filter(|_| self.frames.len() > 1).map_or(0, |frame| frame as usize - 1);
        let none = || ComposeError::Mismatch("a frame is not in its image".into());
        self.frames.get(at).ok_or_else(none)
    }
}

/// The functional group of a frame, else the one that all share, else the image itself.
fn said<'a>(groups: [&DataSet; 2], macro_of: Tag, image: &'a DataSet) -> Cow<'a, DataSet> {
    let mut found = groups.iter().filter_map(|of| of.sequence(macro_of).into_iter().next());
    found.next().map_or(Cow::Borrowed(image), Cow::Owned)
}

fn copy(from: &DataSet, tag: Tag, to: &mut DataSet) -> bool {
    let element = from.element(tag).filter(|element| {
        element.items().map_or_else(|| !texts(from, tag).is_empty(), |items| !items.is_empty())
    });
    element.is_some_and(|element| {
        to.put(element.clone());
        true
    })
}

/// A table, or a slope and an intercept; a state has to name their unit.
fn modality(image: &DataSet) -> DataSet {
    let mut lut = DataSet::new();
    if copy(image, tags::MODALITY_LUT_SEQUENCE, &mut lut) {
        return lut;
    }
    let whole =
        [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT].map(|tag| copy(image, tag, &mut lut));
    if whole != [true, true] {
        return DataSet::new();
    }
    if !copy(image, tags::RESCALE_TYPE, &mut lut) {
        lut.text(tags::RESCALE_TYPE, "US");
    }
    lut
}

fn voi(image: &DataSet) -> DataSet {
    let mut voi = DataSet::new();
    copy(image, tags::VOILUT_SEQUENCE, &mut voi);
    let numbers = |tag| -> Vec<Option<f64>> {
        texts(image, tag).iter().map(|text| text.parse().ok()).collect()
    };
    let (centres, widths) = (numbers(tags::WINDOW_CENTER), numbers(tags::WINDOW_WIDTH));
    let sound = widths.iter().all(|width| width.is_some_and(|width| width >= 1.0));
    if centres.is_empty() || centres.len() != widths.len() || !sound {
        return voi;
    }
    let explained = texts(image, tags::WINDOW_CENTER_WIDTH_EXPLANATION).len() == centres.len();
    for tag in [tags::WINDOW_CENTER, tags::WINDOW_WIDTH, tags::VOILUT_FUNCTION] {
        copy(image, tag, &mut voi);
    }
    if explained {
        copy(image, tags::WINDOW_CENTER_WIDTH_EXPLANATION, &mut voi);
    }
    voi
}
