//! Numbers of one grid on another, both in any orientation: nearest and trilinear.

use super::block::Block;
use super::error::VoxelError;
use super::grid::Grid;
use super::oblique::linear_row;
use super::orientation::turned;
use super::separable::separable;
use super::taps::{Line, TIE, Taps, nearest as nearest_voxel};
use super::threads;

/// What each voxel of `onto` finds at its place: the value of the voxel that its centre lies in, of two
/// the one with the larger index; `outside` beyond the outer faces. For labels and masks, and for cutting
/// and padding, which it does exactly.
pub fn nearest<T: Copy + Default + Send + Sync>(
    block: &Block<T>,
    onto: &Grid,
    outside: T,
) -> Result<Block<T>, VoxelError> {
    let way = Way::between(block.grid(), onto);
    let size = block.grid().size();
    let voxels = match way.parallel() {
        Some(parallel) => {
            let picked = pick(block.voxels(), size, parallel.lines, outside);
            parallel.to_target_order(picked)
        }
        None => way.each_row(outside, |begin, step, row| {
            nearest_row(block.voxels(), size, begin, step, row);
        }),
    };
    Block::new(*onto, voxels)
}

/// Trilinear at the place of each voxel of `onto`, as SimpleITK's `Resample` with `sitkLinear`: up to half
/// a voxel beyond the outer centres the outer values hold, `outside` further off. A NaN or an infinity
/// makes NaN or infinity of what lies between it and its neighbours, and of nothing else.
pub fn linear(block: &Block, onto: &Grid, outside: f32) -> Result<Block, VoxelError> {
    Block::new(*onto, linear_voxels(block.voxels(), block.grid(), onto, outside))
}

fn linear_voxels(voxels: &[f32], from: &Grid, onto: &Grid, outside: f32) -> Vec<f32> {
    let way = Way::between(from, onto);
    let size = from.size();
    if let Some(parallel) = way.parallel() {
        let taps = [0, 1, 2].map(|a| Taps::linear(parallel.lines[a], size[a]));
        return parallel.to_target_order(separable(voxels, size, &taps, outside));
    }
    way.each_row(outside, |begin, step, row| linear_row(voxels, size, begin, step, row))
}

fn nearest_row<T: Copy>(
    voxels: &[T],
    size: [usize; 3],
    begin: [f64; 3],
    step: [f64; 3],
    out: &mut [T],
) {
    for (i, out) in out.iter_mut().enumerate() {
        let voxel = |a: usize| nearest_voxel(begin[a] + i as f64 * step[a], size[a]);
        if let [Some(z), Some(y), Some(x)] = [0, 1, 2].map(voxel) {
            *out = voxels[(z * size[1] + y) * size[2] + x];
        }
    }
}

/// The source voxel of each target voxel along an axis.
pub(super) fn places(line: Line, size: usize) -> Vec<Option<usize>> {
    let place = |i: usize| nearest_voxel(line.start + i as f64 * line.step, size);
    (0..line.count).map(place).collect()
}

fn pick<T: Copy + Default + Send + Sync>(
    voxels: &[T],
    size: [usize; 3],
    lines: [Line; 3],
    outside: T,
) -> Vec<T> {
    let places = [0, 1, 2].map(|a| places(lines[a], size[a]));
    let [slow, middle, fast] = &places;
    let row = fast.len();
    let mut out = vec![outside; slow.len() * middle.len() * row];
    threads::in_parts(
        &mut out,
        threads::worth(row),
        || (),
        |(), first, part| {
            for (number, out) in part.chunks_mut(row).enumerate() {
                let number = first / row + number;
                let (z, y) = (slow[number / middle.len()], middle[number % middle.len()]);
                let (Some(z), Some(y)) = (z, y) else { continue };
                let source = &voxels[(z * size[1] + y) * size[2]..][..size[2]];
                for (out, x) in out.iter_mut().zip(fast) {
                    *out = x.map_or(outside, |x| source[x]);
                }
            }
        },
    );
    out
}

/// Where the voxels of a target lie in the indices of a source.
pub(super) struct Way {
    size: [usize; 3],
    start: [f64; 3],
    /// By target axis, then by source axis.
    steps: [[f64; 3]; 3],
}

/// A way whose axes run along those of the source.
pub(super) struct Parallel {
    /// By source axis.
    pub(super) lines: [Line; 3],
    /// The source axis of each target axis.
    pub(super) axes: [usize; 3],
}

impl Way {
    pub(super) fn between(from: &Grid, onto: &Grid) -> Self {
        let steps = [0, 1, 2].map(|a| from.steps_of(onto, a));
        Self { size: onto.size(), start: from.to_index(onto.origin()), steps }
    }

    pub(super) fn parallel(&self) -> Option<Parallel> {
        let along = |a: usize, b: usize| self.steps[a][b].abs();
        let axis = |a: usize| {
            (0..3).fold(0, |best, b| if along(a, b) > along(a, best) { b } else { best })
        };
        let axes = [0, 1, 2].map(axis);
        let off =
            |a: usize, b: usize| if b == axes[a] { 0.0 } else { along(a, b) * self.size[a] as f64 };
        let straight = (0..3).all(|b| (0..3).map(|a| off(a, b)).sum::<f64>() < TIE);
        let lines = [0, 1, 2].map(|b| {
            let a = axes.iter().position(|axis| *axis == b)?;
            Some(Line { start: self.start[b], step: self.steps[a][b], count: self.size[a] })
        });
        match lines {
            [Some(slow), Some(middle), Some(fast)] if straight => {
                Some(Parallel { lines: [slow, middle, fast], axes })
            }
            _ => None,
        }
    }

    /// Where it begins, then the steps of the slow, the middle and the fast axis.
    pub(super) fn numbers(&self) -> [f64; 12] {
        let parts = [self.start, self.steps[0], self.steps[1], self.steps[2]];
        std::array::from_fn(|at| parts[at / 3][at % 3])
    }

    /// Calls `fill` for each row of the target, filled with `outside`: its first voxel and the way to the
    /// next, in source indices.
    fn each_row<T: Copy + Send + Sync>(
        &self,
        outside: T,
        fill: impl Fn([f64; 3], [f64; 3], &mut [T]) + Sync,
    ) -> Vec<T> {
        let [_, rows, columns] = self.size;
        let [slow, middle, fast] = self.steps;
        let mut out = vec![outside; self.size.iter().product()];
        let of_rows = |first: usize, part: &mut [T]| {
            for (number, row) in part.chunks_mut(columns).enumerate() {
                let number = first / columns + number;
                let (z, y) = ((number / rows) as f64, (number % rows) as f64);
                let begin = [0, 1, 2].map(|a| self.start[a] + z * slow[a] + y * middle[a]);
                fill(begin, fast, row);
            }
        };
        let part = threads::worth(columns);
        threads::in_parts(&mut out, part, || (), |(), first, part| of_rows(first, part));
        out
    }
}

impl Parallel {
    /// From the order of the source axes, as `lines` has them, to that of the target.
    pub(super) fn to_target_order<T: Copy + Default + Send + Sync>(
        &self,
        voxels: Vec<T>,
    ) -> Vec<T> {
        if self.axes == [0, 1, 2] {
            return voxels;
        }
        turned(&voxels, self.lines.map(|line| line.count), self.axes.map(|axis| (axis, false)))
    }
}
