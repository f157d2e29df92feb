//! The frames of a cine, through the graph a few at a time, and one answer made of the answers to each.

mod gathered;

use crate::answers::Failure;
use crate::findings::{detect, of_images};
use crate::frames::gathered::Gathered;
use crate::given::{Given, Taken};
use crate::manifest::{FramesWanted, Manifest, MeasurementSource, Tell};
use crate::models::Model;
use crate::pieces::batch_is_fixed;
use crate::prepare::Prepared;
use crate::tensors::Tensors;
use gantry_terms::code::Code;
use gantry_terms::film::Film;
use gantry_terms::findings::{
    Derived, Findings, Mask, Measurement, MeasurementGroup, NoValue, Presence,
};
use gantry_terms::images::Images;
use ort::session::{RunOptions, Session};
use std::collections::BTreeSet;

/// A report of each of more frames is read by nobody; an image that has more is refused before it is decoded.
pub const MOST_TOLD: usize = 500;

/// Each output that says something of a frame becomes one tensor with a row for each frame; of boxes the frame is told as their
/// slice.
pub fn run(
    session: &mut Session,
    options: &RunOptions,
    model: &Model,
    prepared: &Prepared,
    wanted: &FramesWanted,
) -> Result<Tensors, Failure> {
    let ([input], [given]) = (model.manifest.inputs.as_slice(), prepared.inputs.as_slice()) else {
        return Err(Failure::Graph("frames are the only input of a model".into()));
    };
    let count = given.shape.first().map_or(0, |frames| *frames as usize);
    let of_frame = given.voxels().len() / count.max(1);
    let fixed = batch_is_fixed(session, &input.tensor);
    let kinds = Taken::by(session);
    let mut gathered = Gathered::new(&model.manifest, &given.shape);
    let mut filled = Vec::new();
    for first in (0..count).step_by(wanted.batch) {
        let frames = first..count.min(first + wanted.batch);
        let asked = frames.len();
        let mut numbers = &given.voxels()[frames.start * of_frame..frames.end * of_frame];
        let sent = if fixed { wanted.batch } else { asked };
        if sent > asked {
            // A graph that fixes its batch gets the last frame again where there are too few.
            filled.clear();
            filled.extend_from_slice(numbers);
            let last = numbers[numbers.len() - of_frame..].repeat(sent - asked);
            filled.extend(last);
            numbers = &filled;
        }
        let mut shape = given.shape.clone();
        shape[0] = sent as i64;
        let tensor = kinds.tensor(&input.tensor, shape, numbers)?;
        let sent_in: Given = vec![(input.tensor.as_str().into(), tensor)];
        let outputs = session.run_with_options(sent_in, options)?;
        gathered.take(&outputs, frames, sent)?;
    }
    Ok(gathered.finish(count))
}

/// Frame by frame: beside the tensors and the masks only what one of them needs is held. An error is a graph that does not
/// keep its manifest.
pub fn interpret(
    model: &Model,
    images: &Images,
    prepared: &Prepared,
    tensors: &Tensors,
    wanted: &FramesWanted,
) -> Result<Findings, String> {
    let Images::Film(film) = images else {
        return Err("frames are those of one image, and there is none".into());
    };
    let of_each: BTreeSet<&str> =
        gathered::of_each(&model.manifest).map(|wanted| wanted.name).collect();
    let mut each = Vec::with_capacity(film.frames);
    let (mut masks, mut derived): (Vec<Mask>, Vec<Derived>) = Default::default();
    for at in 0..film.frames {
        let mut of_frame = Tensors::default();
        for (name, tensor) in tensors.0.iter().filter(|(name, _)| of_each.contains(name.as_str())) {
            of_frame.0.insert(name.clone(), tensor.of_one(at, film.frames));
        }
        let mut found = of_images(model, &one_of(film, at).into(), prepared, &of_frame)?;
        behind(&mut masks, std::mem::take(&mut found.masks), film);
        images_behind(&mut derived, std::mem::take(&mut found.derived), film);
        each.push(found);
    }
    let whole = match wanted.tell {
        Tell::Each => each_told(each),
        Tell::Mean | Tell::Max => together(&model.manifest, each, wanted.tell),
    };
    let mut findings = Findings { masks, derived, ..whole? };
    detect(model, images, prepared, tensors, &mut findings)?;
    if film.frames == 1 {
        // Frames of images of one frame have no number (PS3.3 Table 10-3).
        findings.groups.iter_mut().for_each(|group| group.frame = None);
    }
    Ok(findings)
}

