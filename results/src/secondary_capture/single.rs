//! One picture as a Secondary Capture of its own (PS3.3 A.8.1), at the place of its slice.

use crate::codes::SOURCE_IMAGE;
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::header::{Job, Kind};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::secondary_capture::frames::Frames;
use crate::secondary_capture::overlay::Overlay;
use crate::secondary_capture::{derivation, image, pixels};
use dicom_dictionary_std::tags;

const KIND: Kind =
    Kind { name: "sc images", sop_class: "1.2.840.10008.5.1.4.1.1.7", what: "overlay images" };

/// What the pictures of one job have in common.
pub struct Series<'a> {
    pub job: Job<'a>,
    pub measured: Measured<'a>,
    pub overlay: &'a Overlay<'a>,
    pub frames: &'a Frames,
}

impl Series<'_> {
    /// Numbered as its slice or frame is, from 1.
    pub fn image(&self, slice: usize) -> Result<ResultObject, ComposeError> {
        let Self { job, measured, overlay, frames } = self;
        let (number, source) = (slice + 1, job.subject.source);
        let sop_instance = job.uid(&format!("{} {number}", KIND.name));
        let mut capture = job.header(&KIND, &source.modality())?;
        image(job, *measured, &mut capture);
        capture
            .uid(tags::SOP_INSTANCE_UID, &sop_instance)
            .text(tags::INSTANCE_NUMBER, &number.to_string());
        self.reference(slice, &mut capture)?;
        derivation(job, overlay, frames, &mut capture);
        frames.plane(&job.subject, *measured, slice, &mut capture)?;
        pixels(overlay, std::iter::once(slice), &mut capture)?;
        Ok(ResultObject { sop_instance, ..job.finish(&KIND, &capture)? })
    }

    /// General Reference and Common Instance Reference modules (PS3.3 C.12.4, C.12.2): the image or the frame that is below it.
    fn reference(&self, slice: usize, capture: &mut DataSet) -> Result<(), ComposeError> {
        let none = || ComposeError::Mismatch("a slice has no source".into());
        let below = self.measured.image(slice).ok_or_else(none)?;
        let preserved = if self.overlay.factor == 1 { "YES" } else { "NO" };
        let mut of = referenced_frame(below.sop_class, below.sop_instance, below.frame);
        of.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, preserved);
        let mut series = DataSet::new();
        series.uid(tags::SERIES_INSTANCE_UID, &self.job.subject.source.series).item(
            tags::REFERENCED_INSTANCE_SEQUENCE,
            referenced(below.sop_class, below.sop_instance),
        );
        capture
            .item(tags::SOURCE_IMAGE_SEQUENCE, of)
            .item(tags::REFERENCED_SERIES_SEQUENCE, series);
        Ok(())
    }
}
