//! Where a finding is: its outline on each image that shows it, or in each of their planes in the patient (PS3.16 TID 1410, TID 1411).

use crate::codes::{
    BOUNDED_BY, GEOMETRIC_PURPOSE, IMAGE_REGION, SOURCE_IMAGE_FOR_SEGMENTATION, VOLUME_SURFACE,
};
use crate::data_set::{DataSet, referenced_frame};
use crate::measured::{Image, Measured};
use crate::object::ComposeError;
use crate::structured_report::About;
use crate::structured_report::content::{self, Relation::Contains};
use crate::structured_report::segments::Referring;
use gantry_terms::findings::MeasurementGroup;
use gantry_terms::region::{Outline, Place, Region, Regions};
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;

/// Nothing where the group has no place. Of a cine it is on the frame of the group. In the patient only what lies in a volume with a
/// frame of reference is told, all else on its images.
pub fn regions(about: &About, group: &MeasurementGroup) -> Result<Option<Referring>, ComposeError> {
    let (Some(region), Some(measured)) = (&group.region, about.measured) else { return Ok(None) };
    let found = outlines(measured, region, group.frame);
    if found.is_empty() {
        let algorithm = about.job.subject.algorithm();
        let text = format!("a finding of {algorithm} lies beside its images");
        return Err(ComposeError::Mismatch(text));
    }
    let mut rows = vec![content::code(Contains, GEOMETRIC_PURPOSE, &BOUNDED_BY.into())];
    let template = if found.len() == 1 { "1410" } else { "1411" };
    let in_patient = match (about.regions, measured) {
        (Regions::Patient, Measured::Volume(volume)) => volume
            .frame_of_reference
            .as_ref()
            .map(|frame_of_reference| (volume, frame_of_reference)),
        _ => None,
    };
    match in_patient {
        Some((volume, frame_of_reference)) => {
            rows.extend(
                found
                    .iter()
                    .filter_map(|one| polygon(volume, frame_of_reference, one, found.len())),
            );
            let source = |image| content::image(Some(SOURCE_IMAGE_FOR_SEGMENTATION.into()), image);
            rows.extend(found.iter().filter_map(|one| shown_on(measured, one)).map(source));
        }
        None => {
            let outline = |one: &Outline| {
                Some(content::outline(IMAGE_REGION, &one.corners, shown_on(measured, one)?))
            };
            rows.extend(found.iter().filter_map(outline));
        }
    }
    Ok(Some(Referring { template, rows }))
}

fn outlines(measured: Measured, region: &Region, frame: Option<u32>) -> Vec<Outline> {
    match (&region.place, measured) {
        (Place::Film(rectangle), Measured::Film(_)) => {
            let slice = frame.map_or(0, |frame| frame.saturating_sub(1) as usize);
            vec![Outline { slice, corners: rectangle.corners() }]
        }
        (Place::Patient(found), Measured::Volume(volume)) => found.outlines(&volume.geometry),
        _ => Vec::new(),
    }
}

fn shown_on(measured: Measured, outline: &Outline) -> Option<DataSet> {
    let Image { sop_class, sop_instance, frame } = measured.image(outline.slice)?;
    Some(referenced_frame(sop_class, sop_instance, frame))
}

/// Of one plane it is a region, of several they bound it together.
fn polygon(
    volume: &Volume,
    frame_of_reference: &Uid,
    outline: &Outline,
    planes: usize,
) -> Option<DataSet> {
    let corners = outline.corners.iter().map(|corner| volume.in_patient(outline.slice, *corner));
    let corners: Vec<[f64; 3]> = corners.collect::<Option<_>>()?;
    let name = if planes == 1 { IMAGE_REGION } else { VOLUME_SURFACE };
    Some(content::polygon(name, &corners, frame_of_reference))
}
