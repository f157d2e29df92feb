//! A block in windows that a graph takes one at a time, and their answers blended into one.

use super::error::{VoxelError, count, voxels};
use super::threads;
use crate::assembly::MOST_VOXELS;
use std::ops::Range;

/// How much the answer of a window counts at each of its voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Importance {
    /// The same everywhere.
    Constant,
    /// `exp(-d² / (2 s²))` along each axis, d in voxels from the centre of the window and s this part of
    /// its side (0.125 is MONAI's), but a thousandth at least.
    Gaussian(f64),
}

/// Where windows lie over a block, as `dense_patch_slices` and `sliding_window_inference` of MONAI 1.6.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    size: [usize; 3],
    window: [usize; 3],
    /// Voxels of padding in front of the block, where the window is larger than it.
    before: [usize; 3],
    /// First voxels along each axis, in the padded block.
    starts: [Vec<usize>; 3],
}

impl Windows {
    /// Windows of the size `window` go on by `window * (1 - overlap)` voxels, rounded down and one at
    /// least; the last is moved back to end with the block. `overlap` is from 0 to below 1.
    pub fn over(size: [usize; 3], window: [usize; 3], overlap: f64) -> Result<Self, VoxelError> {
        voxels(size)?;
        voxels(window)?;
        if !(0.0..1.0).contains(&overlap) {
            return Err(VoxelError::asked("the overlap of windows", overlap, "from 0 to below 1"));
        }
        voxels([0, 1, 2].map(|a| size[a].max(window[a])))?;
        let before = [0, 1, 2].map(|a| window[a].saturating_sub(size[a]) / 2);
        let starts = [0, 1, 2].map(|a| starts(size[a].max(window[a]), window[a], overlap));
        Ok(Self { size, window, before, starts })
    }

    pub fn len(&self) -> usize {
        self.starts.iter().map(Vec::len).product()
    }

    /// There is always one.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Voxels of a window along each axis.
    pub fn window(&self) -> [usize; 3] {
        self.window
    }

    /// Voxels of a window.
    pub fn voxels(&self) -> usize {
        self.window.iter().product()
    }

    /// First voxel of window `number`, below `len`, in the block: below 0 where it begins in the padding.
    /// The fast axis goes first.
    pub fn start(&self, number: usize) -> [isize; 3] {
        let [_, middle, fast] = [0, 1, 2].map(|a| self.starts[a].len());
        let at = [number / (middle * fast), number / fast % middle, number % fast];
        [0, 1, 2].map(|a| {
            let start = self.starts[a].get(at[a]).copied().unwrap_or(0);
            start as isize - self.before[a] as isize
        })
    }

    /// Whether no voxel lies in two windows.
    pub fn are_apart(&self) -> bool {
        let apart =
            |a: usize| self.starts[a].windows(2).all(|two| two[1] - two[0] >= self.window[a]);
        (0..3).all(apart)
    }

    /// The voxels of window `number` of a block, with `padding` where the block does not reach.
    pub fn cut(
        &self,
        block: &[f32],
        number: usize,
        padding: f32,
        out: &mut [f32],
    ) -> Result<(), VoxelError> {
        self.check(number)?;
        count("the block to cut windows of", block.len(), self.size.iter().product())?;
        count("room for a window", out.len(), self.voxels())?;
        // Of an odd number of voxels of padding one may lie behind the block, and none before it.
        if (0..3).any(|a| self.window[a] > self.size[a]) {
            out.fill(padding);
        }
        let plane = self.size[1] * self.size[2];
        for slice in self.covered(number)[0].clone() {
            let block = &block[slice * plane..(slice + 1) * plane];
            self.rows(number, slice, |in_slice, in_window| {
                out[in_window].copy_from_slice(&block[in_slice]);
            });
        }
        Ok(())
    }

    fn check(&self, number: usize) -> Result<(), VoxelError> {
        if number < self.len() {
            return Ok(());
        }
        Err(VoxelError::asked("the number of a window", number, "below how many there are"))
    }

    /// The voxels of the block that lie in a window, along each axis.
    fn covered(&self, number: usize) -> [Range<usize>; 3] {
        let start = self.start(number);
        [0, 1, 2].map(|a| {
            let end = self.window[a].saturating_add_signed(start[a]).min(self.size[a]);
            0usize.saturating_add_signed(start[a])..end
        })
    }

    /// Calls `each` with the rows of a slice of the block that lie in a window: where in the slice, and
    /// where in the window.
    fn rows(&self, number: usize, slice: usize, mut each: impl FnMut(Range<usize>, Range<usize>)) {
        let start = self.start(number);
        let [slices, rows, columns] = self.covered(number);
        if !slices.contains(&slice) {
            return;
        }
        let in_window = |a: usize, i: usize| i.saturating_add_signed(-start[a]);
        for row in rows {
            let first = row * self.size[2] + columns.start;
            let of_window = in_window(0, slice) * self.window[1] + in_window(1, row);
            let there = of_window * self.window[2] + in_window(2, columns.start);
            each(first..first + columns.len(), there..there + columns.len());
        }
    }
}

fn starts(size: usize, window: usize, overlap: f64) -> Vec<usize> {
    if size == window {
        return vec![0];
    }
    let interval = ((window as f64 * (1.0 - overlap)) as usize).max(1);
    let last = size - window;
    (0..last.div_ceil(interval) + 1).map(|number| (number * interval).min(last)).collect()
}

/// The weighted mean of the answers of windows. It holds the sums of all channels and one sum of weights,
/// and no window.
pub struct Blend<'a> {
    windows: &'a Windows,
    channels: usize,
    importance: Vec<f32>,
    /// Of each channel, and behind them the sums of weights.
    sums: Vec<f32>,
}

