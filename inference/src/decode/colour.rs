//! Colours as red, green and blue: made of luminance and differences of colour, or looked up in a palette (PS3.3 C.7.6.3.1.2, C.7.9).

use super::{DecodeError, Pixels, tags};
use crate::elements::Elements;
use crate::tables;
use crate::voxels::colour::ybr_to_rgb;
use crate::voxels::displayed::Lut;

pub(super) fn to_rgb(values: &mut [i32], bits: u16) {
    let count = values.len() / 3;
    let (luminance, colours) = values.split_at_mut(count);
    let (blue, red) = colours.split_at_mut(count);
    for ((y, b), r) in luminance.iter_mut().zip(blue).zip(red) {
        [*y, *b, *r] = ybr_to_rgb([*y, *b, *r], bits);
    }
}

/// The colours of an image whose values are their numbers.
pub(super) struct Palette {
    tables: [Lut; 3],
    bits: u16,
}

impl Palette {
    pub(super) fn read(elements: &Elements, signed: bool) -> Result<Self, DecodeError> {
        let table = |channel: u32, name: &'static str| {
            let (descriptor, data) = (tags::PALETTE_DESCRIPTOR, tags::PALETTE_DATA);
            let table = tables::read(elements, [descriptor + channel, data + channel], signed);
            table.ok_or(DecodeError::Palette(name))
        };
        let tables = [table(0, "Red")?, table(1, "Green")?, table(2, "Blue")?];
        let bits = tables[0].bits();
        if tables.iter().any(|table| table.bits() != bits) {
            return Err(DecodeError::Palette("Red, Green or Blue"));
        }
        Ok(Self { tables, bits })
    }

    pub(super) fn applied(&self, pixels: Pixels) -> Pixels {
        let of = |table: &Lut| {
            let entry = |value: &i32| i32::from(table.entry(*value as f32));
            pixels.values.iter().map(entry).collect::<Vec<i32>>()
        };
        let values = self.tables.iter().flat_map(of).collect();
        Pixels { bits_stored: self.bits, signed: false, channels: 3, values, ..pixels }
    }
}
