//! What becomes of other bytes under the UID of a kept instance, and of a record that is damaged when its bytes come again.

mod modality;

use bytes::Bytes;
use gantry_store::completion::Changed;
use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewForward, NewJob, Pinned};
use gantry_store::export::{Selector, export};
use gantry_store::header::part10_head;
use gantry_store::incoming::{Incoming, Kept, Origin};
use gantry_store::jobs::{FinishedJob, JobState, Priority};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::outbox::{DeliveryState, Leased};
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::{identity, image, image_of, instance, options, series, study, uid};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;
use tokio::task::JoinSet;

const MINUTE: Duration = Duration::from_secs(60);

async fn opened(folder: &Path, duplicates: Duplicates) -> Store {
    let options = StoreOptions { duplicates, ..options(folder) };
    Store::open(options).await.expect("a store")
}

/// Other bytes under the UID of `image(1, number)`.
fn other(number: u32, seed: u64) -> Incoming {
    image_of(identity(1, number), 700, seed)
}

async fn keep(store: &Store, incoming: &Incoming) -> Kept {
    store.keep(incoming.clone()).await.expect("answered").outcome
}

async fn stream(store: &Store, incoming: &Incoming) -> Kept {
    let mut stream = store.keep_streamed(incoming.identity.clone()).await.expect("begun");
    let data_set = incoming.part10.slice(part10_head(&incoming.identity).len()..);
    stream.append(data_set).await.expect("appended");
    stream.finish().await.expect("answered").outcome
}

async fn object(store: &Store, sop_instance: &Uid) -> Bytes {
    store.object(sop_instance).await.expect("read").expect("there")
}

/// Completes the series and decides it: forwarded to PACS, and one job over all of it.
async fn decide(store: &Store, of_series: u32, revision: u32) {
    store.settled().await;
    let instances = store.instances(&series(of_series)).await.expect("asked");
    let selected: Vec<Uid> = instances.into_iter().map(|row| row.identity.sop_instance).collect();
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let completed = store.complete_series(&row.uid, revision, row.last_arrival).await;
    assert!(completed.expect("asked"), "the series is complete");
    let job = NewJob {
        model: "emphysema".into(),
        model_digest: "5e".into(),
        priority: Priority::Routine,
        shadow: false,
        selected: selected.clone(),
        send_to: vec!["PACS".into()],
        send_as: vec!["sr".into()],
        deidentify: None,
        regions: Default::default(),
        selections: None,
        once: false,
        pinned: Pinned::default(),
    };
    let decision = NewDecision {
        level: Level::Series,
        rule: "chest".into(),
        runs: true,
        reason: "all conditions hold".into(),
        fates: json!([]),
        trace: json!([]),
        jobs: vec![job],
        forward: vec![NewForward {
            peer: "PACS".into(),
            instances: selected,
            changes: Changes::default(),
        }],
    };
    let decided = NewDecisions {
        series: series(of_series),
        revision,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        images: Vec::new(),
        decisions: vec![decision],
    };
    assert!(store.decide(decided).await.expect("decided"));
}

async fn states(store: &Store) -> Vec<DeliveryState> {
    let rows = store.deliveries(&series(1)).await.expect("asked");
    rows.into_iter().map(|row| row.state).collect()
}

async fn kinds(store: &Store) -> Vec<String> {
    let events = store.events(100).await.expect("asked");
    events.into_iter().map(|row| row.event.kind).collect()
}

#[tokio::test]
async fn other_bytes_take_the_place_of_the_first_and_everything_is_decided_and_delivered_anew() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    for number in 0..3 {
        assert_eq!(keep(&store, &image(1, number)).await, Kept::New);
    }
    decide(&store, 1, 1).await;
    for delivery in store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked") {
        store.delivered(&delivery, 0, Moment::now()).await.expect("noted");
    }
    assert_eq!(keep(&store, &image(1, 1)).await, Kept::Duplicate);
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision), (SeriesState::Decided, 1), "the same bytes open nothing");

    let second = other(1, 77);
    assert_eq!(keep(&store, &second).await, Kept::Replaced);
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.instances, row.state, row.revision), (3, SeriesState::Receiving, 2));
    assert_eq!(object(&store, &instance(1, 1)).await, second.part10);
    assert_eq!(kinds(&store).await, ["replaced"]);

    decide(&store, 1, 2).await;
    use DeliveryState::*;
    assert_eq!(
        states(&store).await,
        [Delivered, Queued, Delivered],
        "only what changed goes again"
    );
    let verified = verify(&store).await.expect("verified");
    assert_eq!((verified.records, verified.instances, verified.superseded), (4, 3, 1));
    assert_eq!(verified.problems, [] as [String; 0]);
    store.close().await;
}

