//! Station complete: a series that has been quiet long enough is complete. The times lie in the index, so a restart forgets nothing.

use crate::drive::Stop;
use gantry_store::error::StoreError;
use gantry_store::series::SeriesRow;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use std::sync::Arc;
use std::time::Duration;

/// How long a series of a peer must be quiet until it counts as complete.
pub type QuietTime = Arc<dyn Fn(&AeTitle) -> Duration + Send + Sync>;

/// Completes series until told to stop.
pub async fn run(store: Store, quiet: QuietTime, mut stop: Stop) {
    loop {
        let mut bell = store.bell();
        bell.borrow_and_update();
        let next_due = match complete_what_is_due(&store, &quiet).await {
            Ok(next_due) => next_due,
            Err(error) => {
                tracing::error!(station = "complete", %error, "cannot read the index; trying again");
                Some(Moment::now().plus(Duration::from_secs(1)))
            }
        };
        tokio::select! {
            () = stop.stopped() => return,
            _ = bell.changed() => {}
            () = sleep_until(next_due) => {}
        }
    }
}

/// Completes every series whose quiet time has passed; says when the next one is due.
async fn complete_what_is_due(
    store: &Store,
    quiet: &QuietTime,
) -> Result<Option<Moment>, StoreError> {
    let now = Moment::now();
    let mut next_due: Option<Moment> = None;
    for series in store.series_receiving().await? {
        let due = due(&series, quiet, now);
        if due > now {
            next_due = Some(next_due.map_or(due, |earlier| earlier.min(due)));
        } else if store.complete_series(&series.uid, series.revision, series.last_arrival).await? {
            tracing::info!(
                station = "complete", series = %series.uid, images = series.instances,
                revision = series.revision, "series complete"
            );
        }
    }
    Ok(next_due)
}

/// When the series counts as complete. An arrival in the future means that the clock was set
/// back: then the quiet time runs from now, rather than for hours.
fn due(series: &SeriesRow, quiet: &QuietTime, now: Moment) -> Moment {
    series.last_arrival.min(now).plus(quiet(&series.calling_ae))
}

async fn sleep_until(moment: Option<Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep(moment.since(Moment::now())).await,
        None => std::future::pending().await,
    }
}
