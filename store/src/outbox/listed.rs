//! Deliveries as an admin lists them and names them: peer by peer, in the order in which they go.

use super::{DeliveryRow, DeliveryState, delivery_row};
use crate::error::StoreError;
use crate::reader::Reader;
use gantry_terms::uid::Uid;
use sqlx::SqlitePool;

/// Which deliveries are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    pub what: What,
    /// Only those to this peer.
    pub peer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    All,
    /// By the number that the list shows.
    Number(i64),
    /// Of a study, a series or an instance; results of jobs on it count, too.
    Uid(Uid),
}

const PEERS: &str = "WITH RECURSIVE known (peer) AS (
         SELECT min(peer) FROM outbox
         UNION ALL
         SELECT (SELECT min(peer) FROM outbox WHERE outbox.peer > known.peer)
         FROM known WHERE known.peer IS NOT NULL
     ) SELECT peer FROM known WHERE peer IS NOT NULL";
const LISTED: &str = "SELECT outbox.*, proofs.state AS proof, proven_at, proven_by
     FROM outbox INDEXED BY outbox_counts LEFT JOIN proofs USING (peer, sop_instance)
     WHERE peer = $1 AND outbox.state = $2 ORDER BY priority, queued_at, id LIMIT $3";
const IDS: &str = "SELECT id FROM outbox INDEXED BY outbox_counts WHERE peer = $1 AND state = $2";
const OF_UID: &str = "SELECT id FROM outbox
     WHERE state = $2 AND ($3 IS NULL OR peer = $3) AND id IN (
         SELECT id FROM outbox WHERE sop_instance = $1
         UNION SELECT outbox.id FROM instances JOIN outbox
             ON outbox.sop_instance = instances.sop_instance WHERE instances.series = $1
         UNION SELECT outbox.id FROM series CROSS JOIN instances ON instances.series = series.uid
             JOIN outbox ON outbox.sop_instance = instances.sop_instance WHERE series.study = $1
         UNION SELECT outbox.id FROM jobs JOIN outbox ON outbox.job = jobs.id
             WHERE jobs.series = $1
         UNION SELECT outbox.id FROM jobs JOIN outbox ON outbox.job = jobs.id
             WHERE jobs.study = $1)";

#[cfg(test)]
pub(super) const QUERIES: [&str; 4] = [PEERS, LISTED, IDS, OF_UID];

impl DeliveryState {
    pub const ALL: [Self; 4] = [Self::Queued, Self::Delivered, Self::Parked, Self::Dropped];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
            Self::Dropped => "dropped",
        }
    }
}

impl Reader {
    /// Up to `limit` of each peer, or of one.
    pub async fn outbox(
        &self,
        peer: Option<&str>,
        state: DeliveryState,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut rows = Vec::new();
        for peer in peers(&self.pool, peer).await? {
            let found = sqlx::query(LISTED).bind(peer).bind(state.as_str()).bind(limit);
            for row in &found.fetch_all(&self.pool).await? {
                rows.push(delivery_row(row)?);
            }
        }
        Ok(rows)
    }

    pub async fn delivery(&self, number: i64) -> Result<Option<DeliveryRow>, StoreError> {
        let found = sqlx::query(
            "SELECT outbox.*, proofs.state AS proof, proven_at, proven_by
             FROM outbox LEFT JOIN proofs USING (peer, sop_instance) WHERE id = $1",
        )
        .bind(number);
        found.fetch_optional(&self.pool).await?.as_ref().map(delivery_row).transpose()
    }
}

/// Those that are meant and in this state.
pub(super) async fn ids(
    pool: &SqlitePool,
    meant: &Meant,
    state: DeliveryState,
) -> Result<Vec<i64>, StoreError> {
    let peer = meant.peer.as_deref();
    match &meant.what {
        What::All => {
            let mut ids = Vec::new();
            for peer in peers(pool, peer).await? {
                let found = sqlx::query_scalar(IDS).bind(peer).bind(state.as_str());
                ids.append(&mut found.fetch_all(pool).await?);
            }
            Ok(ids)
        }
        What::Number(number) => {
            let query = "SELECT id FROM outbox
                 WHERE id = $1 AND state = $2 AND ($3 IS NULL OR peer = $3)";
            let found = sqlx::query_scalar(query).bind(number).bind(state.as_str()).bind(peer);
            Ok(found.fetch_all(pool).await?)
        }
        What::Uid(uid) => {
            let found = sqlx::query_scalar(OF_UID).bind(uid.as_str()).bind(state.as_str());
            Ok(found.bind(peer).fetch_all(pool).await?)
        }
    }
}

async fn peers(pool: &SqlitePool, one: Option<&str>) -> Result<Vec<String>, StoreError> {
    match one {
        Some(peer) => Ok(vec![peer.to_owned()]),
        None => Ok(sqlx::query_scalar(PEERS).fetch_all(pool).await?),
    }
}
