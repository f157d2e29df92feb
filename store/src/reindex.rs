//! Builds the index anew from the segments alone.

use crate::error::StoreError;
use crate::evict;
use crate::folder::take_folder;
use crate::index;
use crate::reader::blocking;
use crate::recovery;
use crate::segment;
use gantry_terms::moment::Moment;
use sqlx::SqlitePool;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reindexed {
    pub segments: u64,
    pub records: u64,
    pub instances: u64,
    pub series: u64,
    /// What was found damaged, in words.
    pub problems: Vec<String>,
    /// Where an index that could not be read was put aside.
    pub set_aside: Option<PathBuf>,
}

/// What retention took away is forgotten: the index tells of what is there. Needs no database file,
/// and no node that runs. Decisions, jobs and outbox of a database that is there are kept, and so is
/// what each series has come to. One that cannot be read is put aside.
pub async fn reindex(folder: &Path) -> Result<Reindexed, StoreError> {
    if !segment::folder(folder).is_dir() {
        return Err(StoreError::NoStore(folder.to_owned()));
    }
    let locked = folder.to_owned();
    let _lock = blocking(move || take_folder(&locked)).await?;
    recovery::remove_leftovers(folder)?;
    let ((pool, found), set_aside) = match begin(folder).await {
        Ok(begun) => (begun, None),
        Err(StoreError::Index(error)) if !is_busy(&error) => {
            let aside = put_aside(folder)?;
            (begin(folder).await?, Some(aside))
        }
        Err(error) => return Err(error),
    };
    let mut recovered = recovery::replay(folder, &pool, true).await?;
    restore(&pool).await?;
    // What lies behind the last indexed byte was found twice.
    let mut problems = found;
    problems.retain(|found| !recovered.problems.contains(found));
    problems.append(&mut recovered.problems);
    let series: i64 = sqlx::query_scalar("SELECT count(*) FROM series").fetch_one(&pool).await?;
    pool.close().await;
    Ok(Reindexed {
        segments: recovered.segments,
        records: recovered.records,
        instances: recovered.added,
        series: series.unsigned_abs(),
        problems,
        set_aside,
    })
}

/// Opens the index and empties what the segments can tell again. With the damage that was found.
async fn begin(folder: &Path) -> Result<(SqlitePool, Vec<String>), StoreError> {
    let pool = index::open_to_write(folder).await?;
    match follow_and_empty(folder, &pool).await {
        Ok(found) => Ok((pool, found)),
        Err(error) => {
            pool.close().await;
            Err(error)
        }
    }
}

/// What the index does not have yet is replayed first, as at a start: a record that replaces
/// another opens its series, and nobody could tell that from an index that is built anew.
async fn follow_and_empty(folder: &Path, pool: &SqlitePool) -> Result<Vec<String>, StoreError> {
    let sound: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await?;
    if sound != "ok" {
        return Err(sqlx::Error::Protocol("the index file is corrupt".into()).into());
    }
    // Once the index is empty nobody knows that they were evicted.
    evict::remove_evicted(folder, pool).await?;
    let found = match rebuilding(pool).await? {
        None => recovery::replay(folder, pool, false).await?.problems,
        Some(_) => Vec::new(),
    };
    empty(pool).await?;
    Ok(found)
}

/// Why the index does not hold all that the segments did when it was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// There was none: what was decided is forgotten.
    Lost,
    Asked,
}

/// Nothing unless it is being built anew, or this was broken off.
pub(crate) async fn rebuilding(pool: &SqlitePool) -> Result<Option<Why>, StoreError> {
    let why: Option<String> =
        sqlx::query_scalar("SELECT why FROM rebuilding").fetch_optional(pool).await?;
    Ok(why.map(|why| if why == "lost" { Why::Lost } else { Why::Asked }))
}

async fn empty(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for step in [
        "INSERT INTO rebuilding SELECT 'asked' WHERE NOT EXISTS (SELECT 1 FROM rebuilding)",
        "INSERT INTO reindexing (uid, instances, state, revision, study, decided_at)
         SELECT uid, instances, state, revision, study, decided_at FROM series WHERE true
         ON CONFLICT DO NOTHING",
        "INSERT INTO reindexing_studies (uid, state, revision)
         SELECT uid, state, revision FROM studies WHERE true ON CONFLICT DO NOTHING",
        "DELETE FROM instances",
        "DELETE FROM bases",
        "DELETE FROM versions",
        "DELETE FROM series",
        "DELETE FROM studies",
        "DELETE FROM segments",
        "DELETE FROM other_studies",
    ] {
        sqlx::query(step).execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

/// Gives series and studies back what they had come to before the rebuild. A series that has grown
/// meanwhile receives again, as after a late image, and so does one of whose study nothing is left. At a start
/// it ends a rebuild that was broken off, and without one it changes nothing.
pub(crate) async fn restore(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for step in [
        // Records that were carried forward lie behind those of the other study.
        "UPDATE series SET study = before.study FROM reindexing AS before
         WHERE before.uid = series.uid AND before.study <> series.study AND EXISTS
             (SELECT 1 FROM instances
              WHERE instances.series = before.uid AND instances.study = before.study)",
        "INSERT INTO other_studies SELECT DISTINCT instances.series, instances.study
         FROM other_studies JOIN series ON series.uid = other_studies.series
             JOIN instances ON instances.series = series.uid
         WHERE instances.study <> series.study ON CONFLICT DO NOTHING",
        "DELETE FROM other_studies WHERE EXISTS (SELECT 1 FROM series
             WHERE series.uid = other_studies.series AND series.study = other_studies.study)",
        "UPDATE series SET (instances, first_arrival, last_arrival) =
             (SELECT count(*), min(arrival), max(arrival) FROM instances
              WHERE instances.series = series.uid AND instances.study = series.study)
         WHERE uid IN (SELECT series FROM other_studies)",
        "UPDATE series SET
             revision = before.revision + ((series.instances > before.instances
                 OR series.study <> ifnull(before.study, series.study))
                 AND before.state IN ('complete', 'decided')),
             state = CASE WHEN (series.instances > before.instances
                     OR series.study <> ifnull(before.study, series.study))
                 AND series.state <> 'made'
                 THEN 'receiving' ELSE before.state END,
             decided_at = before.decided_at
         FROM reindexing AS before WHERE before.uid = series.uid",
        "UPDATE studies SET state = before.state, revision = before.revision
         FROM reindexing_studies AS before WHERE before.uid = studies.uid",
        "UPDATE studies SET state = 'decided' WHERE state = 'waiting'
             AND NOT EXISTS (SELECT 1 FROM series WHERE series.study = studies.uid
                             AND series.state <> 'made')",
        "DELETE FROM reindexing",
        "DELETE FROM reindexing_studies",
        "DELETE FROM rebuilding",
    ] {
        sqlx::query(step).execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

/// SQLITE_BUSY: somebody else writes the index right now, so that it is not broken.
fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "5")
}

fn put_aside(folder: &Path) -> Result<PathBuf, StoreError> {
    let path = index::path(folder);
    let aside = folder.join(format!("index.db.damaged-{}", Moment::now().0));
    fs::rename(&path, &aside).map_err(StoreError::file(&path))?;
    for side in ["index.db-wal", "index.db-shm"] {
        let side = folder.join(side);
        if side.is_file() {
            fs::remove_file(&side).map_err(StoreError::file(&side))?;
        }
    }
    Ok(aside)
}
