//! The images that show what was found, as a Key Object Selection (PS3.3 A.35.4, C.17.6, PS3.16 TID 2010).

pub(crate) mod flagged;

use crate::codes::{ENGLISH, KEY_OBJECT_DESCRIPTION, LANGUAGE, OF_INTEREST};
use crate::data_set::{DataSet, referenced_frames};
use crate::header::{Job, Kind, Subject};
use crate::key_objects::flagged::Flagged;
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use crate::structured_report::content::{self, Relation::*};
use crate::structured_report::document;
use crate::structured_report::observer::observer;
use dicom_dictionary_std::tags;
use gantry_terms::findings::Findings;

const KIND: Kind =
    Kind { name: "ko", sop_class: "1.2.840.10008.5.1.4.1.1.88.59", what: "key images" };

/// Nothing where nothing was found: a selection names one object at least. The same inputs give the same bytes.
pub fn key_objects<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<Option<ResultObject>, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let flagged = Flagged::of(findings, measured);
    if flagged.images.is_empty() {
        return Ok(None);
    }
    let mut selection = job.header(&KIND, "KO")?;
    document::of_the_order(&job, &mut selection);
    let images = flagged.images.iter().map(|image| (image.sop_class, image.sop_instance));
    document::evidence(source, vec![(&source.series, images.collect())], &mut selection);
    selection
        .text(tags::VALUE_TYPE, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &OF_INTEREST.into())
        .text(tags::CONTINUITY_OF_CONTENT, "SEPARATE")
        .items(tags::CONTENT_SEQUENCE, rows(&job, &flagged));
    content::template(&mut selection, "2010");
    job.finish(&KIND, &selection).map(Some)
}

/// In the order of TID 2010. Images have no concept name there.
fn rows(job: &Job, flagged: &Flagged) -> Vec<DataSet> {
    let found = format!("{} found: {}", job.subject.algorithm(), flagged.labels.join(", "));
    let mut rows = vec![content::code(HasConceptModifier, LANGUAGE, &ENGLISH.into())];
    rows.extend(observer(job));
    rows.push(content::text(Contains, KEY_OBJECT_DESCRIPTION, &job.marked(found)));
    rows.extend(flagged.images.iter().map(|image| {
        let reference = referenced_frames(image.sop_class, image.sop_instance, &image.frames);
        content::image(None, reference)
    }));
    rows
}
