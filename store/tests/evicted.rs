//! What becomes of segments that were evicted: after crashes, and when what was in them comes again.

mod modality;

use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewForward};
use gantry_store::error::StoreError;
use gantry_store::export::Selector;
use gantry_store::header::part10_head;
use gantry_store::incoming::{Kept, Origin};
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use modality::archive::*;
use modality::{identity, image_of, instance, series, uid};
use serde_json::json;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// What lies in the folder of a store that is closed.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => {
                fs::create_dir_all(&to).expect("a folder");
                copy(&entry.path(), &to);
            }
            false => {
                fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
}

/// The folder before and behind a round that carries and evicts.
async fn before_and_behind() -> (TempDir, TempDir) {
    let (before, behind) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let store = opened(behind.path()).await;
    mixed(&store).await;
    store.close().await;
    copy(behind.path(), before.path());
    let store = opened(behind.path()).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
    (before, behind)
}

#[tokio::test]
async fn a_crash_behind_the_copies_and_before_the_index_knows_them_loses_and_doubles_nothing() {
    let (before, behind) = before_and_behind().await;
    // The segment with the copies, and the index without them.
    fs::copy(segment(&behind, 2), segment(&before, 2)).expect("copied");
    let store = opened(before.path()).await;
    assert_carried(&store).await;
    assert_no_damage(&store).await;
    assert_good(&store, 0).await;
    let round = retain(&store).await;
    assert_eq!((evicted(&round), round.evicted[0].carried), (vec![1], 0), "moved at the start");
    assert_carried(&store).await;
    store.close().await;
}

#[tokio::test]
async fn a_crash_between_the_mark_and_the_removal_is_ended_by_the_next_start() {
    for with_reindex in [false, true] {
        let (before, behind) = before_and_behind().await;
        fs::copy(segment(&before, 1), segment(&behind, 1)).expect("copied");
        {
            let reader = Store::open_reader(behind.path()).await.expect("a reader");
            let verified = verify(&reader).await.expect("verified");
            assert_eq!((verified.problems.len(), verified.evicted), (0, 3));
        }
        if with_reindex {
            reindex(behind.path()).await.expect("built again");
        }
        let store = opened(behind.path()).await;
        assert!(!segment(&behind, 1).exists());
        assert_carried(&store).await;
        assert_no_damage(&store).await;
        assert_good(&store, if with_reindex { 0 } else { 3 }).await;
        store.close().await;
    }
}

#[tokio::test]
async fn what_was_evicted_and_comes_again_is_kept_decided_and_delivered_as_new() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decided_and_delivered(&store, 1).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    let other = image_of(identity(1, 1), 900, 77);
    assert_eq!(keep(&store, &image(1, 0)).await, Kept::New, "the same bytes");
    assert_eq!(keep(&store, &other).await, Kept::New, "other bytes");
    store.settled().await;
    assert_eq!(keep(&store, &image(1, 0)).await, Kept::Duplicate);
    assert_eq!(object(&store, &instance(1, 0)).await, image(1, 0).part10);
    assert_eq!(object(&store, &instance(1, 1)).await, other.part10);
    assert_good(&store, 2).await;
    assert_no_damage(&store).await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.instances, row.revision, row.state), (4, 2, SeriesState::Receiving));
    decide(&store, 1, false).await;
    let leased = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
    assert_eq!(leased.len(), 2, "only what came again goes again");
    // A stream is asked in the same way.
    let again = image(1, 3);
    let mut stream = store.keep_streamed(again.identity.clone()).await.expect("begun");
    let data_set = again.part10.slice(part10_head(&again.identity).len()..);
    stream.append(data_set).await.expect("appended");
    assert_eq!(stream.finish().await.expect("answered").outcome, Kept::New);
    store.settled().await;
    assert_eq!(object(&store, &instance(1, 3)).await, again.part10);
    store.close().await;
    let store = opened(folder.path()).await;
    assert_eq!(object(&store, &instance(1, 1)).await, other.part10);
    store.close().await;
}

#[tokio::test]
async fn an_evicted_result_that_a_pacs_sends_back_stays_a_result() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    for number in 0..4 {
        keep(&store, &made(1, number)).await;
    }
    begin_next(&store, 1000).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    assert_eq!(keep(&store, &image(1, 0)).await, Kept::New);
    assert_stays_made(&store).await;
    store.close().await;
    // Its own record says so, too.
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path()).await;
    assert_stays_made(&store).await;
    store.close().await;
}

async fn assert_stays_made(store: &Store) {
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!(row.state, SeriesState::Made, "nothing is ever decided for it");
    let row = store.instance(&instance(1, 0)).await.expect("asked").expect("there");
    assert_eq!(row.identity.origin, Origin::Made);
}

#[tokio::test]
async fn a_delivery_of_an_evicted_instance_is_told_so() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decided_and_delivered(&store, 1).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    let late = image(1, 9);
    assert_eq!(keep(&store, &late).await, Kept::New);
    complete(&store, 1).await;
    let forward = NewForward {
        peer: "OTHER".into(),
        instances: vec![instance(1, 1)],
        changes: Changes::default(),
    };
    let decision = NewDecision {
        level: Level::Series,
        rule: "late".into(),
        runs: true,
        reason: "all conditions hold".into(),
        fates: json!([]),
        trace: json!([]),
        jobs: Vec::new(),
        forward: vec![forward],
    };
    let decided = NewDecisions {
        series: series(1),
        revision: 2,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        images: Vec::new(),
        decisions: vec![decision],
    };
    assert!(store.decide(decided).await.expect("decided"));
    let leased = store.lease_deliveries("OTHER", 9, MINUTE).await.expect("asked");
    let said = store.leased_object(&leased[0]).await;
    assert!(matches!(said, Err(StoreError::Evicted(_))), "{said:?}");
    let reader = Store::open_reader(folder.path()).await.expect("a reader");
    let (gone, at) = reader.evicted(&Selector::Uid(series(1))).await.expect("asked");
    assert_eq!((gone, at), (4, Some(later(40 * DAY))));
    assert_eq!(reader.evicted(&Selector::Uid(uid("1.2.3"))).await.expect("asked"), (0, None));
    store.close().await;
}
