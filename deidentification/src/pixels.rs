//! Clean Pixel Data (PS3.15 E.3.1): rectangles of native pixels made black, in every frame.

use crate::seen::{ALLOCATED, COLUMNS, FRAMES, PHOTOMETRIC, PLANAR, ROWS, SAMPLES, Seen};

/// In pixels of the image, from its upper left corner; what lies outside of the image is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    pub column: u16,
    pub row: u16,
    pub width: u16,
    pub height: u16,
}

/// Why the rectangles cannot be made black.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unblanked {
    #[error("its pixels are compressed, and are not decompressed without loss")]
    Compressed,
    #[error("its pixels are not of 8 or 16 bits of grey, of a palette, or of red, green and blue")]
    Kind,
    #[error("its pixels are fewer than its rows, columns and frames say")]
    Short,
}

pub(crate) fn are_there(seen: &Seen) -> bool {
    seen.has_pixels()
}

/// The pixels with the rectangles at black. `pixels` is the value of (7FE0,0010).
pub(crate) fn blanked(
    seen: &Seen,
    pixels: &[u8],
    rectangles: &[Rectangle],
) -> Result<Vec<u8>, Unblanked> {
    if seen.has_fragments {
        return Err(Unblanked::Compressed);
    }
    let layout = Layout::of(seen)?;
    let mut blanked = pixels.to_vec();
    if blanked.len() / layout.frame()? < layout.frames {
        return Err(Unblanked::Short);
    }
    for rectangle in rectangles {
        layout.blank(&mut blanked, *rectangle);
    }
    Ok(blanked)
}

struct Layout {
    rows: usize,
    columns: usize,
    frames: usize,
    samples: usize,
    /// Of a sample.
    bytes: usize,
    by_plane: bool,
}

impl Layout {
    fn of(seen: &Seen) -> Result<Self, Unblanked> {
        let number = |tag| seen.number(tag).map(usize::from);
        let samples = number(SAMPLES).unwrap_or(1);
        let bytes = match number(ALLOCATED) {
            Some(8) => 1,
            Some(16) => 2,
            _ => return Err(Unblanked::Kind),
        };
        // In all of these black, or its complement, is zero; in others it is not.
        let photometric = seen.text(PHOTOMETRIC);
        let known = ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB"];
        let fits = if photometric == "RGB" { samples == 3 } else { samples == 1 };
        if !known.contains(&&*photometric) || !fits {
            return Err(Unblanked::Kind);
        }
        let (Some(rows), Some(columns)) = (number(ROWS), number(COLUMNS)) else {
            return Err(Unblanked::Kind);
        };
        let frames = seen.text(FRAMES);
        let frames = if frames.is_empty() { Ok(1) } else { frames.parse() };
        let frames = frames.map_err(|_| Unblanked::Short)?;
        let by_plane = number(PLANAR) == Some(1) && samples == 3;
        Ok(Self { rows, columns, frames, samples, bytes, by_plane })
    }

    /// Bytes of one; never 0.
    fn frame(&self) -> Result<usize, Unblanked> {
        match self.rows * self.columns * self.samples * self.bytes {
            0 => Err(Unblanked::Kind),
            bytes => Ok(bytes),
        }
    }

    fn blank(&self, pixels: &mut [u8], rectangle: Rectangle) {
        let from = |at: u16, most: usize| usize::from(at).min(most);
        let to = |at: u16, size: u16, most: usize| (usize::from(at) + usize::from(size)).min(most);
        let (left, right) = (
            from(rectangle.column, self.columns),
            to(rectangle.column, rectangle.width, self.columns),
        );
        let rows = from(rectangle.row, self.rows)..to(rectangle.row, rectangle.height, self.rows);
        let (planes, width) = match self.by_plane {
            true => (self.samples, self.bytes),
            false => (1, self.bytes * self.samples),
        };
        for image in 0..self.frames * planes {
            for row in rows.clone() {
                let line = (image * self.rows + row) * self.columns;
                if let Some(line) = pixels.get_mut((line + left) * width..(line + right) * width) {
                    line.fill(0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(samples: usize, bytes: usize, by_plane: bool) -> Layout {
        Layout { rows: 3, columns: 4, frames: 2, samples, bytes, by_plane }
    }

    #[test]
    fn a_rectangle_is_black_in_every_frame_and_nothing_beside_it() {
        let rectangle = Rectangle { column: 1, row: 1, width: 2, height: 9 };
        for (samples, bytes, by_plane) in
            [(1, 1, false), (1, 2, false), (3, 1, false), (3, 1, true)]
        {
            let layout = layout(samples, bytes, by_plane);
            let mut pixels = vec![7; 2 * layout.frame().expect("it has a size")];
            layout.blank(&mut pixels, rectangle);
            let black = pixels.iter().filter(|byte| **byte == 0).count();
            assert_eq!(black, 2 * 2 * 2 * samples * bytes, "two by two pixels of two frames");
            let (width, line) = match by_plane {
                true => (bytes, 4 * bytes),
                false => (samples * bytes, 4 * samples * bytes),
            };
            assert_eq!(pixels[line + width], 0);
            assert_eq!(pixels[line], 7, "the pixel to the left");
            assert_eq!(pixels[line + 3 * width], 7, "the pixel to the right");
        }
        let layout = layout(1, 1, false);
        let mut pixels = vec![7; 24];
        let outside = Rectangle { column: 40, row: 0, width: 2, height: 1 };
        layout.blank(&mut pixels, outside);
        assert!(pixels.iter().all(|byte| *byte == 7));
    }
}
