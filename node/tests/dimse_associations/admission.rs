//! Who may call a whole node, from where and as whom, and what the admin reads of it.

use crate::gantry::Gantry;
use crate::kit::{CT, IMPLICIT, VERIFICATION};
use crate::wire::{Asked, Told, Wire, context, item, p_data, release, user_information, value};
use gantry_store::associations::Outcome;
use std::path::Path;
use std::process::Command;

/// An A-ASSOCIATE-RQ to GANTRY.
fn asked(calling: &str, user: Vec<u8>) -> Vec<u8> {
    let mut title = [b' '; 16];
    title[..calling.len()].copy_from_slice(calling.as_bytes());
    let contexts = vec![context(1, CT, &[IMPLICIT]), context(3, VERIFICATION, &[IMPLICIT])];
    let mut asked = Asked::new(contexts);
    asked.called = b"GANTRY          ";
    asked.user = user;
    let mut bytes = asked.bytes();
    bytes[26..42].copy_from_slice(&title);
    bytes
}

async fn answer(node: &Gantry, from: [u8; 4], calling: &str, further: &[u8]) -> String {
    let mut wire = Wire::connect_from(from, node.port).await;
    wire.send(&asked(calling, user_information(16_384, further))).await;
    let heard = wire.heard().await;
    if heard == "AC" {
        wire.send(&release()).await;
        assert_eq!(wire.heard().await, "RP");
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_may_call_from_its_own_addresses_networks_and_names_only() {
    let node = Gantry::start(
        "[[peer]]\nae-title = \"ANYWHERE\"\n\
         [[peer]]\nae-title = \"ADDRESS\"\nfrom = [\"127.0.0.2\"]\n\
         [[peer]]\nae-title = \"NETWORK\"\nfrom = [\"10.0.0.0/8\", \"127.0.1.0/24\"]\n\
         [[peer]]\nae-title = \"NAME\"\nfrom = [\"localhost\"]\n\
         [[peer]]\nae-title = \"LOST\"\nfrom = [\"127.0.0.9\", \"no-such-scanner.invalid\"]\n",
    )
    .await;
    let check = async |from: [u8; 4], calling: &str, expected: &str| {
        assert_eq!(answer(&node, from, calling, &[]).await, expected, "{calling} from {from:?}");
    };
    check([127, 0, 0, 7], "ANYWHERE", "AC").await;
    check([127, 0, 0, 2], "ADDRESS", "AC").await;
    check([127, 0, 0, 3], "ADDRESS", "RJ 1/1/3").await;
    check([127, 0, 1, 77], "NETWORK", "AC").await;
    check([127, 0, 2, 77], "NETWORK", "RJ 1/1/3").await;
    check([127, 0, 0, 1], "NAME", "AC").await;
    check([127, 0, 0, 3], "NAME", "RJ 1/1/3").await;
    // Nobody is sent away for good because a name server does not answer.
    check([127, 0, 0, 9], "LOST", "AC").await;
    check([127, 0, 0, 3], "LOST", "RJ 2/3/1").await;
    check([127, 0, 0, 1], "NOBODY", "RJ 1/1/3").await;
    check([127, 0, 0, 1], "Anywhere", "RJ 1/1/3").await;

    let row =
        node.recorded(|row| row.calling == "NETWORK" && row.outcome == Outcome::Refused).await;
    assert!(row.explanation.contains("may call from 10.0.0.0/8, 127.0.1.0/24"), "{row:?}");
    assert!(row.address.starts_with("127.0.2.77:"), "{row:?}");
    let row = node.recorded(|row| row.calling == "LOST" && row.outcome == Outcome::Refused).await;
    assert!(row.explanation.contains("no-such-scanner.invalid"), "{row:?}");
    let row = node.recorded(|row| row.calling == "Anywhere").await;
    assert!(row.explanation.contains("the nearest known peer is"), "{row:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laboratory_may_take_everybody_and_a_hospital_may_tell_strangers_nothing() {
    let laboratory = Gantry::start("[listen]\nunknown-peers = \"accept\"\n").await;
    assert_eq!(answer(&laboratory, [127, 0, 0, 1], "WHOEVER", &[]).await, "AC");
    laboratory.stop().await;
    let hospital = Gantry::start(
        "[listen]\ntell-strangers-why = false\n\
         [[peer]]\nae-title = \"CT1\"\nfrom = [\"127.0.0.2\"]\n",
    )
    .await;
    assert_eq!(answer(&hospital, [127, 0, 0, 1], "WHOEVER", &[]).await, "RJ 1/1/1");
    assert_eq!(answer(&hospital, [127, 0, 0, 1], "CT1", &[]).await, "RJ 1/1/1");
    assert_eq!(answer(&hospital, [127, 0, 0, 2], "CT1", &[]).await, "AC");
    assert_eq!(answer(&hospital, [127, 0, 0, 2], "A\x07B", &[]).await, "RJ 1/1/1", "no title");
    // The admin is told all the same.
    let row = hospital.recorded(|row| row.calling == "WHOEVER").await;
    assert!(row.explanation.contains("the nearest known peer is \"CT1\""), "{row:?}");
    hospital.stop().await;
}

/// User identity: type, whether a response is asked for, name, passcode.
fn identity(kind: u8, asks: u8, name: &str, passcode: &str) -> Vec<u8> {
    let field = |text: &str| [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    item(0x58, &[vec![kind, asks], field(name), field(passcode)].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_a_user_must_say_who_it_is_and_nobody_reads_its_passcode() {
    const HERE: [u8; 4] = [127, 0, 0, 1];
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("passcode");
    std::fs::write(&file, "open sesame\n").expect("written");
    let peers = format!(
        "[[peer]]\nae-title = \"GUARDED\"\nuser = \"joe\"\npasscode-file = {file:?}\n\
         [[peer]]\nae-title = \"NAMED\"\nuser = \"ann\"\n\
         [[peer]]\nae-title = \"OPEN\"\n"
    );
    let node = Gantry::start(&format!("[listen]\nuser-identity = \"checked\"\n{peers}")).await;
    let check = async |calling: &str, further: Vec<u8>, expected: &str| {
        assert_eq!(answer(&node, HERE, calling, &further).await, expected, "{calling}");
    };
    check("GUARDED", identity(2, 0, "joe", "open sesame"), "AC").await;
    check("GUARDED", identity(2, 0, "joe", "open sesam"), "RJ 1/2/1").await;
    check("GUARDED", identity(2, 0, "ann", "open sesame"), "RJ 1/2/1").await;
    check("GUARDED", identity(1, 0, "joe", ""), "RJ 1/2/1").await;
    check("GUARDED", identity(3, 0, "joe", "open sesame"), "RJ 1/2/1").await;
    check("GUARDED", item(0x58, &[2, 0, 0]), "RJ 1/2/1").await;
    check("GUARDED", vec![], "RJ 1/2/1").await;
    check("NAMED", identity(1, 0, "ann", ""), "AC").await;
    check("NAMED", identity(5, 0, "ann", ""), "RJ 1/2/1").await;
    check("OPEN", identity(2, 1, "whoever", "whatever"), "AC").await;

    let confirmed = async |calling: &str, further: Vec<u8>| {
        let mut wire = Wire::connect(node.port).await;
        wire.send(&asked(calling, user_information(16_384, &further))).await;
        let (kind, body) = wire.pdu().await.expect("an answer");
        assert_eq!(kind, 2);
        body.ends_with(&[0x59, 0, 0, 2, 0, 0])
    };
    assert!(confirmed("GUARDED", identity(2, 1, "joe", "open sesame")).await);
    assert!(!confirmed("GUARDED", identity(2, 0, "joe", "open sesame")).await);
    assert!(!confirmed("OPEN", identity(2, 1, "joe", "open sesame")).await, "not checked");
    let row = node.recorded(|row| row.kind == "refused 1/2/1").await;
    assert!(!format!("{row:?}").contains("sesam"), "{row:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_of_the_configuration_is_taken_beside_those_of_the_standard() {
    let node = Gantry::start(
        "[listen]\nstorage-classes = [\"1.2.3.4.5\"]\n[[peer]]\nae-title = \"CT1\"\n",
    )
    .await;
    let contexts = ["1.2.3.4.5", "1.2.3.4.6"];
    let mut wire = Wire::connect(node.port).await;
    let mut asked = Asked::new(vec![
        context(1, contexts[0], &[IMPLICIT]),
        context(3, contexts[1], &[IMPLICIT]),
    ]);
    (asked.called, asked.calling) = (b"GANTRY          ", b"CT1             ");
    wire.send(&asked.bytes()).await;
    assert_eq!(wire.heard().await, "AC");
    wire.send(&release()).await;
    let row = node.recorded(|row| row.calling == "CT1").await;
    let taken: Vec<_> =
        row.contexts.iter().map(|c| (c.sop_classes.clone(), c.accepted.is_some())).collect();
    let expected = contexts.map(|class| vec![class.to_string()]);
    assert_eq!(taken, [(expected[0].clone(), true), (expected[1].clone(), false)]);
    node.stop().await;
}

fn gantry(arguments: &[&str], config: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
    command.args(arguments).arg("--config").arg(config);
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_reads_who_called_what_was_taken_and_why_one_was_refused() {
    let peers = "[[peer]]\nae-title = \"CT1\"\n";
    let node = Gantry::start(peers).await;
    let mut wire = Wire::connect(node.port).await;
    wire.send(&asked("CT1", user_information(16_384, &item(0x55, b"ACME_1")))).await;
    assert_eq!(wire.heard().await, "AC");
    let nonsense = [Told::store(CT, "1.2.3").value(1), value(1, 2, b"nonsense")];
    wire.send(&p_data(&nonsense)).await;
    assert_eq!(wire.heard().await, "C000");
    wire.send(&release()).await;
    assert_eq!(wire.heard().await, "RP");
    assert_eq!(answer(&node, [127, 0, 0, 1], "CTI", &[]).await, "RJ 1/1/3");
    node.recorded(|row| row.calling == "CTI").await;
    node.recorded(|row| row.calling == "CT1").await;
    let folder = node.stop().await;
    let config = folder.path().join("node.toml");
    let text = crate::gantry::configuration(folder.path(), peers);
    std::fs::write(&config, text).expect("written");

    let all = gantry(&["associations"], &config);
    for words in [
        "\"CT1\" to \"GANTRY\" from 127.0.0.1:",
        "ended     released, after",
        "1, 0.0 MB, answered C000 x 1",
        "taken     CT Image Storage (1.2.840.10008.5.1.4.1.1.2)",
        "in Implicit VR Little Endian",
        "ACME_1 1.2.3.4",
        "\"CTI\" to \"GANTRY\" from 127.0.0.1:",
        "refused   the calling AE title is no peer of this node (1/1/3); the nearest known peer is \"CT1\"",
        "offered   CT Image Storage",
    ] {
        assert!(all.contains(words), "{words:?} is not in:\n{all}");
    }
    let refused = gantry(&["associations", "--refused"], &config);
    assert!(refused.contains("CTI") && !refused.contains("\"CT1\" to"), "{refused}");
    let peer = gantry(&["associations", "--peer", "CT1", "--limit", "5"], &config);
    assert!(peer.contains("\"CT1\" to") && !peer.contains("CTI"), "{peer}");
    let none = gantry(&["associations", "--peer", "MR9"], &config);
    assert!(none.contains("no association"), "{none}");
    let checked = gantry(&["check"], &config);
    assert!(checked.contains("may call from anywhere, without a `from`: CT1"), "{checked}");
    let status = gantry(&["status"], &config);
    assert!(status.contains("receive   2 associations: 1 refused 1/1/3, 1 released"), "{status}");
    assert!(status.contains("the nearest known peer"), "{status}");
}
