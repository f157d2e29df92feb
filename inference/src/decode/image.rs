//! The Image Pixel module (PS3.3 C.7.6.3) of an image that can be used, and how its bytes become values.

use super::{DecodeError, MOST_FRAMES, MOST_PIXELS, Pixels, Reading, tags};
use crate::elements::Elements;

pub(super) struct Image {
    pub(super) rows: u16,
    pub(super) columns: u16,
    pub(super) frames: usize,
    /// 1 or 3.
    pub(super) samples: u16,
    pub(super) allocated: u16,
    pub(super) stored: u16,
    pub(super) signed: bool,
    inverted: bool,
    /// The values are numbers of a palette's colours.
    pub(super) palette: bool,
    /// Luminance and two differences of colour (PS3.3 C.7.6.3.1.2), of which red, green and blue are to be made.
    pub(super) is_ybr: bool,
    /// How samples lie where nothing is compressed.
    pub(super) native: Layout,
}

/// How the samples of a frame lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Red, green, blue, red, green, blue.
    ByPixel,
    /// All of red, then all of green.
    ByPlane,
    /// Two of luminance, then the differences of colour of both pixels (YBR_FULL_422).
    Halved,
}

/// What Photometric Interpretation (0028,0004) says.
struct Photometric {
    inverted: bool,
    palette: bool,
    is_ybr: bool,
    halved: bool,
}

impl Image {
    pub(super) fn read(elements: &Elements, reading: Reading) -> Result<Self, DecodeError> {
        let number = |tag, name| elements.unsigned(tag).ok_or(DecodeError::Missing(name));
        let samples = elements.unsigned(tags::SAMPLES_PER_PIXEL).unwrap_or(0);
        let photometric = Photometric::read(elements, samples, reading)?;
        let rows = number(tags::ROWS, "Rows")?;
        let columns = number(tags::COLUMNS, "Columns")?;
        if rows == 0 || columns == 0 {
            return Err(DecodeError::Missing("Rows or Columns"));
        }
        if usize::from(rows) * usize::from(columns) * usize::from(samples) > MOST_PIXELS {
            return Err(DecodeError::TooLarge { rows, columns });
        }
        let allocated = number(tags::BITS_ALLOCATED, "Bits Allocated")?;
        let stored = number(tags::BITS_STORED, "Bits Stored")?;
        let high = number(tags::HIGH_BIT, "High Bit")?;
        let fits = matches!(allocated, 8 | 16) && (1..=allocated).contains(&stored);
        if !fits || high != stored - 1 || (photometric.halved && allocated != 8) {
            return Err(DecodeError::Depth { allocated, stored, high });
        }
        let signed = match elements.unsigned(tags::PIXEL_REPRESENTATION) {
            Some(0) => false,
            Some(1) if samples == 1 => true,
            _ => return Err(DecodeError::Missing("Pixel Representation")),
        };
        let native = match (samples, elements.unsigned(tags::PLANAR_CONFIGURATION)) {
            _ if photometric.halved => Layout::Halved,
            (3, Some(1)) => Layout::ByPlane,
            (1, _) | (3, Some(0)) => Layout::ByPixel,
            _ => return Err(DecodeError::Missing("Planar Configuration")),
        };
        let frames = frames(elements)?;
        let Photometric { inverted, palette, is_ybr, .. } = photometric;
        let of = Self {
            rows,
            columns,
            frames,
            samples,
            allocated,
            stored,
            signed,
            inverted,
            palette,
            is_ybr,
            native,
        };
        match of.native == Layout::Halved && columns % 2 == 1 && reading == Reading::Native {
            true => Err(DecodeError::Missing("Columns (an even number of YBR_FULL_422)")),
            false => Ok(of),
        }
    }

