//! An index that an earlier version left is taken over row by row, and one whose migration was broken off is as it was.

mod modality;

use gantry_store::decisions::Level;
use gantry_store::error::StoreError;
use gantry_store::jobs::{JobState, Role};
use gantry_store::model_changes;
use gantry_store::outbox::DeliveryState;
use gantry_store::store::Store;
use gantry_store::study::StudyState;
use gantry_terms::moment::Moment;
use modality::decider::instances;
use modality::{instance, options, series, study};
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

async fn connect(folder: &Path) -> SqliteConnection {
    let index = SqliteConnectOptions::new().filename(folder.join("index.db"));
    let options = index.create_if_missing(true).foreign_keys(false);
    options.connect().await.expect("the index")
}

/// As migrations 1 to 6 left it: three series, one decided with a job that finished and a result on
/// its way, one decided in two revisions, one complete. And a decision on a series that a rebuild
/// forgot.
async fn earlier(folder: &Path) {
    let mut index = connect(folder).await;
    MIGRATIONS.run_to(6, &mut index).await.expect("the tables of before");
    for of_series in [1, 2, 3] {
        let state = if of_series == 3 { "complete" } else { "decided" };
        let sql = format!(
            "INSERT INTO studies VALUES ('{study}', 5);
             INSERT INTO series VALUES ('{series}', '{study}', 'CT1', 'GANTRY', 1, 5, 6, '{state}',
                 {of_series})",
            study = study(of_series),
            series = series(of_series),
        );
        run(&mut index, sql).await;
    }
    let selected = serde_json::to_string(&instances(1, &[1, 2])).expect("a text");
    let sql = format!(
        "DELETE FROM rebuilding;
         INSERT INTO segments (number, indexed_bytes) VALUES (1, 0);
         INSERT INTO instances (sop_instance, sop_class, series, study, transfer_syntax, calling_ae,
             called_ae, arrival, origin, segment, offset, bytes, digest, header)
         VALUES ('{image}', '1.2', '{one}', '{study_one}', '1.2', 'CT1', 'GANTRY', 5, 'received', 1, 0, 9,
             x'4344', '{{}}');
         INSERT INTO rule_sets VALUES ('r1', 'rules', 7);
         INSERT INTO decisions VALUES
             (11, '{one}', 1, 0, 'r1', 'densitometry', 1, 'runs', '{{\"a\":1}}', 100),
             (12, '{one}', 1, 1, 'r1', 'forward', 0, 'skipped', '[]', 100),
             (13, '{two}', 1, 0, 'r1', 'densitometry', 1, 'runs', '[]', 200),
             (14, '{two}', 2, 0, 'r1', 'densitometry', 1, 'runs', '[]', 300),
             (15, '1.2.3', 1, 0, 'r1', 'densitometry', 0, 'skipped', '[]', 400);
         INSERT INTO jobs VALUES
             (21, 11, '{one}', '{study_one}', 1, 'densitometry', 'r1', 'lung', 'ab12', 0, 0,
                 '{selected}', '[\"PACS\"]', '[\"sr\"]', 100, 'finished', NULL, 2, NULL, 101, 'a',
                 102, 103, 0.5, '[1]', '[\"1.2.4\"]', '4142 4344'),
             (22, 13, '{two}', '{study_two}', 1, 'densitometry', 'r1', 'lung', 'ab12', 1, 1,
                 '[]', '[\"PACS\"]', '[]', 200, 'superseded', NULL, 0, 'later', 200, NULL, NULL,
                 201, NULL, NULL, '[]', NULL),
             (23, 14, '{two}', '{study_two}', 2, 'densitometry', 'r1', 'lung', 'ab12', 1, 1,
                 '[\"{image}\"]', '[\"PACS\"]', '[]', 300, 'queued', NULL, 0, NULL, 300, NULL, NULL,
                 NULL, NULL, NULL, '[]', '-');
         INSERT INTO outbox VALUES
             (31, 'PACS', '1.2.4', 21, 0, 'queued', 3, 'no route', NULL, 103, 104, NULL, x'4142'),
             (32, 'PACS', '{image}', NULL, 1, 'delivered', 1, NULL, 0, 100, 100, 105, x'4344')",
        one = series(1),
        two = series(2),
        study_one = study(1),
        study_two = study(2),
        image = instance(1, 1),
    );
    run(&mut index, sql).await;
    index.close().await.expect("closed");
}

