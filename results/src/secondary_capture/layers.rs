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

/// The grey values of an image, row by row, with the layers over it, the last one on top; `place` is the last line of the
/// legend. Nothing where the sizes do not fit each other.
pub fn over(grey: &[u8], columns: usize, layers: &[Layer], place: &str) -> Option<Picture> {
    let rows = grey.len().checked_div(columns)?;
    let fits = |length: usize| length == rows * columns && length > 0;
    if !fits(grey.len()) || !layers.iter().all(|layer| fits(layer.inside.len())) {
        return None;
    }
    let factor = factor(rows, columns);
    let at = |x: usize, y: usize| y / factor * columns + x / factor;
    let mut picture = Picture::black(columns * factor, rows * factor);
    let width = picture.width;
    for (number, pixel) in picture.rgb.chunks_exact_mut(3).enumerate() {
        pixel.fill(grey[at(number % width, number / width)]);
    }
    for layer in layers {
        tint(&mut picture, layer.colour, |x, y| layer.inside[at(x, y)]);
    }
    let named = layers.iter().map(|layer| (layer.label.clone(), layer.colour));
    Captions::legend(named).draw(&mut picture, place);
    Some(picture)
}
