//! Grey pixels of one single-frame image out of a Part 10 file, decompressed, as whole numbers.

use crate::codestream::{self, Declared};
use crate::elements::{Elements, PixelData, Unreadable};
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) mod tags {
    pub const SAMPLES_PER_PIXEL: u32 = 0x0028_0002;
    pub const PHOTOMETRIC_INTERPRETATION: u32 = 0x0028_0004;
    pub const NUMBER_OF_FRAMES: u32 = 0x0028_0008;
    pub const ROWS: u32 = 0x0028_0010;
    pub const COLUMNS: u32 = 0x0028_0011;
    pub const BITS_ALLOCATED: u32 = 0x0028_0100;
    pub const BITS_STORED: u32 = 0x0028_0101;
    pub const HIGH_BIT: u32 = 0x0028_0102;
    pub const PIXEL_REPRESENTATION: u32 = 0x0028_0103;
}

/// What [`decode`] has to know about an image.
pub(crate) const TAGS: &[u32] = &[
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
];

/// An image may have this many pixels: more than the largest film in use (mammograms of 4728 x 5928), and
/// 32 times the largest CT matrix.
pub const MOST_PIXELS: usize = 1 << 25;

/// How the pixels of a transfer syntax are read. What is not in [`DECODABLE`] is refused by name:
/// the registry claims more than it can do (12-bit JPEG Extended, for one, comes out wrong).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Native,
    Jpeg,
    Jpeg2000,
    Rle,
}

const DECODABLE: &[(&str, Reading)] = &[
    ("1.2.840.10008.1.2", Reading::Native), // Implicit VR Little Endian
    ("1.2.840.10008.1.2.1", Reading::Native), // Explicit VR Little Endian
    ("1.2.840.10008.1.2.1.98", Reading::Native), // Encapsulated Uncompressed
    ("1.2.840.10008.1.2.1.99", Reading::Native), // Deflated Explicit VR Little Endian
    ("1.2.840.10008.1.2.2", Reading::Native), // Explicit VR Big Endian
    ("1.2.840.10008.1.2.4.50", Reading::Jpeg), // JPEG Baseline, 8 bit
    ("1.2.840.10008.1.2.4.57", Reading::Jpeg), // JPEG Lossless
    ("1.2.840.10008.1.2.4.70", Reading::Jpeg), // JPEG Lossless, first-order prediction
    #[cfg(feature = "jpeg-ls")]
    ("1.2.840.10008.1.2.4.80", Reading::Jpeg), // JPEG-LS Lossless
    #[cfg(feature = "jpeg-ls")]
    ("1.2.840.10008.1.2.4.81", Reading::Jpeg), // JPEG-LS Near-lossless
    ("1.2.840.10008.1.2.4.90", Reading::Jpeg2000), // JPEG 2000 Lossless
    ("1.2.840.10008.1.2.4.91", Reading::Jpeg2000), // JPEG 2000
    ("1.2.840.10008.1.2.4.201", Reading::Jpeg2000), // HTJ2K Lossless
    ("1.2.840.10008.1.2.4.202", Reading::Jpeg2000), // HTJ2K Lossless RPCL
    ("1.2.840.10008.1.2.4.203", Reading::Jpeg2000), // HTJ2K
    ("1.2.840.10008.1.2.5", Reading::Rle),  // RLE Lossless
];

/// Put behind every JPEG and JPEG-LS picture; one that has its own is not changed by it. CharLS
/// 2.4.2 counts 2^31 bits (15 s) when damaged data end without this marker.
const END_OF_IMAGE: &[u8] = &[0xFF, 0xD9];

/// The transfer syntaxes whose pixels this build decodes.
pub fn decodable() -> impl Iterator<Item = &'static str> {
    DECODABLE.iter().map(|(uid, _)| *uid)
}

/// One grey image.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    pub rows: usize,
    pub columns: usize,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub signed: bool,
    /// MONOCHROME1: the least value is shown bright.
    pub inverted: bool,
    /// Row by row, sign extended from Bits Stored; padding (0028,0120) is kept as it stands.
    pub values: Vec<i32>,
}

