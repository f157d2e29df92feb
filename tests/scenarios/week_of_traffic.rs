//! All shared data as one week of traffic: each file is received or refused by its reason, each series is decided, and every question "why?" has an answer.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::Association;
use kit::need;
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::ports;
use kit::validators::{Headers, headers};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);
const SUCCESS: u16 = 0x0000;

/// What arrives of the awkward ones, and a rule for each. The cases in it run at the start.
const AWKWARD: &str = include_str!("week_of_traffic.toml");

/// Files that cannot be kept, and why: with no UID of study and series nobody could find them, and
/// what is cut would be lost half. The other status means: other bytes under the UID of a kept one.
const REFUSED: &[&str] = &[
    "odd/charset/chrSQEncoding.dcm",
    "odd/pydicom/MR_truncated.dcm",
    "odd/pydicom/UN_sequence.dcm",
    "odd/pydicom/empty_charset_LEI.dcm",
    "odd/pydicom/meta_missing_tsyntax.dcm",
    "odd/pydicom/nested_priv_SQ.dcm",
    "odd/pydicom/no_meta.dcm",
    "odd/pydicom/no_meta_group_length.dcm",
    "odd/pydicom/priv_SQ.dcm",
    "odd/pydicom/rtplan_truncated.dcm",
    "ts/htj2k/HTJ2KLossless_08_RGB.dcm",
    "ts/htj2k/HTJ2K_08_RGB.dcm",
];

struct Week {
    node: Node,
    pacs: Pacs,
    /// What pydicom reads of the files that were kept, the first of each SOP instance.
    kept: Vec<Headers>,
}

/// The scanner that sends files of a modality.
fn scanner(modality: &str) -> &'static str {
    match modality {
        "CT" => "CT1",
        "MR" => "MR1",
        "CR" => "CR1",
        _ => "OTHER",
    }
}

/// Sends every file, each on an association of its own; asserts which are refused.
fn send_everything(node: &Node, root: &Path, files: &[Headers]) -> Vec<Headers> {
    let (mut kept, mut refused): (Vec<Headers>, Vec<&str>) = (Vec::new(), Vec::new());
    for file in files {
        let bytes = std::fs::read(root.join(&file.path)).expect("a file of the shared data");
        let mut instance = Instance::guess(&bytes);
        if instance.sop_class.is_empty() {
            instance.sop_class = "1.2.840.10008.5.1.4.1.1.7".into();
            instance.sop_instance = "1.2.3".into();
        }
        let instances = [instance];
        let calling = scanner(&file.text("Modality"));
        let association = Association::request(calling, AE_TITLE, node.port, &instances);
        let status = association.map(|mut association| {
            let answer = association.store(&instances[0]);
            association.release();
            answer.map(|answer| answer.status)
        });
        match status {
            Ok(Ok(SUCCESS)) => {
                let known =
                    |other: &Headers| other.text("SOPInstanceUID") == file.text("SOPInstanceUID");
                if !kept.iter().any(known) {
                    kept.push(file.clone());
                }
            }
            _ => refused.push(&file.path),
        }
    }
    assert_eq!(refused, REFUSED);
    kept
}

fn week() -> Option<Week> {
    let (Some(root), Some(())) = (need::shared("data"), need::dcmtk()) else { return None };
    let (Some(files), Some(_)) = (headers(&root), need::onnx_runtime()) else { return None };
    let pacs = Pacs::up("PACS");
    let mut setup = Setup::new().rules("week.toml", AWKWARD).study_quiet_seconds(1.0).pacs(&pacs);
    for file in std::fs::read_dir(need::root().join("rules")).expect("the rules that ship") {
        let path = file.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            setup = setup.rules(&name, &std::fs::read_to_string(&path).expect("text"));
        }
    }
    for scanner in ["CT1", "MR1", "CR1", "OTHER"] {
        setup = setup.scanner(scanner);
    }
    let node = setup.start();
    let kept = send_everything(&node, &root, &files);
    let done = ports::wait_for(PATIENCE, || {
        let status = node.status();
        let settled =
            ["0 series receiving, 0 waiting", " 0 studies waiting", " 0 queued, 0 running"];
        settled.iter().all(|part| status.contains(part)).then_some(())
    });
    assert!(done.is_some(), "not all is decided: {}", node.status());
    Some(Week { node, pacs, kept })
}

impl Week {
    fn by(&self, keyword: &str) -> BTreeMap<String, Vec<&Headers>> {
        let mut by: BTreeMap<String, Vec<&Headers>> = BTreeMap::new();
        for file in &self.kept {
            by.entry(file.text(keyword)).or_default().push(file);
        }
        by
    }

    /// The one series that the file of this path is in.
    fn series_of(&self, path: &str) -> String {
        let file = self.kept.iter().find(|file| file.path == path);
        file.unwrap_or_else(|| panic!("{path} was not kept")).text("SeriesInstanceUID")
    }

    /// Series on which the rule ran.
    fn ran(&self, told: &BTreeMap<String, String>, rule: &str) -> BTreeSet<String> {
        let ran = told.iter().filter(|(_, said)| verdict(said, rule).starts_with("runs: "));
        ran.map(|(series, _)| series.clone()).collect()
    }
}

/// What `explain` says of a rule, in the last revision.
fn verdict<'a>(said: &'a str, rule: &str) -> &'a str {
    let head = format!("decide    \"{rule}\"");
    let at = said.rfind(&head).unwrap_or_else(|| panic!("{rule:?} is not in:\n{said}"));
    said[at..].lines().nth(1).unwrap_or_default().trim()
}

