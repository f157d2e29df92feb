//! Which images show something that was found: those that a place, an abnormal segment or a positive answer is on.

use crate::measured::Measured;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, Mask, MeasurementGroup, Presence, is_abnormal};
use gantry_terms::region::Place;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;

/// An image, or frames of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<'a> {
    pub sop_class: &'a Uid,
    pub sop_instance: &'a Uid,
    /// Counted from 1, in ascending order; none: the whole image.
    pub frames: Vec<u32>,
}

/// In the order of the source, each once, and what is to be seen there.
#[derive(Debug, Default, PartialEq)]
pub struct Flagged<'a> {
    pub images: Vec<Image<'a>>,
    pub labels: Vec<&'a str>,
}

impl<'a> Flagged<'a> {
    pub fn of(findings: &'a Findings, measured: Measured<'a>) -> Self {
        match measured {
            Measured::Film(film) => of_film(findings, film),
            Measured::Volume(volume) => of_volume(findings, volume),
        }
    }

    fn label(&mut self, label: &'a str) {
        if !self.labels.contains(&label) {
            self.labels.push(label);
        }
    }
}

/// Whether a group is of something that is there: a figure alone says nothing of that.
fn is_found(group: &&MeasurementGroup) -> bool {
    group.region.is_some() || group.presence == Some(Presence::Present)
}

fn of_film<'a>(findings: &'a Findings, film: &'a Film) -> Flagged<'a> {
    let mut flagged = Flagged::default();
    let found: Vec<&MeasurementGroup> = findings.groups.iter().filter(is_found).collect();
    found.iter().for_each(|group| flagged.label(&group.label));
    // Of each thing that was found its frames; none where it is of the whole image.
    let mut each: Vec<Vec<u32>> =
        found.iter().map(|group| frames_of(group, findings, film)).collect();
    for mask in findings.masks.iter().filter(|mask| is_abnormal(&mask.category)) {
        let on = slices_below(mask, Measured::Film(film));
        if !on.is_empty() {
            flagged.label(&mask.label);
            each.push(numbers(on, film));
        }
    }
    if each.is_empty() {
        return flagged;
    }
    let mut frames: Vec<u32> = match each.iter().any(Vec::is_empty) {
        true => Vec::new(),
        false => each.concat(),
    };
    frames.sort_unstable();
    frames.dedup();
    let Film { sop_class, sop_instance, .. } = film;
    flagged.images.push(Image { sop_class, sop_instance, frames });
    flagged
}

/// That which the group is of, or those of the segment that it is of; none: the whole image.
fn frames_of(group: &MeasurementGroup, findings: &Findings, film: &Film) -> Vec<u32> {
    let mut masks = findings.masks.iter();
    match (group.frame, masks.find(|mask| Some(&mask.key) == group.segment.as_ref())) {
        (Some(frame), _) => vec![frame],
        (None, Some(mask)) => numbers(slices_below(mask, Measured::Film(film)), film),
        (None, None) => Vec::new(),
    }
}

/// Of frames counted from 0; a single one needs no number.
fn numbers(frames: Vec<usize>, film: &Film) -> Vec<u32> {
    frames.into_iter().filter(|_| film.frames > 1).map(|at| at as u32 + 1).collect()
}

fn of_volume<'a>(findings: &'a Findings, volume: &'a Volume) -> Flagged<'a> {
    let mut flagged = Flagged::default();
    let mut on = vec![false; volume.slices.len()];
    let mut mark = |slices: Vec<usize>| {
        let any = !slices.is_empty();
        slices.into_iter().for_each(|slice| on[slice] = true);
        any
    };
    for group in findings.groups.iter().filter(is_found) {
        if mark(slices_of(group, findings, volume)) {
            flagged.label(&group.label);
        }
    }
    for mask in findings.masks.iter().filter(|mask| is_abnormal(&mask.category)) {
        if mark(slices_below(mask, volume.into())) {
            flagged.label(&mask.label);
        }
    }
    flagged.images = images(volume, &on);
    flagged
}

/// Each once, with the frames of it that are meant.
fn images<'a>(volume: &'a Volume, on: &[bool]) -> Vec<Image<'a>> {
    let mut images: Vec<Image> = Vec::new();
    for (slice, _) in volume.slices.iter().zip(on).filter(|(_, on)| **on) {
        let known = images.iter_mut();
        match known.into_iter().find(|image| *image.sop_instance == slice.sop_instance) {
            Some(image) => image.frames.extend(slice.frame),
            None => images.push(Image {
                sop_class: &slice.sop_class,
                sop_instance: &slice.sop_instance,
                frames: slice.frame.into_iter().collect(),
            }),
        }
    }
    images.iter_mut().for_each(|image| image.frames.sort_unstable());
    images
}

/// The images that one group was found on: the film or its frames, or the slices where it is.
pub fn images_of<'a>(
    group: &MeasurementGroup,
    findings: &Findings,
    measured: Measured<'a>,
) -> Vec<Image<'a>> {
    match measured {
        Measured::Film(film) => {
            let Film { sop_class, sop_instance, .. } = film;
            vec![Image { sop_class, sop_instance, frames: frames_of(group, findings, film) }]
        }
        Measured::Volume(volume) => {
            let mut on = vec![false; volume.slices.len()];
            if is_found(&group) {
                slices_of(group, findings, volume).into_iter().for_each(|slice| on[slice] = true);
            }
            images(volume, &on)
        }
    }
}

/// Of an answer on the whole all slices, or those of the segment that it is of.
fn slices_of(group: &MeasurementGroup, findings: &Findings, volume: &Volume) -> Vec<usize> {
    if let Some(region) = &group.region {
        return match &region.place {
            Place::Patient(found) => {
                let outlines = found.outlines(&volume.geometry).into_iter();
                outlines.map(|outline| outline.slice).collect()
            }
            Place::Film(_) => Vec::new(),
        };
    }
    match findings.masks.iter().find(|mask| Some(&mask.key) == group.segment.as_ref()) {
        Some(mask) => slices_below(mask, volume.into()),
        None => (0..volume.slices.len()).collect(),
    }
}

fn slices_below(mask: &Mask, measured: Measured) -> Vec<usize> {
    let size: usize = measured.size().iter().product();
    let slices = mask.voxels.chunks(size.max(1)).enumerate();
    slices.filter(|(_, slice)| slice.iter().any(|voxel| *voxel != 0)).map(|(at, _)| at).collect()
}
