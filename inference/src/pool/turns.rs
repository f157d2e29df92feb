//! Who goes next where only one can: stat first, but no run for ever behind newer ones, and no model behind the many runs of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// A model that had to be loaded goes on for so many times as long as that took: where not all models fit,
/// loading is a fifth of the work at most.
const ROW: u32 = 4;
/// But no longer than this, however long loading took: other models wait.
const LONGEST_ROW: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    Stat,
    Routine,
}

/// Whose turn it is. `P` is what each brings along.
#[derive(Debug)]
pub(super) struct Turns<P>(Arc<Shared<P>>);

#[derive(Debug)]
struct Shared<P> {
    state: Mutex<State<P>>,
    /// One came.
    came: Notify,
}

#[derive(Debug)]
struct State<P> {
    /// A routine run that has waited for so long goes before a stat run that came after it, but not two
    /// in a row. The queue of jobs goes by the same.
    ageing: Duration,
    taken: bool,
    /// The models of those that gave the turn away and have not ended: none of them begins again before.
    under_way: Vec<String>,
    /// In the order in which they came.
    waiting: Vec<Waiting<P>>,
    /// The number of the turn that a model had last.
    served: HashMap<(Urgency, String), u64>,
    turns: u64,
    stat_was_last: bool,
    row: Option<Row>,
}

/// Runs of one model, one after the other.
#[derive(Debug)]
struct Row {
    model: String,
    goes_on: GoesOn,
}

#[derive(Debug)]
enum GoesOn {
    /// It was loaded already: other models cost no more than this one.
    No,
    Loading,
    Until(Instant),
}

#[derive(Debug)]
struct Waiting<P> {
    wish: Wish,
    brought: P,
    call: oneshot::Sender<(Turn<P>, P)>,
}

/// What a turn is wanted for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub urgency: Urgency,
    pub model: String,
    pub since: Instant,
    /// Others of the model may take it along.
    pub joins: bool,
}

/// Whoever holds it has the turn, until it is dropped or given away.
#[derive(Debug)]
pub(super) struct Turn<P> {
    wish: Wish,
    state: Mutex<Has<P>>,
}

#[derive(Debug)]
struct Has<P> {
    /// None: it never became one.
    turns: Option<Turns<P>>,
    given_away: bool,
    /// For something else, behind it.
    waited: Duration,
}

impl<P> Clone for Turns<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> Turns<P> {
    pub(super) fn new(ageing: Duration) -> Self {
        let state = Mutex::new(State {
            ageing,
            taken: false,
            under_way: Vec::new(),
            waiting: Vec::new(),
            served: HashMap::new(),
            turns: 0,
            stat_was_last: false,
            row: None,
        });
        Self(Arc::new(Shared { state, came: Notify::new() }))
    }

    /// With what was brought. Never comes back for who was taken along by another one.
    pub(super) async fn turn(&self, wish: Wish, brought: P) -> (Turn<P>, P) {
        let called = {
            let mut state = self.state();
            if !state.taken && !state.under_way.contains(&wish.model) {
                state.taken = true;
                let turn = Turn::of(self, &wish);
                state.note(wish);
                return (turn, brought);
            }
            let (call, called) = oneshot::channel();
            state.waiting.push(Waiting { wish, brought, call });
            self.0.came.notify_one();
            called
        };
        match called.await {
            Ok(turn) => turn,
            // A call is only dropped after it was made, when nobody waits for it, or by who takes along.
            Err(_) => std::future::pending().await,
        }
    }

    /// The model of which the next routine run should be, if it has one.
    pub(super) fn row(&self) -> Option<String> {
        let state = self.state();
        state.row_at(Instant::now()).map(str::to_string)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State<P>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) {
        loop {
            let mut state = self.state();
            state.waiting.retain(|waiting| !waiting.call.is_closed());
            let Some(at) = state.first(Instant::now()) else {
                state.taken = false;
                return;
            };
            let Waiting { wish, brought, call } = state.waiting.remove(at);
            let turn = Turn::of(self, &wish);
            state.note(wish);
            drop(state);
            match call.send((turn, brought)) {
                Ok(()) => return,
                // Nobody waits there any more. It may not end as a turn that was had.
                Err((turn, _)) => turn.has().turns = None,
            }
        }
    }
}

impl<P> Turn<P> {
    fn of(turns: &Turns<P>, wish: &Wish) -> Self {
        let turns = Some(turns.clone());
        let has = Has { turns, given_away: false, waited: Duration::ZERO };
        Self { wish: wish.clone(), state: Mutex::new(has) }
    }

    /// What it was wanted for.
    pub(super) fn wish(&self) -> &Wish {
        &self.wish
    }