    /// Pixels of a frame.
    pub(super) fn count(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Bytes of a frame.
    pub(super) fn length(&self, layout: Layout) -> usize {
        match layout {
            Layout::Halved => 2 * self.count(),
            _ => self.count() * usize::from(self.samples) * usize::from(self.allocated / 8),
        }
    }

    /// One byte of padding to an even length is allowed behind the pixels, and some writers add
    /// more (PS3.5 8.1.1); less than the pixels is not.
    pub(super) fn pixels(
        &self,
        bytes: &[u8],
        layout: Layout,
        big_endian: bool,
    ) -> Result<Pixels, DecodeError> {
        let expected = self.length(layout);
        let Some(bytes) = bytes.get(..expected) else {
            return Err(DecodeError::WrongLength { found: bytes.len(), expected });
        };
        if big_endian && self.allocated == 8 {
            // Bytes in words of the other end: which came first depends on the VR.
            return Err(DecodeError::TransferSyntax("1.2.840.10008.1.2.2 with 8 bits".into()));
        }
        let word = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        let samples: Vec<i32> = match self.allocated {
            8 => bytes.iter().map(|byte| self.value(u16::from(*byte))).collect(),
            _ => bytes.chunks_exact(2).map(|pair| self.value(word([pair[0], pair[1]]))).collect(),
        };
        let values = self.in_planes(layout, samples);
        Ok(Pixels {
            rows: self.rows.into(),
            columns: self.columns.into(),
            bits_allocated: self.allocated,
            bits_stored: self.stored,
            signed: self.signed,
            inverted: self.inverted,
            channels: self.samples.into(),
            values,
        })
    }

    /// One channel behind the other, whatever the layout.
    fn in_planes(&self, layout: Layout, samples: Vec<i32>) -> Vec<i32> {
        if self.samples == 1 || layout == Layout::ByPlane {
            return samples;
        }
        let channels = usize::from(self.samples);
        let place = |channel: usize, pixel: usize| match (layout, channel) {
            (Layout::Halved, 0) => pixel / 2 * 4 + pixel % 2,
            (Layout::Halved, channel) => pixel / 2 * 4 + 1 + channel,
            _ => pixel * channels + channel,
        };
        let pixels = 0..self.count();
        let places = (0..channels).flat_map(|c| pixels.clone().map(move |pixel| place(c, pixel)));
        places.map(|place| samples[place]).collect()
    }

    /// Bits above Bits Stored are not part of the pixel (overlays once lived there).
    fn value(&self, word: u16) -> i32 {
        let unused = 32 - u32::from(self.stored);
        let shifted = u32::from(word) << unused;
        if self.signed { shifted as i32 >> unused } else { (shifted >> unused) as i32 }
    }
}

impl Photometric {
    fn read(elements: &Elements, samples: u16, reading: Reading) -> Result<Self, DecodeError> {
        let grey = Self { inverted: false, palette: false, is_ybr: false, halved: false };
        Ok(match (elements.text(tags::PHOTOMETRIC_INTERPRETATION), samples) {
            (Some("MONOCHROME1"), 1) => Self { inverted: true, ..grey },
            (Some("MONOCHROME2"), 1) => grey,
            (Some("PALETTE COLOR"), 1) => Self { palette: true, ..grey },
            (Some("RGB"), 3) => grey,
            // Its decoder undoes these two.
            (Some("YBR_RCT" | "YBR_ICT"), 3) if reading == Reading::Jpeg2000 => grey,
            (Some("YBR_FULL"), 3) => Self { is_ybr: true, ..grey },
            (Some("YBR_FULL_422"), 3) => Self { is_ybr: true, halved: true, ..grey },
            _ => return Err(DecodeError::Photometric),
        })
    }
}

fn frames(elements: &Elements) -> Result<usize, DecodeError> {
    if elements.is_blank(tags::NUMBER_OF_FRAMES) {
        return Ok(1);
    }
    match elements.decimal(tags::NUMBER_OF_FRAMES) {
        Some(frames) if frames >= 1.0 && frames <= MOST_FRAMES as f64 => Ok(frames as usize),
        Some(frames) if frames > MOST_FRAMES as f64 => {
            Err(DecodeError::TooManyFrames(frames as usize))
        }
        _ => Err(DecodeError::Missing("Number of Frames")),
    }
}
