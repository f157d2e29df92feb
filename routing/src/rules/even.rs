//! How the selected images lie in space (PS3.3 C.7.6.2): one stack, evenly spaced, or why not.

use super::attributes::Attributes;
use gantry_terms::geometry::{beside_its_place, cross, dot};
use gantry_terms::header::{Attribute, Header, Layered, Tag, Value};
use std::cell::OnceCell;

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
pub(super) struct Stack {
    places: Vec<f64>,
    even: OnceCell<Result<Option<f64>, String>>,
}

/// The places of many slices of the very same orientation, from the lowest to the highest.
#[derive(Debug)]
pub(super) struct Order(Vec<(f64, usize)>);

impl<'a> Slice<'a> {
    pub(super) fn all(attributes: &Attributes<'a>) -> Vec<Result<Self, &'static str>> {
        // Where images share a base, its orientation is read once.
        let mut known: Option<(&Attribute, Option<[f64; 6]>)> = None;
        let orientations = attributes.each(IMAGE_ORIENTATION_PATIENT).map(|attribute| {
            let attribute = attribute?;
            let orientation = match known {
                Some((other, read)) if std::ptr::eq(attribute, other) => read,
                _ => finite(attribute),
            };
            known = Some((attribute, orientation));
            orientation
        });
        let frames = attributes.each(FRAME_OF_REFERENCE_UID);
        let slices = orientations.zip(attributes.each(IMAGE_POSITION_PATIENT)).zip(frames);
        let slices = slices.map(|((orientation, position), frame)| {
            Ok(Self {
                orientation: orientation
                    .ok_or("an image has no ImageOrientationPatient of six numbers")?,
                position: position
                    .and_then(finite)
                    .ok_or("an image has no ImagePositionPatient of three numbers")?,
                frame_of_reference: frame
                    .and_then(Attribute::text)
                    .ok_or("an image has no FrameOfReferenceUID")?,
            })
        });
        slices.collect()
    }
}

impl Order {
    /// None where slices differ, or one of them does not say how it lies: then each set of them has
    /// to be looked at by itself.
    pub(super) fn of(slices: &[Result<Slice, &'static str>]) -> Option<Self> {
        let first = slices.first()?.as_ref().ok()?;
        let normal = normal(first.orientation).ok()?;
        let place = |(at, slice): (usize, &Result<Slice, &'static str>)| {
            let slice = slice.as_ref().ok()?;
            let alike = slice.orientation == first.orientation
                && slice.frame_of_reference == first.frame_of_reference;
            alike.then(|| (dot(slice.position, normal), at))
        };
        let mut places: Vec<_> = slices.iter().enumerate().map(place).collect::<Option<_>>()?;
        places.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Some(Self(places))
    }

    pub(super) fn stack(&self, takes: impl Fn(usize) -> bool) -> Stack {
        let taken = self.0.iter().filter(|(_, at)| takes(*at));
        Stack::at(taken.map(|(place, _)| *place).collect())
    }
}

impl Stack {
    /// In ascending order.
    fn at(places: Vec<f64>) -> Self {
        Self { places, even: OnceCell::new() }
    }

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
        Ok(Stack::at(places))
    }

    /// The usual step, if all steps are like it. A single image has no step.
    pub(super) fn even(&self) -> Result<Option<f64>, String> {
        self.even.get_or_init(|| self.evenly()).clone()
    }

    fn evenly(&self) -> Result<Option<f64>, String> {
        let Some(usual) = self.usual() else { return Ok(None) };
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
        // What models take as one stack: small differences add up.
        if let Some((at, beside)) = beside_its_place(&self.places) {
            let (place, beside) = (millimetres(self.places[at]), millimetres(beside));
            return Err(format!(
                "the image at {place} mm is {beside} mm beside its place in a stack of even steps"
            ));
        }
        Ok(Some(usual))
    }

    /// The median of the steps.
    fn usual(&self) -> Option<f64> {
        let mut steps: Vec<f64> = self.steps().map(|(step, _, _)| step).collect();
        let middle = steps.len() / 2;
        (!steps.is_empty()).then(|| *steps.select_nth_unstable_by(middle, f64::total_cmp).1)
    }

    /// The shortest and the longest step.
    pub(super) fn extremes(&self) -> Option<(f64, f64)> {
        let steps = || self.steps().map(|(step, _, _)| step);
        steps().min_by(f64::total_cmp).zip(steps().max_by(f64::total_cmp))
    }

