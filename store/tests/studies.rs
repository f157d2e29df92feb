//! One Series Instance UID under two studies: nothing is lost, the admin is told, and the images of two patients are never put together.

mod modality;

use gantry_store::export::{Selector, export};
use gantry_store::incoming::{Identity, Incoming};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use modality::archive::{DISK, MONTH, begin_next, decided_and_delivered, later};
use modality::{identity, image, image_of, options, series, uid};
use std::path::Path;
use tempfile::tempdir;

fn other_study() -> Uid {
    uid("1.2.826.0.1.3680043.9.3.2")
}

fn of_other_study(number: u32) -> Incoming {
    let identity = Identity { study: other_study(), ..identity(1, number) };
    image_of(identity, 700, number.into())
}

async fn opened(folder: &Path, duplicates: Duplicates) -> Store {
    Store::open(StoreOptions { duplicates, ..options(folder) }).await.expect("a store")
}

async fn keep(store: &Store, incoming: Incoming) {
    store.keep(incoming).await.expect("kept");
    store.settled().await;
}

/// Of the series: its study, its images, and what is decided on.
async fn row(store: &Store) -> (Uid, u32, Vec<Uid>) {
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    let instances = store.instances(&series(1)).await.expect("asked");
    let instances = instances.into_iter().map(|row| row.identity.sop_instance).collect();
    (row.study, row.instances, instances)
}

async fn told(store: &Store) -> Vec<String> {
    let events = store.events(100).await.expect("asked").into_iter();
    events.filter(|row| row.event.kind == "two studies").map(|row| row.event.text).collect()
}

async fn exported(store: &Store, of: &Uid) -> u64 {
    let folder = tempdir().expect("a folder");
    export(store, &Selector::Uid(of.clone()), folder.path()).await.expect("exported").written
}

#[tokio::test]
async fn images_of_another_study_are_kept_and_told_and_no_part_of_what_is_decided() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    keep(&store, image(1, 1)).await;
    keep(&store, image(1, 2)).await;
    decided_and_delivered(&store, 1).await;
    keep(&store, of_other_study(3)).await;
    keep(&store, of_other_study(4)).await;
    let check = async |store: &Store| {
        let (study, instances, decided_on) = row(store).await;
        assert_eq!((study, instances), (identity(1, 1).study, 2));
        assert_eq!(decided_on, [image(1, 1), image(1, 2)].map(|it| it.identity.sop_instance));
        let told = told(store).await;
        for named in [series(1), other_study(), identity(1, 1).study] {
            assert!(told[0].contains(named.as_str()), "{told:?}");
        }
        assert_eq!(exported(store, &other_study()).await, 2);
        assert_eq!(exported(store, &identity(1, 1).study).await, 2);
        assert_eq!(exported(store, &series(1)).await, 4);
        let row = store.series(&series(1)).await.expect("asked").expect("there");
        assert_eq!((row.state, row.revision), (SeriesState::Decided, 1), "they open nothing");
        let newest = store.newest_header(&series(1), &[0x0020_0013]).await.expect("asked");
        let second = store.headers_behind(&series(1), 0, &[0x0020_0013]).await.expect("asked");
        assert!(newest.is_some() && second.len() == 2);
    };
    check(&store).await;
    assert_eq!(told(&store).await.len(), 1, "told once");
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    check(&store).await;
    store.close().await;
}

#[tokio::test]
async fn retention_never_takes_images_away_that_no_rule_saw() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    keep(&store, image(1, 1)).await;
    let held = Identity { study: other_study(), ..identity(1, 2) };
    keep(&store, image_of(held, 1_200_000, 2)).await;
    begin_next(&store, 1000).await;
    decided_and_delivered(&store, 1).await;
    let round = store.retain(&MONTH, DISK, later(40 * modality::archive::DAY)).await;
    let round = round.expect("a round");
    assert_eq!((round.evicted.len(), round.stays.len()), (0, 1), "{round:?}");
    assert_eq!(round.stays[0].holdings[0].instances, 1);
    store.close().await;
}

