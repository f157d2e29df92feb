//! The same report in the SOP classes that peers may take instead: nothing is lost, and readers of other makers find each of them valid.

mod kit;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_results::{
    Measured, ResultObject, Source, alternates, segmentation, structured_report,
    structured_report_of_segments,
};
use gantry_terms::findings::{Findings, Presence};
use gantry_terms::region::{Parallelepiped, Place, Region};
use kit::film::{self, radiograph};
use kit::phantom::Phantom;
use kit::reading::{Object, content, open, text};
use kit::{cases, model, validators};
use std::collections::BTreeSet;
use std::path::Path;

const CLASSES: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.22"];

fn report<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
) -> ResultObject {
    structured_report(source, measured, findings, &kit::provenance()).expect("a report")
}

/// One group with its outline on two slices.
fn with_a_box(scan: &kit::phantom::Scan) -> Findings {
    let mut findings = model::findings(&scan.volume);
    let geometry = &scan.volume.geometry;
    let [x, y, z] = geometry.origin;
    let far = [geometry.columns as f64, geometry.rows as f64];
    let [along, down] = [geometry.row_direction, geometry.column_direction];
    let corner = [x, y, z];
    let edge = |way: [f64; 3], length: f64| way.map(|part| part * length);
    let edges = [
        edge(along, far[0] * geometry.pixel_spacing[1] / 2.0),
        edge(down, far[1] * geometry.pixel_spacing[0] / 2.0),
        edge(geometry.normal(), geometry.slice_step * 1.5),
    ];
    let place = Place::Patient(Parallelepiped { corner, edges });
    findings.groups[0].region = Some(Region { colour: [255, 128, 0], place });
    findings.groups[0].segment = None;
    findings
}

#[test]
fn an_alternate_differs_from_the_report_in_class_uid_and_number_alone() {
    let scan = Phantom::axial(4, 32, 40).scan();
    let first = report(&scan.source, &scan.volume, &with_a_box(&scan));
    let others = alternates(&first, None).expect("alternates");
    assert_eq!(alternates(&first, None).expect("again"), others, "the same report, the same bytes");
    let classes: Vec<&str> = others.iter().map(|other| other.sop_class.as_str()).collect();
    assert_eq!(classes, CLASSES);
    let own = [tags::SOP_CLASS_UID, tags::SOP_INSTANCE_UID, tags::INSTANCE_NUMBER];
    let before = open(&first);
    let mut uids = BTreeSet::from([first.sop_instance.as_str()]);
    for (other, number) in others.iter().zip(["2", "3"]) {
        assert_eq!((&other.study, &other.series), (&first.study, &first.series));
        assert!(uids.insert(other.sop_instance.as_str()), "a UID of its own");
        let object = open(other);
        let own_values = own.map(|tag| text(&object, tag).trim_end_matches('\0').to_owned());
        assert_eq!(own_values[..2], [other.sop_class.to_string(), other.sop_instance.to_string()]);
        assert_eq!(own_values[2], number);
        // As text: lengths that are undefined are equal to nothing.
        let told = |object: &Object, tag: Tag| format!("{:?}", object.element(tag));
        let tags = before.iter().map(|element| element.header().tag);
        let differing = tags.filter(|tag| told(&object, *tag) != told(&before, *tag));
        let differing: Vec<Tag> = differing.collect();
        assert_eq!(differing, own);
        assert_eq!(object.iter().count(), before.iter().count());
    }
}

/// dciodvfy for the modules, DCMTK for value types and relations of the class.
fn judged(case: &str, folder: &Path, source: &Path, first: &ResultObject) {
    for other in alternates(first, None).expect("alternates") {
        let path = kit::file(folder, "alternate.dcm", &other);
        let (none, class) = (Vec::<String>::new(), &other.sop_class);
        assert_eq!(validators::complaints(&path, source), none, "{case} {class}");
        assert_eq!(validators::report_complaints(&path), none, "{case} {class}");
    }
}

#[test]
fn alternates_of_every_kind_of_source_and_finding_are_valid() {
    let planes = cases::planes().into_iter();
    for (case, phantom) in cases::all().into_iter().chain(planes) {
        let scan = phantom.scan();
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let findings = model::findings(&scan.volume);
        judged(case, folder.path(), source, &report(&scan.source, &scan.volume, &findings));
        let boxed = report(&scan.source, &scan.volume, &with_a_box(&scan));
        let regions =
            content(content(content(&open(&boxed), "126010")[0], "125007")[0], "111030").len();
        assert!(regions > 0, "{case}: a region is told");
        judged(case, folder.path(), source, &boxed);
        let job = kit::provenance();
        let form = segmentation::Form::Binary;
        let segments =
            segmentation::segmentation(&scan.source, &scan.volume, &findings, form, &job);
        let referring = structured_report_of_segments(
            &scan.source,
            &scan.volume,
            &findings,
            &segments.expect("segments"),
            &job,
        );
        judged(case, folder.path(), source, &referring.expect("a report"));
    }
    let scan = Phantom::axial(1, 8, 8).scan();
    let (of, film) = (model::findings(&scan.volume), radiograph());
    let findings = film::findings(of, Ok(87.5), Some(Presence::Present));
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source.dcm");
    std::fs::write(&source, &film.file).expect("a file");
    judged("a film", folder.path(), &source, &report(&film.source, &film.film, &findings));
}

#[test]
fn pydicom_reads_an_alternate_like_the_report() {
    let scan = Phantom::axial(4, 32, 40).scan();
    let first = report(&scan.source, &scan.volume, &with_a_box(&scan));
    let script = "
import sys, pydicom
data_set = pydicom.dcmread(sys.argv[1])
def told(item, depth):
    value = item.get('TextValue') or item.get('UID') or ''
    if item.get('MeasuredValueSequence'):
        value = item.MeasuredValueSequence[0].NumericValue
    if 'GraphicData' in item:
        value = list(item.GraphicData)
    name = item.ConceptNameCodeSequence[0].CodeValue if 'ConceptNameCodeSequence' in item else ''
    print(depth, item.get('RelationshipType', ''), item.ValueType, name, value)
    for child in item.get('ContentSequence', []):
        told(child, depth + 1)
told(data_set, 0)
";
    let folder = tempfile::tempdir().expect("a folder");
    let read = |object: &ResultObject| {
        validators::python_says(script, &kit::file(folder.path(), "report.dcm", object))
    };
    let Some(expected) = read(&first) else { return };
    assert!(expected.iter().any(|line| line.contains("SCOORD 111030")), "{expected:?}");
    for other in alternates(&first, None).expect("alternates") {
        assert_eq!(read(&other).as_ref(), Some(&expected), "{}", other.sop_class);
    }
}
