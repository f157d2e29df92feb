//! The queue of a peer: what an admin may do with it beside a node, what counts as an attempt, and what survives a restart.

mod modality;

use gantry_store::outbox::commands;
use gantry_store::outbox::listed::{Meant, What};
use gantry_store::outbox::peers::Trouble;
use gantry_store::outbox::{Delivery, DeliveryRow, DeliveryState, Said};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use modality::archive::{DAY, MINUTE, decide};
use modality::{image, series, store};
use std::path::Path;
use tempfile::tempdir;

/// A store with three images that are on their way to PACS.
async fn with_three(folder: &Path) -> Store {
    let store = store(folder).await;
    for number in [1, 2, 3] {
        store.keep(image(1, number)).await.expect("kept");
    }
    decide(&store, 1, false).await;
    store
}

async fn lease(store: &Store, limit: u32) -> Vec<Delivery> {
    store.lease_deliveries("PACS", limit, MINUTE).await.expect("asked")
}

async fn rows(store: &Store) -> Vec<DeliveryRow> {
    store.deliveries(&series(1)).await.expect("asked")
}

async fn states(store: &Store) -> Vec<DeliveryState> {
    rows(store).await.iter().map(|row| row.state).collect()
}

fn said() -> Said {
    Said { by: "anna".into(), why: "the PACS moves".into() }
}

fn all() -> Meant {
    Meant { what: What::All, peer: None }
}

fn trouble(retry_at: Moment) -> Trouble {
    Trouble { failures: 4, since: Moment(7), reason: "no route".into(), retry_at }
}

#[tokio::test]
async fn what_was_leased_and_not_tried_goes_back_without_an_attempt() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let leased = lease(&store, 2).await;
    assert!(rows(&store).await[0].leased_at.is_some());
    store.give_back(&leased[1..]).await.expect("noted");
    store.postpone_delivery(&leased[0], "busy", Moment::now()).await.expect("noted");
    let rows = rows(&store).await;
    assert_eq!(rows.iter().map(|row| row.attempts).collect::<Vec<_>>(), [1, 0, 0]);
    assert!(rows.iter().all(|row| row.leased_at.is_none()));
    // What is settled is not given back.
    store.park_delivery(&lease(&store, 1).await[0], "refused").await.expect("noted");
    store.give_back(&leased).await.expect("noted");
    assert_eq!(states(&store).await[0], DeliveryState::Parked);
    store.close().await;
}

#[tokio::test]
async fn an_admin_tries_again_what_is_parked_or_waits_and_not_what_is_on_its_way() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let leased = lease(&store, 3).await;
    store.park_delivery(&leased[0], "refused").await.expect("noted");
    let later = Moment::now().plus(DAY);
    store.postpone_delivery(&leased[1], "busy", later).await.expect("noted");
    store.peer_failed("PACS", &trouble(later)).await.expect("noted");
    let tried = commands::retry(folder.path(), &all(), &said(), false).await.expect("asked");
    assert_eq!(tried, 2, "the third is on its way");
    let again = lease(&store, 9).await;
    assert_eq!(again.iter().map(|one| one.id).collect::<Vec<_>>(), [leased[0].id, leased[1].id]);
    assert!(again.iter().all(|one| one.attempts == 1 && one.since > one.queued_at));
    let state = store.peer_states().await.expect("asked").remove(0);
    assert_eq!((state.trouble, state.asked), (None, 1), "and the peer is called at once");
    store.close().await;
}

