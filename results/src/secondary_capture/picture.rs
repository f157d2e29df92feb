//! An RGB picture and the few things that are drawn on it.

use crate::secondary_capture::glyphs::{HEIGHT, WIDTH, glyph};

/// A picture of one slice: rows from the top, three bytes (red, green, blue) a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

pub type Colour = [u8; 3];

impl Picture {
    pub(crate) fn black(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![0; width * height * 3] }
    }

    /// Mixes a colour in: 0 leaves the pixel, 255 replaces it. Outside the picture nothing happens.
    pub(crate) fn blend(&mut self, x: usize, y: usize, colour: Colour, strength: u8) {
        if x >= self.width || y >= self.height {
            return;
        }
        let at = (y * self.width + x) * 3;
        for (channel, new) in self.rgb[at..at + 3].iter_mut().zip(colour) {
            let (old, new, part) = (u32::from(*channel), u32::from(new), u32::from(strength));
            *channel = ((old * (255 - part) + new * part + 127) / 255) as u8;
        }
    }

    pub(crate) fn fill(&mut self, area: Area, colour: Colour, strength: u8) {
        for y in area.top..area.top + area.height {
            for x in area.left..area.left + area.width {
                self.blend(x, y, colour, strength);
            }
        }
    }

    /// One line of text, each point of the font drawn as a square of `scale` pixels.
    pub(crate) fn write(
        &mut self,
        left: usize,
        top: usize,
        text: &str,
        colour: Colour,
        scale: usize,
    ) {
        for (index, character) in text.chars().enumerate() {
            let left = left + index * advance(scale);
            for (row, points) in glyph(character).into_iter().enumerate() {
                for column in (0..WIDTH).filter(|c| points & (0x10 >> c) != 0) {
                    let (left, top) = (left + column * scale, top + row * scale);
                    self.fill(Area { left, top, width: scale, height: scale }, colour, 255);
                }
            }
        }
    }
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// From one character to the next.
pub const fn advance(scale: usize) -> usize {
    (WIDTH + 1) * scale
}

/// From one line to the next.
pub const fn line_height(scale: usize) -> usize {
    (HEIGHT + 2) * scale
}
