//! Which voxels of one source axis make each voxel of a target axis, and how much of each.

/// An index this near to a whole number, or to the border of a voxel, is taken for it: rounding of
/// millimetres may not make an edge ragged, nor mix a neighbour in.
pub(super) const TIE: f64 = 1e-6;

/// One target axis in source indices: voxel `i` lies at `start + i * step`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) start: f64,
    pub(super) step: f64,
    pub(super) count: usize,
}

/// For each target voxel its weights on source voxels in a row; none where it lies outside.
#[derive(Debug, Default)]
pub(super) struct Taps {
    /// First source voxel, and the end of its weights in `weights`.
    ends: Vec<(u32, u32)>,
    weights: Vec<f32>,
}

impl Taps {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The first source voxel and the weights from there on.
    pub(super) fn at(&self, target: usize) -> (usize, &[f32]) {
        let begin = target.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (first, end) = self.ends[target];
        (first as usize, &self.weights[begin as usize..end as usize])
    }

    /// First voxel and end of the weights of each target voxel, one behind the other; and all weights.
    pub(super) fn table(&self) -> (Vec<u32>, &[f32]) {
        (self.ends.iter().flat_map(|(first, end)| [*first, *end]).collect(), &self.weights)
    }

    /// Weights of 0 at both ends are left out, so that a NaN under them counts for nothing.
    pub(super) fn push(&mut self, first: usize, weights: impl IntoIterator<Item = f32>) {
        let begin = self.weights.len();
        let mut weights = weights.into_iter().peekable();
        let mut skipped = 0;
        while weights.next_if_eq(&0.0).is_some() {
            skipped += 1;
        }
        self.weights.extend(weights);
        while self.weights.len() > begin && self.weights.last() == Some(&0.0) {
            self.weights.pop();
        }
        self.ends.push(((first + skipped) as u32, self.weights.len() as u32));
    }

    /// The source voxels that any target voxel needs.
    pub(super) fn span(&self) -> std::ops::Range<usize> {
        let needed = (0..self.len()).map(|target| self.at(target)).filter(|(_, w)| !w.is_empty());
        let spans = needed.map(|(first, weights)| first..first + weights.len());
        spans.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }

    /// Each voxel as it is.
    pub(super) fn same(size: usize) -> Self {
        let mut taps = Self::default();
        (0..size).for_each(|at| taps.push(at, [1.0]));
        taps
    }

    /// Linear between the two neighbours; the half voxel beyond the outer centres has the outer value.
    pub(super) fn linear(line: Line, size: usize) -> Self {
        let mut taps = Self::default();
        for target in 0..line.count {
            match within(line.start + target as f64 * line.step, size) {
                Some((first, weight)) => taps.push(first, [1.0 - weight, weight]),
                None => taps.push(0, []),
            }
        }
        taps
    }

    /// The mean over `[x - step / 2, x + step / 2]`, voxels being boxes; linear where steps don't grow.
    pub(super) fn area(line: Line, size: usize) -> Self {
        let half = line.step.abs() / 2.0;
        if half <= 0.5 {
            return Self::linear(line, size);
        }
        let mut taps = Self::default();
        for target in 0..line.count {
            let at = line.start + target as f64 * line.step;
            if nearest(at, size).is_none() {
                taps.push(0, []);
                continue;
            }
            // From here on in distance from the first face, where voxel `i` is `i .. i + 1`.
            let low = snapped(at + 0.5 - half).max(0.0);
            let high = snapped(at + 0.5 + half).min(size as f64);
            let (first, end) = (low as usize, (high.ceil() as usize).min(size));
            let part = |i: usize| high.min(i as f64 + 1.0) - low.max(i as f64);
            taps.push(first, (first..end).map(|i| (part(i) / (high - low)) as f32));
        }
        taps
    }
}

fn snapped(at: f64) -> f64 {
    let whole = at.round();
    if (at - whole).abs() < TIE { whole } else { at }
}

/// The voxel that an index lies in, the upper of two on their border; none outside of all.
pub(super) fn nearest(at: f64, size: usize) -> Option<usize> {
    let at = at + 0.5 + TIE;
    (at >= 0.0 && at < size as f64).then_some(at as usize)
}

/// The voxel at or below an index, and the weight of the next one; none outside of all voxels.
pub(super) fn within(at: f64, size: usize) -> Option<(usize, f32)> {
    nearest(at, size)?;
    // As `at` is not below 0, a cast rounds down.
    let at = at.clamp(0.0, (size - 1) as f64) + TIE;
    let (first, weight) = (at as usize, at.fract());
    Some((first, if weight <= 2.0 * TIE { 0.0 } else { (weight - TIE) as f32 }))
}
