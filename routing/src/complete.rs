//! Station complete: a series is complete when it is due. What it was and why lie in the index, so that a restart forgets nothing.

pub mod associations;
mod due;
pub mod learned;
mod named;
pub mod pace;
mod watch;

pub use crate::complete::watch::TimesOf;

use crate::complete::associations::Associations;
use crate::complete::watch::Watch;
use crate::wait::{Stop, sleep_until};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;

/// Under load the index rings for every batch; a look for each of them would find little.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// What is due does not wait for that, but as long as this.
const LEAST_BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Completes series until told to stop.
pub async fn run(store: Store, times: TimesOf, associations: Arc<Associations>, mut stop: Stop) {
    let mut watch = Watch::new(store.clone(), times, associations.clone());
    loop {
        let mut bell = store.bell();
        bell.borrow_and_update();
        let looked = tokio::select! {
            () = stop.stopped() => return,
            looked = watch.look(Moment::now()) => looked,
        };
        let next = looked.unwrap_or_else(|error| {
            tracing::error!(station = "complete", %error, "cannot read the index; trying again");
            Moment::now().plus(Duration::from_secs(1))
        });
        tokio::select! {
            () = stop.stopped() => return,
            () = something_new(&mut bell, &associations, next) => {}
            () = sleep_until(Some(next)) => {}
        }
    }
}

/// Returns a little after the first news, so that what comes together is looked at together, and never later than what is due.
async fn something_new(bell: &mut Receiver<u64>, associations: &Associations, due: Moment) {
    tokio::select! {
        _ = bell.changed() => {}
        () = associations.rang() => {}
    }
    let now = Moment::now();
    let next = due.clamp(now.plus(LEAST_BETWEEN_LOOKS), now.plus(BETWEEN_LOOKS));
    sleep_until(Some(next)).await;
}
