//! `mib-per-second` of a peer: how long its lanes rest behind an object, so that no more goes on average.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Shared by the lanes of a peer.
pub(super) struct Pace {
    bytes_per_second: Option<f64>,
    /// When what was sent so far would have been sent at that pace.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(mib_per_second: Option<f64>) -> Self {
        let bytes_per_second = mib_per_second.map(|mib| mib * f64::from(1 << 20));
        Self { bytes_per_second, paid: Mutex::new(None) }
    }

    /// So many bytes were sent from then on.
    pub(super) fn sent(&self, bytes: usize, began: Instant) {
        let Some(bytes_per_second) = self.bytes_per_second else { return };
        let cost = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        // What was not used is not saved up.
        let from = paid.map_or(began, |paid| paid.max(began));
        *paid = from.checked_add(cost.unwrap_or(Duration::MAX)).or(*paid);
    }

    /// How long nothing more is to be sent.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        let paid = *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        paid.map_or(Duration::ZERO, |paid| paid.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_goes_on_average_and_nothing_is_saved_up_for_later() {
        let (pace, start) = (Pace::new(Some(2.0)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.rest(start), Duration::ZERO);
        pace.sent(4 << 20, start);
        pace.sent(2 << 20, start);
        assert_eq!(pace.rest(start), Duration::from_secs(3));
        assert_eq!(pace.rest(at(2)), Duration::from_secs(1));
        pace.sent(2 << 20, at(100));
        assert_eq!(pace.rest(at(100)), Duration::from_secs(1));
        let without = Pace::new(None);
        without.sent(usize::MAX, start);
        assert_eq!(without.rest(start), Duration::ZERO);
    }
}
