//! One association's worth of a queue: kept open while there is work and some seconds after, asked for anew when it breaks or lacks a context.

use super::contexts::{Kind, asked_for, proposals};
use super::outlet::Outlet;
use super::pause::pause;
use super::queue::{Counted, Gate, Queue};
use super::send::Sent;
use super::stopping::{LAST_ITEM, LAST_WORD, unless_stopped};
use crate::dimse::requestor::Proposed;
use gantry_store::error::StoreError;
use gantry_store::outbox::alternates::Instead;
use gantry_store::outbox::{Delivered, Delivery};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Deliveries in hand at a time: what is stat waits for so many at the most.
const BATCH: u32 = 16;
/// Longer than a batch takes; it only runs out when the node is gone.
const LEASE: Duration = Duration::from_secs(3600);
/// An association without work is released after so long: the next result comes soon, or not for a while.
const LINGER: Duration = Duration::from_secs(5);
/// A further association that the peer does not take, while others go on, is asked for so much later.
const ONE_LESS: Duration = Duration::from_secs(60);
/// What the peer took is noted with the next lease, or after so long.
const NOTED_WITHIN: Duration = Duration::from_millis(50);
/// When the outbox cannot be read or written.
const FAULT: Duration = Duration::from_secs(1);

/// A peer is asked whether it has what it took when so much time has passed: for many at once.
const ASK_AFTER: Duration = Duration::from_secs(5);

struct Lane<O: Outlet> {
    queue: Arc<Queue>,
    outlet: O,
    number: usize,
    stop: CancellationToken,
    open: Option<Open<O::Line>>,
    /// What the peer took, and the index does not know yet: it goes once more when the node is killed now.
    taken: Vec<Delivered>,
    /// The peer takes no further association until then, as it seems.
    rests_until: Option<Moment>,
}

struct Open<L> {
    line: L,
    proposed: Vec<Proposed>,
    /// SOP classes that the peer did not take, and what it said: what has alternates is not offered in them again.
    refused: HashMap<Uid, String>,
    /// Since when it carries nothing: the peer may have ended it meanwhile.
    idle_since: Option<Instant>,
    _counted: Counted,
}

/// What to wait for when nothing can be sent now.
enum Wait {
    /// The state of the queue, or this moment.
    Shut(Option<Moment>),
    /// Something new, or this moment.
    Empty(Option<Moment>),
}

/// Whether the association can go on.
enum Step {
    On,
    /// It is gone, or the batch cannot go over it.
    Over,
}

/// Sends what waits for the peer until told to stop.
#[tracing::instrument(name = "deliver", skip_all, fields(peer = queue.peer))]
pub(super) async fn run<O: Outlet>(
    queue: Arc<Queue>,
    outlet: O,
    number: usize,
    stop: CancellationToken,
) {
    let mut lane =
        Lane { queue, outlet, number, stop, open: None, taken: Vec::new(), rests_until: None };
    let clock = lane.queue.clock;
    while !lane.stop.is_cancelled() {
        let mut bell = lane.queue.store.bell();
        bell.borrow_and_update();
        let mut state = lane.queue.state.subscribe();
        state.borrow_and_update();
        let wait = match lane.work().await {
            Ok(None) => continue,
            Ok(Some(wait)) => wait,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read or written");
                unless_stopped(&lane.stop, Duration::ZERO, sleep(FAULT)).await;
                continue;
            }
        };
        let (until, is_shut) = match wait {
            Wait::Shut(until) => (until, true),
            Wait::Empty(until) => (until, false),
        };
        if is_shut {
            lane.release().await;
        }
        let idle_since = lane.open.as_ref().and_then(|open| open.idle_since);
        tokio::select! {
            () = lane.stop.cancelled() => {}
            _ = state.changed() => {}
            _ = bell.changed(), if !is_shut => {}
            () = clock.sleep_until(until) => {}
            () = lingered(idle_since) => lane.release().await,
        }
    }
    if let Err(error) = lane.note().await {
        tracing::error!(%error, "the outbox cannot be written: what the peer took last goes once more");
    }
    lane.release().await;
}

impl<O: Outlet> Lane<O> {
    /// Sends one batch, or says what to wait for.
    async fn work(&mut self) -> Result<Option<Wait>, StoreError> {
        let now = self.queue.clock.now();
        let gate = self.gate().await;
        if let Gate::Shut(until) = gate {
            self.note().await?;
            return Ok(Some(Wait::Shut(until)));
        }
        if self.rests_until.is_some_and(|until| until > now) {
            self.note().await?;
            return Ok(Some(Wait::Shut(self.rests_until)));
        }
        let (peer, store) = (&self.queue.peer, &self.queue.store);
        let batch = match gate {
            Gate::Probe => store.lease_probe(peer, LEASE).await?,
            _ => {
                let leased = store.lease_behind(&self.taken, peer, BATCH, LEASE).await?;
                self.taken.clear();
                leased
            }
        };
        if batch.is_empty() {
            if let Some(open) = &mut self.open {
                open.idle_since.get_or_insert_with(Instant::now);
            }
            return Ok(Some(Wait::Empty(store.next_due(peer, now).await?)));
        }
        let sent = self.send_batch(&batch).await;
        if sent.is_err() {
            // What is not settled would wait for its lease to end.
            let is_taken = |one: &Delivery| self.taken.iter().any(|of| of.delivery.id == one.id);
            let unsettled: Vec<Delivery> = batch.into_iter().filter(|one| !is_taken(one)).collect();
            let _ = self.queue.store.give_back(&unsettled).await;
        }
        sent.map(|()| None)
    }

