//! Report, picture and segments of every kind of source before the validators of other makers.

mod kit;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_results::segmentation::{Form, segmentation};
use gantry_results::{secondary_capture, structured_report, structured_report_of_segments};
use gantry_terms::findings::Findings;
use kit::phantom::{Phantom, Scan};
use kit::{cases, ct, model, tables, validators};

/// Cases in which a result rightly differs from its source, as missing or wrong values were mended; beside those of
/// [`cases::RECODED`].
const MENDED: [&str; 3] = ["without optional values", "long values", "old forms of dates"];

/// Composes both results of one scan and lets everybody look at them.
fn check(case: &str, scan: &Scan, findings: &Findings) {
    let job = kit::provenance();
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = kit::source_files(folder.path(), scan);
    let report = structured_report(&scan.source, &scan.volume, findings, &job).expect("a report");
    let capture = secondary_capture(&scan.source, &scan.volume, findings, &job).expect("a picture");
    let mut objects = vec![];
    let mut findings = findings.clone();
    for mask in &mut findings.masks {
        mask.probabilities = mask.voxels.iter().map(|voxel| voxel * 200).collect();
    }
    for form in [Form::Binary, Form::Fractional].into_iter().filter(|_| !findings.masks.is_empty())
    {
        let object = segmentation(&scan.source, &scan.volume, &findings, form, &job);
        objects.push(object.expect("segments"));
    }
    let report = match objects.first() {
        None => report,
        Some(object) => {
            let (source, volume) = (&scan.source, &scan.volume);
            let report = structured_report_of_segments(source, volume, &findings, object, &job);
            report.expect("a report")
        }
    };
    let report = kit::file(folder.path(), "report.dcm", &report);
    let capture = kit::file(folder.path(), "capture.dcm", &capture);
    let none = Vec::<String>::new();
    assert_eq!(validators::complaints(&report, &files[0]), none, "{case}");
    assert_eq!(validators::complaints(&capture, &files[0]), none, "{case}");
    assert_eq!(validators::report_complaints(&report), none, "{case}");
    let mut results = vec![report, capture];
    for (at, object) in objects.iter().enumerate() {
        let file = kit::file(folder.path(), &format!("segments-{at}.dcm"), object);
        assert_eq!(validators::complaints(&file, &files[0]), none, "{case}");
        results.push(file);
    }
    let mut among_results = validators::contradictions(&results);
    // The sources are referenced, and on purpose not among these files.
    among_results.retain(|line| !line.contains("Missing SOPInstanceUID that was referenced"));
    assert_eq!(among_results, none, "{case}");
    if !MENDED.contains(&case) && !cases::RECODED.contains(&case) {
        // A source may refer to images that are not here: a localizer, for example.
        let of_source = validators::contradictions(&files);
        files.extend(results);
        let mut of_all = validators::contradictions(&files);
        of_all.retain(|line| !of_source.contains(line));
        assert_eq!(of_all, none, "{case}");
    }
}

#[test]
fn results_of_every_kind_of_source_are_valid() {
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        check(case, &scan, &model::findings(&scan.volume));
    }
}

#[test]
fn results_of_every_kind_of_model_are_valid() {
    let scan = Phantom::axial(3, 64, 64).scan();
    let usual = model::findings(&scan.volume);
    let mut nothing = usual.clone();
    nothing.groups.clear();
    nothing.masks.clear();
    nothing.algorithm.research_only = false;
    check("nothing measured", &scan, &nothing);
    let mut wordy = usual.clone();
    wordy.algorithm.title = "A very long title of a model that nobody cut, \\ and more ".repeat(3);
    wordy.algorithm.version =
        "1.0.0-alpha+2026.11.23.build.4711.of.a.very.long.pipeline.name.x".into();
    wordy.groups[0].label = "Ein Name, länger als vierundsechzig Zeichen, ".repeat(4);
    wordy.groups[0].measurements[0].concept.value = "a-code-value-of-more-than-16".into();
    wordy.groups[0].measurements[0].concept.meaning = "A meaning ".repeat(12);
    wordy.masks[0].label = "µ³ 山田 \\ ".repeat(90);
    check("a wordy model", &scan, &wordy);
    let mut broken = usual;
    broken.groups[0].measurements[0].value = Ok(f64::NAN);
    broken.groups[0].measurements[1].value = Ok(-1.0e-300 / 3.0);
    check("a number that is none", &scan, &broken);
}

#[test]
fn results_of_a_real_chest_ct_are_valid() {
    let Some(scan) = ct::scan() else { return };
    check("chest CT", &scan, &ct::findings(&scan.volume));
}

/// Nothing is said of a result by a validator that finds no fault in anything.
#[test]
fn an_object_without_a_type_1_attribute_is_found() {
    if validators::python().is_none() {
        return;
    }
    let check = |slices: usize, missing: Option<Tag>, expected: &[&str]| {
        let scan = Phantom::axial(slices, 64, 64).scan();
        let findings = model::findings(&scan.volume);
        let capture = secondary_capture(&scan.source, &scan.volume, &findings, &kit::provenance());
        let folder = tempfile::tempdir().expect("a folder");
        let path = kit::file(folder.path(), "capture.dcm", &capture.expect("a picture"));
        let mut object = dicom_object::open_file(&path).expect("a readable file");
        missing.into_iter().for_each(|tag| assert!(object.remove_element(tag)));
        object.write_to_file(&path).expect("written");
        assert_eq!(tables::faults(&path), expected, "{slices} slices without {missing:?}");
    };
    check(3, None, &[]);
    check(3, Some(tags::CONVERSION_TYPE), &["sc-equipment: ConversionType: TagMissing"]);
    let pointer = "multi-frame: FrameIncrementPointer: TagMissing";
    check(3, Some(tags::FRAME_INCREMENT_POINTER), &[pointer]);
    // Of one frame there is none to point to.
    check(1, None, &[]);
}
