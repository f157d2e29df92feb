//! Another version of a model while series arrive: tried beside the live one, promoted, rolled back, and never in the way.

#[path = "swapped/versions.rs"]
mod versions;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, open_file};
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::PhantomSeries;
use kit::{need, ports};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use versions::author::{Author, placed_as, slow_graph};
use versions::{RULES, THRESHOLDS, brought, send, series, version};

const PATIENCE: Duration = Duration::from_secs(300);
const MILLILITRES: f64 = 4.0 * 4.0 * 30.0 / 1000.0;

/// How many voxels reach each version's threshold: of the pixels as the modality sends them.
fn voxels(series: &PhantomSeries) -> [f64; 2] {
    THRESHOLDS.map(|(_, threshold)| {
        let of_image = |object: InMemDicomObject| {
            let number = |tag: Tag| object.element(tag).unwrap().to_float32().unwrap();
            let (slope, intercept) = (number(tags::RESCALE_SLOPE), number(tags::RESCALE_INTERCEPT));
            let pixels = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
            let values = pixels.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]]));
            values.filter(|value| f32::from(*value) * slope + intercept >= threshold).count()
        };
        series.instances.iter().map(|image| of_image(image.object())).sum::<usize>() as f64
    })
}

/// The version that a report names, and its volume.
fn report(path: &Path) -> (String, f64) {
    let object = open_file(path).expect("a report").into_inner();
    let mut found = BTreeMap::new();
    walk(&object, &mut found);
    let version = found.get("111003").expect("Algorithm Version").clone();
    (version, found["118565006"].parse().expect("a number"))
}

/// What stands below each concept of a content tree, by the concept's code.
fn walk(item: &InMemDicomObject, found: &mut BTreeMap<String, String>) {
    let first = |of: &InMemDicomObject, tag: Tag| {
        of.get(tag).and_then(|element| element.items()?.first().cloned())
    };
    let text = |of: &InMemDicomObject, tag: Tag| {
        of.get(tag).and_then(|element| Some(element.to_str().ok()?.trim().to_string()))
    };
    let name = first(item, tags::CONCEPT_NAME_CODE_SEQUENCE)
        .and_then(|concept| text(&concept, tags::CODE_VALUE));
    let number = first(item, tags::MEASURED_VALUE_SEQUENCE)
        .and_then(|measured| text(&measured, tags::NUMERIC_VALUE));
    if let (Some(name), Some(value)) = (name, number.or_else(|| text(item, tags::TEXT_VALUE))) {
        found.insert(name, value);
    }
    let content = item.get(tags::CONTENT_SEQUENCE).and_then(|element| element.items());
    content.into_iter().flatten().for_each(|item| walk(item, found));
}

fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{found}, not {expected}");
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    assert!(ports::wait_for(PATIENCE, || done().then_some(())).is_some(), "{what}");
}

/// A node with the first version, and the second beside it.
fn node_with_two_versions(folder: &Path, pacs: &Pacs) -> Node {
    let [(one, low), (two, high)] = THRESHOLDS;
    let models = version(one, low).write(folder);
    let setup = Setup::new().models(&models).rules("all.toml", RULES).quiet_seconds(0.3);
    let node = setup.scanner("CT1").pacs(pacs).start();
    let second = brought(&folder.join("second"), &version(two, high));
    let second = second.to_str().expect("a path");
    let refused = node.gantry(&["models", "add", second]);
    assert!(!refused.success && refused.err.contains("gantry models promote"), "{refused:?}");
    assert!(!models.join("tiny@2").exists());
    let added = node.gantry(&["models", "add", second, "--beside"]);
    assert!(added.success && models.join("tiny@2").is_dir(), "{added:?}");
    let again = node.gantry(&["models", "add", second, "--beside"]);
    assert!(again.success && again.out.contains("is there already"), "{again:?}");
    node
}

fn promote(node: &Node, arguments: &[&str]) -> String {
    let mut all = vec!["models", "promote", "tiny"];
    all.extend(arguments);
    let said = node.gantry(&all);
    assert!(said.success, "{said:?}\n{}", node.log());
    said.out
}

