//! Images that a graph made: brought back from the model's grid onto that of the images, in their unit.

use crate::manifest::{DerivedOutput, Input, InputKind};
use crate::masks::{are_numbers, probabilities};
use crate::prepare::{Place, Prepared};
use crate::tensors::Tensors;
use crate::voxels::block::Block;
use crate::voxels::error::VoxelError;
use crate::voxels::grid::Grid;
use crate::voxels::resample::linear;
use gantry_terms::film::Film;
use gantry_terms::findings::Derived;
use gantry_terms::images::Images;

/// Where the model's grid does not reach, the images stay as they are, and a quantity has no value (NaN). An error is a graph that does not
/// keep its manifest.
pub fn over_images(
    output: &DerivedOutput,
    input: &Input,
    images: &Images,
    prepared: &Prepared,
    tensors: &Tensors,
) -> Result<Derived, String> {
    let (block, onto) = match (images, &prepared.place) {
        (Images::Film(film), _) => of_film(output, input, film, tensors)?,
        (Images::Volume(_), Some(place)) => of_volume(output, input, place, tensors)?,
        (Images::Volume(_), None) => return Err("the volume has no place".into()),
    };
    let values = back(block, &onto, output, images.numbers()).map_err(|error| error.to_string())?;
    Ok(Derived {
        key: output.key.clone(),
        label: output.label.clone(),
        derivation: output.derivation.clone(),
        rescale: output.rescale,
        quantity: output.quantity.clone(),
        values,
    })
}

fn of_volume(
    output: &DerivedOutput,
    input: &Input,
    place: &Place,
    tensors: &Tensors,
) -> Result<(Block, Grid), String> {
    let numbers = probabilities(&output.tensor, input.axes, place, tensors)?.to_vec();
    let block = Block::new(place.grid, numbers).map_err(|error| error.to_string())?;
    Ok((block, place.images))
}

/// A film is one slice of a block, of pixels instead of mm.
fn of_film(
    output: &DerivedOutput,
    input: &Input,
    film: &Film,
    tensors: &Tensors,
) -> Result<(Block, Grid), String> {
    let InputKind::Image(wanted) = &input.kind else { return Err("a film is no volume".into()) };
    let place = wanted.place([film.rows, film.columns]);
    let [rows, columns] = place.size;
    let tensor = &output.tensor;
    let (shape, numbers) = tensors.numbers(tensor)?;
    let expected = [1, 1, rows as i64, columns as i64];
    if shape != expected || numbers.len() != rows * columns {
        return Err(format!("the output `{tensor}` has the shape {shape:?}, not {expected:?}"));
    }
    are_numbers(tensor, numbers)?;
    // The middle of its first pixel on the film, where that of the film's own first pixel is 0.
    let first = |axis: usize| place.on_film(axis, 0.5) - 0.5;
    let grid = Grid::new(
        [1, rows, columns],
        [first(1), first(0), 0.0],
        [[0.0, 0.0, 1.0], [0.0, place.step[0], 0.0], [place.step[1], 0.0, 0.0]],
    );
    let whole = Grid::new(
        [1, film.rows, film.columns],
        [0.0; 3],
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    );
    let told = |error: VoxelError| error.to_string();
    let block = Block::new(grid.map_err(told)?, numbers.to_vec()).map_err(told)?;
    Ok((block, whole.map_err(told)?))
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
