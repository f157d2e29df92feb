//! Quantiles, with the linear rule of numpy.

use super::error::VoxelError;

/// Several quantiles of the same numbers, each wanted in [0, 1]: linear between the two numbers at
/// `q * (n - 1)` in their order, as `numpy.quantile`. The numbers are put into another order. None of no
/// numbers; numbers may not be NaN.
pub fn quantiles(numbers: &mut [f32], wanted: &[f64]) -> Result<Vec<Option<f64>>, VoxelError> {
    wanted.iter().try_for_each(|q| check(*q))?;
    Ok(wanted.iter().map(|q| quantile(numbers, *q)).collect())
}

pub(super) fn check(q: f64) -> Result<(), VoxelError> {
    if (0.0..=1.0).contains(&q) {
        return Ok(());
    }
    Err(VoxelError::asked("a quantile", q, "between 0 and 1"))
}

fn quantile(numbers: &mut [f32], q: f64) -> Option<f64> {
    let last = numbers.len().checked_sub(1)?;
    let at = q * last as f64;
    let below = (at.floor() as usize).min(last);
    let (_, low, rest) = numbers.select_nth_unstable_by(below, f32::total_cmp);
    let low = f64::from(*low);
    let high = rest.iter().copied().min_by(f32::total_cmp).map_or(low, f64::from);
    let part = at - below as f64;
    // Without the branch two infinities would make a NaN.
    Some(if part > 0.0 && high > low { low + (high - low) * part } else { low })
}
