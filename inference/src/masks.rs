//! Masks out of a graph's tensors: read, cleaned on the model's grid, and brought back onto the images.

use crate::manifest::{Activation, AtLeast, Axes, Back, Cleaning, Reading, SegmentationOutput};
use crate::picked::Pick;
use crate::prepare::Place;
use crate::tensors::{Scores, Tensors};
use crate::voxels::activation::{sigmoid, softmax};
use crate::voxels::argmax::{all_finite, argmax};
use crate::voxels::block::Block;
use crate::voxels::components::{Components, Neighbours};
use crate::voxels::error::VoxelError;
use crate::voxels::grid::Grid;
use crate::voxels::holes;
use crate::voxels::resample::{linear, nearest};
use std::borrow::Cow;
use std::collections::HashMap;

/// How far numbers that are called probabilities may lie beyond 0 and 1: float16 and blending round.
const ROUNDING: f32 = 1e-3;

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
    let told = |error: VoxelError| error.to_string();
    let stays = place.grid.is_like(&place.images);
    if let (Back::Probability, Reading::AtLeast(limit), false) =
        (output.back, output.reading, stays)
    {
        let numbers = limited(&output.tensor, limit, axes, place, tensors)?;
        let block = Block::new(place.grid, numbers.into_owned()).map_err(told)?;
        // Beyond the grid nothing is probable.
        let there = linear(&block, &place.images, f32::NEG_INFINITY).map_err(told)?;
        let mut mask = there.voxels().iter().map(|number| *number >= limit.least).collect();
        clean(&mut mask, &place.images, place.is_film, output.cleaning)?;
        return Ok(mask);
    }
    let mut mask = read(output, axes, place, tensors, classes)?;
    clean(&mut mask, &place.grid, place.is_film, output.cleaning)?;
    if stays {
        return Ok(mask);
    }
    let block = Block::new(place.grid, mask).map_err(told)?;
    Ok(nearest(&block, &place.images, false).map_err(told)?.into_voxels())
}

/// How probable each voxel of the images is, in 255ths, as the graph says it: neither the limit of the mask nor its
/// cleaning takes anything away. Beyond the grid nothing is probable.
pub fn probable_over_images(
    output: &SegmentationOutput,
    axes: Axes,
    place: &Place,
    tensors: &Tensors,
) -> Result<Vec<u8>, String> {
    let bytes = |numbers: &[f32]| -> Vec<u8> {
        numbers.iter().map(|number| (number.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    };
    let Reading::AtLeast(limit) = output.reading else {
        return Err(format!("the segmentation `{}` reads no probabilities", output.key));
    };
    let numbers = limited(&output.tensor, limit, axes, place, tensors)?;
    are_probabilities(&output.tensor, &numbers)?;
    if place.grid.is_like(&place.images) {
        return Ok(bytes(&numbers));
    }
    let there = Block::new(place.grid, numbers.into_owned())
        .and_then(|block| linear(&block, &place.images, 0.0))
        .map_err(|error| error.to_string())?;
    Ok(bytes(there.voxels()))
}

fn read<'a>(
    output: &'a SegmentationOutput,
    axes: Axes,
    place: &Place,
    tensors: &Tensors,
    known: &mut Classes<'a>,
) -> Result<Vec<bool>, String> {
    let tensor = output.tensor.as_str();
    let voxels = place.grid.voxels();
    match output.reading {
        Reading::Label(value) => {
            let (shape, labels) = tensors.labels(tensor)?;
            fits(tensor, shape, labels.len(), axes, place)?;
            Ok(labels.iter().map(|label| *label == value).collect())
        }
        Reading::AtLeast(limit) => {
            let numbers = limited(tensor, limit, axes, place, tensors)?;
            Ok(numbers.iter().map(|number| *number >= limit.least).collect())
        }
        Reading::HighestScore(class) => {
            let of_class = |labels: &[u16]| labels.iter().map(|label| *label == class).collect();
            let scores = match scores_of(tensor, class, axes, place, tensors)? {
                Scores::All(scores) => scores,
                Scores::Highest(labels) => return Ok(of_class(labels)),
                Scores::Picked(picked) => {
                    let labels = picked.highest();
                    let none =
                        || format!("of the output `{tensor}` the highest scores are not known");
                    return labels.map(of_class).ok_or_else(none);
                }
            };
            if !known.0.contains_key(tensor) {
                are_numbers(tensor, scores)?;
                let highest = argmax(scores, voxels).map_err(|error| error.to_string())?;
                known.0.insert(tensor, highest);
            }
            let labels = known.0.get(tensor).map_or(&[][..], Vec::as_slice);
            Ok(of_class(labels))
        }
    }
}

/// What is known of the scores of so many classes and more, over the model's grid.
fn scores_of<'t>(
    tensor: &str,
    class: u16,
    axes: Axes,
    place: &Place,
    tensors: &'t Tensors,
) -> Result<Scores<'t>, String> {
    let expected = place.shape(axes);
    let (shape, scores) = tensors.scores(tensor)?;
    let classes = shape.get(1).copied().unwrap_or_default();
    let with_classes = |at: usize| if at == 1 { classes } else { expected[at] };
    // With a channel among the axes.
    let fits = expected.len() > 3
        && shape.len() == expected.len()
        && (0..shape.len()).all(|at| shape[at] == with_classes(at))
        && classes > i64::from(class);
    if fits {
        return Ok(scores);
    }
    Err(format!(
        "the output `{tensor}` has the shape {shape:?}, not the scores of more than {class} classes \
         over {expected:?}"
    ))
}

