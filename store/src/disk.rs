//! Keeps a reserve of the disk for what the node makes and notes itself: below it nothing more is received, until there is room again.

use crate::error::KeepError;
use crate::events::{self, Event};
use crate::progress::Progress;
use crate::segment;
use sqlx::SqlitePool;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the file system is asked. What arrives meanwhile may use some of the reserve.
const EVERY: Duration = Duration::from_millis(500);
/// Receiving begins again when so much more than the reserve is free, in quarters of it, so that
/// it does not begin and end with every object.
const MORE: u64 = 4;

/// What is free for this user where the folder lives, in bytes.
pub(crate) fn free(folder: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(folder)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The disk that holds the folder, as this user sees it. Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub used: u64,
    pub available: u64,
}

impl Disk {
    pub fn of(folder: &Path) -> io::Result<Self> {
        let space = rustix::fs::statvfs(folder)?;
        let used = space.f_blocks.saturating_sub(space.f_bfree);
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Self { used: bytes(used), available: bytes(space.f_bavail) })
    }

    /// Without what only root may use, as `df` counts it.
    pub fn size(&self) -> u64 {
        self.used.saturating_add(self.available)
    }

    pub fn percent(&self) -> f64 {
        100.0 * self.used as f64 / self.size().max(1) as f64
    }
}

/// The file that a running node has locked.
pub fn lock(store: &Path) -> PathBuf {
    store.join(segment::LOCK)
}

/// Whether the reserve is touched.
pub(crate) struct Reserve {
    folder: PathBuf,
    bytes: u64,
    touched: AtomicBool,
}

impl Reserve {
    /// Looks once, so that a node that starts on a full disk knows it.
    pub(crate) fn new(folder: &Path, bytes: u64) -> io::Result<Self> {
        let touched = AtomicBool::new(free(folder)? < bytes);
        Ok(Self { folder: folder.to_owned(), bytes, touched })
    }

    /// Why nothing is received, while that is so.
    pub(crate) fn fault(&self) -> Option<KeepError> {
        let touched = self.touched.load(Ordering::Acquire);
        let text = "what is free on the disk is kept for results and for the index";
        touched.then(|| KeepError::Full(Arc::new(io::Error::new(io::ErrorKind::StorageFull, text))))
    }

    /// Whether that changed.
    fn look(&self, free: u64) -> bool {
        let before = self.touched.load(Ordering::Acquire);
        let enough = if before { self.bytes.saturating_add(self.bytes / MORE) } else { self.bytes };
        self.touched.store(free < enough, Ordering::Release);
        before != (free < enough)
    }
}

/// Watches until it is dropped, and tells the admin of each change.
pub(crate) async fn watch(reserve: Arc<Reserve>, pool: SqlitePool, progress: Arc<Progress>) {
    let mut told = false;
    loop {
        let free = free(&reserve.folder).unwrap_or(u64::MAX);
        let changed = reserve.look(free);
        let touched = reserve.touched.load(Ordering::Acquire);
        if changed || (touched && !told) {
            told = touched;
            tell(&pool, touched, free, reserve.bytes).await;
            progress.ring();
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn tell(pool: &SqlitePool, touched: bool, free: u64, reserve: u64) {
    let (free, reserve) = (free >> 20, reserve >> 20);
    let (kind, text) = match touched {
        true => (
            "disk reserve",
            format!(
                "{free} MiB are free, less than the reserve of {reserve} MiB: objects are answered \
                 A700 and associations rejected (2/3/1) until there is room; results still go out"
            ),
        ),
        false => ("disk has room", format!("{free} MiB are free: objects are received again")),
    };
    tracing::warn!(station = "keep", free_mib = free, reserve_mib = reserve, kind, "disk");
    let event = Event { station: "keep".into(), kind: kind.into(), subject: None, text };
    if let Err(error) = events::add(pool, &event).await {
        tracing::error!(station = "keep", %error, "an event could not be noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receiving_ends_below_the_reserve_and_begins_again_with_a_quarter_more() {
        let reserve = Reserve::new(Path::new("/"), 0).expect("there is a disk");
        assert!(reserve.fault().is_none());
        let reserve = Reserve { bytes: 1000, ..reserve };
        for (free, touched, changed) in [
            (1000, false, false),
            (999, true, true),
            (1000, true, false),
            (1249, true, false),
            (1250, false, true),
            (1001, false, false),
        ] {
            assert_eq!(reserve.look(free), changed, "{free}");
            assert_eq!(reserve.fault().is_some(), touched, "{free}");
        }
    }
}
