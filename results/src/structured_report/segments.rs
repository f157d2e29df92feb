//! The segment that a group is measured of, and the images that it was found in (PS3.16 TID 1410, TID 1411).

use crate::codes::{
    REFERENCED_SEGMENT, REFERENCED_SEGMENTATION_FRAME, SOURCE_IMAGE_FOR_SEGMENTATION,
    SOURCE_SERIES_FOR_SEGMENTATION,
};
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::source::texts;
use crate::structured_report::About;
use crate::structured_report::content::{self, Relation::Contains};
use dicom_dictionary_std::tags;
use gantry_terms::findings::MeasurementGroup;

/// The object whose segments are the masks of the findings.
pub struct Segmentation<'a> {
    pub object: &'a ResultObject,
    /// As they stand in the object; of volumes none is asked for.
    frames: Vec<Frame>,
}

/// Of which segment a frame of the object is, and of which frame of the source where that has several.
struct Frame {
    segment: u32,
    source: Option<u32>,
}

/// The content items that say where a group is, and the template that they make the group one of.
pub struct Referring {
    pub template: &'static str,
    pub rows: Vec<DataSet>,
}

impl<'a> Segmentation<'a> {
    pub fn read(object: &'a ResultObject, measured: Measured) -> Result<Self, ComposeError> {
        let frames = match measured {
            Measured::Volume(_) => Vec::new(),
            Measured::Film(_) => frames(&DataSet::decode(&object.data_set)?),
        };
        Ok(Self { object, frames })
    }

    /// The one frame, counted from 1, that shows a segment, or shows it on that frame of the source; and whose frame of the source it is.
    fn plane(&self, segment: u32, source: Option<u32>) -> Option<(u32, Option<u32>)> {
        let of_segment = |frame: &Frame| {
            frame.segment == segment && (source.is_none() || source == frame.source)
        };
        let mut there = (1..).zip(&self.frames).filter(|(_, frame)| of_segment(frame));
        let (number, frame) = there.next()?;
        there.next().is_none().then_some((number, frame.source))
    }
}

/// A frame that does not say of which segment it is, as those of a label map, is of none (0).
fn frames(object: &DataSet) -> Vec<Frame> {
    let number = |item: DataSet, tag| -> Option<u32> {
        item.element(tag).and_then(|element| element.to_int().ok())
    };
    let each = object.sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let frames = each.iter().map(|groups| {
        let first = |of: &DataSet, tag| of.sequence(tag).into_iter().next();
        let segment = first(groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
        let source = first(groups, tags::DERIVATION_IMAGE_SEQUENCE)
            .and_then(|derivation| first(&derivation, tags::SOURCE_IMAGE_SEQUENCE));
        let source = source
            .and_then(|image| texts(&image, tags::REFERENCED_FRAME_NUMBER).first()?.parse().ok());
        let segment = segment.and_then(|item| number(item, tags::REFERENCED_SEGMENT_NUMBER));
        Frame { segment: segment.unwrap_or_default(), source }
    });
    frames.collect()
}

/// Nothing where the group is of no mask, where no object has the masks, or none of them on the frame that the group is of, or
/// where there is no figure, which the templates demand (TID 1419). What lies on one image is planar where the object has a frame of it (TID 1410); of a segment that is nowhere there is no
/// frame, and it is referred to as a whole, as segments of volumes are (TID 1411).
pub fn segment(about: &About, group: &MeasurementGroup) -> Option<Referring> {
    let masks = &about.job.subject.findings.masks;
    let number = masks.iter().position(|mask| Some(&mask.key) == group.segment.as_ref())?;
    let number = u16::try_from(number + 1).ok()?;
    let segmentation = about.segmentation.filter(|_| !group.measurements.is_empty())?;
    let object = segmentation.object;
    let (class, instance) = (&object.sop_class, &object.sop_instance);
    if let Some((frame, source)) = segmentation.plane(number.into(), group.frame) {
        // The frame says of which segment it is: beside its number that of the segment may not stand (PS3.3 Table 10-3).
        let reference = referenced_frame(class, instance, Some(frame));
        let frame = content::image(Some(REFERENCED_SEGMENTATION_FRAME.into()), reference);
        return Some(Referring { template: "1410", rows: vec![frame, found_in(about, source)] });
    }
    if group.frame.is_some() {
        return None;
    }
    let mut reference = referenced(class, instance);
    reference.number(tags::REFERENCED_SEGMENT_NUMBER, number);
    let whole = content::image(Some(REFERENCED_SEGMENT.into()), reference);
    Some(Referring { template: "1411", rows: vec![whole, found_in(about, None)] })
}

/// One image is named, or one frame of it; of a stack the series, whose images stand in the library.
fn found_in(about: &About, frame: Option<u32>) -> DataSet {
    let source = about.job.subject.source;
    match source.instances.as_slice() {
        [only] => content::image(
            Some(SOURCE_IMAGE_FOR_SEGMENTATION.into()),
            referenced_frame(&only.sop_class, &only.sop_instance, frame),
        ),
        _ => content::uid(Contains, SOURCE_SERIES_FOR_SEGMENTATION, &source.series),
    }
}
