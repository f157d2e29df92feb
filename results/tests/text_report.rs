//! What a text report says in words, and that readers of other makers read the same.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{Measured, Source, text_report};
use gantry_terms::findings::{Findings, Presence};
use gantry_terms::region::{Parallelepiped, Place, Region};
use kit::film::{self, radiograph};
use kit::phantom::Phantom;
use kit::reading::{Object, code, content, items, open, referenced, text};
use kit::{cases, model, validators};

fn report<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
) -> gantry_results::ResultObject {
    text_report(source, measured, findings, &kit::provenance()).expect("a report")
}

fn findings_of(object: &Object) -> Vec<&Object> {
    content(content(object, "121070")[0], "121071")
}

const LUNGS: &str = "Lungs (Lung, Threshold and region growing): Volume 2556.72 mL; \
                     Attenuation Coefficient (Mean) -788.832 [hnsf'U]";
const EMPHYSEMA: &str = "Emphysema (Pulmonary emphysema, Lung): Low attenuation area below -950 HU 1.3454 %; \
                         Volume without a value: measurement failure";

#[test]
fn each_group_is_a_sentence_and_the_model_stands_before_them() {
    let scan = Phantom::axial(3, 32, 32).scan();
    let findings = model::findings(&scan.volume);
    let result = report(&scan.source, &scan.volume, &findings);
    assert_eq!(report(&scan.source, &scan.volume, &findings), result, "the same bytes");
    let object = open(&result);
    for (tag, expected) in [
        (tags::MODALITY, "SR"),
        (tags::VERIFICATION_FLAG, "UNVERIFIED"),
        (tags::PRELIMINARY_FLAG, "PRELIMINARY"),
        (tags::SERIES_DESCRIPTION, "Lung densitometry text report (RUO)"),
        (tags::STUDY_INSTANCE_UID, scan.source.study.as_str()),
    ] {
        assert_eq!(text(&object, tag).trim_end_matches('\0'), expected, "{tag}");
    }
    assert_eq!(code(&object, tags::CONCEPT_NAME_CODE_SEQUENCE), "18748-4");
    let template = &items(&object, tags::CONTENT_TEMPLATE_SEQUENCE)[0];
    assert_eq!(text(template, tags::TEMPLATE_IDENTIFIER), "2000");
    let said: Vec<String> =
        findings_of(&object).into_iter().map(|item| text(item, tags::TEXT_VALUE)).collect();
    assert_eq!(said, [LUNGS, EMPHYSEMA]);
    let made = text(content(content(&object, "121064")[0], "121065")[0], tags::TEXT_VALUE);
    let digest = &findings.algorithm.digest;
    assert_eq!(
        made,
        format!(
            "FOR RESEARCH USE ONLY. Not for diagnosis. Found by Lung densitometry 1.0.0 of Gantry. Model emphysema, \
             SHA-256 {digest}. Rule \"emphysema on thin chest CT\", revision 1."
        )
    );
}

#[test]
fn nothing_measured_is_told() {
    let scan = Phantom::axial(3, 32, 32).scan();
    let mut findings = model::findings(&scan.volume);
    findings.groups.clear();
    let object = open(&report(&scan.source, &scan.volume, &findings));
    let said = text(findings_of(&object)[0], tags::TEXT_VALUE);
    assert_eq!(said, "The model measured nothing and answered nothing.");
}

#[test]
fn a_sentence_names_the_images_that_it_was_found_on() {
    let scan = Phantom::axial(4, 32, 32).scan();
    let mut findings = model::findings(&scan.volume);
    let [x, y, z] = scan.volume.geometry.origin;
    let edges = [[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 6.0]];
    let place = Place::Patient(Parallelepiped { corner: [x + 4.0, y + 4.0, z + 1.5], edges });
    findings.groups[1].region = Some(Region { colour: [255, 128, 0], place });
    let object = open(&report(&scan.source, &scan.volume, &findings));
    let named = |at: usize| scan.volume.slices[at].sop_instance.to_string();
    let [first, second] = findings_of(&object)[..] else { panic!("two findings") };
    assert_eq!(referenced(first), Vec::<String>::new());
    assert_eq!(referenced(second), [named(1), named(2)]);

    let cine = radiograph();
    let mut found =
        film::findings(model::findings(&scan.volume), Ok(87.5), Some(Presence::Present));
    found.groups[0].frame = Some(11);
    let object = open(&report(&cine.source, &cine.film, &found));
    let finding = findings_of(&object)[0];
    let said = text(finding, tags::TEXT_VALUE);
    assert_eq!(said, "Pneumonia (Lung): present; Certainty of Finding 87.5 %");
    let image =
        &items(&items(finding, tags::CONTENT_SEQUENCE)[0], tags::REFERENCED_SOP_SEQUENCE)[0];
    assert_eq!(text(image, tags::REFERENCED_FRAME_NUMBER), "11");
}

#[test]
fn text_reports_of_every_kind_of_source_are_valid_and_read_by_others() {
    let script = "
import sys, pydicom
report = pydicom.dcmread(sys.argv[1])
for section in report.ContentSequence:
    if section.ValueType == 'CONTAINER' and section.ConceptNameCodeSequence[0].CodeValue == '121070':
        for item in section.ContentSequence:
            print(item.TextValue)
";
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let result = report(&scan.source, &scan.volume, &model::findings(&scan.volume));
        let path = kit::file(folder.path(), "report.dcm", &result);
        let none = Vec::<String>::new();
        assert_eq!(validators::complaints(&path, source), none, "{case}");
        assert_eq!(validators::report_complaints(&path), none, "{case}");
        let Some(told) = validators::python_says(script, &path) else { continue };
        assert_eq!(told, [LUNGS, EMPHYSEMA], "{case}");
    }
}
