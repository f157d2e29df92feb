//! A point in time as the node keeps it: whole microseconds since 1970 in UTC.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_micros().min(i64::MAX as u128) as i64)
    }

    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_micros().min(i64::MAX as u128) as i64))
    }

    /// How long it is from `earlier` to here; nothing when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}
