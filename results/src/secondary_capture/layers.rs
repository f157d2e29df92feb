//! Segments of a kept object over the picture of what they were found in, with their colours and a legend.

use crate::secondary_capture::captions::Captions;
use crate::secondary_capture::overlay::{factor, tint};
use crate::secondary_capture::picture::{Colour, Picture};

/// One segment on one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub label: String,
    pub colour: Colour,
    /// For each pixel of the image whether it is inside.
    pub inside: Vec<bool>,
}

/// An image, row by row, in one byte of grey for each pixel or three of red, green and blue, with the layers over it, the last
/// one on top; `place` is the last line of the legend. Nothing where the sizes do not fit each other.
pub fn over(
    pixels: &[u8],
    [rows, columns]: [usize; 2],
    layers: &[Layer],
    place: &str,
) -> Option<Picture> {
    let size = rows.checked_mul(columns).filter(|size| *size > 0)?;
    let channels =
        [1, 3].into_iter().find(|channels| size.checked_mul(*channels) == Some(pixels.len()))?;
    if !layers.iter().all(|layer| layer.inside.len() == size) {
        return None;
    }
    let factor = factor(rows, columns);
    let at = |x: usize, y: usize| y / factor * columns + x / factor;
    let mut picture = Picture::black(columns * factor, rows * factor);
    let width = picture.width;
    for (number, pixel) in picture.rgb.chunks_exact_mut(3).enumerate() {
        let shown = pixels[at(number % width, number / width) * channels..].iter();
        pixel.iter_mut().zip(shown.take(channels).cycle()).for_each(|(to, from)| *to = *from);
    }
    for layer in layers {
        tint(&mut picture, layer.colour, |x, y| layer.inside[at(x, y)]);
    }
    let named = layers.iter().map(|layer| (layer.label.clone(), layer.colour));
    Captions::legend(named).draw(&mut picture, place);
    Some(picture)
}