#[tokio::test]
async fn a_correction_that_names_another_study_for_every_image_takes_the_series_along() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    for number in 1..4 {
        keep(&store, image(1, number)).await;
    }
    for number in 1..4 {
        let (_, instances, _) = row(&store).await;
        assert_eq!(instances, 4 - number);
        keep(&store, of_other_study(number)).await;
    }
    let (study, instances, decided_on) = row(&store).await;
    assert_eq!((study, instances, decided_on.len()), (other_study(), 3, 3));
    keep(&store, image(1, 9)).await;
    let (study, instances, _) = row(&store).await;
    assert_eq!((study, instances), (other_study(), 3), "now the earlier study is the other one");
    store.close().await;
}

#[tokio::test]
async fn an_index_that_is_built_again_comes_to_the_same_however_often_studies_were_corrected() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, image(1, 1)).await;
    keep(&store, image(1, 2)).await;
    keep(&store, of_other_study(2)).await;
    // Back again, with other bytes than at first.
    keep(&store, image_of(identity(1, 2), 900, 77)).await;
    let before = row(&store).await;
    assert_eq!((&before.0, before.1), (&identity(1, 1).study, 2));
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = opened(folder.path(), Duplicates::Replace).await;
    assert_eq!(row(&store).await, before);
    for number in 1..3 {
        keep(&store, image_of(Identity { study: other_study(), ..identity(1, number) }, 950, 5))
            .await;
    }
    let before = row(&store).await;
    assert_eq!((&before.0, before.1, before.2.len()), (&other_study(), 2, 2));
    decided_and_delivered(&store, 1).await;
    store.close().await;
    std::fs::remove_file(folder.path().join("index.db")).expect("lost");
    let store = opened(folder.path(), Duplicates::Replace).await;
    assert_eq!(row(&store).await, before);
    store.close().await;
}

#[tokio::test]
async fn a_series_that_its_images_left_for_another_goes_over_to_the_study_of_those_that_stay() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::Replace).await;
    keep(&store, image(1, 1)).await;
    keep(&store, of_other_study(2)).await;
    let elsewhere = Identity { series: series(7), study: uid("1.2.3.4.5"), ..identity(1, 1) };
    keep(&store, image_of(elsewhere, 700, 9)).await;
    let (study, instances, decided_on) = row(&store).await;
    assert_eq!((study, instances, decided_on.len()), (other_study(), 1, 1));
    store.close().await;
}

/// A rebuild that begins with the series of one study, and finds records of the other one first.
async fn rebuilt(folder: &Path, of: &Uid, instances: i64) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("index.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the index");
    let begun = "INSERT INTO reindexing (uid, instances, state, revision, study)
         VALUES ($1, $2, 'decided', 1, $3)";
    let begun = sqlx::query(begun).bind(series(1).as_str().to_owned()).bind(instances);
    begun.bind(of.as_str().to_owned()).execute(&pool).await.expect("done");
    for table in ["instances", "series", "studies", "segments", "other_studies"] {
        let emptied = format!("DELETE FROM {table}");
        sqlx::query(sqlx::AssertSqlSafe(emptied)).execute(&pool).await.expect("done");
    }
    pool.close().await;
}

#[tokio::test]
async fn a_rebuild_gives_a_series_back_to_its_study_and_opens_it_when_nothing_of_that_is_left() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    keep(&store, image(1, 1)).await;
    keep(&store, of_other_study(2)).await;
    keep(&store, of_other_study(3)).await;
    store.close().await;
    rebuilt(folder.path(), &other_study(), 2).await;
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    let (study, instances, decided_on) = row(&store).await;
    assert_eq!((study, instances, decided_on.len()), (other_study(), 2, 2));
    let state = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((state.state, state.revision), (SeriesState::Decided, 1), "nothing came");
    assert_eq!(exported(&store, &identity(1, 1).study).await, 1, "now that is the other one");
    store.close().await;
    rebuilt(folder.path(), &uid("1.2.3.4.5"), 30).await;
    let store = opened(folder.path(), Duplicates::KeepFirst).await;
    let state = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((state.study, state.state), (identity(1, 1).study, SeriesState::Receiving));
    assert_eq!(state.revision, 2);
    store.close().await;
}
