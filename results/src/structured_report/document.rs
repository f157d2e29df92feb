//! What documents say before their content: flags, the orders behind the images, predecessors and the evidence (PS3.3 C.17.2, C.17.6.2).

use crate::data_set::{DataSet, referenced};
use crate::header::{Job, Kind};
use crate::source::{Reference, Source};
use dicom_dictionary_std::tags;
use gantry_terms::earlier::Earlier;
use gantry_terms::uid::Uid;

/// A series, and class and instance of each of its objects that a document refers to.
pub type OfSeries<'a> = (&'a Uid, Vec<(&'a Uid, &'a Uid)>);

/// SOP classes that may name their predecessors: Comprehensive 3D, Comprehensive, Enhanced and Basic Text SR (PS3.3 C.17.2), and
/// Encapsulated PDF (C.24.2). The others have no attribute for it, key objects neither (C.17.6.2).
pub const WITH_PREDECESSORS: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.88.11",
    "1.2.840.10008.5.1.4.1.1.104.1",
];

/// What went into the model.
pub fn of_source(source: &Source) -> Vec<OfSeries<'_>> {
    let others = source.others.iter().map(|other| (&other.series, named(&other.instances)));
    std::iter::once((&source.series, named(&source.instances))).chain(others).collect()
}

fn named(instances: &[Reference]) -> Vec<(&Uid, &Uid)> {
    instances.iter().map(|instance| (&instance.sop_class, &instance.sop_instance)).collect()
}

/// SR Document Series and General modules (PS3.3 C.17.1, C.17.2). A device never verifies.
pub fn general(job: &Job, kind: &Kind, report: &mut DataSet) {
    predecessors(job.provenance.earlier.as_ref(), kind.sop_class, report);
    report
        .empty(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE)
        .text(tags::COMPLETION_FLAG, "COMPLETE")
        .text(tags::VERIFICATION_FLAG, "UNVERIFIED")
        .text(tags::PRELIMINARY_FLAG, "PRELIMINARY");
    of_the_order(job, report);
}

/// Predecessor Documents Sequence (0040,A360; PS3.3 C.17.2, table C.17-3): what the earlier revision said in this SOP class.
/// Without such a document nothing is changed.
pub fn predecessors(earlier: Option<&Earlier>, sop_class: &str, document: &mut DataSet) {
    let documents = earlier.into_iter().flat_map(|earlier| &earlier.documents);
    let same = documents.filter(|earlier| earlier.sop_class.as_str() == sop_class);
    let items: Vec<DataSet> = same
        .map(|earlier| {
            let mut series = DataSet::new();
            series.uid(tags::SERIES_INSTANCE_UID, &earlier.series).item(
                tags::REFERENCED_SOP_SEQUENCE,
                referenced(&earlier.sop_class, &earlier.sop_instance),
            );
            let mut study = DataSet::new();
            study
                .uid(tags::STUDY_INSTANCE_UID, &earlier.study)
                .item(tags::REFERENCED_SERIES_SEQUENCE, series);
            study
        })
        .collect();
    if !items.is_empty() {
        document.items(tags::PREDECESSOR_DOCUMENTS_SEQUENCE, items);
    }
}

/// Of a document that lacks what it was to say; `why` is a line.
pub fn partial(why: &str, report: &mut DataSet) {
    report.text(tags::COMPLETION_FLAG, "PARTIAL").text(tags::COMPLETION_FLAG_DESCRIPTION, why);
}

/// What reports and key objects have in common: no performed step, and the orders.
pub fn of_the_order(job: &Job, document: &mut DataSet) {
    document.empty(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE);
    let requests = requests(job.subject.source);
    if !requests.is_empty() {
        document.items(tags::REFERENCED_REQUEST_SEQUENCE, requests);
    }
}

/// Every instance that the tree refers to (PS3.3 C.17.2.3), by its series.
pub fn evidence(source: &Source, of_series: Vec<OfSeries>, document: &mut DataSet) {
    let series = of_series.into_iter().map(|(series, instances)| {
        let instances = instances.into_iter().map(|(class, uid)| referenced(class, uid));
        let mut item = DataSet::new();
        item.uid(tags::SERIES_INSTANCE_UID, series)
            .items(tags::REFERENCED_SOP_SEQUENCE, instances.collect());
        item
    });
    let mut study = DataSet::new();
    study
        .uid(tags::STUDY_INSTANCE_UID, &source.study)
        .items(tags::REFERENCED_SERIES_SEQUENCE, series.collect());
    document.item(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, study);
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
