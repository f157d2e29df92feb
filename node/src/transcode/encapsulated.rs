//! Native pixels, compressed without loss: each frame a fragment of an encapsulated Pixel Data (PS3.5 A.4).

use super::{MOST_DECOMPRESSED, jpeg_lossless, rle};
use crate::coerce::EXPLICIT;
use gantry_deidentification::elements::{Element, Elements};
use gantry_inference::decode::{MOST_FRAMES, MOST_PIXELS};
use gantry_terms::header::Tag;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;

const SAMPLES_PER_PIXEL: Tag = 0x0028_0002;
const PHOTOMETRIC_INTERPRETATION: Tag = 0x0028_0004;
const PLANAR_CONFIGURATION: Tag = 0x0028_0006;
const NUMBER_OF_FRAMES: Tag = 0x0028_0008;
const ROWS: Tag = 0x0028_0010;
const COLUMNS: Tag = 0x0028_0011;
const BITS_ALLOCATED: Tag = 0x0028_0100;
const PIXEL_DATA: Tag = 0x7FE0_0010;
const WANTED: [Tag; 8] = [
    SAMPLES_PER_PIXEL,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    NUMBER_OF_FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    PIXEL_DATA,
];
/// The length of the group (retired), and Extended Offset Tables: they tell of other bytes.
const LEFT_OUT: [Tag; 3] = [0x7FE0_0000, 0x7FE0_0001, 0x7FE0_0002];

const ITEM: [u8; 4] = *b"\xFE\xFF\x00\xE0";
const SEQUENCE_END: [u8; 8] = *b"\xFE\xFF\xDD\xE0\0\0\0\0";

/// Why an object is not compressed; trying again would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCompressed {
    #[error("cannot be walked")]
    Unreadable,
    #[error("has no Pixel Data of whole numbers")]
    NoPixels,
    #[error("has samples of other than 8 or 16 bits allocated")]
    Depth,
    #[error("is neither grey, nor of a palette, nor RGB")]
    Colours,
    #[error("has more or fewer pixels than its header says")]
    Length,
    #[error(
        "has more than {} MiB of pixels, {MOST_PIXELS} samples in a frame, or {MOST_FRAMES} frames",
        MOST_DECOMPRESSED >> 20
    )]
    TooLarge,
    #[error("has a frame that this syntax has no room for")]
    Frame,
}

/// The syntaxes that native pixels can be compressed into without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lossless {
    /// First-order prediction, selection value 1.
    Jpeg,
    #[cfg(feature = "jpeg-ls")]
    JpegLs,
    Rle,
}

/// What is preferred comes first: it is shorter, or more archives show it.
const SYNTAXES: &[(&str, Lossless)] = &[
    ("1.2.840.10008.1.2.4.70", Lossless::Jpeg),
    #[cfg(feature = "jpeg-ls")]
    ("1.2.840.10008.1.2.4.80", Lossless::JpegLs),
    ("1.2.840.10008.1.2.5", Lossless::Rle),
];

/// The syntaxes that [`compressed`] makes, the preferred first.
pub fn lossless() -> Vec<Uid> {
    SYNTAXES.iter().filter_map(|(uid, _)| Uid::parse(uid).ok()).collect()
}

