//! What became of each association: the latest in a bounded table, all of them in counters.

use crate::error::StoreError;
use crate::events::{self, Event};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;

/// One association that is over, or that did not come about. Never holds a patient attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct AssociationRow {
    pub began: Moment,
    pub ended: Moment,
    pub address: String,
    /// The titles as the peer sent them, with what controls a terminal replaced.
    pub calling: String,
    pub called: String,
    /// Version name and class UID of the peer's implementation, as far as it names them.
    pub implementation: String,
    pub contexts: Vec<Contexts>,
    pub outcome: Outcome,
    /// What the counters count: `released`, `refused 1/1/7`. Of a small set.
    pub kind: String,
    /// In words for the admin, with who must act.
    pub explanation: String,
    /// C-STOREs that were answered.
    pub objects: u64,
    /// Of their data sets.
    pub bytes: u64,
    /// How often each status was the answer, by its four hexadecimal digits.
    pub statuses: BTreeMap<String, u64>,
}

/// SOP classes that were offered alike and answered alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contexts {
    pub sop_classes: Vec<String>,
    /// How many more there were than are named.
    pub more: u32,
    pub offered: Vec<String>,
    /// The transfer syntax that was agreed on.
    pub accepted: Option<String>,
    /// Why none was (PS3.8 table 9-18); empty where the association itself was refused.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Released,
    /// Aborted by either side, or the connection was lost.
    BrokenOff,
    /// No association came about.
    Refused,
}

/// Which associations are asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub refused_only: bool,
    /// A calling AE title.
    pub calling: Option<String>,
    pub limit: u32,
}

/// The oldest of each outcome go when there are more. Refusals do not push out what was served:
/// anybody on the network can cause them.
const MOST: i64 = 10_000;

impl Outcome {
    const ALL: [Self; 3] = [Self::Released, Self::BrokenOff, Self::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::BrokenOff => "broken off",
            Self::Refused => "refused",
        }
    }
}

impl Reader {
    /// The newest first.
    pub async fn associations(&self, wanted: &Wanted) -> Result<Vec<AssociationRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM associations
             WHERE ($1 IS NULL OR calling_ae = $1) AND (NOT $2 OR outcome = 'refused')
             ORDER BY id DESC LIMIT $3",
        )
        .bind(&wanted.calling)
        .bind(wanted.refused_only)
        .bind(wanted.limit)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(association).collect()
    }

    /// How many associations there were of each kind since the index was made.
    pub async fn association_counts(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let found = sqlx::query("SELECT kind, count FROM association_counts");
        let found = found.fetch_all(&self.pool).await?;
        found
            .iter()
            .map(|row| Ok((rows::column(row, "kind")?, rows::count(row, "count")?)))
            .collect()
    }
}

impl Store {
    /// Takes down what ended, and what is to be told of it, in one transaction.
    pub async fn record_associations(
        &self,
        ended: &[AssociationRow],
        told: &[Event],
    ) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        for row in ended {
            insert(&mut transaction, row).await?;
            count(&mut transaction, &row.kind).await?;
        }
        for outcome in Outcome::ALL {
            if ended.iter().any(|row| row.outcome == outcome) {
                drop_oldest(&mut transaction, outcome).await?;
            }
        }
        for event in told {
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }
}

async fn insert(connection: &mut SqliteConnection, row: &AssociationRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO associations (began_at, ended_at, address, calling_ae, called_ae,
             implementation, contexts, outcome, kind, explanation, objects, bytes, statuses)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(row.began.0)
    .bind(row.ended.0)
    .bind(&row.address)
    .bind(&row.calling)
    .bind(&row.called)
    .bind(&row.implementation)
    .bind(rows::to_json(&row.contexts)?)
    .bind(row.outcome.as_str())
    .bind(&row.kind)
    .bind(&row.explanation)
    .bind(row.objects as i64)
    .bind(row.bytes as i64)
    .bind(rows::to_json(&row.statuses)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn count(connection: &mut SqliteConnection, kind: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO association_counts (kind, count) VALUES ($1, 1)
         ON CONFLICT (kind) DO UPDATE SET count = count + 1",
    )
    .bind(kind)
    .execute(connection)
    .await?;
    Ok(())
}

async fn drop_oldest(
    connection: &mut SqliteConnection,
    outcome: Outcome,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM associations WHERE outcome = $1 AND id <=
             (SELECT id FROM associations WHERE outcome = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(outcome.as_str())
    .bind(MOST)
    .execute(connection)
    .await?;
    Ok(())
}

fn association(row: &SqliteRow) -> Result<AssociationRow, StoreError> {
    let outcome: &str = rows::column(row, "outcome")?;
    let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome);
    let outcome = outcome.ok_or(StoreError::Unreadable("outcome"))?;
    Ok(AssociationRow {
        began: rows::moment(row, "began_at")?,
        ended: rows::moment(row, "ended_at")?,
        address: rows::column(row, "address")?,
        calling: rows::column(row, "calling_ae")?,
        called: rows::column(row, "called_ae")?,
        implementation: rows::column(row, "implementation")?,
        contexts: rows::json(row, "contexts")?,
        outcome,
        kind: rows::column(row, "kind")?,
        explanation: rows::column(row, "explanation")?,
        objects: rows::count(row, "objects")?,
        bytes: rows::count(row, "bytes")?,
        statuses: rows::json(row, "statuses")?,
    })
}
