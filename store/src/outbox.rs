//! What waits to be delivered to which peer: one row for each peer and instance, ever, with the digest of the bytes and the changes that it stands for.

pub mod alternates;
pub mod commands;
mod kinds;
pub mod listed;
pub mod peers;

use crate::digest::Digest;
use crate::error::StoreError;
use crate::forwards;
pub use crate::forwards::told;
use crate::index;
use crate::jobs::Priority;
use crate::proofs;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use bytes::Bytes;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::HashSet;
use std::time::Duration;

/// Rows as [`delivery_row`] reads them.
macro_rules! delivery_rows {
    ($rest:literal) => {
        concat!(
            "SELECT outbox.*, proofs.state AS proof, proven_at, proven_by, (SELECT sop_class FROM instances
                 WHERE instances.sop_instance = outbox.sop_instance
                     AND outbox.instead_of IS NOT NULL) AS instead_class FROM outbox ",
            $rest
        )
    };
}
pub(crate) use delivery_rows;

#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub peer: String,
    pub sop_instance: Uid,
    pub priority: Priority,
}

/// A delivery that was leased.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub id: i64,
    pub peer: String,
    pub sop_instance: Uid,
    pub study: Uid,
    pub sop_class: Uid,
    pub transfer_syntax: Uid,
    /// Of the Part 10 file.
    pub bytes: u64,
    /// This one included.
    pub attempts: u32,
    pub queued_at: Moment,
    /// When it began to wait: when it was queued, or when an admin had it tried again.
    pub since: Moment,
    /// What is changed in it on its way.
    pub changes: Changes,
    /// Whether something else may go where the peer does not take its SOP class.
    pub has_alternates: bool,
    /// This node made it, or brought it home.
    pub is_made: bool,
    /// The peer took it before, and it has to be shown that it is there.
    pub was_taken: bool,
    /// An admin has it sent whatever the peer says of its study.
    pub as_it_is: bool,
    /// Of the bytes that class and syntax are those of.
    digest: Digest,
    /// The changes as they were queued.
    queued: Option<String>,
}

/// A delivery that the peer took.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub delivery: Delivery,
    /// DIMSE status with which it did.
    pub status: u16,
    pub at: Moment,
    /// When the peer is asked whether it keeps the instance, which stays here until it does so.
    pub ask_at: Option<Moment>,
}

/// The object of a delivery that was leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    Object(Bytes),
    /// Other bytes took its place since it was leased.
    Changed,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    Queued,
    Delivered,
    /// Failed for good; an admin must look.
    Parked,
    /// An admin wants it no more.
    Dropped,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    pub id: i64,
    pub peer: String,
    pub sop_instance: Uid,
    /// Where the instance goes in the place of another.
    pub instead: Option<InsteadOf>,
    /// The job whose result it is; none for an instance that is forwarded.
    pub job: Option<i64>,
    pub changes: Changes,
    pub state: DeliveryState,
    pub attempts: u32,
    pub reason: Option<String>,
    /// DIMSE status with which the peer took it.
    pub status: Option<u16>,
    pub queued_at: Moment,
    pub due_at: Moment,
    pub delivered_at: Option<Moment>,
    /// Since when it is on its way; none while it waits.
    pub leased_at: Option<Moment>,
    /// Where the peer has to promise to keep it, or to find it.
    pub proof: Option<Proof>,
    /// When, by whom and why it was dropped.
    pub dropped: Option<(Moment, Said)>,
}

/// The peer did not take the SOP class of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsteadOf {
    pub result: Uid,
    /// Of what goes, if that is still known.
    pub sop_class: Option<Uid>,
    /// What the peer said of the result, and of what was offered before.
    pub why: String,
}

/// What a peer says of an instance that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing yet.
    Owed,
    /// It promised to keep it, by storage commitment.
    Committed(Moment),
    /// It has it, by C-FIND.
    Found(Moment),
}

/// Who asks for something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub by: String,
    pub why: String,
}

impl DeliveryRow {
    /// Whether it delivers this instance, be it as another that is equal to it.
    pub fn is_of(&self, sop_instance: &Uid) -> bool {
        let result = self.instead.as_ref().map(|instead| &instead.result);
        self.sop_instance == *sop_instance || result == Some(sop_instance)
    }
}

impl Reader {
    /// Deliveries of the series' own instances and of the results of its jobs.
    pub async fn deliveries(&self, series: &Uid) -> Result<Vec<DeliveryRow>, StoreError> {
        let found = sqlx::query(delivery_rows!(
            "LEFT JOIN proofs USING (peer, sop_instance)
             WHERE sop_instance IN (SELECT sop_instance FROM instances WHERE series = $1)
                OR job IN (SELECT id FROM jobs WHERE series = $1)
             ORDER BY id"
        ))
        .bind(series.as_str())
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(delivery_row).collect()
    }

