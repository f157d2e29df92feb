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

/// Files that cannot be kept: what is cut would be lost half (C000), and without a study and a series
/// nobody could find it (C001, or A900 where its SOP Instance UID is missing too).
const REFUSED: &[(&str, u16)] = &[
    ("multiframe/emri_small_jpeg_2k_lossless_too_short.dcm", 0xC000),
    ("odd/charset/chrSQEncoding.dcm", 0xA900),
    ("odd/pydicom/MR_truncated.dcm", 0xC000),
    ("odd/pydicom/UN_sequence.dcm", 0xA900),
    ("odd/pydicom/empty_charset_LEI.dcm", 0xA900),
    ("odd/pydicom/meta_missing_tsyntax.dcm", 0xC000),
    ("odd/pydicom/nested_priv_SQ.dcm", 0xA900),
    ("odd/pydicom/no_meta.dcm", 0xC000),
    ("odd/pydicom/no_meta_group_length.dcm", 0xC000),
    ("odd/pydicom/priv_SQ.dcm", 0xA900),
    ("odd/pydicom/rtplan_truncated.dcm", 0xC000),
    ("ts/htj2k/HTJ2KLossless_08_RGB.dcm", 0xC001),
    ("ts/htj2k/HTJ2K_08_RGB.dcm", 0xC001),
    ("ts/pydicom/JPEGLSNearLossless_16.dcm", 0xC001),
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
    let (mut kept, mut refused): (Vec<Headers>, Vec<(&str, u16)>) = (Vec::new(), Vec::new());
    for file in files {
        let bytes = std::fs::read(root.join(&file.path)).expect("a file of the shared data");
        let mut instance = Instance::guess(&bytes);
        // A scanner names what is in the data set; heads of files may say something else.
        let or = |text: String, other: &str| if text.is_empty() { other.into() } else { text };
        instance.sop_class = or(file.text("SOPClassUID"), "1.2.840.10008.5.1.4.1.1.7");
        instance.sop_instance = or(file.text("SOPInstanceUID"), "1.2.3");
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
            Ok(Ok(status)) => refused.push((&file.path, status)),
            unanswered => panic!("{}: {unanswered:?}", file.path),
        }
    }
    assert_eq!(refused, REFUSED);
    kept
}

/// The week, received and decided by these rules.
fn week(rules: &[(String, String)]) -> Option<Week> {
    let (Some(root), Some(())) = (need::shared("data"), need::dcmtk()) else { return None };
    let (Some(files), Some(_)) = (headers(&root), need::onnx_runtime()) else { return None };
    let pacs = Pacs::up("PACS");
    let mut setup = Setup::new().study_quiet_seconds(1.0).pacs(&pacs);
    for (file, text) in rules {
        setup = setup.rules(file, text);
    }
    for scanner in ["CT1", "MR1", "CR1", "OTHER"] {
        setup = setup.scanner(scanner);
    }
    let node = setup.start();
    let kept = send_everything(&node, &root, &files);
    let done = ports::wait_for(PATIENCE, || {
        let status = node.status();
        let decided = [" 0 series receiving, 0 waiting", " 0 studies waiting"];
        let worked = !status.contains("infer  ") || status.contains(" 0 queued, 0 running");
        (worked && decided.iter().all(|part| status.contains(part))).then_some(())
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

/// The lines of a rule in what `explain` says, those of the last revision.
fn told<'a>(said: &'a str, rule: &str) -> &'a str {
    let head = format!("decide    \"{rule}\"");
    let at = said.rfind(&head).unwrap_or_else(|| panic!("{rule:?} is not in:\n{said}"));
    &said[at..]
}

/// The line that names revision, level, time and rules.
fn level<'a>(said: &'a str, rule: &str) -> &'a str {
    told(said, rule).lines().next().unwrap_or_default()
}

fn verdict<'a>(said: &'a str, rule: &str) -> &'a str {
    told(said, rule).lines().nth(1).unwrap_or_default().trim()
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

fn awkward() -> (String, String) {
    ("week.toml".into(), AWKWARD.into())
}

/// The files of rules that ship.
fn shipped() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(need::root().join("rules")).expect("the rules that ship");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("text"))
    };
    files.map(read).collect()
}

#[test]
fn what_is_awkward_is_decided_as_it_should_be() {
    let Some(week) = week(&[awkward()]) else { return };
    let explained = |series: String| (series.clone(), week.node.explain(&series));
    let told = week.by("SeriesInstanceUID").into_keys().map(explained).collect();
    the_awkward_ones_are_decided_as_they_should_be(&week, &told);
}

#[test]
fn a_week_of_real_traffic_is_received_decided_and_explained_to_the_last_image() {
    let files = [shipped(), vec![awkward()]].concat();
    let rules = rule_names(&files);
    let Some(week) = week(&files) else { return };
    let mut told = BTreeMap::new();
    for (series, files) in week.by("SeriesInstanceUID") {
        let said = week.node.explain(&series);
        assert!(said.contains(&format!("series {series}")), "{said}");
        for (rule, on) in &rules {
            // What was said of its study is told there too.
            assert!(level(&said, rule).contains(&format!(", on {on},")), "{rule}: {said}");
        }
        names_nobody(&said, &files);
        told.insert(series, said);
    }
    for (study, files) in week.by("StudyInstanceUID") {
        let said = week.node.explain(&study);
        assert!(said.contains(&format!("study {study}")), "{said}");
        let study_rules = rules.iter().filter(|(_, on)| on == "study");
        for (rule, _) in study_rules {
            assert!(level(&said, rule).contains(", on study,"), "{rule}: {said}");
        }
        names_nobody(&said, &files);
    }
    each_image_is_explained(&week, &rules);
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
            for line in said.lines().filter(|line| line.contains(" not selected by ")) {
                assert!(line.contains("; it has "), "{}: {line}", file.path);
            }
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

/// Of all rules in these files, with their level.
fn rule_names(files: &[(String, String)]) -> Vec<(String, String)> {
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_string();
    let mut rules: Vec<(String, String)> = Vec::new();
    for line in files.iter().flat_map(|(_, text)| text.lines()) {
        if line.starts_with("name") {
            rules.push((value(line), "series".into()));
        } else if let (true, Some(rule)) = (line.starts_with("on "), rules.last_mut()) {
            rule.1 = value(line);
        }
    }
    rules
}
