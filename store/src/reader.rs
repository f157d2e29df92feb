//! Asks the index and the segments, inside the node or beside it. Never writes.

use crate::digest::Digest;
use crate::error::StoreError;
use crate::index;
use crate::recent::Recent;
use crate::rows;
use crate::segment;
use bytes::Bytes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// That ask at a time.
const CONNECTIONS: u32 = 4;

/// Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) folder: PathBuf,
    pub(crate) pool: SqlitePool,
    /// Nothing where the node itself is another process.
    recent: Arc<Recent>,
}

/// Where a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

impl Location {
    pub(crate) fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self { segment: rows::small(row, "segment")?, offset: rows::count(row, "offset")? })
    }

    pub(crate) fn damaged(self) -> StoreError {
        let Self { segment, offset } = self;
        let what = "the checksum of a kept object does not hold";
        StoreError::Damaged { segment, offset, what }
    }

    pub(crate) fn gone(self) -> StoreError {
        let Self { segment, offset } = self;
        StoreError::Damaged { segment, offset, what: "the file of the segment is gone" }
    }
}

impl Reader {
    /// Asks over one connection of its own, one question after the other: however long they take, they
    /// keep nobody else waiting.
    pub async fn apart(&self) -> Result<Self, StoreError> {
        Ok(Self {
            folder: self.folder.clone(),
            pool: index::open_to_read(&self.folder, 1).await?,
            recent: self.recent.clone(),
        })
    }

    pub(crate) async fn open(folder: &Path) -> Result<Self, StoreError> {
        if !index::path(folder).is_file() {
            let segments = segment::numbers(folder).is_ok_and(|numbers| !numbers.is_empty());
            return Err(match segments {
                true => StoreError::IndexGone(index::path(folder)),
                false => StoreError::NoStore(folder.to_owned()),
            });
        }
        Ok(Self {
            folder: folder.to_owned(),
            pool: index::open_to_read(folder, CONNECTIONS).await?,
            recent: Arc::default(),
        })
    }

    /// Asks what was kept last before the disk.
    pub(crate) fn with(self, recent: Arc<Recent>) -> Self {
        Self { recent, ..self }
    }

    /// The Part 10 file of these bytes of an instance, if they are at hand.
    pub(crate) fn at_hand(&self, sop_instance: &Uid, digest: &Digest) -> Option<Bytes> {
        self.recent.get(sop_instance, digest)
    }

    /// The Part 10 file of an instance, its checksum verified.
    pub async fn object(&self, sop_instance: &Uid) -> Result<Option<Bytes>, StoreError> {
        Ok(self.object_and_digest(sop_instance).await?.map(|(object, _)| object))
    }

    /// The digest of an instance's data set as it is kept now.
    pub async fn digest(&self, sop_instance: &Uid) -> Result<Option<Digest>, StoreError> {
        Ok(self.location(sop_instance).await?.map(|(_, digest)| digest))
    }

    /// The Part 10 file as [`Reader::object`] gives it, and the digest of its data set.
    pub async fn object_and_digest(
        &self,
        sop_instance: &Uid,
    ) -> Result<Option<(Bytes, Digest)>, StoreError> {
        let mut last = None;
        loop {
            let Some((at, digest)) = self.location(sop_instance).await? else { return Ok(None) };
            if let Some(object) = self.at_hand(sop_instance, &digest) {
                return Ok(Some((object, digest)));
            }
            let path = segment::path(&self.folder, at.segment);
            match blocking(move || read_object(&path, at)).await {
                // Retention may have moved or evicted it since: then the index says so.
                Err(error) if error.is_not_found() && last != Some(at) => last = Some(at),
                object => return Ok(Some((object?, digest))),
            }
        }
    }

    async fn location(&self, sop_instance: &Uid) -> Result<Option<(Location, Digest)>, StoreError> {
        let row = sqlx::query(
            "SELECT segment, offset, digest, evicted_at
             FROM instances JOIN segments ON segments.number = instances.segment
             WHERE sop_instance = $1",
        )
        .bind(sop_instance.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if let Some(at) = rows::maybe_moment(&row, "evicted_at")? {
            return Err(StoreError::Evicted(at));
        }
        let digest = Digest::try_from(rows::column::<&[u8]>(&row, "digest")?);
        let digest = digest.map_err(|_| StoreError::Unreadable("digest"))?;
        Ok(Some((Location::of(&row)?, digest)))
    }

    /// When the segment was evicted, if it was.
    pub(crate) async fn evicted_at(&self, segment: u32) -> Result<Option<Moment>, StoreError> {
        let evicted: Option<Option<i64>> =
            sqlx::query_scalar("SELECT evicted_at FROM segments WHERE number = $1")
                .bind(segment)
                .fetch_optional(&self.pool)
                .await?;
        Ok(evicted.flatten().map(Moment))
    }
}

fn read_object(path: &Path, at: Location) -> Result<Bytes, StoreError> {
    let failed = StoreError::file(path);
    let payload = File::open(path).and_then(|file| segment::read_payload(&file, at.offset));
    payload.map_err(failed)?.map(Bytes::from).ok_or_else(|| at.damaged())
}

/// Disk work beside the async tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Only a panic of our own or the end of the runtime comes here.
        Err(_) => Err(StoreError::Unreadable("a task that was stopped")),
    }
}
