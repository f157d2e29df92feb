//! What is known of a peer as a whole: that it cannot be reached, and when it is tried again; that an admin paused it.

use super::{Said, said};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::sqlite::SqliteRow;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerState {
    pub peer: String,
    /// Why nothing is sent to it for now, when that is so.
    pub trouble: Option<Trouble>,
    /// Since when, by whom and why it is paused.
    pub paused: Option<(Moment, Said)>,
    /// When an admin last let it go on: what waits ages from then on.
    pub resumed_at: Option<Moment>,
    /// Grows with each command of an admin.
    pub asked: i64,
}

/// The whole queue waits once: no delivery is tried, and none counts an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In a row.
    pub failures: u32,
    pub since: Moment,
    pub reason: String,
    pub retry_at: Moment,
}

impl Reader {
    /// Of all peers that were ever away, or that an admin said something about.
    pub async fn peer_states(&self) -> Result<Vec<PeerState>, StoreError> {
        let found = sqlx::query("SELECT * FROM outbox_peers ORDER BY peer");
        found.fetch_all(&self.pool).await?.iter().map(peer_state).collect()
    }
}

impl Store {
    /// The peer cannot be reached or takes nothing: whatever an admin asked of it stays.
    pub async fn peer_failed(&self, peer: &str, trouble: &Trouble) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO outbox_peers (peer, failures, down_since, reason, retry_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (peer) DO UPDATE SET failures = excluded.failures,
                 down_since = excluded.down_since, reason = excluded.reason,
                 retry_at = excluded.retry_at",
        )
        .bind(peer)
        .bind(trouble.failures)
        .bind(trouble.since.0)
        .bind(&trouble.reason)
        .bind(trouble.retry_at.0)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// It takes deliveries again.
    pub async fn peer_is_well(&self, peer: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE outbox_peers SET failures = 0, down_since = NULL, reason = NULL, retry_at = NULL
             WHERE peer = $1",
        )
        .bind(peer)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// Parks what has waited for the peer since before this time, and was not tried again by an admin
    /// since; how many.
    pub async fn give_up(
        &self,
        peer: &str,
        before: Moment,
        reason: &str,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(GIVE_UP)
            .bind(peer)
            .bind(before.0)
            .bind(reason)
            .execute(&self.shared.write)
            .await?;
        if done.rows_affected() > 0 {
            self.shared.progress.ring();
        }
        Ok(done.rows_affected())
    }
}

pub(super) const GIVE_UP: &str =
    "UPDATE outbox INDEXED BY outbox_due SET state = 'parked', reason = $3
     WHERE peer = $1 AND state = 'queued' AND priority IN (0, 1) AND queued_at < $2
         AND leased_at IS NULL AND ifnull(retried_at, 0) < $2";

fn peer_state(row: &SqliteRow) -> Result<PeerState, StoreError> {
    let failures = rows::small(row, "failures")?;
    let trouble = match (rows::maybe_moment(row, "down_since")?, failures) {
        (None, _) | (_, 0) => None,
        (Some(since), failures) => Some(Trouble {
            failures,
            since,
            reason: rows::column::<Option<String>>(row, "reason")?.unwrap_or_default(),
            retry_at: rows::maybe_moment(row, "retry_at")?.unwrap_or(since),
        }),
    };
    Ok(PeerState {
        peer: rows::column(row, "peer")?,
        trouble,
        paused: said(row, "paused_at", "paused_by", "paused_why")?,
        resumed_at: rows::maybe_moment(row, "resumed_at")?,
        asked: rows::column(row, "asked")?,
    })
}