async fn run(index: &mut SqliteConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(index).await.expect("the rows of before");
}

async fn assert_carried_over(store: &Store) {
    let decisions = store.decisions(&series(1)).await.expect("asked");
    let ids: Vec<i64> = decisions.iter().map(|decision| decision.id).collect();
    assert_eq!(ids, [11, 12]);
    let first = &decisions[0];
    assert_eq!(
        (first.level, &first.study, &first.series),
        (Level::Series, &Some(study(1)), &Some(series(1)))
    );
    assert_eq!((first.revision, first.rule.as_str(), first.runs), (1, "densitometry", true));
    assert_eq!((first.reason.as_str(), &first.trace), ("runs", &json!({"a": 1})));
    assert_eq!(
        (first.rules_digest.as_str(), &first.fates, first.at),
        ("r1", &json!([]), Moment(100))
    );
    assert_eq!((decisions[1].runs, &decisions[1].study), (false, &Some(study(1))));
    assert_eq!(store.decisions(&series(2)).await.expect("asked").len(), 2);
    let forgotten = modality::uid("1.2.3");
    let decisions = store.decisions(&forgotten).await.expect("asked");
    assert_eq!((&decisions[0].study, &decisions[0].series), (&None, &Some(forgotten)));

    let jobs = store.jobs(&series(1)).await.expect("asked");
    let (row, job) = (&jobs[0], &jobs[0].job);
    assert_eq!((jobs.len(), job.id, job.level, job.attempts), (1, 21, Level::Series, 2));
    assert_eq!((&job.series, &job.study), (&Some(series(1)), &study(1)));
    assert_eq!((&job.selected, &job.selections), (&instances(1, &[1, 2]), &None));
    assert_eq!(
        (job.send_to.as_slice(), job.send_as.as_slice()),
        (&["PACS".into()][..], &["sr".into()][..])
    );
    assert_eq!(
        (row.state, row.seconds, &row.findings),
        (JobState::Finished, Some(0.5), &Some(json!([1])))
    );
    assert_eq!((row.results.len(), row.finished_at), (1, Some(Moment(103))));
    assert_eq!((job.role, &job.version, &job.manifest_digest), (Role::Live, &None, &None));
    let jobs = store.jobs(&series(2)).await.expect("asked");
    let states: Vec<JobState> = jobs.iter().map(|row| row.state).collect();
    assert_eq!(states, [JobState::Superseded, JobState::Queued]);

    let deliveries = store.deliveries(&series(1)).await.expect("asked");
    let told: Vec<_> = deliveries.iter().map(|row| (row.id, row.job, row.state)).collect();
    assert_eq!(told, [(31, Some(21), DeliveryState::Queued), (32, None, DeliveryState::Delivered)]);

    for of_series in [1, 2, 3] {
        let row = store.study(&study(of_series)).await.expect("asked").expect("there");
        assert_eq!(
            (row.state, row.revision),
            (StudyState::Decided, 0),
            "nothing old is decided anew"
        );
    }
    assert_eq!(store.studies_due(Moment::now()).await.expect("asked"), []);
    let page = store.series_for_backtest(Moment(0), None, 10).await.expect("asked");
    let decided: Vec<_> = page.iter().map(|row| (row.series.uid.clone(), row.decided_at)).collect();
    assert_eq!(decided, [(series(1), Moment(100)), (series(2), Moment(300))]);
    let latest = store.latest_decisions(&[series(1), series(2)]).await.expect("asked");
    let first = &latest[&series(1)][0];
    assert_eq!(
        (first.model.as_deref(), first.send_to.as_slice()),
        (Some("lung"), &["PACS".into()][..])
    );
    assert_eq!((first.forwards.as_ref(), latest[&series(2)].len()), (None, 1));
    assert!(latest[&series(2)][0].send_to.is_empty(), "its job is in shadow");
}

