//! How many objects may be in hand at once: whoever comes when memory is taken waits a little, and is then told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What an object takes at most while it is received, whatever its size, beside its PDUs: up to
/// 4 MiB and a PDU are collected, in a buffer of 6 MiB and the smaller one before it.
const COLLECTED: usize = 15 << 19;
/// One PDU is read while another one is taken, either in a buffer that may be twice as long.
const PDUS: usize = 4;
/// The scanner's own wait for an answer is longer, and the network holds what it sends meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by all who receive.
pub struct Memory {
    shares: Arc<Semaphore>,
    /// How many there are, and bytes of each.
    all: usize,
    share: usize,
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

/// What one object takes that comes in PDUs of at most so many bytes.
fn share(maximum_pdu: u32) -> usize {
    COLLECTED + PDUS * maximum_pdu as usize
}

/// Less than this is not enough for one object.
pub fn least_mib(maximum_pdu: u32) -> usize {
    share(maximum_pdu).div_ceil(1 << 20)
}

impl Memory {
    pub fn new(mib: usize, maximum_pdu: u32) -> Self {
        Self::with_patience(mib, maximum_pdu, PATIENCE)
    }

    fn with_patience(mib: usize, maximum_pdu: u32, patience: Duration) -> Self {
        let share = share(maximum_pdu);
        let all = (mib.saturating_mul(1 << 20) / share).clamp(1, u32::MAX as usize >> 3);
        let short = AtomicBool::new(false);
        Self { shares: Arc::new(Semaphore::new(all)), all, share, patience, short }
    }

    pub async fn share(&self) -> Result<Share, Short> {
        self.take(1).await
    }

    /// As much as so many bytes for an object that has a share already, or all others where there
    /// is less.
    pub async fn further(&self, bytes: usize) -> Result<Share, Short> {
        self.take(bytes.div_ceil(self.share).min(self.all - 1)).await
    }

    /// All of it, in bytes.
    pub fn bytes(&self) -> usize {
        self.all * self.share
    }

    async fn take(&self, count: usize) -> Result<Share, Short> {
        let taken = self.shares.clone().acquire_many_owned(count as u32);
        let taken = timeout(self.patience, taken).await;
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
        let memory = Memory::with_patience(17, 128 << 10, Duration::from_millis(20));
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
    async fn long_pdus_take_more_of_the_memory_and_so_does_an_object_that_says_late_who_it_is() {
        for (maximum_pdu, least, shares) in [(4096, 8, 68), (128 << 10, 8, 64), (4 << 20, 24, 21)] {
            assert_eq!(least_mib(maximum_pdu), least, "{maximum_pdu}");
            let memory = Memory::new(512, maximum_pdu);
            assert_eq!(memory.shares.available_permits(), shares, "{maximum_pdu}");
        }
        let memory = Memory::with_patience(32, 128 << 10, Duration::from_millis(20));
        let _first = memory.share().await;
        let second = memory.further(16 << 20).await;
        assert_eq!(memory.shares.available_permits(), 1);
        assert_eq!(memory.further(16 << 20).await.err(), Some(Short), "others have it");
        drop(second);
        assert!(memory.further(100 << 20).await.is_ok(), "no more than there is");
    }

    #[tokio::test]
    async fn a_share_that_comes_back_in_time_is_waited_for() {
        let memory = Memory::with_patience(1, 4096, Duration::from_secs(60));
        let first = memory.share().await;
        let (second, ()) = tokio::join!(memory.share(), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_ok() && !memory.is_short());
    }
}
