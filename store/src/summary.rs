//! What is where, in numbers.

use crate::error::StoreError;
use crate::events::EventRow;
use crate::export::Selector;
use crate::outbox::peers::PeerState;
use crate::reader::{Reader, blocking};
use crate::rows;
use crate::segment;
use gantry_terms::moment::Moment;
use std::fs;
use std::path::Path;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    pub series: SeriesCounts,
    /// Studies that wait for a decision on the whole of them.
    pub studies_waiting: u64,
    pub jobs: Vec<ModelCounts>,
    pub outbox: Vec<PeerCounts>,
    /// Of peers that were ever away or paused.
    pub peers: Vec<PeerState>,
    pub instances: u64,
    /// Instances that retention took away; not among the others.
    pub evicted: u64,
    pub segments: u64,
    /// Of all segments on disk.
    pub bytes: u64,
    /// The last ten, newest first.
    pub events: Vec<EventRow>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesCounts {
    pub receiving: u64,
    pub complete: u64,
    pub decided: u64,
    pub made: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelCounts {
    pub model: String,
    pub queued: u64,
    pub running: u64,
    pub finished: u64,
    pub failed: u64,
    pub superseded: u64,
    /// Of the job that failed last.
    pub last_reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerCounts {
    pub peer: String,
    pub queued: u64,
    pub delivered: u64,
    pub parked: u64,
    pub dropped: u64,
    /// Of the delivery that failed last.
    pub last_reason: Option<String>,
    pub next_try: Option<Moment>,
}

// Each of these reads indexes alone, apart from the few rows that say what went wrong: they are asked
// again and again while images arrive, of tables with millions of rows.
const INSTANCES: &str = "SELECT count(*) FROM instances";
const WAITING: &str = "SELECT count(*) FROM studies WHERE state = 'waiting'";
const SERIES: &str = "SELECT count(*) FILTER (WHERE state = 'receiving') AS receiving,
         count(*) FILTER (WHERE state = 'complete') AS complete,
         count(*) FILTER (WHERE state = 'decided') AS decided,
         count(*) FILTER (WHERE state = 'made') AS made
     FROM series INDEXED BY series_by_state";
const JOBS: &str =
    "SELECT model, count(*) FILTER (WHERE state = 'queued' AND role <> 'shadow') AS queued,
         count(*) FILTER (WHERE state = 'running' AND role <> 'shadow') AS running,
         count(*) FILTER (WHERE state = 'finished' AND role <> 'shadow') AS finished,
         count(*) FILTER (WHERE state = 'failed' AND role <> 'shadow') AS failed,
         count(*) FILTER (WHERE state = 'superseded' AND role <> 'shadow') AS superseded,
         (SELECT reason FROM jobs AS failed INDEXED BY jobs_trouble
          WHERE failed.model = jobs.model AND state IN ('failed', 'queued')
              AND reason IS NOT NULL AND role <> 'shadow' ORDER BY id DESC LIMIT 1) AS last_reason
     FROM jobs INDEXED BY jobs_counts GROUP BY model ORDER BY model";
const OUTBOX: &str = "SELECT peer, count(*) FILTER (WHERE state = 'queued') AS queued,
         count(*) FILTER (WHERE state = 'delivered') AS delivered,
         count(*) FILTER (WHERE state = 'parked') AS parked,
         count(*) FILTER (WHERE state = 'dropped') AS dropped,
         (SELECT reason FROM outbox AS failed INDEXED BY outbox_trouble
          WHERE failed.peer = outbox.peer AND state IN ('queued', 'parked')
              AND reason IS NOT NULL ORDER BY due_at DESC LIMIT 1) AS last_reason,
         min(due_at) FILTER (WHERE state = 'queued') AS next_try
     FROM outbox INDEXED BY outbox_counts GROUP BY peer ORDER BY peer";

impl Reader {
    pub async fn summary(&self) -> Result<Summary, StoreError> {
        let instances: i64 = sqlx::query_scalar(INSTANCES).fetch_one(&self.pool).await?;
        let (evicted, _) = self.evicted(&Selector::All).await?;
        let folder = self.folder.clone();
        let (segments, bytes) = blocking(move || on_disk(&folder)).await?;
        Ok(Summary {
            series: self.series_counts().await?,
            studies_waiting: self.studies_waiting().await?,
            jobs: self.model_counts().await?,
            outbox: self.peer_counts().await?,
            peers: self.peer_states().await?,
            instances: instances.unsigned_abs().saturating_sub(evicted),
            evicted,
            segments,
            bytes,
            events: self.events(10).await?,
        })
    }

    async fn series_counts(&self) -> Result<SeriesCounts, StoreError> {
        let found = sqlx::query(SERIES).fetch_one(&self.pool).await?;
        Ok(SeriesCounts {
            receiving: rows::count(&found, "receiving")?,
            complete: rows::count(&found, "complete")?,
            decided: rows::count(&found, "decided")?,
            made: rows::count(&found, "made")?,
        })
    }

    async fn studies_waiting(&self) -> Result<u64, StoreError> {
        let waiting = sqlx::query_scalar(WAITING);
        let waiting: i64 = waiting.fetch_one(&self.pool).await?;
        Ok(waiting.unsigned_abs())
    }

    async fn model_counts(&self) -> Result<Vec<ModelCounts>, StoreError> {
        let found = sqlx::query(JOBS).fetch_all(&self.pool).await?;
        let counts = |row| {
            Ok(ModelCounts {
                model: rows::column(row, "model")?,
                queued: rows::count(row, "queued")?,
                running: rows::count(row, "running")?,
                finished: rows::count(row, "finished")?,
                failed: rows::count(row, "failed")?,
                superseded: rows::count(row, "superseded")?,
                last_reason: rows::column(row, "last_reason")?,
            })
        };
        found.iter().map(counts).collect()
    }

    /// A peer that is paused is among them, whether something was ever queued for it or not.
    pub async fn peer_counts(&self) -> Result<Vec<PeerCounts>, StoreError> {
        let found = sqlx::query(OUTBOX).fetch_all(&self.pool).await?;
        let counts = |row| {
            Ok(PeerCounts {
                peer: rows::column(row, "peer")?,
                queued: rows::count(row, "queued")?,
                delivered: rows::count(row, "delivered")?,
                parked: rows::count(row, "parked")?,
                dropped: rows::count(row, "dropped")?,
                last_reason: rows::column(row, "last_reason")?,
                next_try: rows::maybe_moment(row, "next_try")?,
            })
        };
        let mut all = found.iter().map(counts).collect::<Result<Vec<_>, StoreError>>()?;
        for state in self.peer_states().await? {
            if state.paused.is_some() && all.iter().all(|known| known.peer != state.peer) {
                all.push(PeerCounts { peer: state.peer, ..PeerCounts::default() });
            }
        }
        Ok(all)
    }
}

fn on_disk(store: &Path) -> Result<(u64, u64), StoreError> {
    let folder = segment::folder(store);
    let numbers = segment::numbers(store).map_err(StoreError::file(&folder))?;
    let length = |number: &u32| fs::metadata(segment::path(store, *number)).map(|file| file.len());
    let lengths: Result<Vec<u64>, _> = numbers.iter().map(length).collect();
    Ok((numbers.len() as u64, lengths.map_err(StoreError::file(folder))?.iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;
    use crate::rule_sets::DECISIONS;
    use sqlx::Row;

    #[tokio::test]
    async fn counts_read_indexes_and_no_table() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = index::open_to_write(folder.path()).await.expect("an index");
        for query in [INSTANCES, WAITING, SERIES, JOBS, OUTBOX, DECISIONS] {
            let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan = sqlx::query(asked).fetch_all(&index).await.expect("a plan");
            for step in &plan {
                let step: &str = step.get("detail");
                let read = step.starts_with("SCAN") || step.starts_with("SEARCH");
                let cheap = step.contains("COVERING INDEX") || step.contains("_trouble (");
                assert!(!read || cheap, "{step}: {query}");
                assert!(!step.contains("TEMP B-TREE"), "{step}: {query}");
            }
        }
    }
}