    fn has(&self) -> std::sync::MutexGuard<'_, Has<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> Option<Turns<P>> {
        self.has().turns.clone()
    }

    /// Somebody else has it from now on, with another model; until this is dropped it is counted as under way.
    pub(super) fn give_away(&self) {
        let mut has = self.has();
        let Some(turns) = has.turns.clone().filter(|_| !has.given_away) else { return };
        has.given_away = true;
        drop(has);
        turns.state().under_way.push(self.wish.model.clone());
        turns.next();
    }

    pub(super) fn is_given_away(&self) -> bool {
        self.has().given_away
    }

    pub(super) fn has_waited(&self, waited: Duration) {
        self.has().waited += waited;
    }

    /// For something else, while it was had or behind it.
    pub(super) fn waited(&self) -> Duration {
        self.has().waited
    }

    /// What those brought that want the same, up to so many, the most urgent ones first: their turn is
    /// this one. None of them is less urgent, so that they make nobody wait who would not.
    pub(super) fn take_along(&self, model: &str, urgency: Urgency, most: usize) -> Vec<P> {
        let Some(turns) = self.turns() else { return Vec::new() };
        let mut state = turns.state();
        let mut along = Vec::new();
        for of in [Urgency::Stat, Urgency::Routine] {
            let fits = |waiting: &Waiting<P>| {
                let Waiting { wish, call, .. } = waiting;
                let same = wish.joins && wish.model == model && wish.urgency == of;
                same && of <= urgency && !call.is_closed()
            };
            while along.len() < most
                && let Some(at) = state.waiting.iter().position(fits)
            {
                along.push(state.waiting.remove(at).brought);
            }
        }
        along
    }

    /// Anybody waits who would not be taken along: who would be may come at any moment.
    pub(super) fn keeps_waiting(&self, model: &str, urgency: Urgency) -> bool {
        let along = |wish: &Wish| wish.joins && wish.model == model && wish.urgency <= urgency;
        let waits = |waiting: &Waiting<P>| !waiting.call.is_closed() && !along(&waiting.wish);
        self.turns().is_some_and(|turns| turns.state().waiting.iter().any(waits))
    }

    /// Somebody waits who is more urgent than who has it.
    pub(super) fn keeps_urgent_waiting(&self, urgency: Urgency) -> bool {
        let waits =
            |waiting: &Waiting<P>| waiting.wish.urgency < urgency && !waiting.call.is_closed();
        self.turns().is_some_and(|turns| turns.state().waiting.iter().any(waits))
    }

    /// Until one comes. One that came since the last time counts.
    pub(super) async fn somebody_comes(&self) {
        if let Some(turns) = self.turns() {
            turns.0.came.notified().await;
        }
    }

    /// The model has to be loaded for it.
    pub(super) fn loads(&self) {
        self.row(|goes_on| match goes_on {
            GoesOn::No => *goes_on = GoesOn::Loading,
            // Once for a row: a model that ends each of its processes keeps nobody waiting by that.
            GoesOn::Loading | GoesOn::Until(_) => {}
        });
    }

    /// That took so long. What it cost is made use of.
    pub(super) fn loaded(&self, took: Duration) {
        self.row(|goes_on| {
            if matches!(goes_on, GoesOn::Loading) {
                *goes_on = GoesOn::Until(Instant::now() + (took * ROW).min(LONGEST_ROW));
            }
        });
    }

    fn row(&self, change: impl FnOnce(&mut GoesOn)) {
        if let Some(turns) = self.turns()
            && let Some(row) = &mut turns.state().row
        {
            change(&mut row.goes_on);
        }
    }
}

impl<P> State<P> {
    fn note(&mut self, Wish { urgency, model, .. }: Wish) {
        self.turns += 1;
        // Who was to load it may have left before it was there.
        let same = |row: &&Row| row.model == model && !matches!(row.goes_on, GoesOn::Loading);
        if self.row.as_ref().filter(same).is_none() {
            self.row = Some(Row { model: model.clone(), goes_on: GoesOn::No });
        }
        self.served.insert((urgency, model), self.turns);
        self.stat_was_last = urgency == Urgency::Stat;
    }

    fn row_at(&self, now: Instant) -> Option<&str> {
        let Row { model, goes_on } = self.row.as_ref()?;
        let goes_on = match goes_on {
            GoesOn::No => false,
            GoesOn::Loading => true,
            GoesOn::Until(end) => now < *end,
        };
        goes_on.then_some(model)
    }

    /// The place of who goes next.
    fn first(&self, now: Instant) -> Option<usize> {
        let all = |_: &Wish| true;
        let row = self.row_at(now);
        // Of those who are urgent no one waits for a row.
        let Some(stat) = self.first_of(Urgency::Stat, None, all) else {
            return self.first_of(Urgency::Routine, row, all);
        };
        if !self.stat_was_last {
            return Some(stat);
        }
        let came = self.waiting.get(stat)?.wish.since;
        let aged = |wish: &Wish| {
            wish.since <= came && now.saturating_duration_since(wish.since) >= self.ageing
        };
        self.first_of(Urgency::Routine, row, aged).or(Some(stat))
    }

