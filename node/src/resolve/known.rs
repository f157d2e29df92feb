//! What is known of one peer: the last good answer, the last fault, and when to ask again.

use super::discover::{Answer, Failed};
use super::found::{Answered, Found, ResolveError};
use super::order::ordered;
use crate::config::DnsConfig;
use gantry_terms::moment::Moment;
use std::time::Duration;
use tokio::time::Instant;

/// Who did not answer is asked again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// It is not believed for longer that there is nothing (RFC 2308 section 5 leaves the choice).
const LONGEST_NOTHING: Duration = Duration::from_secs(300);
/// An answer is asked for anew while so much of its time is left, so that nobody waits for it.
const REFRESHED_AT: f64 = 0.8;

#[derive(Debug, Default)]
pub(super) struct Known {
    good: Option<Good>,
    /// The last question came to nothing.
    failing: Option<Failing>,
    /// Stays when the next question is answered.
    last_fault: Option<(ResolveError, Moment)>,
}

#[derive(Debug)]
struct Good {
    answer: Answer,
    at: Instant,
    ttl: Duration,
    answered: Answered,
}

#[derive(Debug)]
struct Failing {
    why: ResolveError,
    at: Instant,
    hold: Duration,
}

/// What a new answer changed, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Same,
    Moved,
    Lost,
}

impl Known {
    pub(super) fn heard(
        &mut self,
        heard: Result<Answer, Failed>,
        rules: &DnsConfig,
        now: Instant,
    ) -> News {
        match heard {
            Ok(answer) => self.found(answer, rules, now),
            Err(failed) => self.failed(failed, rules, now),
        }
    }

    fn found(&mut self, answer: Answer, rules: &DnsConfig, now: Instant) -> News {
        let ttl = answer.ttl.clamp(rules.shortest, rules.longest);
        let at = Moment::now();
        let answered = Answered { at, until: at.plus(ttl) };
        let same = self.good.as_ref().is_some_and(|good| good.answer.servers == answer.servers);
        let is_back = self.failing.take().is_some();
        self.good = Some(Good { answer, at: now, ttl, answered });
        if same && !is_back { News::Same } else { News::Moved }
    }

    fn failed(&mut self, failed: Failed, rules: &DnsConfig, now: Instant) -> News {
        let Failed { why, ttl } = failed;
        let hold = match why.is_an_answer() {
            true => ttl.clamp(rules.shortest, LONGEST_NOTHING.max(rules.shortest)),
            false => AGAIN,
        };
        if why.is_an_answer() {
            self.good = None;
        }
        let same = self.failing.as_ref().is_some_and(|failing| failing.why == why);
        self.last_fault = Some((why.clone(), Moment::now()));
        self.failing = Some(Failing { why, at: now, hold });
        if same { News::Same } else { News::Lost }
    }

    /// Whether whoever wants to know has to wait for an answer.
    pub(super) fn is_to_be_asked(&self, now: Instant) -> bool {
        match (&self.failing, &self.good) {
            (Some(failing), _) => now >= failing.at + failing.hold,
            (None, Some(good)) => now >= good.at + good.ttl,
            (None, None) => true,
        }
    }

