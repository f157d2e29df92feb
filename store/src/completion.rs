//! What the index keeps of completion: why a series was complete, and what it waits for.

use crate::error::StoreError;
use crate::index;
use crate::pace::{Gap, add_gap, add_named};
use crate::reader::Reader;
use crate::rows;
use crate::series::{SeriesRow, series_row};
use crate::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Tag};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::{BTreeMap, BTreeSet};

pub use crate::changed::Changed;

/// Why a revision of a series is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCompletion {
    pub series: Uid,
    pub revision: u32,
    /// With what stands here the series is complete; when something came meanwhile it is not.
    pub instances: u32,
    pub last_arrival: Moment,
    pub peer: AeTitle,
    pub at: Moment,
    pub reason: String,
    pub released_at: Option<Moment>,
    pub broken_off: bool,
    pub gap: Option<Gap>,
    /// Numbers of images that the headers named, and whether they came true.
    pub named: Vec<(&'static str, bool)>,
}

/// What a series waits for, when that is more than its quiet time.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWait {
    pub series: Uid,
    pub revision: u32,
    pub instances: u32,
    pub last_arrival: Moment,
    pub due: Moment,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRow {
    pub revision: u32,
    pub instances: u32,
    pub last_arrival: Moment,
    /// Nothing while it waits.
    pub at: Option<Moment>,
    pub due: Moment,
    pub reason: String,
    pub released_at: Option<Moment>,
    pub broken_off: bool,
}

impl Reader {
    /// Those of the series that are there, whatever their state.
    pub async fn series_among(&self, uids: &BTreeSet<Uid>) -> Result<Vec<SeriesRow>, StoreError> {
        let found = sqlx::query(
            "SELECT series.* FROM json_each($1) AS asked
             JOIN series ON series.uid = asked.value",
        )
        .bind(rows::to_json(uids)?)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(series_row).collect()
    }

    /// Every revision, the first one first.
    pub async fn completions(&self, series: &Uid) -> Result<Vec<CompletionRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM completions WHERE series = $1 ORDER BY revision")
            .bind(series.as_str())
            .fetch_all(&self.pool)
            .await?;
        found.iter().map(completion_row).collect()
    }

    /// Of the received image of the series that arrived last, only these attributes.
    pub async fn newest_header(
        &self,
        series: &Uid,
        tags: &[Tag],
    ) -> Result<Option<Header>, StoreError> {
        let found = sqlx::query(
            "SELECT instances.rowid AS row, (SELECT json_group_object(tag.value,
                     json(ifnull(instances.header -> ('$.\"' || tag.value || '\"'),
                         bases.header -> ('$.\"' || tag.value || '\"'))))
                  FROM json_each($2) AS tag) AS attributes
             FROM instances LEFT JOIN bases ON bases.id = instances.base
             WHERE instances.series = $1 AND origin = 'received'
                 AND study = (SELECT study FROM series WHERE uid = $1)
             ORDER BY arrival DESC LIMIT 1",
        )
        .bind(series.as_str())
        .bind(names(tags)?)
        .fetch_optional(&self.pool)
        .await?;
        found.as_ref().map(|row| header(row).map(|(_, header)| header)).transpose()
    }

    /// Of the received images of the series whose rows came behind `row`, only these attributes,
    /// with the rows in their order.
    pub async fn headers_behind(
        &self,
        series: &Uid,
        row: i64,
        tags: &[Tag],
    ) -> Result<Vec<(i64, Header)>, StoreError> {
        let found = sqlx::query(
            "SELECT instances.rowid AS row, (SELECT json_group_object(tag.value,
                     json(ifnull(instances.header -> ('$.\"' || tag.value || '\"'),
                         bases.header -> ('$.\"' || tag.value || '\"'))))
                  FROM json_each($3) AS tag) AS attributes
             FROM instances INDEXED BY instances_by_series
                 LEFT JOIN bases ON bases.id = instances.base
             WHERE instances.series = $1 AND instances.rowid > $2 AND origin = 'received'
                 AND study = (SELECT study FROM series WHERE uid = $1)
             ORDER BY instances.rowid",
        )
        .bind(series.as_str())
        .bind(row)
        .bind(names(tags)?)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(header).collect()
    }
}

impl Store {
    /// What may have changed since this was asked last; everything at first. For one listener.
    pub fn take_changed(&self) -> Changed {
        self.shared.progress.changed.take()
    }