    /// From each image to the next: the step and both places.
    fn steps(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.places.windows(2).map(|pair| (pair[1] - pair[0], pair[0], pair[1]))
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

/// A direction that lies within 10 degrees of one of the body's is that one: the cosine of 10 degrees.
const CARDINAL: f64 = 0.984_807_753;
const SHARED_FUNCTIONAL_GROUPS: Tag = 0x5200_9229;
const PER_FRAME_FUNCTIONAL_GROUPS: Tag = 0x5200_9230;
const PLANE_POSITION: Tag = 0x0020_9113;
const PLANE_ORIENTATION: Tag = 0x0020_9116;
const NUMBER_OF_FRAMES: Tag = 0x0028_0008;
/// A step that is so many times as long as the usual one has a hole in it.
const GAP: f64 = 1.5;

impl Stack {
    /// The frames of one enhanced multi-frame image (PS3.3 C.7.6.16); none for an image that is one
    /// frame and says itself where it lies.
    pub(super) fn of_frames(header: Layered) -> Option<Result<Stack, String>> {
        let groups = items(header, PER_FRAME_FUNCTIONAL_GROUPS);
        let frames = frames(header);
        if frames == 1 && groups.is_empty() {
            return None;
        }
        Some(Self::of_groups(header, &groups, frames))
    }

    fn of_groups(header: Layered, groups: &[&Header], frames: u32) -> Result<Stack, String> {
        if u32::try_from(groups.len()) != Ok(frames) {
            let known = groups.len();
            return Err(format!("the index says of {known} of {frames} frames where they lie"));
        }
        header.text(FRAME_OF_REFERENCE_UID).ok_or("an image has no FrameOfReferenceUID")?;
        let shared = items(header, SHARED_FUNCTIONAL_GROUPS).first().copied();
        let mut places = Vec::with_capacity(groups.len());
        let mut first: Option<([f64; 6], [f64; 3])> = None;
        for group in groups {
            let own_or_shared = [Some(*group), shared];
            let mut groups = own_or_shared.iter().flatten();
            let orientation: [f64; 6] = groups
                .find_map(|group| inside(group, PLANE_ORIENTATION, IMAGE_ORIENTATION_PATIENT))
                .ok_or("a frame has no ImageOrientationPatient of six numbers")?;
            let mut groups = own_or_shared.iter().flatten();
            let position: [f64; 3] = groups
                .find_map(|group| inside(group, PLANE_POSITION, IMAGE_POSITION_PATIENT))
                .ok_or("a frame has no ImagePositionPatient of three numbers")?;
            let (expected, normal) = match first {
                Some(first) => first,
                None => (orientation, normal(orientation)?),
            };
            first = Some((expected, normal));
            if orientation.iter().zip(expected).any(|(a, b)| (a - b).abs() > TURN) {
                return Err("the frames have more than one ImageOrientationPatient".into());
            }
            places.push(dot(position, normal));
        }
        places.sort_by(f64::total_cmp);
        Ok(Stack::at(places))
    }

    /// How many steps are much longer than the usual one.
    pub(super) fn gaps(&self) -> usize {
        let Some(usual) = self.usual() else { return 0 };
        let longest = f64::max(usual * GAP, usual + TOLERANCE);
        self.steps().filter(|(step, _, _)| *step > longest).count()
    }
}

/// NumberOfFrames, which an image of one frame need not have.
pub(super) fn frames(header: Layered) -> u32 {
    let frames = header.number(NUMBER_OF_FRAMES).filter(|n| *n >= 1.0);
    frames.map_or(1, |frames| frames as u32) // above its range `as` gives the highest
}

/// The plane of an image (PS3.3 C.7.6.2.1.1): `axial`, `coronal`, `sagittal` or `oblique`. None when
/// the image does not say, or its frames say several.
pub(super) fn plane(header: Layered) -> Option<&'static str> {
    if let Some(orientation) = numbers_of(header, IMAGE_ORIENTATION_PATIENT) {
        return plane_of(orientation);
    }
    let shared = items(header, SHARED_FUNCTIONAL_GROUPS);
    let of = |group: &&Header| inside(group, PLANE_ORIENTATION, IMAGE_ORIENTATION_PATIENT);
    if let Some(orientation) = shared.first().and_then(of) {
        return plane_of(orientation);
    }
    let frames = items(header, PER_FRAME_FUNCTIONAL_GROUPS);
    // A long list is kept in part: then nobody knows how the others lie.
    let all_are_known = frames.len() as f64 == header.number(NUMBER_OF_FRAMES).unwrap_or(1.0);
    let mut planes =
        frames.iter().filter(|_| all_are_known).map(|frame| of(frame).and_then(plane_of));
    let first = planes.next()??;
    planes.all(|plane| plane == Some(first)).then_some(first)
}

fn plane_of(orientation: [f64; 6]) -> Option<&'static str> {
    let [x, y, z] = normal(orientation).ok()?.map(f64::abs);
    Some(match () {
        () if x >= CARDINAL => "sagittal",
        () if y >= CARDINAL => "coronal",
        () if z >= CARDINAL => "axial",
        () => "oblique",
    })
}

fn items<'a>(header: Layered<'a>, sequence: Tag) -> Vec<&'a Header> {
    let values = header.attribute(sequence).map_or(&[][..], |attribute| &attribute.values);
    let item = |value: &'a Value| match value {
        Value::Item(item) => Some(item),
        _ => None,
    };
    values.iter().filter_map(item).collect()
}

/// An attribute in the first item of a sequence of a functional group.
fn inside<const N: usize>(group: &Header, sequence: Tag, tag: Tag) -> Option<[f64; N]> {
    numbers_of(Layered::whole(items(Layered::whole(group), sequence).first()?), tag)
}

fn numbers_of<const N: usize>(header: Layered, tag: Tag) -> Option<[f64; N]> {
    finite(header.attribute(tag)?)
}

fn finite<const N: usize>(attribute: &Attribute) -> Option<[f64; N]> {
    attribute.numbers_of().filter(|numbers| numbers.iter().all(|number| number.is_finite()))
}
