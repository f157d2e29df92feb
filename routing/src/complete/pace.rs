//! How long a peer pauses within a series, learned from its latest series, and the waiting times that follow.

use gantry_store::pace::Gap;
use std::fmt;
use std::time::Duration;

/// What the admin wrote for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub quiet: Duration,
    /// Written for this very peer: learned gaps do not shorten it.
    pub quiet_is_its_own: bool,
    /// Behind the release of the last association that carried the series.
    pub after_release: Duration,
    /// What is learned shortens no quiet time below this.
    pub shortest: Duration,
    /// No series waits longer than this for an image, whatever is learned or named.
    pub longest: Duration,
}

/// What the gaps of a peer's latest series say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Longer than the gaps between images in nine of ten series.
    pub images: Option<Duration>,
    /// Longer than the gaps between associations of one series in nine of ten.
    pub associations: Option<Duration>,
    /// Series in which there were gaps between images.
    pub series: usize,
}

/// The quiet time that is in force for a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    pub wait: Duration,
    pub basis: Basis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Configured,
    /// The peer pauses so long that the configured time would be too short.
    Longer {
        gap: Duration,
    },
    /// The peer never pauses so long that the configured time would be needed.
    Shorter {
        gap: Duration,
    },
}

/// A late image says that a wait was too short; any other gap only that it was long enough.
const WEIGHT_OF_LATE: usize = 4;
/// One late image, or so many series.
const LEAST_WEIGHT: usize = 4;
/// A shorter wait needs more series than a longer one: it risks more.
const SERIES_TO_SHORTEN: usize = 20;
const LONGER_THAN_GAP: u32 = 2;
const SHORTER_THAN_GAP: u32 = 4;
const RELEASE_THAN_GAP: u32 = 3;

impl Pace {
    pub fn of(gaps: &[Gap]) -> Self {
        Self {
            images: usual(gaps.iter().map(|gap| (gap.images, gap.late))),
            associations: usual(gaps.iter().map(|gap| (gap.associations, gap.late))),
            series: gaps.iter().filter(|gap| gap.images.is_some() && !gap.late).count(),
        }
    }
}

/// The gap that nine tenths of the weight do not exceed; nothing while there is too little of it.
fn usual(gaps: impl Iterator<Item = (Option<Duration>, bool)>) -> Option<Duration> {
    let weighed = |(gap, late): (Option<Duration>, bool)| {
        gap.map(|gap| (gap, if late { WEIGHT_OF_LATE } else { 1 }))
    };
    let mut gaps: Vec<(Duration, usize)> = gaps.filter_map(weighed).collect();
    gaps.sort();
    let all: usize = gaps.iter().map(|(_, weight)| weight).sum();
    if all < LEAST_WEIGHT {
        return None;
    }
    let mut below = 0;
    gaps.into_iter()
        .map(|(gap, weight)| {
            below += weight;
            (gap, below)
        })
        .find(|(_, below)| below * 10 >= all * 9)
        .map(|(gap, _)| gap)
}

impl Times {
    pub fn longest(&self) -> Duration {
        self.longest.max(self.quiet)
    }

    /// The quiet time of a series. One that was broken off waits no less than was configured: the
    /// scanner needs time to try again.
    pub fn quiet(&self, pace: &Pace, broken_off: bool) -> Quiet {
        let configured = Quiet { wait: self.quiet, basis: Basis::Configured };
        let Some(gap) = pace.images else { return configured };
        let longer = (gap * LONGER_THAN_GAP).min(self.longest());
        if longer > self.quiet {
            return Quiet { wait: longer, basis: Basis::Longer { gap } };
        }
        let shorter = (gap * SHORTER_THAN_GAP).max(self.shortest);
        let may = !broken_off && !self.quiet_is_its_own && pace.series >= SERIES_TO_SHORTEN;
        if may && shorter < self.quiet {
            return Quiet { wait: shorter, basis: Basis::Shorter { gap } };
        }
        configured
    }

    /// The time behind a release: long enough for a peer that opens an association for each image,
    /// as it did in its latest series, or does in this one.
    pub fn after_release(&self, pace: &Pace, in_this: Option<Duration>) -> Duration {
        let gap = pace.associations.max(in_this).unwrap_or_default();
        self.after_release.max(gap * RELEASE_THAN_GAP)
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quiet for {}", seconds(self.wait))?;
        match self.basis {
            Basis::Configured => Ok(()),
            Basis::Longer { gap } => {
                write!(f, " (longer than configured: its peer pauses up to {})", seconds(gap))
            }
            Basis::Shorter { gap } => {
                write!(f, " (shorter than configured: its peer pauses up to {})", seconds(gap))
            }
        }
    }
}

/// Seconds as an admin writes them.
pub fn seconds(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{} s", (s * 10.0).round() / 10.0),
        s => format!("{} s", (s * 1000.0).round() / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        quiet: Duration::from_secs(30),
        quiet_is_its_own: false,
        after_release: Duration::from_secs(5),
        shortest: Duration::from_secs(10),
        longest: Duration::from_secs(300),
    };

    fn gap(seconds: u64) -> Gap {
        let images = Some(Duration::from_secs(seconds));
        Gap { late: false, images, associations: images }
    }

    /// The quiet time and the time behind a release, in seconds, after these gaps.
    fn check(gaps: Vec<Gap>, quiet: u64, after_release: u64) {
        let pace = Pace::of(&gaps);
        let waits = (TIMES.quiet(&pace, false).wait, TIMES.after_release(&pace, None));
        let expected = (Duration::from_secs(quiet), Duration::from_secs(after_release));
        assert_eq!(waits, expected, "{gaps:?}");
    }

    #[test]
    fn waits_follow_the_gaps_of_a_peer_within_bounds() {
        let late = |seconds| Gap { late: true, ..gap(seconds) };
        check(vec![], 30, 5);
        check(vec![gap(20); 3], 30, 5); // too few series
        check(vec![gap(20); 4], 40, 60);
        check(vec![late(20)], 40, 60); // one late image is enough where nothing else is known
        check([vec![gap(1); 40], vec![late(20)]].concat(), 10, 5); // an exception
        check([vec![gap(1); 40], vec![late(20); 2]].concat(), 40, 60);
        check(vec![gap(280); 9], 300, 840); // the release is bounded by the quiet time elsewhere
        check(vec![gap(1); 19], 30, 5); // too few to shorten
        check(vec![gap(1); 20], 10, 5);
        check(vec![gap(6); 20], 24, 18);
    }

    #[test]
    fn a_quiet_time_of_a_peers_own_and_one_behind_a_broken_association_are_not_shortened() {
        let pace = Pace::of(&[gap(1); 30]);
        assert_eq!(TIMES.quiet(&pace, true).wait, TIMES.quiet);
        let own = Times { quiet_is_its_own: true, ..TIMES };
        assert_eq!(own.quiet(&pace, false).wait, TIMES.quiet);
    }

    #[test]
    fn a_pause_between_associations_of_this_very_series_counts_at_once() {
        let between = Some(Duration::from_secs(4));
        assert_eq!(TIMES.after_release(&Pace::default(), between), Duration::from_secs(12));
    }

    #[test]
    fn seconds_read_as_they_are_written() {
        let said = [30.0, 0.25, 1.5, 300.0, 61.04].map(|s| seconds(Duration::from_secs_f64(s)));
        assert_eq!(said, ["30 s", "0.25 s", "1.5 s", "300 s", "61 s"]);
    }
}
