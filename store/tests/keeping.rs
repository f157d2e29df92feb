//! What is acknowledged is there, byte for byte, and only once.

mod modality;

use bytes::Bytes;
use gantry_store::error::StoreError;
use gantry_store::export::{Selector, export};
use gantry_store::header::part10_head;
use gantry_store::incoming::{Incoming, Kept, Origin};
use gantry_store::options::{Durability, StoreOptions};
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use modality::{data_set, identity, image, image_of, instance, series, store};
use std::fs;
use std::time::Duration;
use tempfile::tempdir;
use tokio::task::JoinSet;

#[tokio::test]
async fn what_was_kept_is_exported_byte_for_byte() {
    let (folder, out) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let store = store(folder.path()).await;
    for number in 0..20 {
        let receipt = store.keep(image(1, number)).await.expect("kept");
        assert_eq!(receipt.outcome, Kept::New);
    }
    store.settled().await;
    let exported = export(&store, &Selector::Uid(series(1)), out.path()).await.expect("exported");
    assert_eq!((exported.written, exported.problems.len()), (20, 0));
    for number in 0..20 {
        let expected = image(1, number);
        let path = out
            .path()
            .join(expected.identity.study.as_str())
            .join(series(1).as_str())
            .join(format!("{}.dcm", instance(1, number)));
        assert_eq!(fs::read(path).expect("a file"), expected.part10);
        let object = store.object(&instance(1, number)).await.expect("read").expect("there");
        assert_eq!(object, expected.part10);
        let row = store.instance(&instance(1, number)).await.expect("asked").expect("there");
        assert_eq!(row.identity, expected.identity);
        assert_eq!(row.bytes, expected.part10.len() as u64);
        assert_eq!(row.header.text(0x0008_0060), Some("CT"));
    }
    assert_eq!(store.object(&instance(9, 9)).await.expect("asked"), None);
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.instances, row.state, row.revision), (20, SeriesState::Receiving, 1));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_commit_answers_many_senders_at_once() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut senders = JoinSet::new();
    for sender in 0..32 {
        let store = store.clone();
        senders.spawn(async move {
            for number in 0..20 {
                let receipt = store.keep(image(sender, number)).await.expect("kept");
                assert_eq!(receipt.outcome, Kept::New);
            }
        });
    }
    senders.join_all().await;
    store.settled().await;
    assert_eq!(store.all_series().await.expect("asked").len(), 32);
    let verified = verify(&store).await.expect("verified");
    assert_eq!((verified.instances, verified.records), (640, 640));
    assert_eq!(verified.problems, [] as [String; 0]);
    // How many, depends on how many senders wait at a time: each group begins at a whole block.
    assert!(verified.segments > 1, "1 MiB segments were begun anew: {}", verified.segments);
    store.close().await;
}

#[tokio::test]
async fn the_same_bytes_again_are_a_duplicate_and_write_nothing() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.keep(image(1, 1)).await.expect("kept");
    let at_once = store.keep(image(1, 1)).await.expect("answered");
    store.settled().await;
    // Another association, so other File Meta Information, but the same data set.
    let mut again = identity(1, 1);
    again.calling_ae = gantry_terms::ae_title::AeTitle::parse("OTHER").expect("a title");
    let again = Incoming {
        part10: gantry_store::header::part10(&again, &image_data_set(1, 1)).into(),
        identity: again,
    };
    let later = store.keep(again).await.expect("answered");
    assert_eq!([at_once.outcome, later.outcome], [Kept::Duplicate; 2]);
    assert_eq!(verify(&store).await.expect("verified").records, 1);
    store.close().await;
}

fn image_data_set(of_series: u32, number: u32) -> Vec<u8> {
    let image = image(of_series, number);
    image.part10[part10_head(&image.identity).len()..].to_vec()
}

#[tokio::test]
async fn other_bytes_under_a_known_uid_leave_the_first_and_are_noted() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let first = image(1, 1);
    store.keep(first.clone()).await.expect("kept");
    let other = image_of(identity(1, 1), 500, 99);
    let at_once = store.keep(other.clone()).await.expect("answered");
    store.settled().await;
    let later = store.keep(other).await.expect("answered");
    assert_eq!([at_once.outcome, later.outcome], [Kept::Conflict; 2]);
    let object = store.object(&instance(1, 1)).await.expect("read").expect("there");
    assert_eq!(object, first.part10);
    let events = store.events(10).await.expect("asked");
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].event.kind, "conflict");
    assert_eq!(events[0].event.subject.as_deref(), Some(instance(1, 1).as_str()));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_object_from_many_senders_at_once_is_written_once() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut senders = JoinSet::new();
    for _ in 0..24 {
        let store = store.clone();
        senders.spawn(async move { store.keep(image(1, 7)).await.expect("answered").outcome });
    }
    let outcomes = senders.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Kept::New).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Kept::Duplicate).count(), 23);
    store.settled().await;
    assert_eq!(verify(&store).await.expect("verified").records, 1);
    store.close().await;
}

#[tokio::test]
async fn a_large_object_is_streamed_to_a_segment_of_its_own() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let large = image_of(identity(1, 1), 64 << 20, 5);
    let outcome = stream(&store, &large, 60_001).await;
    assert_eq!(outcome, Kept::New);
    assert_eq!(stream(&store, &large, 1 << 20).await, Kept::Duplicate);
    store.keep(image(1, 2)).await.expect("kept");
    assert_eq!(store.keep(large.clone()).await.expect("answered").outcome, Kept::Duplicate);
    assert_eq!(stream(&store, &image(1, 2), 777).await, Kept::Duplicate);
    store.settled().await;
    let row = store.instance(&instance(1, 1)).await.expect("asked").expect("there");
    assert_eq!(row.header.text(0x0008_0060), Some("CT"));
    let object = store.object(&instance(1, 1)).await.expect("read").expect("there");
    assert!(object == large.part10);
    let verified = verify(&store).await.expect("verified");
    assert_eq!((verified.segments, verified.records, verified.problems.len()), (2, 2, 0));
    store.close().await;
}

