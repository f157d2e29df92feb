//! Whether bytes that took the place of others go out again does not hang on any clock, and what this node made stays made.

mod modality;

use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewForward, NewJob, Pinned};
use gantry_store::incoming::{Identity, Incoming, Kept, Origin};
use gantry_store::jobs::{FinishedJob, JobState, Priority};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::outbox::DeliveryState;
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use modality::archive::{DAY, MINUTE, complete};
use modality::{identity, image, image_of, instance, options, series};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use tempfile::tempdir;

async fn opened(folder: &Path, duplicates: Duplicates) -> Store {
    Store::open(StoreOptions { duplicates, ..options(folder) }).await.expect("a store")
}

async fn keep(store: &Store, incoming: Incoming) -> Kept {
    store.keep(incoming).await.expect("kept").outcome
}

fn other(number: u32, seed: u64) -> Incoming {
    image_of(identity(1, number), 700, seed)
}

/// Decides the series at a time that the clock said: image 1 goes to PACS, and a job reads it.
async fn decide(store: &Store, at: Moment) {
    complete(store, 1).await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    let job = NewJob {
        model: "emphysema".into(),
        model_digest: "5e".into(),
        priority: Priority::Routine,
        shadow: false,
        selected: vec![instance(1, 1)],
        send_to: vec!["PACS".into()],
        send_as: vec!["sr".into()],
        deidentify: None,
        regions: Default::default(),
        selections: None,
        once: false,
        pinned: Pinned::default(),
    };
    let forward = NewForward {
        peer: "PACS".into(),
        instances: vec![instance(1, 1)],
        changes: Changes::default(),
    };
    let decision = NewDecision {
        level: Level::Series,
        rule: "chest".into(),
        runs: true,
        reason: "all conditions hold".into(),
        fates: json!([]),
        trace: json!([]),
        jobs: vec![job],
        forward: vec![forward],
    };
    let decided = NewDecisions {
        series: row.uid,
        revision: row.revision,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at,
        images: Vec::new(),
        decisions: vec![decision],
    };
    assert!(store.decide(decided).await.expect("decided"));
}

/// Makes what waits due, whatever the clock said when it was queued.
async fn deliver(store: &Store) -> usize {
    store.release_leases().await.expect("noted");
    let leased = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    for delivery in &leased {
        store.delivered(delivery, 0, Moment::now()).await.expect("noted");
    }
    leased.len()
}

fn tomorrow() -> Moment {
    Moment::now().plus(DAY)
}

#[tokio::test]
async fn replaced_bytes_go_out_again_when_the_clock_has_stepped_back() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, image(1, 1)).await;
    decide(&store, tomorrow()).await;
    assert_eq!(deliver(&store).await, 1);
    assert_eq!(keep(&store, other(1, 7)).await, Kept::Replaced);
    decide(&store, Moment::now()).await;
    let rows = store.deliveries(&series(1)).await.expect("asked");
    assert_eq!(rows[0].state, DeliveryState::Queued, "the PACS has the earlier bytes");
    assert_eq!(deliver(&store).await, 1);

    // A further decision of the same bytes sends nothing, nor does an index that is built again.
    keep(&store, image(1, 2)).await;
    decide(&store, tomorrow()).await;
    assert_eq!(deliver(&store).await, 0);
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, image(1, 3)).await;
    decide(&store, Moment::now()).await;
    assert_eq!(deliver(&store).await, 0);
    store.close().await;
}

#[tokio::test]
async fn a_job_whose_image_was_replaced_delivers_nothing_when_the_clock_has_stepped_back() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, image(1, 1)).await;
    decide(&store, tomorrow()).await;
    let job = store.jobs(&series(1)).await.expect("asked").remove(0).job.id;
    keep(&store, other(1, 7)).await;
    store.settled().await;
    let finished = FinishedJob {
        findings: json!({}),
        results: Vec::new(),
        deliveries: Vec::new(),
        seconds: 1.0,
        peak: None,
    };
    store.finish_job(job, finished.clone()).await.expect("noted");
    let row = store.job(job).await.expect("asked").expect("there");
    assert_eq!(row.state, JobState::Superseded);

    decide(&store, Moment::now()).await;
    let job = store.jobs(&series(1)).await.expect("asked").pop().expect("a job").job.id;
    store.close().await;
    // The record of the first bytes comes before the other again, which changes nothing.
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path(), Duplicates::Replace).await;
    store.finish_job(job, finished).await.expect("noted");
    let row = store.job(job).await.expect("asked").expect("there");
    assert_eq!(row.state, JobState::Finished);
    store.close().await;
}

#[tokio::test]
async fn a_damaged_result_that_a_pacs_sends_back_stays_a_result() {
    for same in [true, false] {
        let folder = tempdir().expect("a folder");
        let store = opened(folder.path(), Duplicates::KeepFirst).await;
        let made = Identity { origin: Origin::Made, ..identity(1, 1) };
        keep(&store, image_of(made, 1400, 1)).await;
        store.settled().await;
        damage(folder.path());
        let echo = image_of(identity(1, 1), 1400, if same { 1 } else { 2 });
        let expected = if same { Kept::Mended } else { Kept::Replaced };
        assert_eq!(keep(&store, echo.clone()).await, expected);
        assert_stays_made(&store).await;
        assert_eq!(keep(&store, echo).await, Kept::Duplicate);
        store.close().await;
        fs::remove_file(folder.path().join("index.db")).expect("an index");
        let store = opened(folder.path(), Duplicates::KeepFirst).await;
        assert_stays_made(&store).await;
        store.close().await;
    }
}

async fn assert_stays_made(store: &Store) {
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!(row.state, SeriesState::Made, "nothing is ever decided for it");
    let row = store.instance(&instance(1, 1)).await.expect("asked").expect("there");
    assert_eq!(row.identity.origin, Origin::Made);
}

/// Flips a bit of the pixels of the first record.
fn damage(folder: &Path) {
    let path = folder.join("segments/00000001.seg");
    let file = File::options().read(true).write(true).open(path).expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 900).expect("a record");
    file.write_all_at(&[byte[0] ^ 4], 900).expect("written");
}
