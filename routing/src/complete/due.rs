//! When a series is due, and why: a pure function of what is known of it.

use crate::complete::associations::Carriage;
use crate::complete::named::{Count, Expected};
use crate::complete::pace::{Pace, Quiet, Times, seconds};
use gantry_terms::moment::Moment;
use std::fmt;
use std::time::Duration;

/// What is known of a series that receives.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub last_arrival: Moment,
    pub carriage: Carriage,
    pub expected: Expected,
    pub times: Times,
    pub pace: Pace,
    /// When the node started: while it was down nothing could arrive.
    pub started: Moment,
    pub now: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub at: Moment,
    pub why: Why,
}

/// What makes a series complete, once it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// An image has been on its way for so long that the others are decided without it.
    Arriving {
        wait: Duration,
    },
    /// All images that a header names are here.
    All {
        images: u32,
        count: Count,
    },
    /// Images that a header names are not here, and did not come.
    Missing {
        here: u32,
        of: u32,
        count: Count,
        wait: Duration,
    },
    /// The associations that carried it were released.
    Released {
        wait: Duration,
    },
    Quiet {
        quiet: Quiet,
        broken_off: bool,
    },
}

/// What is looked at is not on its way any more: the index has it, and its answer has gone out.
pub const SETTLE: Duration = Duration::from_secs(1);

/// The moment from which on a series that gets nothing more counts as complete. Bounded whatever a
/// header names and a peer does: by [`Times::longest`] behind the last sign of life.
pub fn due(facts: &Facts) -> Due {
    let Facts { carriage, times, pace, .. } = facts;
    let quiet = times.quiet(pace, carriage.broken_off);
    let silent_since = silent_since(facts);
    if let Some(since) = carriage.arriving {
        let (at, wait) = (since.min(facts.now).plus(times.longest()), times.longest());
        return Due { at, why: Why::Arriving { wait } };
    }
    match facts.expected {
        Expected::All { images, count } => {
            let at = silent_since.plus(SETTLE.min(quiet.wait));
            return Due { at, why: Why::All { images, count } };
        }
        Expected::Missing { here, of, count } => {
            let wait = times.longest();
            let why = Why::Missing { here, of, count, wait };
            return Due { at: silent_since.plus(wait), why };
        }
        Expected::Nothing => {}
    }
    let broken_off = carriage.broken_off;
    let by_quiet = Due { at: silent_since.plus(quiet.wait), why: Why::Quiet { quiet, broken_off } };
    match carriage.released {
        Some(released) => {
            let wait = times.after_release(pace, carriage.between);
            let at = silent_since.max(released.min(facts.now)).plus(wait);
            // Released at the last moment, or often: the quiet time is enough.
            if at < by_quiet.at { Due { at, why: Why::Released { wait } } } else { by_quiet }
        }
        None => by_quiet,
    }
}

/// When the quiet began: with the last arrival, the end of its C-STORE (a large image takes its
/// time), or the node's start. Images that are here already and come again count, but not for ever.
/// What lies in the future means that the clock was set back: then it begins now, rather than in
/// hours.
fn silent_since(facts: &Facts) -> Moment {
    let Facts { last_arrival, carriage, times, .. } = facts;
    let kept = carriage.last_kept.map_or(*last_arrival, |kept| kept.max(*last_arrival));
    let again = carriage.last_activity.map_or(kept, |at| at.min(kept.plus(times.longest())));
    kept.max(again).max(facts.started).min(facts.now)
}

