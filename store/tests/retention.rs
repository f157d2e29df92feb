//! Retention evicts what is decided and delivered, carries forward what is needed, and says what it may not evict.

mod modality;

use gantry_store::decisions::NewDecisions;
use gantry_store::disk::Disk;
use gantry_store::evict::Round;
use gantry_store::export::{Selector, export};
use gantry_store::header::part10_head;
use gantry_store::incoming::Kept;
use gantry_store::options::{Duplicates, Durability, StoreOptions};
use gantry_store::outbox::Delivered;
use gantry_store::reindex::reindex;
use gantry_store::retention::{Need, Policy, Stays, Verdict, Why};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use modality::archive::*;
use modality::decider::decide_study;
use modality::{identity, image_of, instance, options, series, uid};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;
use tempfile::tempdir;

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
    for need in [
        Need::Decision,
        Need::Job,
        Need::FailedJob,
        Need::Delivery,
        Need::ParkedDelivery,
        Need::Proof,
    ] {
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
            Need::Proof => {
                decide(&store, 1, false).await;
                let leased = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
                for delivery in &leased {
                    let (at, ask_at) = (Moment(7), Moment(8));
                    let ask_at = Some(ask_at);
                    let taken = Delivered { delivery: delivery.clone(), status: 0, at, ask_at };
                    store.note_taken(&[taken]).await.expect("noted");
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
        let delivers = matches!(need, Need::Delivery | Need::ParkedDelivery | Need::Proof);
        assert_eq!(holding.peer.as_deref(), delivers.then_some("PACS"));
        assert!(stays.to_string().contains(series(1).as_str()), "{stays}");
        assert_eq!(object(&store, &instance(1, 2)).await, image(1, 2).part10);
        match need {
            Need::Decision => {
                let row = store.series(&series(1)).await.expect("asked").expect("there");
                let nothing = NewDecisions {
                    series: row.uid.clone(),
                    revision: 1,
                    rules_digest: "d1".into(),
                    rules_text: "rules".into(),
                    at: Moment::now(),
                    images: Vec::new(),
                    decisions: Vec::new(),
                };
                assert!(store.decide(nothing).await.expect("decided"));
                assert!(decide_study(&store, &row.study, Vec::new()).await);
            }
            Need::Job => finish(&store, Vec::new()).await,
            Need::Delivery => assert_eq!(deliver(&store).await, 4),
            Need::Proof => {
                let taken = store.proofs_wanted("PACS", Moment(8), 9).await.expect("asked");
                let transaction = uid("1.2.3");
                store.proofs_asked("PACS", &transaction, &taken, Moment(9)).await.expect("noted");
                let all: Vec<_> = taken.into_iter().map(|one| one.sop_instance).collect();
                let reported = store.proofs_reported("PACS", &transaction, &all, &[], Moment(9));
                assert_eq!(reported.await.expect("noted").proven, 4);
            }
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
async fn a_version_is_carried_even_when_its_instance_was_replaced_without_one_later() {
    let folder = tempdir().expect("a folder");
    let with = |duplicates| StoreOptions { duplicates, ..options(folder.path()) };
    let store = Store::open(with(Duplicates::KeepBoth)).await.expect("a store");
    mixed(&store).await;
    assert_eq!(keep(&store, &image_of(identity(2, 3), 900, 77)).await, Kept::Replaced);
    store.close().await;
    let store = Store::open(with(Duplicates::Replace)).await.expect("a store");
    assert_eq!(keep(&store, &image_of(identity(2, 3), 900, 78)).await, Kept::Replaced);
    store.settled().await;
    let round = retain(&store).await;
    assert_eq!((evicted(&round), round.evicted[0].carried), (vec![1], 1));
    let out = tempdir().expect("a folder");
    let exported = export(&store, &Selector::Uid(series(2)), out.path()).await.expect("exported");
    assert_eq!((exported.written, exported.problems.len()), (2, 0));
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
