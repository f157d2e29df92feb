//! Rules are changed while the node runs: what is sound decides from then on, what is broken does not, and every version stays known.

use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::{phantom, ports};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const FILE: &str = "chest.toml";

/// A rule of this name that fits each image of the phantom.
fn rule(name: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nforward = [\"PACS\"]\n"
    )
}

/// Broken in its third line: the keyword is misspelt.
fn broken() -> String {
    rule("broken").replace("Modality", "Modalty")
}

fn node_with(name: &str) -> Node {
    Setup::new().rules(FILE, &rule(name)).scanner("CT1").pacs(&Pacs::down("PACS")).start()
}

/// What an editor does that renames its new file over the old one.
fn edit(node: &Node, file: &str, text: &str) {
    let written = node.rules().join(".edited.tmp");
    std::fs::write(&written, text).expect("written");
    std::fs::rename(&written, node.rules().join(file)).expect("renamed");
}

/// One image of a series of its own; what `explain` says once it is decided.
fn decided(node: &Node, name: &str) -> String {
    let image = phantom::small_chest(name).instances.swap_remove(0);
    let images = std::slice::from_ref(&image);
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, images).expect("accepted");
    assert_eq!(association.store(&image).map(|answer| answer.status), Ok(0x0000));
    association.release();
    node.wait_until_explained(&phantom::small_chest(name).series, "  decide ", PATIENCE)
}

fn wait_for_status(node: &Node, word: &str) -> String {
    let said = ports::wait_for(PATIENCE, || Some(node.status()).filter(|said| said.contains(word)));
    said.unwrap_or_else(|| panic!("{word:?} is not in:\n{}", node.status()))
}

fn rules(node: &Node, arguments: &[&str]) -> String {
    let said = node.gantry(&[&["rules"], arguments].concat());
    assert!(said.success, "{said:?}");
    said.out
}

/// The digest in force, as `gantry status` shortens it.
fn in_force(node: &Node) -> String {
    let status = node.status();
    let behind = status.split(" of digest ").nth(1).unwrap_or_else(|| panic!("no rules: {status}"));
    behind.split(' ').next().expect("a word").to_string()
}

fn wait_for_other_rules(node: &Node, than: &str) -> String {
    let now = ports::wait_for(PATIENCE, || Some(in_force(node)).filter(|now| now != than));
    now.unwrap_or_else(|| panic!("{than} stays in force:\n{}", node.status()))
}

/// Like a monitoring system.
fn scraped(port: u16, path: &str) -> (u16, String) {
    asked(port, path, "GET")
}