impl Why {
    /// Whether it waits longer than anybody would expect from the configuration.
    pub fn is_a_long_wait(&self) -> bool {
        matches!(self, Self::Arriving { .. } | Self::Missing { .. })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arriving { wait } => {
                write!(f, "one more image is on its way, but not here within {}", seconds(*wait))
            }
            Self::All { images: 1, count } => {
                write!(f, "the one image that {} names is here", count.attribute())
            }
            Self::All { images, count } => {
                write!(f, "all {images} images that {} names are here", count.attribute())
            }
            Self::Missing { here, of, count, wait } => write!(
                f,
                "{here} of {of} images that {} names are here, and no other in {}",
                count.attribute(),
                seconds(*wait)
            ),
            Self::Released { wait } => {
                write!(f, "its association released, then quiet for {}", seconds(*wait))
            }
            Self::Quiet { quiet, broken_off: false } => quiet.fmt(f),
            Self::Quiet { quiet, broken_off: true } => {
                write!(f, "{quiet}; an association of it was broken off")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_store::pace::Gap;

    const SECOND: i64 = 1_000_000;
    /// The last image came at 1000 s, of a peer that nothing is known of, and now it is 1002 s.
    const FACTS: Facts = Facts {
        last_arrival: Moment(1000 * SECOND),
        carriage: Carriage {
            arriving: None,
            last_kept: None,
            last_activity: None,
            released: None,
            broken_off: false,
            between: None,
        },
        expected: Expected::Nothing,
        times: Times {
            quiet: Duration::from_secs(30),
            quiet_is_its_own: false,
            after_release: Duration::from_secs(5),
            shortest: Duration::from_secs(10),
            longest: Duration::from_secs(300),
        },
        pace: Pace { images: None, associations: None, series: 0 },
        started: Moment(0),
        now: Moment(1002 * SECOND),
    };

    fn at(second: i64) -> Option<Moment> {
        Some(Moment(second * SECOND))
    }

    /// When, in seconds, and why.
    fn check(facts: Facts, at: i64, why: &str) {
        let due = due(&facts);
        assert_eq!((due.at, due.why.to_string().as_str()), (Moment(at * SECOND), why), "{facts:?}");
    }

    fn carried(carriage: Carriage) -> Facts {
        Facts { carriage, ..FACTS }
    }

    fn gaps(seconds: u64) -> Pace {
        let gap = Some(Duration::from_secs(seconds));
        Pace::of(&[Gap { late: false, images: gap, associations: gap }; 30])
    }

    #[test]
    fn quiet_runs_from_the_last_sign_of_life_that_is_sound() {
        check(FACTS, 1030, "quiet for 30 s");
        check(Facts { started: Moment(1001 * SECOND), ..FACTS }, 1031, "quiet for 30 s");
        let future = Facts { last_arrival: Moment(9000 * SECOND), ..FACTS };
        check(future, 1032, "quiet for 30 s");
        let large = Carriage { last_kept: at(1001), last_activity: at(1001), ..FACTS.carriage };
        check(carried(large), 1031, "quiet for 30 s");
        let again = |moment| Carriage { last_activity: at(moment), ..FACTS.carriage };
        check(carried(again(1002)), 1032, "quiet for 30 s");
        let for_ever = Facts { now: Moment(9000 * SECOND), ..carried(again(9000)) };
        check(for_ever, 1330, "quiet for 30 s");
    }

    #[test]
    fn a_released_association_shortens_and_a_broken_one_does_not() {
        let released = Carriage { released: at(1001), ..FACTS.carriage };
        check(carried(released), 1006, "its association released, then quiet for 5 s");
        let broken = Carriage { broken_off: true, ..FACTS.carriage };
        check(carried(broken), 1030, "quiet for 30 s; an association of it was broken off");
    }

    #[test]
    fn a_release_never_lengthens() {
        let late = Carriage { released: at(1029), ..FACTS.carriage };
        let facts = Facts { now: Moment(1029 * SECOND), ..carried(late) };
        check(facts, 1030, "quiet for 30 s");
        let short = Times { quiet: Duration::from_secs(2), ..FACTS.times };
        let released = Carriage { released: at(1000), ..FACTS.carriage };
        check(Facts { times: short, ..carried(released) }, 1002, "quiet for 2 s");
    }

    #[test]
    fn the_gaps_between_a_peers_associations_protect_one_that_opens_an_association_an_image() {
        let released = Carriage { released: at(1001), ..FACTS.carriage };
        let slow = Facts { pace: gaps(4), ..carried(released) };
        check(slow, 1013, "its association released, then quiet for 12 s");
        let now = Carriage { between: Some(Duration::from_secs(3)), ..released };
        check(carried(now), 1010, "its association released, then quiet for 9 s");
    }

    #[test]
    fn learned_gaps_lengthen_and_shorten_the_quiet_time() {
        let why = "quiet for 50 s (longer than configured: its peer pauses up to 25 s)";
        check(Facts { pace: gaps(25), ..FACTS }, 1050, why);
        let why = "quiet for 300 s (longer than configured: its peer pauses up to 200 s)";
        check(Facts { pace: gaps(200), ..FACTS }, 1300, why);
        let why = "quiet for 10 s (shorter than configured: its peer pauses up to 1 s)";
        check(Facts { pace: gaps(1), ..FACTS }, 1010, why);
    }

    #[test]
    fn all_images_that_are_named_complete_a_series_though_its_association_stays_open() {
        let expected = Expected::All { images: 240, count: Count::Series };
        check(Facts { expected, ..FACTS }, 1001, "all 240 images that (0020,1209) names are here");
    }

    #[test]
    fn missing_images_are_waited_for_and_not_for_ever() {
        let expected = Expected::Missing { here: 180, of: 240, count: Count::Acquisition };
        let why = "180 of 240 images that (0020,1002) names are here, and no other in 300 s";
        let released = Carriage { released: at(1001), ..FACTS.carriage };
        check(Facts { expected, ..FACTS }, 1300, why);
        check(Facts { expected, ..carried(released) }, 1300, why);
    }

    #[test]
    fn an_image_on_its_way_is_waited_for_and_not_for_ever() {
        let arriving = Carriage { arriving: at(1001), ..FACTS.carriage };
        let why = "one more image is on its way, but not here within 300 s";
        check(carried(arriving), 1301, why);
        let expected = Expected::All { images: 2, count: Count::Series };
        check(Facts { expected, ..carried(arriving) }, 1301, why);
        let never = Times { longest: Duration::from_secs(1), ..FACTS.times };
        let why = "one more image is on its way, but not here within 30 s";
        check(Facts { times: never, ..carried(arriving) }, 1031, why);
    }
}
