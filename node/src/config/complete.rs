//! `[complete]`: how long the node waits until a series, or a study, counts as all there.

use super::span;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct CompleteConfig {
    /// A series that got nothing for so long is complete.
    pub quiet: Duration,
    /// What shortens and lengthens that.
    pub after_release: Duration,
    pub shortest: Duration,
    pub longest: Duration,
    /// Behind the last image of a study, until rules on studies are asked.
    pub study_quiet: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenComplete {
    quiet_seconds: f64,
    after_release_seconds: f64,
    shortest_seconds: f64,
    longest_seconds: f64,
    study_quiet_seconds: f64,
}

impl Default for CompleteConfig {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(30),
            after_release: Duration::from_secs(5),
            shortest: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            study_quiet: Duration::from_secs(120),
        }
    }
}

impl Default for WrittenComplete {
    fn default() -> Self {
        let times = CompleteConfig::default();
        Self {
            quiet_seconds: times.quiet.as_secs_f64(),
            after_release_seconds: times.after_release.as_secs_f64(),
            shortest_seconds: times.shortest.as_secs_f64(),
            longest_seconds: times.longest.as_secs_f64(),
            study_quiet_seconds: times.study_quiet.as_secs_f64(),
        }
    }
}

impl WrittenComplete {
    pub(super) fn mean(&self, problems: &mut Vec<String>) -> CompleteConfig {
        let mut of = |seconds, key: &str| span(seconds, &format!("complete.{key}"), problems);
        CompleteConfig {
            quiet: of(self.quiet_seconds, "quiet-seconds"),
            after_release: of(self.after_release_seconds, "after-release-seconds"),
            shortest: of(self.shortest_seconds, "shortest-seconds"),
            longest: of(self.longest_seconds, "longest-seconds"),
            study_quiet: of(self.study_quiet_seconds, "study-quiet-seconds"),
        }
    }
}