/// A frame, counted from 0, as a film.
fn one_of(film: &Film, at: usize) -> Film {
    Film {
        frames: 1,
        pixels: film.frame(at).to_vec(),
        sop_class: film.sop_class.clone(),
        sop_instance: film.sop_instance.clone(),
        ..*film
    }
}

/// The masks of a frame behind those of the frames before it.
fn behind(all: &mut Vec<Mask>, masks: Vec<Mask>, film: &Film) {
    for (at, mut mask) in masks.into_iter().enumerate() {
        match all.get_mut(at) {
            Some(whole) => {
                whole.voxels.append(&mut mask.voxels);
                whole.probabilities.append(&mut mask.probabilities);
            }
            None => {
                let more = film.places() - mask.voxels.len();
                mask.voxels.reserve_exact(more);
                if !mask.probabilities.is_empty() {
                    mask.probabilities.reserve_exact(more);
                }
                all.push(mask);
            }
        }
    }
}

/// The images of a frame behind those of the frames before it.
fn images_behind(all: &mut Vec<Derived>, images: Vec<Derived>, film: &Film) {
    for (at, mut image) in images.into_iter().enumerate() {
        match all.get_mut(at) {
            Some(whole) => whole.values.append(&mut image.values),
            None => {
                image.values.reserve_exact(film.places() - image.values.len());
                all.push(image);
            }
        }
    }
}

fn each_told(each: Vec<Findings>) -> Result<Findings, String> {
    let mut groups = Vec::new();
    let mut whole = None;
    for (number, mut findings) in (1..).zip(each) {
        groups.extend(std::mem::take(&mut findings.groups).into_iter().map(|group| {
            let label = format!("{} (frame {number})", group.label);
            MeasurementGroup { label, frame: Some(number), ..group }
        }));
        whole.get_or_insert(findings);
    }
    let whole = whole.ok_or("there are no frames")?;
    Ok(Findings { groups, ..whole })
}

/// Of each number the mean or the highest one over all frames. What is no number in one frame is none of all, but for what a
/// mask has no value of because it is not on that frame.
fn together(manifest: &Manifest, each: Vec<Findings>, tell: Tell) -> Result<Findings, String> {
    let mut whole = each.first().cloned().ok_or("there are no frames")?;
    for (at, group) in whole.groups.iter_mut().enumerate() {
        for (place, measurement) in group.measurements.iter_mut().enumerate() {
            let found = each.iter().map(|findings| {
                findings.groups.get(at).and_then(|group| group.measurements.get(place))
            });
            let values = found.map(|found| found.map_or(Err(NoValue::NotANumber), |m| m.value));
            let mut values: Vec<Result<f64, NoValue>> = values.collect();
            if is_of_mask(manifest, measurement) && values.iter().any(Result::is_ok) {
                values.retain(|value| *value != Err(NoValue::NotANumber));
            }
            let values = values.into_iter().collect::<Result<Vec<f64>, NoValue>>();
            measurement.value = values.map(|values| combined(&values, tell));
            if measurement.derivation.is_none() {
                measurement.derivation = Some(derivation(tell));
            }
        }
        if group.presence.is_some() || each.iter().any(|f| f.groups[at].presence.is_some()) {
            group.presence = presence(manifest, &group.measurements);
        }
    }
    Ok(whole)
}

fn is_of_mask(manifest: &Manifest, measurement: &Measurement) -> bool {
    manifest.measurements.iter().any(|output| {
        output.key == measurement.key && matches!(output.source, MeasurementSource::Mask { .. })
    })
}

fn combined(values: &[f64], tell: Tell) -> f64 {
    match tell {
        Tell::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => values.iter().sum::<f64>() / values.len() as f64,
    }
}

/// CID 7464.
fn derivation(tell: Tell) -> Code {
    match tell {
        Tell::Max => Code::new("56851009", "SCT", "Maximum"),
        _ => Code::new("373098007", "SCT", "Mean"),
    }
}

/// By the probability of all frames, as it is told.
fn presence(manifest: &Manifest, measurements: &[Measurement]) -> Option<Presence> {
    let (output, told) = manifest.classifications.iter().find_map(|output| {
        let told = measurements.iter().find(|measurement| measurement.key == output.key)?;
        Some((output, told.value.ok()?))
    })?;
    Some(match told {
        told if told >= output.present_at_least * output.scale => Presence::Present,
        told if told < output.absent_below * output.scale => Presence::Absent,
        _ => Presence::Undetermined,
    })
}
