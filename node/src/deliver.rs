//! Station deliver: a queue for each peer, worked off by C-STORE until the peer has taken it or an admin must act.

mod contexts;
mod corrected;
mod lane;
mod outlet;
mod pace;
mod pause;
mod queue;
mod send;
mod stopping;
#[cfg(test)]
mod week;

use crate::audit::Audit;
use crate::config::Config;
use crate::reach::Reach;
use corrected::Corrected;
use gantry_deidentification::key::Key;
use gantry_store::error::StoreError;
use gantry_store::store::Store;
use outlet::Dimse;
pub(crate) use pause::pause;
use queue::Queue;
pub(crate) use queue::minute_of_day;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What an admin asks is in a row: nobody rings for it.
const LOOK: Duration = Duration::from_secs(1);

/// The node as a Storage SCU.
pub struct Deliver {
    pub config: Arc<Config>,
    pub store: Store,
    pub reach: Reach,
    pub audit: Audit,
    /// Where anything leaves without the patient.
    pub key: Option<Key>,
}

impl Deliver {
    /// Delivers until told to stop. Each peer has tasks of its own, so that no peer waits for another.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut queues: HashMap<String, Arc<Queue>> = HashMap::new();
        let mut lanes = JoinSet::new();
        let corrected = Corrected::new(self.reach.clone(), self.audit.clone());
        while !stop.is_cancelled() {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            if let Err(error) = self.look(&mut queues, &mut lanes, &corrected, &stop).await {
                tracing::error!(station = "deliver", %error, "cannot read the outbox");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = bell.changed() => {}
                () = sleep(LOOK) => {}
            }
        }
        while lanes.join_next().await.is_some() {}
    }

    /// Starts a queue for each peer that has none yet and something to get, and tells those that are
    /// there what an admin asked.
    async fn look(
        &self,
        queues: &mut HashMap<String, Arc<Queue>>,
        lanes: &mut JoinSet<()>,
        corrected: &Corrected,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let states = self.store.peer_states().await?;
        for state in &states {
            if let Some(queue) = queues.get(&state.peer) {
                queue.hear(state);
            }
        }
        for peer in self.store.peers_queued().await? {
            if queues.contains_key(&peer) {
                continue;
            }
            let known = states.iter().find(|state| state.peer == peer).cloned();
            let queue = Queue::new(
                &peer,
                self.config.clone(),
                self.store.clone(),
                known.unwrap_or_default(),
            );
            let queue = Arc::new(queue);
            for number in 0..queue.associations() {
                let (reach, audit) = (self.reach.clone(), self.audit.clone());
                let (key, corrected) = (self.key.clone(), corrected.clone());
                let outlet = Dimse { reach, audit, key, corrected };
                lanes.spawn(lane::run(queue.clone(), outlet, number, stop.clone()));
            }
            queues.insert(peer, queue);
        }
        Ok(())
    }
}
