//! Retention evicts what is decided and delivered, carries forward what is needed, and says what it may not evict.

mod modality;

use bytes::Bytes;
use gantry_store::decisions::{NewDecision, NewDecisions, NewForward, NewJob};
use gantry_store::disk::Disk;
use gantry_store::error::StoreError;
use gantry_store::evict::Round;
use gantry_store::export::{Selector, export};
use gantry_store::header::part10_head;
use gantry_store::incoming::{Identity, Incoming, Kept, Origin};
use gantry_store::jobs::{FinishedJob, Priority};
use gantry_store::options::{Duplicates, Durability, StoreOptions};
use gantry_store::outbox::NewDelivery;
use gantry_store::reindex::reindex;
use gantry_store::retention::{Need, Policy, Stays, Verdict, Why};
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::{identity, image_of, instance, options, series, uid};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MONTH: Policy = Policy { keep: Some(DAY.saturating_mul(30)), watermark_percent: None };
/// Retention by age does not look at it.
const DISK: Disk = Disk { used: 500, available: 500 };
const PIXELS: usize = 300_000;

/// Four of them fill a segment.
fn image(of_series: u32, number: u32) -> Incoming {
    image_of(identity(of_series, number), PIXELS, u64::from(of_series) << 32 | u64::from(number))
}

fn made(of_series: u32, number: u32) -> Incoming {
    let identity = Identity { origin: Origin::Made, ..identity(of_series, number) };
    image_of(identity, PIXELS, u64::from(number))
}

/// So long after the first image arrived.
fn later(span: Duration) -> Moment {
    identity(1, 0).arrival.plus(span)
}

async fn opened(folder: &Path) -> Store {
    Store::open(options(folder)).await.expect("a store")
}

async fn keep(store: &Store, incoming: &Incoming) -> Kept {
    store.keep(incoming.clone()).await.expect("answered").outcome
}

/// One segment of four images of a series, and the next one begun by a series that is not looked at.
async fn filled(store: &Store, of_series: u32) {
    for number in 0..4 {
        assert_eq!(keep(store, &image(of_series, number)).await, Kept::New);
    }
    begin_next(store, of_series * 1000).await;
}

async fn begin_next(store: &Store, number: u32) {
    let young = Identity { arrival: Moment::now(), ..identity(99, number) };
    assert_eq!(keep(store, &image_of(young, 100, number.into())).await, Kept::New);
    store.settled().await;
}

async fn complete(store: &Store, of_series: u32) {
    store.settled().await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let completed = store.complete_series(&row.uid, row.revision, row.last_arrival).await;
    assert!(completed.expect("asked"), "the series is complete");
}

/// Decides the series: each image goes to PACS, and if wanted a job runs over all of them.
async fn decide(store: &Store, of_series: u32, with_job: bool) {
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
    };
    let decision = NewDecision {
        rule: "chest".into(),
        runs: true,
        reason: "all conditions hold".into(),
        trace: json!([]),
        job: with_job.then_some(job),
        forward: vec![NewForward { peer: "PACS".into(), instances: selected }],
    };
    let decided = NewDecisions {
        series: row.uid,
        revision: row.revision,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        decisions: vec![decision],
    };
    assert!(store.decide(decided).await.expect("decided"));
}

async fn deliver(store: &Store) -> usize {
    let leased = store.lease_deliveries("PACS", 100, MINUTE).await.expect("asked");
    for delivery in &leased {
        store.delivered(delivery, 0, Moment::now()).await.expect("noted");
    }
    leased.len()
}

async fn decided_and_delivered(store: &Store, of_series: u32) {
    decide(store, of_series, false).await;
    deliver(store).await;
}

async fn finish(store: &Store, results: Vec<Uid>) {
    let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let to_pacs = |sop_instance: &Uid| NewDelivery {
        peer: "PACS".into(),
        sop_instance: sop_instance.clone(),
        priority: Priority::Routine,
    };
    let deliveries = results.iter().map(to_pacs).collect();
    let finished = FinishedJob { findings: json!({}), results, deliveries, seconds: 1.0 };
    store.finish_job(job.id, finished).await.expect("noted");
}

