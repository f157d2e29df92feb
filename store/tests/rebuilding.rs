//! An index that is built again: a rebuild that was broken off goes on as what it was, and what was not indexed yet is not forgotten.

mod modality;

use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use modality::{identity, image, image_of, instance, options, series, store};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn segment(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("segments/00000001.seg")
}

async fn kinds(store: &Store) -> Vec<String> {
    let events = store.events(100).await.expect("asked");
    events.into_iter().map(|row| row.event.kind).collect()
}

/// As a crash leaves it that strikes before the first record is in it.
async fn begin_index(folder: &Path) {
    let path = SqliteConnectOptions::new().filename(folder.join("index.db"));
    let pool = SqlitePool::connect_with(path.create_if_missing(true)).await.expect("a file");
    sqlx::migrate!("../migrations").run(&pool).await.expect("tables");
    pool.close().await;
}

#[tokio::test]
async fn a_rebuild_of_a_lost_index_that_was_broken_off_still_knows_that_it_was_lost() {
    let folder = tempdir().expect("a folder");
    let before = store(folder.path()).await;
    for number in 0..3 {
        before.keep(image(1, number)).await.expect("kept");
    }
    before.close().await;
    // The last record ends early, as a torn one does: but it was acknowledged.
    let mut bytes = fs::read(segment(&folder)).expect("a segment");
    let last = bytes.windows(8).rposition(|part| part == b"\x89GANTRY\n").expect("a record");
    bytes.truncate(last + 1000);
    fs::write(segment(&folder), bytes).expect("garbled");
    fs::remove_file(folder.path().join("index.db")).expect("an index");
    begin_index(folder.path()).await;
    let again = store(folder.path()).await;
    assert_eq!(kinds(&again).await, ["index lost", "damage"]);
    assert!(folder.path().join(format!("damaged/00000001-{last}.record")).is_file());
    again.close().await;
    let third = store(folder.path()).await;
    assert_eq!(kinds(&third).await, ["index lost", "damage"], "told once");
    third.close().await;
}

#[tokio::test]
async fn a_new_store_tells_of_no_lost_index() {
    let folder = tempdir().expect("a folder");
    for _ in 0..2 {
        let store = store(folder.path()).await;
        assert_eq!(kinds(&store).await, [] as [String; 0]);
        store.close().await;
    }
}

#[tokio::test]
async fn a_replacement_that_was_not_indexed_yet_opens_its_series_through_a_rebuild() {
    let (folder, other) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let first = store(folder.path()).await;
    first.keep(image(1, 1)).await.expect("kept");
    first.settled().await;
    let row = first.series(&series(1)).await.expect("asked").expect("there");
    assert!(first.complete_series(&row.uid, 1, row.last_arrival).await.expect("asked"));
    first.close().await;
    // The same segment with the replacement, beside an index that has not followed.
    fs::create_dir(other.path().join("segments")).expect("a folder");
    for name in ["segments/00000001.seg", "index.db", "seal"] {
        fs::copy(folder.path().join(name), other.path().join(name)).expect("copied");
    }
    let options = StoreOptions { duplicates: Duplicates::Replace, ..options(other.path()) };
    let store = Store::open(options).await.expect("a store");
    let second = image_of(identity(1, 1), 700, 77);
    store.keep(second.clone()).await.expect("kept");
    store.close().await;
    fs::copy(segment(&other), segment(&folder)).expect("copied");

    let report = reindex(folder.path()).await.expect("built again");
    assert_eq!((report.instances, report.problems.len()), (1, 0));
    let store = modality::store(folder.path()).await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision), (SeriesState::Receiving, 2));
    let object = store.object(&instance(1, 1)).await.expect("read");
    assert_eq!(object, Some(second.part10));
    store.close().await;
}
