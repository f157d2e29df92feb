//! The one thread that appends: everything that has queued up in one write and one sync.

use crate::claims::Claim;
use crate::error::KeepError;
use crate::index::Entry;
use crate::options::{Durability, StoreOptions};
use crate::progress::Progress;
use crate::segment;
use bytes::Bytes;
use gantry_terms::header::Header;
use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// What one write takes at most, so that the first in the queue does not wait long for its sync.
const BATCH_BYTES: usize = 32 << 20;
const BATCH_OBJECTS: usize = 256;

/// An object that waits to be appended.
pub(crate) struct Waiting {
    pub(crate) identity: crate::incoming::Identity,
    pub(crate) header: Header,
    pub(crate) head: crate::record::Head,
    /// Head and meta of the record, encoded.
    pub(crate) front: Vec<u8>,
    pub(crate) part10: Bytes,
    pub(crate) claim: Claim,
    pub(crate) answer: oneshot::Sender<Result<(), KeepError>>,
    /// Its share of the memory that may wait here.
    pub(crate) room: OwnedSemaphorePermit,
}

pub(crate) struct Writer {
    pub(crate) options: StoreOptions,
    pub(crate) next_number: Arc<AtomicU32>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) indexer: mpsc::Sender<Entry>,
    /// The segment that is appended to. None before the first object and after a failure.
    pub(crate) open: Option<Open>,
    /// Keeps the folder ours until the last byte is written.
    pub(crate) lock: Arc<File>,
}

pub(crate) struct Open {
    pub(crate) number: u32,
    pub(crate) file: File,
    /// Up to here everything is synced. The file's cursor stands here between two batches.
    pub(crate) durable: u64,
}

impl Writer {
    /// Runs until every sender is gone and everything sent is answered.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.part10.len();
            batch.push(first);
            while bytes < BATCH_BYTES && batch.len() < BATCH_OBJECTS {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.part10.len();
                batch.push(next);
            }
            match self.append(&batch) {
                Ok((segment, offset)) => self.hand_on(batch.drain(..), segment, offset),
                Err(error) => refuse(batch.drain(..), error),
            }
        }
        drop(self.lock);
    }

    /// Where the batch lies now.
    fn append(&mut self, batch: &[Waiting]) -> io::Result<(u32, u64)> {
        if self.open.as_ref().is_some_and(|open| open.durable >= self.options.segment_bytes) {
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin_segment()?,
        };
        let begin = open.durable;
        match write(&mut open.file, batch, self.options.durability) {
            Ok(written) => {
                open.durable += written;
                let number = open.number;
                self.open = Some(open);
                Ok((number, begin))
            }
            Err(error) => {
                // After a failed sync nobody knows which pages are on the disk, and a second
                // sync would not tell: what was not acknowledged is cut off, and this segment is
                // not written again.
                let cut = open.file.set_len(begin).and_then(|()| open.file.sync_all());
                tracing::error!(
                    station = "keep", segment = open.number, %error, cut = cut.is_ok(),
                    "a segment cannot be written and is closed"
                );
                Err(error)
            }
        }
    }

    fn begin_segment(&self) -> io::Result<Open> {
        let number = self.next_number.fetch_add(1, Ordering::SeqCst);
        let folder = &self.options.folder;
        let file =
            File::options().write(true).create_new(true).open(segment::path(folder, number))?;
        if self.options.durability == Durability::PowerLoss {
            segment::sync_folder(folder)?;
        }
        Ok(Open { number, file, durable: 0 })
    }

    fn hand_on(&self, batch: impl Iterator<Item = Waiting>, segment: u32, begin: u64) {
        let mut offset = begin;
        for waiting in batch {
            let end = offset + waiting.head.length();
            waiting.claim.durable();
            self.progress.appended();
            // Whoever waits for the answer may have gone; the object is kept all the same.
            let _ = waiting.answer.send(Ok(()));
            drop(waiting.room);
            let entry = Entry {
                identity: waiting.identity,
                header: waiting.header,
                segment,
                offset,
                end,
                bytes: waiting.head.payload,
                digest: waiting.head.digest,
                claim: Some(waiting.claim),
            };
            offset = end;
            // Without an indexer the node is going down: the next start replays the segment.
            let _ = self.indexer.blocking_send(entry);
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

fn write(file: &mut File, batch: &[Waiting], durability: Durability) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(batch.len() * 2);
    for waiting in batch {
        slices.push(IoSlice::new(&waiting.front));
        slices.push(IoSlice::new(&waiting.part10));
    }
    let mut rest = slices.as_mut_slice();
    let mut total = 0;
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                total += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if durability == Durability::PowerLoss {
        file.sync_data()?;
    }
    Ok(total)
}

impl Open {
    /// Goes on behind the last good record of a segment of an earlier run.
    pub(crate) fn resume(options: &StoreOptions, number: u32) -> io::Result<Self> {
        let path = segment::path(&options.folder, number);
        let mut file = File::options().write(true).open(path)?;
        let durable = file.seek(SeekFrom::End(0))?;
        Ok(Self { number, file, durable })
    }
}
