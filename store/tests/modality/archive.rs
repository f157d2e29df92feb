//! A store with an archive behind it: what is decided and delivered, and rounds of retention at any time.

use super::decider::decide_study;
use super::{identity, image_of, instance, options, series, study};
use bytes::Bytes;
use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewForward, NewJob, Pinned};
use gantry_store::disk::Disk;
use gantry_store::evict::Round;
use gantry_store::incoming::{Identity, Incoming, Kept, Origin};
use gantry_store::jobs::{FinishedJob, Priority};
use gantry_store::outbox::NewDelivery;
use gantry_store::retention::Policy;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(24 * 3600);
pub const MONTH: Policy = Policy { keep: Some(DAY.saturating_mul(30)), watermark_percent: None };
/// Retention by age does not look at it.
pub const DISK: Disk = Disk { used: 500, available: 500 };
pub const PIXELS: usize = 300_000;

/// Four of them fill a segment.
pub fn image(of_series: u32, number: u32) -> Incoming {
    image_of(identity(of_series, number), PIXELS, u64::from(of_series) << 32 | u64::from(number))
}

/// Results go into the study of the first series.
pub fn made(of_series: u32, number: u32) -> Incoming {
    let (origin, study) = (Origin::Made, study(1));
    let identity = Identity { origin, study, ..identity(of_series, number) };
    image_of(identity, PIXELS, u64::from(number))
}

/// So long after the first image arrived.
pub fn later(span: Duration) -> Moment {
    identity(1, 0).arrival.plus(span)
}

pub async fn opened(folder: &Path) -> Store {
    Store::open(options(folder)).await.expect("a store")
}

pub async fn keep(store: &Store, incoming: &Incoming) -> Kept {
    store.keep(incoming.clone()).await.expect("answered").outcome
}

/// One segment of four images of a series, and the next one begun by a series that is not looked at.
pub async fn filled(store: &Store, of_series: u32) {
    for number in 0..4 {
        assert_eq!(keep(store, &image(of_series, number)).await, Kept::New);
    }
    begin_next(store, of_series * 1000).await;
}

pub async fn begin_next(store: &Store, number: u32) {
    let young = Identity { arrival: Moment::now(), ..identity(99, number) };
    assert_eq!(keep(store, &image_of(young, 100, number.into())).await, Kept::New);
    store.settled().await;
}

pub async fn complete(store: &Store, of_series: u32) {
    store.settled().await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let completed = store.complete_series(&row.uid, row.revision, row.last_arrival).await;
    assert!(completed.expect("asked"), "the series is complete");
}

/// Decides the series and its study: each image goes to PACS, and if wanted a job runs over all of
/// the series.
pub async fn decide(store: &Store, of_series: u32, with_job: bool) {
    complete(store, of_series).await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let instances = store.instances(&series(of_series)).await.expect("asked");
    let selected: Vec<Uid> = instances.into_iter().map(|row| row.identity.sop_instance).collect();
    let job = NewJob {
        model: "emphysema".into(),
        model_digest: "5e".into(),
        priority: Priority::Routine,
        shadow: false,
        selected: selected.clone(),
        send_to: vec!["PACS".into()],
        send_as: vec!["sr".into()],
        deidentify: None,
        regions: Default::default(),
        selections: None,
        once: false,
        pinned: Pinned::default(),
    };
    let decision = NewDecision {
        level: Level::Series,
        rule: "chest".into(),
        runs: true,
        reason: "all conditions hold".into(),
        fates: json!([]),
        trace: json!([]),
        jobs: with_job.then_some(job).into_iter().collect(),
        forward: vec![NewForward {
            peer: "PACS".into(),
            instances: selected,
            changes: Changes::default(),
        }],
    };
    let decided = NewDecisions {
        series: row.uid,
        revision: row.revision,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        images: Vec::new(),
        decisions: vec![decision],
    };
    assert!(store.decide(decided).await.expect("decided"));
    assert!(decide_study(store, &row.study, Vec::new()).await, "the study waits");
}

pub async fn deliver(store: &Store) -> usize {
    let leased = store.lease_deliveries("PACS", 100, MINUTE).await.expect("asked");
    for delivery in &leased {
        store.delivered(delivery, 0, Moment::now()).await.expect("noted");
    }
    leased.len()
}

pub async fn decided_and_delivered(store: &Store, of_series: u32) {
    decide(store, of_series, false).await;
    deliver(store).await;
}

pub async fn finish(store: &Store, results: Vec<Uid>) {
    let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let to_pacs = |sop_instance: &Uid| NewDelivery {
        peer: "PACS".into(),
        sop_instance: sop_instance.clone(),
        priority: Priority::Routine,
    };
    let deliveries = results.iter().map(to_pacs).collect();
    let finished =
        FinishedJob { findings: json!({}), results, deliveries, seconds: 1.0, peak: None };
    store.finish_job(job.id, finished).await.expect("noted");
}

pub async fn retain(store: &Store) -> Round {
    store.retain(&MONTH, DISK, later(40 * DAY)).await.expect("a round")
}

pub fn evicted(round: &Round) -> Vec<u32> {
    round.evicted.iter().map(|one| one.segment).collect()
}

pub fn segment(folder: &TempDir, number: u32) -> PathBuf {
    folder.path().join(format!("segments/{number:08}.seg"))
}

pub async fn object(store: &Store, sop_instance: &Uid) -> Bytes {
    store.object(sop_instance).await.expect("read").expect("there")
}

pub async fn assert_good(store: &Store, gone: u64) {
    let verified = verify(store).await.expect("verified");
    assert_eq!((verified.problems, verified.evicted), (Vec::new(), gone));
}

pub async fn assert_no_damage(store: &Store) {
    let events = store.events(100).await.expect("asked");
    assert!(events.iter().all(|row| row.event.station == "retain"), "{events:?}");
}

/// Three delivered images and one of a series that still receives, in one segment.
pub async fn mixed(store: &Store) {
    for number in 0..3 {
        keep(store, &image(1, number)).await;
    }
    keep(store, &image(2, 3)).await;
    begin_next(store, 8000).await;
    decided_and_delivered(store, 1).await;
}

pub async fn assert_carried(store: &Store) {
    assert_eq!(object(store, &instance(2, 3)).await, image(2, 3).part10);
    let row = store.instance(&instance(2, 3)).await.expect("asked").expect("there");
    assert_eq!(row.identity, image(2, 3).identity, "the arrival too");
    let row = store.series(&series(2)).await.expect("asked").expect("there");
    assert_eq!((row.instances, row.revision, row.state), (1, 1, SeriesState::Receiving));
}
