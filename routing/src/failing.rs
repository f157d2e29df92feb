//! Series or studies that cannot be decided for now: tried again in a while, told of once, and in nobody's way.

use gantry_store::error::StoreError;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Until it is tried again.
pub const AGAIN: Duration = Duration::from_secs(1);

/// With the moment when each is tried again.
#[derive(Default)]
pub struct Failing(BTreeMap<Uid, Instant>);

impl Failing {
    /// Whatever does not wait to be decided any more does not fail any more.
    pub fn keep_only<'a>(&mut self, waiting: impl Iterator<Item = &'a Uid>) {
        if !self.0.is_empty() {
            let waiting: BTreeSet<&Uid> = waiting.collect();
            self.0.retain(|uid, _| waiting.contains(uid));
        }
    }

    /// Whether it failed a moment ago.
    pub fn rests(&self, uid: &Uid) -> bool {
        self.0.get(uid).is_some_and(|again| Instant::now() < *again)
    }

    /// What came of deciding it. `what` is a series or a study, for the log.
    pub fn note(&mut self, what: &str, uid: &Uid, decided: Result<(), StoreError>) {
        let Err(error) = decided else {
            if self.0.remove(uid).is_some() {
                tracing::info!(station = "decide", %uid, "the {what} could be decided now");
            }
            return;
        };
        if self.0.insert(uid.clone(), Instant::now() + AGAIN).is_none() {
            tracing::error!(
                station = "decide", %uid, %error,
                "this {what} cannot be decided; the others are, and it is tried again every second"
            );
        }
    }

    /// When the first of them is tried again.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).expect("a UID of a test")
    }

    fn fault() -> Result<(), StoreError> {
        Err(StoreError::Unreadable("header"))
    }

    #[test]
    fn what_fails_rests_alone_until_it_is_decided_or_waits_no_more() {
        let (first, second) = (uid("1.2.1"), uid("1.2.2"));
        let mut failing = Failing::default();
        assert_eq!(failing.next(), None);
        failing.note("series", &first, fault());
        failing.note("series", &second, Ok(()));
        assert!(failing.rests(&first) && !failing.rests(&second));
        assert!(failing.next().is_some_and(|next| next <= Instant::now() + AGAIN));
        failing.note("series", &first, Ok(()));
        assert!(!failing.rests(&first));
        assert_eq!(failing.next(), None);
        failing.note("series", &first, fault());
        failing.note("series", &second, fault());
        failing.keep_only([&second].into_iter());
        assert!(!failing.rests(&first) && failing.rests(&second));
    }
}
