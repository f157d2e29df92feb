//! How far writing and indexing are, and who wants to know.

use crate::changed::Changes;
use crate::error::KeepError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

pub(crate) struct Progress {
    appended: AtomicU64,
    indexed: watch::Sender<u64>,
    bell: watch::Sender<u64>,
    /// Somebody waits until the index has caught up.
    wanted: Notify,
    /// Somebody looks at each image as it comes.
    is_watched: AtomicBool,
    /// Series that the index committed something of.
    pub(crate) changed: Changes,
    /// Why the index cannot follow. While it cannot, nothing more is taken in.
    fault: Mutex<Option<KeepError>>,
}

/// How long a transaction of the index waits to be filled, unless somebody waits for it: each one costs as much
/// as some twenty entries.
const GATHERING: Duration = Duration::from_millis(100);
const GATHERING_WATCHED: Duration = Duration::from_millis(20);

impl Default for Progress {
    fn default() -> Self {
        Self {
            appended: AtomicU64::new(0),
            indexed: watch::Sender::new(0),
            bell: watch::Sender::new(0),
            wanted: Notify::new(),
            is_watched: AtomicBool::new(false),
            changed: Changes::default(),
            fault: Mutex::new(None),
        }
    }
}

impl Progress {
    /// Before the sender is answered, so that whoever was answered can wait for the index.
    pub(crate) fn appended(&self) {
        self.appended.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn indexed(&self, more: u64) {
        self.indexed.send_modify(|indexed| *indexed = indexed.saturating_add(more));
    }

    /// Returns when everything appended so far is in the index, or the indexer is gone.
    pub(crate) async fn settled(&self) {
        let appended = self.appended.load(Ordering::SeqCst);
        if *self.indexed.borrow() < appended {
            self.want();
        }
        // The sender lives in `self`, so that waiting ends only by the count.
        let _ = self.indexed.subscribe().wait_for(|indexed| *indexed >= appended).await;
    }

    /// The index is to catch up now.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    pub(crate) fn set_watched(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Relaxed);
    }

    pub(crate) fn gathering(&self) -> Duration {
        match self.is_watched.load(Ordering::Relaxed) {
            true => GATHERING_WATCHED,
            false => GATHERING,
        }
    }

    /// Returns when somebody waits in [`Progress::settled`].
    pub(crate) async fn is_wanted(&self) {
        self.wanted.notified().await;
    }

    /// After the last entry: nobody waits for more, whatever came too late for the index. The next
    /// start replays it.
    pub(crate) fn end(&self) {
        self.indexed.send_replace(u64::MAX);
    }

    pub(crate) fn ring(&self) {
        self.bell.send_modify(|rung| *rung += 1);
    }

    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    pub(crate) fn set_fault(&self, fault: Option<KeepError>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(crate) fn fault(&self) -> Option<KeepError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
