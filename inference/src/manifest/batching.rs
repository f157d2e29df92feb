//! `[batching]`: films of several jobs that go through the graph together.

use std::time::Duration;

/// Jobs on films of one model that wait at the same time are one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// So many films in a run, at most.
    pub most: usize,
    /// So long a film whose turn has come waits for others, at most; counted from when it was ready.
    pub wait: Duration,
}
