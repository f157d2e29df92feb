//! How many objects may be in hand at once: whoever comes when memory is taken waits a little, and is then told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What an object takes at most while it is received, whatever its size: collected up to 4 MiB in a
/// buffer of 6 MiB, or 2 MiB in pieces on their way to the disk, and one PDU.
pub const SHARE_MIB: usize = 8;
/// The scanner's own wait for an answer is longer, and the network holds what it sends meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by all who receive.
pub struct Memory {
    shares: Arc<Semaphore>,
    patience: Duration,
    /// The last who wanted a share did not get one.
    short: AtomicBool,
}

/// An object's share, until it is answered.
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

/// No share was given back in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for objects in hand is taken (listen.memory-mib)")]
pub struct Short;

impl Memory {
    pub fn new(mib: usize) -> Self {
        Self::with_patience(mib, PATIENCE)
    }

    fn with_patience(mib: usize, patience: Duration) -> Self {
        let shares = (mib / SHARE_MIB).clamp(1, Semaphore::MAX_PERMITS);
        Self { shares: Arc::new(Semaphore::new(shares)), patience, short: AtomicBool::new(false) }
    }

    pub async fn share(&self) -> Result<Share, Short> {
        let taken = timeout(self.patience, self.shares.clone().acquire_owned()).await;
        let share = taken.ok().and_then(Result::ok).map(|_permit| Share { _permit });
        self.short.store(share.is_none(), Ordering::Relaxed);
        share.ok_or(Short)
    }

    /// Whether a further association would only wait.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed) && self.shares.available_permits() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_in_vain_is_told_and_all_goes_on_when_a_share_comes_back() {
        let memory = Memory::with_patience(2 * SHARE_MIB + 1, Duration::from_millis(20));
        let first = memory.share().await;
        let second = memory.share().await;
        assert!(first.is_ok() && second.is_ok() && !memory.is_short());
        assert_eq!(memory.share().await.err(), Some(Short));
        assert!(memory.is_short());
        drop(second);
        assert!(!memory.is_short());
        assert!(memory.share().await.is_ok());
    }

    #[tokio::test]
    async fn a_share_that_comes_back_in_time_is_waited_for() {
        let memory = Memory::with_patience(1, Duration::from_secs(60));
        let first = memory.share().await;
        let (second, ()) = tokio::join!(memory.share(), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_ok() && !memory.is_short());
    }
}
