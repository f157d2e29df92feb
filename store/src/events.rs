//! A bounded list of what an admin should see.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Never holds a patient attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub station: String,
    pub kind: String,
    /// A UID, an AE title, a model, a rule.
    pub subject: Option<String>,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub at: Moment,
    pub event: Event,
}

/// The oldest go when there are more.
const MOST_EVENTS: i64 = 10_000;

impl Reader {
    /// The newest first.
    pub async fn events(&self, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let found = sqlx::query(
            "SELECT at, station, kind, subject, text FROM events ORDER BY id DESC LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(event_row).collect()
    }
}

fn event_row(row: &SqliteRow) -> Result<EventRow, StoreError> {
    let event = Event {
        station: rows::column(row, "station")?,
        kind: rows::column(row, "kind")?,
        subject: rows::column(row, "subject")?,
        text: rows::column(row, "text")?,
    };
    Ok(EventRow { at: rows::moment(row, "at")?, event })
}

impl Store {
    pub async fn note(&self, event: Event) -> Result<(), StoreError> {
        add(&self.shared.write, &event).await?;
        self.shared.progress.ring();
        Ok(())
    }
}

pub(crate) async fn add(pool: &SqlitePool, event: &Event) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    insert(&mut transaction, event).await?;
    Ok(transaction.commit().await?)
}

/// As a part of a transaction.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO events (at, station, kind, subject, text) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(Moment::now().0)
    .bind(&event.station)
    .bind(&event.kind)
    .bind(&event.subject)
    .bind(&event.text)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM events WHERE id <= $1")
        .bind(done.last_insert_rowid() - MOST_EVENTS)
        .execute(connection)
        .await?;
    Ok(())
}