/// Why an image has no pixels for us. Never repeats a patient's attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("is not a readable DICOM file: {0}")]
    Unreadable(#[from] Unreadable),
    #[error("has the transfer syntax {0}, whose pixels this node does not decode")]
    TransferSyntax(String),
    #[error("has no pixel data")]
    NoPixelData,
    #[error("has {0} frames; only images of a single frame make a stack")]
    SeveralFrames(u32),
    #[error("is not a grey image (MONOCHROME1 or MONOCHROME2 with one sample per pixel)")]
    NotGrey,
    #[error("lacks a usable {0}")]
    Missing(&'static str),
    #[error(
        "has {stored} bits stored of {allocated} with high bit {high}; \
         only 8 or 16 allocated with the high bit below the stored ones fit"
    )]
    Depth { allocated: u16, stored: u16, high: u16 },
    #[error("has {rows} x {columns} pixels, more than the limit of {MOST_PIXELS}")]
    TooLarge { rows: u16, columns: u16 },
    #[error("has {found} bytes of pixels where {expected} are needed")]
    WrongLength { found: usize, expected: usize },
    #[error("has compressed pixels that do not begin like its transfer syntax")]
    NoCodestream,
    #[error(
        "has compressed pixels of {0} x {1} with {2} components, which is not what its header says"
    )]
    CodestreamDiffers(u32, u32, u32),
    #[error("has compressed pixels that can not be decoded: they are damaged")]
    Damaged,
}

/// Reads the pixels. Blocks for as long as decompression takes (some ms for a CT slice).
pub fn decode(part10: &[u8]) -> Result<Pixels, DecodeError> {
    decode_elements(&Elements::read(part10, TAGS)?)
}

pub(crate) fn decode_elements(elements: &Elements) -> Result<Pixels, DecodeError> {
    let uid = elements.transfer_syntax.as_str();
    let reading = DECODABLE.iter().find(|(known, _)| *known == uid);
    let (_, reading) = reading.ok_or_else(|| DecodeError::TransferSyntax(uid.to_string()))?;
    let image = Image::read(elements)?;
    let bytes = match (reading, elements.pixel_data().ok_or(DecodeError::NoPixelData)?) {
        (Reading::Native, PixelData::Native(bytes)) => Cow::Borrowed(bytes),
        (Reading::Native, PixelData::Encapsulated(fragments)) => Cow::Owned(fragments.concat()),
        (_, PixelData::Native(_)) => return Err(DecodeError::NoCodestream),
        (reading, PixelData::Encapsulated(fragments)) => {
            let mut codestream = fragments.concat();
            if *reading == Reading::Jpeg {
                codestream.extend_from_slice(END_OF_IMAGE);
            }
            let frame = Frame { image: &image, uid, codestream };
            Cow::Owned(frame.decompress(*reading)?)
        }
    };
    image.pixels(&bytes, elements.is_big_endian())
}

/// The Image Pixel module (PS3.3 C.7.6.3) of an image that we can use.
struct Image {
    rows: u16,
    columns: u16,
    allocated: u16,
    stored: u16,
    signed: bool,
    inverted: bool,
}

