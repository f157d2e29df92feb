//! The series that receive, each with the moment at which it is to be looked at: only what changed is read again.

use crate::complete::associations::Associations;
use crate::complete::due::{Due, Facts, SETTLE, Why, due};
use crate::complete::learned::{Learned, Lessons};
use crate::complete::named::{self, ATTRIBUTES, Expected, Tally};
use crate::complete::pace::Times;
use gantry_store::completion::{Changed, NewCompletion, NewWait};
use gantry_store::error::StoreError;
use gantry_store::pace::Gap;
use gantry_store::series::{SeriesRow, SeriesState};
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The waiting times that the admin wrote for a peer.
pub type TimesOf = Arc<dyn Fn(&AeTitle) -> Times + Send + Sync>;

/// Now and then everything is read again, so that no change is missed for long.
const LOOK_AT_EVERYTHING: Duration = Duration::from_secs(30);
/// Series that are completed in one transaction.
const AT_ONCE: usize = 256;

pub(super) struct Watch {
    store: Store,
    associations: Arc<Associations>,
    times: TimesOf,
    series: BTreeMap<Uid, Watched>,
    /// Of each watched series.
    looks: BTreeSet<(Moment, Uid)>,
    lessons: Lessons,
    looked: Moment,
    looked_at_everything: Option<Moment>,
    /// Series to be read again whatever the index says of changes.
    again: BTreeSet<Uid>,
    /// Rows read so far, of series and of instances.
    pub(super) rows_read: u64,
}

struct Watched {
    row: SeriesRow,
    look_at: Moment,
    tally: Tally,
    /// The last instance's row in the tally, and the series' instances when it was read.
    tally_row: i64,
    tally_instances: u32,
    /// When the first image of this revision arrived, behind the first revision.
    since: Option<Moment>,
    /// The wait that the admin can see.
    wait: Option<(Why, Moment)>,
}

impl Watch {
    pub(super) fn new(store: Store, times: TimesOf, associations: Arc<Associations>) -> Self {
        Self {
            lessons: Lessons::new(store.clone()),
            store,
            associations,
            times,
            series: BTreeMap::new(),
            looks: BTreeSet::new(),
            looked: Moment(0),
            looked_at_everything: None,
            again: BTreeSet::new(),
            rows_read: 0,
        }
    }

    /// Reads what changed, completes what is due, and says when to look again.
    pub(super) async fn look(&mut self, now: Moment) -> Result<Moment, StoreError> {
        let looked = self.read_and_complete(now).await;
        if looked.is_err() {
            // What was taken from the list of changes may not have been looked at.
            self.looked_at_everything = None;
        }
        looked
    }

    async fn read_and_complete(&mut self, now: Moment) -> Result<Moment, StoreError> {
        self.read_changed(now).await?;
        loop {
            let (completions, waits) = self.judge_what_is_due(now).await?;
            self.store.keep_waits(&waits).await?;
            if completions.is_empty() {
                break;
            }
            self.complete(completions, now).await?;
        }
        let everything = self.looked_at_everything.unwrap_or(now).plus(LOOK_AT_EVERYTHING);
        Ok(self.looks.first().map_or(everything, |(look_at, _)| everything.min(*look_at)))
    }

    async fn read_changed(&mut self, now: Moment) -> Result<(), StoreError> {
        let mut touched = self.associations.take_touched();
        touched.append(&mut self.again);
        let changed = self.store.take_changed();
        // What was to be looked at by a clock that was set back would wait for it to come round again.
        let is_set_back = now < std::mem::replace(&mut self.looked, now);
        let is_time = |last: Moment| is_set_back || now.since(last) >= LOOK_AT_EVERYTHING;
        let rows = match changed {
            Changed::Series(series) if !self.looked_at_everything.is_none_or(is_time) => {
                touched.extend(series);
                match touched.is_empty() {
                    true => Vec::new(),
                    false => self.store.series_among(&touched).await?,
                }
            }
            _ => {
                self.looked_at_everything = Some(now);
                let rows = self.store.series_receiving().await?;
                self.keep_only(&rows, now);
                rows
            }
        };
        self.rows_read += rows.len() as u64;
        for row in rows {
            let is_touched = is_set_back || touched.contains(&row.uid);
            self.watch(row, is_touched, now);
        }
        Ok(())
    }

    fn keep_only(&mut self, receiving: &[SeriesRow], now: Moment) {
        let receiving: BTreeSet<&Uid> = receiving.iter().map(|row| &row.uid).collect();
        self.series.retain(|uid, _| receiving.contains(uid));
        self.looks.retain(|(_, uid)| receiving.contains(uid));
        self.associations.sweep(now, |uid| receiving.contains(uid));
    }

    /// A series that goes on is looked at when it has settled.
    fn watch(&mut self, row: SeriesRow, is_touched: bool, now: Moment) {
        if row.state != SeriesState::Receiving {
            return self.let_go(&row.uid);
        }
        let watched = match self.series.remove(&row.uid) {
            Some(watched) if watched.row == row && !is_touched => {
                self.series.insert(row.uid.clone(), watched);
                return;
            }
            Some(watched) if watched.row.revision == row.revision => Watched { row, ..watched },
            Some(watched) => Watched { look_at: watched.look_at, ..Watched::new(row) },
            None => Watched::new(row),
        };
        let times = (self.times)(&watched.row.calling_ae);
        let settled = SETTLE.min(times.quiet).min(times.after_release);
        let look_at = watched.row.last_arrival.min(now).plus(settled);
        self.put(watched, look_at);
    }

