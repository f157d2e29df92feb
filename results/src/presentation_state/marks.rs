//! What is drawn over the images: the borders of masks and boxes, a layer for each thing that was found.

use crate::header::Job;
use crate::measured::Measured;
use crate::presentation_state::contours::{Point, contours};
use crate::segmentation::segments;
use gantry_terms::findings::{Mask, MeasurementGroup};
use gantry_terms::region::{Place, Region};
use gantry_terms::uid::Uid;

/// Of one mask on one image: a mask of noise has thousands of parts, which no viewer draws in time.
const MOST_LINES: usize = 64;

/// One thing that was found, on all images that show it.
pub struct Layer {
    pub label: String,
    pub colour: [u8; 3],
    pub tracking: (String, Uid),
    pub marks: Vec<Mark>,
}

/// Its closed lines on one image.
pub struct Mark {
    /// Of the volume, or the frame of a film; 0 of one with a single frame.
    pub slice: usize,
    pub lines: Vec<Vec<Point>>,
    /// What stands beside them.
    pub text: String,
}

/// Masks in drawing order, then boxes; what is on no image is left out.
pub fn layers(job: &Job, measured: Measured) -> Vec<Layer> {
    let findings = job.subject.findings;
    let mut layers: Vec<Layer> =
        findings.masks.iter().map(|mask| of_mask(job, mask, measured)).collect();
    for (index, group) in findings.groups.iter().enumerate() {
        let Some(region) = &group.region else { continue };
        let tracking = job.tracking(index, group);
        let label = text(group, &tracking.0);
        let marks = of_region(region, measured, group.frame, &label);
        layers.push(Layer { label: tracking.0.clone(), colour: region.colour, tracking, marks });
    }
    layers.retain(|layer| !layer.marks.is_empty());
    layers
}

fn of_mask(job: &Job, mask: &Mask, measured: Measured) -> Layer {
    let label = &mask.label;
    let [rows, columns] = measured.size();
    let slices = mask.voxels.chunks((rows * columns).max(1)).enumerate();
    let drawn = slices.filter(|(_, voxels)| voxels.iter().any(|voxel| *voxel != 0));
    let marks = drawn.map(|(slice, voxels)| {
        let mut lines = contours(voxels, columns);
        let text = match lines.len() {
            0..=MOST_LINES => label.clone(),
            all => format!("{label} (the longest {MOST_LINES} of {all} lines)"),
        };
        lines.truncate(MOST_LINES);
        Mark { slice, lines, text }
    });
    Layer {
        label: label.clone(),
        colour: mask.colour,
        tracking: segments::tracking(job, mask),
        marks: marks.collect(),
    }
}

/// The name, and the first figure that there is.
fn text(group: &MeasurementGroup, label: &str) -> String {
    let figure = group.measurements.iter().find_map(|m| Some((m.value.ok()?, &m.unit.value)));
    match figure {
        Some((value, unit)) if unit == "1" => format!("{label}: {value:.2}"),
        Some((value, unit)) => format!("{label}: {value:.1} {unit}"),
        None => label.to_owned(),
    }
}

/// Of a cine it is on `frame`, counted from 1.
fn of_region(region: &Region, measured: Measured, frame: Option<u32>, text: &str) -> Vec<Mark> {
    let mark = |slice, corners| Mark { slice, lines: vec![corners], text: text.to_owned() };
    match (&region.place, measured) {
        (Place::Film(rectangle), Measured::Film(_)) => {
            let slice = frame.map_or(0, |frame| frame.saturating_sub(1) as usize);
            vec![mark(slice, rectangle.corners())]
        }
        (Place::Patient(found), Measured::Volume(volume)) => {
            let outlines = found.outlines(&volume.geometry).into_iter();
            outlines.map(|outline| mark(outline.slice, outline.corners)).collect()
        }
        _ => Vec::new(),
    }
}