    /// When to ask though nobody waits.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        match (&self.failing, &self.good) {
            (Some(failing), _) => Some(failing.at + failing.hold),
            (None, Some(good)) => Some(good.at + good.ttl.mul_f64(REFRESHED_AT)),
            (None, None) => None,
        }
    }

    pub(super) fn was_asked_since(&self, moment: Instant) -> bool {
        let asked = [self.failing.as_ref().map(|it| it.at), self.good.as_ref().map(|it| it.at)];
        asked.into_iter().flatten().any(|at| at >= moment)
    }

    /// The order of the servers is drawn anew each time. Nothing before the first answer.
    pub(super) fn answer(
        &self,
        rules: &DnsConfig,
        now: Instant,
    ) -> Option<Result<Found, ResolveError>> {
        let failing = self.failing.as_ref().map(|failing| failing.why.clone());
        let Some(good) = &self.good else { return failing.map(Err) };
        let end = good.at + good.ttl;
        if now >= end + rules.old_answers
            && let Some(why) = failing
        {
            return Some(Err(why));
        }
        Some(Ok(Found {
            servers: ordered(good.answer.servers.clone(), &mut rand::rng()),
            source: good.answer.source.clone(),
            answered: Some(good.answered),
            fault: failing.filter(|_| now >= end),
        }))
    }

    pub(super) fn last_fault(&self) -> Option<&(ResolveError, Moment)> {
        self.last_fault.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::Server;
    use super::*;

    fn rules() -> DnsConfig {
        DnsConfig { old_answers: Duration::from_secs(1000), ..DnsConfig::default() }
    }

    fn answer(port: u16, seconds: u64) -> Result<Answer, Failed> {
        let server = Server {
            host: "pacs.example".into(),
            addresses: vec![([10, 0, 0, 1], port).into()],
            priority: 0,
            weight: 0,
        };
        Ok(Answer {
            servers: vec![server],
            source: "a test".into(),
            ttl: Duration::from_secs(seconds),
        })
    }

    fn silence() -> Result<Answer, Failed> {
        let why = ResolveError::Unanswered {
            name: "pacs.example".into(),
            asked: "10.0.0.53:53".into(),
            why: "no answer in time".into(),
        };
        Err(Failed { why, ttl: Duration::ZERO })
    }

    fn nothing(seconds: u64) -> Result<Answer, Failed> {
        let why = ResolveError::NotThere("SRV record x".into());
        Err(Failed { why, ttl: Duration::from_secs(seconds) })
    }

    #[test]
    fn an_answer_holds_for_its_time_within_the_shortest_and_the_longest() {
        let check = |seconds: u64, holds: u64| {
            let (mut known, now) = (Known::default(), Instant::now());
            assert!(known.is_to_be_asked(now));
            assert_eq!(known.heard(answer(104, seconds), &rules(), now), News::Moved);
            let holds = Duration::from_secs(holds);
            assert!(!known.is_to_be_asked(now + holds - Duration::from_millis(1)));
            assert!(known.is_to_be_asked(now + holds), "{seconds}");
            assert_eq!(known.refresh_at(), Some(now + holds.mul_f64(0.8)));
        };
        check(60, 60);
        check(0, 5);
        check(1_000_000, 3600);
    }

    #[test]
    fn an_old_answer_serves_while_the_name_servers_are_silent_and_its_age_is_said() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.heard(answer(104, 60), &rules(), now);
        let later = now + Duration::from_secs(50);
        assert_eq!(known.heard(silence(), &rules(), later), News::Lost);
        let found = |at: Instant| known.answer(&rules(), at).expect("something is known");
        assert_eq!(found(later).expect("still good").fault, None);
        let old = found(now + Duration::from_secs(61)).expect("old");
        assert!(matches!(old.fault, Some(ResolveError::Unanswered { .. })));
        assert!(!known.is_to_be_asked(later + Duration::from_secs(9)), "not all the time");
        assert!(known.is_to_be_asked(later + Duration::from_secs(10)));
        assert!(found(now + Duration::from_secs(1060)).is_err(), "not for ever");
        assert_eq!(known.heard(silence(), &rules(), later), News::Same);
        assert_eq!(known.heard(answer(104, 60), &rules(), later), News::Moved);
        assert!(known.last_fault().is_some(), "it stays to be seen");
    }

    #[test]
    fn that_there_is_nothing_is_an_answer_and_holds_for_a_while() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.heard(answer(104, 60), &rules(), now);
        known.heard(nothing(30), &rules(), now);
        let said = known.answer(&rules(), now).expect("something is known");
        assert!(matches!(said, Err(ResolveError::NotThere(_))), "the old answer is not true");
        assert!(!known.is_to_be_asked(now + Duration::from_secs(29)));
        assert!(known.is_to_be_asked(now + Duration::from_secs(30)));
        known.heard(nothing(1_000_000), &rules(), now);
        assert!(known.is_to_be_asked(now + LONGEST_NOTHING));
    }

    #[test]
    fn another_address_is_news_and_the_same_one_is_none() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.heard(answer(104, 60), &rules(), now);
        assert_eq!(known.heard(answer(104, 60), &rules(), now), News::Same);
        assert_eq!(known.heard(answer(105, 60), &rules(), now), News::Moved);
    }
}
