//! One compressed frame, decompressed by the registry's decoders after its own head was believed only as far as the file's.

use super::image::{Image, Layout};
use super::{DecodeError, Reading};
use crate::codestream::{self, Colours, Declared};
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use jpeg_decoder::ColorTransform;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Put behind every JPEG and JPEG-LS picture; one that has its own is not changed by it. CharLS
/// 2.4.2 counts 2^31 bits (15 s) when damaged data end without this marker.
const END_OF_IMAGE: &[u8] = &[0xFF, 0xD9];

/// JPEG-LS.
const JPEG_LS: [&str; 2] = ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"];
/// JPEG Baseline, 8 bit.
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";

/// The compressed picture of one frame, as the registry's decoders want to see it.
pub(super) struct Frame<'a> {
    image: &'a Image,
    uid: &'a str,
    codestream: Cow<'a, [u8]>,
}

pub(super) struct Decompressed {
    pub(super) bytes: Vec<u8>,
    pub(super) layout: Layout,
    /// Luminance and differences of colour.
    pub(super) is_ybr: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(
        image: &'a Image,
        uid: &'a str,
        mut codestream: Cow<'a, [u8]>,
        reading: Reading,
    ) -> Self {
        if reading == Reading::Jpeg {
            codestream.to_mut().extend_from_slice(END_OF_IMAGE);
        }
        Self { image, uid, codestream }
    }

    pub(super) fn decompress(&self, reading: Reading) -> Result<Decompressed, DecodeError> {
        let bits = self.check_codestream(reading)?;
        let is_colour_jpeg =
            self.image.samples == 3 && reading == Reading::Jpeg && !JPEG_LS.contains(&self.uid);
        // Decoders index into what a peer sent: a panic in one of them is a damaged image.
        let decoded = catch_unwind(AssertUnwindSafe(|| match is_colour_jpeg {
            true => self.by_jpeg(),
            false => self.by_registry(),
        }));
        let mut bytes = decoded.map_err(|_| DecodeError::Damaged)??;
        let samples = self.image.count() * usize::from(self.image.samples);
        if self.image.allocated == 16 && bits <= 8 && bytes.len() == samples {
            bytes = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
        }
        let by_plane = JPEG_LS.contains(&self.uid) && codestream::is_by_plane(&self.codestream);
        let layout = if by_plane { Layout::ByPlane } else { Layout::ByPixel };
        Ok(Decompressed { bytes, layout, is_ybr: self.is_ybr() })
    }

    /// Where the header says red, green and blue, a lossy JPEG may say that it is not: many writers keep
    /// the one and change the other.
    fn is_ybr(&self) -> bool {
        match self.uid {
            JPEG_BASELINE if self.image.samples == 3 && !self.image.is_ybr => {
                codestream::colours_of_jpeg(&self.codestream) == Some(Colours::Ybr)
            }
            _ => self.image.is_ybr,
        }
    }

    fn by_registry(&self) -> Result<Vec<u8>, DecodeError> {
        let syntax = TransferSyntaxRegistry.get(self.uid);
        let Some(Codec::EncapsulatedPixelData(Some(decoder), _)) = syntax.map(|s| s.codec()) else {
            return Err(DecodeError::TransferSyntax(self.uid.to_string()));
        };
        let mut bytes = Vec::new();
        decoder.decode_frame(self, 0, &mut bytes).map_err(|_| DecodeError::Damaged)?;
        Ok(bytes)
    }

    /// The registry's decoder, told to leave the colours alone: by itself it goes by the names of the
    /// components, and those say nothing in DICOM.
    fn by_jpeg(&self) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = jpeg_decoder::Decoder::new(&*self.codestream);
        decoder.set_color_transform(ColorTransform::RGB);
        decoder.decode().map_err(|_| DecodeError::Damaged)
    }

    /// The decoders allocate by what the codestream says: it has to say what the header says.
    /// Returns how many bits a sample has in the codestream.
    fn check_codestream(&self, reading: Reading) -> Result<u32, DecodeError> {
        let samples = u32::from(self.image.samples);
        let declared = match reading {
            Reading::Native => return Ok(u32::from(self.image.stored)),
            Reading::Rle => {
                let segments = codestream::rle_segments(&self.codestream);
                return match segments.ok_or(DecodeError::NoCodestream)? {
                    n if n == samples * u32::from(self.image.allocated / 8) => {
                        Ok(self.image.stored.into())
                    }
                    _ => Err(DecodeError::Damaged),
                };
            }
            Reading::Jpeg => codestream::of_jpeg(&self.codestream),
            Reading::Jpeg2000 => codestream::of_jpeg_2000(&self.codestream),
        };
        let Declared { rows, columns, components, bits } =
            declared.ok_or(DecodeError::NoCodestream)?;
        let same = (rows, columns) == (self.image.rows.into(), self.image.columns.into());
        if !same || components != samples {
            return Err(DecodeError::CodestreamDiffers(rows, columns, components));
        }
        if !(2..=u32::from(self.image.allocated)).contains(&bits) {
            return Err(DecodeError::Damaged);
        }
        Ok(bits)
    }
}

impl PixelDataObject for Frame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.uid
    }
    fn rows(&self) -> Option<u16> {
        Some(self.image.rows)
    }
    fn cols(&self) -> Option<u16> {
        Some(self.image.columns)
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(self.image.samples)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.image.allocated)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.image.stored)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some(if self.image.samples == 3 { "RGB" } else { "MONOCHROME2" })
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&*self.codestream))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments = vec![self.codestream.to_vec()].into();
        Some(RawPixelData { fragments, offset_table: Vec::new().into() })
    }
}
