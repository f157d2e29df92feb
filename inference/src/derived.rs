//! Images that a graph made: brought back from the model's grid onto that of the images, in their unit.

use crate::manifest::{Axes, DerivedOutput};
use crate::masks::numbers;
use crate::prepare::Place;
use crate::tensors::Tensors;
use crate::voxels::block::Block;
use crate::voxels::error::VoxelError;
use crate::voxels::grid::Grid;
use crate::voxels::resample::linear;
use gantry_terms::findings::Derived;
use gantry_terms::images::Images;

/// Where the model's grid does not reach, the images stay as they are, and a quantity has no value (NaN). An error is a graph that does not
/// keep its manifest.
pub fn over_images(
    output: &DerivedOutput,
    axes: Axes,
    images: &Images,
    place: &Place,
    tensors: &Tensors,
) -> Result<Derived, String> {
    let numbers = numbers(&output.tensor, axes, place, tensors)?.to_vec();
    let values = Block::new(place.grid, numbers)
        .and_then(|block| back(block, &place.images, output, images.numbers()))
        .map_err(|error| error.to_string())?;
    Ok(Derived {
        key: output.key.clone(),
        label: output.label.clone(),
        derivation: output.derivation.clone(),
        rescale: output.rescale,
        quantity: output.quantity.clone(),
        values,
    })
}

fn back(
    mut block: Block,
    onto: &Grid,
    output: &DerivedOutput,
    images: &[f32],
) -> Result<Vec<f32>, VoxelError> {
    let told = |number: f32| (f64::from(number) * output.scale + output.offset) as f32;
    block.voxels_mut().iter_mut().for_each(|number| *number = told(*number));
    if block.grid().is_like(onto) {
        return Ok(block.into_voxels());
    }
    // The graph gave no NaN: one is a voxel that the model's grid does not reach.
    let mut values = linear(&block, onto, f32::NAN)?.into_voxels();
    if output.quantity.is_none() {
        let beyond = values.iter_mut().zip(images).filter(|(value, _)| value.is_nan());
        beyond.for_each(|(value, image)| *value = *image);
    }
    Ok(values)
}
