//! Trilinear along a row that may run through the source in any direction.

use super::taps::{TIE, within};
use std::ops::Range;

/// Voxel `i` of `out` lies at the source index `begin + i * step`; those outside of the source are left alone.
pub(super) fn linear_row(
    voxels: &[f32],
    size: [usize; 3],
    begin: [f64; 3],
    step: [f64; 3],
    out: &mut [f32],
) {
    let any = any(size, begin, step, out.len());
    let inner = inner(size, begin, step, &any);
    let at = |i: usize| [0, 1, 2].map(|a| begin[a] + i as f64 * step[a]);
    for i in (any.start..inner.start).chain(inner.end..any.end) {
        if let Some(value) = of_any(voxels, size, at(i)) {
            out[i] = value;
        }
    }
    for (out, i) in out[inner.clone()].iter_mut().zip(inner) {
        if let Some(value) = of_inner(voxels, size, at(i)).or_else(|| of_any(voxels, size, at(i))) {
            *out = value;
        }
    }
}

/// A way of less than this along an axis is not worth dividing by.
const STANDS: f64 = 1e-3;

/// Voxels of the row that may lie in the source, and some around them.
fn any(size: [usize; 3], begin: [f64; 3], step: [f64; 3], count: usize) -> Range<usize> {
    let mut any = 0..count;
    for a in (0..3).filter(|a| step[*a].abs() * count as f64 >= STANDS) {
        let (x, y) = ((-0.5 - begin[a]) / step[a], (size[a] as f64 - 0.5 - begin[a]) / step[a]);
        // Casts stop at 0.
        any.start = any.start.max((x.min(y).floor() - 1.0) as usize);
        any.end = any.end.min((x.max(y).ceil() + 2.0) as usize);
    }
    any.start.min(any.end)..any.end
}

/// Those of them that have all eight neighbours for certain. Some that have them may be missing.
fn inner(size: [usize; 3], begin: [f64; 3], step: [f64; 3], any: &Range<usize>) -> Range<usize> {
    let mut inner = any.clone();
    for a in 0..3 {
        let last = size[a] as f64 - 1.0 - 4.0 * TIE;
        let ends = [any.start, any.end].map(|i| begin[a] + step[a] * i as f64);
        if ends.iter().all(|end| (0.0..=last).contains(end)) {
            continue;
        }
        if step[a].abs() * any.len() as f64 <= STANDS {
            return any.start..any.start;
        }
        let (x, y) = (-begin[a] / step[a], (last - begin[a]) / step[a]);
        // One voxel less at both ends than there should be, for rounding.
        inner.start = inner.start.max((x.min(y).ceil() + 1.0) as usize);
        inner.end = inner.end.min(x.max(y).floor() as usize);
    }
    if inner.start < inner.end { inner } else { any.start..any.start }
}

/// The index below, and the weight of the next one: 0 near a voxel.
fn split(at: f64) -> (usize, f32) {
    let below = (at + TIE) as u32;
    let weight = at - f64::from(below);
    (below as usize, if weight <= TIE { 0.0 } else { weight as f32 })
}

/// None where a neighbour is missing after all.
fn of_inner(voxels: &[f32], size: [usize; 3], at: [f64; 3]) -> Option<f32> {
    let [(z, of_z), (y, of_y), (x, of_x)] = at.map(split);
    let first = (z * size[1] + y) * size[2] + x;
    // A neighbour of weight 0 is not taken: it may be NaN.
    let below = if of_y > 0.0 { size[2] } else { 0 };
    let behind = if of_z > 0.0 { size[1] * size[2] } else { 0 };
    let mix = |a: f32, b: f32, weight: f32| a + (b - a) * weight;
    let row = |at: usize| {
        let pair = voxels.get(at..at + 2)?;
        Some(mix(pair[0], if of_x > 0.0 { pair[1] } else { pair[0] }, of_x))
    };
    let plane = |at: usize| Some(mix(row(at)?, row(at + below)?, of_y));
    Some(mix(plane(first)?, plane(first + behind)?, of_z))
}

/// None outside of the source.
fn of_any(voxels: &[f32], size: [usize; 3], at: [f64; 3]) -> Option<f32> {
    let [Some((z, of_z)), Some((y, of_y)), Some((x, of_x))] =
        [0, 1, 2].map(|a| within(at[a], size[a]))
    else {
        return None;
    };
    // A neighbour of weight 0 is not read: it may be NaN, or not be there.
    let step = |weight: f32, stride: usize| if weight > 0.0 { stride } else { 0 };
    let next = [step(of_z, size[1] * size[2]), step(of_y, size[2]), step(of_x, 1)];
    let first = (z * size[1] + y) * size[2] + x;
    let mix = |a: f32, b: f32, weight: f32| if weight > 0.0 { a + (b - a) * weight } else { a };
    let row = |at: usize| mix(voxels[at], voxels[at + next[2]], of_x);
    let plane = |at: usize| mix(row(at), row(at + next[1]), of_y);
    Some(mix(plane(first), plane(first + next[0]), of_z))
}