    /// Whether it may send. A short rest is waited for here, and the association is kept meanwhile.
    async fn gate(&mut self) -> Gate {
        loop {
            let now = self.queue.clock.now();
            let rest = match self.queue.gate(self.number, now) {
                Gate::Rests(rest) if rest > LINGER => return Gate::Shut(Some(now.plus(rest))),
                Gate::Rests(rest) => rest,
                gate => return gate,
            };
            if let Some(open) = &mut self.open {
                open.idle_since.get_or_insert_with(Instant::now);
            }
            // What cannot be noted now is noted later.
            let _ = self.note().await;
            if unless_stopped(&self.stop, Duration::ZERO, sleep(rest)).await.is_none() {
                return Gate::Shut(None);
            }
        }
    }

    /// Whatever comes of one, the others go on, or go back as they were.
    async fn send_batch(&mut self, batch: &[Delivery]) -> Result<(), StoreError> {
        for (number, delivery) in batch.iter().enumerate() {
            let gate = self.gate().await;
            let step = match matches!(gate, Gate::Shut(_)) || self.stop.is_cancelled() {
                true => Step::Over,
                false => match self.opened_for(delivery, &batch[number..]).await? {
                    Step::On => self.send_one(delivery, &batch[number + 1..]).await?,
                    Step::Over => Step::Over,
                },
            };
            if let Step::Over = step {
                return self.queue.store.give_back(&batch[number..]).await;
            }
        }
        Ok(())
    }

    /// An association over which this delivery can go, or be refused.
    async fn opened_for(
        &mut self,
        delivery: &Delivery,
        batch: &[Delivery],
    ) -> Result<Step, StoreError> {
        let (class, syntax) = (&delivery.sop_class, &delivery.transfer_syntax);
        if self.open.as_ref().is_some_and(|open| asked_for(&open.proposed, class, syntax)) {
            return Ok(Step::On);
        }
        self.note().await?;
        let Some(peer) = self.queue.receiver().cloned() else {
            let why = format!("no peer {} with an address in the configuration", self.queue.peer);
            for delivery in batch {
                self.park(delivery, &why).await?;
            }
            return Ok(Step::Over);
        };
        let proposed = proposals(self.kinds(batch).await?);
        self.release().await;
        let opened = self.outlet.open(&peer, &proposed);
        match unless_stopped(&self.stop, Duration::ZERO, opened).await {
            Some(Ok(line)) => {
                let _counted = self.queue.count();
                let refused = HashMap::new();
                self.open = Some(Open { line, proposed, refused, idle_since: None, _counted });
                Ok(Step::On)
            }
            Some(Err(error)) if self.queue.is_open() => {
                tracing::info!(error, "the peer takes no further association; the others go on");
                self.rests_until = Some(self.queue.clock.now().plus(ONE_LESS));
                Ok(Step::Over)
            }
            Some(Err(error)) => {
                self.queue.is_away(&error).await?;
                Ok(Step::Over)
            }
            None => Ok(Step::Over),
        }
    }

    /// Of what is in hand, what waits, what may go in their place, and what the last association was for.
    async fn kinds(&self, batch: &[Delivery]) -> Result<Vec<Kind>, StoreError> {
        let in_hand = batch.iter().map(|one| (one.sop_class.clone(), one.transfer_syntax.clone()));
        let mut kinds: Vec<Kind> = in_hand.collect();
        let (store, peer) = (&self.queue.store, &self.queue.peer);
        let (queued, alternate) =
            tokio::try_join!(store.kinds_queued(peer), store.alternate_kinds_queued(peer))?;
        kinds.extend(queued.into_iter().chain(alternate));
        let before = self.open.iter().flat_map(|open| &open.proposed);
        let before = before.filter_map(|one| match one.transfer_syntaxes.as_slice() {
            [alone] => Some((one.sop_class.clone(), alone.clone())),
            _ => None,
        });
        kinds.extend(before);
        Ok(kinds)
    }

