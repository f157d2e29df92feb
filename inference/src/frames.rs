//! The frames of a cine, through the graph a few at a time, and one answer made of the answers to each.

use crate::answers::{Failure, numbers_of};
use crate::findings::interpret as interpret_one;
use crate::given::{Given, Taken};
use crate::manifest::{FramesWanted, Manifest, Tell};
use crate::models::Model;
use crate::pieces::batch_is_fixed;
use crate::prepare::Prepared;
use crate::tensors::{Elements, Tensor, Tensors};
use gantry_terms::code::Code;
use gantry_terms::findings::{Findings, Measurement, MeasurementGroup, NoValue, Presence};
use gantry_terms::images::Images;
use ort::session::{RunOptions, Session, SessionOutputs};
use std::collections::BTreeMap;

/// A report of each of more frames is read by nobody; an image that has more is refused before it is decoded.
pub const MOST_TOLD: usize = 500;

/// Each output becomes one tensor with a row for each frame.
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
    let mut rows = BTreeMap::new();
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
        take(&model.manifest, &outputs, [asked, sent], &mut rows)?;
    }
    Ok(tensors(rows, count))
}

/// Of each output that the manifest names the rows of the frames that were asked about, behind those that are
/// there.
fn take(
    manifest: &Manifest,
    outputs: &SessionOutputs,
    [asked, sent]: [usize; 2],
    rows: &mut BTreeMap<String, Vec<f32>>,
) -> Result<(), Failure> {
    let mut names: Vec<&str> = manifest.given().map(|wanted| wanted.name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (shape, numbers) = numbers_of(outputs, name)?;
        let row = match shape {
            [row] if sent == 1 => *row,
            [batch, row] if *batch == sent as i64 => *row,
            _ => {
                let text = format!("the output `{name}` has the shape {shape:?}, not [{sent}, n]");
                return Err(Failure::Graph(text));
            }
        };
        let taken = numbers.get(..row as usize * asked);
        let taken = taken.ok_or_else(|| Failure::Graph(format!("the output `{name}` is cut")))?;
        rows.entry(name.to_string()).or_default().extend_from_slice(taken);
    }
    Ok(())
}

fn tensors(rows: BTreeMap<String, Vec<f32>>, frames: usize) -> Tensors {
    let tensor = |numbers: Vec<f32>| Tensor {
        shape: vec![frames as i64, (numbers.len() / frames.max(1)) as i64],
        elements: Elements::Numbers(numbers),
    };
    Tensors(rows.into_iter().map(|(name, numbers)| (name, tensor(numbers))).collect())
}

/// An error is a graph that does not keep its manifest.
pub fn interpret(
    model: &Model,
    images: &Images,
    prepared: &Prepared,
    tensors: &Tensors,
    wanted: &FramesWanted,
) -> Result<Findings, String> {
    let count = prepared.inputs.first().and_then(|input| input.shape.first());
    let count = count.map_or(0, |frames| *frames as usize);
    let mut each = Vec::with_capacity(count);
    for at in 0..count {
        each.push(interpret_one(model, images, prepared, &row(tensors, at, count)?)?);
    }
    match wanted.tell {
        Tell::Each => of_each(each),
        Tell::Mean | Tell::Max => together(&model.manifest, each, wanted.tell),
    }
}

/// The numbers of one frame, as a graph gives them for one image.
fn row(tensors: &Tensors, at: usize, count: usize) -> Result<Tensors, String> {
    let mut of_frame = Tensors::default();
    for name in tensors.0.keys() {
        let (_, numbers) = tensors.numbers(name)?;
        let length = numbers.len() / count.max(1);
        let numbers = numbers[at * length..(at + 1) * length].to_vec();
        let shape = vec![1, length as i64];
        let tensor = Tensor { shape, elements: Elements::Numbers(numbers) };
        of_frame.0.insert(name.clone(), tensor);
    }
    Ok(of_frame)
}

fn of_each(each: Vec<Findings>) -> Result<Findings, String> {
    let mut groups = Vec::new();
    let mut whole = None;
    for (at, mut findings) in each.into_iter().enumerate() {
        let number = at as u32 + 1;
        groups.extend(std::mem::take(&mut findings.groups).into_iter().map(|group| {
            let label = format!("{} (frame {number})", group.label);
            MeasurementGroup { label, frame: Some(number), ..group }
        }));
        whole.get_or_insert(findings);
    }
    let whole = whole.ok_or("there are no frames")?;
    Ok(Findings { groups, ..whole })
}

/// Of each number the mean or the highest one over all frames. What is no number in one frame is none of all.
fn together(manifest: &Manifest, each: Vec<Findings>, tell: Tell) -> Result<Findings, String> {
    let mut whole = each.first().cloned().ok_or("there are no frames")?;
    for (at, group) in whole.groups.iter_mut().enumerate() {
        for (place, measurement) in group.measurements.iter_mut().enumerate() {
            let found = each.iter().map(|findings| {
                findings.groups.get(at).and_then(|group| group.measurements.get(place))
            });
            let values = found.map(|found| found.map_or(Err(NoValue::NotANumber), |m| m.value));
            measurement.value =
                values.collect::<Result<Vec<f64>, NoValue>>().map(|values| combined(&values, tell));
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
