//! Slices in order along their normal, and the proof that they are one regular stack without gaps.

use crate::slice::{Slice, SliceName};
use gantry_terms::geometry::{Geometry, beside_its_place, cross, dot};

/// Slices nearer than this are at the same place, in mm.
const SAME_PLACE: f64 = 0.01;
/// Distances of neighbours may differ from the usual one by this share of it: positions are
/// often written with one decimal.
const UNEVEN: f64 = 0.1;
/// Directions and spacings of slices may differ by rounding only.
const DIRECTION_TOLERANCE: f64 = 1e-3;
const SPACING_TOLERANCE: f64 = 1e-3;
/// A slice may lie this far beside the axis of the stack, in pixels: then no voxel is in the
/// place of its neighbour.
const SHIFT_TOLERANCE: f64 = 0.5;

/// Why slices are not one regular stack. Names instance numbers, never a patient's attribute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StackError {
    #[error("there are no slices")]
    Empty,
    #[error("{0} and {1} have different numbers of rows or columns")]
    Size(SliceName, SliceName),
    #[error("{0} and {1} have different Pixel Spacing")]
    Spacing(SliceName, SliceName),
    #[error("{0} and {1} have different Frames of Reference")]
    FrameOfReference(SliceName, SliceName),
    #[error("mixed orientations: {0} and {1} are {2:.1} degrees apart")]
    Orientation(SliceName, SliceName, f64),
    #[error("two slices at the same place: {0} and {1}")]
    SamePlace(SliceName, SliceName),
    #[error(
        "a gap: {missing} {} missing between {before} and {after} \
         ({distance:.1} mm instead of {usual:.1} mm)",
        if *.missing == 1 { "slice is" } else { "slices are" }
    )]
    Gap { before: SliceName, after: SliceName, missing: u32, distance: f64, usual: f64 },
    #[error(
        "uneven spacing: {before} and {after} are {distance:.2} mm apart, the others {usual:.2} mm"
    )]
    Uneven { before: SliceName, after: SliceName, distance: f64, usual: f64 },
    #[error(
        "uneven spacing: {name} is {beside:.2} mm beside its place in a stack of even steps of {step:.3} mm"
    )]
    BesideItsPlace { name: SliceName, beside: f64, step: f64 },
    #[error(
        "the stack leans by {degrees:.1} degrees (gantry tilt): {name} is {shift:.1} mm beside \
         the place above the first slice"
    )]
    Tilted { name: SliceName, shift: f64, degrees: f64 },
    #[error("a single slice without Slice Thickness has no volume: {0}")]
    NoThickness(SliceName),
}

/// Puts the slices in the order of their position along the normal, and tells their geometry.
pub fn order(slices: &mut [Slice]) -> Result<Geometry, StackError> {
    let first = slices.first().ok_or(StackError::Empty)?;
    for other in &slices[1..] {
        check_alike(first, other)?;
    }
    let normal = cross(first.row_direction, first.column_direction);
    let along = |slice: &Slice| dot(slice.source.position, normal);
    slices.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let places: Vec<f64> = slices.iter().map(along).collect();
    let step = match places.as_slice() {
        [] | [_] => slices[0].thickness.ok_or(StackError::NoThickness(slices[0].name))?,
        places => even_step(places, slices)?,
    };
    check_upright(slices, normal)?;
    let first = &slices[0];
    Ok(Geometry {
        slices: slices.len(),
        rows: first.rows,
        columns: first.columns,
        origin: first.source.position,
        row_direction: first.row_direction,
        column_direction: first.column_direction,
        pixel_spacing: first.pixel_spacing,
        slice_step: step,
    })
}

fn check_alike(first: &Slice, other: &Slice) -> Result<(), StackError> {
    let (a, b) = (first.name, other.name);
    if (first.rows, first.columns) != (other.rows, other.columns) {
        return Err(StackError::Size(a, b));
    }
    if first.frame_of_reference != other.frame_of_reference {
        return Err(StackError::FrameOfReference(a, b));
    }
    let differ = |a: &[f64], b: &[f64], by: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > by);
    if differ(&first.row_direction, &other.row_direction, DIRECTION_TOLERANCE)
        || differ(&first.column_direction, &other.column_direction, DIRECTION_TOLERANCE)
    {
        return Err(StackError::Orientation(a, b, angle(first, other)));
    }
    if differ(&first.pixel_spacing, &other.pixel_spacing, SPACING_TOLERANCE) {
        return Err(StackError::Spacing(a, b));
    }
    Ok(())
}

/// The larger of the angles between rows and between columns, in degrees.
fn angle(first: &Slice, other: &Slice) -> f64 {
    let between = |a, b| dot(a, b).clamp(-1.0, 1.0).acos().to_degrees();
    between(first.row_direction, other.row_direction)
        .max(between(first.column_direction, other.column_direction))
}

/// The mean distance of neighbours, if all of them have about the usual one (their median), and no slice is far from
/// where it lies in a stack of such steps: small differences add up.
fn even_step(places: &[f64], slices: &[Slice]) -> Result<f64, StackError> {
    let distances: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let names = |at: usize| (slices[at].name, slices[at + 1].name);
    if let Some(at) = distances.iter().position(|distance| *distance < SAME_PLACE) {
        let (a, b) = names(at);
        return Err(StackError::SamePlace(a, b));
    }
    let mut sorted = distances.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[(sorted.len() - 1) / 2];
    for (at, distance) in distances.iter().copied().enumerate() {
        let (before, after) = names(at);
        let missing = (distance / usual).round() - 1.0;
        if (distance - usual).abs() <= UNEVEN * usual {
            continue;
        } else if missing >= 1.0 {
            let missing = missing as u32;
            return Err(StackError::Gap { before, after, missing, distance, usual });
        }
        return Err(StackError::Uneven { before, after, distance, usual });
    }
    let step = (places[places.len() - 1] - places[0]) / distances.len() as f64;
    match beside_its_place(places) {
        Some((at, beside)) => {
            Err(StackError::BesideItsPlace { name: slices[at].name, beside, step })
        }
        None => Ok(step),
    }
}

/// Each slice lies straight above the first: what is left of the way to it beside the normal is
/// below the tolerance.
fn check_upright(slices: &[Slice], normal: [f64; 3]) -> Result<(), StackError> {
    let first = &slices[0];
    let tolerance = SHIFT_TOLERANCE * first.pixel_spacing[0].min(first.pixel_spacing[1]);
    for slice in slices {
        let (from, to) = (first.source.position, slice.source.position);
        let way = [to[0] - from[0], to[1] - from[1], to[2] - from[2]];
        let shift = dot(way, first.row_direction).hypot(dot(way, first.column_direction));
        if shift > tolerance {
            let degrees = shift.atan2(dot(way, normal)).to_degrees();
            return Err(StackError::Tilted { name: slice.name, shift, degrees });
        }
    }
    Ok(())
}
