//! Findings as sentences in a Basic Text SR (PS3.3 A.35.1, PS3.16 TID 2000), for archives and readers that take no other report.

use crate::codes::*;
use crate::coding_schemes::coding_schemes;
use crate::data_set::{DataSet, referenced_frames};
use crate::header::{Job, Kind, Subject};
use crate::key_objects::flagged::images_of;
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use crate::structured_report::content::{self, Relation::*};
use crate::structured_report::document;
use crate::structured_report::observer::observer;
use crate::words;
use dicom_dictionary_std::tags;
use gantry_terms::findings::Findings;

const KIND: Kind =
    Kind { name: "text sr", sop_class: "1.2.840.10008.5.1.4.1.1.88.11", what: "text report" };

/// The same inputs give the same bytes.
pub fn text_report<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let mut report = job.header(&KIND, "SR")?;
    document::general(&job, &KIND, &mut report);
    document::evidence(source, document::of_source(source), &mut report);
    let schemes =
        coding_schemes([&findings.procedure].into_iter(), &findings.algorithm.manufacturer);
    if !schemes.is_empty() {
        report.items(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes);
    }
    report
        .text(tags::VALUE_TYPE, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &DIAGNOSTIC_IMAGING_REPORT.into())
        .text(tags::CONTINUITY_OF_CONTENT, "SEPARATE")
        .items(tags::CONTENT_SEQUENCE, rows(&job, measured));
    content::template(&mut report, "2000");
    job.finish(&KIND, &report)
}

fn rows(job: &Job, measured: Measured) -> Vec<DataSet> {
    let procedure = &job.subject.findings.procedure;
    let mut rows = vec![content::code(HasConceptModifier, LANGUAGE, &ENGLISH.into())];
    rows.extend(observer(job));
    rows.push(content::code(HasConceptModifier, PROCEDURE_REPORTED, procedure));
    let made_by = content::text(Contains, PROCEDURE_DESCRIPTION, &words::made_by(job).join(" "));
    rows.push(content::container(Contains, PROCEDURE_DESCRIPTIONS, vec![made_by]));
    rows.push(content::container(Contains, FINDINGS, findings(job, measured)));
    rows
}

/// A sentence for each group, with the images that it was found on.
fn findings(job: &Job, measured: Measured) -> Vec<DataSet> {
    let findings = job.subject.findings;
    if findings.groups.is_empty() {
        return vec![content::text(Contains, FINDING, words::NOTHING)];
    }
    let groups = findings.groups.iter().enumerate().map(|(index, group)| {
        let text = content::text(Contains, FINDING, &words::sentence(job, index, group));
        let images = images_of(group, findings, measured).into_iter().map(|image| {
            let reference = referenced_frames(image.sop_class, image.sop_instance, &image.frames);
            content::inferred_from(reference)
        });
        content::with_children(text, images.collect())
    });
    groups.collect()
}
