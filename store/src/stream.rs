//! A large object on its way to a segment of its own, piece by piece, in bounded memory.

use crate::claims::Claim;
use crate::digest::{Digest, Digester};
use crate::direct::{Aligned, BLOCK, Direct};
use crate::error::KeepError;
use crate::header_text::HeaderText;
use crate::incoming::{Identity, Kept, Receipt};
use crate::index::Entry;
use crate::options::Durability;
use crate::part10::part10_head;
use crate::record::{self, Head};
use crate::recovery::read_header_at;
use crate::seal::Seal;
use crate::segment;
use crate::store::Shared;
use crate::under::{Over, Under};
use bytes::Bytes;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Pieces are gathered up to this before they are written. A multiple of the blocks.
const GATHERED: usize = 1 << 20;

/// Dropped without `finish`, it leaves nothing behind once the write in hand has ended.
pub struct Stream {
    shared: Arc<Shared>,
    identity: Identity,
    /// What the data set begins with, as far as it shares the first block with the record's front.
    /// That block is written last: until then this is no record.
    first: Vec<u8>,
    /// How much of the first block is the data set's.
    first_room: usize,
    digest: Digester,
    /// Of the data set.
    length: u64,
    /// What follows, while what came before it is on its way to the disk.
    gathered: Aligned,
    writing: Writing,
}

enum Writing {
    Nothing(Growing, Aligned),
    Piece(JoinHandle<io::Result<(Growing, Aligned)>>),
    /// The object is lost, and every later call says so.
    Failed,
}

/// The file under its temporary name.
struct Growing {
    file: Direct,
    path: Temporary,
    part10_head: Vec<u8>,
}

/// What the data set came to.
struct Gathered {
    first: Vec<u8>,
    last: Aligned,
    digest: Digest,
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
        let (growing, front) = blocking(move || Growing::begin(path, &of, durability)).await?;
        Ok(Self {
            shared,
            identity,
            first: Vec::with_capacity(BLOCK),
            first_room: BLOCK - front,
            digest: Digester::default(),
            length: 0,
            gathered: Aligned::default(),
            writing: Writing::Nothing(growing, Aligned::default()),
        })
    }

    /// The next piece of the data set. Returns when there is room for a further one.
    pub async fn append(&mut self, piece: Bytes) -> Result<(), KeepError> {
        self.digest.update(&piece);
        self.length += piece.len() as u64;
        let missing = self.first_room - self.first.len();
        let (first, mut rest) = piece.split_at(missing.min(piece.len()));
        self.first.extend_from_slice(first);
        while !rest.is_empty() {
            let room = GATHERED - self.gathered.length();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.gathered.append(now);
            if self.gathered.length() == GATHERED {
                self.write().await?;
            }
            rest = later;
        }
        Ok(())
    }

    /// Begins to write what is gathered once what was before it is written.
    async fn write(&mut self) -> Result<(), KeepError> {
        // It may be much larger than the reserve.
        if let Some(fault) = self.shared.scarcity(self.identity.origin) {
            self.writing = Writing::Failed;
            return Err(fault);
        }
        let (mut growing, spare) = self.written().await?;
        let mut blocks = std::mem::replace(&mut self.gathered, spare);
        let shared = self.shared.clone();
        self.writing = Writing::Piece(tokio::task::spawn_blocking(move || {
            shared.pace.busy();
            growing.file.append_aligned(&blocks)?;
            blocks.clear();
            Ok((growing, blocks))
        }));
        Ok(())
    }

    async fn written(&mut self) -> Result<(Growing, Aligned), KeepError> {
        match std::mem::replace(&mut self.writing, Writing::Failed) {
            Writing::Nothing(growing, spare) => Ok((growing, spare)),
            Writing::Piece(piece) => Ok(piece.await.map_err(|_| KeepError::Closed)??),
            Writing::Failed => Err(KeepError::Closed),
        }
    }

    /// Returns when the object is durable.
    pub async fn finish(mut self) -> Result<Receipt, KeepError> {
        let (growing, _) = self.written().await?;
        let Self { shared, identity, first, gathered: last, digest, length, .. } = self;
        let gathered = Gathered { first, last, digest: digest.digest(), length };
        // On its own, so that a peer that goes away now leaves either nothing or a kept object.
        let finished = tokio::spawn(finish(shared, identity, growing, gathered));
        finished.await.unwrap_or(Err(KeepError::Closed))
    }
}

async fn finish(
    shared: Arc<Shared>,
    identity: Identity,
    growing: Growing,
    gathered: Gathered,
) -> Result<Receipt, KeepError> {
    let sop_instance = identity.sop_instance.clone();
    let outcome = match shared.claim(&identity, gathered.digest).await? {
        Under::Mine(claim, over) => keep(&shared, identity, growing, gathered, claim, over).await?,
        Under::Kept(outcome) => outcome,
    };
    Ok(Receipt { sop_instance, outcome })
}

async fn keep(
    shared: &Arc<Shared>,
    mut identity: Identity,
    mut growing: Growing,
    gathered: Gathered,
    claim: Claim,
    over: Over,
) -> Result<Kept, KeepError> {
    over.settle(&mut identity);
    let Over { outcome, keeps_earlier, .. } = over;
    let segment = shared.numbers.next();
    let (store, sync) = (shared.options.folder.clone(), shared.options.durability);
    let (of, digest, seal) = (identity.clone(), gathered.digest, shared.seal);
    let (head, header) = blocking(move || {
        let head = growing.complete(&of, keeps_earlier, &gathered, sync, &seal)?;
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
    let mut header = HeaderText::of(&header);
    // It is kept; only a store that is going down has no room, and then the next start replays it.
    let _ = shared.make_room(&mut header).await;
    let entry = Entry {
        identity,
        header,
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
    /// With the length of the record's front.
    fn begin(
        path: PathBuf,
        identity: &Identity,
        durability: Durability,
    ) -> io::Result<(Self, usize)> {
        let past_cache = durability == Durability::PowerLoss;
        let file = Direct::open(&path, true, BLOCK as u64, past_cache)?;
        let part10_head = part10_head(identity);
        let front = record::front(identity, false, &part10_head, 0, Digest::default());
        // UIDs and titles are short by their types.
        let front = front.map(|(_, front)| front.len()).filter(|length| *length <= BLOCK);
        let front = front.ok_or(io::ErrorKind::InvalidData)?;
        Ok((Self { file, path: Temporary(path), part10_head }, front))
    }

    /// The whole record, synced.
    fn complete(
        &mut self,
        identity: &Identity,
        keeps_earlier: bool,
        gathered: &Gathered,
        durability: Durability,
        seal: &Seal,
    ) -> io::Result<Head> {
        let Gathered { first, last, digest, length } = gathered;
        self.file.append(last.whole())?;
        self.file.pad()?;
        let front = record::front(identity, keeps_earlier, &self.part10_head, *length, *digest);
        let (mut head, mut front) = front.ok_or(io::ErrorKind::InvalidData)?;
        record::seal_front(&mut head, &mut front, seal);
        self.file.back_to(0);
        self.file.append(&front)?;
        self.file.append(first)?;
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
