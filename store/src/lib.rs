//! Keeps what was received: objects in append-only segments, everything about them in an index that can be rebuilt.

mod data_set;
pub mod decisions;
pub mod error;
pub mod events;
pub mod export;
pub mod header;
pub mod incoming;
pub mod jobs;
pub mod options;
pub mod outbox;
mod part10;
pub mod reader;
pub mod reindex;
pub mod series;
mod source;
pub mod store;
pub mod stream;
pub mod summary;
#[cfg(test)]
mod testing;
mod values;
pub mod verify;