async fn stream(store: &Store, incoming: &Incoming, piece: usize) -> Kept {
    let mut stream = store.keep_streamed(incoming.identity.clone()).await.expect("begun");
    let data_set = &incoming.part10[part10_head(&incoming.identity).len()..];
    for piece in data_set.chunks(piece) {
        stream.append(Bytes::copy_from_slice(piece)).await.expect("written");
    }
    stream.finish().await.expect("kept").outcome
}

#[tokio::test]
async fn a_stream_that_breaks_off_leaves_nothing_behind() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut broken = store.keep_streamed(identity(1, 1)).await.expect("begun");
    broken.append(vec![0; 3 << 20].into()).await.expect("written");
    drop(broken);
    assert_eq!(store.all_series().await.expect("asked"), []);
    store.close().await;
    // A write that was in hand ends first.
    let segments = folder.path().join("segments");
    let left = || fs::read_dir(&segments).expect("a folder").count();
    let waited = (0..1000).take_while(|_| left() > 0);
    assert!(waited.map(|_| std::thread::sleep(Duration::from_millis(10))).count() < 1000);
}

#[tokio::test]
async fn bytes_that_are_no_part_10_file_are_refused() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for part10 in [Bytes::new(), Bytes::from(vec![0; 500]), data_set(1, 50, 1).into()] {
        let incoming = Incoming { identity: identity(1, 1), part10 };
        assert!(store.keep(incoming).await.is_err());
    }
    store.keep(image(1, 1)).await.expect("kept all the same");
    store.close().await;
}

#[tokio::test]
async fn a_late_image_reopens_its_series_and_a_made_one_does_not() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.keep(image(1, 1)).await.expect("kept");
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert!(store.complete_series(&row.uid, 1, row.last_arrival).await.expect("asked"));
    let mut made = identity(1, 2);
    made.origin = Origin::Made;
    store.keep(image_of(made, 100, 1)).await.expect("kept");
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision, row.instances), (SeriesState::Complete, 1, 2));
    store.keep(image(1, 3)).await.expect("kept");
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision, row.instances), (SeriesState::Receiving, 2, 3));
    assert!(!store.complete_series(&row.uid, 1, row.last_arrival).await.expect("asked"));
    store.close().await;
}

#[tokio::test]
async fn a_series_of_results_alone_never_waits_for_a_decision() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut made = identity(1, 1);
    made.origin = Origin::Made;
    store.keep(image_of(made, 100, 1)).await.expect("kept");
    store.settled().await;
    assert_eq!(store.series_receiving().await.expect("asked"), []);
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!(row.state, SeriesState::Made);
    store.close().await;
}

#[tokio::test]
async fn a_reader_looks_on_beside_the_node() {
    let folder = tempdir().expect("a folder");
    assert!(matches!(Store::open_reader(folder.path()).await, Err(StoreError::NoStore(_))));
    let store = store(folder.path()).await;
    let reader = Store::open_reader(folder.path()).await.expect("a reader");
    for number in 0..50 {
        store.keep(image(1, number)).await.expect("kept");
        store.settled().await;
        let object = reader.object(&instance(1, number)).await.expect("read").expect("there");
        assert_eq!(object, image(1, number).part10);
    }
    assert_eq!(reader.summary().await.expect("asked").instances, 50);
    store.close().await;
    assert_eq!(reader.instances(&series(1)).await.expect("asked").len(), 50);
    let alone = Store::open_reader(folder.path()).await.expect("a reader without a node");
    assert_eq!(alone.summary().await.expect("asked").series.receiving, 1);
}

#[tokio::test]
async fn two_nodes_never_share_a_folder() {
    let folder = tempdir().expect("a folder");
    let first = store(folder.path()).await;
    let second = Store::open(StoreOptions::new(folder.path())).await;
    assert!(matches!(second, Err(StoreError::InUse(_))));
    first.close().await;
    store(folder.path()).await.close().await;
}

#[tokio::test]
async fn the_bell_rings_when_something_has_changed() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut bell = store.bell();
    bell.mark_unchanged();
    store.keep(image(1, 1)).await.expect("kept");
    bell.changed().await.expect("rung");
    assert_eq!(store.series_receiving().await.expect("asked").len(), 1);
    store.close().await;
}

#[tokio::test]
async fn without_power_loss_durability_objects_are_kept_all_the_same() {
    let folder = tempdir().expect("a folder");
    let options =
        StoreOptions { durability: Durability::Crash, ..StoreOptions::new(folder.path()) };
    let store = Store::open(options).await.expect("a store");
    for number in 0..10 {
        store.keep(image(1, number)).await.expect("kept");
    }
    store.close().await;
    let store = modality::store(folder.path()).await;
    assert_eq!(verify(&store).await.expect("verified").instances, 10);
    store.close().await;
}

#[tokio::test]
async fn after_closing_nothing_more_is_taken() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let clone = store.clone();
    store.close().await;
    assert!(clone.keep(image(1, 1)).await.is_err());
    assert!(clone.keep_streamed(identity(1, 1)).await.is_err());
}
