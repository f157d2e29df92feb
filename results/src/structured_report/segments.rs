//! The segment that a group is measured of, and the images that it was found in (PS3.16 TID 1411).

use crate::codes::{
    REFERENCED_SEGMENT, SOURCE_IMAGE_FOR_SEGMENTATION, SOURCE_SERIES_FOR_SEGMENTATION,
};
use crate::data_set::{DataSet, referenced};
use crate::structured_report::About;
use crate::structured_report::content::{self, Relation::Contains};
use dicom_dictionary_std::tags;
use gantry_terms::findings::MeasurementGroup;

/// Nothing where the group is of no mask, where no object has the masks, or where there is no figure, which the
/// template demands (TID 1419).
pub fn segment(about: &About, group: &MeasurementGroup) -> Vec<DataSet> {
    let masks = &about.job.subject.findings.masks;
    let number = masks.iter().position(|mask| Some(&mask.key) == group.segment.as_ref());
    let (Some(object), Some(number)) = (about.segmentation, number) else { return Vec::new() };
    if group.measurements.is_empty() {
        return Vec::new();
    }
    let mut reference = referenced(&object.sop_class, &object.sop_instance);
    reference.number(tags::REFERENCED_SEGMENT_NUMBER, number as u16 + 1);
    vec![content::image(Some(REFERENCED_SEGMENT.into()), reference), found_in(about)]
}

/// One image is named; of a stack the series, whose images stand in the library.
fn found_in(about: &About) -> DataSet {
    let source = about.job.subject.source;
    match source.instances.as_slice() {
        [only] => content::image(
            Some(SOURCE_IMAGE_FOR_SEGMENTATION.into()),
            referenced(&only.sop_class, &only.sop_instance),
        ),
        _ => content::uid(Contains, SOURCE_SERIES_FOR_SEGMENTATION, &source.series),
    }
}