async fn retain(store: &Store) -> Round {
    store.retain(&MONTH, DISK, later(40 * DAY)).await.expect("a round")
}

fn evicted(round: &Round) -> Vec<u32> {
    round.evicted.iter().map(|one| one.segment).collect()
}

fn segment(folder: &TempDir, number: u32) -> PathBuf {
    folder.path().join(format!("segments/{number:08}.seg"))
}

async fn object(store: &Store, sop_instance: &Uid) -> Bytes {
    store.object(sop_instance).await.expect("read").expect("there")
}

async fn assert_good(store: &Store, gone: u64) {
    let verified = verify(store).await.expect("verified");
    assert_eq!((verified.problems, verified.evicted), (Vec::new(), gone));
}

async fn assert_no_damage(store: &Store) {
    let events = store.events(100).await.expect("asked");
    assert!(events.iter().all(|row| row.event.station == "retain"), "{events:?}");
}

#[tokio::test]
async fn what_is_decided_and_delivered_goes_with_its_segment_and_everybody_says_so() {
    let (folder, out) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    filled(&store, 2).await;
    decided_and_delivered(&store, 1).await;
    decided_and_delivered(&store, 2).await;
    let young = store.retain(&MONTH, DISK, later(29 * DAY)).await.expect("a round");
    assert_eq!(young, Round::default(), "nothing is older than thirty days");
    let plan = store.retention_plan(&MONTH, DISK, later(40 * DAY)).await.expect("a plan");
    assert_eq!(plan.wanted.len(), 1, "the second segment has a young image, the third one grows");
    assert_eq!((plan.wanted[0].segment, plan.wanted[0].why), (1, Why::Age));
    assert_eq!(plan.wanted[0].verdict, Verdict::Evict);
    let round = retain(&store).await;
    assert_eq!((evicted(&round), round.stays.len()), (vec![1], 0));
    assert_eq!((round.evicted[0].instances, round.evicted[0].carried), (4, 0));
    assert!(!segment(&folder, 1).exists() && segment(&folder, 2).exists());

    let said = store.object(&instance(1, 2)).await.expect_err("it is gone").to_string();
    assert_eq!(said, "evicted on 2023-12-24 by retention");
    let exported = export(&store, &Selector::Uid(series(1)), out.path()).await.expect("asked");
    assert_eq!((exported.written, exported.evicted, exported.problems.len()), (0, 4, 0));
    let exported = export(&store, &Selector::All, out.path()).await.expect("asked");
    assert_eq!((exported.written, exported.evicted), (6, 4));
    let summary = store.summary().await.expect("asked");
    assert_eq!((summary.instances, summary.evicted), (6, 4));
    assert_eq!(store.instances(&series(1)).await.expect("asked").len(), 4, "it is still known");
    assert_good(&store, 4).await;
    let events = store.events(10).await.expect("asked");
    assert!(events[0].event.text.contains("segment 1 is evicted: 4 instances"), "{events:?}");
    store.close().await;

    let store = opened(folder.path()).await;
    assert_no_damage(&store).await;
    assert_good(&store, 4).await;
    assert_eq!(retain(&store).await, Round::default());
    assert_eq!(object(&store, &instance(2, 3)).await, image(2, 3).part10);
    store.close().await;
}

