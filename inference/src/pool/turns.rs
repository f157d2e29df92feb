//! Who goes next where only one can: stat first, but no run for ever behind newer ones, and no model behind the many runs of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    Stat,
    Routine,
}

#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// A routine run that has waited for so long goes before a stat run that came after it, but not two
    /// in a row. The queue of jobs goes by the same.
    ageing: Duration,
    taken: bool,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    /// The number of the turn that a model had last.
    served: HashMap<(Urgency, String), u64>,
    turns: u64,
    stat_was_last: bool,
}

#[derive(Debug)]
struct Waiting {
    wish: Wish,
    call: oneshot::Sender<Turn>,
}

/// What a turn is wanted for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub urgency: Urgency,
    pub model: String,
    pub since: Instant,
}

/// Whoever holds it has the turn.
#[derive(Debug)]
pub(super) struct Turn(Option<Turns>);

impl Turns {
    pub(super) fn new(ageing: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            ageing,
            taken: false,
            waiting: Vec::new(),
            served: HashMap::new(),
            turns: 0,
            stat_was_last: false,
        })))
    }

    pub(super) async fn turn(&self, wish: Wish) -> Turn {
        let called = {
            let mut state = self.state();
            if !state.taken {
                state.taken = true;
                state.note(wish);
                return Turn(Some(self.clone()));
            }
            let (call, called) = oneshot::channel();
            state.waiting.push(Waiting { wish, call });
            called
        };
        match called.await {
            Ok(turn) => turn,
            // A call is only dropped after it was made, or when nobody waits for it.
            Err(_) => std::future::pending().await,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) {
        loop {
            let mut state = self.state();
            state.waiting.retain(|waiting| !waiting.call.is_closed());
            let Some(at) = state.first(Instant::now()) else {
                state.taken = false;
                return;
            };
            let Waiting { wish, call } = state.waiting.remove(at);
            state.note(wish);
            drop(state);
            match call.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Nobody waits there any more. It may not end as a turn that was had.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

impl State {
    fn note(&mut self, Wish { urgency, model, .. }: Wish) {
        self.turns += 1;
        self.served.insert((urgency, model), self.turns);
        self.stat_was_last = urgency == Urgency::Stat;
    }

    /// The place of who goes next.
    fn first(&self, now: Instant) -> Option<usize> {
        let all = |_: &Wish| true;
        let Some(stat) = self.first_of(Urgency::Stat, all) else {
            return self.first_of(Urgency::Routine, all);
        };
        if !self.stat_was_last {
            return Some(stat);
        }
        let came = self.waiting.get(stat)?.wish.since;
        let aged = |wish: &Wish| {
            wish.since <= came && now.saturating_duration_since(wish.since) >= self.ageing
        };
        self.first_of(Urgency::Routine, aged).or(Some(stat))
    }

    /// Of those the one whose model was served least lately; of one model who came first.
    fn first_of(&self, urgency: Urgency, counts: impl Fn(&Wish) -> bool) -> Option<usize> {
        let wishes = self.waiting.iter().map(|waiting| &waiting.wish).enumerate();
        let counted = wishes.filter(|(_, wish)| wish.urgency == urgency && counts(wish));
        let first = counted.min_by_key(|(at, wish)| {
            let served = self.served.get(&(urgency, wish.model.clone()));
            (served.copied().unwrap_or(0), *at)
        });
        first.map(|(at, _)| at)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = &self.0 {
            turns.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Urgency::{Routine, Stat};
    use super::*;

    const AGEING: Duration = Duration::from_secs(1800);
    const LONG: u64 = 2000;

    fn wish(urgency: Urgency, model: &str, waited: u64) -> Wish {
        let since = Instant::now().checked_sub(Duration::from_secs(waited)).unwrap();
        Wish { urgency, model: model.into(), since }
    }

    /// The order in which they go that came in this one, each with the seconds that it has waited.
    async fn order(came: &[(Urgency, &'static str, u64)]) -> Vec<&'static str> {
        let turns = Turns::new(AGEING);
        let running = turns.turn(wish(Routine, "running", 0)).await;
        let (went, mut order) = tokio::sync::mpsc::unbounded_channel();
        for &(urgency, name, waited) in came {
            let model = name.split(' ').next().unwrap();
            let (turns, went, wish) = (turns.clone(), went.clone(), wish(urgency, model, waited));
            let waiting = tokio::spawn(async move {
                let _turn = turns.turn(wish).await;
                went.send(name).unwrap();
            });
            tokio::task::yield_now().await;
            if name.ends_with("leaves") {
                waiting.abort();
                tokio::task::yield_now().await;
            }
        }
        assert!(order.try_recv().is_err(), "one at a time");
        drop((running, went));
        let mut found = Vec::new();
        while let Some(name) = order.recv().await {
            found.push(name);
        }
        drop(turns.turn(wish(Routine, "any", 0)).await);
        found
    }

    #[tokio::test]
    async fn stat_goes_first_then_who_came_first_and_who_left_is_passed_over() {
        let came = [
            (Routine, "a 1", 9),
            (Stat, "a leaves", 8),
            (Routine, "a 2", 7),
            (Stat, "a 3", 6),
            (Stat, "a 4", 5),
        ];
        assert_eq!(order(&came).await, ["a 3", "a 4", "a 1", "a 2"]);
    }

    #[tokio::test]
    async fn the_model_that_was_served_least_lately_goes_first() {
        let came = [
            (Routine, "a 1", 9),
            (Routine, "a 2", 8),
            (Routine, "a 3", 7),
            (Routine, "b 1", 6),
            (Routine, "b 2", 5),
            (Routine, "c 1", 4),
        ];
        assert_eq!(order(&came).await, ["a 1", "b 1", "c 1", "a 2", "b 2", "a 3"]);
    }

    #[tokio::test]
    async fn a_routine_run_that_has_waited_long_goes_before_newer_stat_runs_but_one_at_a_time() {
        let came = [
            (Routine, "a old", LONG),
            (Routine, "b old", LONG),
            (Routine, "c young", 60),
            (Stat, "a older", LONG * 2),
            (Stat, "b 1", 9),
            (Stat, "c 2", 8),
        ];
        let expected = ["a older", "a old", "b 1", "b old", "c 2", "c young"];
        assert_eq!(order(&came).await, expected);
    }

    #[tokio::test]
    async fn one_that_left_has_had_no_turn() {
        let came = [(Routine, "a leaves", 9), (Routine, "a 1", 8), (Routine, "b 1", 7)];
        assert_eq!(order(&came).await, ["a 1", "b 1"]);
    }
}
