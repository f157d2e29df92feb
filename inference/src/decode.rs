//! The pixels of an image out of a Part 10 file, frame by frame, decompressed, as whole numbers.

mod colour;
mod compressed;
mod encapsulated;
mod image;
mod native;

use crate::elements::{Elements, PixelData, Unreadable};
use colour::Palette;
use compressed::Frame;
use encapsulated::Fragments;
use image::Image;
pub use native::{NativePixels, has_native_pixels, native_pixels};
use std::borrow::Cow;

pub(crate) mod tags {
    pub const SAMPLES_PER_PIXEL: u32 = 0x0028_0002;
    pub const PHOTOMETRIC_INTERPRETATION: u32 = 0x0028_0004;
    pub const PLANAR_CONFIGURATION: u32 = 0x0028_0006;
    pub const NUMBER_OF_FRAMES: u32 = 0x0028_0008;
    pub const ROWS: u32 = 0x0028_0010;
    pub const COLUMNS: u32 = 0x0028_0011;
    pub const BITS_ALLOCATED: u32 = 0x0028_0100;
    pub const BITS_STORED: u32 = 0x0028_0101;
    pub const HIGH_BIT: u32 = 0x0028_0102;
    pub const PIXEL_REPRESENTATION: u32 = 0x0028_0103;
    /// Red; green and blue follow.
    pub const PALETTE_DESCRIPTOR: u32 = 0x0028_1101;
    pub const PALETTE_DATA: u32 = 0x0028_1201;
    pub const EXTENDED_OFFSET_TABLE: u32 = 0x7FE0_0001;
}

/// What [`decode`] has to know about an image.
pub(crate) const TAGS: &[u32] = &[
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PLANAR_CONFIGURATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PALETTE_DESCRIPTOR,
    tags::PALETTE_DESCRIPTOR + 1,
    tags::PALETTE_DESCRIPTOR + 2,
    tags::PALETTE_DATA,
    tags::PALETTE_DATA + 1,
    tags::PALETTE_DATA + 2,
    tags::EXTENDED_OFFSET_TABLE,
];

/// No cine has more frames, and no volume more slices.
pub const MOST_FRAMES: usize = 1 << 16;

/// An image may have this many pixels, a colour image this many samples, in each frame: more than the largest film in use (mammograms of 4728 x 5928), and
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

/// The transfer syntaxes whose pixels this build decodes.
pub fn decodable() -> impl Iterator<Item = &'static str> {
    DECODABLE.iter().map(|(uid, _)| *uid)
}

/// One frame: grey, or red, green and blue.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    pub rows: usize,
    pub columns: usize,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub signed: bool,
    /// MONOCHROME1: the least value is shown bright.
    pub inverted: bool,
    /// 1, or 3 for red, green and blue.
    pub channels: usize,
    /// Row by row, one channel behind the other, sign extended from Bits Stored; padding (0028,0120) is
    /// kept as it stands.
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
    #[error("has {0} frames, and one is taken: kind = \"frames\" takes several")]
    SeveralFrames(usize),
    #[error("has {0} frames, more than the limit of {MOST_FRAMES}")]
    TooManyFrames(usize),
    #[error("is not a grey image (MONOCHROME1 or MONOCHROME2 with one sample per pixel)")]
    NotGrey,
    #[error(
        "is neither grey (MONOCHROME1, MONOCHROME2) nor of a colour that is read (RGB, YBR_FULL, \
         YBR_FULL_422, PALETTE COLOR; YBR_RCT and YBR_ICT of JPEG 2000)"
    )]
    Photometric,
    #[error("has a {0} Palette Color Lookup Table that can not be read (PS3.3 C.7.9)")]
    Palette(&'static str),
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
    #[error(
        "has {fragments} compressed fragments and nothing that says which of its {frames} frames they belong to"
    )]
    Fragments { fragments: usize, frames: usize },
    #[error("has {bytes} bytes of pixels without compression, more than are made at once")]
    TooMuch { bytes: usize },
    #[error("has compressed pixels that do not begin like its transfer syntax")]
    NoCodestream,
    #[error(
        "has compressed pixels of {0} x {1} with {2} components, which is not what its header says"
    )]
    CodestreamDiffers(u32, u32, u32),
    #[error("has compressed pixels that can not be decoded: they are damaged")]
    Damaged,
}

