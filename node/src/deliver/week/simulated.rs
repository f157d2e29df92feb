//! Peers that stand in the place of the network: each takes objects in its own manner, at times of the clock that the test moves.

use super::super::outlet::Outlet;
use super::super::queue::Queue;
use super::super::send::Sent;
use crate::config::Peer;
use crate::dimse::requestor::Proposed;
use bytes::Bytes;
use gantry_store::clock::Clock;
use gantry_store::outbox::{Delivery, Leased};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const CONNECTS: Duration = Duration::from_millis(50);
/// Until it is known that nobody answers.
const NO_ANSWER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    Well,
    /// From then until then nobody is there.
    Away(Duration, Duration),
    /// Of three such times it is there for two.
    Flaps(Duration),
    /// It thinks about each object for so long.
    Slow(Duration),
}

impl Manner {
    fn is_up(self, since_begin: Duration) -> bool {
        match self {
            Self::Away(from, until) => !(from..until).contains(&since_begin),
            Self::Flaps(each) => !(since_begin.as_secs() / each.as_secs()).is_multiple_of(3),
            Self::Well | Self::Slow(_) => true,
        }
    }

    fn takes(self) -> Duration {
        match self {
            Self::Slow(takes) => takes,
            _ => Duration::from_millis(500),
        }
    }
}

/// What one peer has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Has {
    /// Different SOP Instance UIDs.
    pub(super) objects: usize,
    /// Objects that came once more, equal to what was there.
    pub(super) again: usize,
    /// Objects that are not what was made.
    pub(super) altered: usize,
    /// Objects over which the line broke.
    pub(super) broken: usize,
}

#[derive(Default)]
struct State {
    manners: HashMap<String, Manner>,
    made: HashMap<Uid, Bytes>,
    taken: HashMap<(String, Uid), usize>,
    has: HashMap<String, Has>,
    /// When something happens at a peer, and how many things.
    wakes: BTreeMap<Moment, usize>,
    /// Objects that are being read: the timers do not wait for the disk.
    reading: usize,
}

/// All of them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Simulated {
    clock: Clock,
    began: Moment,
    state: Arc<Mutex<State>>,
}

impl Simulated {
    pub(super) fn new(clock: Clock, manners: &[(&str, Manner)]) -> Self {
        let manners = manners.iter().map(|(peer, manner)| (peer.to_string(), *manner)).collect();
        let state = Arc::new(Mutex::new(State { manners, ..State::default() }));
        Self { clock, began: clock.now(), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }

    /// What the peers are to get.
    pub(super) fn made(&self, sop_instance: &Uid, part10: &Bytes) {
        self.state().made.insert(sop_instance.clone(), part10.clone());
    }

    pub(super) fn has(&self, peer: &str) -> Has {
        self.state().has.get(peer).copied().unwrap_or_default()
    }

    pub(super) fn reads(&self) -> bool {
        self.state().reading > 0
    }

    /// When the next thing happens at a peer.
    pub(super) fn next(&self) -> Option<Moment> {
        self.state().wakes.keys().next().copied()
    }

    async fn pass(&self, span: Duration) {
        let at = self.clock.now().plus(span);
        *self.state().wakes.entry(at).or_default() += 1;
        self.clock.sleep_until(Some(at)).await;
        let mut state = self.state();
        if let Some(left) = state.wakes.get_mut(&at) {
            *left -= 1;
            if *left == 0 {
                state.wakes.remove(&at);
            }
        }
    }

    fn manner(&self, peer: &str) -> Manner {
        self.state().manners[peer]
    }

    fn is_up(&self, manner: Manner) -> bool {
        manner.is_up(self.clock.now().since(self.began))
    }

    fn take(&self, delivery: &Delivery, object: &Bytes) {
        let mut state = self.state();
        let altered = state.made.get(&delivery.sop_instance) != Some(object);
        let key = (delivery.peer.clone(), delivery.sop_instance.clone());
        let times = state.taken.entry(key).or_default();
        *times += 1;
        let is_new = *times == 1;
        let has = state.has.entry(delivery.peer.clone()).or_default();
        has.objects += usize::from(is_new);
        has.again += usize::from(!is_new);
        has.altered += usize::from(altered);
    }
}

impl Outlet for Simulated {
    type Line = ();

    async fn open(&self, peer: &Peer, _: &[Proposed]) -> Result<(), String> {
        if self.is_up(self.manner(peer.ae_title.as_str())) {
            self.pass(CONNECTS).await;
            return Ok(());
        }
        self.pass(NO_ANSWER).await;
        Err("nobody answers".into())
    }

    /// Where the line breaks behind every other object, the peer has it and nobody was told.
    async fn send(
        &self,
        queue: &Queue,
        _: &mut (),
        delivery: &Delivery,
        _: &[Delivery],
    ) -> Result<Sent, String> {
        self.state().reading += 1;
        let object = queue.store.leased_object(delivery).await;
        self.state().reading -= 1;
        let object = match object {
            Ok(Leased::Object(object)) => object,
            other => return Ok(Sent::Never(format!("not in the store: {other:?}"))),
        };
        let manner = self.manner(&delivery.peer);
        self.pass(manner.takes()).await;
        if self.is_up(manner) {
            self.take(delivery, &object);
            return Ok(Sent::Taken(0));
        }
        let broken = {
            let mut state = self.state();
            let has = state.has.entry(delivery.peer.clone()).or_default();
            has.broken += 1;
            has.broken
        };
        if broken % 2 == 1 {
            self.take(delivery, &object);
        }
        Err("the connection broke".into())
    }

    async fn close(&self, (): ()) {}
}
