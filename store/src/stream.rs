//! A large object on its way to a segment of its own, piece by piece, in bounded memory.

use crate::claims::Claim;
use crate::digest::{Digest, Digester};
use crate::direct::{BLOCK, Direct};
use crate::error::KeepError;
use crate::incoming::{Identity, Kept, Receipt};
use crate::index::{Entry, HeaderText};
use crate::options::Durability;
use crate::part10::part10_head;
use crate::record::{self, Head};
use crate::recovery::read_header_at;
use crate::segment;
use crate::store::Shared;
use crate::under::{Over, Under};
use bytes::Bytes;
use std::fs;
use std::io;
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
    file: Direct,
    path: Temporary,
    part10_head: Vec<u8>,
    /// What the data set begins with, as far as it shares the first block with the record's front.
    /// That block is written last: until then this is no record.
    first: Vec<u8>,
    /// How much of the first block the front takes.
    front: usize,
    digest: Digester,
    /// Of the data set.
    length: u64,
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
        let (of, durability) = (identity.clone(), shared.options.durability);
        let growing = blocking(move || Growing::begin(path, &of, durability)).await?;
        Ok(Self { shared, identity, gathered: Vec::new(), growing: Some(growing) })
    }

    /// The next piece of the data set.
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
        let growing = growing.ok_or(KeepError::Closed)?;
        // On its own, so that a peer that goes away now leaves either nothing or a kept object.
        let finished = tokio::spawn(finish(shared, identity, growing));
        finished.await.unwrap_or(Err(KeepError::Closed))
    }
}

async fn finish(
    shared: Arc<Shared>,
    identity: Identity,
    growing: Growing,
) -> Result<Receipt, KeepError> {
    let sop_instance = identity.sop_instance.clone();
    let digest = growing.digest.digest();
    let outcome = match shared.claim(&identity, digest).await? {
        Under::Mine(claim, over) => keep(&shared, identity, growing, digest, claim, over).await?,
        Under::Kept(outcome) => outcome,
    };
    Ok(Receipt { sop_instance, outcome })
}

async fn keep(
    shared: &Arc<Shared>,
    mut identity: Identity,
    mut growing: Growing,
    digest: Digest,
    claim: Claim,
    over: Over,
) -> Result<Kept, KeepError> {
    over.settle(&mut identity);
    let Over { outcome, keeps_earlier, .. } = over;
    let segment = shared.numbers.next();
    let (store, sync) = (shared.options.folder.clone(), shared.options.durability);
    let of = identity.clone();
    let (head, header) = blocking(move || {
        let head = growing.complete(&of, keeps_earlier, digest, sync)?;
        let header = read_header_at(&growing.path.0, head.payload_offset.into(), head.payload);
        fs::rename(&growing.path.0, segment::path(&store, segment))?;
        if sync == Durability::PowerLoss {
            segment::sync_folder(&store)?;
        }
        Ok((head, header))
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
        header: HeaderText::of(&header),
        segment,
        offset: 0,
        end: head.length(),
        bytes: head.payload,
        digest,
        keeps_earlier,
        claim: Some(claim),
    };
    shared.index(entry).await;
    Ok(outcome)
}

impl Growing {
    fn begin(path: PathBuf, identity: &Identity, durability: Durability) -> io::Result<Self> {
        let past_cache = durability == Durability::PowerLoss;
        let file = Direct::open(&path, true, BLOCK as u64, past_cache)?;
        let part10_head = part10_head(identity);
        let front = record::front(identity, false, &part10_head, 0, Digest::default());
        let front = front.map(|(_, front)| front.len()).filter(|length| *length <= BLOCK);
        Ok(Self {
            file,
            path: Temporary(path),
            part10_head,
            first: Vec::with_capacity(BLOCK),
            // UIDs and titles are short by their types.
            front: front.ok_or(io::ErrorKind::InvalidData)?,
            digest: Digester::default(),
            length: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        let missing = BLOCK - self.front - self.first.len();
        let (first, rest) = bytes.split_at(missing.min(bytes.len()));
        self.first.extend_from_slice(first);
        self.file.append(rest)
    }

    /// The whole record, synced.
    fn complete(
        &mut self,
        identity: &Identity,
        keeps_earlier: bool,
        digest: Digest,
        durability: Durability,
    ) -> io::Result<Head> {
        self.file.pad()?;
        let front = record::front(identity, keeps_earlier, &self.part10_head, self.length, digest);
        let (head, front) = front.ok_or(io::ErrorKind::InvalidData)?;
        self.file.back_to(0);
        self.file.append(&front)?;
        self.file.append(&self.first)?;
        self.file.pad()?;
        match durability {
            Durability::PowerLoss => self.file.file().sync_data()?,
            Durability::Crash => {}
        }
        Ok(head)
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