#[tokio::test]
async fn what_is_not_decided_run_or_delivered_stays_and_is_named_until_it_is() {
    for need in [Need::Decision, Need::Job, Need::FailedJob, Need::Delivery, Need::ParkedDelivery] {
        let folder = tempdir().expect("a folder");
        let store = opened(folder.path()).await;
        filled(&store, 1).await;
        match need {
            Need::Decision => complete(&store, 1).await,
            Need::Job => {
                decide(&store, 1, true).await;
                deliver(&store).await;
            }
            Need::FailedJob => {
                decide(&store, 1, true).await;
                let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
                store.fail_job(job.id, "a gap", None).await.expect("noted");
            }
            Need::Delivery => decide(&store, 1, false).await,
            Need::ParkedDelivery => {
                decide(&store, 1, false).await;
                let leased = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
                for delivery in &leased {
                    store.park_delivery(delivery, "refused").await.expect("noted");
                }
            }
        }
        let round = retain(&store).await;
        assert_eq!((evicted(&round), round.stays.len()), (vec![], 1), "{need:?}");
        let stays = &round.stays[0];
        assert_eq!((stays.segment, &stays.verdict), (1, &Verdict::Stay(Stays::Needed)));
        let holding = &stays.holdings[0];
        assert_eq!((stays.holdings.len(), holding.need, holding.instances), (1, need, 4));
        assert_eq!(holding.series, series(1));
        let delivers = matches!(need, Need::Delivery | Need::ParkedDelivery);
        assert_eq!(holding.peer.as_deref(), delivers.then_some("PACS"));
        assert!(stays.to_string().contains(series(1).as_str()), "{stays}");
        assert_eq!(object(&store, &instance(1, 2)).await, image(1, 2).part10);
        match need {
            Need::Decision => {
                let row = store.series(&series(1)).await.expect("asked").expect("there");
                let nothing = NewDecisions {
                    series: row.uid,
                    revision: 1,
                    rules_digest: "d1".into(),
                    rules_text: "rules".into(),
                    at: Moment::now(),
                    decisions: Vec::new(),
                };
                assert!(store.decide(nothing).await.expect("decided"));
            }
            Need::Job => finish(&store, Vec::new()).await,
            Need::Delivery => assert_eq!(deliver(&store).await, 4),
            // An admin must act, and only a later revision changes it.
            Need::FailedJob | Need::ParkedDelivery => continue,
        }
        assert_eq!(evicted(&retain(&store).await), [1], "{need:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_result_stays_while_its_job_may_still_give_it_out_and_until_it_is_delivered() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    keep(&store, &image(1, 0)).await;
    begin_next(&store, 7000).await;
    decide(&store, 1, true).await;
    assert_eq!(deliver(&store).await, 1);
    for number in 1..4 {
        keep(&store, &made(2, number)).await;
    }
    begin_next(&store, 7001).await;
    // Four kept records fill the first segment, the young one among them: as if it were old.
    let old = later(Duration::from_secs(60 * 365 * 24 * 3600));
    let round = store.retain(&MONTH, DISK, old).await.expect("a round");
    let needs: Vec<_> = round.stays[0].holdings.iter().map(|h| (h.need, h.instances)).collect();
    assert_eq!(needs, [(Need::Decision, 1), (Need::Job, 4)], "{round:?}");
    finish(&store, (1..4).map(|number| instance(2, number)).collect()).await;
    let round = store.retain(&MONTH, DISK, old).await.expect("a round");
    let needs: Vec<_> = round.stays[0].holdings.iter().map(|h| (h.need, h.instances)).collect();
    assert_eq!(needs, [(Need::Decision, 1), (Need::Delivery, 3)], "{round:?}");
    assert_eq!(deliver(&store).await, 3);
    let round = store.retain(&MONTH, DISK, old).await.expect("a round");
    assert_eq!((evicted(&round), round.evicted[0].carried), (vec![1], 1));
    store.close().await;
}

/// Three delivered images and one of a series that still receives, in one segment.
async fn mixed(store: &Store) {
    for number in 0..3 {
        keep(store, &image(1, number)).await;
    }
    keep(store, &image(2, 3)).await;
    begin_next(store, 8000).await;
    decided_and_delivered(store, 1).await;
}

async fn assert_carried(store: &Store) {
    assert_eq!(object(store, &instance(2, 3)).await, image(2, 3).part10);
    let row = store.instance(&instance(2, 3)).await.expect("asked").expect("there");
    assert_eq!(row.identity, image(2, 3).identity, "the arrival too");
    let row = store.series(&series(2)).await.expect("asked").expect("there");
    assert_eq!((row.instances, row.revision, row.state), (1, 1, SeriesState::Receiving));
}

#[tokio::test]
async fn what_is_needed_of_a_segment_is_carried_forward_byte_for_byte() {
    for durability in [Durability::PowerLoss, Durability::Crash] {
        let folder = tempdir().expect("a folder");
        let options = StoreOptions { durability, ..options(folder.path()) };
        let store = Store::open(options).await.expect("a store");
        mixed(&store).await;
        let plan = store.retention_plan(&MONTH, DISK, later(40 * DAY)).await.expect("a plan");
        assert!(matches!(plan.wanted[0].verdict, Verdict::CarryForward(_)), "{plan:?}");
        let round = retain(&store).await;
        assert_eq!((evicted(&round), round.evicted[0].carried), (vec![1], 1));
        assert_eq!(round.evicted[0].instances, 3);
        assert!(!segment(&folder, 1).exists());
        assert_carried(&store).await;
        assert_good(&store, 3).await;
        store.close().await;
        // From the segments alone, which know nothing of what was evicted.
        fs::remove_file(folder.path().join("index.db")).expect("an index");
        reindex(folder.path()).await.expect("built again");
        let store = opened(folder.path()).await;
        assert_carried(&store).await;
        assert_eq!(store.series(&series(1)).await.expect("asked"), None);
        assert_good(&store, 0).await;
        store.close().await;
    }
}

#[tokio::test]
async fn earlier_versions_go_and_are_carried_with_their_instance() {
    let folder = tempdir().expect("a folder");
    let options = StoreOptions { duplicates: Duplicates::KeepBoth, ..options(folder.path()) };
    let store = Store::open(options).await.expect("a store");
    mixed(&store).await;
    let second = image_of(identity(2, 3), 900, 77);
    assert_eq!(keep(&store, &second).await, Kept::Replaced);
    store.settled().await;
    let round = retain(&store).await;
    assert_eq!((evicted(&round), round.evicted[0].carried), (vec![1], 1));
    let out = tempdir().expect("a folder");
    let exported = export(&store, &Selector::Uid(series(2)), out.path()).await.expect("exported");
    assert_eq!((exported.written, exported.problems.len()), (2, 0));
    assert_eq!(object(&store, &instance(2, 3)).await, second.part10);
    assert_good(&store, 3).await;
    store.close().await;
}

#[tokio::test]
async fn a_damaged_record_that_is_needed_is_named_and_its_segment_stays() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    mixed(&store).await;
    let file = File::options().read(true).write(true).open(segment(&folder, 1)).expect("a file");
    let mut byte = [0];
    let in_the_last = file.metadata().expect("a length").len() - 100_000;
    file.read_exact_at(&mut byte, in_the_last).expect("a record");
    file.write_all_at(&[byte[0] ^ 4], in_the_last).expect("written");
    let round = retain(&store).await;
    assert_eq!(evicted(&round), [] as [u32; 0]);
    assert_eq!(round.stays[0].verdict, Verdict::Stay(Stays::Damaged(instance(2, 3))));
    assert_eq!(object(&store, &instance(1, 1)).await, image(1, 1).part10);
    store.close().await;
}

/// What lies in the folder of a store that is closed.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => {
                fs::create_dir_all(&to).expect("a folder");
                copy(&entry.path(), &to);
            }
            false => {
                fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
}

