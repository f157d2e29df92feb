//! Pixels without compression, as Pixel Data (7FE0,0010) holds them, of an image that was compressed without loss.

use super::{DecodeError, Frames, TAGS};
use crate::elements::Elements;

/// JPEG Lossless, JPEG-LS Lossless, JPEG 2000 and HTJ2K Lossless, RLE.
const LOSSLESS: [&str; 7] = [
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.5",
];

/// Whether [`native_pixels`] knows the syntax: what was compressed with a loss is not in it, and what this
/// build does not decode is neither.
pub fn has_native_pixels(transfer_syntax: &str) -> bool {
    LOSSLESS.contains(&transfer_syntax) && super::decodable().any(|known| known == transfer_syntax)
}

/// All frames of a grey image, or of one with a palette, in little endian and of an even length; no more
/// than so many bytes. Every value is what it was; of signed ones the bits above Bits Stored repeat the
/// sign, of others they are 0.
pub fn native_pixels(part10: &[u8], most: usize) -> Result<Vec<u8>, DecodeError> {
    let elements = Elements::read(part10, TAGS)?;
    let mut frames = Frames::of(&elements)?;
    if !LOSSLESS.contains(&frames.uid) {
        return Err(DecodeError::TransferSyntax(frames.uid.to_string()));
    }
    if frames.image.samples != 1 {
        return Err(DecodeError::NotGrey);
    }
    frames.palette = None;
    let expected = frames.image.length(frames.image.native).saturating_mul(frames.count());
    if expected > most {
        return Err(DecodeError::TooMuch { bytes: expected });
    }
    let mut bytes = Vec::with_capacity(expected + 1);
    for at in 0..frames.count() {
        let pixels = frames.frame(at)?;
        match pixels.bits_allocated {
            8 => bytes.extend(pixels.values.iter().map(|value| *value as u8)),
            _ => bytes.extend(pixels.values.iter().flat_map(|value| (*value as u16).to_le_bytes())),
        }
    }
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    Ok(bytes)
}