/// The pixels of a grey image of one frame. Blocks for as long as decompression takes (some ms for a CT
/// slice).
pub fn decode(part10: &[u8]) -> Result<Pixels, DecodeError> {
    let elements = Elements::read(part10, TAGS)?;
    let frames = Frames::of(&elements)?;
    if frames.are_colour() {
        return Err(DecodeError::NotGrey);
    }
    frames.only()
}

/// The frames of one image, each decoded when it is asked for.
pub(crate) struct Frames<'a> {
    uid: &'a str,
    reading: Reading,
    image: Image,
    palette: Option<Palette>,
    pixels: FramePixels<'a>,
    big_endian: bool,
}

enum FramePixels<'a> {
    Native(&'a [u8]),
    Encapsulated(Fragments<'a>),
}

impl<'a> Frames<'a> {
    /// Of elements that [`TAGS`] were wanted of.
    pub fn of(elements: &'a Elements<'a>) -> Result<Self, DecodeError> {
        let uid = elements.transfer_syntax.as_str();
        let reading = DECODABLE.iter().find(|(known, _)| *known == uid);
        let (_, reading) = reading.ok_or_else(|| DecodeError::TransferSyntax(uid.to_string()))?;
        let image = Image::read(elements, *reading)?;
        let palette = image.palette.then(|| Palette::read(elements, image.signed)).transpose()?;
        let pixels = match (reading, elements.pixel_data().ok_or(DecodeError::NoPixelData)?) {
            (Reading::Native, PixelData::Native(bytes)) => FramePixels::Native(bytes),
            (_, PixelData::Native(_)) => return Err(DecodeError::NoCodestream),
            (reading, PixelData::Encapsulated(pieces)) => {
                let extended = elements.bytes(tags::EXTENDED_OFFSET_TABLE);
                let fragments = Fragments::of(pieces, extended, image.frames, *reading)?;
                FramePixels::Encapsulated(fragments)
            }
        };
        let big_endian = elements.is_big_endian();
        Ok(Self { uid, reading: *reading, image, palette, pixels, big_endian })
    }

    pub fn count(&self) -> usize {
        self.image.frames
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        [self.image.rows.into(), self.image.columns.into()]
    }

    pub fn are_colour(&self) -> bool {
        self.image.samples == 3 || self.image.palette
    }

    /// Of each of their values.
    pub fn bits_stored(&self) -> u16 {
        self.image.stored
    }

    /// The frame of an image that has one.
    pub fn only(&self) -> Result<Pixels, DecodeError> {
        match self.count() {
            1 => self.frame(0),
            frames => Err(DecodeError::SeveralFrames(frames)),
        }
    }

    /// Counted from 0.
    pub fn frame(&self, at: usize) -> Result<Pixels, DecodeError> {
        let image = &self.image;
        let (bytes, layout, is_ybr) = match &self.pixels {
            FramePixels::Native(bytes) => {
                let length = image.length(image.native);
                let start = length.saturating_mul(at).min(bytes.len());
                (Cow::Borrowed(&bytes[start..]), image.native, image.is_ybr)
            }
            FramePixels::Encapsulated(fragments) => {
                let codestream = fragments.frame(at);
                match self.reading {
                    Reading::Native => (codestream, image.native, image.is_ybr),
                    reading => {
                        let frame = Frame::new(image, self.uid, codestream, reading);
                        let decompressed = frame.decompress(reading)?;
                        (Cow::Owned(decompressed.bytes), decompressed.layout, decompressed.is_ybr)
                    }
                }
            }
        };
        let mut pixels = image.pixels(&bytes, layout, self.big_endian)?;
        if is_ybr && pixels.channels == 3 {
            colour::to_rgb(&mut pixels.values, pixels.bits_stored);
        }
        match &self.palette {
            Some(palette) => Ok(palette.applied(pixels)),
            None => Ok(pixels),
        }
    }
}
