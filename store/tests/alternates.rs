//! A result that a peer does not take in its SOP class goes out as an alternate: once, with what the peer said, and nothing of it is evicted before.

mod modality;

use gantry_store::outbox::alternates::Instead;
use gantry_store::outbox::commands;
use gantry_store::outbox::listed::{Meant, What};
use gantry_store::outbox::{Delivery, DeliveryRow, DeliveryState, Said};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::archive::*;
use modality::{image_of, instance, store, uid};
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;

const RESULT: u32 = 1;
const COMPREHENSIVE: u32 = 2;
const ENHANCED: u32 = 3;

fn class(number: u32) -> Uid {
    let last = [(RESULT, 34), (COMPREHENSIVE, 33), (ENHANCED, 22)];
    let last = last.into_iter().find(|(of, _)| *of == number).expect("a class").1;
    uid(&format!("1.2.840.10008.5.1.4.1.1.88.{last}"))
}

/// One result that is on its way to PACS, and two alternates of it.
async fn with_a_result(folder: &Path) -> Store {
    let store = store(folder).await;
    keep(&store, &image(1, 0)).await;
    decide(&store, 1, true).await;
    deliver(&store).await;
    for number in [RESULT, COMPREHENSIVE, ENHANCED] {
        let mut identity = made(2, number).identity;
        identity.sop_class = class(number);
        keep(&store, &image_of(identity, 500, number.into())).await;
    }
    let alternates = [COMPREHENSIVE, ENHANCED].map(|number| instance(2, number));
    for _ in 0..2 {
        store.keep_alternates(&instance(2, RESULT), &alternates).await.expect("noted");
    }
    store.settled().await;
    finish(&store, vec![instance(2, RESULT)]).await;
    store
}

async fn leased(store: &Store) -> Delivery {
    let mut leased = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
    assert_eq!(leased.len(), 1, "one result, one delivery: {leased:?}");
    leased.remove(0)
}

async fn row(store: &Store) -> DeliveryRow {
    let mut rows = store.deliveries_of(&instance(2, RESULT)).await.expect("asked");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

async fn refused(store: &Store, number: u32, why: &str) -> Instead {
    let delivery = leased(store).await;
    assert!(delivery.has_alternates);
    assert_eq!(
        (delivery.sop_instance.clone(), delivery.sop_class.clone()),
        (instance(2, number), class(number))
    );
    store.class_refused(&delivery, why).await.expect("noted")
}

#[tokio::test]
async fn a_delivery_moves_on_to_the_next_class_and_says_as_what_it_went_and_why() {
    let folder = tempdir().expect("a folder");
    let store = with_a_result(folder.path()).await;
    let kinds = store.alternate_kinds_queued("PACS").await.expect("asked");
    let classes: Vec<Uid> = kinds.into_iter().map(|(class, _)| class).collect();
    assert_eq!(classes, [class(COMPREHENSIVE), class(ENHANCED)]);
    assert_eq!(
        refused(&store, RESULT, "no context").await,
        Instead::Queued(instance(2, COMPREHENSIVE))
    );
    assert_eq!(
        refused(&store, COMPREHENSIVE, "0122").await,
        Instead::Queued(instance(2, ENHANCED))
    );
    let delivery = leased(&store).await;
    assert_eq!(
        (delivery.attempts, &delivery.sop_class),
        (1, &class(ENHANCED)),
        "it is new to the peer"
    );
    store.delivered(&delivery, 0, Moment::now()).await.expect("noted");
    let row = row(&store).await;
    let instead = row.instead.clone().expect("another went");
    assert_eq!((row.state, &row.sop_instance), (DeliveryState::Delivered, &instance(2, ENHANCED)));
    assert_eq!(
        (&instead.result, &instead.sop_class),
        (&instance(2, RESULT), &Some(class(ENHANCED)))
    );
    assert_eq!(instead.why, "no context; 0122");
    assert!(row.is_of(&instance(2, RESULT)) && row.is_of(&instance(2, ENHANCED)));
    // A refusal that comes late, of what was leased before, changes nothing.
    store.class_refused(&delivery, "late").await.expect("noted");
    assert_eq!(store.deliveries_of(&instance(2, RESULT)).await.expect("asked"), [row]);
    let jobs = store.jobs_that_made(&modality::study(1), &instance(2, ENHANCED)).await;
    assert_eq!(jobs.expect("asked").len(), 1, "an alternate names the job, too");
    store.close().await;
}

#[tokio::test]
async fn one_that_is_refused_in_every_class_is_parked_as_the_result_and_begins_anew() {
    let folder = tempdir().expect("a folder");
    let store = with_a_result(folder.path()).await;
    refused(&store, RESULT, "a").await;
    refused(&store, COMPREHENSIVE, "b").await;
    assert_eq!(refused(&store, ENHANCED, "c").await, Instead::Parked);
    let parked = row(&store).await;
    assert_eq!((parked.state, parked.reason.as_deref()), (DeliveryState::Parked, Some("a; b; c")));
    assert_eq!((parked.sop_instance, parked.instead), (instance(2, RESULT), None));
    let one = Meant { what: What::Uid(instance(2, RESULT)), peer: None };
    let said = Said { by: "anna".into(), why: "the PACS has learned".into() };
    assert_eq!(commands::retry(folder.path(), &one, &said, false).await.expect("asked"), 1);
    assert_eq!(leased(&store).await.sop_class, class(RESULT));
    store.close().await;
}

#[tokio::test]
async fn an_admin_names_a_delivery_by_the_result_whatever_goes_in_its_place() {
    let folder = tempdir().expect("a folder");
    let store = with_a_result(folder.path()).await;
    refused(&store, RESULT, "a").await;
    let one = Meant { what: What::Uid(instance(2, RESULT)), peer: None };
    let said = Said { by: "anna".into(), why: "nobody wants it".into() };
    assert_eq!(commands::drop(folder.path(), &one, &said).await.expect("asked"), 1);
    let delivery = row(&store).await;
    assert_eq!(
        (delivery.state, delivery.sop_instance),
        (DeliveryState::Dropped, instance(2, COMPREHENSIVE))
    );
    store.close().await;
}

#[tokio::test]
async fn result_and_alternates_stay_until_one_of_them_is_delivered_and_go_then() {
    let folder = tempdir().expect("a folder");
    let store = with_a_result(folder.path()).await;
    begin_next(&store, 7000).await;
    for number in 0..3 {
        // A segment is closed when others follow.
        keep(&store, &image_of(modality::identity(98, number), 600_000, number.into())).await;
    }
    begin_next(&store, 7001).await;
    let old = later(Duration::from_secs(60 * 365 * 24 * 3600));
    let held = async || {
        let plan = store.retention_plan(&MONTH, DISK, old).await.expect("a plan");
        let first =
            plan.wanted.iter().find(|wanted| wanted.segment == 1).expect("the first segment");
        first.holdings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for number in [RESULT, COMPREHENSIVE] {
        assert!(held().await.contains("3 to deliver to PACS"), "{number}: {}", held().await);
        assert!(matches!(refused(&store, number, "no").await, Instead::Queued(_)));
    }
    assert!(held().await.contains("3 to deliver to PACS"), "{}", held().await);
    let delivery = leased(&store).await;
    store.delivered(&delivery, 0, Moment::now()).await.expect("noted");
    assert!(!held().await.contains("to deliver"), "{}", held().await);
    store.close().await;
}