#[tokio::test]
async fn earlier_bytes_stay_beside_the_newest_and_come_out_with_them() {
    let (folder, out) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let store = opened(folder.path(), Duplicates::KeepBoth).await;
    let versions = [image(1, 1), other(1, 77), other(1, 78)];
    keep(&store, &versions[0]).await;
    store.settled().await;
    for version in &versions[1..] {
        assert_eq!(keep(&store, version).await, Kept::Replaced);
    }
    store.settled().await;
    let check = async |store: &Store| {
        let exported = export(store, &Selector::Uid(series(1)), out.path()).await;
        assert_eq!(exported.expect("exported").written, 3);
        let folder = out.path().join(versions[0].identity.study.as_str());
        let folder = folder.join(series(1).as_str());
        let files = fs::read_dir(&folder).expect("a folder");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        assert_eq!(files.len(), 3);
        let newest = folder.join(format!("{}.dcm", instance(1, 1)));
        assert_eq!(fs::read(newest).expect("a file"), versions[2].part10);
        for version in &versions {
            let read = |file: &std::path::PathBuf| fs::read(file).expect("a file");
            assert!(files.iter().any(|file| read(file) == version.part10));
        }
        let verified = verify(store).await.expect("verified");
        assert_eq!((verified.records, verified.superseded), (3, 0));
        assert_eq!(verified.problems, [] as [String; 0]);
    };
    check(&store).await;
    store.close().await;
    // From the segments alone it comes out the same.
    fs::remove_file(folder.path().join("index.db")).expect("an index");
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    check(&store).await;
    // The first bytes again: they are the newest now, and no longer an earlier version.
    store.close().await;
    let store = opened(folder.path(), Duplicates::KeepBoth).await;
    assert_eq!(keep(&store, &versions[0]).await, Kept::Replaced);
    store.settled().await;
    assert_eq!(object(&store, &instance(1, 1)).await, versions[0].part10);
    let exported = export(&store, &Selector::All, out.path()).await.expect("exported");
    assert_eq!(exported.written, 3);
    store.close().await;
}

#[tokio::test]
async fn the_record_that_arrived_last_counts_in_whatever_order_segments_are_read() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, &image(1, 5)).await;
    // Streamed objects get a segment behind the one that goes on being written.
    assert_eq!(stream(&store, &image(1, 1)).await, Kept::New);
    store.settled().await;
    let newest = other(1, 77);
    assert_eq!(keep(&store, &newest).await, Kept::Replaced);
    assert_eq!(stream(&store, &other(1, 78)).await, Kept::Replaced);
    assert_eq!(keep(&store, &newest).await, Kept::Replaced);
    store.close().await;
    fs::remove_file(folder.path().join("index.db")).expect("an index");
    let built = reindex(folder.path()).await.expect("built again");
    assert_eq!((built.instances, built.problems.len()), (2, 0));
    let store = opened(folder.path(), Duplicates::Replace).await;
    let object = object(&store, &instance(1, 1)).await;
    assert_eq!(object, newest.part10);
    assert_eq!(verify(&store).await.expect("verified").problems, [] as [String; 0]);
    store.close().await;
}

#[tokio::test]
async fn other_bytes_that_name_another_series_open_both() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    for (of_series, number) in [(1, 1), (1, 2), (2, 1)] {
        keep(&store, &image(of_series, number)).await;
    }
    decide(&store, 1, 1).await;
    decide(&store, 2, 1).await;
    store.take_changed();
    let mut moved = other(1, 77);
    (moved.identity.series, moved.identity.study) = (series(2), study(2));
    let moved = image_of(moved.identity, 700, 77);
    assert_eq!(keep(&store, &moved).await, Kept::Replaced);
    store.settled().await;
    for (of_series, instances) in [(1, 1), (2, 2)] {
        let row = store.series(&series(of_series)).await.expect("asked").expect("there");
        let now = (row.instances, row.state, row.revision);
        assert_eq!(now, (instances, SeriesState::Receiving, 2), "series {of_series}");
    }
    let expected = [series(1), series(2)].into_iter().collect();
    assert_eq!(store.take_changed(), Changed::Series(expected));
    store.close().await;
}

#[tokio::test]
async fn a_job_that_may_have_read_replaced_bytes_delivers_nothing() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, &image(1, 1)).await;
    decide(&store, 1, 1).await;
    let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    keep(&store, &other(1, 77)).await;
    store.settled().await;
    let finished = FinishedJob {
        findings: json!({}),
        results: vec![uid("1.2.3")],
        deliveries: Vec::new(),
        seconds: 1.0,
        peak: None,
    };
    store.finish_job(job.id, finished.clone()).await.expect("noted");
    let row = store.job(job.id).await.expect("asked").expect("there");
    assert_eq!((row.state, row.results.len()), (JobState::Superseded, 0));
    assert_eq!(row.reason.as_deref(), Some("an image that it read was replaced meanwhile"));
    decide(&store, 1, 2).await;
    let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    store.finish_job(job.id, finished).await.expect("noted");
    let row = store.job(job.id).await.expect("asked").expect("there");
    assert_eq!(row.state, JobState::Finished);
    store.close().await;
}

