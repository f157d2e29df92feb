//! What a station waits for beside the bell: the order to stop, and a moment.

use gantry_terms::moment::Moment;
use std::time::Duration;
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

/// Until a little after the moment, so that a row that is due then is due when it is looked at;
/// for ever without one.
pub async fn sleep_until(moment: Option<Moment>) {
    match moment {
        Some(moment) => {
            let pause = moment.since(Moment::now()) + Duration::from_millis(1);
            tokio::time::sleep(pause).await;
        }
        None => std::future::pending().await,
    }
}
