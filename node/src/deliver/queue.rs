//! What the lanes of one peer share: its state, and when the whole queue waits because the peer is away.

use super::pace::Pace;
use super::pause::pause;
use crate::config::{Config, Peer};
use chrono::Timelike;
use gantry_store::clock::Clock;
use gantry_store::error::StoreError;
use gantry_store::outbox::Delivery;
use gantry_store::outbox::peers::{PeerState, Trouble};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// So often in a row a peer that answers may take nothing before the whole queue waits: one object that
/// it cannot digest is not enough.
const STRIKES: u32 = 3;

/// So often is looked whether the times of day let deliveries go, however clocks are set.
const OPENS: Duration = Duration::from_secs(20);

pub(super) struct Queue {
    pub(super) peer: String,
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) state: watch::Sender<PeerState>,
    strikes: AtomicU32,
    pub(super) pace: Pace,
    /// Associations that are open now.
    open: AtomicUsize,
}

/// An open association, as long as it is there.
pub(super) struct Counted(Arc<Queue>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a lane may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// The peer was away: one delivery finds out.
    Probe,
    /// So much was sent lately that it rests for so long.
    Rests(Duration),
    /// Until then, or until the state changes.
    Shut(Option<Moment>),
}

impl Queue {
    pub(super) fn new(peer: &str, config: Arc<Config>, store: Store, known: PeerState) -> Self {
        let state = watch::Sender::new(PeerState { peer: peer.to_owned(), ..known });
        let (strikes, open) = (AtomicU32::new(0), AtomicUsize::new(0));
        let receiver = config.peers.iter().find(|(name, _)| name.as_str() == peer);
        let pace = Pace::new(receiver.and_then(|(_, peer)| peer.mib_per_second));
        let clock = store.clock();
        Self { peer: peer.to_owned(), config, store, clock, state, strikes, pace, open }
    }

    /// What an admin asked since; the rest this node knows itself.
    pub(super) fn hear(&self, row: &PeerState) {
        self.state.send_if_modified(|state| {
            let is_new = state.asked != row.asked;
            if is_new {
                state.clone_from(row);
            }
            is_new
        });
    }

    pub(super) fn associations(&self) -> usize {
        self.receiver().map_or(1, |peer| peer.associations)
    }

    /// Whether the peer has to show that it has what it took.
    pub(super) fn is_to_prove(&self) -> bool {
        self.receiver().is_some_and(|peer| peer.proof.is_some())
    }

    /// The peer, where it is one that receives.
    pub(super) fn receiver(&self) -> Option<&Peer> {
        let (_, peer) =
            self.config.peers.iter().find(|(name, _)| name.as_str() == self.peer.as_str())?;
        peer.address.as_ref().map(|_| peer)
    }

    pub(super) fn count(self: &Arc<Self>) -> Counted {
        self.open.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// Whether any association with the peer is open.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    pub(super) fn gate(&self, lane: usize, now: Moment) -> Gate {
        let state = self.state.borrow();
        if state.paused.is_some() {
            return Gate::Shut(None);
        }
        if self.receiver().is_some_and(|peer| !peer.is_open(minute_of_day())) {
            return Gate::Shut(Some(now.plus(OPENS)));
        }
        let rest = self.pace.rest(Instant::now());
        if !rest.is_zero() {
            return Gate::Rests(rest);
        }
        let Some(trouble) = &state.trouble else { return Gate::Open };
        let wait = trouble.retry_at.since(now);
        // A longer one is none: the clock was set back since.
        if !wait.is_zero() && wait <= self.config.deliver.longest_pause {
            return Gate::Shut(Some(trouble.retry_at));
        }
        if lane == 0 { Gate::Probe } else { Gate::Shut(None) }
    }

    /// The peer cannot be reached: nothing is tried until it was probed.
    pub(super) async fn is_away(&self, reason: &str) -> Result<(), StoreError> {
        let (now, before) = (self.clock.now(), self.state.borrow().trouble.clone());
        let failures = before.as_ref().map_or(0, |before| before.failures).saturating_add(1);
        let trouble = Trouble {
            failures,
            since: before.map_or(now, |before| before.since),
            reason: reason.to_owned(),
            retry_at: now.plus(pause(&self.config.deliver, failures)),
        };
        tracing::warn!(peer = self.peer, reason, failures, "the peer takes nothing for now");
        self.strikes.store(0, Ordering::Relaxed);
        // At once for the other lanes, whatever the disk does.
        self.state.send_modify(|state| state.trouble = Some(trouble.clone()));
        self.store.peer_failed(&self.peer, &trouble).await?;
        self.give_up_what_is_too_old(now, reason).await
    }

    /// The association broke, or the peer put it off: a reason to wait only when that becomes of one
    /// delivery after the other. What failed before says nothing new, and waits by itself.
    pub(super) async fn is_shaky(
        &self,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), StoreError> {
        if delivery.attempts > 1 {
            return Ok(());
        }
        let strikes = self.strikes.fetch_add(1, Ordering::Relaxed) + 1;
        if strikes >= STRIKES || self.state.borrow().trouble.is_some() {
            return self.is_away(reason).await;
        }
        Ok(())
    }

    /// It answered, whatever it thinks of this one instance.
    pub(super) async fn is_well(&self) -> Result<(), StoreError> {
        self.strikes.store(0, Ordering::Relaxed);
        if self.state.borrow().trouble.is_none() {
            return Ok(());
        }
        tracing::info!(peer = self.peer, "the peer takes deliveries again");
        self.state.send_modify(|state| state.trouble = None);
        self.store.peer_is_well(&self.peer).await
    }

    async fn give_up_what_is_too_old(&self, now: Moment, why: &str) -> Result<(), StoreError> {
        let age = self.config.deliver.give_up_after;
        let before = now.minus(age);
        if self.state.borrow().resumed_at.is_some_and(|resumed| resumed >= before) {
            return Ok(());
        }
        let parked = self.store.give_up(&self.peer, before, &given_up(age.as_secs(), why)).await?;
        if parked > 0 {
            tracing::warn!(peer = self.peer, parked, "deliveries parked: they waited too long");
        }
        Ok(())
    }

    /// Whether it has waited too long, which is the reason to park it then.
    pub(super) fn too_old(&self, delivery: &Delivery, now: Moment, why: &str) -> Option<String> {
        let resumed = self.state.borrow().resumed_at;
        let since = resumed.map_or(delivery.since, |resumed| resumed.max(delivery.since));
        let age = now.since(since);
        (age > self.config.deliver.give_up_after).then(|| given_up(age.as_secs(), why))
    }
}

/// Of the local day.
pub(crate) fn minute_of_day() -> u32 {
    let now = chrono::Local::now();
    now.hour() * 60 + now.minute()
}

fn given_up(seconds: u64, why: &str) -> String {
    format!("given up after {} h: {why}", seconds / 3600)
}
