//! What is forwarded as it arrives: judged once for each image whatever happens between, and never sent again by what is decided later.

mod modality;

use gantry_store::arrivals::{Arrival, ArrivalVerdict, NewArrival, NewArrivals, Place};
use gantry_store::decisions::{Level, NewForward};
use gantry_store::options::{Duplicates, StoreOptions};
use gantry_store::outbox::DeliveryState;
use gantry_store::reindex::reindex;
use gantry_store::store::Store;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use modality::archive::MINUTE;
use modality::decider::{self, verdict};
use modality::{identity, image, image_of, instance, options, series, store};
use tempfile::tempdir;

const MANY: u32 = 100;

fn to_pacs(of: &Arrival) -> NewForward {
    let instances = vec![of.row.identity.sop_instance.clone()];
    NewForward { peer: "PACS".into(), instances, changes: Changes::default() }
}

/// Every image goes to PACS.
fn forwarded(images: Vec<Arrival>) -> NewArrivals {
    let says = ArrivalVerdict { rule: "at once".into(), runs: true, reason: "runs".into() };
    let forward = |arrival: Arrival| NewArrival {
        forward: vec![("at once".into(), to_pacs(&arrival))],
        arrival,
        verdicts: vec![says.clone()],
    };
    NewArrivals {
        rules_digest: "r1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        images: images.into_iter().map(forward).collect(),
    }
}

/// The numbers of the images of series 1 that are to be judged, and where to go on.
async fn behind(store: &Store, place: Place, limit: u32) -> (Vec<Arrival>, Place) {
    store.settled().await;
    store.arrivals_behind(place, limit).await.expect("asked")
}

fn numbers(arrivals: &[Arrival]) -> Vec<i64> {
    let number = |one: &Arrival| one.row.identity.arrival.0 % 1_000_000;
    arrivals.iter().map(number).collect()
}

async fn queued(store: &Store) -> usize {
    let rows = store.outbox(None, DeliveryState::Queued, 100).await.expect("asked");
    rows.len()
}

#[tokio::test]
async fn each_image_of_a_series_that_receives_is_found_once_over_starts_and_a_rebuilt_index() {
    let folder = tempdir().expect("a folder");
    let first = store(folder.path()).await;
    for number in 1..=5 {
        first.keep(image(1, number)).await.expect("kept");
    }
    first.settled().await;
    let begin = first.before_arrivals().await.expect("asked");
    let (two, next) = behind(&first, begin, 2).await;
    assert_eq!(numbers(&two), [1, 2]);
    first.keep_arrivals(&forwarded(two.clone())).await.expect("kept");
    let (rest, end) = behind(&first, next, MANY).await;
    assert_eq!(numbers(&rest), [3, 4, 5]);
    assert_eq!(behind(&first, end, MANY).await, (vec![], end), "all were looked at");
    // A kill: nothing of the rest was kept.
    first.close().await;

    let second = store(folder.path()).await;
    let begin = second.before_arrivals().await.expect("asked");
    let (again, _) = behind(&second, begin, MANY).await;
    assert_eq!(numbers(&again), [3, 4, 5]);
    second.keep_arrivals(&forwarded(again)).await.expect("kept");
    second.keep_arrivals(&forwarded(two)).await.expect("a repeat is none");
    assert_eq!(queued(&second).await, 5);
    assert_eq!(second.arrivals(&series(1)).await.expect("asked").len(), 5);
    let said = second.arrival(&instance(1, 3)).await.expect("asked").expect("judged");
    assert_eq!((said.rules_digest.as_str(), said.verdicts[0].runs), ("r1", true));
    second.close().await;

    reindex(folder.path()).await.expect("rebuilt");
    let third = store(folder.path()).await;
    let begin = third.before_arrivals().await.expect("asked");
    assert_eq!(behind(&third, begin, MANY).await.0, vec![]);
    third.close().await;
}

#[tokio::test]
async fn what_is_complete_or_has_other_bytes_by_then_is_left_to_the_decision_on_its_series() {
    let folder = tempdir().expect("a folder");
    let replace = StoreOptions { duplicates: Duplicates::Replace, ..options(folder.path()) };
    let store = Store::open(replace).await.expect("a store");
    store.keep(image(1, 1)).await.expect("kept");
    store.keep(image(2, 2)).await.expect("kept");
    store.settled().await;
    let begin = store.before_arrivals().await.expect("asked");
    let (both, end) = behind(&store, begin, MANY).await;
    assert_eq!(numbers(&both), [1, 2]);
    store.keep(image_of(identity(1, 1), 700, 9)).await.expect("other bytes");
    decider::complete(&store, 2).await;
    store.keep_arrivals(&forwarded(both)).await.expect("asked");
    assert_eq!(queued(&store).await, 0);
    assert_eq!(store.arrival(&instance(1, 1)).await.expect("asked"), None);
    // An image that comes late opens its series again.
    store.keep(image(2, 3)).await.expect("kept");
    assert_eq!(numbers(&behind(&store, end, MANY).await.0), [3]);
    store.close().await;
}

#[tokio::test]
async fn a_decision_on_the_series_sends_nothing_again_that_went_on_arrival_and_adds_what_did_not() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.keep(image(1, 1)).await.expect("kept");
    store.settled().await;
    let begin = store.before_arrivals().await.expect("asked");
    let (one, _) = behind(&store, begin, MANY).await;
    store.keep_arrivals(&forwarded(one)).await.expect("kept");
    let leased = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    store.delivered(&leased[0], 0, Moment::now()).await.expect("noted");
    for (revision, late) in [(1, 2), (2, 3)] {
        store.keep(image(1, late)).await.expect("kept");
        let mut whole = verdict("whole", Level::Series, Vec::new());
        whole.runs = true;
        // Other changes are no reason either: rules would send it in turn.
        whole.forward = vec![NewForward {
            peer: "PACS".into(),
            instances: decider::instances(1, &[1, late]),
            changes: Changes {
                set: Vec::new(),
                remove: vec![0x0010_4000 + revision],
                ..Changes::default()
            },
        }];
        decider::decide(&store, 1, vec![whole]).await;
        assert_eq!(queued(&store).await, revision as usize);
    }
    let delivered = store.outbox(None, DeliveryState::Delivered, 10).await.expect("asked");
    assert_eq!(delivered.len(), 1);
    store.close().await;
}
