//! Writes kept objects out as Part 10 files.

use crate::error::StoreError;
use crate::reader::Reader;
use gantry_terms::uid::Uid;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    All,
    /// Of a study, a series or an instance.
    Uid(Uid),
}

/// Writes `<study>/<series>/<instance>.dcm` below the folder and says how many.
/// A file that is already there is replaced.
pub async fn export(_reader: &Reader, _selector: &Selector, _to: &Path) -> Result<u64, StoreError> {
    todo!()
}