/// What a mask has a limit of, for each voxel of the model's grid.
fn limited<'t>(
    tensor: &str,
    limit: AtLeast,
    axes: Axes,
    place: &Place,
    tensors: &'t Tensors,
) -> Result<Cow<'t, [f32]>, String> {
    let voxels = place.grid.voxels();
    let numbers = match limit.class {
        None => numbers(tensor, axes, place, tensors)?,
        Some(class) => {
            let none = || format!("the output `{tensor}` has no numbers of the class {class}");
            let all = match scores_of(tensor, class, axes, place, tensors)? {
                Scores::All(all) => all,
                Scores::Picked(picked) => {
                    let own = Pick::of(limit).and_then(|pick| picked.numbers(pick, voxels));
                    return activated(tensor, own.ok_or_else(none)?, limit);
                }
                Scores::Highest(_) => {
                    return Err(format!(
                        "of the output `{tensor}` only the highest scores are known"
                    ));
                }
            };
            are_numbers(tensor, all)?;
            if limit.activation == Some(Activation::Softmax) {
                let found = softmax(all, voxels, class).map_err(|error| error.to_string())?;
                return Ok(found.into());
            }
            let own = all.chunks(voxels.max(1)).nth(class.into());
            own.ok_or_else(none)?
        }
    };
    activated(tensor, numbers, limit)
}

/// A softmax has been made before, of all classes.
fn activated<'t>(
    tensor: &str,
    numbers: &'t [f32],
    limit: AtLeast,
) -> Result<Cow<'t, [f32]>, String> {
    match limit.activation {
        Some(Activation::Sigmoid) => Ok(sigmoid(numbers).into()),
        Some(Activation::None) => are_probabilities(tensor, numbers).map(|()| numbers.into()),
        Some(Activation::Softmax) | None => Ok(numbers.into()),
    }
}

/// A number for each voxel of the model's grid.
pub fn numbers<'t>(
    tensor: &str,
    axes: Axes,
    place: &Place,
    tensors: &'t Tensors,
) -> Result<&'t [f32], String> {
    let (shape, numbers) = tensors.numbers(tensor)?;
    fits(tensor, shape, numbers.len(), axes, place)?;
    are_numbers(tensor, numbers)?;
    Ok(numbers)
}

fn fits(
    tensor: &str,
    shape: &[i64],
    elements: usize,
    axes: Axes,
    place: &Place,
) -> Result<(), String> {
    let expected = place.shape(axes);
    if shape == expected && elements == place.grid.voxels() {
        return Ok(());
    }
    Err(format!("the output `{tensor}` has the shape {shape:?}, not {expected:?}"))
}

/// A NaN belongs to no class and reaches no limit, and what is infinite came of an overflow: a mask without it would be wrong and look right.
fn are_numbers(tensor: &str, numbers: &[f32]) -> Result<(), String> {
    match all_finite(numbers) {
        true => Ok(()),
        false => {
            Err(format!("the output `{tensor}` has values that are no numbers (NaN or infinite)"))
        }
    }
}

/// What lies far beyond 0 and 1 is no probability: cut there it would look like one.
fn are_probabilities(tensor: &str, numbers: &[f32]) -> Result<(), String> {
    let beyond = numbers.iter().find(|number| !(-ROUNDING..=1.0 + ROUNDING).contains(*number));
    match beyond {
        None => Ok(()),
        Some(number) => Err(format!(
            "the output `{tensor}` has {number}, which is no probability: if it gives logits, the manifest \
             has to say activation = \"sigmoid\" or \"softmax\""
        )),
    }
}

fn clean(
    mask: &mut Vec<bool>,
    grid: &Grid,
    is_film: bool,
    cleaning: Cleaning,
) -> Result<(), String> {
    let size = grid.size();
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
        let fill = if is_film { holes::fill_flat } else { holes::fill };
        fill(mask, size).map_err(|error| error.to_string())?;
    }
    Ok(())
}
