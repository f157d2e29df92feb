//! The clock by which deliveries are due: that on the wall, or one that goes as the runtime's timers do.

use gantry_terms::moment::Moment;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// It may be set, forward and back.
    #[default]
    Wall,
    /// It was `at` when it `began`, and stands still while the timers are paused.
    Timers { began: Instant, at: Moment },
}

impl Clock {
    /// One that goes with the timers from now on.
    pub fn of_timers(at: Moment) -> Self {
        Self::Timers { began: Instant::now(), at }
    }

    pub fn now(&self) -> Moment {
        match self {
            Self::Wall => Moment::now(),
            Self::Timers { began, at } => at.plus(began.elapsed()),
        }
    }

    /// Until a little after the moment, so that a row that is due then is due when it is looked at;
    /// for ever without one.
    pub async fn sleep_until(&self, moment: Option<Moment>) {
        match moment {
            Some(moment) => {
                let pause = moment.since(self.now()) + Duration::from_millis(1);
                tokio::time::sleep(pause).await;
            }
            None => std::future::pending().await,
        }
    }
}
