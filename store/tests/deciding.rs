//! Decisions, jobs and deliveries: all or nothing, once each, and never forgotten.

mod modality;

use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewForward, NewJob, Pinned};
use gantry_store::events::Event;
use gantry_store::jobs::{FinishedJob, JobState, Priority};
use gantry_store::outbox::{DeliveryState, NewDelivery};
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::region::Regions;
use gantry_terms::uid::Uid;
use modality::{image, instance, series, store};
use serde_json::json;
use std::time::Duration;
use tempfile::tempdir;

const MINUTE: Duration = Duration::from_secs(60);

/// A complete series of three images.
async fn complete(store: &Store, of_series: u32) {
    for number in 0..3 {
        store.keep(image(of_series, number)).await.expect("kept");
    }
    store.settled().await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let done = store.complete_series(&row.uid, row.revision, row.last_arrival).await;
    assert!(done.expect("asked"));
}

fn job(priority: Priority) -> NewJob {
    NewJob {
        model: "lung".into(),
        model_digest: "ab12".into(),
        priority,
        shadow: false,
        selected: (0..3).map(|number| instance(1, number)).collect(),
        send_to: vec!["PACS".into()],
        send_as: vec!["sr".into(), "sc".into()],
        deidentify: None,
        regions: Default::default(),
        selections: None,
        once: false,
        pinned: Pinned::default(),
    }
}

fn verdicts(of_series: u32, revision: u32, job: Option<NewJob>) -> NewDecisions {
    NewDecisions {
        series: series(of_series),
        revision,
        rules_digest: "r1".into(),
        rules_text: "select = ...".into(),
        at: Moment(1_700_000_000_000_000 + i64::from(of_series)),
        images: Vec::new(),
        decisions: vec![
            NewDecision {
                level: Level::Series,
                rule: "densitometry".into(),
                runs: job.is_some(),
                reason: "soft kernel".into(),
                fates: json!([]),
                trace: json!({"ConvolutionKernel": "B40f"}),
                jobs: job.into_iter().collect(),
                forward: vec![],
            },
            NewDecision {
                level: Level::Series,
                rule: "forward".into(),
                runs: true,
                reason: "all CT".into(),
                fates: json!([]),
                trace: json!([]),
                jobs: Vec::new(),
                forward: vec![NewForward {
                    peer: "PACS".into(),
                    instances: (0..3).map(|number| instance(of_series, number)).collect(),
                    changes: Changes::default(),
                }],
            },
        ],
    }
}

fn finished(results: Vec<Uid>) -> FinishedJob {
    let delivery = |uid: &Uid| NewDelivery {
        peer: "PACS".into(),
        sop_instance: uid.clone(),
        priority: Priority::Stat,
    };
    FinishedJob {
        findings: json!({"laa950": 1.345}),
        deliveries: results.iter().map(delivery).collect(),
        results,
        seconds: 0.5,
        peak: None,
    }
}

#[tokio::test]
async fn a_decision_its_job_and_its_forwards_are_kept_together_and_once() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    for _ in 0..2 {
        let decided = store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await;
        assert!(decided.expect("asked"), "a repeat is answered the same");
    }
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!(row.state, SeriesState::Decided);
    let decisions = store.decisions(&series(1)).await.expect("asked");
    let rules: Vec<&str> = decisions.iter().map(|decision| decision.rule.as_str()).collect();
    assert_eq!(rules, ["densitometry", "forward"]);
    assert_eq!(decisions[0].trace, json!({"ConvolutionKernel": "B40f"}));
    let rules = store.rule_set("r1").await.expect("asked").expect("kept");
    assert_eq!(rules.files[0].text, "select = ...");
    assert_eq!(store.jobs(&series(1)).await.expect("asked").len(), 1);
    assert_eq!(store.deliveries(&series(1)).await.expect("asked").len(), 3);
    store.close().await;
}

