//! What peers took and have not promised to keep yet (storage commitment, PS3.4 annex J): asked for, waited for, sent again.
//! What is only sought by C-FIND lies in the same rows (`sought.rs`).

use crate::error::StoreError;
use crate::outbox::Delivery;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteConnection;

/// So often an instance is sent again because its peer promised nothing; then an admin must look.
pub const MOST_RESENT: u32 = 3;

/// An instance that a peer took, and its SOP class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub sop_class: Uid,
    pub sop_instance: Uid,
}

/// How many instances of a peer are in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProofCount {
    pub peer: String,
    pub wanted: u64,
    pub asked: u64,
    /// It promised to keep them.
    pub committed: u64,
    /// It has them, as it says, and promised nothing.
    pub found: u64,
    pub lost: u64,
    /// The last trouble.
    pub reason: Option<String>,
}

/// What became of a report, or of a wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    pub proven: u64,
    /// Sent again.
    pub lost: u64,
    /// Sent again too often: parked.
    pub parked: u64,
}

impl Reader {
    /// What is to be asked of the peer by this time, the oldest first.
    pub async fn proofs_wanted(
        &self,
        peer: &str,
        by: Moment,
        limit: u32,
    ) -> Result<Vec<Taken>, StoreError> {
        let found = sqlx::query(
            "SELECT sop_class, sop_instance FROM proofs INDEXED BY proofs_due
             WHERE peer = $1 AND state = 'wanted' AND due_at <= $2 ORDER BY due_at LIMIT $3",
        );
        let found = found.bind(peer).bind(by.0).bind(limit).fetch_all(&self.pool).await?;
        let taken = |row| {
            let (sop_class, sop_instance) =
                (rows::uid(row, "sop_class")?, rows::uid(row, "sop_instance")?);
            Ok(Taken { sop_class, sop_instance })
        };
        found.iter().map(taken).collect()
    }

    /// When something is to be asked of the peer next, or a wait for it ends.
    pub async fn next_proof_due(&self, peer: &str) -> Result<Option<Moment>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT min(due_at) FROM proofs INDEXED BY proofs_due
             WHERE peer = $1 AND state IN ('wanted', 'asked')",
        )
        .bind(peer)
        .fetch_one(&self.pool)
        .await?;
        Ok(due.map(Moment))
    }

    /// By peer.
    pub async fn proof_counts(&self) -> Result<Vec<ProofCount>, StoreError> {
        let found = sqlx::query(
            "SELECT peer, state, proven_by, count(*) AS count FROM proofs
             GROUP BY peer, state, proven_by ORDER BY peer",
        );
        let mut counts: Vec<ProofCount> = Vec::new();
        for row in &found.fetch_all(&self.pool).await? {
            let peer: String = rows::column(row, "peer")?;
            if counts.last().is_none_or(|last| last.peer != peer) {
                counts.push(ProofCount { peer, ..ProofCount::default() });
            }
            let Some(last) = counts.last_mut() else { continue };
            let count = rows::count(row, "count")?;
            match (rows::column(row, "state")?, rows::column(row, "proven_by")?) {
                ("wanted", _) => last.wanted += count,
                ("asked", _) => last.asked += count,
                ("proven", Some("find")) => last.found += count,
                ("proven", _) => last.committed += count,
                _ => last.lost += count,
            }
        }
        for count in &mut counts {
            count.reason = sqlx::query_scalar(
                "SELECT reason FROM proofs WHERE peer = $1 AND state <> 'proven'
                     AND reason IS NOT NULL ORDER BY due_at DESC LIMIT 1",
            )
            .bind(&count.peer)
            .fetch_optional(&self.pool)
            .await?;
        }
        Ok(counts)
    }
}

impl Reader {
    /// Whether the peer was seen to have something of this study before this moment.
    pub async fn was_proven(
        &self,
        peer: &str,
        study: &Uid,
        before: Moment,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM series CROSS JOIN instances
                     ON instances.series = series.uid
                 CROSS JOIN proofs ON proofs.peer = $1
                     AND proofs.sop_instance = instances.sop_instance
                 WHERE series.study = $2 AND proofs.state = 'proven' AND proofs.proven_at < $3)",
        )
        .bind(peer)
        .bind(study.as_str())
        .bind(before.0)
        .fetch_one(&self.pool)
        .await?)
    }
}

