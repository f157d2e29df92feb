//! Keeps what was received: objects in append-only segments, everything about them in an index that can be rebuilt.

pub mod associations;
mod changed;
mod claims;
pub mod completion;
mod data_set;
pub mod decisions;
pub mod digest;
mod direct;
mod disk;
pub mod error;
pub mod events;
pub mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod header;
pub mod incoming;
mod index;
mod indexer;
pub mod jobs;
mod known;
mod leases;
pub mod options;
pub mod outbox;
pub mod pace;
mod part10;
mod prepared;
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
mod supersede;
#[cfg(test)]
mod testing;
mod under;
mod values;
pub mod verify;
mod writer;
