//! What was decided lately is read page by page, however much it is.

mod modality;

use gantry_store::backtest::ModelSeconds;
use gantry_store::decisions::{Level, NewForward};
use gantry_store::jobs::FinishedJob;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::decider::*;
use modality::{image, instance, series, store};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const MINUTE: Duration = Duration::from_secs(60);

async fn keep(store: &Store, of_series: u32, number: u32) {
    store.keep(image(of_series, number)).await.expect("kept");
    store.settled().await;
}

async fn page(store: &Store, since: Moment, limit: u32) -> Vec<Uid> {
    let mut after = None;
    let mut all = Vec::new();
    loop {
        let page = store.series_for_backtest(since, after.take(), limit).await.expect("asked");
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return all };
        after = Some((last.decided_at, last.series.uid.clone()));
        all.extend(page.into_iter().map(|row| row.series.uid));
    }
}

#[tokio::test]
async fn each_series_that_was_decided_since_then_comes_once_with_what_its_last_decision_asked_for()
{
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    for of_series in 1..=5 {
        keep(&store, of_series, 1).await;
    }
    decide(&store, 1, Vec::new()).await;
    let since = Moment::now();
    for of_series in [2, 3, 4] {
        let mut densitometry = on_images("densitometry", instances(of_series, &[1]));
        let to = |peer: &str| NewForward {
            peer: peer.into(),
            instances: Vec::new(),
            changes: Changes::default(),
        };
        densitometry.forward = vec![to("ARCHIVE"), to("PACS")];
        decide(&store, of_series, vec![densitometry]).await;
    }
    // Series 2 is decided again: its image needs no second job, and the rule asks for it all the same.
    keep(&store, 2, 2).await;
    let mut shadow = on(Level::Series, "shadow", instances(2, &[2]));
    shadow.jobs[0].shadow = true;
    let skipped = verdict("skipped", Level::Series, Vec::new());
    let again = on_images("densitometry", instances(2, &[1]));
    decide(&store, 2, vec![again, shadow, skipped]).await;
    // Series 3 has grown since, and series 4 was decided by no rule.
    keep(&store, 3, 2).await;
    keep(&store, 4, 2).await;
    decide(&store, 4, Vec::new()).await;
    for limit in [1, 2, 10] {
        assert_eq!(page(&store, since, limit).await, [series(3), series(2), series(4)]);
    }
    assert_eq!(page(&store, Moment(0), 3).await.len(), 4, "series 5 never was");
    assert_eq!(page(&store, Moment::now(), 3).await, []);

    let asked: Vec<Uid> = (1..=5).map(series).collect();
    let latest = store.latest_decisions(&asked).await.expect("asked");
    let of: Vec<&Uid> = latest.keys().collect();
    assert_eq!(of, [&series(2), &series(3)], "no rule spoke of the others");
    let said = |of_series: u32| -> Vec<_> {
        let told = latest[&series(of_series)].iter();
        told.map(|d| (d.rule.as_str(), d.level, d.model.as_deref(), d.send_to.clone())).collect()
    };
    let pacs = || vec!["PACS".to_string()];
    let densitometry = ("densitometry", Level::Instance, Some("lung"), pacs());
    let shadow = ("shadow", Level::Series, Some("lung"), Vec::new());
    let skipped = ("skipped", Level::Series, None, Vec::new());
    assert_eq!(said(2), [densitometry.clone(), shadow, skipped]);
    assert_eq!(said(3), [densitometry]);
    let forwards = latest[&series(3)][0].forwards.clone();
    assert_eq!(forwards, Some(vec!["ARCHIVE".to_string(), "PACS".to_string()]));
    let row = &store.series_for_backtest(since, None, 1).await.expect("asked")[0];
    assert_eq!((row.series.state, row.series.revision), (SeriesState::Receiving, 2));
    store.close().await;
}