    /// Deliveries of the study's instances and of the results of its jobs.
    pub async fn study_deliveries(&self, study: &Uid) -> Result<Vec<DeliveryRow>, StoreError> {
        let found = sqlx::query(delivery_rows!(
            "LEFT JOIN proofs USING (peer, sop_instance)
             WHERE sop_instance IN (SELECT sop_instance FROM series CROSS JOIN instances
                                        ON instances.series = series.uid
                                    WHERE series.study = $1)
                OR job IN (SELECT id FROM jobs WHERE study = $1)
             ORDER BY id"
        ))
        .bind(study.as_str())
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(delivery_row).collect()
    }

    /// Deliveries of one instance, and of a result also those of its alternates.
    pub async fn deliveries_of(&self, sop_instance: &Uid) -> Result<Vec<DeliveryRow>, StoreError> {
        let query = delivery_rows!(
            "LEFT JOIN proofs USING (peer, sop_instance)
             WHERE sop_instance = $1 OR instead_of = $1 ORDER BY id"
        );
        let found = sqlx::query(query).bind(sop_instance.as_str()).fetch_all(&self.pool).await?;
        found.iter().map(delivery_row).collect()
    }

    /// The Part 10 file to deliver, where what was kept last holds it. What takes its place meanwhile is queued anew.
    pub fn leased_at_hand(&self, delivery: &Delivery) -> Option<Bytes> {
        self.at_hand(&delivery.sop_instance, &delivery.digest)
    }

    /// The Part 10 file to deliver, its checksum verified.
    pub async fn leased_object(&self, delivery: &Delivery) -> Result<Leased, StoreError> {
        let Some((object, digest)) = self.object_and_digest(&delivery.sop_instance).await? else {
            return Ok(Leased::Gone);
        };
        Ok(if digest == delivery.digest { Leased::Object(object) } else { Leased::Changed })
    }

    /// Peers that something is queued for. One step in the index for each peer, however much waits.
    pub async fn peers_queued(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(PEERS_QUEUED).fetch_all(&self.pool).await?)
    }

    /// When the peer's next delivery is due that is not due at this time. An instance that is not in
    /// the index (yet) is not counted.
    pub async fn next_due(&self, peer: &str, now: Moment) -> Result<Option<Moment>, StoreError> {
        let due = sqlx::query_scalar(NEXT_DUE).bind(peer).bind(now.0);
        Ok(due.fetch_optional(&self.pool).await?.map(Moment))
    }

    async fn leasable(&self, peer: &str, now: Moment, tried: i64) -> Result<bool, StoreError> {
        let found = sqlx::query(LEASABLE).bind(peer).bind(now.0).bind(1).bind(tried);
        Ok(found.fetch_optional(&self.pool).await?.is_some())
    }
}

const PEERS_QUEUED: &str = "WITH RECURSIVE queued (peer) AS (
         SELECT min(peer) FROM outbox WHERE state = 'queued'
         UNION ALL
         SELECT (SELECT min(peer) FROM outbox WHERE state = 'queued' AND outbox.peer > queued.peer)
         FROM queued WHERE queued.peer IS NOT NULL
     ) SELECT peer FROM queued WHERE peer IS NOT NULL";
const NEXT_DUE: &str = "SELECT due_at FROM outbox INDEXED BY outbox_counts
     WHERE peer = $1 AND state = 'queued' AND due_at > $2
         AND EXISTS (SELECT 1 FROM instances WHERE instances.sop_instance = outbox.sop_instance)
     ORDER BY due_at LIMIT 1";
const LEASABLE: &str =
    "SELECT outbox.id, peer, outbox.sop_instance, study, sop_class, transfer_syntax, bytes, as_it_is,
         origin = 'made' AS is_made, retried_at IS NOT NULL AND EXISTS (SELECT 1 FROM proofs
             WHERE proofs.peer = outbox.peer AND proofs.sop_instance = outbox.sop_instance) AS was_taken,
         attempts + 1 AS attempts, queued_at, max(queued_at, ifnull(retried_at, 0)) AS since,
         changes, instances.digest AS digest, EXISTS (SELECT 1 FROM alternates
             WHERE alternates.instead_of = ifnull(outbox.instead_of, outbox.sop_instance))
             AS has_alternates
     FROM outbox INDEXED BY outbox_due
         CROSS JOIN instances ON instances.sop_instance = outbox.sop_instance
     WHERE peer = $1 AND state = 'queued' AND due_at <= $2 AND attempts <= $4
     ORDER BY priority, queued_at, outbox.id LIMIT $3";

