//! Which instances of a segment are still needed, and what for: what is not decided, not run or not delivered.

use crate::error::StoreError;
use crate::rows;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use std::fmt;

/// Why an instance may not be evicted; of several the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Its series or its study is not decided, or the series is one of another study, so that it
    /// never will be.
    Decision,
    /// A job on its series or its study is queued or runs; for a result, any of its study. A shadow
    /// holds nothing: without its images it ends.
    Job,
    /// A job that the latest revision of its series or study asked for failed: the admin must act.
    /// One that failed when an image of it was evicted already keeps nothing.
    FailedJob,
    Delivery,
    /// Its delivery failed for good: the admin must act.
    ParkedDelivery,
    /// A peer took it and has not promised to keep it.
    Proof,
}

/// The instances that one need holds; of deliveries those to one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    pub need: Need,
    pub instances: u64,
    /// Of the largest of them.
    pub series: Uid,
    pub peer: Option<String>,
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { need, instances, series, peer } = self;
        let peer = peer.as_deref().unwrap_or("a peer");
        write!(f, "{instances} ")?;
        match need {
            Need::Decision => write!(f, "not decided")?,
            Need::Job => write!(f, "with a job that has not ended")?,
            Need::FailedJob => write!(f, "whose job failed, an admin must act")?,
            Need::Delivery => write!(f, "to deliver to {peer}")?,
            Need::ParkedDelivery => write!(f, "parked on their way to {peer}, an admin must act")?,
            Need::Proof => write!(f, "that {peer} took and has not shown to keep")?,
        }
        write!(f, " (series {series})")
    }
}

/// A record that is still needed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) sop_instance: Uid,
    pub(crate) offset: u64,
}

/// What is still needed of a segment, in memory that does not grow with it.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// By need and peer, in the order of the needs.
    pub(crate) holdings: Vec<Holding>,
    /// Of the Part 10 files.
    pub(crate) bytes: u64,
    pub(crate) largest: Option<(u64, Uid)>,
}

/// Asks of every record of the segment with its need, if there is one. Earlier versions are needed as
/// long as their instance is, and a result and its alternates as long as one of them is to be delivered.
macro_rules! of_needed {
    ($asked:literal) => {
        concat!(
            "WITH lying AS (
             SELECT sop_instance, series, study, origin, offset, bytes
             FROM instances WHERE segment = $1
             UNION ALL
             SELECT versions.sop_instance, newest.series, newest.study, newest.origin,
                 versions.offset, versions.bytes
             FROM versions JOIN instances AS newest USING (sop_instance)
             WHERE versions.segment = $1
         ), here AS (
             SELECT lying.*, ifnull(alternates.instead_of, sop_instance) AS result
             FROM lying LEFT JOIN alternates ON alternates.alternate = sop_instance
         ), needed AS (
             SELECT here.*, CASE
                 WHEN series.state IN ('receiving', 'complete')
                     OR here.study <> series.study THEN 'undecided'
                 WHEN origin = 'received' AND EXISTS
                     (SELECT 1 FROM studies WHERE studies.uid = here.study
                      AND studies.state = 'waiting') THEN 'undecided'
                 WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.series = here.series
                              AND jobs.state IN ('queued', 'running')
                              AND jobs.role <> 'shadow') THEN 'job'
                 WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.study = here.study
                              AND (origin = 'made' OR jobs.level = 'study')
                              AND jobs.state IN ('queued', 'running')
                              AND jobs.role <> 'shadow') THEN 'job'
                 WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.series = here.series
                              AND jobs.state = 'failed' AND NOT jobs.images_gone
                              AND jobs.role <> 'shadow'
                              AND jobs.last_asked = series.revision) THEN 'failed'
                 WHEN origin = 'received' AND EXISTS
                     (SELECT 1 FROM jobs JOIN studies ON studies.uid = jobs.study
                      WHERE jobs.study = here.study AND jobs.level = 'study'
                      AND jobs.state = 'failed' AND NOT jobs.images_gone
                              AND jobs.role <> 'shadow'
                      AND jobs.last_asked = studies.revision) THEN 'failed'
                 WHEN EXISTS (SELECT 1 FROM outbox WHERE state = 'queued'
                              AND (sop_instance IN (here.sop_instance, here.result)
                                   OR instead_of = here.result))
                     THEN 'queued'
                 WHEN EXISTS (SELECT 1 FROM outbox WHERE state = 'parked'
                              AND (sop_instance IN (here.sop_instance, here.result)
                                   OR instead_of = here.result))
                     THEN 'parked'
                 WHEN EXISTS (SELECT 1 FROM proofs WHERE proofs.sop_instance = here.sop_instance
                              AND proofs.state <> 'proven'
                              AND proofs.state <> 'lost') THEN 'unproven'
             END AS need
             FROM here JOIN series ON series.uid = here.series
         )",
            $asked
        )
    };
}

