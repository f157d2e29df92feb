//! Asks the index and the segments, inside the node or beside it. Never writes.

use crate::error::StoreError;
use bytes::Bytes;
use gantry_terms::uid::Uid;
use std::path::PathBuf;

/// Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) folder: PathBuf,
    pub(crate) pool: sqlx::SqlitePool,
}

impl Reader {
    /// The Part 10 file of an instance, its checksum verified.
    pub async fn object(&self, _sop_instance: &Uid) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }
}
