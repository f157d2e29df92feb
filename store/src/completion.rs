//! What the index keeps of completion: why a series was complete, what it waits for, and what its peer taught about gaps and counts.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::series::{SeriesRow, series_row};
use crate::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Tag};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use crate::changed::Changed;

/// The latest series of a peer whose gaps are remembered.
const GAPS_OF_A_PEER: i64 = 64;
/// Of all peers together: a laboratory that takes every calling AE title stays bounded.
const GAPS_OF_ALL: i64 = 20_000;
/// A number that failed is believed again when it has come true in so many series.
const CREDIT_AFTER_A_FAILURE: i64 = -5;

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

/// The longest gaps within one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// Somebody thought that the series was complete when this gap ended.
    pub late: bool,
    /// From one image to the next.
    pub images: Option<Duration>,
    /// From the release of one association to the next image on another.
    pub associations: Option<Duration>,
}

/// How the numbers of one attribute came out for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCount {
    pub attribute: String,
    pub came_true: u64,
    pub failed: u64,
    pub believed: bool,
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

    /// Of the peer's latest series.
    pub async fn gaps(&self, peer: &AeTitle) -> Result<Vec<Gap>, StoreError> {
        let found =
            sqlx::query("SELECT late, images, associations FROM gaps WHERE peer = $1 ORDER BY id")
                .bind(peer.as_str())
                .fetch_all(&self.pool)
                .await?;
        let gap = |row| {
            Ok(Gap {
                late: rows::column(row, "late")?,
                images: span(row, "images")?,
                associations: span(row, "associations")?,
            })
        };
        found.iter().map(gap).collect()
    }

    pub async fn named_counts(&self, peer: &AeTitle) -> Result<Vec<NamedCount>, StoreError> {
        let found = sqlx::query("SELECT * FROM named_counts WHERE peer = $1 ORDER BY attribute")
            .bind(peer.as_str())
            .fetch_all(&self.pool)
            .await?;
        let count = |row| {
            Ok(NamedCount {
                attribute: rows::column(row, "attribute")?,
                came_true: rows::count(row, "came_true")?,
                failed: rows::count(row, "failed")?,
                believed: rows::column::<i64>(row, "credit")? >= 0,
            })
        };
        found.iter().map(count).collect()
    }

    /// Peers that taught something, by name.
    pub async fn peers_with_a_pace(&self) -> Result<Vec<AeTitle>, StoreError> {
        let found =
            sqlx::query("SELECT peer FROM gaps UNION SELECT peer FROM named_counts ORDER BY peer")
                .fetch_all(&self.pool)
                .await?;
        found.iter().map(|row| rows::title(row, "peer")).collect()
    }

    /// The longest gap up to `longest` between one received image and the next, from the image that
    /// arrived at `since` on. Answered from an index alone.
    pub async fn longest_gap(
        &self,
        series: &Uid,
        since: Moment,
        longest: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        let micros: Option<i64> = sqlx::query_scalar(
            "SELECT max(gap) FROM
                 (SELECT arrival - lag(arrival) OVER (ORDER BY arrival) AS gap
                  FROM instances WHERE series = $1 AND arrival >= $2)
             WHERE gap <= $3",
        )
        .bind(series.as_str())
        .bind(since.0)
        .bind(longest.as_micros().min(i64::MAX as u128) as i64)
        .fetch_one(&self.pool)
        .await?;
        Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
    }

    /// The first arrival in the series behind a moment.
    pub async fn first_arrival_behind(
        &self,
        series: &Uid,
        behind: Moment,
    ) -> Result<Option<Moment>, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT min(arrival) FROM instances WHERE series = $1 AND arrival > $2",
        )
        .bind(series.as_str())
        .bind(behind.0)
        .fetch_one(&self.pool)
        .await?;
        Ok(found.map(Moment))
    }

    /// Of the received image of the series that arrived last, only these attributes.
    pub async fn newest_header(
        &self,
        series: &Uid,
        tags: &[Tag],
    ) -> Result<Option<Header>, StoreError> {
        let found = sqlx::query(
            "SELECT rowid AS row,
                 (SELECT json_group_object(tag.value, header -> ('$.\"' || tag.value || '\"'))
                  FROM json_each($2) AS tag) AS attributes
             FROM instances WHERE series = $1 AND origin = 'received'
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
            "SELECT rowid AS row,
                 (SELECT json_group_object(tag.value, header -> ('$.\"' || tag.value || '\"'))
                  FROM json_each($3) AS tag) AS attributes
             FROM instances INDEXED BY instances_by_series
             WHERE series = $1 AND rowid > $2 AND origin = 'received'
             ORDER BY rowid",
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
    pub async fn complete(&self, new: &[NewCompletion]) -> Result<Vec<bool>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        self.settled().await;
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let mut done = Vec::with_capacity(new.len());
        for one in new {
            done.push(complete(&mut transaction, one).await?);
        }
        transaction.commit().await?;
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
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
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
    }

    /// Remembers a gap of a series; the same one given twice is remembered once.
    pub async fn learn(
        &self,
        peer: &AeTitle,
        series: &Uid,
        revision: u32,
        gap: Gap,
    ) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        add_gap(&mut transaction, peer, series, revision, gap).await?;
        Ok(transaction.commit().await?)
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

async fn add_gap(
    connection: &mut SqliteConnection,
    peer: &AeTitle,
    series: &Uid,
    revision: u32,
    gap: Gap,
) -> Result<(), StoreError> {
    let micros =
        |gap: Option<Duration>| gap.map(|gap| gap.as_micros().min(i64::MAX as u128) as i64);
    let added = sqlx::query(
        "INSERT INTO gaps (peer, series, revision, late, images, associations)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(peer.as_str())
    .bind(series.as_str())
    .bind(revision)
    .bind(gap.late)
    .bind(micros(gap.images))
    .bind(micros(gap.associations))
    .execute(&mut *connection)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM gaps WHERE id <= $2 OR peer = $1 AND id <=
             (SELECT id FROM gaps WHERE peer = $1 ORDER BY id DESC LIMIT 1 OFFSET $3)",
    )
    .bind(peer.as_str())
    .bind(added.last_insert_rowid() - GAPS_OF_ALL)
    .bind(GAPS_OF_A_PEER)
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_named(
    connection: &mut SqliteConnection,
    peer: &AeTitle,
    attribute: &str,
    came_true: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO named_counts (peer, attribute, came_true, failed, credit)
         VALUES ($1, $2, $3, NOT $3, CASE WHEN $3 THEN 0 ELSE $4 END)
         ON CONFLICT (peer, attribute) DO UPDATE SET
             came_true = named_counts.came_true + excluded.came_true,
             failed = named_counts.failed + excluded.failed,
             credit = CASE WHEN $3 THEN min(named_counts.credit + 1, 0) ELSE $4 END",
    )
    .bind(peer.as_str())
    .bind(attribute)
    .bind(came_true)
    .bind(CREDIT_AFTER_A_FAILURE)
    .execute(connection)
    .await?;
    Ok(())
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

fn span(row: &SqliteRow, name: &'static str) -> Result<Option<Duration>, StoreError> {
    let micros: Option<i64> = rows::column(row, name)?;
    Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
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