#[tokio::test]
async fn a_decision_on_a_series_that_changed_meanwhile_is_refused_as_a_whole() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    store.keep(image(1, 9)).await.expect("a late image");
    store.settled().await;
    let verdict = verdicts(1, 1, Some(job(Priority::Routine)));
    assert!(!store.decide(verdict.clone()).await.expect("asked"));
    // Complete again, but in another revision.
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision), (SeriesState::Receiving, 2));
    assert!(store.complete_series(&row.uid, 2, row.last_arrival).await.expect("asked"));
    assert!(!store.decide(verdict).await.expect("asked"));
    assert!(!store.decide(verdicts(7, 1, None)).await.expect("asked"), "nobody knows this series");
    assert_eq!(store.decisions(&series(1)).await.expect("asked"), []);
    assert_eq!(store.jobs(&series(1)).await.expect("asked"), []);
    assert_eq!(store.deliveries(&series(1)).await.expect("asked"), []);
    assert_eq!(store.rule_set("r1").await.expect("asked"), None);
    store.close().await;
}

#[tokio::test]
async fn a_later_revision_supersedes_a_job_that_nobody_has_begun() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await.expect("asked"));
    store.keep(image(1, 9)).await.expect("a late image");
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert!(store.complete_series(&row.uid, 2, row.last_arrival).await.expect("asked"));
    assert!(store.decide(verdicts(1, 2, Some(job(Priority::Routine)))).await.expect("asked"));
    let jobs = store.jobs(&series(1)).await.expect("asked");
    let states: Vec<JobState> = jobs.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Superseded, JobState::Queued]);
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(leased.revision, 2);
    assert_eq!(store.lease_job("a", MINUTE).await.expect("asked"), None);
    assert_eq!(store.deliveries(&series(1)).await.expect("asked").len(), 3, "each goes once");
    store.close().await;
}

#[tokio::test]
async fn stat_comes_first_then_the_oldest_and_a_lease_that_ran_out_is_given_again() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for (of_series, priority) in
        [(1, Priority::Routine), (2, Priority::Routine), (3, Priority::Stat)]
    {
        complete(&store, of_series).await;
        assert!(store.decide(verdicts(of_series, 1, Some(job(priority)))).await.expect("asked"));
    }
    let lease = async |lease| store.lease_job("worker", lease).await.expect("asked");
    let first = lease(MINUTE).await.expect("a job");
    assert_eq!((first.series, first.priority), (Some(series(3)), Priority::Stat));
    assert_eq!(store.lease_stat_job("worker", MINUTE).await.expect("asked"), None);
    let second = lease(Duration::ZERO).await.expect("a job");
    assert_eq!((second.series.clone(), second.attempts), (Some(series(1)), 1));
    let again = lease(MINUTE).await.expect("its lease ran out");
    assert_eq!((again.id, again.attempts), (second.id, 2));
    assert_eq!(lease(MINUTE).await.expect("a job").series, Some(series(2)));
    assert_eq!(lease(MINUTE).await, None);
    assert!(store.next_job_due().await.expect("asked").is_some_and(|due| due > Moment::now()));
    store.close().await;
}

#[tokio::test]
async fn a_job_that_is_finished_twice_delivers_once() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await.expect("asked"));
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(leased.send_as, ["sr", "sc"]);
    assert_eq!(leased.selected.len(), 3);
    store.set_job_station(leased.id, "compose").await.expect("noted");
    let row = store.job(leased.id).await.expect("asked").expect("there");
    assert_eq!((row.state, row.station.as_deref()), (JobState::Running, Some("compose")));
    let mut result = image(50, 1);
    result.identity.origin = gantry_store::incoming::Origin::Made;
    store.keep(result).await.expect("kept");
    for _ in 0..2 {
        store.finish_job(leased.id, finished(vec![instance(50, 1)])).await.expect("finished");
    }
    store.fail_job(leased.id, "too late to fail", None).await.expect("asked");
    let row = store.job(leased.id).await.expect("asked").expect("there");
    assert_eq!((row.state, row.reason, row.seconds), (JobState::Finished, None, Some(0.5)));
    assert_eq!(row.findings, Some(json!({"laa950": 1.345})));
    assert_eq!(row.results, [instance(50, 1)]);
    let deliveries = store.deliveries(&series(1)).await.expect("asked");
    assert_eq!(deliveries.len(), 4);
    assert_eq!(deliveries[3].job, Some(leased.id));
    store.close().await;
}