/// Rows that lie there with the digest that they are leased with.
const LEASE: &str = "UPDATE outbox SET due_at = $2, leased_at = $3,
         digest = (SELECT digest FROM instances WHERE instances.sop_instance = outbox.sop_instance)
     WHERE id IN (SELECT value FROM json_each($1))";
const NOTE: &str = "UPDATE outbox SET state = 'delivered', status = taken.value ->> 'status',
         delivered_at = taken.value ->> 'at', reason = NULL, attempts = attempts + 1, leased_at = NULL
     FROM json_each($1) AS taken
     WHERE outbox.id = taken.value ->> 'id' AND digest = unhex(taken.value ->> 'digest')
         AND changes IS taken.value ->> 'changes' AND state <> 'delivered'
     RETURNING outbox.id";

impl Store {
    /// Up to `limit` deliveries that are due: stat first, then oldest. An instance that is not in
    /// the index (yet) waits.
    pub async fn lease_deliveries(
        &self,
        peer: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.lease_behind(&[], peer, limit, lease).await
    }

    /// The same, and what the peer took of those before is noted with it: one write for both.
    pub async fn lease_behind(
        &self,
        taken: &[Delivered],
        peer: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.lease_tried(taken, peer, limit, lease, i64::MAX).await
    }

    /// One that finds out how the peer is: the first that was never tried, so that none that the peer
    /// cannot digest stands for all.
    pub async fn lease_probe(
        &self,
        peer: &str,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let untried = self.lease_tried(&[], peer, 1, lease, 0).await?;
        match untried.is_empty() {
            true => self.lease_tried(&[], peer, 1, lease, i64::MAX).await,
            false => Ok(untried),
        }
    }

    /// Those that were tried so often at the most.
    async fn lease_tried(
        &self,
        taken: &[Delivered],
        peer: &str,
        limit: u32,
        lease: Duration,
        tried: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        let now = self.clock().now();
        // Nothing is written as long as there is nothing to lease: every bell asks.
        if !self.leasable(peer, now, tried).await? {
            self.note_taken(taken).await?;
            return Ok(Vec::new());
        }
        // A lease ends with the node.
        let leased = index::unsynced(&self.shared.write, async |connection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            note(&mut transaction, taken).await?;
            let found = sqlx::query(LEASABLE)
                .bind(peer)
                .bind(now.0)
                .bind(limit)
                .bind(tried)
                .fetch_all(&mut *transaction)
                .await?;
            let leased = found.iter().map(delivery).collect::<Result<Vec<_>, StoreError>>()?;
            let ids: Vec<i64> = leased.iter().map(|delivery| delivery.id).collect();
            sqlx::query(LEASE)
                .bind(rows::to_json(&ids)?)
                .bind(now.plus(lease).0)
                .bind(now.0)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok::<_, StoreError>(leased)
        });
        let leased = leased.await?;
        if !taken.is_empty() {
            self.shared.progress.ring();
        }
        Ok(leased)
    }

    /// What was leased and not tried is due as it was before, and no attempt is counted.
    pub async fn give_back(&self, unsent: &[Delivery]) -> Result<(), StoreError> {
        if unsent.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = unsent.iter().map(|delivery| delivery.id).collect();
        sqlx::query(
            "UPDATE outbox SET due_at = $2, leased_at = NULL
             WHERE id IN (SELECT value FROM json_each($1)) AND state = 'queued'
                 AND leased_at IS NOT NULL",
        )
        .bind(rows::to_json(&ids)?)
        .bind(self.clock().now().0)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// One that was queued anew since it was leased, because its instance has other bytes now or goes
    /// with other changes, stays queued; so it does with the other outcomes.
    pub async fn delivered(
        &self,
        delivery: &Delivery,
        status: u16,
        at: Moment,
    ) -> Result<(), StoreError> {
        self.note_taken(&[Delivered { delivery: delivery.clone(), status, at, ask_at: None }]).await
    }

    /// The same for several, in one write.
    pub async fn note_taken(&self, taken: &[Delivered]) -> Result<(), StoreError> {
        if taken.is_empty() {
            return Ok(());
        }
        // What a power cut takes of it goes once more.
        index::unsynced(&self.shared.write, async |connection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            note(&mut transaction, taken).await?;
            Ok::<_, StoreError>(transaction.commit().await?)
        })
        .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// A transient failure: tried again at that time.
    pub async fn postpone_delivery(
        &self,
        delivery: &Delivery,
        reason: &str,
        again_at: Moment,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE outbox SET reason = $3, due_at = $4, attempts = attempts + 1, leased_at = NULL
             WHERE id = $1 AND digest = $2 AND changes IS $5 AND state = 'queued'",
        )
        .bind(delivery.id)
        .bind(delivery.digest.as_slice())
        .bind(reason)
        .bind(again_at.0)
        .bind(&delivery.queued)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// A permanent failure: not tried again.
    pub async fn park_delivery(&self, delivery: &Delivery, reason: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE outbox SET state = 'parked', reason = $3, attempts = attempts + 1, leased_at = NULL
             WHERE id = $1 AND digest = $2 AND changes IS $4 AND state = 'queued'",
        )
        .bind(delivery.id)
        .bind(delivery.digest.as_slice())
        .bind(reason)
        .bind(&delivery.queued)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }
}

