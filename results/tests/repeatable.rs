//! The same job gives the same object, another job another one, and a bad source a reason without a patient in it.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{
    ComposeError, Provenance, ResultObject, Source, secondary_capture, structured_report,
};
use gantry_terms::findings::Findings;
use kit::model;
use kit::phantom::{Phantom, Scan, references};

fn both(scan: &Scan, findings: &Findings, job: &Provenance) -> [ResultObject; 2] {
    [
        structured_report(&scan.source, &scan.volume, findings, job).expect("a report"),
        secondary_capture(&scan.source, &scan.volume, findings, job).expect("a picture"),
    ]
}

#[test]
fn the_same_job_makes_the_same_bytes() {
    let scan = Phantom::axial(4, 32, 48).scan();
    let findings = model::findings(&scan.volume);
    let first = both(&scan, &findings, &kit::provenance());
    assert_eq!(first, both(&scan, &findings, &kit::provenance()));
    assert_ne!(first[0].sop_instance, first[1].sop_instance);
    assert_ne!(first[0].series, first[1].series);
    assert_eq!(first[0].study, scan.source.study);
}

#[test]
fn another_model_rule_revision_or_input_makes_another_object() {
    let scan = Phantom::axial(4, 32, 48).scan();
    let findings = model::findings(&scan.volume);
    let job = kit::provenance();
    let first = both(&scan, &findings, &job)[0].sop_instance.clone();
    let mut other = findings.clone();
    other.algorithm.digest = "00".repeat(32);
    let mut fewer = Phantom::axial(4, 32, 48).scan();
    fewer.source.instances.pop();
    let mut turned = Phantom::axial(4, 32, 48).scan();
    turned.source.instances.reverse();
    let uid = |scan: &Scan, findings: &Findings, job: &Provenance| {
        both(scan, findings, job)[0].sop_instance.clone()
    };
    assert_ne!(first, uid(&scan, &other, &job));
    assert_ne!(first, uid(&scan, &findings, &Provenance { revision: 2, ..job.clone() }));
    assert_ne!(first, uid(&scan, &findings, &Provenance { rule: "other".into(), ..job.clone() }));
    assert_ne!(first, uid(&fewer, &findings, &job));
    assert_eq!(first, uid(&turned, &findings, &job), "the order of arrival is no part of a job");
}

#[test]
fn a_source_without_its_study_is_refused() {
    let phantom = Phantom::axial(1, 8, 8);
    let good = phantom.scan();
    let bad = Phantom::axial(1, 8, 8).edited(|object| {
        object.remove_element(tags::STUDY_INSTANCE_UID);
    });
    let bad = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bad.scan()));
    assert!(bad.is_err(), "the kit reads its own files");
    let cut = &good.files[0][..good.files[0].len() - 150];
    assert!(Source::read(cut, references(&good.volume)).is_ok(), "pixels are not needed");
    let nobody = Source::read(&good.files[0], Vec::new());
    assert!(matches!(nobody, Err(ComposeError::Mismatch(_))));
}

#[test]
fn findings_of_another_volume_are_refused() {
    let scan = Phantom::axial(2, 16, 16).scan();
    let mut findings = model::findings(&scan.volume);
    findings.masks[0].voxels.pop();
    let job = kit::provenance();
    let report = structured_report(&scan.source, &scan.volume, &findings, &job);
    assert!(matches!(report, Err(ComposeError::Mismatch(_))));
    let capture = secondary_capture(&scan.source, &scan.volume, &findings, &job);
    assert!(matches!(capture, Err(ComposeError::Mismatch(_))));
}

/// Every cut and many broken bytes: a reason or a source, never a panic, never a name.
#[test]
fn a_broken_source_gives_a_reason_without_a_patient_in_it() {
    let scan = Phantom::axial(1, 4, 4).scan();
    let file = &scan.files[0];
    let read = |bytes: &[u8]| {
        if let Err(error) = Source::read(bytes, references(&scan.volume)) {
            let said = format!("{error} {error:?}");
            assert!(["Müller", "PID-0815", "Wolfe"].iter().all(|name| !said.contains(name)));
        }
    };
    (0..file.len()).step_by(7).for_each(|end| read(&file[..end]));
    let mut state = 1u32;
    for _ in 0..4000 {
        let mut bytes = file.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = 132 + (state >> 8) as usize % (bytes.len() - 132);
            bytes[at] = state as u8;
        }
        read(&bytes);
    }
}
