//! Data sets that no scanner should send, and all of the shared data: never a panic, and no verdict contradicts itself.

use super::super::judge::{Arrived, ImageFacts};
use super::super::rule_set::RuleSet;
use super::mutated::{Chance, FURTHER_SEED, SEED};
use super::{file, world};
use gantry_store::header::read_header;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Value};
use gantry_terms::uid::Uid;
use std::path::{Path, PathBuf};

/// A value that no scanner should have sent.
fn strange(chance: &mut Chance) -> Value {
    match chance.below(9) {
        0 => Value::Decimal(f64::NAN),
        1 => Value::Decimal(f64::INFINITY),
        2 => Value::Decimal(1e308),
        3 => Value::Integer(i64::MIN),
        4 => Value::Item(Header::default()),
        5 => Value::Text("".into()),
        6 => Value::Text("CT".into()),
        7 => Value::Text("1e308".into()),
        _ => Value::Text("\u{1F600}é\\n 20261399 999Y".into()),
    }
}

const TAGS: [u32; 28] = [
    0x0008_0060,
    0x0018_0050,
    0x0008_0020,
    0x0010_1010,
    0x0018_0015,
    0x0008_103E,
    0x0008_0008,
    0x0020_0032,
    0x0020_0037,
    0x0020_0052,
    0x0019_0010,
    0x0019_100C,
    0x0008_0030,
    0x0008_002A,
    0x0008_0100,
    0x0008_0102,
    0x0008_1032,
    0x0040_0008,
    0x0040_0275,
    0x0028_0008,
    0x0028_0009,
    0x0028_2110,
    0x5200_9229,
    0x5200_9230,
    0x0020_9113,
    0x0020_9116,
    0x0008_0005,
    0x7FE0_0010,
];

fn strange_header(chance: &mut Chance, depth: usize) -> Header {
    let vrs = ["CS", "DS", "FL", "FD", "SQ", "UN", "DT", "AT", "", "é"];
    let mut header = Header::default();
    for tag in TAGS {
        if chance.below(3) == 0 {
            continue;
        }
        let value = |chance: &mut Chance| match chance.below(4) {
            0 if depth < 3 => Value::Item(strange_header(chance, depth + 1)),
            _ => strange(chance),
        };
        let values = (0..chance.below(if depth == 0 { 8 } else { 3 })).map(|_| value(chance));
        let values = values.collect();
        header.0.insert(tag, Attribute { vr: vrs[chance.below(vrs.len())].into(), values });
    }
    header
}

/// Judges by every rule of both seeds; nothing of a verdict contradicts itself.
fn judge(rules: &RuleSet, headers: &[Header]) {
    let title = AeTitle::parse("CT1").expect("a title");
    let series = [Uid::derived(&["a"]), Uid::derived(&["b"])];
    let uids: Vec<Uid> =
        (0..headers.len()).map(|at| Uid::derived(&["image", &at.to_string()])).collect();
    let images = headers.iter().zip(&uids).enumerate().map(|(at, (header, uid))| ImageFacts {
        sop_instance: uid,
        sop_class: &uids[0],
        transfer_syntax: &uids[0],
        calling_ae: &title,
        called_ae: &title,
        peer: Some(&title).filter(|_| at % 2 == 0),
        series: &series[at % 2],
        arrived: Arrived { second: 86_400, weekday: at as u8, order: u32::MAX },
        header: Layered::whole(header),
        made_here: at % 5 == 4,
    });
    let images: Vec<ImageFacts> = images.collect();
    let of_first: Vec<ImageFacts> = images.iter().step_by(2).copied().collect();
    let judgements = rules.judge(&of_first).into_iter().chain(rules.judge_study(&images));
    let judgements: Vec<_> = judgements.collect();
    for judgement in judgements {
        assert_eq!(judgement.runs, judgement.reason.starts_with("runs: "));
        assert_eq!(judgement.runs, judgement.because.is_empty());
        assert_eq!(judgement.runs, !judgement.selected.is_empty());
        assert!(serde_json::to_string(&(&judgement.conditions, &judgement.fates)).is_ok());
    }
}

fn both_seeds() -> RuleSet {
    let files = vec![file("a.toml", SEED), file("b.toml", FURTHER_SEED)];
    RuleSet::parse(files, &world()).expect("the rules are good")
}

#[test]
fn no_header_makes_a_judgement_fall_over() {
    let rules = both_seeds();
    let mut chance = Chance(7);
    for _ in 0..1500 {
        let headers: Vec<Header> =
            (0..=chance.below(4)).map(|_| strange_header(&mut chance, 0)).collect();
        judge(&rules, &headers);
    }
}

/// Every file that lies in or below a folder.
fn files_below(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files_below(&path, paths),
            path => paths.push(path),
        }
    }
}

#[test]
fn every_object_of_the_shared_data_gets_verdicts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let mut paths = Vec::new();
    files_below(&root, &mut paths);
    paths.sort();
    if paths.is_empty() {
        return println!("skipped: {} is not there", root.display());
    }
    let rules = both_seeds();
    let read = |path: &PathBuf| read_header(&std::fs::read(path).expect("a file")).ok();
    let headers: Vec<Header> = paths.iter().filter_map(read).collect();
    assert!(headers.len() > 50, "{} of {} are DICOM", headers.len(), paths.len());
    headers.chunks(7).for_each(|headers| judge(&rules, headers));
    judge(&rules, &headers);
}
