//! Masks out of a graph's tensors: read, cleaned on the model's grid, and brought back onto the images.

use crate::manifest::{Axes, Cleaning, Reading, SegmentationOutput};
use crate::prepare::Place;
use crate::tensors::{Scores, Tensors};
use crate::voxels::argmax::{argmax, has_nan};
use crate::voxels::block::Block;
use crate::voxels::components::{Components, Neighbours};
use crate::voxels::error::VoxelError;
use crate::voxels::holes;
use crate::voxels::resample::nearest;
use std::collections::HashMap;

/// Of each tensor of scores the class with the highest one, for each voxel: many masks are read of one.
#[derive(Default)]
pub struct Classes<'a>(HashMap<&'a str, Vec<u16>>);

/// One for each voxel of the images. An error is a graph that does not keep its manifest.
pub fn over_images<'a>(
    output: &'a SegmentationOutput,
    axes: Axes,
    place: &Place,
    tensors: &Tensors,
    classes: &mut Classes<'a>,
) -> Result<Vec<bool>, String> {
    let mut mask = read(output, axes, place, tensors, classes)?;
    clean(&mut mask, place.grid.size(), output.cleaning)?;
    if place.grid.is_like(&place.images) {
        return Ok(mask);
    }
    let told = |error: VoxelError| error.to_string();
    let block = Block::new(place.grid, mask).map_err(told)?;
    Ok(nearest(&block, &place.images, false).map_err(told)?.into_voxels())
}

fn read<'a>(
    output: &'a SegmentationOutput,
    axes: Axes,
    place: &Place,
    tensors: &Tensors,
    known: &mut Classes<'a>,
) -> Result<Vec<bool>, String> {
    let tensor = output.tensor.as_str();
    let expected = axes.shape(place.grid.size());
    let voxels = place.grid.voxels();
    let check = |shape: &[i64], elements: usize| {
        if shape == expected && elements == voxels {
            return Ok(());
        }
        Err(format!("the output `{tensor}` has the shape {shape:?}, not {expected:?}"))
    };
    match output.reading {
        Reading::Label(value) => {
            let (shape, labels) = tensors.labels(tensor)?;
            check(shape, labels.len())?;
            Ok(labels.iter().map(|label| *label == value).collect())
        }
        Reading::AtLeast(least) => {
            let (shape, numbers) = tensors.numbers(tensor)?;
            check(shape, numbers.len())?;
            are_numbers(tensor, numbers)?;
            Ok(numbers.iter().map(|number| *number >= least).collect())
        }
        Reading::HighestScore(class) => {
            let (shape, scores) = tensors.scores(tensor)?;
            let classes = shape.get(1).copied().unwrap_or_default();
            let with_classes = |at: usize| if at == 1 { classes } else { expected[at] };
            let fits = expected.len() == 5
                && shape.len() == 5
                && (0..5).all(|at| shape[at] == with_classes(at))
                && classes > i64::from(class);
            if !fits {
                return Err(format!(
                    "the output `{tensor}` has the shape {shape:?}, not the scores of more than \
                     {class} classes over {expected:?}"
                ));
            }
            let scores = match scores {
                Scores::All(scores) => scores,
                Scores::Highest(labels) => {
                    return Ok(labels.iter().map(|label| *label == class).collect());
                }
            };
            if !known.0.contains_key(tensor) {
                are_numbers(tensor, scores)?;
                let highest = argmax(scores, voxels).map_err(|error| error.to_string())?;
                known.0.insert(tensor, highest);
            }
            let labels = known.0.get(tensor).map_or(&[][..], Vec::as_slice);
            Ok(labels.iter().map(|label| *label == class).collect())
        }
    }
}

/// A NaN belongs to no class and reaches no limit: a mask without it would be wrong and look right.
fn are_numbers(tensor: &str, numbers: &[f32]) -> Result<(), String> {
    match has_nan(numbers) {
        true => Err(format!("the output `{tensor}` has values that are no numbers (NaN)")),
        false => Ok(()),
    }
}

fn clean(mask: &mut Vec<bool>, size: [usize; 3], cleaning: Cleaning) -> Result<(), String> {
    let components = |mask: &[bool]| {
        Components::of(mask, size, Neighbours::Corners).map_err(|error| error.to_string())
    };
    if let Some(least) = cleaning.least_voxels {
        *mask = components(mask)?.at_least(least);
    }
    if cleaning.largest_component {
        *mask = components(mask)?.largest();
    }
    if cleaning.fill_holes {
        holes::fill(mask, size).map_err(|error| error.to_string())?;
    }
    Ok(())
}
