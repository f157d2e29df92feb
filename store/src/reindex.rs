//! Builds the index anew from the segments alone.

use crate::error::StoreError;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reindexed {
    pub segments: u64,
    pub records: u64,
    pub instances: u64,
    pub series: u64,
    /// What was found damaged, in words.
    pub problems: Vec<String>,
    /// Where an index that could not be read was put aside.
    pub set_aside: Option<PathBuf>,
}

/// Needs no database file. Decisions, jobs and outbox of one that is there are kept.
pub async fn reindex(_folder: &Path) -> Result<Reindexed, StoreError> {
    todo!()
}