impl<'a> Blend<'a> {
    pub fn new(
        windows: &'a Windows,
        channels: usize,
        importance: Importance,
    ) -> Result<Self, VoxelError> {
        let of_block: usize = windows.size.iter().product();
        check_channels(channels, of_block)?;
        check_channels(channels, windows.voxels())?;
        let importance = weights(windows.window, importance)?;
        Ok(Self { windows, channels, importance, sums: vec![0.0; (channels + 1) * of_block] })
    }

    /// The answer of the graph to window `number`, `[channel][z][y][x]`. Each window once, in any order;
    /// the sums are the same to the last bit only for the same order.
    pub fn add(&mut self, number: usize, answer: &[f32]) -> Result<(), VoxelError> {
        let (windows, importance) = (self.windows, &self.importance);
        windows.check(number)?;
        let of_window = windows.voxels();
        count("the answer to a window", answer.len(), self.channels * of_window)?;
        let [slices, rows, columns] = windows.size;
        let add_slice = |at: usize, sums: &mut [f32]| {
            // Behind the channels of the answer are the weights.
            let of_channel = answer.chunks(of_window).nth(at / slices);
            windows.rows(number, at % slices, |in_slice, in_window| {
                let sums = sums[in_slice].iter_mut().zip(&importance[in_window.clone()]);
                match of_channel {
                    Some(answer) => {
                        let of = sums.zip(&answer[in_window]);
                        of.for_each(|((sum, weight), answer)| *sum += answer * weight);
                    }
                    None => sums.for_each(|(sum, weight)| *sum += weight),
                }
            });
        };
        let slice = rows * columns;
        threads::in_parts(
            &mut self.sums,
            threads::worth(slice),
            || (),
            |(), first, part| {
                let slices = part.chunks_mut(slice).enumerate();
                slices.for_each(|(at, sums)| add_slice(first / slice + at, sums));
            },
        );
        Ok(())
    }

    /// `[channel][z][y][x]` of the block; NaN where no window was added.
    pub fn finish(self) -> Vec<f32> {
        let Self { mut sums, windows, channels, .. } = self;
        let of_block = windows.size.iter().product();
        let weights = sums.split_off(channels * of_block);
        for sums in sums.chunks_mut(of_block) {
            sums.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum /= weight);
        }
        sums
    }
}

/// The answers of windows that are apart, put together: numbers or labels.
pub struct Join<'a, T> {
    windows: &'a Windows,
    channels: usize,
    voxels: Vec<T>,
}

impl<'a, T: Copy + Default> Join<'a, T> {
    pub fn new(windows: &'a Windows, channels: usize) -> Result<Self, VoxelError> {
        let of_block: usize = windows.size.iter().product();
        check_channels(channels, of_block)?;
        check_channels(channels, windows.voxels())?;
        Ok(Self { windows, channels, voxels: vec![T::default(); channels * of_block] })
    }

    /// The answer of the graph to window `number`, `[channel][z][y][x]`.
    pub fn add(&mut self, number: usize, answer: &[T]) -> Result<(), VoxelError> {
        let windows = self.windows;
        windows.check(number)?;
        let of_window = windows.voxels();
        count("the answer to a window", answer.len(), self.channels * of_window)?;
        let [slices, rows, columns] = windows.size;
        let (plane, of_block) = (rows * columns, slices * rows * columns);
        let channels = self.voxels.chunks_mut(of_block).zip(answer.chunks(of_window));
        for (voxels, answer) in channels {
            for slice in windows.covered(number)[0].clone() {
                let voxels = &mut voxels[slice * plane..(slice + 1) * plane];
                windows.rows(number, slice, |in_slice, in_window| {
                    voxels[in_slice].copy_from_slice(&answer[in_window]);
                });
            }
        }
        Ok(())
    }

    /// `[channel][z][y][x]` of the block.
    pub fn finish(self) -> Vec<T> {
        self.voxels
    }
}

/// Four blocks of the largest size are the most that is held of all channels.
fn check_channels(channels: usize, voxels: usize) -> Result<(), VoxelError> {
    let numbers = channels.checked_mul(voxels);
    if numbers.is_some_and(|numbers| numbers > 0 && numbers <= 4 * MOST_VOXELS) {
        return Ok(());
    }
    let must = "1 or more, and few enough for the memory of the node";
    Err(VoxelError::asked("the number of channels", channels, must))
}

/// The weight of each voxel of a window. Made as MONAI makes it, in float32.
pub fn weights(window: [usize; 3], importance: Importance) -> Result<Vec<f32>, VoxelError> {
    let Importance::Gaussian(part) = importance else {
        return Ok(vec![1.0; window.iter().product()]);
    };
    if !(part > 0.0 && part.is_finite()) {
        return Err(VoxelError::asked("the width of the Gaussian of windows", part, "above 0"));
    }
    let along = |a: usize| -> Vec<f32> {
        let (middle, sigma) = ((window[a] - 1) as f64 / 2.0, window[a] as f64 * part);
        let at = |i: usize| (-(i as f64 - middle).powi(2) / (2.0 * sigma * sigma)).exp() as f32;
        (0..window[a]).map(at).collect()
    };
    let [slow, middle, fast] = [0, 1, 2].map(along);
    let mut out = Vec::with_capacity(window.iter().product());
    for (z, y) in slow.iter().flat_map(|z| middle.iter().map(move |y| (z, y))) {
        out.extend(fast.iter().map(|x| (z * y * x).max(1e-3)));
    }
    Ok(out)
}