    /// What comes behind it is made ready meanwhile.
    async fn send_one(
        &mut self,
        delivery: &Delivery,
        behind: &[Delivery],
    ) -> Result<Step, StoreError> {
        let Some(open) = &mut self.open else { return Ok(Step::Over) };
        if delivery.has_alternates
            && let Some(why) = open.refused.get(&delivery.sop_class).cloned()
        {
            return self.class_refused(delivery, &why).await.map(|()| Step::On);
        }
        let idled = open.idle_since.take().is_some();
        let sending = self.outlet.send(&self.queue, &mut open.line, delivery, behind);
        let sending = noted_meanwhile(&self.queue, &mut self.taken, sending);
        match unless_stopped(&self.stop, LAST_ITEM, sending).await {
            Some(Ok(sent)) => self.settle(delivery, sent).await.map(|()| Step::On),
            Some(Err(why)) => {
                self.open = None;
                // The peer ended it while there was nothing to send: no failure of anybody.
                if !idled {
                    self.later(delivery, &why).await?;
                    self.queue.is_shaky(delivery, &why).await?;
                }
                Ok(Step::Over)
            }
            None => {
                // Behind half a PDU an A-ABORT would not be understood: the connection is closed.
                self.open = None;
                Ok(Step::Over)
            }
        }
    }

    async fn settle(&mut self, delivery: &Delivery, sent: Sent) -> Result<(), StoreError> {
        match sent {
            Sent::Taken(status) => {
                tracing::info!(instance = %delivery.sop_instance, status = format!("{status:04X}"), "delivered");
                let at = self.queue.clock.now();
                let ask_at = self.queue.is_to_prove().then(|| at.plus(ASK_AFTER));
                self.taken.push(Delivered { delivery: delivery.clone(), status, at, ask_at });
                self.queue.is_well().await
            }
            Sent::Never(why) => self.park(delivery, &why).await,
            Sent::Refused(why) => {
                self.park(delivery, &why).await?;
                self.queue.is_well().await
            }
            Sent::ClassRefused(why) if delivery.has_alternates => {
                self.class_refused(delivery, &why).await?;
                if let Some(open) = &mut self.open {
                    open.refused.insert(delivery.sop_class.clone(), why);
                }
                self.queue.is_well().await
            }
            Sent::ClassRefused(why) => {
                self.park(delivery, &why).await?;
                self.queue.is_well().await
            }
            Sent::Later(why) => self.later(delivery, &why).await,
            Sent::PutOff(why) => {
                self.later(delivery, &why).await?;
                self.queue.is_shaky(delivery, &why).await
            }
        }
    }

    async fn note(&mut self) -> Result<(), StoreError> {
        self.queue.store.note_taken(&self.taken).await?;
        self.taken.clear();
        Ok(())
    }

    async fn later(&self, delivery: &Delivery, why: &str) -> Result<(), StoreError> {
        let now = self.queue.clock.now();
        if let Some(why) = self.queue.too_old(delivery, now, why) {
            return self.park(delivery, &why).await;
        }
        let again = now.plus(pause(&self.queue.config.deliver, delivery.attempts));
        self.queue.store.postpone_delivery(delivery, why, again).await
    }

    /// Another object that says the same takes its place in the queue, if there is one.
    async fn class_refused(&self, delivery: &Delivery, why: &str) -> Result<(), StoreError> {
        let instance = &delivery.sop_instance;
        match self.queue.store.class_refused(delivery, why).await? {
            Instead::Queued(instead) => {
                tracing::info!(%instance, %instead, reason = why, "the alternate goes in its place");
            }
            Instead::Parked => {
                tracing::warn!(%instance, reason = why, "delivery parked: no alternate is left");
            }
        }
        Ok(())
    }

    async fn park(&self, delivery: &Delivery, why: &str) -> Result<(), StoreError> {
        tracing::warn!(instance = %delivery.sop_instance, reason = why, "delivery parked");
        self.queue.store.park_delivery(delivery, why).await
    }

    async fn release(&mut self) {
        if let Some(open) = self.open.take() {
            unless_stopped(&self.stop, LAST_WORD, self.outlet.close(open.line)).await;
        }
    }
}

async fn lingered(idle_since: Option<Instant>) {
    match idle_since {
        Some(since) => tokio::time::sleep_until(since + LINGER).await,
        None => std::future::pending().await,
    }
}

/// A peer that takes its time with this one does not keep the index from what it took before.
async fn noted_meanwhile<T>(
    queue: &Queue,
    taken: &mut Vec<Delivered>,
    sending: impl Future<Output = T>,
) -> T {
    let mut sending = pin!(sending);
    if taken.is_empty() {
        return sending.await;
    }
    tokio::select! {
        biased;
        sent = &mut sending => return sent,
        () = sleep(NOTED_WITHIN) => {}
    }
    let (sent, noted) = tokio::join!(sending, queue.store.note_taken(taken));
    // Else it is tried again before anything else is leased.
    if noted.is_ok() {
        taken.clear();
    }
    sent
}
