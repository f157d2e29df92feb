//! The next segment, filled with zeros beforehand: writing over blocks that are there costs the file system no journal entry.

use crate::direct::{BLOCK, Direct};
use crate::disk;
use crate::options::{Durability, StoreOptions};
use crate::segment;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

/// The least that is prepared, and that lies in a segment before one that is prepared replaces it:
/// a node that is started often has no more segments than another. Beyond it a segment is as long as all before it together, up to the
/// configured length, so that a small store stays small.
pub(crate) const LEAST: u64 = 32 << 20;
/// So many times the length must be free beyond the reserve, so that what is prepared takes no room that is needed.
const FREE: u64 = 4;

/// Prepares one segment ahead, in a thread of its own.
pub(crate) struct Prepared {
    path: PathBuf,
    ready: Arc<AtomicBool>,
    /// None when nothing is prepared: only with syncs it saves anything.
    preparing: Option<Preparing>,
    under_way: bool,
    longest: u64,
    /// What all segments hold.
    total: u64,
}

/// The thread, and the lengths that are wanted of it.
struct Preparing {
    wanted: mpsc::Sender<u64>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

/// What was prepared in vain is gone before the folder is let go.
impl Drop for Prepared {
    fn drop(&mut self) {
        let Some(Preparing { wanted, stop, thread }) = self.preparing.take() else { return };
        stop.store(true, Ordering::Release);
        drop(wanted);
        let _ = thread.join();
    }
}

impl Prepared {
    /// Nothing is written before the first object comes.
    pub(crate) fn start(options: &StoreOptions, total: u64) -> Self {
        let path = segment::folder(&options.folder).join(format!("next.{}", segment::TEMPORARY));
        let ready = Arc::new(AtomicBool::new(false));
        let preparing = match options.durability {
            Durability::PowerLoss => start(path.clone(), ready.clone(), options.reserve_bytes).ok(),
            Durability::Crash => None,
        };
        Self { path, ready, preparing, under_way: false, longest: options.segment_bytes, total }
    }

    /// Counts what was appended; begins to prepare if nothing is under way.
    pub(crate) fn appended(&mut self, bytes: u64) {
        self.total += bytes;
        if let (Some(preparing), false) = (&self.preparing, self.under_way) {
            let length = self.length();
            self.under_way = preparing.wanted.send(length).is_ok();
        }
    }

    fn length(&self) -> u64 {
        self.total.max(LEAST).min(self.longest)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether there was one, which has this name now.
    pub(crate) fn take(&mut self, path: &Path) -> io::Result<bool> {
        if !self.ready.swap(false, Ordering::AcqRel) {
            return Ok(false);
        }
        self.under_way = false;
        fs::rename(&self.path, path)?;
        Ok(true)
    }
}

fn start(path: PathBuf, ready: Arc<AtomicBool>, reserve: u64) -> io::Result<Preparing> {
    let (wanted, lengths) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = thread::Builder::new().name("gantry-prepare".into()).spawn(move || {
        for length in lengths {
            match fill(&path, length, reserve, &stopped) {
                Ok(()) => ready.store(true, Ordering::Release),
                // Without it everything works, only slower; the writer tells of a full disk.
                Err(error) => {
                    tracing::debug!(station = "keep", %error, "no segment was prepared");
                    let _ = fs::remove_file(&path);
                }
            }
        }
        let _ = fs::remove_file(&path);
    })?;
    Ok(Preparing { wanted, stop, thread })
}

fn fill(path: &Path, length: u64, reserve: u64, stopped: &AtomicBool) -> io::Result<()> {
    let mut file = Direct::open(path, true, 0, true)?;
    let needed = length.saturating_mul(FREE).saturating_add(reserve);
    if disk::free(path)? < needed {
        return Err(io::ErrorKind::StorageFull.into());
    }
    file.fill(length.next_multiple_of(BLOCK as u64), stopped)?;
    file.file().sync_all()
}
