//! What the index keeps of how a peer sends: the gaps within its latest series, and whether the numbers in its headers come true.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::time::Duration;

/// The latest series of a peer whose gaps are remembered.
const GAPS_OF_A_PEER: i64 = 64;
/// Of all peers together: a laboratory that takes every calling AE title stays bounded.
const GAPS_OF_ALL: i64 = 20_000;
/// A number that failed is believed again when it has come true in so many series.
const CREDIT_AFTER_A_FAILURE: i64 = -5;

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
}

impl Store {
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

pub(crate) async fn add_gap(
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

pub(crate) async fn add_named(
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

fn span(row: &SqliteRow, name: &'static str) -> Result<Option<Duration>, StoreError> {
    let micros: Option<i64> = rows::column(row, name)?;
    Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
}
