//! Which associations carry images of which series, and how they ended: told by the edge, asked by the station complete.

use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What is known of a series that never came into the index is let go after this time.
const FORGET: Duration = Duration::from_secs(600);

/// Lives in memory alone: what was open when the node ended counts as broken off.
pub struct Associations {
    /// When the node started: from here on it knows which associations there are.
    started: Moment,
    known: Mutex<Known>,
    bell: Notify,
}

#[derive(Default)]
struct Known {
    open: BTreeMap<u64, Open>,
    series: BTreeMap<Uid, Carried>,
    /// Series of which something is to be judged anew.
    touched: BTreeSet<Uid>,
}

struct Open {
    opened: Moment,
    /// Since when a C-STORE is under way.
    storing: Option<Moment>,
    /// The series of the image that came last.
    last: Option<Uid>,
    series: BTreeSet<Uid>,
}

#[derive(Default)]
struct Carried {
    open: BTreeSet<u64>,
    last_kept: Option<Moment>,
    last_activity: Option<Moment>,
    /// When the association that was released last had been opened, and when it was released.
    released: Option<(Moment, Moment)>,
    broken_off: Option<Moment>,
    between: Option<Duration>,
}

/// What the associations say of a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carriage {
    /// Since when an image of it is on its way.
    pub arriving: Option<Moment>,
    /// When the last C-STORE ended that brought a new image of it.
    pub last_kept: Option<Moment>,
    /// When the last C-STORE of it ended, whatever it brought: a scanner that tries again begins
    /// with images that are here.
    pub last_activity: Option<Moment>,
    /// When the last association that carried it was released; nothing while one is open, or
    /// when one was broken off and none that was opened later was released.
    pub released: Option<Moment>,
    /// One was broken off, and none that was opened later was released.
    pub broken_off: bool,
    /// The longest time from a release to the next image on another association.
    pub between: Option<Duration>,
}

impl Associations {
    pub fn new(started: Moment) -> Self {
        Self { started, known: Mutex::default(), bell: Notify::new() }
    }

    pub fn started(&self) -> Moment {
        self.started
    }

    pub fn opened(&self, number: u64, now: Moment) {
        let open = Open { opened: now, storing: None, last: None, series: BTreeSet::new() };
        self.known().open.insert(number, open);
    }

    /// A C-STORE begins; of which series is not known yet.
    pub fn storing(&self, number: u64, now: Moment) {
        if let Some(open) = self.known().open.get_mut(&number) {
            open.storing = Some(now);
        }
    }

    /// The image that is on its way belongs to this series.
    pub fn carries(&self, number: u64, series: &Uid, now: Moment) {
        let mut known = self.known();
        let known = &mut *known;
        let Some(open) = known.open.get_mut(&number) else { return };
        if open.last.as_ref() != Some(series) {
            open.last = Some(series.clone());
        }
        if open.series.insert(series.clone()) {
            let carried = known.series.entry(series.clone()).or_default();
            if let Some((_, released)) = carried.released.filter(|_| carried.open.is_empty()) {
                carried.between = carried.between.max(Some(now.since(released)));
            }
            carried.open.insert(number);
        }
    }

    /// The C-STORE is over; it brought a new image, or none.
    pub fn stored(&self, number: u64, is_new: bool, now: Moment) {
        let mut known = self.known();
        let known = &mut *known;
        let Some(open) = known.open.get_mut(&number) else { return };
        open.storing = None;
        let Some(series) = &open.last else { return };
        if let Some(carried) = known.series.get_mut(series) {
            carried.last_activity = Some(now);
            carried.last_kept = if is_new { Some(now) } else { carried.last_kept };
            known.touched.insert(series.clone());
            self.bell.notify_one();
        }
    }

    pub fn ended(&self, number: u64, released: bool, now: Moment) {
        let mut known = self.known();
        let known = &mut *known;
        let Some(open) = known.open.remove(&number) else { return };
        for series in open.series {
            let Some(carried) = known.series.get_mut(&series) else { continue };
            carried.open.remove(&number);
            if released {
                carried.released = Some((open.opened, now));
            } else {
                carried.broken_off = Some(now);
            }
            known.touched.insert(series);
        }
        self.bell.notify_one();
    }

    /// Returns when something was touched since the last look.
    pub async fn rang(&self) {
        self.bell.notified().await;
    }

    pub(super) fn take_touched(&self) -> BTreeSet<Uid> {
        std::mem::take(&mut self.known().touched)
    }

    /// What is known of the series whose first image came `since`. What carried images before the
    /// node's start was broken off by it.
    pub(super) fn carriage(&self, series: &Uid, since: Moment) -> Carriage {
        let before = (since < self.started).then_some(self.started);
        let known = self.known();
        let Some(carried) = known.series.get(series) else {
            return Carriage { broken_off: before.is_some(), ..Carriage::default() };
        };
        let arriving = carried.open.iter().filter_map(|number| {
            let open = known.open.get(number).filter(|open| open.last.as_ref() == Some(series))?;
            open.storing
        });
        let broken_off = carried.broken_off.max(before);
        let again = |(opened, _): &(Moment, Moment)| broken_off.is_none_or(|at| *opened >= at);
        let released = carried.released.filter(again);
        Carriage {
            arriving: arriving.min(),
            last_kept: carried.last_kept,
            last_activity: carried.last_activity,
            released: released.filter(|_| carried.open.is_empty()).map(|(_, at)| at),
            broken_off: broken_off.is_some() && released.is_none(),
            between: carried.between,
        }
    }

