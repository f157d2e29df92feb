//! What the audit trail makes of associations: a message for each study, what failed apart, and no more alerts than anybody can read.

use gantry::audit::events::{self, Somebody};
use gantry::audit::{Audit, How, Instance, Transfers};
use gantry::config::Config;
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use std::fs;
use std::path::Path;

/// The lines of the trail after `what` was told to it.
async fn told(what: impl FnOnce(&Audit)) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[node]\nae-title = \"GANTRY\"\n[audit]\nfolder = \"trail\"\n";
    let config = Config::parse(text, &folder.path().join("node.toml")).expect("a configuration");
    let store = Store::open(StoreOptions::new(folder.path().join("data"))).await.expect("a store");
    let (audit, recording) = Audit::open(&config, &store, None).expect("it can be written");
    what(&audit);
    recording.expect("there is a trail").stop().await;
    store.close().await;
    let trail = fs::read_to_string(folder.path().join("trail/audit-000001.log"));
    trail.expect("the trail").lines().map(String::from).collect()
}

fn instance(study: u32, patient: &str) -> Instance {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    Instance {
        study: uid(&format!("1.2.{study}")),
        class: uid("1.2.840.10008.5.1.4.1.1.2"),
        patient: patient.into(),
        anonymized: false,
    }
}

/// An association that carries these.
async fn carried(moves: &[(u32, &str, Option<How>)]) -> Vec<String> {
    told(|audit| {
        let from = Somebody { title: "CT1".into(), address: None };
        let mut transfers = Transfers::received(audit, &from, false);
        for (study, patient, how) in moves {
            let instance = instance(*study, patient);
            transfers.begins(&instance);
            how.iter().for_each(|how| transfers.moved(&instance, *how));
        }
    })
    .await
}

/// How many messages hold all of these.
fn with(lines: &[String], words: &[&str]) -> usize {
    lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

const BEGUN: &str = "csd-code=\"110102\"";
const DONE: &str = "csd-code=\"110104\"";
const WELL: &str = "EventOutcomeIndicator=\"0\"";
const BADLY: &str = "EventOutcomeIndicator=\"8\"";

#[tokio::test]
async fn a_study_is_begun_once_and_done_once_and_what_failed_is_told_apart() {
    let (new, read, failed) = (Some(How::New), Some(How::Read), Some(How::Failed));
    let lines = carried(&[(1, "A", new), (1, "A", read), (1, "A", failed), (1, "A", new)]).await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(with(&lines, &[BEGUN]), 1);
    assert_eq!(with(&lines, &[DONE, WELL, "ActionCode=\"C\"", "NumberOfInstances=\"3\""]), 1);
    assert_eq!(with(&lines, &[DONE, BADLY, "NumberOfInstances=\"1\""]), 1);
}

#[tokio::test]
async fn what_was_there_before_is_read_and_what_was_replaced_is_an_update() {
    let (read, altered) = (Some(How::Read), Some(How::Altered));
    let lines = carried(&[(1, "A", read), (2, "A", read), (2, "A", altered)]).await;
    assert_eq!(with(&lines, &[DONE, WELL, "ActionCode=\"R\"", "\"1.2.1\""]), 1, "{lines:#?}");
    assert_eq!(with(&lines, &[DONE, WELL, "ActionCode=\"U\"", "\"1.2.2\""]), 1, "{lines:#?}");
}

#[tokio::test]
async fn no_message_is_of_two_patients_and_one_that_was_only_begun_failed() {
    let new = Some(How::New);
    let lines = carried(&[(1, "A", new), (1, "B", new), (1, "C", None)]).await;
    for (patient, outcome) in [("A", WELL), ("B", WELL), ("C", BADLY)] {
        let of = format!("ParticipantObjectID=\"{patient}\"");
        assert_eq!(with(&lines, &[DONE, outcome, &of]), 1, "{patient}: {lines:#?}");
    }
}

#[tokio::test]
async fn whoever_mixes_many_studies_has_each_of_them_told() {
    let moves: Vec<_> = (0..200).map(|study| (study, "A", Some(How::New))).collect();
    let lines = carried(&moves).await;
    assert_eq!((with(&lines, &[BEGUN]), with(&lines, &[DONE, WELL])), (200, 200));
}

#[tokio::test]
async fn of_many_alerts_some_are_told_and_the_others_counted_and_nothing_else_is_held_back() {
    let lines = told(|audit| {
        let who = Somebody { title: "X".into(), address: None };
        for _ in 0..1000 {
            audit.tell(|this| events::not_authenticated(this, &who, "unknown"));
        }
        let mut transfers = Transfers::sent(audit, &who, true);
        transfers.moved(&instance(1, "A"), How::Read);
    })
    .await;
    // "unknown" and "940 more alerts" in base 64, as they stand in the trail.
    assert_eq!(with(&lines, &["value=\"dW5rbm93bg==\""]), 60);
    assert_eq!(with(&lines, &["value=\"OTQwIG1vcmUgYWxlcnRz"]), 1, "{:?}", lines.last());
    assert_eq!(with(&lines, &[DONE, "<Encrypted>true</Encrypted>"]), 1);
}

#[tokio::test]
async fn without_a_trail_nothing_is_written_or_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.toml");
    let config = Config::parse("[node]\nae-title = \"GANTRY\"\n", &file).expect("a configuration");
    let store = Store::open(StoreOptions::new(folder.path().join("data"))).await.expect("a store");
    let (audit, recording) = Audit::open(&config, &store, None).expect("nothing is written");
    assert!(recording.is_none() && !audit.is_on());
    audit.tell(|_| panic!("nobody asks for it"));
    store.close().await;
    assert!(!Path::new(&config.data.join("audit")).exists());
}
