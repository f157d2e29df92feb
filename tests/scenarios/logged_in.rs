//! A PACS that lets nobody in without a user identity (PS3.7 D.3.3.7), and one that does not care.

use kit::archives::Pynetdicom;
use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::phantom;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "open sesame";

/// A node that forwards to PACS, and says this of itself there.
fn node(port: u16, login: &str) -> Node {
    let forward = "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
                   [rule.then]\nforward = [\"PACS\"]\n";
    let setup = Setup::new().rules("archive.toml", forward).scanner("CT1");
    setup.receiver("PACS", port).peer_line(&format!("login = {login}")).start()
}

fn send_one(node: &Node) {
    let image = phantom::small_chest("for who is known").instances.remove(0);
    let images = std::slice::from_ref(&image);
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, images).expect("accepted");
    assert_eq!(association.store(&image).map(|answer| answer.status), Ok(0));
    association.release();
}

fn file(folder: &Path, text: &str) -> String {
    let file = folder.join("secret");
    std::fs::write(&file, format!("{text}\n")).expect("written");
    file.display().to_string()
}

#[test]
fn a_pacs_that_checks_who_calls_takes_what_comes_with_name_and_passcode_and_nothing_with_another() {
    let folder = TempDir::new().expect("a folder");
    let secret = file(folder.path(), SECRET);
    // pynetdicom confirms no names, whoever wants it to.
    let login = format!("{{ name = \"gantry\", passcode-file = {secret:?} }}");
    let known = Some(["2", "gantry", SECRET]);
    let Some(pacs) = Pynetdicom::up("PACS", known) else { return };
    let mut node = node(pacs.port, &login);
    send_one(&node);
    pacs.wait_for("stored", 1);
    node.wait_until_status("PACS: 0 queued, 1 delivered, 0 parked", PATIENCE);
    assert!(pacs.said().contains(&"identity 2 known".to_string()), "{:?}", pacs.said());
    let echoed = node.gantry(&["echo", "PACS"]).out;
    assert!(echoed.contains("C-ECHO"), "{echoed}");
    let checked = node.gantry(&["check"]).out;
    assert!(checked.contains("passcodes cross the network as they are: PACS"), "{checked}");

    file(folder.path(), "close sesame");
    assert!(node.stop().success());
    node.start();
    let image = phantom::small_chest("for who is not known").instances.remove(0);
    let images = std::slice::from_ref(&image);
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, images).expect("accepted");
    assert_eq!(association.store(&image).map(|answer| answer.status), Ok(0));
    association.release();
    let told = node.wait_until_status("the peer rejects the association", PATIENCE);
    assert!(told.contains("PACS: 1 queued, 1 delivered, 0 parked"), "{told}");
    assert!(pacs.said().contains(&"identity 2 unknown".to_string()), "{:?}", pacs.said());
    assert!(![told, node.log(), checked].iter().any(|said| said.contains("sesame")));
}

#[test]
fn a_token_is_read_anew_for_each_association() {
    let folder = TempDir::new().expect("a folder");
    let token = file(folder.path(), "a.stale.token");
    let login = format!("{{ token = \"jwt\", token-file = {token:?}, confirmed = true }}");
    let Some(pacs) = Pynetdicom::up("PACS", Some(["5", "a.fresh.token", ""])) else { return };
    let node = node(pacs.port, &login);
    send_one(&node);
    pacs.wait_for("identity 5 unknown", 1);
    node.wait_until_status("PACS: 1 queued, 0 delivered, 0 parked", PATIENCE);
    file(folder.path(), "a.fresh.token");
    pacs.wait_for("identity 5 known", 1);
    node.wait_until_status("PACS: 0 queued, 1 delivered, 0 parked", PATIENCE);
    std::fs::remove_file(token).expect("removed");
    let echoed = node.gantry(&["echo", "PACS"]);
    assert!(echoed.out.contains("login        FAILED"), "{}", echoed.out);
}

#[test]
fn a_pacs_that_confirms_nothing_gets_nothing_where_it_has_to_and_all_where_it_does_not() {
    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    let strict = node(pacs.port, "{ name = \"gantry\", confirmed = true }");
    send_one(&strict);
    let told = strict.wait_until_status("the peer does not confirm the user identity", PATIENCE);
    assert!(told.contains("PACS: 1 queued, 0 delivered, 0 parked"), "{told}");
    assert!(pacs.seen().taken.is_empty());
    drop(strict);
    let lenient = node(pacs.port, "{ name = \"gantry\" }");
    send_one(&lenient);
    lenient.wait_until_status("PACS: 0 queued, 1 delivered, 0 parked", PATIENCE);
}
