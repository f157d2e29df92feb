//! What peers without storage commitment took: sought there by C-FIND (PS3.4 annex C), found, or sent again.

use crate::error::StoreError;
use crate::proofs::{Settled, lost, uids};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::time::Duration;

/// An instance to seek at a peer that took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    pub study: Uid,
    pub series: Uid,
    pub sop_instance: Uid,
    /// How often it was not found since the peer took it last.
    pub not_found: u32,
}

impl Reader {
    /// What is to be sought at the peer by this time, series by series. An instance that is not in the index (yet) waits.
    pub async fn sought(
        &self,
        peer: &str,
        by: Moment,
        limit: u32,
    ) -> Result<Vec<Sought>, StoreError> {
        let found = sqlx::query(
            "SELECT study, series, sop_instance, not_found FROM
                 (SELECT proofs.sop_instance, not_found FROM proofs INDEXED BY proofs_due
                  WHERE peer = $1 AND state = 'wanted' AND due_at <= $2
                      AND EXISTS (SELECT 1 FROM instances
                                  WHERE instances.sop_instance = proofs.sop_instance)
                  ORDER BY due_at LIMIT $3)
                 JOIN instances USING (sop_instance)
             ORDER BY study, series, sop_instance",
        );
        let found = found.bind(peer).bind(by.0).bind(limit).fetch_all(&self.pool).await?;
        let sought = |row| {
            Ok(Sought {
                study: rows::uid(row, "study")?,
                series: rows::uid(row, "series")?,
                sop_instance: rows::uid(row, "sop_instance")?,
                not_found: rows::small(row, "not_found")?,
            })
        };
        found.iter().map(sought).collect()
    }

    /// When something is to be sought at the peer next.
    pub async fn next_sought(&self, peer: &str) -> Result<Option<Moment>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT due_at FROM proofs INDEXED BY proofs_due
             WHERE peer = $1 AND state = 'wanted'
                 AND EXISTS (SELECT 1 FROM instances
                             WHERE instances.sop_instance = proofs.sop_instance)
             ORDER BY due_at LIMIT 1",
        )
        .bind(peer)
        .fetch_optional(&self.pool)
        .await?;
        Ok(due.map(Moment))
    }
}

impl Store {
    /// Of these peers nothing is asked by storage commitment any more: no report is waited for, it is sought.
    pub async fn sought_from_now_on(&self, peers: &[&str]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE proofs SET state = 'wanted', transaction_uid = NULL, due_at = $2
             WHERE state = 'asked' AND peer IN (SELECT value FROM json_each($1))",
        )
        .bind(rows::to_json(&peers)?)
        .bind(self.clock().now().0)
        .execute(&self.shared.write)
        .await?;
        Ok(())
    }

    /// The peer has them.
    pub async fn found(
        &self,
        peer: &str,
        found: &[Uid],
        now: Moment,
    ) -> Result<Settled, StoreError> {
        let done = sqlx::query(
            "UPDATE proofs SET state = 'proven', proven_at = $3, proven_by = 'find', reason = NULL
             WHERE peer = $1 AND state = 'wanted'
                 AND sop_instance IN (SELECT value FROM json_each($2))",
        )
        .bind(peer)
        .bind(uids(found.iter())?)
        .bind(now.0)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(Settled { proven: done.rows_affected(), ..Settled::default() })
    }

    /// The peer was asked and has none of them: they are sent again when it took them so long ago (`patience`), and
    /// sought again at that time otherwise, or when they had their time.
    pub async fn not_found(
        &self,
        peer: &str,
        missing: &[Uid],
        now: Moment,
        patience: Duration,
        again_at: Moment,
    ) -> Result<Settled, StoreError> {
        let (mut settled, reason) = (Settled::default(), "the peer does not find it");
        let mut connection = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        for sop_instance in missing {
            let taken_at: Option<i64> = sqlx::query_scalar(
                "UPDATE proofs SET not_found = not_found + 1, reason = $3,
                     due_at = min($4, max(taken_at + $5, $6))
                 WHERE peer = $1 AND sop_instance = $2 AND state = 'wanted' RETURNING taken_at",
            )
            .bind(peer)
            .bind(sop_instance.as_str())
            .bind(reason)
            .bind(again_at.0)
            .bind(Moment(0).plus(patience).0)
            .bind(now.0)
            .fetch_optional(&mut *connection)
            .await?;
            let is_over = |taken_at| Moment(taken_at).plus(patience) <= now;
            if taken_at.is_some_and(is_over) {
                lost(&mut connection, peer, sop_instance, reason, now, &mut settled).await?;
            }
        }
        connection.commit().await?;
        self.shared.progress.ring();
        Ok(settled)
    }

    /// Nobody knows whether the peer has them: they are sought again at that time.
    pub async fn not_sought(
        &self,
        peer: &str,
        unknown: &[Uid],
        reason: &str,
        again_at: Moment,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE proofs SET reason = $3, due_at = $4
             WHERE peer = $1 AND state = 'wanted'
                 AND sop_instance IN (SELECT value FROM json_each($2))",
        )
        .bind(peer)
        .bind(uids(unknown.iter())?)
        .bind(reason)
        .bind(again_at.0)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }
}
