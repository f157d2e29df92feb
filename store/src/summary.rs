//! What is where, in numbers.

use crate::error::StoreError;
use crate::events::EventRow;
use crate::reader::Reader;
use gantry_terms::moment::Moment;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    pub series: SeriesCounts,
    pub jobs: Vec<ModelCounts>,
    pub outbox: Vec<PeerCounts>,
    pub instances: u64,
    pub segments: u64,
    /// Of all segments on disk.
    pub bytes: u64,
    /// The last ten, newest first.
    pub events: Vec<EventRow>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesCounts {
    pub receiving: u64,
    pub complete: u64,
    pub decided: u64,
    pub made: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelCounts {
    pub model: String,
    pub queued: u64,
    pub running: u64,
    pub finished: u64,
    pub failed: u64,
    pub superseded: u64,
    /// Of the job that failed last.
    pub last_reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerCounts {
    pub peer: String,
    pub queued: u64,
    pub delivered: u64,
    pub parked: u64,
    /// Of the delivery that failed last.
    pub last_reason: Option<String>,
    pub next_try: Option<Moment>,
}

impl Reader {
    pub async fn summary(&self) -> Result<Summary, StoreError> {
        todo!()
    }
}
