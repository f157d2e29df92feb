//! Why a series was complete, what it waits for and what its peer taught stay in the index.

mod modality;

use gantry_store::completion::{Changed, NewCompletion, NewWait};
use gantry_store::pace::Gap;
use gantry_store::reindex::reindex;
use gantry_store::series::{SeriesRow, SeriesState};
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Value;
use gantry_terms::moment::Moment;
use modality::{image, series, store, uid};
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::tempdir;

const INSTANCE_NUMBER: u32 = 0x0020_0013;
const ACQUISITION_NUMBER: u32 = 0x0020_0012;

fn peer() -> AeTitle {
    AeTitle::parse("CT1").expect("a title")
}

async fn row(store: &Store, number: u32) -> SeriesRow {
    store.settled().await;
    store.series(&series(number)).await.expect("asked").expect("there")
}

fn completion(row: &SeriesRow) -> NewCompletion {
    NewCompletion {
        series: row.uid.clone(),
        revision: row.revision,
        instances: row.instances,
        last_arrival: row.last_arrival,
        peer: row.calling_ae.clone(),
        at: Moment(7),
        reason: "quiet".into(),
        released_at: Some(Moment(5)),
        broken_off: false,
        gap: None,
        named: Vec::new(),
    }
}

fn gap(micros: u64) -> Gap {
    Gap { late: false, images: Some(Duration::from_micros(micros)), associations: None }
}

#[tokio::test]
async fn a_series_that_got_something_meanwhile_is_not_completed_and_the_others_are() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for number in 1..=2 {
        store.keep(image(number, 5)).await.expect("kept");
    }
    let [first, second] = [row(&store, 1).await, row(&store, 2).await];
    // Earlier than the last arrival, as of a large image that took its time.
    store.keep(image(1, 4)).await.expect("kept");
    let new = [completion(&first), completion(&second)];
    assert_eq!(store.complete(&new).await.expect("asked"), [false, true]);
    assert_eq!(row(&store, 1).await.state, SeriesState::Receiving);
    assert_eq!(row(&store, 2).await.state, SeriesState::Complete);
    assert_eq!(store.completions(&series(1)).await.expect("asked"), []);
    let told = store.completions(&series(2)).await.expect("asked").remove(0);
    assert_eq!((told.at, told.instances, told.reason.as_str()), (Some(Moment(7)), 1, "quiet"));
    assert_eq!(told.released_at, Some(Moment(5)));
    store.close().await;
}

#[tokio::test]
async fn a_wait_is_told_until_the_series_is_complete_and_outlives_a_rebuilt_index() {
    let folder = tempdir().expect("a folder");
    let opened = store(folder.path()).await;
    opened.keep(image(1, 1)).await.expect("kept");
    let first = row(&opened, 1).await;
    let wait = NewWait {
        series: first.uid.clone(),
        revision: 1,
        instances: 1,
        last_arrival: first.last_arrival,
        due: Moment(99),
        reason: "waits".into(),
    };
    opened.keep_waits(std::slice::from_ref(&wait)).await.expect("kept");
    let told = opened.completions(&first.uid).await.expect("asked").remove(0);
    assert_eq!((told.at, told.due, told.reason.as_str()), (None, Moment(99), "waits"));
    assert_eq!(opened.complete(&[completion(&first)]).await.expect("asked"), [true]);
    opened.keep_waits(&[wait]).await.expect("asked");
    opened.close().await;
    reindex(folder.path()).await.expect("built");
    let opened = store(folder.path()).await;
    let told = opened.completions(&first.uid).await.expect("asked").remove(0);
    assert_eq!((told.at, told.reason.as_str()), (Some(Moment(7)), "quiet"));
    opened.close().await;
}

#[tokio::test]
async fn only_the_series_that_changed_are_told() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.keep(image(1, 1)).await.expect("kept");
    store.settled().await;
    assert_eq!(store.take_changed(), Changed::Everything);
    assert_eq!(store.take_changed(), Changed::Series(BTreeSet::new()));
    for number in [2, 3, 2] {
        store.keep(image(number, 5)).await.expect("kept");
    }
    store.settled().await;
    // The news come before the bell, and the bell behind what is settled.
    let mut bell = store.bell();
    let mut changed = BTreeSet::new();
    while changed.len() < 2 {
        match store.take_changed() {
            Changed::Series(series) => changed.extend(series),
            Changed::Everything => panic!("two series are not everything"),
        }
        if changed.len() < 2 {
            bell.changed().await.expect("a store that is open");
        }
    }
    assert_eq!(changed, BTreeSet::from([series(2), series(3)]));
    let asked = BTreeSet::from([series(3), series(9)]);
    let found = store.series_among(&asked).await.expect("asked");
    assert_eq!(found.iter().map(|row| &row.uid).collect::<Vec<_>>(), [&series(3)]);
    store.close().await;
}

