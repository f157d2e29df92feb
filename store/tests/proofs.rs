//! What peers took and have to promise to keep, and what this node was asked to promise.

mod modality;

use gantry_store::outbox::{Delivered, DeliveryState, Proof};
use gantry_store::promises::Here;
use gantry_store::proofs::{MOST_RESENT, ProofCount, Settled, Taken};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::archive::{MINUTE, decide};
use modality::{identity, image, instance, series, store, uid};
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;

/// A store with three images that PACS took, each to be asked for.
async fn with_three(folder: &Path) -> Store {
    let store = store(folder).await;
    for number in [1, 2, 3] {
        store.keep(image(1, number)).await.expect("kept");
    }
    decide(&store, 1, false).await;
    deliver(&store).await;
    store
}

async fn deliver(store: &Store) -> usize {
    let leased = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
    for delivery in &leased {
        let (at, ask_at) = (Moment(10), Some(Moment(20)));
        let taken = [Delivered { delivery: delivery.clone(), status: 0, at, ask_at }];
        store.note_taken(&taken).await.expect("noted");
    }
    leased.len()
}

/// Asks for all that is due, until a moment.
async fn ask(store: &Store, transaction: &str, until: Moment) -> Vec<Taken> {
    let taken = store.proofs_wanted("PACS", Moment(20), 500).await.expect("asked");
    store.proofs_asked("PACS", &uid(transaction), &taken, until).await.expect("noted");
    taken
}

async fn count(store: &Store) -> ProofCount {
    let mut counts = store.proof_counts().await.expect("asked");
    assert_eq!(counts.len(), 1);
    counts.remove(0)
}

async fn states(store: &Store) -> Vec<DeliveryState> {
    let rows = store.deliveries(&series(1)).await.expect("asked");
    rows.iter().map(|row| row.state).collect()
}

fn failed(number: u32) -> Vec<(Uid, String)> {
    vec![(instance(1, number), "0112: it is gone".into())]
}

#[tokio::test]
async fn what_is_committed_is_done_and_what_failed_goes_out_again_and_is_asked_for_again() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    assert_eq!(store.next_proof_due("PACS").await.expect("asked"), Some(Moment(20)));
    assert!(store.proofs_wanted("PACS", Moment(19), 500).await.expect("asked").is_empty());
    assert_eq!(ask(&store, "1.1", Moment(30)).await.len(), 3);
    let good = [instance(1, 1), instance(1, 2)];
    // Whoever else says so, or of whatever else, changes nothing.
    for (peer, transaction) in [("OTHER", "1.1"), ("PACS", "1.2")] {
        let (transaction, failed) = (uid(transaction), failed(3));
        let told = store.proofs_reported(peer, &transaction, &good, &failed, Moment(25)).await;
        assert_eq!(told.expect("noted"), Settled::default());
    }
    let told = store.proofs_reported("PACS", &uid("1.1"), &good, &failed(3), Moment(25)).await;
    assert_eq!(told.expect("noted"), Settled { proven: 2, lost: 1, parked: 0 });
    let queued = DeliveryState::Queued;
    assert_eq!(states(&store).await, [DeliveryState::Delivered, DeliveryState::Delivered, queued]);
    let counted = count(&store).await;
    assert_eq!((counted.committed, counted.found, counted.lost), (2, 0, 1));
    assert_eq!(counted.reason.as_deref(), Some("0112: it is gone"));
    let rows = store.deliveries(&series(1)).await.expect("asked");
    let proofs: Vec<_> = rows.iter().map(|row| row.proof).collect();
    let committed = Some(Proof::Committed(Moment(25)));
    assert_eq!(proofs, [committed, committed, Some(Proof::Owed)]);
    assert_eq!(deliver(&store).await, 1);
    assert_eq!(ask(&store, "1.3", Moment(30)).await.len(), 1);
    let last = [instance(1, 3)];
    let told = store.proofs_reported("PACS", &uid("1.3"), &last, &[], Moment(26)).await;
    assert_eq!(told.expect("noted").proven, 1);
    assert_eq!(count(&store).await.committed, 3);
    store.close().await;
}

#[tokio::test]
async fn what_no_report_comes_for_goes_out_again_and_is_parked_when_that_is_in_vain() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    for round in 0..MOST_RESENT {
        ask(&store, &format!("1.{round}"), Moment(30)).await;
        assert_eq!(store.proofs_overdue("PACS", Moment(29)).await.expect("asked").lost, 0);
        let told = store.proofs_overdue("PACS", Moment(30)).await.expect("noted");
        assert_eq!(told, Settled { proven: 0, lost: 3, parked: 0 });
        assert_eq!(deliver(&store).await, 3);
    }
    ask(&store, "1.9", Moment(30)).await;
    let told = store.proofs_overdue("PACS", Moment(30)).await.expect("noted");
    assert_eq!(told, Settled { proven: 0, lost: 0, parked: 3 });
    assert_eq!(states(&store).await, [DeliveryState::Parked; 3]);
    store.close().await;
}

