//! `[deliver]`: how long the node keeps trying, and what it waits for.

use super::span;
use serde::Deserialize;
use std::time::Duration;

/// How long the node keeps trying to deliver, and how its pauses grow.
#[derive(Debug, Clone)]
pub struct DeliverConfig {
    pub first_pause: Duration,
    pub longest_pause: Duration,
    pub give_up_after: Duration,
    /// How long a peer may take to report on storage commitment; then it gets what it took once more.
    pub commitment: Duration,
    /// How long a peer may not find what it took; then it gets it once more.
    pub find: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct WrittenDeliver {
    first_pause_seconds: f64,
    longest_pause_seconds: f64,
    give_up_after_hours: f64,
    commitment_hours: f64,
    find_hours: f64,
}

impl Default for WrittenDeliver {
    fn default() -> Self {
        Self {
            first_pause_seconds: 2.0,
            longest_pause_seconds: 1800.0,
            give_up_after_hours: 72.0,
            commitment_hours: 24.0,
            find_hours: 24.0,
        }
    }
}

impl WrittenDeliver {
    pub fn mean(&self, problems: &mut Vec<String>) -> DeliverConfig {
        let first_pause = span(self.first_pause_seconds, "deliver.first-pause-seconds", problems);
        let longest_pause =
            span(self.longest_pause_seconds, "deliver.longest-pause-seconds", problems);
        if longest_pause < first_pause {
            problems.push("deliver.longest-pause-seconds is shorter than the first pause".into());
        }
        let give_up_after =
            span(self.give_up_after_hours * 3600.0, "deliver.give-up-after-hours", problems);
        let commitment = span(self.commitment_hours * 3600.0, "deliver.commitment-hours", problems);
        let find = span(self.find_hours * 3600.0, "deliver.find-hours", problems);
        DeliverConfig { first_pause, longest_pause, give_up_after, commitment, find }
    }
}