/// The folder before and behind a round that carries and evicts.
async fn before_and_behind() -> (TempDir, TempDir) {
    let (before, behind) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let store = opened(behind.path()).await;
    mixed(&store).await;
    store.close().await;
    copy(behind.path(), before.path());
    let store = opened(behind.path()).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    store.close().await;
    (before, behind)
}

#[tokio::test]
async fn a_crash_behind_the_copies_and_before_the_index_knows_them_loses_and_doubles_nothing() {
    let (before, behind) = before_and_behind().await;
    // The segment with the copies, and the index without them.
    fs::copy(segment(&behind, 2), segment(&before, 2)).expect("copied");
    let store = opened(before.path()).await;
    assert_carried(&store).await;
    assert_no_damage(&store).await;
    assert_good(&store, 0).await;
    let round = retain(&store).await;
    assert_eq!((evicted(&round), round.evicted[0].carried), (vec![1], 0), "moved at the start");
    assert_carried(&store).await;
    store.close().await;
}

#[tokio::test]
async fn a_crash_between_the_mark_and_the_removal_is_ended_by_the_next_start() {
    for with_reindex in [false, true] {
        let (before, behind) = before_and_behind().await;
        fs::copy(segment(&before, 1), segment(&behind, 1)).expect("copied");
        {
            let reader = Store::open_reader(behind.path()).await.expect("a reader");
            let verified = verify(&reader).await.expect("verified");
            assert_eq!((verified.problems.len(), verified.evicted), (0, 3));
        }
        if with_reindex {
            reindex(behind.path()).await.expect("built again");
        }
        let store = opened(behind.path()).await;
        assert!(!segment(&behind, 1).exists());
        assert_carried(&store).await;
        assert_no_damage(&store).await;
        assert_good(&store, if with_reindex { 0 } else { 3 }).await;
        store.close().await;
    }
}