#[test]
fn a_shadow_sends_nothing_and_is_compared_and_a_canary_gets_its_share() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pacs = Pacs::up("PACS");
    let node = node_with_two_versions(folder.path(), &pacs);
    promote(&node, &["2", "--shadow", "--by", "anna", "--why", "bones belong to it"]);
    let listed = node.gantry(&["models", "list"]).out;
    assert!(listed.contains("tiny, live") && listed.contains("tiny@2, shadow"), "{listed}");

    let sent: Vec<PhantomSeries> = (0..4).map(|at| series(&format!("shadow {at}"))).collect();
    sent.iter().for_each(|one| send(node.port, one));
    let compare = || node.gantry(&["models", "compare", "tiny", "--json"]);
    let compared = || serde_json::from_str::<Value>(&compare().out).unwrap_or_default();
    wait_for("four are compared", || compared()["compared"] == 4);
    let reports = pacs.wait_for(4, PATIENCE);
    assert_eq!(reports.len(), 4, "nothing of the shadow is sent");
    assert!(reports.iter().all(|file| report(&file.path).0 == "1"));

    let found = compared();
    let counts: Vec<[f64; 2]> = sent.iter().map(voxels).collect();
    let differences: Vec<f64> = counts.iter().map(|[one, two]| (two - one) * MILLILITRES).collect();
    let dice = |[one, two]: &[f64; 2]| 2.0 * two / (one + two);
    let volume = &found["measurements"][0];
    assert_eq!((&volume["key"], &volume["count"]), (&"soft-volume".into(), &4.into()));
    close(&volume["mean-difference"], differences.iter().sum::<f64>() / 4.0);
    let largest =
        differences.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
    close(&volume["largest-difference"], largest);
    let mask = &found["masks"][0];
    close(&mask["mean-dice"], counts.iter().map(dice).sum::<f64>() / 4.0);
    close(&mask["least-dice"], counts.iter().map(dice).fold(1.0, f64::min));
    assert!(found["candidate-cost"]["peak-bytes"].as_u64() > Some(1 << 20), "{found}");
    let text = node.gantry(&["models", "compare", "tiny"]).out;
    assert!(text.contains("soft-volume, mL, of 4") && text.contains("Dice of 4 masks"), "{text}");

    // By hand: the first 64 bits of the SHA-256 of a UID say whose turn it is.
    promote(&node, &["2", "--canary", "50%"]);
    let sent: Vec<PhantomSeries> = (0..6).map(|at| series(&format!("canary {at}"))).collect();
    sent.iter().for_each(|one| send(node.port, one));
    pacs.wait_for(10, PATIENCE);
    for one in &sent {
        let explained = node.explain(&one.series);
        let canary = explained.contains("canary: in the place of the live version");
        assert_eq!(canary, sha256_first_byte(&one.series) < 0x80, "{explained}");
        assert!(explained.contains(if canary { "tiny 2 (" } else { "tiny 1 (" }), "{explained}");
    }
    let back = node.gantry(&["models", "rollback", "tiny", "--by", "anna"]);
    assert!(back.success && back.out.contains("1 is live"), "{back:?}");
    let history = node.gantry(&["models", "history", "tiny"]).out;
    for part in ["rollback", "canary", "shadow", "by anna: bones belong to it; taken at"] {
        assert!(history.contains(part), "{part} is not in:\n{history}");
    }
}

/// Of coreutils.
fn sha256_first_byte(text: &str) -> u8 {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut program = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum");
    program.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let said = program.wait_with_output().expect("it ends").stdout;
    u8::from_str_radix(std::str::from_utf8(&said[..2]).expect("text"), 16).expect("hexadecimal")
}

#[test]
fn forty_series_arrive_while_a_version_is_promoted_and_rolled_back_and_no_job_fails() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pacs = Pacs::up("PACS");
    let node = node_with_two_versions(folder.path(), &pacs);
    let all: Vec<PhantomSeries> = (0..40).map(|at| series(&format!("swapped {at}"))).collect();
    let port = node.port;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for one in &all {
                send(port, one);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        pacs.wait_for(8, PATIENCE);
        promote(&node, &["2"]);
        let of_two = || pacs.received().iter().filter(|file| report(&file.path).0 == "2").count();
        wait_for("results of the second version", || of_two() >= 3);
        let back = node.gantry(&["models", "rollback", "tiny"]);
        assert!(back.success, "{back:?}");
    });
    let reports = pacs.wait_for(40, PATIENCE);
    let last = series("after the way back");
    send(node.port, &last);
    pacs.wait_for(41, PATIENCE);
    assert!(node.explain(&last.series).contains("tiny 1 ("));

    let status = node.status();
    assert!(status.contains("41 finished, 0 failed"), "{status}");
    let mut by_version = BTreeMap::from([("1".to_string(), 0), ("2".to_string(), 0)]);
    for one in &all {
        let explained = node.explain(&one.series);
        let of_series = |path: &Path| {
            let object = open_file(path).expect("a report").into_inner();
            let text = format!("{:?}", object.element(tags::STUDY_INSTANCE_UID).unwrap().to_str());
            text.contains(&one.study)
        };
        let found: Vec<_> = reports.iter().filter(|file| of_series(&file.path)).collect();
        assert_eq!(found.len(), 1, "one report of {}", one.series);
        let (version, volume) = report(&found[0].path);
        let at = THRESHOLDS.iter().position(|(known, _)| *known == version).expect("a version");
        let expected = voxels(one)[at] * MILLILITRES;
        assert!((volume / expected - 1.0).abs() < 1e-4, "{version}: {volume}, not {expected}");
        assert!(explained.contains(&format!("tiny {version} (")), "{explained}");
        *by_version.get_mut(&version).expect("a version") += 1;
    }
    assert!(by_version.values().all(|count| *count >= 3), "{by_version:?}");
    let of_two = reports.iter().find(|file| report(&file.path).0 == "2").expect("one of 2");
    let again = node.gantry(&["reproduce", &of_two.sop_instance]);
    assert!(again.success && again.out.contains("tiny 2 ("), "{again:?}");
}

