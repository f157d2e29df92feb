//! What this node was asked to keep for good (storage commitment, PS3.4 annex J), until it has reported what it keeps.

use crate::error::StoreError;
use crate::proofs::Taken;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

/// What was reported so long ago is forgotten.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// A request that waits for its report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    pub id: i64,
    pub peer: String,
    pub transaction: Uid,
    pub asked_at: Moment,
    pub instances: Vec<Taken>,
    /// Reports that were tried.
    pub attempts: u32,
}

/// Whether an instance is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    Yes,
    /// Under its UID an object of another SOP class is kept.
    OtherClass,
    No,
}

impl Reader {
    /// Requests whose report is due, the oldest first.
    pub async fn promises_due(&self, now: Moment) -> Result<Vec<Promise>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM promises INDEXED BY promises_due
             WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at LIMIT 64",
        );
        found.bind(now.0).fetch_all(&self.pool).await?.iter().map(promise).collect()
    }

    pub async fn next_promise_due(&self) -> Result<Option<Moment>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT min(due_at) FROM promises INDEXED BY promises_due WHERE state = 'waiting'",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(due.map(Moment))
    }

    /// Whether each of these is kept and indexed, in their order. What was evicted is not here.
    pub async fn are_here(&self, instances: &[Taken]) -> Result<Vec<Here>, StoreError> {
        let mut here = Vec::with_capacity(instances.len());
        for Taken { sop_class, sop_instance } in instances {
            let found: Option<String> = sqlx::query_scalar(
                "SELECT sop_class FROM instances JOIN segments ON segments.number = instances.segment
                 WHERE sop_instance = $1 AND segments.evicted_at IS NULL",
            )
            .bind(sop_instance.as_str())
            .fetch_optional(&self.pool)
            .await?;
            here.push(match found {
                None => Here::No,
                Some(class) if class == sop_class.as_str() => Here::Yes,
                Some(_) => Here::OtherClass,
            });
        }
        Ok(here)
    }
}

impl Store {
    /// Takes a request down; the same once more is reported once more.
    pub async fn promise_asked(
        &self,
        peer: &str,
        transaction: &Uid,
        instances: &[Taken],
        now: Moment,
        report_at: Moment,
    ) -> Result<(), StoreError> {
        let pairs = instances.iter().map(|one| (one.sop_class.as_str(), one.sop_instance.as_str()));
        let mut connection = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM promises WHERE state <> 'waiting' AND asked_at < $1")
            .bind(now.minus(REMEMBERED).0)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO promises (peer, transaction_uid, asked_at, instances, state, due_at)
             VALUES ($1, $2, $3, $4, 'waiting', $5)
             ON CONFLICT (peer, transaction_uid) DO UPDATE SET asked_at = excluded.asked_at,
                 instances = excluded.instances, state = 'waiting', attempts = 0,
                 due_at = excluded.due_at, reason = NULL",
        )
        .bind(peer)
        .bind(transaction.as_str())
        .bind(now.0)
        .bind(rows::to_json(&pairs.collect::<Vec<_>>())?)
        .bind(report_at.0)
        .execute(&mut *connection)
        .await?;
        connection.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// The peer has heard the report.
    pub async fn promise_reported(
        &self,
        promise: &Promise,
        committed: usize,
        failed: usize,
        now: Moment,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE promises SET state = 'reported', reported_at = $2, committed = $3, failed = $4,
                 instances = '[]', attempts = attempts + 1, reason = NULL
             WHERE id = $1",
        )
        .bind(promise.id)
        .bind(now.0)
        .bind(i64::try_from(committed).unwrap_or(i64::MAX))
        .bind(i64::try_from(failed).unwrap_or(i64::MAX))
        .execute(&self.shared.write)
        .await?;
        Ok(())
    }

    /// The peer did not hear it: tried again at that time, or never.
    pub async fn promise_not_reported(
        &self,
        promise: &Promise,
        reason: &str,
        again_at: Option<Moment>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE promises SET attempts = attempts + 1, reason = $2,
                 due_at = ifnull($3, due_at), state = iif($3 IS NULL, 'given up', 'waiting')
             WHERE id = $1",
        )
        .bind(promise.id)
        .bind(reason)
        .bind(again_at.map(|at| at.0))
        .execute(&self.shared.write)
        .await?;
        Ok(())
    }
}

fn promise(row: &SqliteRow) -> Result<Promise, StoreError> {
    let unreadable = || StoreError::Unreadable("instances");
    let pairs: Vec<(String, String)> = rows::json(row, "instances")?;
    let instances = pairs.iter().map(|(class, instance)| {
        let uid = |text: &str| Uid::parse(text).map_err(|_| unreadable());
        Ok(Taken { sop_class: uid(class)?, sop_instance: uid(instance)? })
    });
    Ok(Promise {
        id: rows::column(row, "id")?,
        peer: rows::column(row, "peer")?,
        transaction: rows::uid(row, "transaction_uid")?,
        asked_at: rows::moment(row, "asked_at")?,
        instances: instances.collect::<Result<_, StoreError>>()?,
        attempts: rows::small(row, "attempts")?,
    })
}
