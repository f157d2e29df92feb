//! The task that follows the writer: takes what has queued up and commits it to the index at once.

use crate::bases::Bases;
use crate::error::KeepError;
use crate::index::{self, Entry};
use crate::progress::Progress;
use sqlx::SqlitePool;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Entries of one transaction at most.
const BATCH: usize = 512;

/// Runs until every sender is gone and everything sent is committed, or cannot be: what is missing
/// then is replayed at the next start.
pub(crate) async fn run(
    mut entries: mpsc::Receiver<Entry>,
    pool: SqlitePool,
    progress: Arc<Progress>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut bases = Bases::default();
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        // Not woken by each entry: that would cost more than the entry does.
        tokio::select! {
            () = progress.is_wanted() => {}
            () = tokio::time::sleep(progress.gathering()) => {}
        }
        while batch.len() < BATCH {
            let Ok(entry) = entries.try_recv() else { break };
            batch.push(entry);
        }
        let mut pause = Duration::from_millis(50);
        let added = loop {
            let error = match index::add(&pool, &mut bases, &batch).await {
                Ok(added) => break added,
                Err(error) => error,
            };
            // The objects are safe in their segments, and at the next start they are replayed.
            tracing::error!(station = "keep", %error, "the index cannot follow the segments");
            progress.set_fault(Some(fault(&error)));
            if entries.is_closed() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        };
        progress.set_fault(None);
        let indexed = batch.len() as u64;
        let series = batch.iter().map(|entry| &entry.identity.series);
        progress.changed.add(series.chain(&added.left));
        // The index answers for these from now on.
        batch.drain(..).for_each(|entry| drop(entry.claim));
        progress.indexed(indexed);
        progress.ring();
    }
}

/// SQLITE_FULL is 13 (sqlite.org/rescode.html).
fn fault(error: &sqlx::Error) -> KeepError {
    let full = error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "13");
    match full {
        true => KeepError::Full(Arc::new(io::Error::from(io::ErrorKind::StorageFull))),
        false => KeepError::Failed(Arc::new(io::Error::other("the index cannot be written"))),
    }
}
