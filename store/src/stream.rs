//! A large object on its way to a segment of its own, piece by piece, in bounded memory.

use crate::claims::Claim;
use crate::error::KeepError;
use crate::incoming::{Identity, Kept, Receipt};
use crate::index::Entry;
use crate::options::Durability;
use crate::part10::{LONGEST_HEAD, read_head};
use crate::record::{self, Digest, HEAD_BYTES, Head};
use crate::recovery::read_header_at;
use crate::segment;
use crate::store::{Shared, Under};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Pieces are gathered up to this before they are written.
const GATHERED: usize = 1 << 20;

/// Dropped without `finish`, it leaves nothing behind.
pub struct Stream {
    shared: Arc<Shared>,
    identity: Identity,
    gathered: Vec<u8>,
    /// None after an error: the object is lost, and every later call says so.
    growing: Option<Growing>,
}

/// The file under its temporary name, and the sums over what is in it.
struct Growing {
    file: File,
    path: Temporary,
    meta: Vec<u8>,
    checksum: crc32fast::Hasher,
    digest: blake3::Hasher,
    /// What has come of the Part 10 head so far, until it is known where the data set begins.
    front: Option<Vec<u8>>,
    payload: u64,
}

/// Removed when dropped. Renaming it away first keeps the file.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Stream {
    pub(crate) async fn begin(shared: Arc<Shared>, identity: Identity) -> Result<Self, KeepError> {
        let path = segment::temporary_path(&shared.options.folder, shared.next_serial());
        let meta = record::encode_meta(&identity);
        let growing = blocking(move || Growing::begin(path, meta)).await?;
        Ok(Self { shared, identity, gathered: Vec::new(), growing: Some(growing) })
    }

    /// The next piece of the Part 10 file; the first begins with its preamble
    /// (`header::part10_head`).
    pub async fn append(&mut self, piece: Bytes) -> Result<(), KeepError> {
        for part in piece.chunks(GATHERED) {
            self.gathered.extend_from_slice(part);
            if self.gathered.len() >= GATHERED {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), KeepError> {
        let mut growing = self.growing.take().ok_or(KeepError::Closed)?;
        let mut bytes = std::mem::take(&mut self.gathered);
        let (growing, bytes) = blocking(move || {
            growing.write(&bytes)?;
            bytes.clear();
            Ok((growing, bytes))
        })
        .await?;
        (self.growing, self.gathered) = (Some(growing), bytes);
        Ok(())
    }

    /// Returns when the object is durable.
    pub async fn finish(mut self) -> Result<Receipt, KeepError> {
        self.write().await?;
        let Self { shared, identity, growing, .. } = self;
        let mut growing = growing.ok_or(KeepError::Closed)?;
        let digest = growing.digest()?;
        // On its own, so that a peer that goes away now leaves either nothing or a kept object.
        let finished = tokio::spawn(finish(shared, identity, growing, digest));
        finished.await.unwrap_or(Err(KeepError::Closed))
    }
}

async fn finish(
    shared: Arc<Shared>,
    identity: Identity,
    growing: Growing,
    digest: Digest,
) -> Result<Receipt, KeepError> {
    let sop_instance = identity.sop_instance.clone();
    match shared.claim(&sop_instance, digest).await? {
        Under::Nobody(claim) => keep(&shared, identity, growing, digest, claim).await?,
        Under::Kept(outcome) => return Ok(Receipt { sop_instance, outcome }),
    }
    Ok(Receipt { sop_instance, outcome: Kept::New })
}

async fn keep(
    shared: &Arc<Shared>,
    identity: Identity,
    growing: Growing,
    digest: Digest,
    claim: Claim,
) -> Result<(), KeepError> {
    let segment = shared.next_number();
    let (store, sync) = (shared.options.folder.clone(), shared.options.durability);
    let head = growing.head(digest);
    let header = blocking(move || {
        let header = read_header_at(&growing.path.0, head.payload_offset.into(), head.payload);
        growing.complete(head, sync)?;
        fs::rename(&growing.path.0, segment::path(&store, segment))?;
        if sync == Durability::PowerLoss {
            segment::sync_folder(&store)?;
        }
        Ok(header)
    })
    .await?;
    claim.durable();
    shared.progress.appended();
    let header = match header {
        Ok(header) => header,
        Err(error) => shared.without_header(&identity.sop_instance, error).await,
    };
    let entry = Entry {
        identity,
        header,
        segment,
        offset: 0,
        end: head.length(),
        bytes: head.payload,
        digest,
        claim: Some(claim),
    };
    shared.index(entry).await;
    Ok(())
}

impl Growing {
    fn begin(path: PathBuf, meta: Vec<u8>) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        let path = Temporary(path);
        // The head comes last: until then this is no record.
        (&file).write_all(&[0; HEAD_BYTES])?;
        (&file).write_all(&meta)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&meta);
        let (digest, front) = (blake3::Hasher::new(), Some(Vec::new()));
        Ok(Self { file, path, meta, checksum, digest, front, payload: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.checksum.update(bytes);
        self.payload += bytes.len() as u64;
        let Some(mut front) = self.front.take() else {
            self.digest.update(bytes);
            return Ok(());
        };
        front.extend_from_slice(bytes);
        // With fewer bytes behind it than an element's start, more of the head may come.
        match read_head(&front) {
            Ok(head) if front.len() >= head.data_set + 8 => {
                self.digest.update(&front[head.data_set..]);
            }
            _ if front.len() > 2 * LONGEST_HEAD => return Err(io::ErrorKind::InvalidData.into()),
            _ => self.front = Some(front),
        }
        Ok(())
    }

    /// Over the data set alone. A head that never ended is no Part 10 file.
    fn digest(&mut self) -> Result<Digest, KeepError> {
        if let Some(front) = self.front.take() {
            let head = read_head(&front).map_err(|_| KeepError::NotPart10)?;
            self.digest.update(&front[head.data_set..]);
        }
        Ok(self.digest.finalize().into())
    }

    fn head(&self, digest: Digest) -> Head {
        Head {
            payload_offset: (HEAD_BYTES + self.meta.len()) as u32,
            payload: self.payload,
            checksum: self.checksum.clone().finalize(),
            digest,
        }
    }

    fn complete(&self, head: Head, durability: Durability) -> io::Result<()> {
        self.file.write_all_at(&head.encode(), 0)?;
        match durability {
            Durability::PowerLoss => self.file.sync_data(),
            Durability::Crash => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, KeepError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(KeepError::NotPart10),
        Ok(done) => Ok(done?),
        Err(_) => Err(KeepError::Closed),
    }
}
