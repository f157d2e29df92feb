//! Pixels without compression, as Pixel Data (7FE0,0010) holds them, of an image that was compressed.

use super::image::Layout;
use super::{DecodeError, Frames, Pixels, Reading, TAGS};
use crate::elements::Elements;

/// All frames, and what the header has to say of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativePixels {
    /// In little endian, of an even length.
    pub bytes: Vec<u8>,
    /// Red, green and blue of one pixel after the other: Photometric Interpretation RGB, Planar Configuration 0. Otherwise
    /// one sample a pixel, which means what it meant.
    pub is_rgb: bool,
}

/// Whether [`native_pixels`] knows the syntax: what this build does not decode, and what is not compressed, is not in it.
pub fn has_native_pixels(transfer_syntax: &str) -> bool {
    let is_known =
        |(uid, reading): &(&str, Reading)| *uid == transfer_syntax && *reading != Reading::Native;
    super::DECODABLE.iter().any(is_known)
}

/// All frames of an image, no more than so many bytes. Every value is what was compressed, or what is left of it after a loss;
/// of signed ones the bits above Bits Stored repeat the sign, of others they are 0. Colours become red, green and blue, as everybody
/// makes them who shows the image (PS3.3 C.7.6.3.1.2); numbers of a palette stay what they are.
pub fn native_pixels(part10: &[u8], most: usize) -> Result<NativePixels, DecodeError> {
    let elements = Elements::read(part10, TAGS)?;
    let mut frames = Frames::of(&elements)?;
    if frames.reading == Reading::Native {
        return Err(DecodeError::TransferSyntax(frames.uid.to_string()));
    }
    frames.palette = None;
    let is_rgb = frames.image.samples == 3;
    let expected = frames.image.length(Layout::ByPixel).saturating_mul(frames.count());
    if expected > most {
        return Err(DecodeError::TooMuch { bytes: expected });
    }
    let mut bytes = Vec::with_capacity(expected + 1);
    for at in 0..frames.count() {
        put(&mut bytes, &frames.frame(at)?);
    }
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    Ok(NativePixels { bytes, is_rgb })
}

/// Channels side by side, pixel by pixel.
fn put(bytes: &mut Vec<u8>, pixels: &Pixels) {
    let planes: Vec<&[i32]> = pixels.values.chunks(pixels.rows * pixels.columns).collect();
    let count = planes.first().map_or(0, |plane| plane.len());
    for value in (0..count).flat_map(|at| planes.iter().filter_map(move |plane| plane.get(at))) {
        match pixels.bits_allocated {
            8 => bytes.push(*value as u8),
            _ => bytes.extend((*value as u16).to_le_bytes()),
        }
    }
}
