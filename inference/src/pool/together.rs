//! Several jobs of one model in one run: who goes together, and what becomes of those that fail together.

use super::turns::{Turn, Urgency, Wish};
use super::{Pool, Told};
use crate::batch::Seat;
use crate::engine::{Answer, InferError};
use crate::models::Model;
use gantry_terms::images::Images;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// What one caller wants.
#[derive(Debug)]
pub(super) struct Asked {
    pub images: Vec<Images>,
    pub how: How,
    /// When it came.
    pub at: Instant,
    pub reply: oneshot::Sender<Result<Told, InferError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Alone,
    /// With others, where the model's manifest has batches.
    Together,
    /// As it was once.
    InSeat(Seat),
}

impl Pool {
    /// The one that has the turn, and those that it takes along. While nobody else waits for the turn it
    /// waits for more of them, as long as the manifest allows: each of them waits no longer than that for
    /// the sake of others.
    pub(super) async fn gather(
        &self,
        model: &Model,
        turn: &Turn<Asked>,
        first: Asked,
        urgency: Urgency,
    ) -> Vec<Asked> {
        let batching = model.manifest.batching.filter(|_| first.how == How::Together);
        let Some(batching) = batching else { return vec![first] };
        let most = batching.most.min(self.most_together(&model.name));
        let until = first.at + batching.wait;
        let mut all = vec![first];
        loop {
            all.extend(turn.take_along(&model.name, urgency, most - all.len()));
            let waits = urgency == Urgency::Routine && !turn.keeps_waiting(&model.name, urgency);
            if all.len() >= most || !waits || Instant::now() >= until {
                return all;
            }
            // Either way a look is taken who is there.
            let _ = timeout_at(until, turn.somebody_comes()).await;
        }
    }

    /// An answer for each, and how long they ran. Those that failed with others go again in smaller batches,
    /// in the end alone: an error that one got beside others is never its answer. Who is more urgent goes
    /// between two of these runs, and on a device, where a run gives its turn away, whoever comes next.
    pub(super) async fn answers(
        &self,
        model: &Arc<Model>,
        mut turn: Turn<Asked>,
        all: &[Asked],
        wish: Wish,
    ) -> (Vec<Answer>, Duration) {
        let mut began = Instant::now();
        if let [Asked { how: How::InSeat(seat), images, .. }] = all {
            let copies = vec![images.clone(); seat.of.max(1)];
            let mut answers = self.run(model, &turn, copies).await;
            let last = answers.len() - 1;
            let took = began.elapsed().saturating_sub(turn.waited());
            return (vec![answers.swap_remove(seat.at.min(last))], took);
        }
        let mut took = Duration::ZERO;
        let nothing = || Err(InferError::Transient("it did not run".into()));
        let mut answers: Vec<Answer> = all.iter().map(|_| nothing()).collect();
        let mut left: Vec<usize> = (0..all.len()).collect();
        let mut size = all.len();
        let mut all_failed = false;
        loop {
            let mut again = Vec::new();
            for part in left.chunks(size) {
                if turn.is_given_away() || turn.keeps_urgent_waiting(wish.urgency) {
                    took += began.elapsed().saturating_sub(turn.waited());
                    turn = self.let_pass(model, turn, &wish).await;
                    began = Instant::now();
                }
                let batch = part.iter().map(|at| all[*at].images.clone()).collect();
                let of_part = self.run(model, &turn, batch).await;
                all_failed |= part.len() > 1 && of_part.iter().all(Result::is_err);
                for (at, answer) in part.iter().zip(of_part) {
                    if part.len() > 1 && answer.is_err() {
                        again.push(*at);
                    }
                    answers[*at] = answer;
                }
            }
            if again.is_empty() {
                break;
            }
            tracing::warn!(model = model.name, of = size, "a batch failed: smaller ones are tried");
            size = size.div_ceil(2);
            left = again;
        }
        if all_failed && answers.iter().all(Result::is_ok) {
            // It was not one of them, it was how many they are.
            self.at_most_together(&model.name, size);
        }
        (answers, took + began.elapsed().saturating_sub(turn.waited()))
    }

    /// The turn, after it was somebody else's who waited for it. It comes back as to who asked first.
    async fn let_pass(&self, model: &Model, turn: Turn<Asked>, wish: &Wish) -> Turn<Asked> {
        let Some(turns) = self.turns.get(&self.device(model)) else { return turn };
        drop(turn);
        let wish = Wish { joins: false, ..wish.clone() };
        let (reply, _) = oneshot::channel();
        let (images, at) = (Vec::new(), Instant::now());
        turns.turn(wish, Asked { images, how: How::Alone, at, reply }).await.0
    }
}