impl Image {
    fn read(elements: &Elements) -> Result<Self, DecodeError> {
        let number = |tag, name| elements.unsigned(tag).ok_or(DecodeError::Missing(name));
        match elements.decimal(tags::NUMBER_OF_FRAMES) {
            None | Some(1.0) => {}
            Some(frames) => return Err(DecodeError::SeveralFrames(frames as u32)),
        }
        let one_sample = elements.unsigned(tags::SAMPLES_PER_PIXEL) == Some(1);
        let inverted = match elements.text(tags::PHOTOMETRIC_INTERPRETATION) {
            Some("MONOCHROME1") if one_sample => true,
            Some("MONOCHROME2") if one_sample => false,
            _ => return Err(DecodeError::NotGrey),
        };
        let rows = number(tags::ROWS, "Rows")?;
        let columns = number(tags::COLUMNS, "Columns")?;
        if rows == 0 || columns == 0 {
            return Err(DecodeError::Missing("Rows or Columns"));
        }
        if usize::from(rows) * usize::from(columns) > MOST_PIXELS {
            return Err(DecodeError::TooLarge { rows, columns });
        }
        let allocated = number(tags::BITS_ALLOCATED, "Bits Allocated")?;
        let stored = number(tags::BITS_STORED, "Bits Stored")?;
        let high = number(tags::HIGH_BIT, "High Bit")?;
        let fits = matches!(allocated, 8 | 16) && (1..=allocated).contains(&stored);
        if !fits || high != stored - 1 {
            return Err(DecodeError::Depth { allocated, stored, high });
        }
        let signed = match elements.unsigned(tags::PIXEL_REPRESENTATION) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(DecodeError::Missing("Pixel Representation")),
        };
        Ok(Self { rows, columns, allocated, stored, signed, inverted })
    }

    fn count(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// One byte of padding to an even length is allowed behind the pixels, and some writers add
    /// more (PS3.5 8.1.1); less than the pixels is not.
    fn pixels(&self, bytes: &[u8], big_endian: bool) -> Result<Pixels, DecodeError> {
        let expected = self.count() * usize::from(self.allocated / 8);
        let Some(bytes) = bytes.get(..expected) else {
            return Err(DecodeError::WrongLength { found: bytes.len(), expected });
        };
        if big_endian && self.allocated == 8 {
            // Bytes in words of the other end: which came first depends on the VR.
            return Err(DecodeError::TransferSyntax("1.2.840.10008.1.2.2 with 8 bits".into()));
        }
        let values = if self.allocated == 8 {
            bytes.iter().map(|byte| self.value(u16::from(*byte))).collect()
        } else {
            let word = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
            bytes.chunks_exact(2).map(|pair| self.value(word([pair[0], pair[1]]))).collect()
        };
        Ok(Pixels {
            rows: self.rows.into(),
            columns: self.columns.into(),
            bits_allocated: self.allocated,
            bits_stored: self.stored,
            signed: self.signed,
            inverted: self.inverted,
            values,
        })
    }

    /// Bits above Bits Stored are not part of the pixel (overlays once lived there).
    fn value(&self, word: u16) -> i32 {
        let unused = 32 - u32::from(self.stored);
        let shifted = u32::from(word) << unused;
        if self.signed { shifted as i32 >> unused } else { (shifted >> unused) as i32 }
    }
}

/// The compressed picture of one image, as the registry's decoders want to see it.
struct Frame<'a> {
    image: &'a Image,
    uid: &'a str,
    codestream: Vec<u8>,
}

impl Frame<'_> {
    fn decompress(&self, reading: Reading) -> Result<Vec<u8>, DecodeError> {
        let bits = self.check_codestream(reading)?;
        let syntax = TransferSyntaxRegistry.get(self.uid);
        let Some(Codec::EncapsulatedPixelData(Some(decoder), _)) = syntax.map(|s| s.codec()) else {
            return Err(DecodeError::TransferSyntax(self.uid.to_string()));
        };
        let mut bytes = Vec::new();
        // Decoders index into what a peer sent: a panic in one of them is a damaged image.
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode_frame(self, 0, &mut bytes)));
        match decoded {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(DecodeError::Damaged),
        }
        let one_byte_each = self.image.allocated == 16 && bits <= 8;
        if one_byte_each && bytes.len() == self.image.count() {
            bytes = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
        }
        Ok(bytes)
    }

    /// The decoders allocate by what the codestream says: it has to say what the header says.
    /// Returns how many bits a sample has in the codestream.
    fn check_codestream(&self, reading: Reading) -> Result<u32, DecodeError> {
        let declared = match reading {
            Reading::Native => return Ok(u32::from(self.image.stored)),
            Reading::Rle => {
                let segments = codestream::rle_segments(&self.codestream);
                return match segments.ok_or(DecodeError::NoCodestream)? {
                    n if n == u32::from(self.image.allocated / 8) => Ok(self.image.stored.into()),
                    _ => Err(DecodeError::Damaged),
                };
            }
            Reading::Jpeg => codestream::of_jpeg(&self.codestream),
            Reading::Jpeg2000 => codestream::of_jpeg_2000(&self.codestream),
        };
        let Declared { rows, columns, components, bits } =
            declared.ok_or(DecodeError::NoCodestream)?;
        let same = (rows, columns) == (self.image.rows.into(), self.image.columns.into());
        if !same || components != 1 {
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
        Some(1)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.image.allocated)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.image.stored)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some("MONOCHROME2")
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&self.codestream))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments = vec![self.codestream.clone()].into();
        Some(RawPixelData { fragments, offset_table: Vec::new().into() })
    }
}