    /// The series is complete: what comes of it from now on is late.
    pub(super) fn forget(&self, series: &Uid) {
        let mut known = self.known();
        let Some(carried) = known.series.remove(series) else { return };
        for number in carried.open {
            if let Some(open) = known.open.get_mut(&number) {
                open.series.remove(series);
            }
        }
    }

    /// Lets go of series whose images were all refused.
    pub(super) fn sweep(&self, now: Moment, is_watched: impl Fn(&Uid) -> bool) {
        self.known().series.retain(|series, carried| {
            let ended = carried.released.map(|(_, at)| at).max(carried.broken_off);
            let old = ended.is_none_or(|ended| now.since(ended) > FORGET);
            is_watched(series) || !carried.open.is_empty() || !old
        });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::derived(&["series", &number.to_string()])
    }

    /// Opens an association at one moment, sends an image of series 1, and ends it.
    fn visit(all: &Associations, number: u64, opened: i64, ended: i64, released: bool) {
        all.opened(number, Moment(opened));
        all.storing(number, Moment(opened));
        all.carries(number, &uid(1), Moment(opened));
        all.stored(number, true, Moment(opened + 1));
        all.ended(number, released, Moment(ended));
    }

    #[test]
    fn a_series_is_released_with_the_last_association_that_carried_it() {
        let all = Associations::new(Moment(0));
        all.opened(1, Moment(0));
        all.carries(1, &uid(1), Moment(1));
        visit(&all, 2, 2, 5, true);
        assert_eq!(all.carriage(&uid(1), Moment(0)).released, None);
        all.ended(1, true, Moment(9));
        assert_eq!(all.carriage(&uid(1), Moment(0)).released, Some(Moment(9)));
        assert_eq!(all.take_touched(), BTreeSet::from([uid(1)]));
    }

    #[test]
    fn a_release_counts_behind_a_broken_association_only_when_it_began_later() {
        let all = Associations::new(Moment(0));
        all.opened(2, Moment(1));
        visit(&all, 1, 0, 5, false);
        all.carries(2, &uid(1), Moment(6));
        all.ended(2, true, Moment(9));
        let carriage = all.carriage(&uid(1), Moment(0));
        assert!(carriage.broken_off && carriage.released.is_none(), "{carriage:?}");
        visit(&all, 3, 20, 30, true);
        let carriage = all.carriage(&uid(1), Moment(0));
        assert_eq!((carriage.broken_off, carriage.released), (false, Some(Moment(30))));
    }

    #[test]
    fn what_was_open_when_the_node_ended_was_broken_off() {
        let all = Associations::new(Moment(10));
        assert!(all.carriage(&uid(1), Moment(9)).broken_off);
        assert!(!all.carriage(&uid(1), Moment(10)).broken_off);
        visit(&all, 1, 11, 20, true);
        assert_eq!(all.carriage(&uid(1), Moment(9)).released, Some(Moment(20)));
    }

    #[test]
    fn an_image_arrives_while_its_store_is_under_way_and_no_other_of_the_series_does() {
        let all = Associations::new(Moment(0));
        all.opened(1, Moment(0));
        all.storing(1, Moment(3));
        all.carries(1, &uid(1), Moment(4));
        assert_eq!(all.carriage(&uid(1), Moment(0)).arriving, Some(Moment(3)));
        all.stored(1, true, Moment(7));
        let carriage = all.carriage(&uid(1), Moment(0));
        assert_eq!((carriage.arriving, carriage.last_activity), (None, Some(Moment(7))));
        all.storing(1, Moment(8));
        assert_eq!(all.carriage(&uid(1), Moment(0)).arriving, Some(Moment(8)), "most likely");
        all.carries(1, &uid(2), Moment(9));
        assert_eq!(all.carriage(&uid(1), Moment(0)).arriving, None);
    }

    #[test]
    fn the_time_between_associations_of_one_series_is_measured() {
        let all = Associations::new(Moment(0));
        visit(&all, 1, 0, 10, true);
        visit(&all, 2, 17, 20, true);
        visit(&all, 3, 22, 30, true);
        assert_eq!(all.carriage(&uid(1), Moment(0)).between, Some(Duration::from_micros(7)));
    }

    #[test]
    fn nothing_is_remembered_of_what_is_complete_or_never_came() {
        let all = Associations::new(Moment(0));
        all.opened(1, Moment(0));
        all.carries(1, &uid(1), Moment(1));
        all.forget(&uid(1));
        all.ended(1, true, Moment(2));
        assert_eq!(all.take_touched(), BTreeSet::new());
        visit(&all, 2, 3, 4, true);
        all.sweep(Moment(5).plus(FORGET * 2), |_| false);
        assert_eq!(all.carriage(&uid(1), Moment(0)), Carriage::default());
        assert!(all.known().series.is_empty() && all.known().open.is_empty());
    }
}