#[test]
fn what_is_broken_never_takes_the_place_of_what_is_live() {
    let Some(_) = need::onnx_runtime() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pacs = Pacs::down("PACS");
    let node = node_with_two_versions(folder.path(), &pacs);
    let models = folder.path().join("models");
    let lay = |author: &Author, name: &str| {
        let from = brought(&folder.path().join(name), author);
        std::fs::rename(from, models.join(format!("tiny@{name}"))).expect("laid down");
    };
    let mut no_graph = version("3", 0.0);
    no_graph.graph = b"no graph".to_vec();
    lay(&no_graph, "3");
    let mut no_key = version("4", 0.0);
    no_key.manifest = no_key.manifest.replace("at-least", "at-most");
    lay(&no_key, "4");
    // No number of all that it measures: roots of negative numbers.
    let mut roots = Author::default();
    roots.manifest = roots.manifest.replace("version       = \"1\"", "version       = \"5\"");
    lay(&roots, "5");
    let mut slow = Author { graph: slow_graph(&[21, 41, 41]), ..Author::default() };
    slow.manifest = slow
        .manifest
        .replace("slice-row-column", "batch-channel-slice-row-column")
        .replace("version       = \"1\"", "version       = \"6\"")
        .replace("time-out = 10", "time-out = 1");
    lay(&slow, "6");
    for (version, reason) in [
        ("3", "graph"),
        ("4", "at-most"),
        ("5", "it gave no number (NaN) for any of its 1 measurements"),
        ("6", "was ended"),
        ("7", "there is no version 7"),
    ] {
        let said = node.gantry(&["models", "promote", "tiny", version]);
        assert!(!said.success && said.err.contains(reason), "{version}: {said:?}");
    }
    let history = node.gantry(&["models", "history", "tiny"]).out;
    assert_eq!(history.matches("refused at").count(), 3, "{history}");
    let one = series("in spite of all");
    send(node.port, &one);
    let explained = node.wait_until_explained(&one.series, "finished at", PATIENCE);
    assert!(explained.contains("tiny 1 ("), "{explained}");

    // It takes images of the made-up size alone, and fails with what scanners send.
    let exact = Author { graph: placed_as("same", [64, 128, 128]), ..version("8", 0.0) };
    lay(&exact, "8");
    promote(&node, &["8", "--canary", "100%"]);
    let one = series("given to the live version");
    send(node.port, &one);
    let explained = node.wait_until_explained(&one.series, "finished at", PATIENCE);
    assert!(explained.contains("tiny 1 ("), "{explained}");
    assert!(explained.contains("the candidate failed before: 8: "), "{explained}");
    let compared = node.gantry(&["models", "compare", "tiny"]).out;
    assert!(compared.contains("given to the live version: failed 1 times"), "{compared}");
    promote(&node, &["8", "--shadow"]);
    send(node.port, &series("beside what fails"));
    let compare = || node.gantry(&["models", "compare", "tiny"]).out;
    wait_for("a shadow that fails", || compare().contains("candidate failed 1 times"));
    assert!(node.status().contains("3 finished, 0 failed"), "{}", node.status());

    for (name, reason) in [("tiny", "runs tiny"), ("tiny@1", "is live")] {
        let said = node.gantry(&["models", "remove", name]);
        assert!(!said.success && said.err.contains(reason), "{name}: {said:?}");
    }
    let said = node.gantry(&["models", "remove", "tiny@2"]);
    assert!(said.success && !models.join("tiny@2").exists(), "{said:?}");
    let measured = node.gantry(&["models", "bench", "tiny", "--runs", "2"]);
    for part in ["voxels", "load", "median of 2", "MiB at most"] {
        assert!(measured.success && measured.out.contains(part), "{part}: {measured:?}");
    }
}

#[test]
fn a_node_that_is_killed_while_it_promotes_has_one_version_or_the_other_and_loses_nothing() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pacs = Pacs::up("PACS");
    let mut node = node_with_two_versions(folder.path(), &pacs);
    let mut wanted = "1";
    for kill in 0..6 {
        wanted = if wanted == "1" { "2" } else { "1" };
        send(node.port, &series(&format!("killed {kill}")));
        let config = node.config();
        let asking = std::process::Command::new(kit::node::program())
            .args(["models", "promote", "tiny", wanted, "--config"])
            .arg(&config)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        let mut asking = asking.expect("the program starts");
        std::thread::sleep(Duration::from_millis(400 * kill));
        node.kill9();
        asking.kill().expect("killed, too");
        asking.wait().expect("ended");
        node.start();
        let live = node.gantry(&["models", "list"]);
        assert!(live.success && live.out.matches(", live").count() == 1, "{live:?}");
    }
    // Whatever was asked before it was killed is taken by now, or was never asked.
    promote(&node, &["2"]);
    let last = series("at last");
    send(node.port, &last);
    pacs.wait_for(7, PATIENCE);
    wait_for("no job waits or failed", || {
        node.status().contains("0 queued, 0 running, 7 finished, 0 failed")
    });
    assert!(node.explain(&last.series).contains("tiny 2 ("));
}
