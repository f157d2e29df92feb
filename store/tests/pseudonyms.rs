//! What is known of what left without its patient.

mod modality;

use gantry_store::outbox::DeliveryState;
use gantry_store::pseudonyms::{DeidentifiedStudy, Departure, Pseudonym};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use modality::{image, instance, store};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::tempdir;

fn departure(profile: &str, instance: &str) -> Departure {
    let one = |kind: &str, pseudonym: &str, original: &str| Pseudonym {
        kind: kind.into(),
        pseudonym: pseudonym.into(),
        original: original.into(),
    };
    Departure {
        profile: profile.into(),
        study: DeidentifiedStudy {
            pseudonym: format!("2.25.{profile}"),
            study: "1.2.3".into(),
            patient: "P1".into(),
            days: 40,
            attributes: BTreeMap::from([(0x0010_0020, "HN-4711".into())]),
        },
        pseudonyms: vec![
            one("study", &format!("2.25.{profile}"), "1.2.3"),
            one("patient", "P1", "HN-4711"),
            one("instance", &format!("2.25.{instance}"), instance),
        ],
    }
}

async fn told(store: &Store, value: &str) -> Vec<String> {
    let rows = store.pseudonyms(value).await.expect("asked");
    let told = |row: &gantry_store::pseudonyms::PseudonymRow| {
        format!("{} {} {} {}", row.profile, row.name.kind, row.name.pseudonym, row.name.original)
    };
    rows.iter().map(told).collect()
}

#[tokio::test]
async fn names_are_told_in_both_directions_by_profile_over_restarts_until_they_are_forgotten() {
    let folder = tempdir().expect("a folder");
    let first = store(folder.path()).await;
    for (profile, instance) in
        [("a", "1.2.3.1"), ("a", "1.2.3.1"), ("a", "1.2.3.2"), ("b", "1.2.3.1")]
    {
        first.keep_departure(&departure(profile, instance)).await.expect("kept");
    }
    first.close().await;
    let store = store(folder.path()).await;
    assert_eq!(told(&store, "P1").await, ["a patient P1 HN-4711", "b patient P1 HN-4711"]);
    assert_eq!(told(&store, "1.2.3").await, ["a study 2.25.a 1.2.3", "b study 2.25.b 1.2.3"]);
    assert_eq!(told(&store, "2.25.1.2.3.2").await, ["a instance 2.25.1.2.3.2 1.2.3.2"]);
    assert_eq!(told(&store, "HN").await, [""; 0]);
    let (study, _) =
        store.deidentified_study("a", "2.25.a").await.expect("asked").expect("it left");
    assert_eq!(study, departure("a", "1.2.3.1").study);
    assert_eq!(store.deidentified_study("b", "2.25.a").await.expect("asked"), None);
    let names = BTreeSet::from(["2.25.1.2.3.2".to_string(), "P1".into(), "1.9".into()]);
    let originals = store.originals("a", &names).await.expect("asked");
    assert_eq!(originals.into_values().collect::<Vec<_>>(), ["1.2.3.2", "HN-4711"]);

    let long_ago = Moment(1);
    assert_eq!(store.forget_pseudonyms("a", long_ago).await.expect("asked"), 0);
    let later = Moment(i64::MAX);
    assert_eq!(store.forget_pseudonyms("a", later).await.expect("forgotten"), 4);
    assert_eq!(told(&store, "P1").await, ["b patient P1 HN-4711"]);
    assert_eq!(store.deidentified_study("a", "2.25.a").await.expect("asked"), None);
}

#[tokio::test]
async fn a_patient_that_was_put_right_is_the_one_to_come_home_to() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let mut departure = departure("a", "1.2.3.1");
    store.keep_departure(&departure).await.expect("kept");
    departure.study.attributes.insert(0x0010_0010, "Quibble^Henry".into());
    store.keep_departure(&departure).await.expect("kept");
    let (study, _) =
        store.deidentified_study("a", "2.25.a").await.expect("asked").expect("it left");
    assert_eq!(study, departure.study);
}

#[tokio::test]
async fn what_came_home_goes_on_once_however_often_it_comes() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.keep(image(1, 1)).await.expect("kept");
    let peers = ["PACS".to_string(), "ARCHIVE".into()];
    for _ in 0..2 {
        store.forward_home(&instance(1, 1), &peers).await.expect("queued");
    }
    let rows = store.deliveries_of(&instance(1, 1)).await.expect("asked");
    let queued = |row: &&gantry_store::outbox::DeliveryRow| row.state == DeliveryState::Queued;
    assert_eq!((rows.len(), rows.iter().filter(queued).count()), (2, 2));
}

#[tokio::test]
async fn the_last_key_that_was_taken_is_the_one_that_is_known() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    assert_eq!(store.key_fingerprint().await.expect("asked"), None);
    store.know_key("one", None).await.expect("noted");
    store.know_key("two", Some("admin")).await.expect("noted");
    assert_eq!(store.key_fingerprint().await.expect("asked").as_deref(), Some("two"));
}
