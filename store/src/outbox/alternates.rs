//! Deliveries of a result in another SOP class: where the peer does not take the first one, the row moves on to the next, and a result still goes out once.

use super::Delivery;
use super::kinds::AHEAD;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteConnection;

/// What became of a delivery whose SOP class the peer does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// This one is queued in its place, and due.
    Queued(Uid),
    /// There is no other: it is parked.
    Parked,
}

pub(super) const ALTERNATE_KINDS: &str = "SELECT sop_class, transfer_syntax FROM (
         SELECT ifnull(instead_of, sop_instance) AS result FROM outbox INDEXED BY outbox_due
         WHERE peer = $1 AND state = 'queued' ORDER BY priority, queued_at, id LIMIT $2
     ) AS ahead CROSS JOIN alternates ON alternates.instead_of = ahead.result
         CROSS JOIN instances ON instances.sop_instance = alternates.alternate
     GROUP BY sop_class, transfer_syntax ORDER BY min(turn)";

impl Reader {
    /// SOP class and transfer syntax of what may go in the place of what is queued for the peer next.
    pub async fn alternate_kinds_queued(&self, peer: &str) -> Result<Vec<(Uid, Uid)>, StoreError> {
        let found = sqlx::query(ALTERNATE_KINDS).bind(peer).bind(AHEAD);
        let found = found.fetch_all(&self.pool).await?;
        let kind = |row| Ok((rows::uid(row, "sop_class")?, rows::uid(row, "transfer_syntax")?));
        found.iter().map(kind).collect()
    }
}

impl Store {
    /// Instances that say the same as a result in another SOP class, in the order in which they are to be offered.
    /// Before its deliveries are queued; a second time changes nothing.
    pub async fn keep_alternates(
        &self,
        instead_of: &Uid,
        alternates: &[Uid],
    ) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        for (alternate, turn) in alternates.iter().zip(1i64..) {
            sqlx::query(
                "INSERT INTO alternates (alternate, instead_of, turn) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
            )
            .bind(alternate.as_str())
            .bind(instead_of.as_str())
            .bind(turn)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The peer does not take the SOP class. The next alternate takes the delivery's place in the queue, untried; behind
    /// the last one the delivery is parked as what it was first, with all that the peer said.
    pub async fn class_refused(
        &self,
        delivery: &Delivery,
        why: &str,
    ) -> Result<Instead, StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let said: Option<String> =
            sqlx::query_scalar("SELECT instead_why FROM outbox WHERE id = $1")
                .bind(delivery.id)
                .fetch_optional(&mut *transaction)
                .await?
                .flatten();
        let said = said.map_or_else(|| why.to_owned(), |before| format!("{before}; {why}"));
        let next = next(&mut transaction, delivery).await?;
        let instead = match next {
            Some(next) => {
                go_on(&mut transaction, delivery, &next, &said, self.clock().now().0).await?;
                Instead::Queued(next)
            }
            None => {
                park(&mut transaction, delivery, &said).await?;
                Instead::Parked
            }
        };
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(instead)
    }
}

/// Of those that are still here.
async fn next(
    connection: &mut SqliteConnection,
    delivery: &Delivery,
) -> Result<Option<Uid>, StoreError> {
    let found = sqlx::query(
        "SELECT alternate FROM outbox
             JOIN alternates ON alternates.instead_of = ifnull(outbox.instead_of, outbox.sop_instance)
             JOIN instances ON instances.sop_instance = alternate
             JOIN segments ON segments.number = instances.segment
         WHERE id = $1 AND segments.evicted_at IS NULL AND turn > ifnull(
             (SELECT turn FROM alternates WHERE alternate = outbox.sop_instance), 0)
             AND NOT EXISTS (SELECT 1 FROM outbox AS other
                 WHERE other.peer = outbox.peer AND other.sop_instance = alternate)
         ORDER BY turn LIMIT 1",
    )
    .bind(delivery.id)
    .fetch_optional(connection)
    .await?;
    found.as_ref().map(|row| rows::uid(row, "alternate")).transpose()
}

async fn go_on(
    connection: &mut SqliteConnection,
    delivery: &Delivery,
    next: &Uid,
    said: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE outbox SET sop_instance = $3, instead_of = ifnull(instead_of, sop_instance),
             instead_why = $4, due_at = $5, attempts = 0, reason = NULL, leased_at = NULL,
             digest = (SELECT digest FROM instances WHERE instances.sop_instance = $3)
         WHERE id = $1 AND digest = $2 AND changes IS $6 AND state = 'queued'",
    )
    .bind(delivery.id)
    .bind(delivery.digest.as_slice())
    .bind(next.as_str())
    .bind(said)
    .bind(now)
    .bind(&delivery.queued)
    .execute(connection)
    .await?;
    Ok(())
}

/// So that it begins with the first one when an admin has it tried again.
async fn park(
    connection: &mut SqliteConnection,
    delivery: &Delivery,
    said: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE outbox SET state = 'parked', reason = $3, attempts = attempts + 1, leased_at = NULL,
             sop_instance = ifnull(instead_of, sop_instance), instead_of = NULL, instead_why = NULL,
             digest = (SELECT digest FROM instances
                       WHERE instances.sop_instance = ifnull(outbox.instead_of, outbox.sop_instance))
         WHERE id = $1 AND digest = $2 AND changes IS $4 AND state = 'queued'",
    )
    .bind(delivery.id)
    .bind(delivery.digest.as_slice())
    .bind(said)
    .bind(&delivery.queued)
    .execute(connection)
    .await?;
    Ok(())
}