#[tokio::test]
async fn what_was_evicted_and_comes_again_is_kept_decided_and_delivered_as_new() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decided_and_delivered(&store, 1).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    let other = image_of(identity(1, 1), 900, 77);
    assert_eq!(keep(&store, &image(1, 0)).await, Kept::New, "the same bytes");
    assert_eq!(keep(&store, &other).await, Kept::New, "other bytes");
    store.settled().await;
    assert_eq!(keep(&store, &image(1, 0)).await, Kept::Duplicate);
    assert_eq!(object(&store, &instance(1, 0)).await, image(1, 0).part10);
    assert_eq!(object(&store, &instance(1, 1)).await, other.part10);
    assert_good(&store, 2).await;
    assert_no_damage(&store).await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.instances, row.revision, row.state), (4, 2, SeriesState::Receiving));
    decide(&store, 1, false).await;
    let leased = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
    assert_eq!(leased.len(), 2, "only what came again goes again");
    // A stream is asked in the same way.
    let again = image(1, 3);
    let mut stream = store.keep_streamed(again.identity.clone()).await.expect("begun");
    let data_set = again.part10.slice(part10_head(&again.identity).len()..);
    stream.append(data_set).await.expect("appended");
    assert_eq!(stream.finish().await.expect("answered").outcome, Kept::New);
    store.settled().await;
    assert_eq!(object(&store, &instance(1, 3)).await, again.part10);
    store.close().await;
    let store = opened(folder.path()).await;
    assert_eq!(object(&store, &instance(1, 1)).await, other.part10);
    store.close().await;
}

#[tokio::test]
async fn an_evicted_result_that_a_pacs_sends_back_stays_a_result() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    for number in 0..4 {
        keep(&store, &made(1, number)).await;
    }
    begin_next(&store, 1000).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    assert_eq!(keep(&store, &image(1, 0)).await, Kept::New);
    store.settled().await;
    for _ in 0..2 {
        let row = store.series(&series(1)).await.expect("asked").expect("there");
        assert_eq!(row.state, SeriesState::Made, "nothing is ever decided for it");
        let row = store.instance(&instance(1, 0)).await.expect("asked").expect("there");
        assert_eq!(row.identity.origin, Origin::Made);
    }
    store.close().await;
}

