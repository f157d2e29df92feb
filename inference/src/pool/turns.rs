//! Who goes next where only one can: who is urgent before who is not, and of each kind who came first.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    Stat,
    Routine,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    taken: bool,
    /// In the order in which they came.
    waiting: Vec<(Urgency, oneshot::Sender<Turn>)>,
}

/// Whoever holds it has the turn.
#[derive(Debug)]
pub(super) struct Turn(Option<Turns>);

impl Turns {
    pub(super) async fn turn(&self, urgency: Urgency) -> Turn {
        let called = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.taken {
                state.taken = true;
                return Turn(Some(self.clone()));
            }
            let (call, called) = oneshot::channel();
            state.waiting.push((urgency, call));
            called
        };
        match called.await {
            Ok(turn) => turn,
            // A call is only dropped after it was made.
            Err(_) => std::future::pending().await,
        }
    }

    fn next(&self) {
        loop {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let first =
                state.waiting.iter().enumerate().min_by_key(|(at, (urgency, _))| (*urgency, *at));
            let Some((at, _)) = first else {
                state.taken = false;
                return;
            };
            let (_, call) = state.waiting.remove(at);
            drop(state);
            match call.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Nobody waits there any more. It may not end as a turn that was had.
                Err(mut turn) => turn.0 = None,
            }
        }
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
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn urgent_ones_go_first_then_who_came_first_and_who_left_is_passed_over() {
        let turns = Turns::default();
        let running = turns.turn(Urgency::Routine).await;
        let (went, mut order) = mpsc::unbounded_channel();
        let mut waiting = Vec::new();
        for (name, urgency) in [
            ("routine 1", Urgency::Routine),
            ("left", Urgency::Stat),
            ("routine 2", Urgency::Routine),
            ("stat 1", Urgency::Stat),
            ("stat 2", Urgency::Stat),
        ] {
            let (turns, went) = (turns.clone(), went.clone());
            waiting.push(tokio::spawn(async move {
                let _turn = turns.turn(urgency).await;
                went.send(name).unwrap();
            }));
            tokio::task::yield_now().await;
        }
        waiting[1].abort();
        tokio::task::yield_now().await;
        assert!(order.try_recv().is_err(), "one at a time");
        drop(running);
        let mut found = Vec::new();
        while found.len() < 4 {
            found.push(order.recv().await.unwrap());
        }
        assert_eq!(found, ["stat 1", "stat 2", "routine 1", "routine 2"]);
        drop(turns.turn(Urgency::Routine).await);
    }
}
