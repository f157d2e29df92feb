//! Images of two dimensions: the middle square, and other sizes.

use super::error::{VoxelError, count, voxels};
use super::separable::separable;
use super::taps::Taps;

/// Pixels row by row: `[row * size[1] + column]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    size: [usize; 2],
    pixels: Vec<f32>,
}

/// How pixels of one size make those of another, as Pillow's `Image.resize` on float images. What shrinks
/// is averaged, so that nothing finer than a new pixel is folded into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The pixel that the centre lies in, of two the later (where Pillow leaves it to rounding); no average.
    Nearest,
    /// A triangle of one pixel to each side.
    Bilinear,
    /// Keys' cubic of two pixels to each side, a = -0.5. It may overshoot.
    Bicubic,
}

impl Image {
    /// Rows and columns.
    pub fn new(size: [usize; 2], pixels: Vec<f32>) -> Result<Self, VoxelError> {
        count("an image", pixels.len(), voxels([1, size[0], size[1]])?)?;
        Ok(Self { size, pixels })
    }

    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    pub fn into_pixels(self) -> Vec<f32> {
        self.pixels
    }

    /// The largest square in the middle; where it can't be in the middle, it lies half a pixel before it.
    pub fn centre_square(&self) -> Self {
        let [rows, columns] = self.size;
        let side = rows.min(columns);
        let (top, left) = ((rows - side) / 2, (columns - side) / 2);
        let lines = self.pixels.chunks(columns).skip(top).take(side);
        let pixels = lines.flat_map(|line| &line[left..left + side]).copied().collect();
        Self { size: [side; 2], pixels }
    }

    /// A NaN makes NaN of each pixel that has a part of it.
    pub fn resized(&self, size: [usize; 2], kernel: Kernel) -> Result<Self, VoxelError> {
        voxels([1, size[0], size[1]])?;
        let [rows, columns] = [0, 1].map(|a| kernel.taps(self.size[a], size[a]));
        let of = [1, self.size[0], self.size[1]];
        // Nothing lies outside: each pixel has taps.
        let pixels = separable(&self.pixels, of, &[Taps::same(1), rows, columns], 0.0);
        Ok(Self { size, pixels })
    }
}

impl Kernel {
    fn taps(self, from: usize, to: usize) -> Taps {
        let scale = from as f64 / to as f64;
        // Shrinking makes the kernel wider.
        let wide = scale.max(1.0);
        let reach = match self {
            Self::Nearest => 0.0,
            Self::Bilinear => wide,
            Self::Bicubic => 2.0 * wide,
        };
        let mut taps = Taps::default();
        for target in 0..to {
            let centre = (target as f64 + 0.5) * scale;
            if self == Self::Nearest {
                // In whole numbers, where the float may fall short of a border that it lies on.
                let at = (2 * target as u128 + 1) * from as u128 / (2 * to as u128);
                taps.push(at as usize, [1.0]);
                continue;
            }
            // A cast of what is below 0 gives 0.
            let first = (centre - reach + 0.5) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weight = |at: usize| self.at((at as f64 + 0.5 - centre) / wide);
            let sum: f64 = (first..end).map(weight).sum();
            taps.push(first, (first..end).map(|at| (weight(at) / sum) as f32));
        }
        taps
    }

    /// Height of the kernel at this distance from its centre.
    fn at(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Nearest => f64::from(x < 0.5),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
        }
    }
}
