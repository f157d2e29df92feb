//! Station complete: a series that has been quiet long enough is complete. The times lie in the index, so a restart forgets nothing.

use crate::wait::{Stop, sleep_until};
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
    let started = Moment::now();
    loop {
        let mut bell = store.bell();
        bell.borrow_and_update();
        let next_due = match complete_what_is_due(&store, &quiet, started).await {
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
    started: Moment,
) -> Result<Option<Moment>, StoreError> {
    let now = Moment::now();
    let mut next_due: Option<Moment> = None;
    for series in store.series_receiving().await? {
        let due = due(&series, quiet, started, now);
        if due > now {
            next_due = Some(next_due.map_or(due, |earlier| earlier.min(due)));
        } else if store.complete_series(&series.uid, series.revision, series.last_arrival).await? {
            let span = tracing::info_span!("complete", series = %series.uid);
            let (images, revision) = (series.instances, series.revision);
            span.in_scope(|| tracing::info!(images, revision, "series complete"));
        }
    }
    Ok(next_due)
}

/// When the series counts as complete. While the node was down nothing could arrive, so that the
/// quiet time begins again with the node. An arrival in the future means that the clock was set
/// back: then the quiet time runs from now, rather than for hours.
fn due(series: &SeriesRow, quiet: &QuietTime, started: Moment, now: Moment) -> Moment {
    series.last_arrival.max(started).min(now).plus(quiet(&series.calling_ae))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_store::series::SeriesState;
    use gantry_terms::uid::Uid;

    #[test]
    fn quiet_runs_from_the_last_arrival_the_start_or_now_whichever_is_sound() {
        let title = AeTitle::parse("CT1").expect("a title");
        let series = |last_arrival| SeriesRow {
            uid: Uid::derived(&["series"]),
            study: Uid::derived(&["study"]),
            calling_ae: title.clone(),
            called_ae: title.clone(),
            instances: 1,
            first_arrival: Moment(0),
            last_arrival: Moment(last_arrival),
            state: SeriesState::Receiving,
            revision: 1,
        };
        let quiet: QuietTime = Arc::new(|_| Duration::from_micros(100));
        let check = |arrival, started, now, expected| {
            assert_eq!(
                due(&series(arrival), &quiet, Moment(started), Moment(now)),
                Moment(expected)
            );
        };
        check(1000, 500, 1050, 1100);
        check(1000, 2000, 2050, 2100);
        check(9000, 500, 1050, 1150);
    }
}
