//! The segment that a group is measured of, or a frame of it, and the images that it was found in (PS3.16 TID 1411, TID 1410).

use crate::codes::{
    REFERENCED_SEGMENT, REFERENCED_SEGMENTATION_FRAME, SOURCE_IMAGE_FOR_SEGMENTATION,
    SOURCE_SERIES_FOR_SEGMENTATION,
};
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::frames::Frame;
use crate::source::Source;
use crate::structured_report::About;
use crate::structured_report::content::{self, Relation::Contains};
use dicom_dictionary_std::tags;
use gantry_terms::findings::MeasurementGroup;

/// Nothing where the group is of no mask, where no object has the masks, or none of them on the frame that the group is of, or
/// where there is no figure, which the template demands (TID 1419).
pub fn segment(about: &About, group: &MeasurementGroup) -> Vec<DataSet> {
    let masks = &about.job.subject.findings.masks;
    let number = masks.iter().position(|mask| Some(&mask.key) == group.segment.as_ref());
    let (Some(object), Some(number)) = (about.segmentation, number) else { return Vec::new() };
    if group.measurements.is_empty() {
        return Vec::new();
    }
    let mut reference = referenced(&object.sop_class, &object.sop_instance);
    let source = about.job.subject.source;
    let (Some(frame), [only]) = (group.frame, source.instances.as_slice()) else {
        reference.number(tags::REFERENCED_SEGMENT_NUMBER, number as u16 + 1);
        return vec![content::image(Some(REFERENCED_SEGMENT.into()), reference), found_in(source)];
    };
    let is_it = |of: &Frame| of.segment == Some(number) && of.slice + 1 == frame as usize;
    let Some(at) = about.frames.iter().position(is_it) else { return Vec::new() };
    // The frame says which segment it is of: one of the two numbers is allowed (PS3.3 Table 10-3).
    reference.values(tags::REFERENCED_FRAME_NUMBER, vec![(at + 1).to_string()]);
    let image = referenced_frame(&only.sop_class, &only.sop_instance, Some(frame));
    vec![
        content::image(Some(REFERENCED_SEGMENTATION_FRAME.into()), reference),
        content::image(Some(SOURCE_IMAGE_FOR_SEGMENTATION.into()), image),
    ]
}

/// One image is named; of a stack the series, whose images stand in the library.
fn found_in(source: &Source) -> DataSet {
    match source.instances.as_slice() {
        [only] => content::image(
            Some(SOURCE_IMAGE_FOR_SEGMENTATION.into()),
            referenced(&only.sop_class, &only.sop_instance),
        ),
        _ => content::uid(Contains, SOURCE_SERIES_FOR_SEGMENTATION, &source.series),
    }
}
