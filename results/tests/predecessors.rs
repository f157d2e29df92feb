//! A later revision says what it takes the place of: each document names the one of its own class, and every series which revision it is.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{
    Provenance, ResultObject, alternates, encapsulated_pdf, key_objects, secondary_capture,
    segmentation, structured_report, text_report,
};
use gantry_terms::earlier::{Document, Earlier};
use gantry_terms::region::{Parallelepiped, Place, Region};
use kit::phantom::{Phantom, Scan};
use kit::reading::{items, open, text};
use kit::{model, validators};

/// Every document of a job: the report, its alternates, the text report, the PDF.
fn documents(scan: &Scan, job: &Provenance) -> Vec<ResultObject> {
    let findings = model::findings(&scan.volume);
    let report = structured_report(&scan.source, &scan.volume, &findings, job).expect("a report");
    let others = alternates(&report, job.earlier.as_ref()).expect("alternates");
    let text = text_report(&scan.source, &scan.volume, &findings, job).expect("a text report");
    let pdf = encapsulated_pdf(&scan.source, &scan.volume, &findings, job).expect("a PDF");
    [vec![report], others, vec![text, pdf]].concat()
}

fn earlier(made: &[ResultObject]) -> Option<Earlier> {
    let document = |object: &ResultObject| Document {
        study: object.study.clone(),
        series: object.series.clone(),
        sop_class: object.sop_class.clone(),
        sop_instance: object.sop_instance.clone(),
    };
    Some(Earlier { revision: 1, documents: made.iter().map(document).collect() })
}

/// Study, series, class and instance of each predecessor.
fn predecessors(object: &ResultObject) -> Vec<[String; 4]> {
    let object = open(object);
    let mut found = Vec::new();
    let uid = |object: &_, tag| text(object, tag).trim_end_matches('\0').to_owned();
    for study in items(&object, tags::PREDECESSOR_DOCUMENTS_SEQUENCE) {
        for series in items(study, tags::REFERENCED_SERIES_SEQUENCE) {
            for instance in items(series, tags::REFERENCED_SOP_SEQUENCE) {
                found.push([
                    uid(study, tags::STUDY_INSTANCE_UID),
                    uid(series, tags::SERIES_INSTANCE_UID),
                    uid(instance, tags::REFERENCED_SOP_CLASS_UID),
                    uid(instance, tags::REFERENCED_SOP_INSTANCE_UID),
                ]);
            }
        }
    }
    found
}

fn second(first: &[ResultObject]) -> Provenance {
    Provenance { revision: 2, earlier: earlier(first), ..kit::provenance() }
}

#[test]
fn each_document_names_the_one_of_its_own_class_and_the_first_revision_names_none() {
    let scan = Phantom::axial(4, 32, 48).scan();
    let first = documents(&scan, &kit::provenance());
    assert_eq!(first.len(), 5);
    assert!(first.iter().all(|object| predecessors(object).is_empty()));
    let later = documents(&scan, &second(&first));
    for (before, after) in first.iter().zip(&later) {
        let named = [&before.study, &before.series, &before.sop_class, &before.sop_instance];
        assert_eq!(predecessors(after), [named.map(|uid| uid.to_string())]);
        assert_ne!((&before.series, &before.sop_instance), (&after.series, &after.sop_instance));
    }
    assert_eq!(later, documents(&scan, &second(&first)), "a repeat makes the same bytes");
    // What was never offered in another class is named as what it is.
    let only_report = documents(&scan, &second(&first[..1]));
    for object in &only_report[..3] {
        assert_eq!(predecessors(object)[0][3], first[0].sop_instance.to_string());
    }
    assert!(only_report[3..].iter().all(|object| predecessors(object).is_empty()));
}

#[test]
fn every_series_of_a_later_revision_says_which_one_it_is() {
    let scan = Phantom::axial(4, 32, 48).scan();
    let mut findings = model::findings(&scan.volume);
    let [x, y, z] = scan.volume.geometry.origin;
    let edges = [[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 6.0]];
    let place = Place::Patient(Parallelepiped { corner: [x + 4.0, y + 4.0, z + 1.5], edges });
    findings.groups[1].region = Some(Region { colour: [255, 128, 0], place });
    let job = second(&documents(&scan, &kit::provenance()));
    let form = gantry_results::segmentation::Form::Binary;
    let keys = key_objects(&scan.source, &scan.volume, &findings, &job).expect("answered");
    let made = [
        secondary_capture(&scan.source, &scan.volume, &findings, &job).expect("a capture"),
        segmentation(&scan.source, &scan.volume, &findings, form, &job).expect("segments"),
        keys.expect("something was found"),
    ];
    for object in made.iter().chain(&documents(&scan, &job)) {
        let described = text(&open(object), tags::SERIES_DESCRIPTION);
        assert!(described.ends_with(", revision 2 (RUO)"), "{described}");
        assert!(described.chars().count() <= 64);
    }
    for object in &made {
        assert!(predecessors(object).is_empty(), "the class has no attribute for it");
    }
}

#[test]
fn documents_with_predecessors_are_valid_and_others_read_whom_they_name() {
    let script = "
import sys, pydicom
document = pydicom.dcmread(sys.argv[1])
for study in document.PredecessorDocumentsSequence:
    for series in study.ReferencedSeriesSequence:
        for instance in series.ReferencedSOPSequence:
            print(instance.ReferencedSOPInstanceUID)
";
    let scan = Phantom::axial(4, 32, 48).scan();
    let folder = tempfile::tempdir().expect("a folder");
    let source = &kit::source_files(folder.path(), &scan)[0];
    let first = documents(&scan, &kit::provenance());
    for (number, object) in documents(&scan, &second(&first)).iter().enumerate() {
        let path = kit::file(folder.path(), &format!("{number}.dcm"), object);
        let complaints = validators::complaints(&path, source);
        assert!(complaints.is_empty(), "{}: {complaints:#?}", object.sop_class);
        if let Some(said) = validators::python_says(script, &path) {
            assert_eq!(said, [first[number].sop_instance.to_string()]);
        }
        if object.sop_class.as_str().contains(".88.") {
            let complaints = validators::report_complaints(&path);
            assert!(complaints.is_empty(), "{}: {complaints:#?}", object.sop_class);
        }
    }
}
