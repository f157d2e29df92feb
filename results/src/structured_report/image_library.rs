//! The images that were measured (PS3.16 TID 1600): what they share told once, and where each of them lies.

use crate::codes::*;
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::header::Job;
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::structured_report::content::{self, Relation::*};
use dicom_dictionary_std::tags;
use gantry_terms::film::Film;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};
use std::collections::BTreeMap;

/// One group with one IMAGE for each instance (TID 1601), or for each frame that has a place, and one for each further series. A library of a thousand slices stays
/// small because only the position is told for each. Of images that nobody read nothing is told but which they are.
pub fn image_library(job: &Job, measured: Option<Measured>) -> Result<DataSet, ComposeError> {
    let mut rows = descriptors(job)?;
    let mut slices: BTreeMap<&Uid, Vec<&SliceSource>> = BTreeMap::new();
    match measured {
        None => {}
        Some(Measured::Film(film)) => rows.extend(of_film(film)?),
        Some(Measured::Volume(volume)) => {
            rows.extend(of_volume(job, volume)?);
            for slice in &volume.slices {
                slices.entry(&slice.sop_instance).or_default().push(slice);
            }
        }
    }
    for instance in &job.subject.source.instances {
        let (class, uid) = (&instance.sop_class, &instance.sop_instance);
        let Some(slices) = slices.get(uid) else {
            rows.push(content::image(None, referenced(class, uid)));
            continue;
        };
        for slice in slices {
            let image = content::image(None, referenced_frame(class, uid, slice.frame));
            rows.push(content::with_children(image, position(slice)?));
        }
    }
    let mut groups = vec![content::container(Contains, IMAGE_LIBRARY_GROUP, rows)];
    for other in &job.subject.source.others {
        let images = other.instances.iter().map(|instance| {
            content::image(None, referenced(&instance.sop_class, &instance.sop_instance))
        });
        let modality = modality(&other.modality);
        let mut rows = vec![content::code(HasAcquisitionContext, MODALITY, &modality.into())];
        rows.extend(images);
        groups.push(content::container(Contains, IMAGE_LIBRARY_GROUP, rows));
    }
    Ok(content::container(Contains, IMAGE_LIBRARY, groups))
}

/// TID 1602, as far as it holds for images of every kind.
fn descriptors(job: &Job) -> Result<Vec<DataSet>, ComposeError> {
    let modality = modality(&job.subject.source.modality());
    let mut rows = vec![content::code(HasAcquisitionContext, MODALITY, &modality.into())];
    let body_part = job.subject.source.text(tags::BODY_PART_EXAMINED);
    rows.extend(
        body_part
            .and_then(|part| region(&part))
            .map(|region| content::code(HasAcquisitionContext, TARGET_REGION, &region.into())),
    );
    Ok(rows)
}

/// TID 1602 and TID 1603.
fn of_film(film: &Film) -> Result<Vec<DataSet>, ComposeError> {
    in_plane(film.rows, film.columns, film.pixel_spacing)
}

fn in_plane(
    rows: usize,
    columns: usize,
    spacing: Option<[f64; 2]>,
) -> Result<Vec<DataSet>, ComposeError> {
    let mut told = vec![
        number(PIXEL_DATA_ROWS, rows as f64, PIXELS)?,
        number(PIXEL_DATA_COLUMNS, columns as f64, PIXELS)?,
    ];
    if let Some([between_rows, between_columns]) = spacing {
        told.push(number(HORIZONTAL_PIXEL_SPACING, between_columns, MILLIMETER)?);
        told.push(number(VERTICAL_PIXEL_SPACING, between_rows, MILLIMETER)?);
    }
    Ok(told)
}

/// TID 1602 and TID 1604, as far as they hold for the whole group.
fn of_volume(job: &Job, volume: &Volume) -> Result<Vec<DataSet>, ComposeError> {
    let geometry = &volume.geometry;
    let frame_of_reference = volume.frame_of_reference.as_ref();
    let frame_of_reference = frame_of_reference
        .map(|uid| content::uid(HasAcquisitionContext, FRAME_OF_REFERENCE_UID, uid));
    let mut rows: Vec<DataSet> = frame_of_reference.into_iter().collect();
    rows.extend(in_plane(geometry.rows, geometry.columns, Some(geometry.pixel_spacing))?);
    if geometry.slices > 1 {
        rows.push(number(SPACING_BETWEEN_SLICES, geometry.slice_step, MILLIMETER)?);
    }
    if let Some(thickness) = job.subject.slice_thickness() {
        rows.push(number(SLICE_THICKNESS, thickness, MILLIMETER)?);
    }
    let cosines = geometry.row_direction.iter().chain(&geometry.column_direction);
    for (name, cosine) in IMAGE_ORIENTATION.into_iter().zip(cosines) {
        rows.push(number(name, *cosine, DIRECTION_COSINE)?);
    }
    Ok(rows)
}

fn position(slice: &SliceSource) -> Result<Vec<DataSet>, ComposeError> {
    let axes = IMAGE_POSITION.into_iter().zip(slice.position);
    axes.map(|(name, coordinate)| number(name, coordinate, MILLIMETER)).collect()
}

fn number(name: Concept, value: f64, unit: Concept) -> Result<DataSet, ComposeError> {
    content::number(HasAcquisitionContext, name, Ok(value), &unit.into())
}
