//! Many series wait for one model: an urgent one passes them, one that is too large is not read, and a node that is killed leaves no model behind.

#[path = "../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::{Author, MANIFEST, slow_graph};
use dicom_dictionary_std::tags;
use kit::instance::Instance;
use kit::modality::send;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::{need, ports};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);
const ROUTINE: usize = 30;

const RULES: &str = r#"
[[rule]]
name = "emergency"
[rule.select]
peer = "ER1"
[rule.then]
run      = "tiny"
priority = "stat"
send     = { to = ["PACS"], as = ["structured-report"] }

[[rule]]
name = "everybody else"
[rule.select]
peer = "CT1"
[rule.then]
run  = "tiny"
send = { to = ["PACS"], as = ["structured-report"] }
"#;

/// A model whose run takes a tenth of a second or more, so that work queues up behind it.
fn slow_model() -> Author {
    let manifest = MANIFEST
        .replace("slice-row-column", "batch-channel-slice-row-column")
        .replace("time-out = 10", "time-out = 300");
    Author { manifest, graph: slow_graph(&[15, 25, 25]) }
}

/// The lines of the node's log that tell this.
fn told(log: &str, what: &str) -> Vec<String> {
    log.lines().filter(|line| line.contains(what)).map(String::from).collect()
}

fn wait_for_log(node: &Node, done: impl Fn(&str) -> bool) -> String {
    let log = ports::wait_for(PATIENCE, || Some(node.log()).filter(|log| done(log)));
    log.unwrap_or_else(|| panic!("it does not come:\n{}", node.log()))
}

#[test]
fn a_stat_job_waits_for_one_run_at_most_while_many_routine_ones_are_queued() {
    let Some(_) = need::onnx_runtime() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let models = slow_model().write(folder.path());
    let named = |number: usize| phantom::small_chest(&format!("routine {number}"));
    let routine: Vec<PhantomSeries> = (0..ROUTINE).map(named).collect();
    let urgent = phantom::small_chest("urgent");
    let setup = Setup::new().models(&models).rules("sharing.toml", RULES);
    // What is urgent is complete while the others still wait, however fast the model is.
    let setup = setup.scanner("CT1").scanner("ER1").peer_line("quiet-seconds = 0.1");
    let node = setup.pacs(&Pacs::down("PACS")).start();
    routine.iter().for_each(|series| send("CT1", &node, &series.instances));
    // The engine is busy, and as many are in hand as there is place for.
    wait_for_log(&node, |log| told(log, "waits for its turn").len() >= 2);
    send("ER1", &node, &urgent.instances);
    let log = wait_for_log(&node, |log| told(log, "inferred").len() > ROUTINE);

    let lines: Vec<&str> = log.lines().collect();
    let of_urgent = |what: &str| {
        let told = |line: &&str| line.contains(&urgent.series) && line.contains(what);
        lines.iter().position(told).unwrap_or_else(|| panic!("{what}:\n{log}"))
    };
    let (waits, ran) = (of_urgent("waits for its turn"), of_urgent("inferred"));
    let meanwhile = told(&lines[waits..ran].join("\n"), "inferred").len();
    let afterwards = told(&lines[ran + 1..].join("\n"), "inferred").len();
    assert!(meanwhile <= 1, "{meanwhile} runs went before it:\n{log}");
    assert!(afterwards >= 3, "only {afterwards} were queued behind it:\n{log}");
}

/// Its pixels are far fewer than its headers say: who reads them says so.
#[test]
fn a_series_that_is_too_large_for_the_budget_is_refused_before_its_pixels_are_read() {
    let Some(_) = need::onnx_runtime() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let models = slow_model().write(folder.path());
    let mut series = phantom::small_chest("too large");
    let said =
        |image: &Instance| image.with_number(tags::ROWS, 4000).with_number(tags::COLUMNS, 4000);
    series.instances = series.instances.iter().map(said).collect();
    let setup = Setup::new().models(&models).rules("sharing.toml", RULES).scanner("CT1");
    let setup = setup.scanner("ER1").further("\n[inference]\nmemory-mib = 600\n");
    let node = setup.pacs(&Pacs::down("PACS")).start();
    send("CT1", &node, &series.instances);
    let images = series.instances.len();
    let voxels = format!("MiB for its graph and {} voxels", images * 4000 * 4000);
    let explained = node.wait_until_explained(&series.series, &voxels, PATIENCE);
    assert!(explained.contains("inference.memory-mib to more than"), "{explained}");
    assert!(explained.contains("failed"), "{explained}");
}

/// Processes that this one started and that have not ended.
fn children(of: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("proc(5)").flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number| runs(*number) && status(*number, "PPid:") == Some(of.to_string()))
        .collect()
}

fn runs(process: u32) -> bool {
    status(process, "State:").is_some_and(|state| !state.starts_with('Z'))
}

fn status(process: u32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().to_string())
}

#[test]
fn a_node_that_is_killed_leaves_no_process_of_a_model_behind_idle_or_running() {
    let Some(_) = need::onnx_runtime() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let models = slow_model().write(folder.path());
    for busy in [false, true] {
        let setup = Setup::new().models(&models).rules("sharing.toml", RULES);
        let mut node = setup.scanner("CT1").scanner("ER1").pacs(&Pacs::down("PACS")).start();
        let workers = children(node.pid());
        assert_eq!(workers.len(), 1, "one model");
        if busy {
            send("CT1", &node, &phantom::small_chest("in the middle of a run").instances);
            wait_for_log(&node, |log| log.contains("waits for its turn"));
        }
        node.kill9();
        let ended =
            ports::wait_for(PATIENCE, || workers.iter().all(|worker| !runs(*worker)).then_some(()));
        assert!(ended.is_some(), "a process of a model stays, busy: {busy}");
    }
}
