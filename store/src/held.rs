//! Which instances of a segment are still needed, and what for: what is not decided, not run or not delivered.

use crate::error::StoreError;
use crate::rows;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use std::fmt;

/// Why an instance may not be evicted; of several the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Its series is not decided.
    Decision,
    /// A job of its series is queued or runs; for a result, one of its study.
    Job,
    /// The job of the latest revision of its series failed: the admin must act.
    FailedJob,
    Delivery,
    /// Its delivery failed for good: the admin must act.
    ParkedDelivery,
}

/// The instances that one need holds; of deliveries those to one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    pub need: Need,
    pub instances: u64,
    /// Of the first of them.
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
        }
        write!(f, " (series {series})")
    }
}

/// A record that is still needed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) sop_instance: Uid,
    series: Uid,
    pub(crate) offset: u64,
    /// Of the Part 10 file.
    pub(crate) bytes: u64,
    need: Need,
    peer: Option<String>,
}

/// In the order of their records. Earlier versions are needed as long as their instance is.
pub(crate) async fn held(
    executor: impl SqliteExecutor<'_>,
    segment: u32,
) -> Result<Vec<Held>, StoreError> {
    let found = sqlx::query(
        "WITH here AS (
             SELECT sop_instance, series, study, origin, offset, bytes
             FROM instances WHERE segment = $1
             UNION ALL
             SELECT versions.sop_instance, newest.series, newest.study, newest.origin,
                 versions.offset, versions.bytes
             FROM versions JOIN instances AS newest USING (sop_instance)
             WHERE versions.segment = $1
         ), needed AS (
             SELECT here.*, CASE
                 WHEN series.state IN ('receiving', 'complete') THEN 'undecided'
                 WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.series = here.series
                              AND jobs.state IN ('queued', 'running')) THEN 'job'
                 WHEN origin = 'made' AND EXISTS
                     (SELECT 1 FROM jobs WHERE jobs.study = here.study
                      AND jobs.state IN ('queued', 'running')) THEN 'job'
                 WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.series = here.series
                              AND jobs.state = 'failed'
                              AND jobs.revision = series.revision) THEN 'failed'
                 WHEN EXISTS (SELECT 1 FROM outbox WHERE outbox.sop_instance = here.sop_instance
                              AND outbox.state = 'queued') THEN 'queued'
                 WHEN EXISTS (SELECT 1 FROM outbox WHERE outbox.sop_instance = here.sop_instance
                              AND outbox.state = 'parked') THEN 'parked'
             END AS need
             FROM here JOIN series ON series.uid = here.series
         )
         SELECT sop_instance, series, offset, bytes, need,
             (SELECT peer FROM outbox WHERE outbox.sop_instance = needed.sop_instance
              AND outbox.state = need ORDER BY id LIMIT 1) AS peer
         FROM needed WHERE need IS NOT NULL ORDER BY offset",
    )
    .bind(segment)
    .fetch_all(executor)
    .await?;
    found.iter().map(held_row).collect()
}

/// By need and peer, in the order of the needs.
pub(crate) fn holdings(held: &[Held]) -> Vec<Holding> {
    let mut holdings: Vec<Holding> = Vec::new();
    for Held { need, series, peer, .. } in held {
        match holdings.iter_mut().find(|one| one.need == *need && one.peer == *peer) {
            Some(holding) => holding.instances += 1,
            None => holdings.push(Holding {
                need: *need,
                instances: 1,
                series: series.clone(),
                peer: peer.clone(),
            }),
        }
    }
    holdings.sort_by_key(|holding| holding.need);
    holdings
}

fn held_row(row: &SqliteRow) -> Result<Held, StoreError> {
    Ok(Held {
        sop_instance: rows::uid(row, "sop_instance")?,
        series: rows::uid(row, "series")?,
        offset: rows::count(row, "offset")?,
        bytes: rows::count(row, "bytes")?,
        need: match rows::column(row, "need")? {
            "undecided" => Need::Decision,
            "job" => Need::Job,
            "failed" => Need::FailedJob,
            "queued" => Need::Delivery,
            "parked" => Need::ParkedDelivery,
            _ => return Err(StoreError::Unreadable("need")),
        },
        peer: rows::column(row, "peer")?,
    })
}
