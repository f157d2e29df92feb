//! Whose job is next: urgent work first, but nothing waits for ever, and no model behind the many jobs of another.

mod modality;

use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewJob, Pinned};
use gantry_store::jobs::Batch;
use gantry_store::jobs::Priority::{self, Routine, Stat};
use gantry_store::queue::AGEING;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use modality::{image, instance, series, store};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::time::Duration;
use tempfile::tempdir;

const MINUTE: Duration = Duration::from_secs(60);

fn decision((model, priority): &(&str, Priority)) -> NewDecision {
    let job = NewJob {
        model: (*model).into(),
        model_digest: "ab12".into(),
        priority: *priority,
        shadow: false,
        selected: vec![instance(1, 0)],
        send_to: vec!["PACS".into()],
        send_as: vec!["sr".into()],
        deidentify: None,
        regions: Default::default(),
        selections: None,
        once: false,
        pinned: Pinned::default(),
    };
    NewDecision {
        level: Level::Series,
        rule: format!("for {model}"),
        runs: true,
        reason: "all conditions hold".into(),
        fates: json!([]),
        trace: json!([]),
        jobs: vec![job],
        forward: Vec::new(),
    }
}

/// A series that was decided then, with these jobs.
async fn decided(store: &Store, of_series: u32, at: Moment, jobs: &[(&str, Priority)]) {
    store.keep(image(of_series, 0)).await.expect("kept");
    store.settled().await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let completed = store.complete_series(&row.uid, row.revision, row.last_arrival).await;
    assert!(completed.expect("asked"));
    let decided = NewDecisions {
        series: row.uid,
        revision: row.revision,
        rules_digest: "d1".into(),
        rules_text: "rules".into(),
        at,
        images: Vec::new(),
        decisions: jobs.iter().map(decision).collect(),
    };
    assert!(store.decide(decided).await.expect("decided"));
}

/// The model and the series of the next jobs, which stay in hand.
async fn next(store: &Store, jobs: usize) -> Vec<(String, u32)> {
    let mut leased = Vec::new();
    for _ in 0..jobs {
        let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
        let series = job.series.expect("of a series");
        let number = series.as_str().rsplit('.').next().expect("a part").parse();
        leased.push((job.model, number.expect("a number")));
    }
    leased
}

fn ago(span: Duration) -> Moment {
    Moment::now().minus(span)
}

fn named(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(model, of_series)| ((*model).to_string(), *of_series)).collect()
}

#[tokio::test]
async fn a_model_with_many_jobs_keeps_no_other_one_waiting() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(MINUTE * 9), &[("lung", Routine); 200]).await;
    decided(&store, 2, ago(MINUTE * 5), &[("brain", Routine), ("bone", Routine)]).await;
    decided(&store, 3, ago(MINUTE * 4), &[("brain", Routine)]).await;
    let order = next(&store, 6).await;
    let expected = [("lung", 1), ("bone", 2), ("brain", 2), ("lung", 1), ("brain", 3), ("lung", 1)];
    let (mut found, mut expected) = (order, named(&expected));
    // Two that were never served, of one series: either may be first.
    found[1..3].sort();
    expected[1..3].sort();
    assert_eq!(found, expected);

    // Who was served least lately is known to the next start.
    decided(&store, 4, ago(MINUTE * 3), &[("brain", Routine)]).await;
    store.close().await;
    let store = modality::store(folder.path()).await;
    assert_eq!(next(&store, 2).await, named(&[("brain", 4), ("lung", 1)]));
    store.close().await;
}

#[tokio::test]
async fn models_take_turns_for_stat_and_for_routine_apart_and_stat_is_first() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(MINUTE * 9), &[("lung", Routine), ("brain", Routine)]).await;
    decided(&store, 2, ago(MINUTE * 8), &[("lung", Stat), ("lung", Stat)]).await;
    decided(&store, 3, ago(MINUTE * 7), &[("brain", Stat)]).await;
    let expected = [("lung", 2), ("brain", 3), ("lung", 2)];
    assert_eq!(next(&store, 3).await, named(&expected));
    let mut rest = next(&store, 2).await;
    rest.sort();
    assert_eq!(rest, named(&[("brain", 1), ("lung", 1)]));
    store.close().await;
}