    fn put(&mut self, mut watched: Watched, look_at: Moment) {
        let uid = watched.row.uid.clone();
        self.looks.remove(&(watched.look_at, uid.clone()));
        self.looks.insert((look_at, uid.clone()));
        watched.look_at = look_at;
        self.series.insert(uid, watched);
    }

    fn let_go(&mut self, uid: &Uid) {
        if let Some(watched) = self.series.remove(uid) {
            self.looks.remove(&(watched.look_at, uid.clone()));
            self.associations.forget(uid);
        }
    }

    /// What is complete now, at most [`AT_ONCE`], and what others wait for.
    async fn judge_what_is_due(
        &mut self,
        now: Moment,
    ) -> Result<(Vec<NewCompletion>, Vec<NewWait>), StoreError> {
        let (mut completions, mut waits) = (Vec::new(), Vec::new());
        while completions.len() < AT_ONCE {
            if self.looks.first().is_none_or(|(look_at, _)| *look_at > now) {
                break;
            }
            let Some((_, uid)) = self.looks.pop_first() else { break };
            let Some(mut watched) = self.series.remove(&uid) else { continue };
            match self.judge(&mut watched, now).await {
                Ok(Judged::Complete(completion)) => {
                    completions.push(*completion);
                    // Until it is known whether something came meanwhile.
                    self.put(watched, now.plus(SETTLE));
                }
                Ok(Judged::Waits(due)) => {
                    waits.extend(watched.new_wait(due, now));
                    self.put(watched, due.at);
                }
                Err(error) => {
                    self.put(watched, now.plus(SETTLE));
                    return Err(error);
                }
            }
        }
        Ok((completions, waits))
    }

    async fn judge(&mut self, watched: &mut Watched, now: Moment) -> Result<Judged, StoreError> {
        let row = watched.row.clone();
        let times = (self.times)(&row.calling_ae);
        self.rows_read += watched.count(&self.store).await?;
        if row.revision > 1 && watched.since.is_none() {
            watched.since = Some(self.lessons.of_a_late_image(&row, &times).await?);
        }
        let learned = self.lessons.of(&row.calling_ae).await?;
        let since = watched.since.unwrap_or(row.first_arrival);
        let carriage = self.associations.carriage(&row.uid, since);
        let facts = Facts {
            last_arrival: row.last_arrival,
            carriage,
            expected: watched.expected(&learned),
            times,
            pace: learned.pace,
            started: self.associations.started(),
            now,
        };
        let due = due(&facts);
        if due.at > now {
            return Ok(Judged::Waits(due));
        }
        let mut gap = Gap::default();
        if !carriage.broken_off {
            gap.images = self.store.longest_gap(&row.uid, since, times.longest()).await?;
            gap.associations = carriage.between.filter(|gap| *gap <= times.longest());
        }
        Ok(Judged::Complete(Box::new(NewCompletion {
            series: row.uid,
            revision: row.revision,
            instances: row.instances,
            last_arrival: row.last_arrival,
            peer: row.calling_ae,
            at: now,
            reason: due.why.to_string(),
            released_at: carriage.released,
            broken_off: carriage.broken_off,
            gap: Some(gap).filter(|gap| *gap != Gap::default()),
            named: watched.tally.came_true(carriage.broken_off),
        })))
    }

    async fn complete(
        &mut self,
        completions: Vec<NewCompletion>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let done = self.store.complete(&completions).await?;
        for (completion, done) in completions.iter().zip(done) {
            let uid = &completion.series;
            if !done {
                // Something came meanwhile.
                self.again.insert(uid.clone());
                continue;
            }
            self.let_go(uid);
            if completion.gap.is_some() || !completion.named.is_empty() {
                self.lessons.forget(&completion.peer);
            }
            let span = tracing::info_span!("complete", series = %uid);
            let (images, revision) = (completion.instances, completion.revision);
            let reason = &completion.reason;
            span.in_scope(|| tracing::info!(images, revision, reason, "series complete"));
        }
        if !self.again.is_empty() {
            self.read_changed(now).await?;
        }
        Ok(())
    }
}

enum Judged {
    Complete(Box<NewCompletion>),
    Waits(Due),
}

impl Watched {
    fn new(row: SeriesRow) -> Self {
        Self {
            look_at: row.last_arrival,
            row,
            tally: Tally::default(),
            tally_row: 0,
            tally_instances: 0,
            since: None,
            wait: None,
        }
    }

    /// Brings the tally up to the row, and says how many rows that took. Where the newest image
    /// names no number none is counted.
    async fn count(&mut self, store: &Store) -> Result<u64, StoreError> {
        if self.tally_instances == self.row.instances {
            return Ok(0);
        }
        let newest = store.newest_header(&self.row.uid, &ATTRIBUTES).await?;
        let mut rows = 1;
        if newest.is_some_and(|header| named::names_a_number(&header)) {
            let headers = store.headers_behind(&self.row.uid, self.tally_row, &ATTRIBUTES).await?;
            rows += headers.len() as u64;
            for (row, header) in headers {
                self.tally.add(&header);
                self.tally_row = row;
            }
        }
        self.tally_instances = self.row.instances;
        Ok(rows)
    }

    fn expected(&self, learned: &Learned) -> Expected {
        self.tally.expected(|count| learned.believes(count))
    }

    /// What the admin is to see, if it is long and new.
    fn new_wait(&mut self, due: Due, now: Moment) -> Option<NewWait> {
        let wait = (due.why, due.at);
        if !due.why.is_a_long_wait() || due.at.since(now) <= SETTLE || self.wait == Some(wait) {
            return None;
        }
        self.wait = Some(wait);
        Some(NewWait {
            series: self.row.uid.clone(),
            revision: self.row.revision,
            instances: self.row.instances,
            last_arrival: self.row.last_arrival,
            due: due.at,
            reason: due.why.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
