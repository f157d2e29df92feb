//! Values of voxels as a graph wants them. NaN stays NaN, and counts in no mean, extreme or quantile.

use super::error::{VoxelError, count};
use super::quantile::quantiles;
use super::threads::{each, of_parts};

/// Which voxels a mean or a quantile is taken of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Over {
    All,
    /// Those that are not 0.
    NonZero,
    /// Those above a value.
    Above(f32),
}

/// Which voxels a z-score is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    ToAll,
    /// Only those that it was taken of; the others stay as they are, as MONAI's `NormalizeIntensity(nonzero=True)`.
    ToThose,
}

impl Over {
    fn holds(self, value: f32) -> bool {
        match self {
            Self::All => !value.is_nan(),
            Self::NonZero => value != 0.0 && !value.is_nan(),
            Self::Above(least) => value > least,
        }
    }
}

/// `(x - low) / (high - low)`, cut to [0, 1]: a window of CT by its ends.
pub fn window(values: &mut [f32], low: f32, high: f32) -> Result<(), VoxelError> {
    check_order("the ends of a window", low, high)?;
    let wide = high - low;
    each(values, |x| ((x - low) / wide).clamp(0.0, 1.0));
    Ok(())
}

/// Cut to [low, high].
pub fn clip(values: &mut [f32], low: f32, high: f32) -> Result<(), VoxelError> {
    check_order("the ends of a range", low, high)?;
    each(values, |x| x.clamp(low, high));
    Ok(())
}

/// `(x - least) / (most - least)`; 0 where all values are the same.
pub fn min_max(values: &mut [f32]) {
    let ends = of_parts(values, |part| {
        // `min` and `max` leave NaN out.
        part.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, m), x| (l.min(*x), m.max(*x)))
    });
    let (least, most) = ends
        .into_iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    let wide = if most > least { most - least } else { 1.0 };
    each(values, |x| (x - least) / wide);
}

/// `(x - mean) / sd`, with the mean and the standard deviation (of all, not of a sample) of `over`. Where
/// the deviation is 0 only the mean is taken off; where nothing is in `over` the values stay.
pub fn z_score(values: &mut [f32], over: Over, to: Applied) {
    let Some((mean, deviation)) = mean_and_deviation(values, over) else { return };
    let by = if deviation > 0.0 { deviation } else { 1.0 };
    each(values, |x| match to {
        Applied::ToThose if !over.holds(x) => x,
        _ => ((f64::from(x) - mean) / by) as f32,
    });
}

/// `clip((x - q_low) / (q_high - q_low + eps), 0, 1)`, with numpy's linear quantiles, in [0, 1], of the
/// values in `over`; where nothing is in `over` the values stay.
pub fn quantile_scale(
    values: &mut [f32],
    low: f64,
    high: f64,
    eps: f64,
    over: Over,
) -> Result<(), VoxelError> {
    check_order("the quantiles", low, high)?;
    if !(eps >= 0.0 && eps.is_finite()) {
        return Err(VoxelError::asked("the eps of a scale", eps, "0 or more"));
    }
    let mut of: Vec<f32> = values.iter().copied().filter(|x| over.holds(*x)).collect();
    let [Some(low), Some(high)] = quantiles(&mut of, &[low, high])?[..] else { return Ok(()) };
    drop(of);
    let wide = high - low + eps;
    // All values in one: below or at it is 0, above it 1.
    let wide = if wide > 0.0 { wide } else { f64::MIN_POSITIVE };
    each(values, |x| ((f64::from(x) - low) / wide).clamp(0.0, 1.0) as f32);
    Ok(())
}

/// Linear between knots `[x, y]` of growing x, and the outer y beyond them, as `numpy.interp`.
pub fn piecewise(values: &mut [f32], knots: &[[f32; 2]]) -> Result<(), VoxelError> {
    check_knots(knots)?;
    let (first, last) = (knots[0], knots[knots.len() - 1]);
    each(values, |x| {
        if x.is_nan() {
            return x;
        }
        match knots.partition_point(|knot| knot[0] <= x) {
            0 => first[1],
            next if next == knots.len() => last[1],
            next => {
                let ([x0, y0], [x1, y1]) = (knots[next - 1], knots[next]);
                y0 + (x - x0) * ((y1 - y0) / (x1 - x0))
            }
        }
    });
    Ok(())
}

/// `(x - mean[c]) / sd[c]` of values `[channel][pixel]`, with as many channels as there are means.
pub fn per_channel(values: &mut [f32], mean: &[f32], sd: &[f32]) -> Result<(), VoxelError> {
    count("the list of deviations", sd.len(), mean.len())?;
    if mean.is_empty() || !mean.iter().all(|m| m.is_finite()) {
        return Err(VoxelError::asked(
            "the means of channels",
            format!("{mean:?}"),
            "one number or more",
        ));
    }
    if !sd.iter().all(|sd| sd.is_finite() && *sd > 0.0) {
        return Err(VoxelError::asked("the deviations of channels", format!("{sd:?}"), "above 0"));
    }
    let pixels = values.len() / mean.len();
    count("a tensor of channels", values.len(), pixels * mean.len())?;
    for (values, (mean, sd)) in values.chunks_mut(pixels.max(1)).zip(mean.iter().zip(sd)) {
        each(values, |x| (x - mean) / sd);
    }
    Ok(())
}

/// `low + high - x`: what MONOCHROME1 (PS3.3 C.7.6.3.1.2) shows dark becomes high, in the range that
/// the stored values may have.
pub fn invert(values: &mut [f32], low: f32, high: f32) -> Result<(), VoxelError> {
    check_order("the range of the values", low, high)?;
    each(values, |x| low + high - x);
    Ok(())
}

/// What was padding, NaN until here, becomes a number that a graph can take.
pub fn put_padding(values: &mut [f32], value: f32) {
    each(values, |x| if x.is_nan() { value } else { x });
}

fn mean_and_deviation(values: &[f32], over: Over) -> Option<(f64, f64)> {
    let sums = of_parts(values, |part| {
        let of = part.iter().filter(|x| over.holds(**x));
        of.fold((0usize, 0.0), |(count, sum), x| (count + 1, sum + f64::from(*x)))
    });
    let (number, sum) = sums.into_iter().fold((0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    if number == 0 {
        return None;
    }
    let mean = sum / number as f64;
    let squares = of_parts(values, |part| {
        let of = part.iter().filter(|x| over.holds(**x)).map(|x| f64::from(*x) - mean);
        of.map(|off| off * off).sum::<f64>()
    });
    Some((mean, (squares.into_iter().sum::<f64>() / number as f64).sqrt()))
}

pub(crate) fn check_knots(knots: &[[f32; 2]]) -> Result<(), VoxelError> {
    let finite = knots.iter().flatten().all(|number| number.is_finite());
    if !knots.is_empty() && finite && knots.is_sorted_by(|a, b| a[0] < b[0]) {
        return Ok(());
    }
    let must = "one or more pairs of numbers with growing first numbers";
    Err(VoxelError::asked("a piecewise map", format!("{knots:?}"), must))
}

pub(crate) fn check_order(
    what: &'static str,
    low: impl Into<f64>,
    high: impl Into<f64>,
) -> Result<(), VoxelError> {
    let (low, high) = (low.into(), high.into());
    if low < high && low.is_finite() && high.is_finite() {
        return Ok(());
    }
    let must = "two numbers, the first below the second";
    Err(VoxelError::asked(what, format!("{low} and {high}"), must))
}