#[tokio::test]
async fn the_latest_gaps_of_a_peer_are_remembered_each_once() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let series = |number: u64| uid(&format!("1.2.{number}"));
    for number in 1..=80 {
        store.learn(&peer(), &series(number), 1, gap(number)).await.expect("learned");
        store.learn(&peer(), &series(number), 1, gap(999)).await.expect("known");
    }
    let other = AeTitle::parse("CT2").expect("a title");
    let late = Gap { late: true, associations: Some(Duration::from_micros(3)), ..gap(1) };
    store.learn(&other, &series(1), 2, late).await.expect("learned");
    let expected: Vec<Gap> = (17..=80).map(gap).collect();
    assert_eq!(store.gaps(&peer()).await.expect("asked"), expected);
    assert_eq!(store.gaps(&other).await.expect("asked"), [late]);
    assert_eq!(store.peers_with_a_pace().await.expect("asked"), [peer(), other]);
    store.close().await;
}

#[tokio::test]
async fn a_number_that_failed_is_believed_again_when_it_has_come_true_five_times() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut believed = Vec::new();
    for (number, came_true) in [true, false, true, true, true, true, true].iter().enumerate() {
        store.keep(image(number as u32, 1)).await.expect("kept");
        let row = row(&store, number as u32).await;
        let named = vec![("(0020,1209)", *came_true)];
        let new = NewCompletion { named, ..completion(&row) };
        assert_eq!(store.complete(&[new]).await.expect("asked"), [true]);
        let counts = store.named_counts(&peer()).await.expect("asked");
        believed.push(counts[0].believed);
    }
    assert_eq!(believed, [true, false, false, false, false, false, true]);
    let count = store.named_counts(&peer()).await.expect("asked").remove(0);
    assert_eq!((count.came_true, count.failed), (6, 1));
    store.close().await;
}

#[tokio::test]
async fn gaps_and_attributes_are_read_from_the_rows_of_a_series() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    // Their arrivals lie so many microseconds apart.
    for number in [1, 2, 9, 30] {
        store.keep(image(1, number)).await.expect("kept");
        store.keep(image(2, number + 500)).await.expect("kept");
    }
    let row = row(&store, 1).await;
    let longest =
        |since, longest| store.longest_gap(&row.uid, since, Duration::from_micros(longest));
    let micros = |gap| Some(Duration::from_micros(gap));
    assert_eq!(longest(Moment(0), 1000).await.expect("asked"), micros(21));
    assert_eq!(longest(Moment(0), 20).await.expect("asked"), micros(7));
    assert_eq!(longest(row.last_arrival, 1000).await.expect("asked"), None);
    let behind = store.first_arrival_behind(&row.uid, row.first_arrival).await.expect("asked");
    assert_eq!(behind, Some(Moment(row.first_arrival.0 + 1)));

    let tags = [INSTANCE_NUMBER, ACQUISITION_NUMBER];
    let headers = store.headers_behind(&row.uid, 0, &tags).await.expect("asked");
    let numbers: Vec<_> = headers.iter().map(|(_, one)| one.number(INSTANCE_NUMBER)).collect();
    assert!(numbers.len() == 4 && numbers.iter().all(Option::is_some), "{headers:?}");
    assert!(headers.iter().all(|(_, header)| header.0.len() == 1), "{headers:?}");
    let behind = store.headers_behind(&row.uid, headers[2].0, &tags).await.expect("asked");
    assert_eq!(behind, headers[3..]);
    let newest = store.newest_header(&row.uid, &tags).await.expect("asked").expect("there");
    assert_eq!(newest, headers[3].1);
    assert!(matches!(newest.0[&INSTANCE_NUMBER].values[0], Value::Text(_)));
    store.close().await;
}
