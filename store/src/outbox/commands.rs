//! What an admin asks of the outbox, beside a node that runs or without one: a row says so, and the node looks at it every second.

use super::listed::{Meant, ids};
use super::{DeliveryState, Said};
use crate::error::StoreError;
use crate::events::{self, Event};
use crate::index;
use crate::rows;
use gantry_terms::moment::Moment;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// Nothing more goes to the peer, apart from what is on its way this very moment.
pub async fn pause(store: &Path, peer: &str, said: &Said) -> Result<(), StoreError> {
    let index = index::open_beside(store).await?;
    let mut transaction = index.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "INSERT INTO outbox_peers (peer, paused_at, paused_by, paused_why, asked)
         VALUES ($1, $2, $3, $4, 1)
         ON CONFLICT (peer) DO UPDATE SET paused_at = excluded.paused_at,
             paused_by = excluded.paused_by, paused_why = excluded.paused_why, asked = asked + 1",
    )
    .bind(peer)
    .bind(Moment::now().0)
    .bind(&said.by)
    .bind(&said.why)
    .execute(&mut *transaction)
    .await?;
    note(&mut transaction, "peer paused", peer, format!("deliveries to {peer} paused"), said)
        .await?;
    transaction.commit().await?;
    index.close().await;
    Ok(())
}

/// Goes on with a peer that was paused, and tries one at once that could not be reached.
pub async fn resume(store: &Path, peer: &str, said: &Said) -> Result<(), StoreError> {
    let index = index::open_beside(store).await?;
    let mut transaction = index.begin_with("BEGIN IMMEDIATE").await?;
    forget_trouble(&mut transaction, peer).await?;
    sqlx::query(
        "UPDATE outbox_peers SET paused_at = NULL, paused_by = NULL, paused_why = NULL,
             resumed_at = $2 WHERE peer = $1",
    )
    .bind(peer)
    .bind(Moment::now().0)
    .execute(&mut *transaction)
    .await?;
    note(&mut transaction, "peer resumed", peer, format!("deliveries to {peer} resumed"), said)
        .await?;
    transaction.commit().await?;
    index.close().await;
    Ok(())
}

/// Tries again at once what is parked or waits for its next try; how many. What was dropped only when it
/// is named by its number. `as_it_is`: whatever the peer says of the study and whose it is.
pub async fn retry(
    store: &Path,
    meant: &Meant,
    said: &Said,
    as_it_is: bool,
) -> Result<u64, StoreError> {
    let again = "UPDATE outbox SET state = 'queued', due_at = $2, retried_at = $2, attempts = 0,
             as_it_is = CASE WHEN state = 'queued' THEN max(as_it_is, $3) ELSE $3 END, dropped_at = NULL, dropped_by = NULL, dropped_why = NULL
         WHERE id IN (SELECT value FROM json_each($1))
             AND (state IN ('parked', 'dropped') OR (state = 'queued' AND leased_at IS NULL))";
    let mut states = vec![DeliveryState::Parked, DeliveryState::Queued];
    if matches!(meant.what, super::listed::What::Number(_)) {
        states.push(DeliveryState::Dropped);
    }
    let index = index::open_beside(store).await?;
    let ids = meant_ids(&index, meant, &states).await?;
    let mut transaction = index.begin_with("BEGIN IMMEDIATE").await?;
    let done = sqlx::query(again).bind(rows::to_json(&ids)?).bind(Moment::now().0).bind(as_it_is);
    let tried = done.execute(&mut *transaction).await?.rows_affected();
    let peers: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT peer FROM outbox WHERE id IN (SELECT value FROM json_each($1))",
    )
    .bind(rows::to_json(&ids)?)
    .fetch_all(&mut *transaction)
    .await?;
    for peer in &peers {
        forget_trouble(&mut transaction, peer).await?;
    }
    if tried > 0 {
        let whatever =
            if as_it_is { " as they are, whatever the peer says of the study" } else { "" };
        let text = format!("{tried} deliveries tried again{whatever}");
        note(&mut transaction, "deliveries tried again", &peers.join(", "), text, said).await?;
    }
    transaction.commit().await?;
    index.close().await;
    Ok(tried)
}

/// Takes what is queued or parked out of the queue; how many. The rows stay, with who and why; what is
/// on its way this very moment may still arrive, and then counts as delivered.
pub async fn drop(store: &Path, meant: &Meant, said: &Said) -> Result<u64, StoreError> {
    let index = index::open_beside(store).await?;
    let states = [DeliveryState::Parked, DeliveryState::Queued];
    let ids = meant_ids(&index, meant, &states).await?;
    let mut transaction = index.begin_with("BEGIN IMMEDIATE").await?;
    let done = sqlx::query(
        "UPDATE outbox SET state = 'dropped', dropped_at = $2, dropped_by = $3, dropped_why = $4
         WHERE id IN (SELECT value FROM json_each($1)) AND state IN ('queued', 'parked')",
    )
    .bind(rows::to_json(&ids)?)
    .bind(Moment::now().0)
    .bind(&said.by)
    .bind(&said.why)
    .execute(&mut *transaction)
    .await?;
    let dropped = done.rows_affected();
    if dropped > 0 {
        let text = format!("{dropped} deliveries dropped");
        let peer = meant.peer.as_deref().unwrap_or("all peers");
        note(&mut transaction, "deliveries dropped", peer, text, said).await?;
    }
    transaction.commit().await?;
    index.close().await;
    Ok(dropped)
}

async fn meant_ids(
    index: &SqlitePool,
    meant: &Meant,
    states: &[DeliveryState],
) -> Result<Vec<i64>, StoreError> {
    let mut all = Vec::new();
    for state in states {
        all.append(&mut ids(index, meant, *state).await?);
    }
    Ok(all)
}

/// A running node notices, and tries the peer at once.
async fn forget_trouble(connection: &mut SqliteConnection, peer: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox_peers (peer, asked) VALUES ($1, 1)
         ON CONFLICT (peer) DO UPDATE SET failures = 0, down_since = NULL, reason = NULL,
             retry_at = NULL, asked = asked + 1",
    )
    .bind(peer)
    .execute(connection)
    .await?;
    Ok(())
}

async fn note(
    connection: &mut SqliteConnection,
    kind: &str,
    subject: &str,
    text: String,
    said: &Said,
) -> Result<(), StoreError> {
    let why = if said.why.is_empty() { String::new() } else { format!(": {}", said.why) };
    let event = Event {
        station: "deliver".into(),
        kind: kind.into(),
        subject: Some(subject.to_owned()),
        text: format!("{text} by {}{why}", said.by),
    };
    Ok(events::insert(connection, &event).await?)
}