fn asked(port: u16, path: &str, method: &str) -> (u16, String) {
    let script = "import sys, urllib.request, urllib.error\n\
                  request = urllib.request.Request(sys.argv[1], method=sys.argv[2])\n\
                  try: answer = urllib.request.urlopen(request, timeout=30)\n\
                  except urllib.error.HTTPError as error: answer = error\n\
                  print(answer.status); sys.stdout.write(answer.read().decode())";
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("python3").args(["-c", script, &url, method]).output();
    let output = output.expect("python3 starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, text) = said.split_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    (status.parse().expect("a status"), text.to_string())
}

#[test]
fn an_edit_decides_what_comes_afterwards_and_a_broken_one_does_not() {
    let metrics = ports::free();
    let setup = Setup::new().rules(FILE, &rule("first")).scanner("CT1").pacs(&Pacs::down("PACS"));
    let node = setup.metrics(metrics).start();
    let scrape = || scraped(metrics, "/metrics").1;
    assert!(decided(&node, "one").contains("\"first\""));
    let first = in_force(&node);

    edit(&node, FILE, &rule("second"));
    let second = wait_for_other_rules(&node, &first);
    let said = decided(&node, "two");
    assert!(said.contains("\"second\"") && said.contains(&second), "{said}");
    assert!(scrape().contains("gantry_rules_fault 0\n"), "{}", scrape());

    edit(&node, FILE, &broken());
    let status = wait_for_status(&node, "on disk is a newer version that is broken");
    for word in ["chest.toml:4:1", "Modalty", "the last good one stays in force", "refused"] {
        assert!(status.contains(word), "{word:?} is not in:\n{status}");
    }
    assert_eq!(in_force(&node), second);
    assert!(decided(&node, "three").contains("\"second\""));
    assert!(node.log().contains("chest.toml:4:1"), "the log says what is broken");
    let wanted = ["gantry_rules_fault 1\n", "gantry_rules_reloads_total{outcome=\"refused\"} 1\n"];
    let fault = ports::wait_for(PATIENCE, || {
        wanted.iter().all(|line| scrape().contains(line)).then_some(())
    });
    assert!(fault.is_some(), "{}", scrape());

    edit(&node, FILE, &rule("third"));
    let third = wait_for_other_rules(&node, &second);
    assert!(!node.status().contains("is broken,"), "{}", node.status());
    let said = decided(&node, "four");
    assert!(said.contains("\"third\"") && said.contains(&third), "{said}");
    assert!(rules(&node, &["show", &second]).contains(&rule("second")), "what decided stays known");
}

#[test]
fn a_file_that_is_still_written_is_not_taken() {
    let node = node_with("whole");
    let before = in_force(&node);
    let mut text = rule("growing");
    let since = Instant::now();
    // Sound at every moment, so that nothing but patience keeps it from being taken.
    while since.elapsed() < Duration::from_secs(7) {
        text.push_str("# one more line\n");
        std::fs::write(node.rules().join(FILE), &text).expect("written");
        assert_eq!(in_force(&node), before);
    }
    wait_for_other_rules(&node, &before);
    assert!(rules(&node, &["show", &in_force(&node)]).contains(&text));
    assert_eq!(rules(&node, &["history"]).lines().count(), 2);
}

#[test]
fn nothing_is_taken_while_a_rollback_is_under_way_and_no_node_starts_behind_one_that_was_broken_off()
 {
    let node = node_with("whole");
    let before = in_force(&node);
    let marker = node.rules().join(".gantry-rollback");
    std::fs::write(&marker, "").expect("written");
    edit(&node, FILE, &rule("halfway"));
    let told = || node.log().contains("a rollback of the rules").then_some(());
    assert!(ports::wait_for(PATIENCE, told).is_some(), "{}", node.log());
    assert_eq!(in_force(&node), before);
    let said = node.gantry(&["check"]);
    assert!(!said.success && said.err.contains("run `gantry rules rollback` again"), "{said:?}");
    rules(&node, &["rollback"]);
    assert!(!marker.exists());
    assert!(node.gantry(&["check"]).success);
    assert_eq!(std::fs::read_to_string(node.rules().join(FILE)).expect("there"), rule("whole"));
}

#[test]
fn a_folder_without_rules_is_a_fault_and_a_file_that_is_gone_is_an_edit() {
    let setup = Setup::new().rules(FILE, &rule("one")).rules("more.toml", &rule("two"));
    let node = setup.pacs(&Pacs::down("PACS")).start();
    let both = in_force(&node);
    let aside = node.rules().with_file_name("aside");

    std::fs::rename(node.rules(), &aside).expect("renamed");
    wait_for_status(&node, "cannot read the rules folder");
    std::fs::create_dir(node.rules()).expect("made");
    wait_for_status(&node, "holds no file of rules any more");
    assert_eq!(in_force(&node), both, "the last good ones stay");

    std::fs::remove_dir(node.rules()).expect("removed");
    std::fs::rename(&aside, node.rules()).expect("renamed");
    let mended = || (!node.status().contains("is broken, seen")).then_some(());
    assert!(ports::wait_for(PATIENCE, mended).is_some(), "{}", node.status());
    assert_eq!(in_force(&node), both);
    let history = rules(&node, &["history"]);
    assert!(history.starts_with("restored"), "{history}");

    std::fs::remove_file(node.rules().join("more.toml")).expect("removed");
    wait_for_other_rules(&node, &both);
    assert!(node.status().contains("more.toml is gone"), "{}", node.status());
}

#[test]
fn rollback_brings_the_version_before_back_and_deletes_nothing() {
    let mut node = node_with("old");
    let old = in_force(&node);
    edit(&node, FILE, &rule("new"));
    edit(&node, "extra.toml", &rule("extra"));
    let new = wait_for_other_rules(&node, &old);

    let diff = rules(&node, &["diff", &old]);
    for word in ["--- chest.toml", "-name = \"old\"", "+name = \"new\"", "which has no such file"] {
        assert!(diff.contains(word), "{word:?} is not in:\n{diff}");
    }
    assert_eq!(diff.replace("on disk", &new), rules(&node, &["diff", &old, &new]));

    // A broken edit first: back is then what is in force.
    edit(&node, FILE, &broken());
    rules(&node, &["rollback"]);
    assert_eq!(read(&node.rules().join(FILE)), rule("new"));
    let said = rules(&node, &["rollback"]);
    assert!(said.contains("extra.toml: moved to"), "{said}");
    assert_eq!(read(&node.rules().join(FILE)), rule("old"));
    assert!(!node.rules().join("extra.toml").exists());
    let replaced: Vec<String> = kit::instance::files_below(&node.rules())
        .iter()
        .filter(|path| path.parent() != Some(&node.rules()))
        .map(|path| read(path))
        .collect();
    for text in [rule("new"), rule("extra"), broken()] {
        assert!(replaced.contains(&text), "{text:?} is not among {replaced:?}");
    }
    wait_for_other_rules(&node, &new);
    assert_eq!(in_force(&node), old);
    wait_for_status(&node, "(rollback)");
    assert!(decided(&node, "again").contains("\"old\""));

    // Without a running node too, and then the next start takes them.
    assert!(node.stop().success());
    rules(&node, &["rollback", &new[..6]]);
    node.start();
    assert_eq!(in_force(&node), new);
    let history = rules(&node, &["history"]);
    assert_eq!(history.matches("rollback").count(), 2, "{history}");
    assert!(
        history.starts_with("in force") && history.contains("decisions: 1, of them run: 1"),
        "{history}"
    );
}

#[test]
fn rollback_refuses_rules_that_no_longer_fit_and_unknown_digests_are_explained() {
    let mut node = node_with("old");
    let old = in_force(&node);
    edit(&node, FILE, &rule("new").replace("forward = [\"PACS\"]", "stop = true"));
    wait_for_other_rules(&node, &old);
    assert!(node.stop().success());
    let config = read(&node.config()).replace("\"PACS\"", "\"OTHER\"");
    std::fs::write(node.config(), config).expect("written");
    let before = read(&node.rules().join(FILE));
    let refused = node.gantry(&["rules", "rollback", &old]);
    assert!(!refused.success, "{refused:?}");
    for word in ["there is no peer", "nothing was changed"] {
        assert!(refused.err.contains(word), "{word:?} is not in {refused:?}");
    }
    assert_eq!(read(&node.rules().join(FILE)), before);

    for (prefix, word) in
        [("zz", "is no digest"), ("0123456789abcdef", "gantry rules history"), ("", "is no digest")]
    {
        let said = node.gantry(&["rules", "show", prefix]);
        assert!(!said.success && said.err.contains(word), "{said:?}");
    }
}

#[test]
fn a_kill_keeps_every_version_and_a_start_is_no_new_one() {
    let mut node = node_with("first");
    let first = in_force(&node);
    node.kill9();
    node.start();
    assert_eq!(rules(&node, &["history"]).lines().count(), 1, "the same rules are one version");
    edit(&node, FILE, &rule("second"));
    let second = wait_for_other_rules(&node, &first);
    node.kill9();
    edit(&node, FILE, &broken());
    assert!(node.refuses_to_start().contains("Modalty"), "a broken set stops the start");
    edit(&node, FILE, &rule("third"));
    node.start();
    assert!(decided(&node, "after").contains("\"third\""));
    let history = rules(&node, &["history"]);
    let causes: Vec<bool> = history.lines().map(|line| line.contains(" start ")).collect();
    assert_eq!(causes, [true, false, true], "{history}");
    assert!(rules(&node, &["show", &second]).contains("\"second\""));
}

#[test]
fn metrics_are_served_where_they_are_asked_for_and_printed_the_same() {
    let port = ports::free();
    let node = Setup::new().rules(FILE, &rule("only")).scanner("CT1").pacs(&Pacs::down("PACS"));
    let node = node.metrics(port).start();
    decided(&node, "measured");
    let wanted = [
        "gantry_decisions_total{outcome=\"runs\"} 1",
        "gantry_series{state=\"decided\"} 1",
        "gantry_outbox{peer=\"PACS\",state=\"queued\"} 1",
        "gantry_instances_kept 1",
        "gantry_rules_in_force_info{digest=\"",
        "# TYPE gantry_rules_reloads_total counter",
    ];
    let told = ports::wait_for(PATIENCE, || {
        let (status, text) = scraped(port, "/metrics");
        (status == 200 && wanted.iter().all(|line| text.contains(line))).then_some(text)
    });
    let told = told.unwrap_or_else(|| panic!("{:?}", scraped(port, "/metrics")));
    let printed = node.gantry(&["status", "--metrics"]).out;
    let lines = |text: &str| -> Vec<String> {
        let names = text.lines().filter(|line| line.starts_with('#'));
        names.map(String::from).collect()
    };
    assert_eq!(lines(&told), lines(&printed));
    assert_eq!(scraped(port, "/elsewhere").0, 404);
    assert_eq!(asked(port, "/metrics", "POST").0, 405);
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        assert!(line.starts_with("gantry_") && value.is_some(), "{line}");
        assert!(!line.contains("PHANTOM"), "nothing of a patient: {line}");
    }
}

#[test]
fn an_address_that_is_taken_stops_the_start_and_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let said = Setup::new().metrics(port).lay_out().refuses_to_start();
    for word in
        ["cannot serve metrics on", &port.to_string(), "[admin] metrics of the configuration"]
    {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
