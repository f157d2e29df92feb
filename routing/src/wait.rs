//! What a station waits for beside the bell: the order to stop, and a moment.

use gantry_store::clock::Clock;
use gantry_terms::moment::Moment;
use tokio::sync::watch;

/// Told once, to all stations.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A switch and what listens to it.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns when the switch is thrown, or gone.
    pub async fn stopped(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }
}

/// Until a little after the moment, by the clock on the wall.
pub async fn sleep_until(moment: Option<Moment>) {
    Clock::Wall.sleep_until(moment).await;
}
