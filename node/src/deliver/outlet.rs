//! What a lane sends over: an association with the peer. A simulation of many days stands in its place.

use super::queue::Queue;
use super::send::{Sent, send};
use crate::audit::events::{self, Somebody};
use crate::audit::{Audit, How, Instance, Transfers};
use crate::config::Peer;
use crate::dimse::requestor::{Association, Proposed, RequestError};
use crate::dimse::stream::Security;
use crate::reach::Reach;
use gantry_deidentification::key::Key;
use gantry_store::error::StoreError;
use gantry_store::outbox::Delivery;
use gantry_store::store::Store;

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

/// Over the network, by DIMSE, and told to the audit trail.
#[derive(Clone)]
pub(super) struct Dimse {
    pub(super) reach: Reach,
    pub(super) audit: Audit,
    pub(super) key: Option<Key>,
}

pub(super) struct Line {
    association: Association,
    transfers: Transfers,
}

impl Dimse {
    /// What the audit trail says of it: as it is kept, whatever is changed on the way. Nothing without a trail.
    async fn instance(
        &self,
        store: &Store,
        delivery: &Delivery,
    ) -> Result<Option<Instance>, StoreError> {
        if !self.audit.is_on() {
            return Ok(None);
        }
        let kept = store.reader().instance(&delivery.sop_instance).await?;
        Ok(kept.map(|kept| {
            Instance::new(&kept.identity.study, &kept.identity.sop_class, &kept.header)
        }))
    }

    /// An alert when TLS says that the peer is another one, or the peer says so of this node.
    fn tell_if_unknown(&self, peer: &Peer, error: &RequestError) {
        if let RequestError::Tls { why, .. } = error {
            let who = Somebody { title: peer.ae_title.to_string(), address: None };
            self.audit.tell(|this| events::not_authenticated(this, &who, why));
        }
    }
}

impl Outlet for Dimse {
    type Line = Line;

    async fn open(&self, peer: &Peer, proposed: &[Proposed]) -> Result<Line, String> {
        let target = self.reach.target(peer).await.map_err(|error| error.to_string())?;
        let association = Association::request(&target, proposed).await.map_err(|error| {
            self.tell_if_unknown(peer, &error);
            error.to_string()
        })?;
        let address = association.peer().map(|at| at.ip());
        let to = Somebody { title: peer.ae_title.to_string(), address };
        let encrypted = matches!(association.security(), Security::Tls { .. });
        let transfers = Transfers::sent(&self.audit, &to, encrypted);
        Ok(Line { association, transfers })
    }

    async fn send(
        &self,
        queue: &Queue,
        line: &mut Line,
        delivery: &Delivery,
    ) -> Result<Sent, String> {
        let instance = self.instance(&queue.store, delivery).await;
        let instance = instance.map_err(|error| error.to_string())?;
        let mut moving = Moving::new(&mut line.transfers, instance);
        let sent = send(queue, &mut line.association, delivery, self.key.as_ref()).await;
        if let Ok(Sent::Taken(_)) = &sent {
            moving.how = How::Read;
        }
        sent.map_err(|error| error.to_string())
    }

    async fn close(&self, line: Line) {
        line.association.release().await;
    }
}

/// An instance on its way, which has failed unless it says otherwise: also where nobody waits for it any more.
struct Moving<'a> {
    transfers: &'a mut Transfers,
    instance: Option<Instance>,
    how: How,
}

impl<'a> Moving<'a> {
    fn new(transfers: &'a mut Transfers, instance: Option<Instance>) -> Self {
        instance.iter().for_each(|instance| transfers.begins(instance));
        Self { transfers, instance, how: How::Failed }
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.instance.iter().for_each(|instance| self.transfers.moved(instance, self.how));
    }
}