#[tokio::test]
async fn a_routine_job_that_has_waited_long_goes_before_newer_stat_jobs_but_one_at_a_time() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let old = AGEING + MINUTE;
    decided(&store, 1, ago(old), &[("lung", Routine); 3]).await;
    decided(&store, 2, ago(old * 2), &[("lung", Stat)]).await;
    decided(&store, 3, ago(MINUTE), &[("lung", Stat); 2]).await;
    decided(&store, 4, ago(AGEING - MINUTE), &[("lung", Routine)]).await;
    // The stat job that is older; then by turns as long as there are urgent ones.
    let expected = [("lung", 2), ("lung", 1), ("lung", 3), ("lung", 1), ("lung", 3)];
    assert_eq!(next(&store, 5).await, named(&expected));
    assert_eq!(next(&store, 2).await, named(&[("lung", 1), ("lung", 4)]));
    store.close().await;
}

#[tokio::test]
async fn a_routine_job_that_has_not_waited_long_lets_stat_jobs_pass() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(AGEING - MINUTE), &[("lung", Routine)]).await;
    decided(&store, 2, ago(MINUTE), &[("lung", Stat); 3]).await;
    let expected = [("lung", 2), ("lung", 2), ("lung", 2), ("lung", 1)];
    assert_eq!(next(&store, 4).await, named(&expected));
    store.close().await;
}

#[tokio::test]
async fn a_place_that_is_kept_for_stat_jobs_takes_no_routine_job_however_old() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(AGEING * 2), &[("lung", Routine)]).await;
    decided(&store, 2, ago(MINUTE), &[("lung", Stat); 2]).await;
    for _ in 0..2 {
        let job = store.lease_stat_job("a", MINUTE).await.expect("asked").expect("a job");
        assert_eq!(job.priority, Stat);
    }
    assert_eq!(store.lease_stat_job("a", MINUTE).await.expect("asked"), None);
    store.close().await;
}

#[tokio::test]
async fn a_model_that_is_in_a_row_goes_on_but_holds_up_nothing_urgent() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(MINUTE * 9), &[("lung", Routine); 3]).await;
    decided(&store, 2, ago(MINUTE * 8), &[("brain", Routine); 2]).await;
    decided(&store, 3, ago(MINUTE * 7), &[("bone", Stat), ("lung", Stat)]).await;
    let mut models = Vec::new();
    for row in [Some("lung"), Some("lung"), Some("lung"), Some("lung"), Some("heart"), None, None] {
        let job = store.lease_job_in_row(row, "a", MINUTE).await.expect("asked").expect("a job");
        models.push((job.priority, job.model));
    }
    // Those that were never served, of one series: either may be first.
    models[..2].sort_by(|one, other| one.1.cmp(&other.1));
    let expected = [
        (Stat, "bone"),
        (Stat, "lung"),
        (Routine, "lung"),
        (Routine, "lung"),
        (Routine, "brain"), // the row is of a model that has nothing to do
        (Routine, "lung"),
        (Routine, "brain"),
    ];
    let expected = expected.map(|(priority, model)| (priority, model.to_string()));
    assert_eq!(models, expected);
    store.close().await;
}

#[tokio::test]
async fn jobs_that_go_along_are_of_the_same_model_and_priority_in_their_order_and_one_turn() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(MINUTE * 9), &[("film", Routine)]).await;
    decided(&store, 2, ago(MINUTE * 8), &[("film", Routine), ("lung", Routine)]).await;
    decided(&store, 3, ago(MINUTE * 7), &[("film", Stat), ("film", Routine)]).await;
    decided(&store, 4, ago(MINUTE * 6), &[("film", Routine); 2]).await;
    let stat = store.lease_stat_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(store.lease_along(&stat, 9, "a", MINUTE).await.expect("asked"), []);
    let first = store.lease_job_in_row(Some("film"), "a", MINUTE).await.expect("asked");
    let first = first.expect("a job");
    let along = store.lease_along(&first, 3, "a", MINUTE).await.expect("asked");
    let of_series = |job: &gantry_store::jobs::Job| job.series.clone().expect("of a series");
    let found: Vec<_> = std::iter::once(&first).chain(&along).map(of_series).collect();
    assert_eq!(found, [series(1), series(2), series(3), series(4)]);
    assert!(along.iter().all(|job| (job.model.as_str(), job.attempts) == ("film", 1)));
    assert_eq!(next(&store, 2).await, named(&[("lung", 2), ("film", 4)]));
    assert_eq!(store.lease_job("a", MINUTE).await.expect("asked"), None);
    store.close().await;
}

