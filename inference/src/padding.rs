//! Pixels that are no measurement: Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2).

use crate::decode::Pixels;
use crate::elements::Elements;

const PIXEL_PADDING_VALUE: u32 = 0x0028_0120;
const PIXEL_PADDING_RANGE_LIMIT: u32 = 0x0028_0121;

/// What [`Padding::read`] has to know.
pub const TAGS: &[u32] = &[PIXEL_PADDING_VALUE, PIXEL_PADDING_RANGE_LIMIT];

/// Stored values from one to the other, both included, are padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    low: i32,
    high: i32,
}

impl Padding {
    /// None where the image names none.
    pub fn read(elements: &Elements, signed: bool) -> Option<Self> {
        // US or SS, as the pixels are.
        let number = |word: u16| if signed { i32::from(word as i16) } else { i32::from(word) };
        let value = elements.unsigned(PIXEL_PADDING_VALUE).map(number)?;
        let limit = elements.unsigned(PIXEL_PADDING_RANGE_LIMIT).map_or(value, number);
        Some(Self { low: value.min(limit), high: value.max(limit) })
    }

    /// NaN into the values that were made of padded pixels: they count in no mean, extreme or quantile.
    pub fn mark(self, pixels: &Pixels, values: &mut [f32]) {
        let padded = |stored: &i32| (self.low..=self.high).contains(stored);
        for (value, _) in values.iter_mut().zip(&pixels.values).filter(|(_, of)| padded(of)) {
            *value = f32::NAN;
        }
    }
}
