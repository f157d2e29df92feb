//! The rules that ship, on the headers of real series.

use super::super::judge::{ImageFacts, Judgement};
use super::super::made_up::NOON_ON_MONDAY;
use super::super::rule_set::RuleSet;
use super::shipped::shipped;
use super::world;
use gantry_store::header::read_header;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Header, Layered, Tag};
use gantry_terms::uid::Uid;
use std::path::{Path, PathBuf};

const SOP_CLASS_UID: Tag = 0x0008_0016;
const SOP_INSTANCE_UID: Tag = 0x0008_0018;

/// What the rules say of a folder of shared data; nothing when the data are not on this machine.
fn judged(folder: &str) -> Option<Vec<Judgement>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    let Ok(entries) = std::fs::read_dir(&root) else {
        println!("skipped: {} is not there", root.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let headers: Vec<Header> = paths
        .iter()
        .map(|path| read_header(&std::fs::read(path).expect("a file")).expect("a DICOM file"))
        .collect();
    let uid = |header: &Header, tag| Uid::parse(header.text(tag).expect("a UID")).expect("a UID");
    let uids: Vec<[Uid; 2]> =
        headers.iter().map(|h| [uid(h, SOP_CLASS_UID), uid(h, SOP_INSTANCE_UID)]).collect();
    let title = AeTitle::parse("CT1").expect("a title");
    let syntax = Uid::parse("1.2.840.10008.1.2.1").expect("a UID");
    let images = headers.iter().zip(&uids).map(|(header, [class, instance])| ImageFacts {
        sop_instance: instance,
        sop_class: class,
        transfer_syntax: &syntax,
        calling_ae: &title,
        called_ae: &title,
        peer: Some(&title),
        series: instance,
        arrived: NOON_ON_MONDAY,
        header: Layered::whole(header),
        made_here: false,
    });
    let images: Vec<ImageFacts> = images.collect();
    let rules = RuleSet::parse(shipped(), &world()).expect("the rules that ship are good");
    Some(rules.judge(&images))
}

/// The reason of chest CT; every other rule that ships is a guard, and keeps nothing from it.
fn check(folder: &str, chest: &str) {
    let Some(judged) = judged(folder) else { return };
    let (of_chest, guards): (Vec<_>, Vec<_>) =
        judged.iter().partition(|judgement| judgement.rule.contains("chest CT"));
    assert!(of_chest[0].reason.starts_with(chest), "{folder}: {}", of_chest[0].reason);
    assert!(guards.len() > 10);
    for guard in guards {
        assert!(guard.reason.starts_with("skipped: no image"), "{folder}: {guard:?}");
    }
}

#[test]
fn the_soft_kernel_of_a_real_chest_ct_runs_and_its_sharp_kernel_does_not() {
    check("ct_chest_A0002_B40f", "runs: 30 images selected");
    check(
        "ct_chest_A0002_B70f_jpegls",
        "skipped: images: 0 selected, at least 20 wanted; ConvolutionKernel excluded 30 (found \"B70f\"",
    );
}

#[test]
fn a_real_mr_series_is_skipped_by_its_modality() {
    check("mr_t1_j2k", "skipped: images: 0 selected, at least 20 wanted; Modality excluded");
}

#[test]
fn no_reason_and_no_trace_of_a_real_series_names_its_patient() {
    let Some(judged) = judged("ct_chest_A0002_B40f") else { return };
    let all = format!("{judged:?}");
    assert!(!all.contains("Lung_Dx"), "the patient's ID is in a trace");
}