fn names_nobody(said: &str, files: &[&Headers]) {
    for file in files {
        for keyword in ["PatientName", "PatientID"] {
            let text = file.text(keyword);
            let telling = text.chars().count() > 3 && !file.text("SOPInstanceUID").contains(&text);
            assert!(!telling || !said.contains(&text), "{keyword} of {} is told", file.path);
        }
    }
}

#[test]
fn a_week_of_real_traffic_is_received_decided_and_explained_to_the_last_image() {
    let Some(week) = week() else { return };
    let rules = rule_names();
    let mut told = BTreeMap::new();
    for (series, files) in week.by("SeriesInstanceUID") {
        let said = week.node.explain(&series);
        assert!(said.contains(&format!("series {series}")), "{said}");
        for (rule, on) in &rules {
            assert_eq!(
                on == "study",
                !said.contains(&format!("\"{rule}\" (on {on}")),
                "{rule}: {said}"
            );
        }
        names_nobody(&said, &files);
        told.insert(series, said);
    }
    for (study, files) in week.by("StudyInstanceUID") {
        let said = week.node.explain(&study);
        assert!(said.contains(&format!("study {study}")), "{said}");
        let study_rules = rules.iter().filter(|(_, on)| on == "study");
        for (rule, _) in study_rules {
            assert!(said.contains(&format!("\"{rule}\" (on study")), "{rule}: {said}");
        }
        names_nobody(&said, &files);
    }
    each_image_is_explained(&week, &rules);
    the_awkward_ones_are_decided_as_they_should_be(&week, &told);
    the_chest_is_measured(&week, &told);
}

/// One image of each series, and all of the CT.
fn each_image_is_explained(week: &Week, rules: &[(String, String)]) {
    for files in week.by("SeriesInstanceUID").values() {
        let asked = if files[0].path.starts_with("ct_chest") { files.len() } else { 1 };
        for file in &files[..asked] {
            let said = week.node.explain(&file.text("SOPInstanceUID"));
            assert!(
                said.contains("instance ") && said.contains("receive "),
                "{}: {said}",
                file.path
            );
            let verdicts = said.matches("this image: ").count();
            assert!(verdicts >= rules.len(), "{verdicts} verdicts for {}: {said}", file.path);
            names_nobody(&said, &[file]);
        }
    }
}

fn the_awkward_ones_are_decided_as_they_should_be(week: &Week, told: &BTreeMap<String, String>) {
    let series = |paths: &[&str]| -> BTreeSet<String> {
        paths.iter().map(|path| week.series_of(path)).collect()
    };
    assert_eq!(week.ran(told, "brain MR without a body part"), series(&["mr_t1_j2k/0001.dcm"]));
    assert_eq!(week.ran(told, "a name in Cyrillic letters"), series(&["odd/charset/chrRuss.dcm"]));
    assert_eq!(
        week.ran(told, "segmentations of the liver"),
        series(&["seg_sr/liver.dcm", "seg_sr/liver_rle.dcm", "seg_sr/liver_deflate.dcm"])
    );
    assert_eq!(week.ran(told, "imaging measurement reports"), series(&["seg_sr/sr.dcm"]));
    assert_eq!(
        week.ran(told, "thirteen frames with places of their own"),
        series(&["seg_sr/seg.dcm"])
    );
    // Independent of the node: what pydicom reads of the same files.
    let same: BTreeSet<String> = week
        .kept
        .iter()
        .filter(|file| file.text("SeriesDescription") == "PneumoniaMNIST 28x28 val")
        .map(|file| file.text("SeriesInstanceUID"))
        .collect();
    assert!(same.len() > 1, "several series have one description");
    assert_eq!(week.ran(told, "series of one description"), same);
    let study = week.kept.iter().find(|file| file.path == "ct_chest_A0002_B40f/0001.dcm");
    let said = week.node.explain(&study.expect("the chest CT").text("StudyInstanceUID"));
    let both = verdict(&said, "soft and sharp kernel of one study");
    assert!(both.starts_with("runs: "), "{said}");
    assert!(
        said.contains("soft: 30 images selected") && said.contains("sharp: 30 images selected"),
        "{said}"
    );
}

/// The shipped rule runs its model on the one series for it, and the results are in its study.
fn the_chest_is_measured(week: &Week, told: &BTreeMap<String, String>) {
    const RULE: &str = "emphysema on soft-kernel chest CT";
    let soft = week.series_of("ct_chest_A0002_B40f/0001.dcm");
    assert_eq!(week.ran(told, RULE), BTreeSet::from([soft.clone()]));
    for station in ["receive ", "complete ", "decide ", "infer ", "compose ", "deliver "] {
        assert!(told[&soft].contains(station), "{station} is not in {}", told[&soft]);
    }
    let results: Vec<ReceivedFile> = week.pacs.wait_for(2, PATIENCE);
    assert!(results.iter().any(ReceivedFile::is_report), "{results:?}");
}

/// Of all rules in force, with their level.
fn rule_names() -> Vec<(String, String)> {
    let folder = need::root().join("rules");
    let shipped = std::fs::read_dir(folder).expect("the rules that ship");
    let paths = shipped.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let mut texts: Vec<String> =
        files.map(|path| std::fs::read_to_string(path).expect("text")).collect();
    texts.push(AWKWARD.into());
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_string();
    let mut rules: Vec<(String, String)> = Vec::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if line.starts_with("name") {
            rules.push((value(line), "series".into()));
        } else if let (true, Some(rule)) = (line.starts_with("on "), rules.last_mut()) {
            rule.1 = value(line);
        }
    }
    rules
}