#[tokio::test]
async fn what_is_dropped_stays_as_history_with_who_and_why_and_holds_nothing() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let leased = lease(&store, 1).await.remove(0);
    let one = Meant { what: What::Uid(leased.sop_instance.clone()), peer: Some("PACS".into()) };
    let elsewhere = Meant { peer: Some("OTHER".into()), ..one.clone() };
    assert_eq!(commands::drop(folder.path(), &elsewhere, &said()).await.expect("asked"), 0);
    assert_eq!(commands::drop(folder.path(), &one, &said()).await.expect("asked"), 1);
    let row = rows(&store).await.remove(0);
    assert_eq!((row.state, row.dropped.expect("who").1), (DeliveryState::Dropped, said()));
    // It was on its way, and arrived: then it is delivered.
    store.delivered(&leased, 0, Moment::now()).await.expect("noted");
    let whole = Meant { what: What::Uid(series(1)), peer: None };
    assert_eq!(commands::drop(folder.path(), &whole, &said()).await.expect("asked"), 2);
    use DeliveryState::*;
    assert_eq!(states(&store).await, [Delivered, Dropped, Dropped]);
    assert_eq!(lease(&store, 9).await, []);
    assert_eq!(store.outbox(None, Dropped, 1).await.expect("asked").len(), 1);
    assert_eq!(store.summary().await.expect("asked").outbox[0].dropped, 2);

    assert_eq!(commands::retry(folder.path(), &all(), &said(), false).await.expect("asked"), 0);
    let by_number = Meant { what: What::Number(rows(&store).await[1].id), peer: None };
    assert_eq!(commands::retry(folder.path(), &by_number, &said(), false).await.expect("asked"), 1);
    let row = rows(&store).await.remove(1);
    assert_eq!((row.state, row.dropped), (Queued, None));
    store.close().await;
}

#[tokio::test]
async fn a_peer_stays_paused_over_restarts_and_one_that_was_away_is_tried_with_the_next_start() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let later = Moment::now().plus(DAY);
    store.peer_failed("PACS", &trouble(later)).await.expect("noted");
    commands::pause(folder.path(), "PACS", &said()).await.expect("asked");
    commands::pause(folder.path(), "OTHER", &said()).await.expect("asked");
    let counted = store.summary().await.expect("asked").outbox;
    let counted: Vec<_> = counted.iter().map(|one| (one.peer.as_str(), one.queued)).collect();
    assert_eq!(counted, [("PACS", 3), ("OTHER", 0)], "nothing was queued for it yet");
    store.close().await;
    let store = modality::store(folder.path()).await;
    store.release_leases().await.expect("released");
    let state = store.peer_states().await.expect("asked").remove(1);
    assert_eq!(state.paused.expect("paused").1, said());
    let kept = state.trouble.expect("still in trouble");
    assert_eq!((kept.failures, kept.since, kept.reason.as_str()), (4, Moment(7), "no route"));
    assert!(kept.retry_at <= Moment::now());
    commands::resume(folder.path(), "PACS", &said()).await.expect("asked");
    let state = store.peer_states().await.expect("asked").remove(1);
    assert_eq!((state.trouble, state.paused, state.asked), (None, None, 2));
    assert!(state.resumed_at.is_some());
    let kinds: Vec<String> =
        store.events(9).await.expect("asked").into_iter().map(|row| row.event.kind).collect();
    assert_eq!(kinds, ["peer resumed", "peer paused", "peer paused"]);
    store.close().await;
}

#[tokio::test]
async fn what_waited_too_long_is_given_up_and_what_an_admin_had_tried_again_is_not() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let ids: Vec<i64> = rows(&store).await.iter().map(|row| row.id).collect();
    let old = Moment::now();
    let second = Meant { what: What::Number(ids[1]), peer: None };
    commands::retry(folder.path(), &second, &said(), false).await.expect("asked");
    assert_eq!(store.give_up("PACS", Moment(1), "no route").await.expect("noted"), 0);
    assert_eq!(store.give_up("PACS", old, "no route").await.expect("noted"), 2);
    use DeliveryState::*;
    assert_eq!(states(&store).await, [Parked, Queued, Parked]);
    store.close().await;
}

#[tokio::test]
async fn the_kinds_that_wait_are_known_before_an_association_is_asked_for() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let kinds = store.kinds_queued("PACS").await.expect("asked");
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].0.as_str(), "1.2.840.10008.5.1.4.1.1.2");
    assert_eq!(store.kinds_queued("OTHER").await.expect("asked"), []);
    store.close().await;
}

#[tokio::test]
async fn a_peer_is_probed_with_what_was_never_tried_and_with_the_rest_only_then() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    let first = lease(&store, 1).await.remove(0);
    store.postpone_delivery(&first, "it broke off", Moment::now()).await.expect("noted");
    let mut probed = Vec::new();
    for _ in 0..4 {
        probed.extend(store.lease_probe("PACS", MINUTE).await.expect("asked"));
    }
    let attempts: Vec<u32> = probed.iter().map(|one| one.attempts).collect();
    assert_eq!((attempts.as_slice(), probed[2].id), (&[1, 1, 2][..], first.id));
    store.close().await;
}
