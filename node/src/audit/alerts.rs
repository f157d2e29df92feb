//! How many security alerts are told: whoever hammers at the port must not push out of the trail what others did.

use super::code;
use super::events;
use super::message::Message;
use super::this::This;
use std::time::{Duration, Instant};

/// In so much time ...
const WINDOW: Duration = Duration::from_secs(60);
/// ... so many alerts are told one by one, and how many more there were.
const TOLD: u64 = 60;

/// What came since a window began.
#[derive(Default)]
pub(super) struct Alerts {
    began: Option<Instant>,
    came: u64,
}

impl Alerts {
    /// Whether this message is told by itself.
    pub fn tells(&mut self, message: &Message) -> bool {
        if message.event != code::SECURITY_ALERT {
            return true;
        }
        self.began.get_or_insert_with(Instant::now);
        self.came += 1;
        self.came <= TOLD
    }

    /// The rest of a window that is over.
    pub fn rest(&mut self, this: &This, now: Instant, is_last: bool) -> Option<Message> {
        let began = self.began?;
        if now.duration_since(began) < WINDOW && !is_last {
            return None;
        }
        let more = self.came.saturating_sub(TOLD);
        *self = Self::default();
        (more > 0).then(|| events::more_alerts(this, more))
    }
}
