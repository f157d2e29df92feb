//! Builds the index anew from the segments alone.

use crate::error::StoreError;
use crate::index;
use crate::reader::blocking;
use crate::recovery;
use crate::rows;
use crate::segment;
use crate::store::take_folder;
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

/// Needs no database file, and no node that runs. Decisions, jobs and outbox of a database that is
/// there are kept, and so is what each series has come to. One that cannot be read is put aside.
pub async fn reindex(folder: &Path) -> Result<Reindexed, StoreError> {
    if !segment::folder(folder).is_dir() {
        return Err(StoreError::NoStore(folder.to_owned()));
    }
    let locked = folder.to_owned();
    let _lock = blocking(move || take_folder(&locked)).await?;
    recovery::remove_leftovers(folder)?;
    let (pool, before, set_aside) = match begin(folder).await {
        Ok((pool, before)) => (pool, before, None),
        Err(StoreError::Index(error)) if !is_busy(&error) => {
            let aside = put_aside(folder)?;
            let (pool, before) = begin(folder).await?;
            (pool, before, Some(aside))
        }
        Err(error) => return Err(error),
    };
    let recovered = recovery::replay(folder, &pool).await?;
    let series = restore(&pool, &before).await?;
    pool.close().await;
    Ok(Reindexed {
        segments: recovered.segments,
        records: recovered.records,
        instances: recovered.added,
        series,
        problems: recovered.problems,
        set_aside,
    })
}

/// What a series had come to when it held so many instances.
struct Before {
    uid: String,
    instances: i64,
    state: String,
    revision: i64,
}

/// Opens the index and empties what the segments can tell again.
async fn begin(folder: &Path) -> Result<(SqlitePool, Vec<Before>), StoreError> {
    let pool = index::open_to_write(folder).await?;
    let before = match empty(&pool).await {
        Ok(before) => before,
        Err(error) => {
            pool.close().await;
            return Err(error);
        }
    };
    Ok((pool, before))
}

async fn empty(pool: &SqlitePool) -> Result<Vec<Before>, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let sound: String =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *transaction).await?;
    if sound != "ok" {
        return Err(sqlx::Error::Protocol("the index file is corrupt".into()).into());
    }
    let found = sqlx::query("SELECT uid, instances, state, revision FROM series")
        .fetch_all(&mut *transaction)
        .await?;
    for clear in [
        "DELETE FROM instances",
        "DELETE FROM series",
        "DELETE FROM studies",
        "DELETE FROM segments",
    ] {
        sqlx::query(clear).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    let before = |row| {
        Ok(Before {
            uid: rows::column(row, "uid")?,
            instances: rows::column(row, "instances")?,
            state: rows::column(row, "state")?,
            revision: rows::column(row, "revision")?,
        })
    };
    found.iter().map(before).collect()
}

/// Gives the series back what they had come to. One that has grown meanwhile receives again, as
/// after a late image. One that was unknown but was decided once, keeps its revision.
async fn restore(pool: &SqlitePool, before: &[Before]) -> Result<u64, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "UPDATE series SET state = 'decided',
             revision = (SELECT max(revision) FROM decisions WHERE series = uid)
         WHERE state = 'receiving' AND EXISTS (SELECT 1 FROM decisions WHERE series = uid)",
    )
    .execute(&mut *transaction)
    .await?;
    for series in before {
        sqlx::query(
            "UPDATE series SET
                 revision = $3 + (instances > $4 AND $2 IN ('complete', 'decided')),
                 state = CASE WHEN instances > $4 AND state <> 'made' THEN 'receiving' ELSE $2 END
             WHERE uid = $1",
        )
        .bind(&series.uid)
        .bind(&series.state)
        .bind(series.revision)
        .bind(series.instances)
        .execute(&mut *transaction)
        .await?;
    }
    let series: i64 =
        sqlx::query_scalar("SELECT count(*) FROM series").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(series.unsigned_abs())
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
