//! What was measured under each label: how much of it there is, and which values it covers.

use super::block::Block;
use super::error::VoxelError;
use super::quantile::{self, quantiles};

/// Of one label. Nothing of it is a measurement of 0 mL without values.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelFigures {
    pub label: u16,
    pub voxels: usize,
    pub millilitres: f64,
    /// Of the values under the label that are numbers; none when there are none.
    pub values: Option<ValueFigures>,
}

/// In the unit of the values.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueFigures {
    pub mean: f64,
    /// Of all voxels, not of a sample: the root of the mean squared distance from the mean.
    pub standard_deviation: f64,
    pub least: f32,
    pub most: f32,
    /// As asked, in their order.
    pub percentiles: Vec<f64>,
}

/// Figures of each label of `wanted`, in that order; `percentiles` lie between 0 and 100. Both blocks have
/// to lie on one grid. A NaN counts as a voxel and not as a value.
pub fn figures(
    labels: &Block<u16>,
    values: &Block,
    wanted: &[u16],
    percentiles: &[f64],
) -> Result<Vec<LabelFigures>, VoxelError> {
    if !labels.grid().is_like(values.grid()) {
        let sizes = format!("{:?} of values of {:?}", labels.grid().size(), values.grid().size());
        return Err(VoxelError::asked("the grid of the labels", sizes, "that of the values"));
    }
    let wanted_quantiles: Vec<f64> = percentiles.iter().map(|percent| percent / 100.0).collect();
    wanted_quantiles.iter().try_for_each(|q| quantile::check(*q))?;
    let mut under: Vec<Under> = wanted.iter().map(|_| Under::default()).collect();
    let slots = slots(wanted);
    for (label, value) in labels.voxels().iter().zip(values.voxels()) {
        if let Some(slot) = slots.get(usize::from(*label)).copied().flatten() {
            under[slot].voxels += 1;
            if !value.is_nan() {
                under[slot].values.push(*value);
            }
        }
    }
    let of_voxel = labels.grid().voxel_volume() / 1000.0;
    wanted
        .iter()
        .map(|label| {
            // A label that is wanted twice is counted once, and told twice.
            let under = &mut under[slots[usize::from(*label)].unwrap_or(0)];
            Ok(LabelFigures {
                label: *label,
                voxels: under.voxels,
                millilitres: under.voxels as f64 * of_voxel,
                values: of_values(&mut under.values, &wanted_quantiles)?,
            })
        })
        .collect()
}

#[derive(Default)]
struct Under {
    voxels: usize,
    values: Vec<f32>,
}

/// By label: where it stands in `wanted`.
fn slots(wanted: &[u16]) -> Vec<Option<usize>> {
    let most = wanted.iter().copied().max().map_or(0, usize::from);
    let mut slots = vec![None; most + 1];
    for (slot, label) in wanted.iter().enumerate().rev() {
        slots[usize::from(*label)] = Some(slot);
    }
    slots
}

/// Of numbers in any order, which it turns around; quantiles from 0 to 1. None of none.
pub fn of_values(values: &mut [f32], wanted: &[f64]) -> Result<Option<ValueFigures>, VoxelError> {
    let numbers = values.len() as f64;
    let sum = |of: &dyn Fn(f64) -> f64| values.iter().map(|v| of(f64::from(*v))).sum::<f64>();
    let mean = sum(&|v| v) / numbers;
    let variance = sum(&|v| (v - mean) * (v - mean)) / numbers;
    let least = values.iter().copied().reduce(f32::min);
    let most = values.iter().copied().reduce(f32::max);
    let (Some(least), Some(most)) = (least, most) else { return Ok(None) };
    let percentiles = quantiles(values, wanted)?.into_iter().flatten().collect();
    let standard_deviation = variance.sqrt();
    Ok(Some(ValueFigures { mean, standard_deviation, least, most, percentiles }))
}
