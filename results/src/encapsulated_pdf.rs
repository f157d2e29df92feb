//! Findings as pages for people in an Encapsulated PDF (PS3.3 A.45.1, C.24.2).

mod pages;

use crate::codes::DIAGNOSTIC_IMAGING_REPORT;
use crate::data_set::referenced;
use crate::encapsulated_pdf::pages::{Line, pdf};
use crate::header::{Job, Kind, Subject};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use crate::structured_report::document::predecessors;
use crate::words;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Findings;

const KIND: Kind =
    Kind { name: "pdf", sop_class: "1.2.840.10008.5.1.4.1.1.104.1", what: "report (PDF)" };

/// Whose images they are, as the pages say it.
const ABOUT: &[(&str, Tag)] = &[
    ("Patient", tags::PATIENT_NAME),
    ("Patient ID", tags::PATIENT_ID),
    ("Born", tags::PATIENT_BIRTH_DATE),
    ("Sex", tags::PATIENT_SEX),
    ("Study of", tags::STUDY_DATE),
    ("Study", tags::STUDY_DESCRIPTION),
    ("Accession number", tags::ACCESSION_NUMBER),
];

/// The same inputs give the same bytes.
pub fn encapsulated_pdf<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let job = Job { subject: Subject::new(source, measured.into(), findings)?, provenance };
    let mut document = job.header(&KIND, "DOC")?;
    let made_at = document.element(tags::CONTENT_DATE).and_then(|date| date.to_str().ok());
    let made_at = made_at.map(|date| date.into_owned()).unwrap_or_default();
    let mut bytes = pdf(&lines(&job, &made_at), &job.marked(job.subject.algorithm()));
    let length = bytes.len() as u32;
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let sources = source.all_instances().map(|i| referenced(&i.sop_class, &i.sop_instance));
    document
        .text(tags::CONVERSION_TYPE, "WSD")
        .empty(tags::ACQUISITION_DATE_TIME)
        .text(tags::BURNED_IN_ANNOTATION, "YES")
        .items(tags::SOURCE_INSTANCE_SEQUENCE, sources.collect())
        .text(tags::DOCUMENT_TITLE, &job.marked(job.subject.algorithm()))
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &DIAGNOSTIC_IMAGING_REPORT.into())
        .text(tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT, "application/pdf")
        .put(DataElement::new(
            tags::ENCAPSULATED_DOCUMENT_LENGTH,
            VR::UL,
            PrimitiveValue::from(length),
        ))
        .put(DataElement::new(
            tags::ENCAPSULATED_DOCUMENT,
            VR::OB,
            PrimitiveValue::U8(bytes.into()),
        ));
    predecessors(provenance.earlier.as_ref(), KIND.sop_class, &mut document);
    job.finish(&KIND, &document)
}

fn lines(job: &Job, made_at: &str) -> Vec<Line> {
    let findings = job.subject.findings;
    let mut lines = vec![Line::Heading(job.subject.algorithm())];
    lines.extend(words::made_by(job).into_iter().map(Line::Plain));
    lines.push(Line::Plain(format!("Made on {}.", day(made_at))));
    lines.push(Line::Heading("About".into()));
    for (name, tag) in ABOUT {
        let Some(text) = job.subject.source.text(*tag) else { continue };
        // Of a name the first group is the alphabetic one (PS3.5 6.2.1.1).
        let text = match *tag {
            tags::PATIENT_NAME => text.split('=').next().unwrap_or_default().replace('^', " "),
            tags::PATIENT_BIRTH_DATE | tags::STUDY_DATE => day(&text),
            _ => text,
        };
        lines.push(Line::Plain(format!("{name}: {}", text.trim())));
    }
    lines.push(Line::Heading("Findings".into()));
    if findings.groups.is_empty() {
        lines.push(Line::Plain(words::NOTHING.into()));
    }
    for (index, group) in findings.groups.iter().enumerate() {
        lines.push(Line::Plain(words::sentence(job, index, group)));
    }
    lines
}

/// `20240514` as `2024-05-14`.
fn day(date: &str) -> String {
    match (date.get(..4), date.get(4..6), date.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => date.to_owned(),
    }
}
