//! From the voxels of a series to those that a model takes, on a device: the twin of `made` in `prepare.rs`.

use super::driver::{DeviceError, Gpu, OnDevice};
use crate::manifest::{Input, InputKind, Interpolation};
use crate::voxels::grid::Grid;

/// Whether all that is done to the input has a kernel. Quantiles have none: what has them is prepared on the CPU.
pub fn has_kernels(input: &Input) -> bool {
    // Each key by name: what a new one asks of voxels is not to be passed over here.
    let Input {
        kind,
        image_steps,
        steps,
        name: _,
        onto_lead: _,
        modalities: _,
        tensor: _,
        channel,
        intensity: _,
        axes: _,
        slice_order: _,
        grid: _,
        windows: _,
        spacing_tensor: _,
        limits: _,
        padding,
    } = input;
    let mut steps = image_steps.iter().chain(steps);
    // Channels of several series are laid together on the host.
    let alone = *kind == InputKind::Volume && *channel == 0;
    alone && padding.is_none() && steps.all(|step| step.has_kernel())
}

/// On the grid `onto` of the leading input, or on what the input wants.
pub fn made(
    gpu: &Gpu,
    input: &Input,
    images: Grid,
    voxels: &[f32],
    onto: Option<Grid>,
) -> Result<(Grid, OnDevice), DeviceError> {
    let mut there = gpu.upload(voxels)?;
    input.image_steps.iter().try_for_each(|step| step.put_on(gpu, &there))?;
    let mut grid = images;
    if let Some(onto) = onto {
        let least = gpu.least(&there)?;
        there = gpu.linear(&there, &images, &onto, if least.is_finite() { least } else { 0.0 })?;
        grid = onto;
    } else if let Some(wanted) = &input.grid {
        grid = wanted.over(&images)?;
        there = match wanted.interpolation {
            Interpolation::Linear => gpu.linear(&there, &images, &grid, wanted.outside),
            Interpolation::Nearest => gpu.nearest(&there, &images, &grid, wanted.outside),
            Interpolation::Area => gpu.area(&there, &images, &grid, wanted.outside),
        }?;
    }
    input.steps.iter().try_for_each(|step| step.put_on(gpu, &there))?;
    Ok((grid, there))
}
