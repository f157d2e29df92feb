//! The one thread that appends: everything that has queued up in one write and one sync.

use crate::body::Body;
use crate::claims::Claim;
use crate::direct::{Direct, padding};
use crate::error::KeepError;
use crate::header_text::HeaderText;
use crate::index::Entry;
use crate::numbers::Numbers;
use crate::options::{Durability, StoreOptions};
use crate::prepared::{LEAST, Prepared};
use crate::progress::Progress;
use crate::recent::Recent;
use crate::segment;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// What one write takes at most, so that the first in the queue does not wait long for its sync.
const BATCH_BYTES: usize = 32 << 20;
const BATCH_OBJECTS: usize = 256;

/// An object that waits to be appended.
pub(crate) struct Waiting {
    pub(crate) identity: crate::incoming::Identity,
    pub(crate) header: HeaderText,
    /// The record that was there before stays as an earlier version.
    pub(crate) keeps_earlier: bool,
    pub(crate) head: crate::record::Head,
    pub(crate) body: Body,
    pub(crate) claim: Claim,
    pub(crate) answer: oneshot::Sender<Result<(), KeepError>>,
    /// Its share of the memory that may wait here.
    pub(crate) _room: OwnedSemaphorePermit,
}

pub(crate) struct Writer {
    pub(crate) options: StoreOptions,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) indexer: mpsc::Sender<Entry>,
    /// The segment that is appended to. None before the first object and after a failure.
    pub(crate) open: Option<Open>,
    pub(crate) prepared: Prepared,
    pub(crate) recent: Arc<Recent>,
    /// Keeps the folder ours until the last byte is written.
    pub(crate) lock: Arc<File>,
}

/// Between two batches it stands at the border behind everything that is synced.
pub(crate) struct Open {
    pub(crate) number: u32,
    pub(crate) file: Direct,
    /// Up to here its blocks are there. Beyond, the next one that is prepared is better.
    pub(crate) prepared: u64,
}

impl Writer {
    /// Runs until every sender is gone and everything sent is answered.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.body.length();
            batch.push(first);
            while bytes < BATCH_BYTES && batch.len() < BATCH_OBJECTS {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.body.length();
                batch.push(next);
            }
            match self.append(&batch) {
                Ok((segment, begins)) => self.hand_on(batch.drain(..).zip(begins), segment),
                Err(error) => refuse(batch.drain(..), error),
            }
        }
        if let Some(open) = self.open.take() {
            open.end();
        }
        drop(self.prepared);
        drop(self.lock);
    }

    /// Where the records of the batch begin now.
    fn append(&mut self, batch: &[Waiting]) -> io::Result<(u32, Vec<u64>)> {
        let (most, ready) = (self.options.segment_bytes, self.prepared.is_ready());
        let is_over = |open: &mut Open| {
            let position = open.file.position();
            position >= most || (ready && position >= open.prepared.max(LEAST))
        };
        if let Some(open) = self.open.take_if(is_over) {
            open.end();
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin_segment()?,
        };
        let begin = open.file.position();
        match write(&mut open.file, batch, self.options.durability) {
            Ok(begins) => {
                let number = open.number;
                let end = open.file.position();
                self.prepared.appended(end - begin, open.prepared.saturating_sub(end));
                self.open = Some(open);
                Ok((number, begins))
            }
            Err(error) => {
                // After a failed sync nobody knows which pages are on the disk, and a second
                // sync would not tell: what was not acknowledged is cut off, and this segment is
                // not written again.
                let file = open.file.file();
                let mut cut = file.set_len(begin).and_then(|()| file.sync_all());
                if begin == 0 {
                    // Nothing was ever in it.
                    let path = segment::path(&self.options.folder, open.number);
                    cut = cut.and(fs::remove_file(path));
                }
                tracing::error!(
                    station = "keep", segment = open.number, %error, cut = cut.is_ok(),
                    "a segment cannot be written and is closed"
                );
                Err(error)
            }
        }
    }

    fn begin_segment(&mut self) -> io::Result<Open> {
        let number = self.numbers.begin();
        segment::tell_growing(&self.lock, number);
        let folder = &self.options.folder;
        let path = segment::path(folder, number);
        let power_loss = self.options.durability == Durability::PowerLoss;
        let is_there = self.prepared.take(&path)?;
        let file = Direct::open(&path, !is_there, 0, power_loss)?;
        if power_loss {
            segment::sync_folder(folder)?;
        }
        let prepared = file.file().metadata()?.len();
        Ok(Open { number, file, prepared })
    }

    /// All are answered before the first waits for the index.
    fn hand_on(&self, batch: impl Iterator<Item = (Waiting, u64)>, segment: u32) {
        let answered = |(waiting, offset): (Waiting, u64)| {
            waiting.claim.durable();
            self.progress.appended();
            // Whoever waits for the answer may have gone; the object is kept all the same.
            let _ = waiting.answer.send(Ok(()));
            if self.recent.is_kept() {
                let (part10, room) = waiting.body.into_part10(&waiting.head);
                let (sop_instance, digest) = (&waiting.identity.sop_instance, waiting.head.digest);
                self.recent.hold(sop_instance.clone(), digest, part10, room);
            }
            Entry {
                identity: waiting.identity,
                header: waiting.header,
                segment,
                offset,
                end: offset + waiting.head.length(),
                bytes: waiting.head.payload,
                digest: waiting.head.digest,
                keeps_earlier: waiting.keeps_earlier,
                claim: Some(waiting.claim),
            }
        };
        let mut entries: Vec<Entry> = batch.map(answered).collect();
        // As they lie and not as they came: the index notes how far a segment is indexed, and what lies before that is not
        // looked at by the next start.
        entries.sort_unstable_by_key(|entry| entry.offset);
        for entry in entries {
            // Without an indexer the node is going down: the next start replays the segment.
            let _ = self.indexer.blocking_send(entry);
        }
        if self.indexer.capacity() < self.indexer.max_capacity() / 2 {
            self.progress.want();
        }
    }
}

