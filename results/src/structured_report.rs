//! Findings as a Comprehensive 3D SR with the Imaging Measurement Report template (PS3.3 A.35.13, PS3.16 TID 1500).

mod content;
mod image_library;
mod regions;
mod segments;
mod tree;

use crate::codes::IMAGING_MEASUREMENT_REPORT;
use crate::coding_schemes::coding_schemes;
use crate::data_set::{DataSet, referenced};
use crate::header::{Job, Kind, Subject};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::{Reference, Source};
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::findings::Findings;
use gantry_terms::uid::Uid;

const KIND: Kind = Kind { name: "sr", sop_class: "1.2.840.10008.5.1.4.1.1.88.34", what: "report" };

/// What a report tells of.
#[derive(Clone, Copy)]
struct About<'a> {
    job: Job<'a>,
    measured: Measured<'a>,
    /// The object whose segments are the masks of the findings.
    segmentation: Option<&'a ResultObject>,
}

/// The report of one job. The same inputs give the same bytes.
pub fn structured_report<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    compose(source, measured.into(), findings, None, provenance)
}

/// The same where the masks became an object, too: each group that is taken of one refers to its segment.
pub fn structured_report_of_segments<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    segmentation: &ResultObject,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    compose(source, measured.into(), findings, Some(segmentation), provenance)
}

fn compose(
    source: &Source,
    measured: Measured,
    findings: &Findings,
    segmentation: Option<&ResultObject>,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let about = About { job, measured, segmentation };
    let mut report = job.header(&KIND, "SR")?;
    document(&job, &mut report);
    report.items(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(&about)]);
    let schemes = coding_schemes(report_codes(findings), &findings.algorithm.manufacturer);
    if !schemes.is_empty() {
        report.items(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes);
    }
    report
        .text(tags::VALUE_TYPE, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &IMAGING_MEASUREMENT_REPORT.into())
        .text(tags::CONTINUITY_OF_CONTENT, "SEPARATE")
        .items(tags::CONTENT_SEQUENCE, tree::report(&about)?);
    content::template(&mut report, "1500");
    job.finish(&KIND, &report)
}

/// SR Document Series and General modules (PS3.3 C.17.1, C.17.2). A device never verifies.
fn document(job: &Job, report: &mut DataSet) {
    report
        .empty(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE)
        .empty(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE)
        .text(tags::COMPLETION_FLAG, "COMPLETE")
        .text(tags::VERIFICATION_FLAG, "UNVERIFIED")
        .text(tags::PRELIMINARY_FLAG, "PRELIMINARY");
    let requests = requests(job.subject.source);
    if !requests.is_empty() {
        report.items(tags::REFERENCED_REQUEST_SEQUENCE, requests);
    }
}

/// The orders that the images were made for, when the images name them. All attributes but the
/// study are Type 2 here.
fn requests(source: &Source) -> Vec<DataSet> {
    let items = source.items(tags::REQUEST_ATTRIBUTES_SEQUENCE);
    let accession = source.text(tags::ACCESSION_NUMBER);
    if items.is_empty() && accession.is_none() {
        return Vec::new();
    }
    let items = if items.is_empty() { vec![DataSet::new()] } else { items };
    items.iter().map(|item| request(source, item)).collect()
}

fn request(source: &Source, item: &DataSet) -> DataSet {
    let mut request = DataSet::new();
    request.uid(tags::STUDY_INSTANCE_UID, &source.study).empty(tags::REFERENCED_STUDY_SEQUENCE);
    for tag in [
        tags::ACCESSION_NUMBER,
        tags::REQUESTED_PROCEDURE_ID,
        tags::REQUESTED_PROCEDURE_DESCRIPTION,
        tags::REQUESTED_PROCEDURE_CODE_SEQUENCE,
        tags::PLACER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST,
        tags::FILLER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST,
    ] {
        match item.element(tag).or_else(|| source.element(tag)) {
            Some(element) => request.put(element.clone()),
            None => request.empty(tag),
        };
    }
    request
}

/// Every instance that the tree refers to (PS3.3 C.17.2.3).
fn evidence(about: &About) -> DataSet {
    let source = about.job.subject.source;
    let of_series = |series: &Uid, instances: &[Reference]| {
        let instances = instances.iter().map(|i| referenced(&i.sop_class, &i.sop_instance));
        let mut item = DataSet::new();
        item.uid(tags::SERIES_INSTANCE_UID, series)
            .items(tags::REFERENCED_SOP_SEQUENCE, instances.collect());
        item
    };
    let mut series = vec![of_series(&source.series, &source.instances)];
    series.extend(source.others.iter().map(|other| of_series(&other.series, &other.instances)));
    series.extend(about.segmentation.map(|object| {
        let (class, instance) = (object.sop_class.clone(), object.sop_instance.clone());
        of_series(&object.series, &[Reference { sop_class: class, sop_instance: instance }])
    }));
    let mut study = DataSet::new();
    study
        .uid(tags::STUDY_INSTANCE_UID, &source.study)
        .items(tags::REFERENCED_SERIES_SEQUENCE, series);
    study
}

fn report_codes(findings: &Findings) -> impl Iterator<Item = &Code> {
    let groups = findings.groups.iter().flat_map(|group| {
        let numbers = group.measurements.iter();
        let numbers =
            numbers.flat_map(|m| [Some(&m.concept), Some(&m.unit), m.derivation.as_ref()]);
        let group = [group.finding.as_ref(), group.site.as_ref(), group.method.as_ref()];
        group.into_iter().chain(numbers).flatten()
    });
    [&findings.procedure, &findings.algorithm.family].into_iter().chain(groups)
}
