//! A weighted sum of neighbours that falls apart into one sum along each axis.

use super::taps::Taps;
use super::threads;

/// The result has as many voxels along each axis as there are taps for it; `outside` where a voxel has
/// none. Sums are made in the order slow, middle, fast, so that the inner loops run along rows.
pub(super) fn separable(
    source: &[f32],
    size: [usize; 3],
    taps: &[Taps; 3],
    outside: f32,
) -> Vec<f32> {
    let [slow, middle, fast] = taps;
    let plane = middle.len() * fast.len();
    let mut out = vec![outside; slow.len() * plane];
    let rows = middle.span();
    let pairs = pairs(fast);
    let scratch = || (Vec::new(), Vec::new());
    threads::in_parts(
        &mut out,
        threads::worth(plane),
        scratch,
        |(of_planes, of_rows), first, part| {
            for (z, out) in part.chunks_mut(plane).enumerate() {
                let (at, weights) = slow.at(first / plane + z);
                if weights.is_empty() || rows.is_empty() {
                    continue;
                }
                let below = &source[at * size[1] * size[2]..];
                let needed = rows.start * size[2]..rows.end * size[2];
                let summed = sum(below, size[1] * size[2], needed, weights, of_planes);
                for (y, out) in out.chunks_mut(fast.len()).enumerate() {
                    let (at, weights) = middle.at(y);
                    if weights.is_empty() {
                        continue;
                    }
                    let below = &summed[(at - rows.start) * size[2]..];
                    let row = sum(below, size[2], 0..size[2], weights, of_rows);
                    match &pairs {
                        Some(pairs) => of_pairs(row, pairs, out),
                        None => of_taps(row, fast, out),
                    }
                }
            }
        },
    );
    out
}

/// The sum of `weights.len()` pieces that begin `stride` apart, of each the numbers in `needed`. A single
/// piece of weight 1 is not copied.
fn sum<'a>(
    from: &'a [f32],
    stride: usize,
    needed: std::ops::Range<usize>,
    weights: &[f32],
    scratch: &'a mut Vec<f32>,
) -> &'a [f32] {
    let piece = |number: usize| &from[number * stride..][needed.clone()];
    match *weights {
        [1.0] => return piece(0),
        [a] => refill(scratch, piece(0).iter().map(|v| v * a)),
        [a, b] => {
            refill(scratch, piece(0).iter().zip(piece(1)).map(|(v, w)| v * a + w * b));
        }
        _ => {
            refill(scratch, piece(0).iter().map(|v| v * weights[0]));
            for (number, weight) in weights.iter().enumerate().skip(1) {
                scratch.iter_mut().zip(piece(number)).for_each(|(sum, v)| *sum += v * weight);
            }
        }
    }
    scratch
}

fn refill(scratch: &mut Vec<f32>, numbers: impl Iterator<Item = f32>) {
    scratch.clear();
    scratch.extend(numbers);
}

/// Two source voxels and their weights, for axes where no voxel needs more.
struct Pair {
    at: [u32; 2],
    weights: [f32; 2],
    inside: bool,
}

fn pairs(taps: &Taps) -> Option<Vec<Pair>> {
    let pair = |target: usize| {
        let (first, weights) = taps.at(target);
        let first = first as u32;
        match *weights {
            [] => Some(Pair { at: [0; 2], weights: [0.0; 2], inside: false }),
            // Half and half of one voxel is that voxel, an infinite one too.
            [a] => Some(Pair { at: [first; 2], weights: [a / 2.0; 2], inside: true }),
            [a, b] => Some(Pair { at: [first, first + 1], weights: [a, b], inside: true }),
            _ => None,
        }
    };
    (0..taps.len()).map(pair).collect()
}

fn of_pairs(row: &[f32], pairs: &[Pair], out: &mut [f32]) {
    for (out, pair) in out.iter_mut().zip(pairs).filter(|(_, pair)| pair.inside) {
        let [a, b] = pair.at.map(|at| row[at as usize]);
        *out = a * pair.weights[0] + b * pair.weights[1];
    }
}

fn of_taps(row: &[f32], taps: &Taps, out: &mut [f32]) {
    for (target, out) in out.iter_mut().enumerate() {
        let (first, weights) = taps.at(target);
        if !weights.is_empty() {
            *out = row[first..].iter().zip(weights).map(|(v, w)| v * w).sum();
        }
    }
}