/// One that was queued anew since it was leased stays queued.
async fn note(connection: &mut SqliteConnection, taken: &[Delivered]) -> Result<(), StoreError> {
    if taken.is_empty() {
        return Ok(());
    }
    let told = |one: &Delivered| {
        let Delivered { delivery, status, at, .. } = one;
        let digest: String = delivery.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "id": delivery.id, "digest": digest, "changes": delivery.queued, "status": status, "at": at.0 })
    };
    let told: Vec<_> = taken.iter().map(told).collect();
    let noted: Vec<i64> =
        sqlx::query_scalar(NOTE).bind(rows::to_json(&told)?).fetch_all(&mut *connection).await?;
    for Delivered { delivery, at, ask_at, .. } in taken {
        if let Some(ask_at) = ask_at
            && noted.contains(&delivery.id)
        {
            proofs::want(connection, delivery, *at, *ask_at).await?;
        }
    }
    Ok(())
}

/// Instances that go to a peer, in this order.
pub(crate) struct NewRows<'a> {
    pub(crate) peer: &'a str,
    pub(crate) sop_instances: &'a [&'a Uid],
    pub(crate) priority: Priority,
    pub(crate) job: Option<i64>,
    pub(crate) at: Moment,
    pub(crate) changes: Option<&'a str>,
    pub(crate) asked_on: Option<&'static str>,
}

/// What is on its way to the peer already, or was, stays as it is. Once for each peer, and once more
/// when the instance has other bytes than the row stands for, or is to go with other changes: a clock
/// would not tell, as it may step back. Those that did not stay as they were.
pub(crate) async fn add(
    connection: &mut SqliteConnection,
    rows: NewRows<'_>,
) -> Result<HashSet<String>, StoreError> {
    let added: Vec<String> = sqlx::query_scalar(
        "INSERT INTO outbox (peer, sop_instance, job, priority, state, queued_at, due_at, changes,
             asked_on, digest)
         SELECT $1, value, $3, $4, 'queued', $5, $5, $6, $7,
             (SELECT digest FROM instances WHERE sop_instance = value)
         FROM json_each($2)
         WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE instead_of = value AND peer = $1)
         ORDER BY key
         ON CONFLICT (peer, sop_instance) DO UPDATE SET
             job = excluded.job, priority = excluded.priority, state = 'queued', attempts = 0,
             reason = NULL, status = NULL, queued_at = excluded.queued_at,
             due_at = excluded.due_at, delivered_at = NULL, digest = excluded.digest,
             changes = excluded.changes, asked_on = excluded.asked_on, leased_at = NULL,
             retried_at = NULL, dropped_at = NULL, dropped_by = NULL, dropped_why = NULL,
             as_it_is = 0
         WHERE excluded.digest IS NOT NULL AND (excluded.digest IS NOT outbox.digest
             OR (excluded.changes IS NOT outbox.changes AND excluded.asked_on IS outbox.asked_on))
         RETURNING sop_instance",
    )
    .bind(rows.peer)
    .bind(rows::to_json(&rows.sop_instances)?)
    .bind(rows.job)
    .bind(rows.priority.number())
    .bind(rows.at.0)
    .bind(rows.changes)
    .bind(rows.asked_on)
    .fetch_all(connection)
    .await?;
    Ok(added.into_iter().collect())
}

