//! Against pynetdicom: what it asks for beside the contexts, and how it understands the answers.

use crate::gantry::Gantry;
use crate::kit::{IMPLICIT, VERIFICATION, proposed, target};
use gantry::dimse::acceptor::UserIdentity;
use gantry::dimse::requestor::{Association, Target};
use gantry_terms::ae_title::AeTitle;
use std::path::PathBuf;
use std::process::Command;

/// Python with pynetdicom, or nothing, with a word.
fn python() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = std::env::var_os("GANTRY_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| root.join(".tools/venv/bin/python"));
    if python.exists() {
        return Some(python);
    }
    println!("skipped: pynetdicom is not in .tools/venv (make test installs it)");
    None
}

async fn told(python: PathBuf, port: u16, passcode: &'static str) -> String {
    let running = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .arg(
                PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/dimse_associations/negotiates.py"),
            )
            .args([&port.to_string(), "joe", passcode])
            .output()
    });
    let output = running.await.expect("no panic").expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pynetdicom_understands_what_it_is_answered_and_stores_a_class_of_its_own() {
    let Some(python) = python() else { return };
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("passcode");
    std::fs::write(&file, "open sesame").expect("written");
    let node = Gantry::start(&format!(
        "[listen]\nuser-identity = \"checked\"\n\
         [[peer]]\nae-title = \"SCANNER\"\nuser = \"joe\"\npasscode-file = {file:?}\n"
    ))
    .await;
    let said = told(python.clone(), node.port, "open sesame").await;
    let expected = "accepted\n\
        context 1.2.840.10008.5.1.4.1.1.2 scu=True scp=False\n\
        context 1.2.826.0.1.3680043.9.9999.7 scu=True scp=False\n\
        role 1.2.840.10008.5.1.4.1.1.2 1/0\n\
        level 1.2.840.10008.5.1.4.1.1.2 020000000000\n\
        identity confirmed\n\
        window (1, 1)\n\
        status 0000\n";
    assert_eq!(said, expected);
    assert_eq!(told(python, node.port, "close sesame").await, "rejected 1/2/1\n");
    node.stop().await;
}

#[tokio::test]
async fn this_node_confirms_whom_it_knows_and_gets_no_association_where_nobody_does() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("passcode");
    std::fs::write(&file, "open sesame").expect("written");
    let peer =
        format!("[[peer]]\nae-title = \"SCANNER\"\nuser = \"joe\"\npasscode-file = {file:?}\n");
    let checked = format!("[listen]\nuser-identity = \"checked\"\n{peer}");
    let node = Gantry::start(&checked).await;
    let careless = Gantry::start("[[peer]]\nae-title = \"SCANNER\"\n").await;
    let asked = async |port, passcode: &str| {
        let identity = Some(UserIdentity {
            kind: 2,
            asks_for_response: true,
            primary: b"joe".to_vec(),
            secondary: passcode.into(),
        });
        let called = AeTitle::parse("GANTRY").expect("a title");
        let target = Target { identity, called, ..target(port, "SCANNER") };
        let proposed = [proposed(VERIFICATION, &[IMPLICIT])];
        match Association::request(&target, &proposed).await {
            Ok(association) => {
                association.release().await;
                "accepted".into()
            }
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(asked(node.port, "open sesame").await, "accepted");
    assert!(asked(node.port, "close sesame").await.contains("(1/2/1)"));
    assert!(asked(careless.port, "open sesame").await.contains("does not confirm"));
    node.stop().await;
    careless.stop().await;
}