#[tokio::test]
async fn how_long_a_model_takes_is_the_median_of_its_last_jobs() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    keep(&store, 1, 1).await;
    let seconds = [9.0, 1.0, 2.0, 4.0];
    let jobs = seconds.map(|_| job(Level::Series, vec![instance(1, 1)])).to_vec();
    decide(&store, 1, vec![verdict("several", Level::Series, jobs)]).await;
    assert!(store.model_seconds().await.expect("asked").is_empty());
    let mut medians = Vec::new();
    for seconds in seconds {
        let leased = store.lease_job("a", MINUTE).await.expect("asked").expect("a job");
        let (results, deliveries) = (Vec::new(), Vec::new());
        let finished =
            FinishedJob { findings: json!([]), results, deliveries, seconds, peak: None };
        store.finish_job(leased.id, finished).await.expect("noted");
        medians.push(store.model_seconds().await.expect("asked")["lung"]);
    }
    let expected = [(9.0, 1), (5.0, 2), (2.0, 3), (3.0, 4)];
    assert_eq!(medians, expected.map(|(median, jobs)| ModelSeconds { median, jobs }));
    store.close().await;
}

#[tokio::test]
async fn a_hundred_thousand_series_are_paged_through_each_once() {
    let folder = tempdir().expect("a folder");
    store(folder.path()).await.close().await;
    let index = SqliteConnectOptions::new().filename(folder.path().join("index.db"));
    let pool = SqlitePool::connect_with(index).await.expect("the index");
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)";
    for step in [
        "INSERT INTO rule_sets VALUES ('r1', 'rules', 7)".to_string(),
        format!("INSERT INTO studies (uid, first_arrival, state, revision)
             {many} SELECT '1.2.' || i, i, 'decided', 1 FROM n"),
        format!(
            "INSERT INTO series (uid, study, calling_ae, called_ae, instances, first_arrival,
                 last_arrival, state, revision, decided_at)
             {many} SELECT '1.3.' || i, '1.2.' || i, 'CT1', 'GANTRY', 1, i, i,
                 'decided', 2, i / 3 FROM n"
        ),
        // Five rules in two revisions.
        format!(
            "INSERT INTO decisions (level, study, series, revision, position, rules_digest, rule,
                 runs, reason, trace, fates, model, send_to, forwards, at)
             {many}, rules (position, revision) AS
                 (VALUES (0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (0, 2), (1, 2), (2, 2), (3, 2), (4, 2))
             SELECT 'series', '1.2.' || i, '1.3.' || i, revision, position, 'r1', 'rule ' || position,
                 1, 'runs', '[]', '[]', 'lung', '[\"PACS\"]', '[]', i FROM n JOIN rules"
        ),
        format!(
            "INSERT INTO jobs (decision, level, study, series, revision, last_asked, rule,
                 rules_digest, model, model_digest, priority, shadow, selected, send_to, send_as,
                 decided_at, state, due_at, finished_at, seconds)
             {many} SELECT 1, 'series', '1.2.' || i, '1.3.' || i, 2, 2, 'rule', 'r1',
                 'model ' || (i % 5), 'd', 1, 0, '[]', '[]', '[]', i, 'finished', i, i, i FROM n"
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(step)).execute(&pool).await.expect("filled");
    }
    pool.close().await;
    let reader = Store::open_reader(folder.path()).await.expect("a reader");
    let begun = Instant::now();
    let (mut after, mut series, mut decisions) = (None, 0, 0);
    loop {
        let page = reader.series_for_backtest(Moment(0), after.take(), 500).await.expect("asked");
        let Some(last) = page.last() else { break };
        after = Some((last.decided_at, last.series.uid.clone()));
        series += page.len();
        let uids: Vec<Uid> = page.into_iter().map(|row| row.series.uid).collect();
        let latest = reader.latest_decisions(&uids).await.expect("asked");
        decisions += latest.values().map(Vec::len).sum::<usize>();
    }
    let seconds = reader.model_seconds().await.expect("asked");
    let taken = begun.elapsed();
    println!("{series} series with {decisions} decisions in {taken:?}");
    assert_eq!((series, decisions, seconds.len()), (100_000, 500_000, 5));
    assert_eq!(seconds["model 0"].jobs, 200);
}