/// A data set in Explicit VR Little Endian with its pixels compressed: each sample keeps all its bits, whatever they mean, and
/// every other element its bytes, but for a Planar Configuration of 1 where the syntax tells it by itself (PS3.5 8.2).
pub fn compressed(data_set: &[u8], to: &Uid) -> Result<Vec<u8>, NotCompressed> {
    let (_, to) =
        SYNTAXES.iter().find(|(uid, _)| *uid == to.as_str()).ok_or(NotCompressed::Frame)?;
    let found = found(data_set)?;
    let image = Image::of(data_set, &found)?;
    let pixels = found.get(&PIXEL_DATA).ok_or(NotCompressed::NoPixels)?;

    let mut made = Vec::with_capacity(pixels.start + (pixels.end - pixels.start) / 2);
    let mut from = 0;
    for tag in LEFT_OUT {
        if let Some(element) = found.get(&tag) {
            made.extend_from_slice(
                data_set.get(from..element.start).ok_or(NotCompressed::Unreadable)?,
            );
            from = element.end;
        }
    }
    made.extend_from_slice(data_set.get(from..pixels.start).ok_or(NotCompressed::Unreadable)?);
    if let Some(planar) = found.get(&PLANAR_CONFIGURATION).filter(|_| *to != Lossless::Rle)
        && let Some(value) = made.get_mut(planar.value..planar.end)
    {
        value.fill(0);
    }
    made.extend(b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF");
    // A Basic Offset Table may be empty.
    made.extend(ITEM);
    made.extend([0; 4]);
    for frame in data_set[pixels.value..pixels.end].chunks_exact(image.length).take(image.frames) {
        let mut fragment = image.encoded(frame, *to).ok_or(NotCompressed::Frame)?;
        if fragment.len() % 2 == 1 {
            fragment.push(0);
        }
        made.extend(ITEM);
        made.extend(u32::try_from(fragment.len()).map_err(|_| NotCompressed::Frame)?.to_le_bytes());
        made.append(&mut fragment);
    }
    made.extend(SEQUENCE_END);
    made.extend_from_slice(&data_set[pixels.end..]);
    Ok(made)
}

/// Where what has to be known lies.
fn found(data_set: &[u8]) -> Result<BTreeMap<Tag, Element>, NotCompressed> {
    let mut found = BTreeMap::new();
    for element in Elements::of_data_set(data_set, EXPLICIT) {
        let element = element.map_err(|_| NotCompressed::Unreadable)?;
        if !WANTED.contains(&element.tag) && !LEFT_OUT.contains(&element.tag) {
            continue;
        }
        // What lies before the pixels is counted from the beginning.
        let is_behind = found.last_key_value().is_none_or(|(last, _)| *last < element.tag);
        if element.undefined || !is_behind {
            return Err(NotCompressed::Unreadable);
        }
        found.insert(element.tag, element);
    }
    Ok(found)
}

struct Image {
    rows: usize,
    columns: usize,
    samples: usize,
    /// Of a sample.
    bytes: u32,
    by_plane: bool,
    frames: usize,
    /// Of a frame, in bytes.
    length: usize,
}

impl Image {
    fn of(data_set: &[u8], found: &BTreeMap<Tag, Element>) -> Result<Self, NotCompressed> {
        let value = |tag| found.get(&tag).and_then(|e| data_set.get(e.value..e.end));
        let number = |tag| {
            let bytes: [u8; 2] = value(tag)?.try_into().ok()?;
            Some(u16::from_le_bytes(bytes))
        };
        let text = |tag| {
            let text = std::str::from_utf8(value(tag)?).ok()?;
            Some(text.trim_matches([' ', '\0'])).filter(|text| !text.is_empty())
        };
        let pixels = value(PIXEL_DATA).ok_or(NotCompressed::NoPixels)?;
        let bytes = match number(BITS_ALLOCATED) {
            Some(8) => 1,
            Some(16) => 2,
            _ => return Err(NotCompressed::Depth),
        };
        let samples = match (number(SAMPLES_PER_PIXEL), text(PHOTOMETRIC_INTERPRETATION)) {
            (Some(1), Some("MONOCHROME1" | "MONOCHROME2" | "PALETTE COLOR")) => 1,
            (Some(3), Some("RGB")) => 3,
            _ => return Err(NotCompressed::Colours),
        };
        let size = |tag| number(tag).map(usize::from).filter(|size| *size > 0);
        let (rows, columns) = size(ROWS).zip(size(COLUMNS)).ok_or(NotCompressed::Length)?;
        let frames = match text(NUMBER_OF_FRAMES) {
            None => 1,
            Some(frames) => frames.parse().map_err(|_| NotCompressed::Length)?,
        };
        let in_frame = rows * columns * samples;
        let length = in_frame * bytes as usize;
        let expected = length.checked_mul(frames).ok_or(NotCompressed::TooLarge)?;
        // Each frame is taken apart in memory, and has a header of its own.
        if expected > MOST_DECOMPRESSED || in_frame > MOST_PIXELS || frames > MOST_FRAMES {
            return Err(NotCompressed::TooLarge);
        }
        // Of an even length (PS3.5 7.1.1).
        if frames == 0 || pixels.len() != expected.next_multiple_of(2) {
            return Err(NotCompressed::Length);
        }
        let by_plane = samples == 3 && number(PLANAR_CONFIGURATION) == Some(1);
        Ok(Self { rows, columns, samples, bytes, by_plane, frames, length })
    }

    /// One plane for each sample of a pixel, row by row.
    fn planes(&self, frame: &[u8]) -> Vec<Vec<u16>> {
        let size = self.bytes as usize;
        // From a sample to the next one of its plane, and from a plane to the next.
        let (step, apart) = match self.by_plane {
            true => (size, self.rows * self.columns * size),
            false => (self.samples * size, size),
        };
        let value = |bytes: &[u8]| match bytes {
            [low, high, ..] if size == 2 => u16::from_le_bytes([*low, *high]),
            bytes => bytes.first().copied().unwrap_or_default().into(),
        };
        let plane = |at: usize| frame.get(at * apart..).unwrap_or_default().chunks(step);
        let pixels = self.rows * self.columns;
        (0..self.samples).map(|at| plane(at).take(pixels).map(value).collect()).collect()
    }

    fn encoded(&self, frame: &[u8], to: Lossless) -> Option<Vec<u8>> {
        let planes = self.planes(frame);
        match to {
            // All that is allocated, as bits above those stored may be of use to somebody.
            Lossless::Jpeg => jpeg_lossless::encoded(&planes, self.columns, 8 * self.bytes as u8),
            Lossless::Rle => rle::encoded(&planes, self.columns, self.bytes),
            #[cfg(feature = "jpeg-ls")]
            Lossless::JpegLs => super::jpeg_ls::encoded(&planes, self.columns, self.bytes),
        }
    }
}

#[cfg(test)]
mod tests;