    /// Of those one whose model is in a row, or else whose model was served least lately; of one model who
    /// came first.
    fn first_of(
        &self,
        urgency: Urgency,
        row: Option<&str>,
        counts: impl Fn(&Wish) -> bool,
    ) -> Option<usize> {
        let wishes = self.waiting.iter().map(|waiting| &waiting.wish).enumerate();
        let begins = |wish: &Wish| !self.under_way.contains(&wish.model) && counts(wish);
        let counted = wishes.filter(|(_, wish)| wish.urgency == urgency && begins(wish));
        let first = counted.min_by_key(|(at, wish)| {
            let served = self.served.get(&(urgency, wish.model.clone()));
            (row != Some(wish.model.as_str()), served.copied().unwrap_or(0), *at)
        });
        first.map(|(at, _)| at)
    }
}

impl<P> Drop for Turn<P> {
    fn drop(&mut self) {
        let has = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(turns) = has.turns.take() else { return };
        if has.given_away {
            let mut state = turns.state();
            if let Some(at) = state.under_way.iter().position(|model| *model == self.wish.model) {
                state.under_way.swap_remove(at);
            }
            if std::mem::replace(&mut state.taken, true) {
                return;
            }
        }
        turns.next();
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
        Wish { urgency, model: model.into(), since, joins: true }
    }

