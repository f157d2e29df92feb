//! How slowly a peer may send: less than so much in a span of waiting for it, and it loses its place.

use std::time::Duration;

/// One byte every 29 seconds is no progress. Only the time that is spent waiting for the peer
/// counts, so that nobody pays for a slow disk of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowest {
    /// 0: as slowly as the other timers allow.
    pub bytes_per_second: u32,
    pub window: Duration,
}

impl Default for Slowest {
    /// A hundredth of what the slowest lines that carry images do.
    fn default() -> Self {
        Self { bytes_per_second: 100, window: Duration::from_secs(120) }
    }
}

/// How much came in the present window.
#[derive(Debug)]
pub(super) struct Pace {
    slowest: Slowest,
    waited: Duration,
    came: u64,
}

/// Too little came in a whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Pace {
    pub fn new(slowest: Slowest) -> Self {
        Self { slowest, waited: Duration::ZERO, came: 0 }
    }

    pub fn restart(&mut self) {
        (self.waited, self.came) = (Duration::ZERO, 0);
    }

    /// How long may be waited until the window is full.
    pub fn left(&self) -> Duration {
        match self.slowest.bytes_per_second {
            0 => Duration::MAX,
            _ => self.slowest.window.saturating_sub(self.waited),
        }
    }

    /// So long was waited for so many bytes.
    pub fn count(&mut self, waited: Duration, came: usize) -> Result<(), TooSlow> {
        self.waited += waited;
        self.came += came as u64;
        if !self.left().is_zero() {
            return Ok(());
        }
        let wanted = self.waited.as_secs_f64() * f64::from(self.slowest.bytes_per_second);
        if (self.came as f64) < wanted {
            return Err(TooSlow);
        }
        self.restart();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(bytes_per_second: u32) -> Pace {
        Pace::new(Slowest { bytes_per_second, window: 10 * SECOND })
    }

    #[test]
    fn who_dribbles_is_too_slow_when_the_window_is_full_and_who_keeps_the_pace_never_is() {
        let mut dribbling = pace(100);
        for _ in 0..9 {
            assert_eq!(dribbling.count(SECOND, 1), Ok(()));
        }
        assert_eq!(dribbling.count(SECOND, 1), Err(TooSlow));
        let mut steady = pace(100);
        for _ in 0..1000 {
            assert_eq!(steady.count(SECOND, 100), Ok(()));
        }
    }

    #[test]
    fn a_pause_within_a_window_is_made_up_for_by_what_comes_after_it() {
        let mut bursts = pace(100);
        for _ in 0..100 {
            assert_eq!(bursts.count(9 * SECOND, 0), Ok(()));
            assert_eq!(bursts.count(SECOND, 2000), Ok(()));
        }
    }

    #[test]
    fn without_a_slowest_rate_nobody_is_too_slow() {
        let mut any = pace(0);
        assert_eq!(any.left(), Duration::MAX);
        assert_eq!(any.count(1000 * SECOND, 0), Ok(()));
    }
}
