//! What waits to be delivered to which peer: one row for each peer and instance, ever.

use crate::error::StoreError;
use crate::jobs::Priority;
use crate::reader::Reader;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub peer: String,
    pub sop_instance: Uid,
    pub priority: Priority,
}

/// A delivery that was leased.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub id: i64,
    pub peer: String,
    pub sop_instance: Uid,
    pub sop_class: Uid,
    pub transfer_syntax: Uid,
    /// This one included.
    pub attempts: u32,
    pub queued_at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    Queued,
    Delivered,
    /// Failed for good; an admin must look.
    Parked,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    pub id: i64,
    pub peer: String,
    pub sop_instance: Uid,
    /// The job whose result it is; none for an instance that is forwarded.
    pub job: Option<i64>,
    pub state: DeliveryState,
    pub attempts: u32,
    pub reason: Option<String>,
    /// DIMSE status of the peer's last answer.
    pub status: Option<u16>,
    pub queued_at: Moment,
    pub due_at: Moment,
    pub delivered_at: Option<Moment>,
}

impl Reader {
    /// Deliveries of the series' own instances and of the results of its jobs.
    pub async fn deliveries(&self, _series: &Uid) -> Result<Vec<DeliveryRow>, StoreError> {
        todo!()
    }
    /// Peers with something to deliver at this time.
    pub async fn peers_due(&self, _now: Moment) -> Result<Vec<String>, StoreError> {
        todo!()
    }
    /// When the next delivery is due.
    pub async fn next_due(&self) -> Result<Option<Moment>, StoreError> {
        todo!()
    }
}

impl Store {
    /// Up to `limit` deliveries that are due: stat first, then oldest.
    pub async fn lease_deliveries(
        &self,
        _peer: &str,
        _limit: u32,
        _lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        todo!()
    }
    pub async fn delivered(&self, _id: i64, _status: u16, _at: Moment) -> Result<(), StoreError> {
        todo!()
    }
    /// A transient failure: tried again at that time.
    pub async fn postpone_delivery(
        &self,
        _id: i64,
        _reason: &str,
        _again_at: Moment,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// A permanent failure: not tried again.
    pub async fn park_delivery(&self, _id: i64, _reason: &str) -> Result<(), StoreError> {
        todo!()
    }
}
