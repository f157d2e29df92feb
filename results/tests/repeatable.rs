//! The same job gives the same object, and another job another one.

mod kit;

use gantry_results::{
    ComposeError, Provenance, ResultObject, secondary_capture, structured_report,
};
use gantry_terms::findings::Findings;
use gantry_terms::uid::Uid;
use kit::model;
use kit::phantom::{Phantom, Scan};

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
fn another_node_model_rule_revision_or_input_makes_another_object() {
    let scan = Phantom::axial(4, 32, 48).scan();
    let findings = model::findings(&scan.volume);
    let job = kit::provenance();
    let first = both(&scan, &findings, &job)[0].sop_instance.clone();
    let mut other = findings.clone();
    other.algorithm.digest = "00".repeat(32);
    let mut tuned = findings.clone();
    tuned.algorithm.manifest_digest = "00".repeat(32);
    let mut fewer = Phantom::axial(4, 32, 48).scan();
    fewer.source.instances.pop();
    let mut turned = Phantom::axial(4, 32, 48).scan();
    turned.source.instances.reverse();
    let uid = |scan: &Scan, findings: &Findings, job: &Provenance| {
        both(scan, findings, job)[0].sop_instance.clone()
    };
    assert_ne!(first, uid(&scan, &other, &job));
    assert_ne!(first, uid(&scan, &tuned, &job));
    assert_ne!(first, uid(&scan, &findings, &Provenance { revision: 2, ..job.clone() }));
    assert_ne!(first, uid(&scan, &findings, &Provenance { rule: "other".into(), ..job.clone() }));
    let mut elsewhere = job.clone();
    elsewhere.station.observer_uid = Uid::derived(&["another node"]);
    assert_ne!(first, uid(&scan, &findings, &elsewhere));
    assert_ne!(first, uid(&fewer, &findings, &job));
    assert_eq!(first, uid(&turned, &findings, &job), "the order of arrival is no part of a job");
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