impl Store {
    /// Peers that are not among these do not have to promise any more: nothing is held back for their sake.
    pub async fn proofs_waived(&self, peers: &[&str]) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM proofs WHERE state <> 'proven'
                 AND peer NOT IN (SELECT value FROM json_each($1))",
        )
        .bind(rows::to_json(&peers)?)
        .execute(&self.shared.write)
        .await?;
        Ok(done.rows_affected())
    }

    /// A request with these instances is about to go out. What is in the row counts when the node ends meanwhile:
    /// a report is waited for until then.
    pub async fn proofs_asked(
        &self,
        peer: &str,
        transaction: &Uid,
        taken: &[Taken],
        until: Moment,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE proofs SET state = 'asked', transaction_uid = $3, due_at = $4
             WHERE peer = $1 AND state = 'wanted'
                 AND sop_instance IN (SELECT value FROM json_each($2))",
        )
        .bind(peer)
        .bind(uids(taken.iter().map(|taken| &taken.sop_instance))?)
        .bind(transaction.as_str())
        .bind(until.0)
        .execute(&self.shared.write)
        .await?;
        Ok(())
    }

    /// The request was not taken, as far as is known: asked again at that time. Should a report on it come all
    /// the same, it counts.
    pub async fn proofs_not_asked(
        &self,
        transaction: &Uid,
        reason: &str,
        again_at: Moment,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE proofs SET state = 'wanted', reason = $2, due_at = $3
             WHERE transaction_uid = $1 AND state = 'asked'",
        )
        .bind(transaction.as_str())
        .bind(reason)
        .bind(again_at.0)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// What the peer reported of a request; `failed` with a reason each. Instances that were not part of the
    /// request, and requests of another peer, change nothing.
    pub async fn proofs_reported(
        &self,
        peer: &str,
        transaction: &Uid,
        committed: &[Uid],
        failed: &[(Uid, String)],
        now: Moment,
    ) -> Result<Settled, StoreError> {
        let mut connection = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let proven = sqlx::query(
            "UPDATE proofs SET state = 'proven', proven_at = $4, proven_by = 'commitment', reason = NULL
             WHERE peer = $1 AND transaction_uid = $2 AND state IN ('wanted', 'asked')
                 AND sop_instance IN (SELECT value FROM json_each($3))",
        )
        .bind(peer)
        .bind(transaction.as_str())
        .bind(uids(committed.iter())?)
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
        let mut settled = Settled { proven: proven.rows_affected(), ..Settled::default() };
        for (sop_instance, reason) in failed {
            let was_asked = sqlx::query(
                "SELECT 1 FROM proofs WHERE peer = $1 AND sop_instance = $2 AND transaction_uid = $3
                     AND state IN ('wanted', 'asked')",
            )
            .bind(peer)
            .bind(sop_instance.as_str())
            .bind(transaction.as_str())
            .fetch_optional(&mut *connection)
            .await?;
            if was_asked.is_some() {
                lost(&mut connection, peer, sop_instance, reason, now, &mut settled).await?;
            }
        }
        connection.commit().await?;
        self.shared.progress.ring();
        Ok(settled)
    }

    /// Those of the peer for which no report came in time are sent again.
    pub async fn proofs_overdue(&self, peer: &str, now: Moment) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        let overdue = "SELECT sop_instance FROM proofs INDEXED BY proofs_due
             WHERE peer = $1 AND state = 'asked' AND due_at <= $2";
        let found = sqlx::query(overdue).bind(peer).bind(now.0);
        if found.fetch_optional(&self.pool).await?.is_none() {
            return Ok(settled);
        }
        let mut connection = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let found = sqlx::query(overdue).bind(peer).bind(now.0);
        for row in &found.fetch_all(&mut *connection).await? {
            let sop_instance = rows::uid(row, "sop_instance")?;
            let reason = "the peer did not report in time whether it keeps it";
            lost(&mut connection, peer, &sop_instance, reason, now, &mut settled).await?;
        }
        connection.commit().await?;
        self.shared.progress.ring();
        Ok(settled)
    }
}

/// The peer took it: it is asked at that time whether it keeps it. How often it was sent again stays.
pub(crate) async fn want(
    connection: &mut SqliteConnection,
    delivery: &Delivery,
    taken_at: Moment,
    ask_at: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO proofs (peer, sop_instance, sop_class, state, taken_at, due_at)
         VALUES ($1, $2, $3, 'wanted', $4, $5)
         ON CONFLICT (peer, sop_instance) DO UPDATE SET sop_class = excluded.sop_class,
             state = 'wanted', taken_at = excluded.taken_at, due_at = excluded.due_at,
             transaction_uid = NULL, proven_at = NULL, proven_by = NULL, not_found = 0",
    )
    .bind(&delivery.peer)
    .bind(delivery.sop_instance.as_str())
    .bind(delivery.sop_class.as_str())
    .bind(taken_at.0)
    .bind(ask_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sent again, or parked when that was done too often.
pub(crate) async fn lost(
    connection: &mut SqliteConnection,
    peer: &str,
    sop_instance: &Uid,
    reason: &str,
    now: Moment,
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let resent: u32 = sqlx::query_scalar(
        "UPDATE proofs SET state = 'lost', resent = resent + 1, reason = $3
         WHERE peer = $1 AND sop_instance = $2 RETURNING resent",
    )
    .bind(peer)
    .bind(sop_instance.as_str())
    .bind(reason)
    .fetch_one(&mut *connection)
    .await?;
    let is_parked = resent > MOST_RESENT;
    let state = if is_parked { "parked" } else { "queued" };
    let said = match is_parked {
        true => format!("sent {resent} times and not kept: {reason}"),
        false => format!("sent again: {reason}"),
    };
    let moved = sqlx::query(
        "UPDATE outbox SET state = $3, reason = $4, attempts = 0, due_at = $5, retried_at = $5,
             leased_at = NULL, as_it_is = 0
         WHERE peer = $1 AND sop_instance = $2 AND state = 'delivered'",
    )
    .bind(peer)
    .bind(sop_instance.as_str())
    .bind(state)
    .bind(said)
    .bind(now.0)
    .execute(&mut *connection)
    .await?;
    match is_parked {
        true => settled.parked += moved.rows_affected(),
        false => settled.lost += moved.rows_affected(),
    }
    Ok(())
}

pub(crate) fn uids<'a>(uids: impl Iterator<Item = &'a Uid>) -> Result<String, StoreError> {
    rows::to_json(&uids.map(Uid::as_str).collect::<Vec<_>>())
}
