//! What a lane sends over: an association with the peer. A simulation of many days stands in its place.

use super::queue::Queue;
use super::send::{Sent, send};
use crate::config::Peer;
use crate::dimse::requestor::{Association, Proposed};
use crate::reach::Reach;
use gantry_store::outbox::Delivery;

/// Each error is the reason, in words for the admin.
pub(super) trait Outlet: Clone + Send + Sync + 'static {
    type Line: Send;

    /// `Err` when there is no line to be had.
    fn open(
        &self,
        peer: &Peer,
        proposed: &[Proposed],
    ) -> impl Future<Output = Result<Self::Line, String>> + Send;

    /// `Err` when the line cannot be used any more.
    fn send(
        &self,
        queue: &Queue,
        line: &mut Self::Line,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Sent, String>> + Send;

    fn close(&self, line: Self::Line) -> impl Future<Output = ()> + Send;
}

/// Over the network, by DIMSE.
#[derive(Clone)]
pub(super) struct Dimse(pub(super) Reach);

impl Outlet for Dimse {
    type Line = Association;

    async fn open(&self, peer: &Peer, proposed: &[Proposed]) -> Result<Association, String> {
        let target = self.0.target(peer).await.map_err(|error| error.to_string())?;
        Association::request(&target, proposed).await.map_err(|error| error.to_string())
    }

    async fn send(
        &self,
        queue: &Queue,
        line: &mut Association,
        delivery: &Delivery,
    ) -> Result<Sent, String> {
        send(queue, line, delivery).await.map_err(|error| error.to_string())
    }

    async fn close(&self, line: Association) {
        line.release().await;
    }
}
