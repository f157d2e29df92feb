//! The report of a film: whether a finding is there, with its probability, as readers of other makers understand it.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::structured_report;
use gantry_terms::findings::{Findings, NoValue, Presence};
use kit::film::{Radiograph, findings, radiograph};
use kit::phantom::Phantom;
use kit::reading::{Object, code, content, items, open, referenced, text};
use kit::{model, validators};

fn said(certainty: Result<f64, NoValue>, presence: Option<Presence>) -> Findings {
    findings(model::findings(&Phantom::axial(1, 8, 8).scan().volume), certainty, presence)
}

fn report(radiograph: &Radiograph, findings: &Findings) -> gantry_results::ResultObject {
    let Radiograph { source, film, .. } = radiograph;
    structured_report(source, film, findings, &kit::provenance()).expect("a report")
}

fn names(parent: &Object) -> Vec<String> {
    let children = items(parent, tags::CONTENT_SEQUENCE).iter();
    children.map(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE)).collect()
}

#[test]
fn what_was_looked_for_is_told_with_whether_it_is_there() {
    let radiograph = radiograph();
    for (presence, expected) in [
        (Presence::Present, "52101004"),
        (Presence::Absent, "2667000"),
        (Presence::Undetermined, "373068000"),
    ] {
        let object = open(&report(&radiograph, &said(Ok(87.5), Some(presence))));
        let group = content(content(&object, "126010")[0], "125007")[0];
        assert_eq!(
            names(group),
            ["112039", "112040", "121071", "363698007", "111012", "121112", "121052"]
        );
        assert_eq!(code(content(group, "121071")[0], tags::CONCEPT_CODE_SEQUENCE), "233604007");
        assert_eq!(code(content(group, "121052")[0], tags::CONCEPT_CODE_SEQUENCE), expected);
        assert_eq!(referenced(group), [radiograph.film.sop_instance.to_string()]);
    }
}

#[test]
fn what_was_found_in_one_frame_refers_to_that_frame() {
    let radiograph = radiograph();
    let mut found = said(Ok(87.5), Some(Presence::Present));
    let mut other = found.groups[0].clone();
    (found.groups[0].frame, other.frame) = (Some(2), Some(11));
    found.groups.push(other);
    let result = report(&radiograph, &found);
    let object = open(&result);
    let groups = content(content(&object, "126010")[0], "125007");
    let frames = groups.iter().map(|group| {
        let source = content(group, "121112")[0];
        text(&items(source, tags::REFERENCED_SOP_SEQUENCE)[0], tags::REFERENCED_FRAME_NUMBER)
    });
    assert_eq!(frames.collect::<Vec<_>>(), ["2", "11"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = kit::file(folder.path(), "report.dcm", &result);
    assert_eq!(validators::report_complaints(&path), Vec::<String>::new());
}

#[test]
fn a_film_stands_in_the_image_library_with_its_size_and_without_a_place() {
    let object = open(&report(&radiograph(), &said(Ok(1.0), Some(Presence::Absent))));
    let group = content(content(&object, "111028")[0], "126200")[0];
    // Modality, target region, rows, columns, two spacings; then the image.
    assert_eq!(names(group), ["121139", "123014", "110910", "110911", "111026", "111066", "-"]);
}

#[test]
fn without_a_number_nothing_is_said_of_presence() {
    let object = open(&report(&radiograph(), &said(Err(NoValue::NotANumber), None)));
    let group = content(content(&object, "126010")[0], "125007")[0];
    let number = content(group, "111012")[0];
    assert_eq!(code(number, tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE), "114000");
    assert!(content(group, "121052").is_empty());
}

#[test]
fn reports_of_films_are_valid_and_read_by_others() {
    let radiograph = radiograph();
    for (certainty, presence) in [
        (Ok(99.3), Some(Presence::Present)),
        (Ok(0.4), Some(Presence::Absent)),
        (Ok(12.0), Some(Presence::Undetermined)),
        (Err(NoValue::NotANumber), None),
    ] {
        let findings = said(certainty, presence);
        let folder = tempfile::tempdir().expect("a folder");
        let path = kit::file(folder.path(), "report.dcm", &report(&radiograph, &findings));
        let source = folder.path().join("source.dcm");
        std::fs::write(&source, &radiograph.file).expect("a file");
        let none = Vec::<String>::new();
        assert_eq!(validators::complaints(&path, &source), none);
        assert_eq!(validators::report_complaints(&path), none);
        let mut among = validators::contradictions(&[source, path.clone()]);
        among.retain(|line| !line.contains("Missing SOPInstanceUID that was referenced"));
        assert_eq!(among, none);
        let (Some(presence), Ok(certainty)) = (presence, certainty) else { continue };
        let script = "
import sys, highdicom
content = highdicom.sr.srread(sys.argv[1]).content
for group in content.get_image_measurement_groups():
    for m in group.get_measurements():
        print(group.finding_type.value, m.name.value, float(m.value), m.unit.value)
    for q in group.get_qualitative_evaluations():
        print(q.name.meaning, q.value.meaning)
";
        let Some(lines) = validators::python_says(script, &path) else { continue };
        let numbers = format!("233604007 111012 {certainty:?} %");
        assert_eq!(lines, [numbers, format!("Presence of property {presence:?}")]);
    }
}

#[test]
fn a_mask_over_a_film_is_a_fault_of_the_node() {
    let Radiograph { source, film, .. } = radiograph();
    let findings = model::findings(&Phantom::axial(1, 8, 8).scan().volume);
    let error = structured_report(&source, &film, &findings, &kit::provenance()).unwrap_err();
    assert!(error.to_string().contains("a mask lies over a film"), "{error}");
}