#[tokio::test]
async fn what_is_on_its_way_out_when_its_bytes_change_goes_again() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, &image(1, 1)).await;
    decide(&store, 1, 1).await;
    let leased = store.lease_deliveries("PACS", 1, MINUTE).await.expect("asked").remove(0);
    let before = store.leased_object(&leased).await.expect("read");
    assert_eq!(before, Leased::Object(image(1, 1).part10));
    let second = other(1, 77);
    keep(&store, &second).await;
    store.settled().await;
    assert_eq!(store.leased_object(&leased).await.expect("read"), Leased::Changed);
    decide(&store, 1, 2).await;
    store.delivered(&leased, 0, Moment::now()).await.expect("noted");
    store.park_delivery(&leased, "late").await.expect("noted");
    assert_eq!(states(&store).await, [DeliveryState::Queued], "the earlier bytes were delivered");
    let leased = store.lease_deliveries("PACS", 1, MINUTE).await.expect("asked").remove(0);
    let now = store.leased_object(&leased).await.expect("read");
    assert_eq!(now, Leased::Object(second.part10));
    store.delivered(&leased, 0, Moment::now()).await.expect("noted");
    assert_eq!(states(&store).await, [DeliveryState::Delivered]);
    store.close().await;
}

#[tokio::test]
async fn what_this_node_made_is_never_replaced() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    let mut result = image(1, 1);
    result.identity.origin = Origin::Made;
    keep(&store, &result).await;
    assert_eq!(keep(&store, &other(1, 77)).await, Kept::Conflict);
    let mut again = other(1, 78);
    again.identity.origin = Origin::Made;
    assert_eq!(keep(&store, &again).await, Kept::Conflict);
    assert_eq!(object(&store, &instance(1, 1)).await, result.part10);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_senders_at_once_the_last_that_was_kept_counts() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    let mut senders = JoinSet::new();
    for seed in 0..12 {
        let store = store.clone();
        senders.spawn(async move { keep(&store, &other(1, seed)).await });
    }
    let outcomes = senders.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Kept::New).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Kept::Replaced).count(), 11);
    store.settled().await;
    let now = object(&store, &instance(1, 1)).await;
    let verified = verify(&store).await.expect("verified");
    assert_eq!((verified.records, verified.instances, verified.superseded), (12, 1, 11));
    assert_eq!(verified.problems, [] as [String; 0]);
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path(), Duplicates::Replace).await;
    assert_eq!(object(&store, &instance(1, 1)).await, now);
    store.close().await;
}

#[tokio::test]
async fn the_same_bytes_mend_a_record_that_was_damaged() {
    for duplicates in [Duplicates::KeepFirst, Duplicates::Replace, Duplicates::KeepBoth] {
        for streamed in [false, true] {
            let folder = tempdir().expect("a folder");
            let store = opened(folder.path(), duplicates).await;
            keep(&store, &image(1, 1)).await;
            decide(&store, 1, 1).await;
            damage(folder.path());
            assert!(store.object(&instance(1, 1)).await.is_err());
            let outcome = match streamed {
                true => stream(&store, &image(1, 1)).await,
                false => keep(&store, &image(1, 1)).await,
            };
            assert_eq!(outcome, Kept::Mended);
            store.settled().await;
            assert_eq!(object(&store, &instance(1, 1)).await, image(1, 1).part10);
            let row = store.series(&series(1)).await.expect("asked").expect("there");
            let now = (row.instances, row.state, row.revision);
            assert_eq!(
                now,
                (1, SeriesState::Decided, 1),
                "the bytes are those that were decided on"
            );
            assert_eq!(kinds(&store).await, ["mended"]);
            store.close().await;
        }
    }
}

#[tokio::test]
async fn other_bytes_are_kept_when_the_first_are_damaged() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    keep(&store, &image(1, 1)).await;
    decide(&store, 1, 1).await;
    damage(folder.path());
    let second = other(1, 77);
    assert_eq!(keep(&store, &second).await, Kept::Replaced);
    store.settled().await;
    assert_eq!(object(&store, &instance(1, 1)).await, second.part10);
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision), (SeriesState::Receiving, 2));
    store.close().await;
}

/// Flips a bit of the pixels of the first record.
fn damage(folder: &Path) {
    let path = folder.join("segments/00000001.seg");
    let file = File::options().read(true).write(true).open(path).expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 900).expect("a record");
    file.write_all_at(&[byte[0] ^ 4], 900).expect("written");
}
