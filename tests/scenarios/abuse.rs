//! The abuse table, run by tools/abuse.py against a whole node: every row as it must be, and nothing is left behind.

use kit::need;
use kit::node::{AE_TITLE, Node, Setup};
use std::process::Command;

/// Whether every row was right, and what the script said; nothing without Python.
fn abuse(node: &Node, further: &[&str]) -> Option<(Option<i32>, String)> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let version = Command::new(&python).arg("--version").output();
    if !version.is_ok_and(|version| version.status.success()) {
        need::skipped("python3 is not installed");
        return None;
    }
    let output = Command::new(python)
        .arg(need::root().join("tools/abuse.py"))
        .args(["127.0.0.1", &node.port.to_string(), "--called", AE_TITLE, "--calling", "CT1"])
        .args(["--artim", "2"])
        .args(further)
        .output()
        .expect("python starts");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

fn setup() -> Setup {
    Setup::new().listen("artim-seconds = 2")
}

#[test]
fn a_peer_that_breaks_the_rules_hears_so_and_leaves_nothing_behind() {
    let mut node = setup().scanner("CT1").start();
    let Some((code, said)) = abuse(&node, &["--pid", &node.pid().to_string()]) else { return };
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches(" ok\n").count(), 26, "every row is judged:\n{said}");
    assert!(node.is_alive());
    let refused = node.gantry(&["associations", "--refused", "--limit", "10000"]);
    for words in ["NOT-THIS-ONE", "1/1/7", "1/1/2", "1/2/2", "1/1/1", "ARTIM", "A-ABORT 2/6"] {
        assert!(refused.out.contains(words), "{words} is not in:\n{refused:?}");
    }
}

/// The script must not be content with whatever it hears.
#[test]
fn the_abuse_script_finds_fault_with_a_node_that_refuses_its_caller() {
    let node = setup().start();
    let Some((code, said)) = abuse(&node, &[]) else { return };
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("RJ 1/1/3") && said.contains("WRONG"), "{said}");
}
