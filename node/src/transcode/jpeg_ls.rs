//! JPEG-LS Lossless (PS3.5 8.2.3): one frame as the registry's encoder, CharLS, makes it.

use dicom_encoding::adapters::{EncodeOptions, PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::borrow::Cow;

const UID: &str = "1.2.840.10008.1.2.4.80";

/// One frame of 1 or 3 planes of samples of 1 or 2 bytes, row by row, each plane a scan. `None` where the encoder does not want it.
pub(super) fn encoded(planes: &[Vec<u16>], columns: usize, bytes: u32) -> Option<Vec<u8>> {
    let rows = planes.first()?.len().checked_div(columns)?;
    let values = planes.iter().flatten();
    let frame = Frame {
        rows: u16::try_from(rows).ok()?,
        columns: u16::try_from(columns).ok()?,
        samples: u16::try_from(planes.len()).ok()?,
        bits: u16::try_from(8 * bytes).ok()?,
        bytes: match bytes {
            1 => values.map(|value| *value as u8).collect(),
            _ => values.flat_map(|value| value.to_ne_bytes()).collect(),
        },
    };
    let syntax = TransferSyntaxRegistry.get(UID)?;
    let Codec::EncapsulatedPixelData(_, Some(encoder)) = syntax.codec() else { return None };
    let mut stream = Vec::new();
    encoder.encode_frame(&frame, 0, EncodeOptions::default(), &mut stream).ok()?;
    Some(stream)
}

/// A frame as the encoder wants to see it.
struct Frame {
    rows: u16,
    columns: u16,
    samples: u16,
    bits: u16,
    bytes: Vec<u8>,
}

impl PixelDataObject for Frame {
    fn transfer_syntax_uid(&self) -> &str {
        UID
    }
    fn rows(&self) -> Option<u16> {
        Some(self.rows)
    }
    fn cols(&self) -> Option<u16> {
        Some(self.columns)
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(self.samples)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.bits)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.bits)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some(if self.samples == 3 { "RGB" } else { "MONOCHROME2" })
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    /// One, which is what the encoder takes for the frame.
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&*self.bytes))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments = vec![self.bytes.clone()].into();
        Some(RawPixelData { fragments, offset_table: Vec::new().into() })
    }
}
