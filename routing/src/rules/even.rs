//! How the selected images lie in space (PS3.3 C.7.6.2): one stack, evenly spaced, or why not.

use super::judge::ImageFacts;
use gantry_terms::geometry::{cross, dot};
use gantry_terms::header::Tag;

const IMAGE_POSITION_PATIENT: Tag = 0x0020_0032;
const IMAGE_ORIENTATION_PATIENT: Tag = 0x0020_0037;
const FRAME_OF_REFERENCE_UID: Tag = 0x0020_0052;
/// Positions are decimal strings that scanners round: at least this many mm are no difference.
const TOLERANCE: f64 = 0.01;
/// The share of the step by which a step may differ.
const TOLERANCE_SHARE: f64 = 0.01;
/// The difference of direction cosines that is rounding and not another orientation.
const TURN: f64 = 1e-4;

/// Where one image lies.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    orientation: [f64; 6],
    position: [f64; 3],
    frame_of_reference: &'a str,
}

/// Images of one orientation and one frame of reference, by their place in mm along the normal.
#[derive(Debug)]
pub(super) struct Stack(Vec<f64>);

impl<'a> Slice<'a> {
    pub(super) fn of(image: &ImageFacts<'a>) -> Result<Self, &'static str> {
        Ok(Self {
            orientation: numbers(image, IMAGE_ORIENTATION_PATIENT)
                .ok_or("an image has no ImageOrientationPatient of six numbers")?,
            position: numbers(image, IMAGE_POSITION_PATIENT)
                .ok_or("an image has no ImagePositionPatient of three numbers")?,
            frame_of_reference: image
                .header
                .text(FRAME_OF_REFERENCE_UID)
                .ok_or("an image has no FrameOfReferenceUID")?,
        })
    }
}

impl Stack {
    /// Needs at least one image. The error is a sentence without anything of the patient.
    pub(super) fn of<'s, 'a: 's>(
        slices: impl Iterator<Item = &'s Result<Slice<'a>, &'static str>>,
    ) -> Result<Stack, String> {
        let mut places = Vec::new();
        let mut first: Option<(&Slice, [f64; 3])> = None;
        for slice in slices {
            let slice = slice.as_ref().map_err(|why| why.to_string())?;
            let (expected, normal) = match first {
                Some(first) => first,
                None => (slice, normal(slice.orientation)?),
            };
            first = Some((expected, normal));
            if slice.frame_of_reference != expected.frame_of_reference {
                return Err("the images have more than one FrameOfReferenceUID".into());
            }
            let turns = slice.orientation.iter().zip(expected.orientation);
            if turns.into_iter().any(|(a, b)| (a - b).abs() > TURN) {
                return Err("the images have more than one ImageOrientationPatient".into());
            }
            places.push(dot(slice.position, normal));
        }
        places.sort_by(f64::total_cmp);
        Ok(Stack(places))
    }

    /// The usual step, if all steps are like it. A single image has no step.
    pub(super) fn even(&self) -> Result<Option<f64>, String> {
        let mut sorted: Vec<f64> = self.steps().map(|(step, _, _)| step).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(usual) = sorted.get(sorted.len() / 2).copied() else { return Ok(None) };
        let tolerance = f64::max(TOLERANCE, usual * TOLERANCE_SHARE) + 1e-9;
        for (step, from, to) in self.steps() {
            if step < TOLERANCE {
                return Err(format!("two images lie at {} mm", millimetres(from)));
            }
            if (step - usual).abs() > tolerance {
                let (from, to) = (millimetres(from), millimetres(to));
                let (step, usual) = (millimetres(step), millimetres(usual));
                return Err(format!(
                    "a step of {step} mm, from {from} to {to}, where {usual} mm is usual"
                ));
            }
        }
        Ok(Some(usual))
    }

    /// The shortest and the longest step.
    pub(super) fn extremes(&self) -> Option<(f64, f64)> {
        let steps = || self.steps().map(|(step, _, _)| step);
        steps().min_by(f64::total_cmp).zip(steps().max_by(f64::total_cmp))
    }

    /// From each image to the next: the step and both places.
    fn steps(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.0.windows(2).map(|pair| (pair[1] - pair[0], pair[0], pair[1]))
    }
}

/// Whether a step lies in a range, as far as rounded positions can tell.
pub(super) fn lies_within(step: f64, min: f64, max: f64) -> bool {
    min - TOLERANCE <= step && step <= max + TOLERANCE
}

/// As people write it: at most three decimals.
pub(super) fn millimetres(value: f64) -> f64 {
    // Adding 0 makes a 0 of -0.
    (value * 1000.0).round() / 1000.0 + 0.0
}

fn normal(orientation: [f64; 6]) -> Result<[f64; 3], String> {
    let [a, b, c, d, e, f] = orientation;
    let (row, column) = ([a, b, c], [d, e, f]);
    let is_unit = |v: [f64; 3]| (dot(v, v) - 1.0).abs() < 1e-3;
    if !is_unit(row) || !is_unit(column) || dot(row, column).abs() > 1e-3 {
        return Err("ImageOrientationPatient is not two unit vectors at a right angle".into());
    }
    Ok(cross(row, column))
}

fn numbers<const N: usize>(image: &ImageFacts, tag: Tag) -> Option<[f64; N]> {
    let numbers: [f64; N] = image.header.numbers(tag)?.try_into().ok()?;
    numbers.iter().all(|number| number.is_finite()).then_some(numbers)
}
