//! The next segment, filled with zeros beforehand: writing over blocks that are there costs the file system no journal entry.

use crate::direct::{BLOCK, Direct};
use crate::disk;
use crate::options::{Durability, StoreOptions};
use crate::segment;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// So much lies in a segment before one that is prepared replaces it, unless its blocks were there
/// too: a node that is started often has no more segments than another.
pub(crate) const LEAST: u64 = 32 << 20;
/// So many times the length must be free beyond the reserve, so that what is prepared takes no room that is needed.
const FREE: u64 = 4;
/// Nothing was appended for so long: the disk has time.
const IDLE: Duration = Duration::from_millis(20);
/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);
/// Syncs of more than this gain nothing from blocks that are there: the journal entry is shared by all of it.
const SHARED: u64 = 4 << 20;

/// What could not be prepared, because the disk was full say, is tried again after so long.
const AGAIN: Duration = Duration::from_secs(30);

/// Prepares one segment ahead, in a thread of its own, while nothing else needs the disk.
pub(crate) struct Prepared {
    path: PathBuf,
    ready: Arc<AtomicBool>,
    /// None when nothing is prepared: only with syncs it saves anything.
    preparing: Option<Preparing>,
    under_way: bool,
    length: u64,
}

/// The thread, and the lengths that are wanted of it.
struct Preparing {
    wanted: mpsc::Sender<u64>,
    pace: Arc<Pace>,
    thread: thread::JoinHandle<()>,
}

/// Whether zeros may be written now.
pub(crate) struct Pace {
    since: Instant,
    /// When something was appended last, in microseconds.
    appended: AtomicU64,
    /// What is prepared will be used up before there is a pause.
    hurry: AtomicBool,
    stopped: AtomicBool,
}

/// What was prepared in vain is gone before the folder is let go.
impl Drop for Prepared {
    fn drop(&mut self) {
        let Some(Preparing { wanted, pace, thread }) = self.preparing.take() else { return };
        pace.stopped.store(true, Ordering::Release);
        drop(wanted);
        let _ = thread.join();
    }
}

impl Prepared {
    /// The first is prepared at once.
    pub(crate) fn start(options: &StoreOptions, pace: Arc<Pace>) -> Self {
        let path = segment::folder(&options.folder).join(format!("next.{}", segment::TEMPORARY));
        let ready = Arc::new(AtomicBool::new(false));
        let preparing = match options.durability {
            Durability::PowerLoss => {
                start(path.clone(), ready.clone(), pace, options.reserve_bytes).ok()
            }
            Durability::Crash => None,
        };
        let length = options.segment_bytes;
        let mut prepared = Self { path, ready, preparing, under_way: false, length };
        prepared.want();
        prepared
    }

    /// So much was synced at once, and so much of what was prepared is left.
    pub(crate) fn appended(&mut self, bytes: u64, left: u64) {
        let Some(Preparing { pace, .. }) = &self.preparing else { return };
        pace.busy();
        pace.hurry.store(bytes < SHARED && left < self.length / 2, Ordering::Release);
        self.want();
    }

    fn want(&mut self) {
        if let (Some(preparing), false) = (&self.preparing, self.under_way) {
            self.under_way = preparing.wanted.send(self.length).is_ok();
        }
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

impl Pace {
    pub(crate) fn new() -> Self {
        let never = AtomicU64::new(0);
        let (hurry, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { since: Instant::now(), appended: never, hurry, stopped }
    }

    /// Something is written that somebody waits for.
    pub(crate) fn busy(&self) {
        self.appended.store(self.now(), Ordering::Release);
    }

    fn now(&self) -> u64 {
        // The first pause was before it began.
        (self.since.elapsed() + IDLE).as_micros() as u64
    }

    /// Returns when a step may be written; true where somebody writes beside it.
    pub(crate) fn wait(&self) -> io::Result<bool> {
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let idle = self.now().saturating_sub(self.appended.load(Ordering::Acquire));
            if Duration::from_micros(idle) >= IDLE {
                return Ok(false);
            }
            if self.hurry.load(Ordering::Acquire) {
                return Ok(true);
            }
            thread::sleep(LOOK);
        }
    }
}

fn start(
    path: PathBuf,
    ready: Arc<AtomicBool>,
    pace: Arc<Pace>,
    reserve: u64,
) -> io::Result<Preparing> {
    let (wanted, lengths) = mpsc::channel();
    let paced = pace.clone();
    let thread = thread::Builder::new().name("gantry-prepare".into()).spawn(move || {
        while let Ok(length) = lengths.recv() {
            while let Err(error) = fill(&path, length, reserve, &paced) {
                // Without it everything works, only slower; the writer tells of a full disk.
                tracing::debug!(station = "keep", %error, "no segment was prepared");
                let _ = fs::remove_file(&path);
                if lengths.recv_timeout(AGAIN) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
            ready.store(true, Ordering::Release);
        }
        let _ = fs::remove_file(&path);
    })?;
    Ok(Preparing { wanted, pace, thread })
}

fn fill(path: &Path, length: u64, reserve: u64, pace: &Pace) -> io::Result<()> {
    let mut file = Direct::open(path, true, 0, true)?;
    let needed = length.saturating_mul(FREE).saturating_add(reserve);
    if disk::free(path)? < needed {
        return Err(io::ErrorKind::StorageFull.into());
    }
    file.fill(length.next_multiple_of(BLOCK as u64), || pace.wait())?;
    file.file().sync_all()
}
