//! What rules change in an instance on its way to a peer: once for each peer, the first rule's changes, and again when a later decision asks for others.

mod modality;

use gantry_store::decisions::{Level, NewDecision, NewForward};
use gantry_store::outbox::{DeliveryRow, DeliveryState};
use gantry_store::store::Store;
use gantry_terms::changes::{Changes, SetAttribute};
use gantry_terms::moment::Moment;
use modality::archive::MINUTE;
use modality::decider::{self, decide_study, verdict};
use modality::{image, instance, options, series, study};
use tempfile::tempdir;

fn named(institution: &str) -> Changes {
    let set = SetAttribute { tag: 0x0008_0080, vr: "LO".into(), values: vec![institution.into()] };
    Changes { set: vec![set], remove: vec![0x0010_4000, 0x0020_4000], ..Changes::default() }
}

/// This rule forwards image 1 to PACS with these changes.
fn forwards(rule: &str, level: Level, changes: &Changes) -> NewDecision {
    let mut decision = verdict(rule, level, Vec::new());
    decision.runs = true;
    decision.forward = vec![NewForward {
        peer: "PACS".into(),
        instances: vec![instance(1, 1)],
        changes: changes.clone(),
    }];
    decision
}

/// The image of this number makes it a revision of its own.
async fn decide(store: &Store, image_of_revision: u32, rules: &[(&str, Changes)]) {
    store.keep(image(1, image_of_revision)).await.expect("kept");
    let decisions = rules.iter().map(|(rule, changes)| forwards(rule, Level::Series, changes));
    decider::decide(store, 1, decisions.collect()).await;
}

async fn row(store: &Store) -> DeliveryRow {
    let mut rows = store.deliveries(&series(1)).await.expect("asked");
    assert_eq!(rows.len(), 1, "one for each peer and instance");
    rows.remove(0)
}

async fn deliver(store: &Store) -> Changes {
    let mut leased = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    let delivery = leased.pop().expect("one is due");
    store.delivered(&delivery, 0, Moment::now()).await.expect("noted");
    assert_eq!(row(store).await.state, DeliveryState::Delivered);
    delivery.changes
}

async fn told(store: &Store) -> Vec<String> {
    store.settled().await;
    let events = store.events(100).await.expect("asked").into_iter();
    let otherwise = events.filter(|row| row.event.kind == "forwarded otherwise");
    otherwise.map(|row| format!("{} {:?}", row.event.text, row.event.subject)).collect()
}

#[tokio::test]
async fn of_two_rules_that_forward_an_instance_otherwise_the_first_stays_and_the_admin_is_told() {
    let folder = tempdir().expect("a folder");
    let store = Store::open(options(folder.path())).await.expect("a store");
    let both =
        [("a", named("Secret Clinic")), ("b", Changes::default()), ("c", named("Secret Clinic"))];
    decide(&store, 1, &both).await;
    assert_eq!(row(&store).await.changes, named("Secret Clinic"));
    let expected = format!(
        "rule \"b\" sends 1 image to PACS (as it came), but by another rule it goes there already \
         (InstitutionName set, PatientComments removed, ImageComments removed); the first stays Some({:?})",
        instance(1, 1).as_str()
    );
    assert_eq!(told(&store).await, [expected], "told without any value, and of \"b\" alone");
    assert_eq!(deliver(&store).await, named("Secret Clinic"));
    // The same rules again send nothing in turn.
    decide(&store, 2, &both).await;
    assert_eq!(row(&store).await.state, DeliveryState::Delivered);
    store.close().await;
}

#[tokio::test]
async fn a_later_decision_with_other_changes_sends_the_instance_once_more() {
    let folder = tempdir().expect("a folder");
    let store = Store::open(options(folder.path())).await.expect("a store");
    decide(&store, 1, &[("a", named("X"))]).await;
    assert_eq!(deliver(&store).await, named("X"));
    // In another order they are the same changes.
    let mut same = named("X");
    same.remove.reverse();
    decide(&store, 2, &[("a", same)]).await;
    assert_eq!(row(&store).await.state, DeliveryState::Delivered);
    decide(&store, 3, &[("b", named("Y"))]).await;
    assert_eq!(row(&store).await.state, DeliveryState::Queued);
    assert_eq!(deliver(&store).await, named("Y"));
    decide(&store, 4, &[("b", Changes::default())]).await;
    assert_eq!(deliver(&store).await, Changes::default(), "as it came");
    assert_eq!(told(&store).await, Vec::<String>::new());
    store.close().await;
}

#[tokio::test]
async fn what_was_on_its_way_with_earlier_changes_does_not_count_for_the_later_ones() {
    let folder = tempdir().expect("a folder");
    let store = Store::open(options(folder.path())).await.expect("a store");
    decide(&store, 1, &[("a", named("X"))]).await;
    let leased = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked").remove(0);
    decide(&store, 2, &[("a", named("Y"))]).await;
    store.park_delivery(&leased, "refused").await.expect("noted");
    store.delivered(&leased, 0, Moment::now()).await.expect("noted");
    assert_eq!(row(&store).await.state, DeliveryState::Queued);
    assert_eq!(deliver(&store).await, named("Y"));
    store.close().await;
}

#[tokio::test]
async fn rules_on_the_study_do_not_send_in_turn_with_those_on_its_series() {
    let folder = tempdir().expect("a folder");
    let store = Store::open(options(folder.path())).await.expect("a store");
    for revision in 1..=2 {
        decide(&store, revision, &[("a", named("X"))]).await;
        let whole = forwards("whole", Level::Study, &named("Y"));
        assert!(decide_study(&store, &study(1), vec![whole]).await);
        assert_eq!(told(&store).await.len(), revision as usize);
        if revision == 1 {
            assert_eq!(deliver(&store).await, named("X"));
        }
        assert_eq!(row(&store).await.state, DeliveryState::Delivered);
    }
    store.close().await;
}