fn refuse(batch: impl Iterator<Item = Waiting>, error: io::Error) {
    let error = KeepError::from(error);
    for waiting in batch {
        // The claim goes first: whoever tries again must not find it.
        drop(waiting.claim);
        let _ = waiting.answer.send(Err(error.clone()));
    }
}

/// Where each record begins. Pieces go first, gathered in the writer's memory, then the blocks as
/// they lie; one sync for all of them.
fn write(file: &mut Direct, batch: &[Waiting], durability: Durability) -> io::Result<Vec<u64>> {
    let mut begins = vec![0; batch.len()];
    let mut blocks: Vec<&[u8]> = Vec::new();
    for (waiting, begin) in batch.iter().zip(&mut begins) {
        if let Body::Pieces(front, data_set) = &waiting.body {
            *begin = file.position();
            file.append(front)?;
            file.append(data_set)?;
        }
    }
    file.pad()?;
    let mut position = file.position();
    for (waiting, begin) in batch.iter().zip(&mut begins) {
        if let Body::Blocks(collected) = &waiting.body {
            *begin = position;
            blocks.push(collected.blocks());
            position += collected.blocks().len() as u64;
        }
    }
    file.append_blocks(&blocks)?;
    if durability == Durability::PowerLoss {
        file.file().sync_data()?;
    }
    Ok(begins)
}

impl Open {
    /// Goes on behind the last good record of a segment of an earlier run.
    pub(crate) fn resume(options: &StoreOptions, number: u32, end: u64) -> io::Result<Self> {
        let path = segment::path(&options.folder, number);
        let past_cache = options.durability == Durability::PowerLoss;
        let file = Direct::open(&path, false, end + padding(end), past_cache)?;
        let prepared = file.file().metadata()?.len();
        Ok(Self { number, file, prepared })
    }

    /// What was prepared and not used is given back. If that fails, it only takes room.
    fn end(self) {
        let cut = self.file.file().set_len(self.file.position());
        if let Err(error) = cut {
            tracing::warn!(station = "keep", segment = self.number, %error, "not cut to its length");
        }
    }
}
