//! Series and their instances: asked for, and moved from receiving to complete.

use crate::error::StoreError;
use crate::incoming::Identity;
use crate::reader::Reader;
use crate::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Header;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRow {
    pub uid: Uid,
    pub study: Uid,
    /// Of the first instance.
    pub calling_ae: AeTitle,
    pub called_ae: AeTitle,
    pub instances: u32,
    pub first_arrival: Moment,
    pub last_arrival: Moment,
    pub state: SeriesState,
    /// Begins at 1 and grows by one whenever a late image reopens the series.
    pub revision: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeriesState {
    Receiving,
    Complete,
    Decided,
    /// Holds only what this node made: nothing is ever decided for it.
    Made,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRow {
    pub identity: Identity,
    pub header: Header,
    /// Length of the Part 10 file.
    pub bytes: u64,
}

impl Reader {
    pub async fn series(&self, _uid: &Uid) -> Result<Option<SeriesRow>, StoreError> {
        todo!()
    }
    /// Every series, the one with the latest arrival first.
    pub async fn all_series(&self) -> Result<Vec<SeriesRow>, StoreError> {
        todo!()
    }
    pub async fn instance(&self, _sop_instance: &Uid) -> Result<Option<InstanceRow>, StoreError> {
        todo!()
    }
    /// In the order of their arrival.
    pub async fn instances(&self, _series: &Uid) -> Result<Vec<InstanceRow>, StoreError> {
        todo!()
    }
    /// Series that still receive, oldest last arrival first.
    pub async fn series_receiving(&self) -> Result<Vec<SeriesRow>, StoreError> {
        todo!()
    }
    /// Series that wait for a decision, oldest last arrival first.
    pub async fn series_complete(&self) -> Result<Vec<SeriesRow>, StoreError> {
        todo!()
    }
}

impl Store {
    /// False when something arrived meanwhile, and then nothing has changed.
    pub async fn complete_series(
        &self,
        _uid: &Uid,
        _revision: u32,
        _last_arrival: Moment,
    ) -> Result<bool, StoreError> {
        todo!()
    }
}
