//! Where a finding is: its outline on each image that shows it (PS3.16 TID 1410, TID 1411).

use crate::codes::IMAGE_REGION;
use crate::data_set::{DataSet, referenced_frame};
use crate::header::Job;
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::structured_report::content;
use gantry_terms::region::{Place, Region};

/// One SCOORD for each image; at least one. Of a cine it is on `frame`, counted from 1.
pub fn outlines(
    job: &Job,
    measured: Measured,
    region: &Region,
    frame: Option<u32>,
) -> Result<Vec<DataSet>, ComposeError> {
    let found: Vec<DataSet> = match (&region.place, measured) {
        (Place::Film(rectangle), Measured::Film(film)) => {
            let image = referenced_frame(&film.sop_class, &film.sop_instance, frame);
            vec![content::outline(IMAGE_REGION, &rectangle.corners(), image)]
        }
        (Place::Patient(found), Measured::Volume(volume)) => {
            let outlines = found.outlines(&volume.geometry).into_iter();
            let on_slice = outlines.filter_map(|outline| {
                let slice = volume.slices.get(outline.slice)?;
                let image = referenced_frame(&slice.sop_class, &slice.sop_instance, slice.frame);
                Some(content::outline(IMAGE_REGION, &outline.corners, image))
            });
            on_slice.collect()
        }
        _ => Vec::new(),
    };
    if found.is_empty() {
        let algorithm = job.subject.algorithm();
        let text = format!("a finding of {algorithm} lies beside its images");
        return Err(ComposeError::Mismatch(text));
    }
    Ok(found)
}
