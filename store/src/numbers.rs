//! Hands out the numbers of segments, and knows which segment grows.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Numbers(Mutex<State>);

struct State {
    next: u32,
    growing: Option<u32>,
}

/// Which segments nothing is appended to any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) below: u32,
    /// Or was when the writer last failed: then it only counts as growing for longer.
    pub(crate) growing: Option<u32>,
}

impl Closed {
    pub(crate) fn holds(&self, number: u32) -> bool {
        number < self.below && self.growing != Some(number)
    }
}

impl Numbers {
    pub(crate) fn new(next: u32, growing: Option<u32>) -> Self {
        Self(Mutex::new(State { next, growing }))
    }

    /// For a segment that is whole when it gets its name.
    pub(crate) fn next(&self) -> u32 {
        take(&mut self.state())
    }

    /// For the segment that is appended to from now on.
    pub(crate) fn begin(&self) -> u32 {
        let mut state = self.state();
        let number = take(&mut state);
        state.growing = Some(number);
        number
    }

    pub(crate) fn closed(&self) -> Closed {
        let state = self.state();
        Closed { below: state.next, growing: state.growing }
    }

    /// A panic elsewhere leaves it whole: both fields are plain numbers.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(state: &mut State) -> u32 {
    let number = state.next;
    state.next = number.saturating_add(1);
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segment_that_grows_is_not_closed_and_one_behind_it_may_be() {
        let numbers = Numbers::new(3, Some(2));
        assert_eq!((numbers.next(), numbers.begin(), numbers.next()), (3, 4, 5));
        let closed = numbers.closed();
        let holds: Vec<u32> = (1..9).filter(|number| closed.holds(*number)).collect();
        assert_eq!(holds, [1, 2, 3, 5]);
    }
}