#[tokio::test]
async fn above_the_watermark_the_oldest_goes_until_it_is_enough_and_nothing_of_the_last_hour() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    for of_series in 1..4 {
        for number in 0..4 {
            keep(&store, &image(of_series, number)).await;
        }
    }
    begin_next(&store, 9000).await;
    for of_series in 1..4 {
        decided_and_delivered(&store, of_series).await;
    }
    let policy = Policy { keep: None, watermark_percent: Some(80.0) };
    let day = later(DAY);
    let used = |more: u64| Disk { used: 80_000_000 + more, available: 20_000_000 - more };
    let young = store.retain(&policy, used(9_000_000), later(MINUTE)).await.expect("a round");
    assert_eq!(young, Round::default());
    let round = store.retain(&policy, used(0), day).await.expect("a round");
    assert_eq!(round, Round::default(), "no more than 80 percent are used");
    // Less than two segments too much.
    let plan = store.retention_plan(&policy, used(2_000_000), day).await.expect("a plan");
    let wanted: Vec<u32> = plan.wanted.iter().map(|wanted| wanted.segment).collect();
    assert_eq!((wanted, plan.wanted[0].why), (vec![1, 2], Why::Watermark));
    let round = store.retain(&policy, used(2_000_000), day).await.expect("a round");
    assert_eq!(evicted(&round), [1, 2]);
    let round = store.retain(&policy, used(9_000_000), day).await.expect("a round");
    assert_eq!(evicted(&round), [3], "and never the one that grows");
    store.close().await;
}

#[tokio::test]
async fn a_streamed_object_goes_even_when_the_segment_before_it_still_grows() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    keep(&store, &image(2, 0)).await;
    let large = image(1, 0);
    let mut stream = store.keep_streamed(large.identity.clone()).await.expect("begun");
    let data_set = large.part10.slice(part10_head(&large.identity).len()..);
    stream.append(data_set.clone()).await.expect("appended");
    stream.finish().await.expect("kept");
    let unfinished = store.keep_streamed(identity(3, 0)).await.expect("begun");
    decided_and_delivered(&store, 1).await;
    decided_and_delivered(&store, 2).await;
    assert_eq!(evicted(&retain(&store).await), [2]);
    drop(unfinished);
    assert_eq!(object(&store, &instance(2, 0)).await, image(2, 0).part10);
    store.close().await;
    // The number is not used again.
    let store = opened(folder.path()).await;
    let mut stream = store.keep_streamed(large.identity.clone()).await.expect("begun");
    stream.append(data_set).await.expect("appended");
    stream.finish().await.expect("kept");
    assert!(!segment(&folder, 2).exists() && segment(&folder, 3).exists());
    store.close().await;
}

#[tokio::test]
async fn a_delivery_of_an_evicted_instance_is_told_so() {
    let folder = tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    filled(&store, 1).await;
    decided_and_delivered(&store, 1).await;
    assert_eq!(evicted(&retain(&store).await), [1]);
    let late = image(1, 9);
    assert_eq!(keep(&store, &late).await, Kept::New);
    complete(&store, 1).await;
    let forward = NewForward { peer: "OTHER".into(), instances: vec![instance(1, 1)] };
    let decision = NewDecision {
        rule: "late".into(),
        runs: true,
        reason: "all conditions hold".into(),
        trace: json!([]),
        job: None,
        forward: vec![forward],
    };
    let decided = NewDecisions {
        series: series(1),
        revision: 2,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        decisions: vec![decision],
    };
    assert!(store.decide(decided).await.expect("decided"));
    let leased = store.lease_deliveries("OTHER", 9, MINUTE).await.expect("asked");
    let said = store.leased_object(&leased[0]).await;
    assert!(matches!(said, Err(StoreError::Evicted(_))), "{said:?}");
    let reader = Store::open_reader(folder.path()).await.expect("a reader");
    let (gone, at) = reader.evicted(&Selector::Uid(series(1))).await.expect("asked");
    assert_eq!((gone, at), (4, Some(later(40 * DAY))));
    assert_eq!(reader.evicted(&Selector::Uid(uid("1.2.3"))).await.expect("asked"), (0, None));
    store.close().await;
}