async fn assert_refers_to_what_is_there(folder: &Path) {
    let mut index = connect(folder).await;
    let wrong = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut index).await;
    assert!(wrong.expect("asked").is_empty());
    let references: Vec<String> =
        sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_list('outbox')")
            .fetch_all(&mut index)
            .await
            .expect("asked");
    assert_eq!(references, ["jobs"]);
    index.close().await.expect("closed");
}

#[tokio::test]
async fn what_was_decided_before_there_were_levels_reads_as_it_did() {
    let folder = tempdir().expect("a folder");
    earlier(folder.path()).await;
    for _ in 0..2 {
        let store = Store::open(options(folder.path())).await.expect("migrated");
        assert_carried_over(&store).await;
        store.close().await;
        assert_refers_to_what_is_there(folder.path()).await;
    }
    let store = Store::open(options(folder.path())).await.expect("a store");
    let leased = store.lease_job("a", Duration::from_secs(60)).await.expect("asked");
    assert_eq!(leased.map(|job| job.id), Some(23));
    store.close().await;
}

/// `gantry check` asks before the first start of another version.
#[tokio::test]
async fn which_versions_of_models_are_live_is_known_before_the_index_is_migrated() {
    let folder = tempdir().expect("a folder");
    let mut index = connect(folder.path()).await;
    MIGRATIONS.run_to(12, &mut index).await.expect("without versions of models");
    let known = async || model_changes::before_migrating(folder.path()).await.expect("asked");
    assert_eq!(known().await, []);
    MIGRATIONS.run_to(13, &mut index).await.expect("with versions of models");
    let sql = "INSERT INTO model_changes (at, model, change, before, live, asked_by, why, state)
               VALUES (5, 'lung', 'promote', '1', '2', 'anna', '', 'taken')";
    run(&mut index, sql.into()).await;
    index.close().await.expect("closed");
    let reader = Store::open_reader(folder.path()).await;
    assert!(matches!(reader.err(), Some(StoreError::OtherVersion(_))));
    let before = known().await;
    assert_eq!((before.len(), before[0].change.after.live.as_str()), (1, "2"));
    let store = modality::store(folder.path()).await;
    assert_eq!(store.model_changes(None).await.expect("asked"), before);
    store.close().await;
}

#[tokio::test]
async fn a_node_that_dies_in_the_middle_of_a_migration_leaves_an_index_that_the_next_one_migrates()
{
    let (folder, left) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    earlier(folder.path()).await;
    let script = MIGRATIONS.iter().find(|migration| migration.version == 7).expect("there");
    let mut index = connect(folder.path()).await;
    // So that what is not committed comes to the disk.
    for step in ["PRAGMA journal_mode = WAL", "PRAGMA cache_size = 1", "BEGIN", script.sql.as_str()]
    {
        run(&mut index, step.to_owned()).await;
    }
    let wal = folder.path().join("index.db-wal");
    assert!(fs::metadata(&wal).expect("a log").len() > 4096, "something of it is on the disk");
    for name in ["index.db", "index.db-wal"] {
        fs::copy(folder.path().join(name), left.path().join(name)).expect("copied");
    }
    let store = Store::open(options(left.path())).await.expect("migrated");
    assert_carried_over(&store).await;
    store.close().await;
    assert_refers_to_what_is_there(left.path()).await;
}

#[tokio::test]
async fn rows_that_refer_to_nothing_stop_the_migration_and_leave_the_index_as_it_was() {
    let folder = tempdir().expect("a folder");
    earlier(folder.path()).await;
    let mut index = connect(folder.path()).await;
    run(&mut index, "DELETE FROM jobs WHERE id = 21".into()).await;
    index.close().await.expect("closed");
    for _ in 0..2 {
        let Err(error) = Store::open(options(folder.path())).await else { panic!("it opened") };
        assert!(matches!(error, StoreError::Index(_)), "{error}");
        assert!(error.to_string().contains("rows_refer_to_rows_that_are_there"), "{error}");
    }
    let mut index = connect(folder.path()).await;
    let version: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut index)
        .await
        .expect("asked");
    assert_eq!(version, 6);
    run(&mut index, "UPDATE outbox SET job = NULL".into()).await;
    index.close().await.expect("closed");
    Store::open(options(folder.path())).await.expect("migrated").close().await;
}
