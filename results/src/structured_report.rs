//! Findings as a Comprehensive 3D SR with the Imaging Measurement Report template (PS3.3 A.35.13, PS3.16 TID 1500).

mod alternates;
pub(crate) mod content;
pub(crate) mod document;
mod image_library;
pub(crate) mod observer;
mod regions;
mod segments;
mod tree;

use crate::codes::IMAGING_MEASUREMENT_REPORT;
use crate::coding_schemes::coding_schemes;
use crate::header::{Job, Kind, Subject};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
pub use crate::structured_report::alternates::alternates;
use crate::structured_report::document::OfSeries;
pub use crate::structured_report::document::WITH_PREDECESSORS;
use crate::structured_report::segments::Segmentation;
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::findings::Findings;
use gantry_terms::region::Regions;

const KIND: Kind = Kind { name: "sr", sop_class: "1.2.840.10008.5.1.4.1.1.88.34", what: "report" };

/// Another object than the report of a later attempt.
const FAILURE: Kind = Kind { name: "failure", what: "analysis failed", ..KIND };

/// What a report tells of.
#[derive(Clone, Copy)]
struct About<'a> {
    job: Job<'a>,
    /// Nothing where no image could be read, or none was.
    measured: Option<Measured<'a>>,
    segmentation: Option<&'a Segmentation<'a>>,
    regions: Regions,
    /// Why the analysis came to no end.
    failure: Option<&'a str>,
}

/// What a report refers to beside its images, and how it tells where a finding is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling<'a> {
    /// The masks as an object: each group that is taken of one refers to its segment.
    pub segmentation: Option<&'a ResultObject>,
    pub regions: Regions,
}

/// The report of one job. The same inputs give the same bytes.
pub fn structured_report<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    structured_report_with(source, measured, findings, Telling::default(), provenance)
}

/// The same where the masks became an object, too.
pub fn structured_report_of_segments<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    segmentation: &ResultObject,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let telling = Telling { segmentation: Some(segmentation), ..Telling::default() };
    structured_report_with(source, measured, findings, telling, provenance)
}

/// The same, told as it is asked for. Regions in the patient are told only of a volume with a frame of reference, all others in
/// pixels of their images.
pub fn structured_report_with<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    telling: Telling,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let segmentation = telling.segmentation.map(|object| Segmentation::read(object, measured));
    let segmentation = segmentation.transpose()?;
    let (segmentation, regions) = (segmentation.as_ref(), telling.regions);
    written(&KIND, &About { job, measured: Some(measured), segmentation, regions, failure: None })
}

/// That the analysis of these images came to no end, and why: each number that was to be found, as a failed measurement, and a Summary
/// of Analyses (111065, DCM) that says Failed (111224, DCM). `findings` name them, and have nothing that lies in an image.
pub fn failure_report(
    source: &Source,
    findings: &Findings,
    why: &str,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let job = Job { subject: Subject::of_unread(source, findings)?, provenance };
    let (regions, failure) = (Regions::default(), Some(why));
    written(&FAILURE, &About { job, measured: None, segmentation: None, regions, failure })
}

fn written(kind: &Kind, about: &About) -> Result<ResultObject, ComposeError> {
    let About { job, failure, .. } = about;
    let Subject { source, findings } = job.subject;
    let mut report = job.header(kind, "SR")?;
    document::general(job, kind, &mut report);
    if failure.is_some() {
        document::partial("The analysis failed", &mut report);
    }
    document::evidence(source, evidence(about), &mut report);
    let schemes = coding_schemes(report_codes(findings), &findings.algorithm.manufacturer);
    if !schemes.is_empty() {
        report.items(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes);
    }
    report
        .text(tags::VALUE_TYPE, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &IMAGING_MEASUREMENT_REPORT.into())
        .text(tags::CONTINUITY_OF_CONTENT, "SEPARATE")
        .items(tags::CONTENT_SEQUENCE, tree::report(about)?);
    content::template(&mut report, "1500");
    job.finish(kind, &report)
}

/// Every instance that the tree refers to, by its series.
fn evidence<'a>(about: &About<'a>) -> Vec<OfSeries<'a>> {
    let mut evidence = document::of_source(about.job.subject.source);
    evidence.extend(about.segmentation.map(|Segmentation { object, .. }| {
        let instance = (&object.sop_class, &object.sop_instance);
        (&object.series, vec![instance])
    }));
    evidence
}

fn report_codes(findings: &Findings) -> impl Iterator<Item = &Code> {
    let groups = findings.groups.iter().flat_map(|group| {
        let numbers = group.measurements.iter();
        let numbers =
            numbers.flat_map(|m| [Some(&m.concept), Some(&m.unit), m.derivation.as_ref()]);
        let codes = [group.finding.as_ref(), group.site.as_ref(), group.method.as_ref()];
        let answers = group.answers.iter();
        let answers = answers.flat_map(|answer| [Some(&answer.question), answer.value.as_ref()]);
        codes.into_iter().chain(numbers).chain(answers).flatten()
    });
    [&findings.procedure, &findings.algorithm.family].into_iter().chain(groups)
}