    /// The order in which they go that came in this one, each with the seconds that it has waited.
    async fn order(came: &[(Urgency, &'static str, u64)]) -> Vec<&'static str> {
        let turns = Turns::new(AGEING);
        let running = turns.turn(wish(Routine, "running", 0), ()).await;
        let (went, mut order) = tokio::sync::mpsc::unbounded_channel();
        for &(urgency, name, waited) in came {
            let model = name.split(' ').next().unwrap();
            let (turns, went, wish) = (turns.clone(), went.clone(), wish(urgency, model, waited));
            let waiting = tokio::spawn(async move {
                let _turn = turns.turn(wish, ()).await;
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
        drop(turns.turn(wish(Routine, "any", 0), ()).await);
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

    /// The models of routine runs in their order, of which `a`, `b` and `c` have so many each. The first
    /// turn of a model behind another one loads it, which takes so long.
    async fn rows(loading: Duration, of_each: usize) -> Vec<String> {
        let turns = Turns::new(AGEING);
        let running = turns.turn(wish(Routine, "running", 0), String::new()).await;
        let order = Arc::new(Mutex::new(Vec::<String>::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for name in ["a", "b", "c"].into_iter().cycle().take(3 * of_each) {
            let (turns, order) = (turns.clone(), order.clone());
            tasks.spawn(async move {
                let (turn, brought) = turns.turn(wish(Routine, name, 9), name.to_string()).await;
                let last = order.lock().unwrap().last().cloned();
                if last.as_deref() != Some(name) {
                    turn.loads();
                    turn.loaded(loading);
                }
                order.lock().unwrap().push(brought);
            });
            tokio::task::yield_now().await;
        }
        drop(running);
        tasks.join_all().await;
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    }

    #[tokio::test]
    async fn a_model_that_was_loaded_for_it_goes_on_as_long_as_that_is_worth_it_and_no_longer() {
        // Loading took a minute: all that wait go in one row.
        let found = rows(Duration::from_secs(60), 3).await;
        assert_eq!(found, ["a", "a", "a", "b", "b", "b", "c", "c", "c"]);
        // It took nothing: one of each.
        let found = rows(Duration::ZERO, 2).await;
        assert_eq!(found, ["a", "b", "c", "a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_row_ends_with_its_time_and_with_another_model_and_holds_up_nothing_urgent() {
        let turns = Turns::new(AGEING);
        let begun = turns.turn(wish(Routine, "a", 0), ()).await;
        assert_eq!(turns.row(), None, "it was loaded before");
        begun.0.loads();
        assert_eq!(turns.row().as_deref(), Some("a"));
        begun.0.loaded(Duration::from_secs(1));
        assert_eq!(turns.row().as_deref(), Some("a"));
        let later = Instant::now() + Duration::from_secs(5);
        {
            let state = turns.state();
            let in_time = Instant::now() + Duration::from_secs(3);
            assert_eq!(state.row_at(in_time), Some("a"));
            assert_eq!(state.row_at(later), None, "four times as long as loading");
        }
        // Its process ended and it is loaded once more: the row does not begin anew.
        begun.0.loads();
        begun.0.loaded(Duration::from_secs(3600));
        assert_eq!(turns.state().row_at(later), None, "once for a row");

        let others = [(Routine, "a"), (Stat, "b"), (Routine, "c")];
        let (went, mut order) = tokio::sync::mpsc::unbounded_channel();
        for (urgency, model) in others {
            let (turns, went) = (turns.clone(), went.clone());
            tokio::spawn(async move {
                let _turn = turns.turn(wish(urgency, model, 9), ()).await;
                went.send((model, turns.row())).unwrap();
            });
            tokio::task::yield_now().await;
        }
        drop(begun);
        assert_eq!(order.recv().await, Some(("b", None)), "it is urgent, and the row is over");
        assert_eq!(order.recv().await, Some(("c", None)), "served less lately than a");
        assert_eq!(order.recv().await, Some(("a", None)));
    }

    #[tokio::test]
    async fn a_turn_takes_along_those_that_want_the_same_and_are_not_less_urgent() {
        let turns = Turns::new(AGEING);
        let (turn, _) = turns.turn(wish(Routine, "a", 0), "leads").await;
        assert!(!turn.keeps_waiting("a", Routine));
        let came = [
            (Routine, "a", "a 1", true),
            (Routine, "b", "b 1", true),
            (Routine, "a", "a apart", false),
            (Stat, "a", "a stat", true),
            (Routine, "a", "a 2", true),
            (Routine, "a", "a leaves", true),
            (Routine, "a", "a 3", true),
        ];
        for (urgency, model, name, joins) in came {
            let (turns, wish) = (turns.clone(), Wish { joins, ..wish(urgency, model, 9) });
            let waiting = tokio::spawn(async move { turns.turn(wish, name).await.1 });
            turn.somebody_comes().await;
            if name.ends_with("leaves") {
                waiting.abort();
                tokio::task::yield_now().await;
            }
        }
        assert!(turn.keeps_waiting("a", Routine));
        assert_eq!(turn.take_along("a", Stat, 9), ["a stat"], "an urgent one takes no other");
        assert_eq!(turn.take_along("a", Routine, 2), ["a 1", "a 2"]);
        assert!(turn.keeps_waiting("a", Routine), "b 1, and who goes apart");
        assert_eq!(turn.take_along("a", Routine, 9), ["a 3"]);
        assert!(turn.take_along("a", Routine, 9).is_empty());
    }

    #[tokio::test]
    async fn who_gives_the_turn_away_is_under_way_until_it_ends_and_its_model_waits_so_long() {
        let turns = Turns::new(AGEING);
        let (first, _) = turns.turn(wish(Routine, "a", 0), ()).await;
        let (went, mut order) = tokio::sync::mpsc::unbounded_channel();
        let (end, ended) = tokio::sync::watch::channel(false);
        for (urgency, name) in [(Routine, "a 1"), (Stat, "a 2"), (Routine, "b 1"), (Routine, "c 1")]
        {
            let (turns, went, mut ended) = (turns.clone(), went.clone(), ended.clone());
            tokio::spawn(async move {
                let model = name.split(' ').next().unwrap();
                let turn = turns.turn(wish(urgency, model, 9), ()).await;
                went.send(name).unwrap();
                turn.0.give_away();
                ended.wait_for(|ended| *ended).await.unwrap();
            });
            tokio::task::yield_now().await;
        }
        first.give_away();
        first.give_away();
        assert!(first.is_given_away());
        assert_eq!(order.recv().await, Some("b 1"), "not a, though it is urgent");
        assert_eq!(order.recv().await, Some("c 1"), "beside both");
        tokio::task::yield_now().await;
        assert!(order.try_recv().is_err());
        drop(first);
        assert_eq!(order.recv().await, Some("a 2"), "the first one has ended");
        tokio::task::yield_now().await;
        assert!(order.try_recv().is_err(), "a is under way again");
        end.send(true).unwrap();
        assert_eq!(order.recv().await, Some("a 1"));
        // All have ended, and the turn is free.
        drop(turns.turn(wish(Routine, "b", 0), ()).await);
        drop(turns.turn(wish(Routine, "b", 0), ()).await);
    }

    #[tokio::test]
    async fn a_row_is_never_longer_than_a_minute_and_is_none_where_who_loads_leaves() {
        let turns = Turns::new(AGEING);
        let begun = turns.turn(wish(Routine, "a", 0), ()).await;
        begun.0.loads();
        begun.0.loaded(Duration::from_secs(3600));
        let later = Instant::now() + LONGEST_ROW + Duration::from_secs(1);
        assert_eq!(turns.state().row_at(later), None, "others wait");
        drop(begun);
        let leaves = turns.turn(wish(Routine, "b", 0), ()).await;
        leaves.0.loads();
        drop(leaves);
        let _next = turns.turn(wish(Routine, "b", 0), ()).await;
        assert_eq!(turns.row(), None);
    }
}
