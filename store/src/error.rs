//! What can go wrong in the store, sorted by who must act.

use gantry_terms::moment::Moment;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an object could not be kept. Nothing of it was acknowledged, so the sender still has it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepError {
    /// The admin must make room; the sender may try again later.
    #[error("the disk is full: make room where the store's folder lives")]
    Full(Arc<io::Error>),
    /// The disk or the index failed; the admin must look at it.
    #[error("the store could not write: {0}")]
    Failed(Arc<io::Error>),
    /// The sender's bytes are not a Part 10 file (PS3.10 7.1), so that nothing could be exported.
    #[error("the object has no readable File Meta Information (PS3.10 7.1)")]
    NotPart10,
    /// The node is going down; the sender may try again later.
    #[error("the store is closed")]
    Closed,
}

/// Why the store could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The admin started two nodes on one folder, or a maintenance command beside a node.
    #[error("{} is in use by another gantry process: stop it, or use another folder", .0.display())]
    InUse(PathBuf),
    #[error("{} holds no store: has a node run with this folder?", .0.display())]
    NoStore(PathBuf),
    /// The admin must start the node, which builds it again, or run `gantry reindex`.
    #[error("the index {} is gone, and segments are there: start the node or run gantry reindex, which build it again", .0.display())]
    IndexGone(PathBuf),
    /// The index was written by a gantry of another version.
    #[error("the index in {} is of another version: start the node of this version on it", .0.display())]
    OtherVersion(PathBuf),
    /// The admin must look at the file or its rights.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The index file failed; `gantry reindex` builds it anew from the segments.
    #[error("the index failed: {0} (gantry reindex builds one that cannot be read anew)")]
    Index(#[from] sqlx::Error),
    /// A record is not what was written. The disk or something beside gantry altered it.
    #[error("segment {segment} is damaged at byte {offset}: {what}")]
    Damaged { segment: u32, offset: u64, what: &'static str },
    /// Retention took it away when it was decided and delivered; whoever sent it may send it again.
    #[error("evicted on {} by retention", .0.date())]
    Evicted(Moment),
    /// A row of the index does not say what this version writes there.
    #[error("the index holds something unreadable in {0}: run gantry reindex")]
    Unreadable(&'static str),
}

impl From<io::Error> for KeepError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full(Arc::new(error)),
            _ => Self::Failed(Arc::new(error)),
        }
    }
}

impl From<StoreError> for KeepError {
    /// The index could not be asked while an object was kept.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Index(sqlx::Error::PoolClosed) => Self::Closed,
            error => Self::Failed(Arc::new(io::Error::other(error))),
        }
    }
}

impl StoreError {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
