//! Keeps what was received: objects in append-only segments, everything about them in an index that can be rebuilt.

mod changed;
mod claims;
pub mod completion;
mod data_set;
pub mod decisions;
pub mod error;
pub mod events;
pub mod export;
pub mod header;
pub mod incoming;
mod index;
mod indexer;
pub mod jobs;
mod leases;
pub mod options;
pub mod outbox;
pub mod pace;
mod part10;
mod progress;
pub mod reader;
mod record;
mod recovery;
pub mod reindex;
mod rows;
mod segment;
pub mod series;
mod source;
pub mod store;
pub mod stream;
pub mod summary;
#[cfg(test)]
mod testing;
mod values;
pub mod verify;
mod writer;