    /// Completes those of the series that got nothing meanwhile, in one transaction, and keeps why
    /// and what was learned; says which. What was kept before this call is in the index first, so
    /// that it cannot come late.
    ///
    /// It is not synced by itself: what is decided of the series is, and syncs it. A series that a
    /// power cut takes it from receives still at the next start, and is complete anew.
    pub async fn complete(&self, new: &[NewCompletion]) -> Result<Vec<bool>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        self.settled().await;
        let done = index::unsynced(&self.shared.write, async |connection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let mut done = Vec::with_capacity(new.len());
            for one in new {
                done.push(complete(&mut transaction, one).await?);
            }
            transaction.commit().await?;
            Ok::<_, StoreError>(done)
        });
        let done = done.await?;
        if done.contains(&true) {
            self.shared.progress.ring();
        }
        Ok(done)
    }

    /// Keeps what a series waits for, for the admin to see. One that has gone on is left alone.
    pub async fn keep_waits(&self, waits: &[NewWait]) -> Result<(), StoreError> {
        if waits.is_empty() {
            return Ok(());
        }
        index::unsynced(&self.shared.write, async |connection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            for wait in waits {
                sqlx::query(
                "INSERT INTO completions (series, revision, instances, last_arrival, due, reason,
                     broken_off)
                 VALUES ($1, $2, $3, $4, $5, $6, false)
                 ON CONFLICT (series, revision) DO UPDATE SET
                     instances = excluded.instances, last_arrival = excluded.last_arrival,
                     due = excluded.due, reason = excluded.reason
                 WHERE completions.at IS NULL",
            )
            .bind(wait.series.as_str())
            .bind(wait.revision)
            .bind(wait.instances)
            .bind(wait.last_arrival.0)
            .bind(wait.due.0)
            .bind(&wait.reason)
            .execute(&mut *transaction)
            .await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }
}

async fn complete(
    connection: &mut SqliteConnection,
    new: &NewCompletion,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE series SET state = 'complete' WHERE uid = $1 AND revision = $2
             AND instances = $3 AND last_arrival = $4 AND state = 'receiving'",
    )
    .bind(new.series.as_str())
    .bind(new.revision)
    .bind(new.instances)
    .bind(new.last_arrival.0)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO completions (series, revision, instances, last_arrival, at, due, reason,
             released_at, broken_off)
         VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8)
         ON CONFLICT (series, revision) DO UPDATE SET
             instances = excluded.instances, last_arrival = excluded.last_arrival,
             at = excluded.at, due = excluded.due, reason = excluded.reason,
             released_at = excluded.released_at, broken_off = excluded.broken_off",
    )
    .bind(new.series.as_str())
    .bind(new.revision)
    .bind(new.instances)
    .bind(new.last_arrival.0)
    .bind(new.at.0)
    .bind(&new.reason)
    .bind(new.released_at.map(|at| at.0))
    .bind(new.broken_off)
    .execute(&mut *connection)
    .await?;
    if let Some(gap) = new.gap {
        add_gap(connection, &new.peer, &new.series, new.revision, gap).await?;
    }
    for (attribute, came_true) in &new.named {
        add_named(connection, &new.peer, attribute, *came_true).await?;
    }
    Ok(true)
}

/// Tags as the index writes them, in JSON.
fn names(tags: &[Tag]) -> Result<String, StoreError> {
    let names: Vec<String> = tags.iter().map(|tag| format!("{tag:08X}")).collect();
    rows::to_json(&names)
}

fn header(row: &SqliteRow) -> Result<(i64, Header), StoreError> {
    let attributes: BTreeMap<String, Option<Attribute>> = rows::json(row, "attributes")?;
    let tag = |(name, attribute): (String, Option<Attribute>)| {
        Some((Tag::from_str_radix(&name, 16).ok()?, attribute?))
    };
    let header = Header(attributes.into_iter().filter_map(tag).collect());
    Ok((rows::column(row, "row")?, header))
}

fn completion_row(row: &SqliteRow) -> Result<CompletionRow, StoreError> {
    Ok(CompletionRow {
        revision: rows::small(row, "revision")?,
        instances: rows::small(row, "instances")?,
        last_arrival: rows::moment(row, "last_arrival")?,
        at: rows::maybe_moment(row, "at")?,
        due: rows::moment(row, "due")?,
        reason: rows::column(row, "reason")?,
        released_at: rows::maybe_moment(row, "released_at")?,
        broken_off: rows::column(row, "broken_off")?,
    })
}
