//! What a lane sends over: an association with the peer. A simulation of many days stands in its place.

use super::corrected::Corrected;
use super::queue::Queue;
use super::send::{Ahead, By, Sent, send};
use crate::audit::events::Somebody;
use crate::audit::{Audit, How, Instance, Transfers};
use crate::commit::tell_if_unknown;
use crate::config::Peer;
use crate::dimse::requestor::{Association, Proposed};
use crate::dimse::stream::Security;
use crate::reach::Reach;
use gantry_deidentification::key::Key;
use gantry_store::error::StoreError;
use gantry_store::outbox::Delivery;
use gantry_store::store::Store;
use std::collections::VecDeque;

/// Objects that are read while one is on its way: reading and checking one takes about as long.
const AHEAD: usize = 2;

/// Each error is the reason, in words for the admin.
pub(super) trait Outlet: Clone + Send + Sync + 'static {
    type Line: Send;

    /// `Err` when there is no line to be had.
    fn open(
        &self,
        peer: &Peer,
        proposed: &[Proposed],
    ) -> impl Future<Output = Result<Self::Line, String>> + Send;

    /// `Err` when the line cannot be used any more. What comes behind it may be made ready meanwhile.
    fn send(
        &self,
        queue: &Queue,
        line: &mut Self::Line,
        delivery: &Delivery,
        behind: &[Delivery],
    ) -> impl Future<Output = Result<Sent, String>> + Send;

    fn close(&self, line: Self::Line) -> impl Future<Output = ()> + Send;
}

/// Over the network, by DIMSE, and told to the audit trail.
#[derive(Clone)]
pub(super) struct Dimse {
    pub(super) reach: Reach,
    pub(super) audit: Audit,
    pub(super) key: Option<Key>,
    pub(super) corrected: Corrected,
}

pub(super) struct Line {
    association: Association,
    transfers: Transfers,
    /// Read while the one before it is on its way.
    ahead: VecDeque<Ahead>,
}

impl Line {
    /// What was read of this one before; those behind it begin to be read.
    fn read_ahead(
        &mut self,
        store: &Store,
        delivery: &Delivery,
        behind: &[Delivery],
    ) -> Option<Ahead> {
        // What was passed over, or belonged to another batch, is of no use any more.
        let place = self.ahead.iter().position(|ahead| ahead.is_of(delivery));
        let before = place.unwrap_or(self.ahead.len());
        self.ahead.drain(..before);
        let read = self.ahead.pop_front();
        for next in behind.iter().take(AHEAD) {
            if !self.ahead.iter().any(|ahead| ahead.is_of(next)) {
                self.ahead.extend(Ahead::begin(store, next));
            }
        }
        read
    }
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
}

impl Outlet for Dimse {
    type Line = Line;

    async fn open(&self, peer: &Peer, proposed: &[Proposed]) -> Result<Line, String> {
        let target = self.reach.target(peer).await?;
        let association = Association::request(&target, proposed).await.map_err(|error| {
            tell_if_unknown(&self.audit, peer, &error);
            error.to_string()
        })?;
        let address = association.peer().map(|at| at.ip());
        let to = Somebody { title: peer.ae_title.to_string(), address };
        let encrypted = matches!(association.security(), Security::Tls { .. });
        let transfers = Transfers::sent(&self.audit, &to, encrypted);
        Ok(Line { association, transfers, ahead: VecDeque::new() })
    }

    async fn send(
        &self,
        queue: &Queue,
        line: &mut Line,
        delivery: &Delivery,
        behind: &[Delivery],
    ) -> Result<Sent, String> {
        let read = line.read_ahead(&queue.store, delivery, behind);
        // A fault of this node's own index is none of the peer's, and the line is as good as before.
        let instance = match self.instance(&queue.store, delivery).await {
            Ok(instance) => {
                instance.map(|it| Instance { anonymized: is_anonymized(queue, delivery), ..it })
            }
            Err(error) => return Ok(Sent::Later(error.to_string())),
        };
        let mut moving = Moving::new(&mut line.transfers, instance);
        let by = By { key: self.key.as_ref(), corrected: &self.corrected };
        let sent = send(queue, &mut line.association, delivery, read, by).await;
        if let Ok(Sent::Taken(_)) = &sent {
            moving.how = How::Read;
        }
        sent.map_err(|error| error.to_string())
    }

    async fn close(&self, line: Line) {
        line.association.release().await;
    }
}

/// By the profile of the peer or of a rule.
fn is_anonymized(queue: &Queue, delivery: &Delivery) -> bool {
    let of_peer = queue.receiver().is_some_and(|peer| peer.deidentify.is_some());
    of_peer || delivery.changes.deidentify.is_some()
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
