//! What each segment is, and who found it (PS3.3 C.8.20.4).

use crate::codes;
use crate::data_set::{DataSet, coded};
use crate::header::Job;
use crate::segmentation::Form;
use crate::segmentation::colour::cielab;
use crate::segmentation::pixels::BACKGROUND;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Mask;
use gantry_terms::uid::Uid;

/// In the order of the masks, numbered from 1; in a label map what is in none of them is described before them, too.
pub fn segments(job: &Job, form: Form) -> Vec<DataSet> {
    let background = (form == Form::LabelMap).then(|| background(job));
    let masks = job.subject.findings.masks.iter().zip(1..);
    background.into_iter().chain(masks.map(|(mask, number)| segment(job, mask, number))).collect()
}

fn background(job: &Job) -> DataSet {
    let lab = PrimitiveValue::U16(cielab([0; 3]).as_slice().into());
    let mut segment = DataSet::new();
    segment
        .number(tags::SEGMENT_NUMBER, BACKGROUND)
        .text(tags::SEGMENT_LABEL, "Background")
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &codes::BACKGROUND.into())
        .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &codes::BACKGROUND.into())
        .text(tags::SEGMENT_ALGORITHM_TYPE, "AUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, &job.subject.findings.algorithm.title)
        .put(DataElement::new(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, VR::US, lab));
    segment
}

fn segment(job: &Job, mask: &Mask, number: u16) -> DataSet {
    let label = &mask.label;
    let (tracking, uid) = tracking(job, mask);
    let lab = PrimitiveValue::U16(cielab(mask.colour).as_slice().into());
    let mut segment = DataSet::new();
    segment
        .number(tags::SEGMENT_NUMBER, number)
        .text(tags::SEGMENT_LABEL, label)
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &mask.category)
        .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &mask.property)
        .text(tags::SEGMENT_ALGORITHM_TYPE, "AUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, &job.subject.findings.algorithm.title)
        .item(tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, algorithm(job))
        .text(tags::TRACKING_ID, &tracking)
        .uid(tags::TRACKING_UID, &uid)
        .put(DataElement::new(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, VR::US, lab));
    if let Some(region) = sided_region(job) {
        segment.item(tags::ANATOMIC_REGION_SEQUENCE, region);
    }
    segment
}

/// Anatomic Region Sequence and its modifier (PS3.3 Table 10-5; CID 244), where the source says which one of two it shows.
fn sided_region(job: &Job) -> Option<DataSet> {
    let text = |tag| job.subject.source.text(tag);
    let part = text(tags::BODY_PART_EXAMINED)?;
    let side = text(tags::LATERALITY).or_else(|| text(tags::IMAGE_LATERALITY))?;
    let side = match codes::frame_laterality(&part, &side)? {
        "L" => codes::LEFT,
        "R" => codes::RIGHT,
        _ => return None,
    };
    let mut region = coded(&codes::region(&part)?.into());
    region.code(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE, &side.into());
    Some(region)
}

/// A segment is tracked as the group of the report is that measures it, if there is one: not one that measures a frame of it.
pub fn tracking(job: &Job, mask: &Mask) -> (String, Uid) {
    let groups = job.subject.findings.groups.iter().enumerate();
    let mut of_mask = groups
        .filter(|(_, group)| group.segment.as_ref() == Some(&mask.key) && group.frame.is_none());
    match of_mask.next() {
        Some((index, group)) => job.tracking(index, group),
        None => (mask.label.clone(), job.uid(&format!("tracking segment {}", mask.key))),
    }
}

/// Algorithm Identification macro (PS3.3 Table 10-19).
fn algorithm(job: &Job) -> DataSet {
    let algorithm = &job.subject.findings.algorithm;
    let parameters = format!(
        "model={}; model SHA-256={}; rule={}; rule set={}; revision={}",
        algorithm.name,
        algorithm.digest,
        job.provenance.rule,
        job.provenance.rules_digest,
        job.provenance.revision
    );
    let mut item = DataSet::new();
    item.code(tags::ALGORITHM_FAMILY_CODE_SEQUENCE, &algorithm.family)
        .text(tags::ALGORITHM_NAME, &algorithm.title)
        .text(tags::ALGORITHM_VERSION, &algorithm.version)
        .text(tags::ALGORITHM_PARAMETERS, &job.marked(parameters))
        .text(tags::ALGORITHM_SOURCE, &algorithm.manufacturer);
    item
}