#[tokio::test]
async fn a_request_that_was_not_taken_is_made_again_and_a_store_that_is_opened_again_knows_it() {
    let folder = tempdir().expect("a folder");
    let kept = with_three(folder.path()).await;
    ask(&kept, "1.1", Moment(30)).await;
    kept.proofs_not_asked(&uid("1.1"), "nobody there", Moment(15)).await.expect("noted");
    kept.close().await;
    let kept = store(folder.path()).await;
    assert_eq!(kept.next_proof_due("PACS").await.expect("asked"), Some(Moment(15)));
    assert_eq!(count(&kept).await.reason.as_deref(), Some("nobody there"));
    // The peer had heard it after all.
    let late = kept.proofs_reported("PACS", &uid("1.1"), &[instance(1, 1)], &[], Moment(16)).await;
    assert_eq!(late.expect("noted").proven, 1);
    assert_eq!(ask(&kept, "1.2", Moment(30)).await.len(), 2);
    // Nothing was sent again for it.
    assert_eq!(states(&kept).await, [DeliveryState::Delivered; 3]);
    assert_eq!(kept.proofs_waived(&["PACS"]).await.expect("noted"), 0);
    assert_eq!(kept.proofs_waived(&["OTHER"]).await.expect("noted"), 2);
    assert_eq!(kept.next_proof_due("PACS").await.expect("asked"), None);
    kept.close().await;
}

#[tokio::test]
async fn a_request_of_a_peer_waits_for_its_report_and_says_what_is_here() {
    let folder = tempdir().expect("a folder");
    let kept = with_three(folder.path()).await;
    let class = identity(1, 1).sop_class;
    let taken = |sop_class: &Uid, number| Taken {
        sop_class: sop_class.clone(),
        sop_instance: instance(1, number),
    };
    let asked = [taken(&class, 1), taken(&uid("1.2.840.10008.1.1"), 2), taken(&class, 9)];
    for at in [Moment(40), Moment(41)] {
        // The same once more is one request.
        let noted = kept.promise_asked("CT1", &uid("1.5"), &asked, at, at).await;
        noted.expect("noted");
    }
    kept.close().await;
    let kept = store(folder.path()).await;
    assert!(kept.promises_due(Moment(40)).await.expect("asked").is_empty());
    let due = kept.promises_due(Moment(41)).await.expect("asked");
    assert_eq!((due.len(), &due[0].instances[..]), (1, &asked[..]));
    let here = kept.are_here(&due[0].instances).await.expect("asked");
    assert_eq!(here, [Here::Yes, Here::OtherClass, Here::No]);
    let later = Some(Moment(50));
    kept.promise_not_reported(&due[0], "nobody there", later).await.expect("noted");
    assert_eq!(kept.next_promise_due().await.expect("asked"), later);
    let due = kept.promises_due(Moment(50)).await.expect("asked");
    assert_eq!(due[0].attempts, 1);
    kept.promise_reported(&due[0], 1, 2, Moment(51)).await.expect("noted");
    assert_eq!(kept.next_promise_due().await.expect("asked"), None);
    kept.close().await;
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_a_peer_finds_is_done_and_what_it_does_not_find_goes_out_again_when_its_time_is_over()
{
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    assert_eq!(store.next_sought("PACS").await.expect("asked"), Some(Moment(20)));
    assert!(store.sought("PACS", Moment(19), 500).await.expect("asked").is_empty());
    let sought = store.sought("PACS", Moment(20), 500).await.expect("asked");
    let named: Vec<_> = sought.iter().map(|one| (&one.series, &one.sop_instance)).collect();
    let [one, two, three] = [1, 2, 3].map(|number| instance(1, number));
    let of = series(1);
    assert_eq!(named, [(&of, &one), (&of, &two), (&of, &three)]);

    // Taken at 10, and nobody knows: however often that is so, nothing is sent again.
    let late = Moment(10).plus(HOUR * 9);
    let unknown = [one.clone(), two.clone()];
    store.not_sought("PACS", &unknown, "C000", late).await.expect("noted");
    assert_eq!(store.sought("PACS", Moment(20), 500).await.expect("asked").len(), 1);
    assert_eq!(count(&store).await.reason.as_deref(), Some("C000"));

    assert_eq!(store.found("PACS", &[one], Moment(25)).await.expect("noted").proven, 1);
    let last = Moment(10).plus(HOUR);
    let missing = [two.clone(), three.clone()];
    let soon = store.not_found("PACS", &missing, Moment(26), HOUR, late).await.expect("noted");
    assert_eq!(soon, Settled::default());
    // It is asked once more when the time is over, and not later.
    assert_eq!(store.next_sought("PACS").await.expect("asked"), Some(last));
    let sought = store.sought("PACS", last, 500).await.expect("asked");
    assert_eq!(sought.iter().map(|one| one.not_found).collect::<Vec<_>>(), [1, 1]);
    let over = store.not_found("PACS", &[two], last, HOUR, late).await.expect("noted");
    assert_eq!(over, Settled { proven: 0, lost: 1, parked: 0 });
    let counted = count(&store).await;
    assert_eq!((counted.committed, counted.found, counted.wanted, counted.lost), (0, 1, 1, 1));
    let rows = store.deliveries(&series(1)).await.expect("asked");
    assert_eq!(rows[0].proof, Some(Proof::Found(Moment(25))));
    // What is sent again begins anew.
    assert_eq!(deliver(&store).await, 1);
    let sought = store.sought("PACS", Moment(20), 500).await.expect("asked");
    assert_eq!(sought.iter().map(|one| one.not_found).collect::<Vec<_>>(), [0]);
    store.close().await;
}

#[tokio::test]
async fn a_peer_that_is_sought_at_from_now_on_is_waited_for_no_more() {
    let folder = tempdir().expect("a folder");
    let store = with_three(folder.path()).await;
    ask(&store, "1.1", Moment(30)).await;
    assert_eq!(store.next_sought("PACS").await.expect("asked"), None);
    store.sought_from_now_on(&["OTHER"]).await.expect("noted");
    assert_eq!(store.next_sought("PACS").await.expect("asked"), None);
    store.sought_from_now_on(&["PACS"]).await.expect("noted");
    let now = store.clock().now();
    assert_eq!(store.sought("PACS", now, 500).await.expect("asked").len(), 3);
    store.close().await;
}
