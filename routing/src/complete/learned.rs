//! What a peer taught, as the store remembers it.

use crate::complete::named::Count;
use crate::complete::pace::{Pace, Times};
use gantry_store::completion::CompletionRow;
use gantry_store::error::StoreError;
use gantry_store::pace::{Gap, NamedCount};
use gantry_store::reader::Reader;
use gantry_store::series::SeriesRow;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use std::collections::BTreeMap;

/// Peers that are kept in memory: one that takes every calling AE title stays bounded.
const MOST_PEERS: usize = 1000;

#[derive(Debug, Clone, Default)]
pub struct Learned {
    pub pace: Pace,
    pub named: Vec<NamedCount>,
}

impl Learned {
    pub async fn read(reader: &Reader, peer: &AeTitle) -> Result<Self, StoreError> {
        let pace = Pace::of(&reader.gaps(peer).await?);
        Ok(Self { pace, named: reader.named_counts(peer).await? })
    }

    /// A number that failed lately is not believed.
    pub(super) fn believes(&self, count: Count) -> bool {
        let mut failed = self.named.iter().filter(|named| !named.believed);
        !failed.any(|named| named.attribute == count.attribute())
    }
}

/// The peers whose series are looked at.
pub(super) struct Lessons {
    store: Store,
    peers: BTreeMap<AeTitle, Learned>,
}

impl Lessons {
    pub(super) fn new(store: Store) -> Self {
        Self { store, peers: BTreeMap::new() }
    }

    pub(super) async fn of(&mut self, peer: &AeTitle) -> Result<Learned, StoreError> {
        if let Some(learned) = self.peers.get(peer) {
            return Ok(learned.clone());
        }
        if self.peers.len() >= MOST_PEERS {
            self.peers.clear();
        }
        let learned = Learned::read(&self.store, peer).await?;
        self.peers.insert(peer.clone(), learned.clone());
        Ok(learned)
    }

    pub(super) fn forget(&mut self, peer: &AeTitle) {
        self.peers.remove(peer);
    }

    /// Learns from the image that reopened the series; says since when the gaps are of this
    /// revision. One that came later than any wait, or behind a broken association, teaches nothing
    /// of how a peer pauses.
    pub(super) async fn of_a_late_image(
        &mut self,
        series: &SeriesRow,
        times: &Times,
    ) -> Result<Moment, StoreError> {
        let before = self.store.completions(&series.uid).await?.into_iter().rev();
        let is_before = |row: &CompletionRow| row.revision < series.revision && row.at.is_some();
        let Some(before) = before.into_iter().find(is_before) else {
            return Ok(series.last_arrival);
        };
        let behind = before.last_arrival;
        let late = self.store.first_arrival_behind(&series.uid, behind).await?;
        // Nothing came behind it where one of its images was replaced.
        let Some(late) = late else { return Ok(series.last_arrival) };
        if late.since(behind) <= times.longest() && !before.broken_off {
            let gap = Gap {
                late: true,
                images: Some(late.since(behind)),
                associations: before.released_at.map(|released| late.since(released)),
            };
            self.store.learn(&series.calling_ae, &series.uid, series.revision, gap).await?;
            self.forget(&series.calling_ae);
        }
        Ok(late)
    }
}