/// Summed up by need and peer.
pub(crate) async fn needed(
    executor: impl SqliteExecutor<'_>,
    segment: u32,
) -> Result<Needed, StoreError> {
    // Beside max() a plain column is of the row that has the greatest (sqlite.org/lang_select.html).
    let query = of_needed!(
        " SELECT need, count(*) AS instances, sum(bytes) AS bytes, max(bytes) AS largest,
             sop_instance, series,
             ifnull((SELECT peer FROM outbox WHERE outbox.state = need
                     AND (outbox.sop_instance IN (needed.sop_instance, result)
                          OR instead_of = result) ORDER BY id LIMIT 1),
                 (SELECT peer FROM proofs WHERE need = 'unproven' AND state <> 'proven'
                  AND state <> 'lost'
                  AND proofs.sop_instance = needed.sop_instance ORDER BY peer LIMIT 1)) AS peer
         FROM needed WHERE need IS NOT NULL GROUP BY need, peer"
    );
    let found = sqlx::query(query).bind(segment).fetch_all(executor).await?;
    let mut needed = Needed::default();
    for row in &found {
        needed.holdings.push(Holding {
            need: need(row)?,
            instances: rows::count(row, "instances")?,
            series: rows::uid(row, "series")?,
            peer: rows::column(row, "peer")?,
        });
        needed.bytes = needed.bytes.saturating_add(rows::count(row, "bytes")?);
        let largest = (rows::count(row, "largest")?, rows::uid(row, "sop_instance")?);
        if needed.largest.as_ref().is_none_or(|(bytes, _)| *bytes < largest.0) {
            needed.largest = Some(largest);
        }
    }
    needed.holdings.sort_by_key(|holding| holding.need);
    Ok(needed)
}

pub(crate) async fn is_needed(
    executor: impl SqliteExecutor<'_>,
    segment: u32,
) -> Result<bool, StoreError> {
    let query = of_needed!(" SELECT EXISTS (SELECT 1 FROM needed WHERE need IS NOT NULL)");
    Ok(sqlx::query_scalar(query).bind(segment).fetch_one(executor).await?)
}

/// In the order of their records: only of what is about to be written anew.
pub(crate) async fn held(
    executor: impl SqliteExecutor<'_>,
    segment: u32,
) -> Result<Vec<Held>, StoreError> {
    let query = of_needed!(
        " SELECT sop_instance, offset FROM needed WHERE need IS NOT NULL ORDER BY offset"
    );
    let found = sqlx::query(query).bind(segment).fetch_all(executor).await?;
    let held = |row: &SqliteRow| {
        let (sop_instance, offset) = (rows::uid(row, "sop_instance")?, rows::count(row, "offset")?);
        Ok(Held { sop_instance, offset })
    };
    found.iter().map(held).collect()
}

fn need(row: &SqliteRow) -> Result<Need, StoreError> {
    Ok(match rows::column(row, "need")? {
        "undecided" => Need::Decision,
        "job" => Need::Job,
        "failed" => Need::FailedJob,
        "queued" => Need::Delivery,
        "parked" => Need::ParkedDelivery,
        "unproven" => Need::Proof,
        _ => return Err(StoreError::Unreadable("need")),
    })
}