/// The instance is kept as new though it was known: whatever was delivered of it does not count.
pub(crate) async fn forget(
    connection: &mut SqliteConnection,
    sop_instance: &Uid,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET digest = NULL WHERE sop_instance = $1")
        .bind(sop_instance.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

fn delivery(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let queued: Option<String> = rows::column(row, "changes")?;
    Ok(Delivery {
        id: rows::column(row, "id")?,
        peer: rows::column(row, "peer")?,
        sop_instance: rows::uid(row, "sop_instance")?,
        study: rows::uid(row, "study")?,
        sop_class: rows::uid(row, "sop_class")?,
        transfer_syntax: rows::uid(row, "transfer_syntax")?,
        bytes: rows::column::<i64>(row, "bytes")?.cast_unsigned(),
        attempts: rows::small(row, "attempts")?,
        queued_at: rows::moment(row, "queued_at")?,
        since: rows::moment(row, "since")?,
        changes: forwards::from_text(queued.as_deref())?,
        has_alternates: rows::column(row, "has_alternates")?,
        is_made: rows::column(row, "is_made")?,
        was_taken: rows::column(row, "was_taken")?,
        as_it_is: rows::column(row, "as_it_is")?,
        queued,
        digest: Digest::try_from(rows::column::<&[u8]>(row, "digest")?)
            .map_err(|_| StoreError::Unreadable("digest"))?,
    })
}

fn delivery_row(row: &SqliteRow) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        id: rows::column(row, "id")?,
        peer: rows::column(row, "peer")?,
        sop_instance: rows::uid(row, "sop_instance")?,
        instead: match rows::maybe_uid(row, "instead_of")? {
            None => None,
            Some(result) => Some(InsteadOf {
                result,
                sop_class: rows::maybe_uid(row, "instead_class")?,
                why: rows::column::<Option<String>>(row, "instead_why")?.unwrap_or_default(),
            }),
        },
        job: rows::column(row, "job")?,
        changes: forwards::from_text(rows::column(row, "changes")?)?,
        state: match rows::column(row, "state")? {
            "queued" => DeliveryState::Queued,
            "delivered" => DeliveryState::Delivered,
            "parked" => DeliveryState::Parked,
            "dropped" => DeliveryState::Dropped,
            _ => return Err(StoreError::Unreadable("state")),
        },
        attempts: rows::small(row, "attempts")?,
        reason: rows::column(row, "reason")?,
        status: rows::column(row, "status")?,
        queued_at: rows::moment(row, "queued_at")?,
        due_at: rows::moment(row, "due_at")?,
        delivered_at: rows::maybe_moment(row, "delivered_at")?,
        leased_at: rows::maybe_moment(row, "leased_at")?,
        proof: proof(row)?,
        dropped: said(row, "dropped_at", "dropped_by", "dropped_why")?,
    })
}

fn proof(row: &SqliteRow) -> Result<Option<Proof>, StoreError> {
    if rows::column::<Option<&str>>(row, "proof")?.is_none() {
        return Ok(None);
    }
    let by: Option<&str> = rows::column(row, "proven_by")?;
    Ok(Some(match (rows::maybe_moment(row, "proven_at")?, by) {
        (None, _) => Proof::Owed,
        (Some(at), Some("find")) => Proof::Found(at),
        (Some(at), _) => Proof::Committed(at),
    }))
}

fn said(
    row: &SqliteRow,
    at: &'static str,
    by: &'static str,
    why: &'static str,
) -> Result<Option<(Moment, Said)>, StoreError> {
    let Some(at) = rows::maybe_moment(row, at)? else { return Ok(None) };
    Ok(Some((at, Said { by: rows::column(row, by)?, why: rows::column(row, why)? })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;
    use sqlx::Row;

    /// However much was delivered, and however much waits: they are asked again and again.
    #[tokio::test]
    async fn what_is_asked_of_the_outbox_is_found_by_an_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = index::open_to_write(folder.path()).await.expect("an index");
        let queries = [
            PEERS_QUEUED,
            NEXT_DUE,
            LEASABLE,
            kinds::KINDS,
            alternates::ALTERNATE_KINDS,
            peers::GIVE_UP,
            LEASE,
            NOTE,
        ]
        .into_iter()
        .chain(listed::QUERIES);
        for query in queries {
            let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan = sqlx::query(asked).fetch_all(&index).await.expect("a plan");
            for step in &plan {
                let step: &str = step.get("detail");
                let scans_a_table = step.starts_with("SCAN")
                    && !step.contains("queued")
                    && !step.contains("known")
                    && !step.contains("ahead")
                    && !step.contains("CONSTANT ROW")
                    && !step.contains("VIRTUAL TABLE");
                assert!(!scans_a_table, "{step}: {query}");
            }
        }
        for query in [NEXT_DUE, LEASABLE] {
            let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
            let plan = sqlx::query(asked).fetch_all(&index).await.expect("a plan");
            let sorts = plan.iter().any(|step| step.get::<&str, _>("detail").contains("TEMP"));
            assert!(!sorts, "{query}");
        }
    }
}