#[tokio::test]
async fn results_go_by_the_profile_that_their_rule_names() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    let asked = NewJob {
        deidentify: Some("trial".into()),
        regions: Regions::Patient,
        ..job(Priority::Routine)
    };
    assert!(store.decide(verdicts(1, 1, Some(asked))).await.expect("asked"));
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(leased.deidentify.as_deref(), Some("trial"));
    assert_eq!(leased.regions, Regions::Patient);
    let mut result = image(50, 1);
    result.identity.origin = gantry_store::incoming::Origin::Made;
    store.keep(result).await.expect("kept");
    store.settled().await;
    store.finish_job(leased.id, finished(vec![instance(50, 1)])).await.expect("finished");
    let waiting = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    let result = waiting.iter().find(|one| one.sop_instance == instance(50, 1)).expect("queued");
    assert_eq!(result.changes.deidentify.as_deref(), Some("trial"));
    assert!(
        waiting.iter().filter(|one| one.changes.is_empty()).count() == 3,
        "the images go as they came"
    );
    store.close().await;
}

#[tokio::test]
async fn a_failed_job_waits_for_its_next_time_or_ends_with_its_reason() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await.expect("asked"));
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let soon = Moment::now().plus(MINUTE);
    store.fail_job(leased.id, "out of memory", Some(soon)).await.expect("noted");
    assert_eq!(store.lease_job("a", MINUTE).await.expect("asked"), None);
    assert_eq!(store.next_job_due().await.expect("asked"), Some(soon));
    store.fail_job(leased.id, "out of memory", Some(Moment::now())).await.expect("noted");
    assert!(store.lease_job("a", MINUTE).await.expect("asked").is_some());
    store.fail_job(leased.id, "slices are missing", None).await.expect("noted");
    assert_eq!(store.lease_job("a", MINUTE).await.expect("asked"), None);
    let summary = store.summary().await.expect("asked");
    assert_eq!((summary.jobs[0].failed, summary.jobs[0].queued), (1, 0));
    assert_eq!(summary.jobs[0].last_reason.as_deref(), Some("slices are missing"));
    store.close().await;
}

#[tokio::test]
async fn deliveries_are_leased_postponed_parked_and_told_apart() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, None)).await.expect("asked"));
    assert_eq!(store.peers_queued().await.expect("asked"), ["PACS"]);
    assert!(store.next_due("PACS", Moment(0)).await.expect("asked").is_some());
    assert_eq!(store.next_due("OTHER", Moment(0)).await.expect("asked"), None);
    let now = Moment::now();
    assert_eq!(store.next_due("PACS", now).await.expect("asked"), None, "it is due already");
    let leased = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    assert_eq!(leased.len(), 3);
    assert_eq!(leased[0].sop_class.as_str(), "1.2.840.10008.5.1.4.1.1.2");
    assert_eq!(store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked"), []);
    store.delivered(&leased[0], 0, Moment(5)).await.expect("noted");
    store.postpone_delivery(&leased[1], "no route", Moment::now()).await.expect("noted");
    store.park_delivery(&leased[2], "0xA900: wrong class").await.expect("noted");
    let rows = store.deliveries(&series(1)).await.expect("asked");
    let states: Vec<DeliveryState> = rows.iter().map(|row| row.state).collect();
    use DeliveryState::*;
    assert_eq!(states, [Delivered, Queued, Parked]);
    assert_eq!((rows[0].status, rows[0].delivered_at), (Some(0), Some(Moment(5))));
    assert_eq!(rows[2].reason.as_deref(), Some("0xA900: wrong class"));
    let again = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    assert_eq!((again.len(), again[0].id, again[0].attempts), (1, leased[1].id, 2));
    let summary = store.summary().await.expect("asked");
    let peer = &summary.outbox[0];
    assert_eq!((peer.queued, peer.delivered, peer.parked), (1, 1, 1));
    assert!(peer.next_try.is_some() && peer.last_reason.is_some());
    store.close().await;
}