/// Nobody would work on it, and those behind it would wait.
#[tokio::test]
async fn a_job_that_cannot_be_read_fails_and_keeps_nobody_waiting() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for of_series in 1..=3 {
        decided(&store, of_series, ago(MINUTE * (9 - of_series)), &[("film", Routine)]).await;
    }
    let index = SqliteConnectOptions::new().filename(folder.path().join("index.db"));
    let mut writes = index.connect().await.expect("the index");
    let first = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    let spoilt = format!("UPDATE jobs SET send_to = 'nobody' WHERE id = {}", first.id + 2);
    sqlx::raw_sql(AssertSqlSafe(spoilt)).execute(&mut writes).await.expect("spoilt");
    let along = store.lease_along(&first, 9, "a", MINUTE).await.expect("asked");
    assert_eq!(along.len(), 1, "what can be read goes along");
    let counts = &store.summary().await.expect("asked").jobs[0];
    assert_eq!((counts.running, counts.queued, counts.failed), (2, 0, 1));
    // At the head of the queue: those behind it have their turn, and the admin is told.
    decided(&store, 4, ago(MINUTE * 5), &[("film", Routine)]).await;
    decided(&store, 5, ago(MINUTE * 4), &[("film", Routine)]).await;
    let spoilt = format!("UPDATE jobs SET send_to = 'nobody' WHERE id = {}", first.id + 3);
    sqlx::raw_sql(AssertSqlSafe(spoilt)).execute(&mut writes).await.expect("spoilt");
    let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(job.id, first.id + 4);
    assert!(store.lease_job("a", MINUTE).await.expect("asked").is_none());
    let counts = &store.summary().await.expect("asked").jobs[0];
    assert_eq!((counts.running, counts.queued, counts.failed), (3, 0, 2));
    let reason: String =
        sqlx::query_scalar("SELECT reason FROM jobs WHERE state = 'failed' ORDER BY id DESC")
            .fetch_one(&mut writes)
            .await
            .expect("a reason");
    assert!(reason.starts_with("the index can not be read here"), "{reason}");
    writes.close().await.expect("closed");
    store.close().await;
}

#[tokio::test]
async fn a_look_that_finds_nothing_does_not_wait_for_who_writes() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(MINUTE), &[("lung", Routine)]).await;
    next(&store, 1).await;
    let index = SqliteConnectOptions::new().filename(folder.path().join("index.db"));
    let mut writes = index.connect().await.expect("the index");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut writes).await.expect("its turn to write");
    assert_eq!(store.lease_job("a", MINUTE).await.expect("asked"), None);
    assert_eq!(store.lease_stat_job("a", MINUTE).await.expect("asked"), None);
    sqlx::raw_sql("ROLLBACK").execute(&mut writes).await.expect("it writes no more");
    writes.close().await.expect("closed");
    store.close().await;
}

#[tokio::test]
async fn how_a_job_went_through_its_graph_is_known_to_who_makes_its_results_again() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    decided(&store, 1, ago(MINUTE), &[("film", Routine)]).await;
    let job = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
    assert_eq!(job.batch, None);
    let batch = Batch { at: 2, of: 16 };
    store.set_job_batch(job.id, batch).await.expect("kept");
    let row = store.job(job.id).await.expect("asked").expect("there");
    assert_eq!(row.job.batch, Some(batch));
    store.close().await;
}