#[tokio::test]
async fn a_delivery_waits_until_its_instance_is_in_the_index() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Stat)))).await.expect("asked"));
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let forwards = store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked");
    for forward in forwards {
        store.delivered(&forward, 0, Moment::now()).await.expect("noted");
    }
    store.finish_job(leased.id, finished(vec![instance(50, 1)])).await.expect("finished");
    assert_eq!(store.next_due("PACS", Moment(0)).await.expect("asked"), None);
    assert_eq!(store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked"), []);
    store.keep(image(50, 1)).await.expect("kept");
    store.settled().await;
    assert_eq!(store.lease_deliveries("PACS", 10, MINUTE).await.expect("asked").len(), 1);
    store.close().await;
}

#[tokio::test]
async fn work_survives_a_restart_and_a_rebuilt_index() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await.expect("asked"));
    let before = store.deliveries(&series(1)).await.expect("asked");
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = modality::store(folder.path()).await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision), (SeriesState::Decided, 1));
    assert_eq!(store.deliveries(&series(1)).await.expect("asked"), before);
    assert_eq!(store.decisions(&series(1)).await.expect("asked").len(), 2);
    assert!(store.lease_job("a", MINUTE).await.expect("asked").is_some());
    store.close().await;
}

#[tokio::test]
async fn a_node_that_starts_takes_up_what_the_one_before_had_in_hand() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await.expect("asked"));
    let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let deliveries = store.lease_deliveries("PACS", 3, MINUTE).await.expect("asked");
    let later = Moment::now().plus(MINUTE);
    store.postpone_delivery(&deliveries[0], "no route", later).await.expect("noted");
    store.delivered(&deliveries[1], 0, Moment::now()).await.expect("noted");
    store.close().await;
    let store = modality::store(folder.path()).await;
    store.release_leases().await.expect("released");
    let again = store.lease_job("b", MINUTE).await.expect("asked").expect("the job");
    assert_eq!((again.id, again.attempts), (leased.id, 2));
    let again = store.lease_deliveries("PACS", 9, MINUTE).await.expect("asked");
    assert_eq!(again.len(), 2, "what was delivered stays so");
    store.close().await;
}

#[tokio::test]
async fn a_job_that_was_put_off_before_the_clock_was_set_back_is_due_with_the_next_start() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    complete(&store, 1).await;
    assert!(store.decide(verdicts(1, 1, Some(job(Priority::Routine)))).await.expect("asked"));
    for (put_off, is_due) in [(MINUTE, false), (MINUTE * 60 * 24, true)] {
        let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
        let later = Moment::now().plus(put_off);
        store.fail_job(leased.id, "busy", Some(later)).await.expect("noted");
        store.release_leases().await.expect("released");
        let now = store.lease_job("a", MINUTE).await.expect("asked");
        assert_eq!(now.is_some(), is_due, "{put_off:?}");
        // As if the minute had gone by.
        store.fail_job(leased.id, "busy", Some(Moment::now())).await.expect("noted");
    }
    store.close().await;
}

#[tokio::test]
async fn a_rebuild_that_was_broken_off_is_ended_by_the_next_start() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for of_series in [1, 2] {
        complete(&store, of_series).await;
    }
    assert!(store.decide(verdicts(1, 1, None)).await.expect("asked"));
    let before = store.all_series().await.expect("asked");
    store.close().await;
    let index = folder.path().join("index.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(index);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the index");
    for step in [
        "INSERT INTO reindexing SELECT uid, instances, state, revision, study, decided_at FROM series",
        "INSERT INTO reindexing_studies SELECT uid, state, revision FROM studies",
        "DELETE FROM instances",
        "DELETE FROM series",
        "DELETE FROM studies",
        "DELETE FROM segments",
    ] {
        sqlx::query(step).execute(&pool).await.expect("done");
    }
    pool.close().await;
    for _ in 0..2 {
        let store = modality::store(folder.path()).await;
        assert_eq!(store.all_series().await.expect("asked"), before);
        store.close().await;
    }
}

#[tokio::test]
async fn events_are_bounded_and_the_newest_come_first() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for number in 0..30 {
        let event = Event {
            station: "receive".into(),
            kind: "refused".into(),
            subject: Some("CT1".into()),
            text: format!("event {number}"),
        };
        store.note(event).await.expect("noted");
    }
    let events = store.events(3).await.expect("asked");
    let texts: Vec<&str> = events.iter().map(|row| row.event.text.as_str()).collect();
    assert_eq!(texts, ["event 29", "event 28", "event 27"]);
    store.close().await;
}
