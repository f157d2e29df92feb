//! Starts the stations between the index and the outbox, and stops them together.

use crate::ahead::Ahead;
use crate::ahead::kept::Kept;
use crate::arrive::Arrivals;
use crate::complete::associations::Associations;
use crate::complete::{self, TimesOf};
use crate::compose::Composer;
use crate::decide::Decider;
use crate::facts::Peers;
use crate::in_force::InForce;
use crate::infer;
use crate::room::Room;
use crate::shadow::Shadows;
use crate::uses::Uses;
use crate::versions::VersionsInForce;
use crate::wait::Stop;
use gantry_inference::pool::Pool;
use gantry_store::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the stations work with.
pub struct Drive {
    pub store: Store,
    pub times: TimesOf,
    /// What the edge tells of the associations that carry images.
    pub associations: Arc<Associations>,
    /// May be replaced while the stations run.
    pub rules: InForce,
    /// May change while the stations run.
    pub models: VersionsInForce,
    pub peers: Peers,
    /// Behind the last image of a study, until rules on studies are asked.
    pub study_quiet: Duration,
    /// `None` when there is no ONNX Runtime: then jobs wait, and everything else goes on.
    pub engine: Option<Pool>,
    /// Bytes of voxels that may be read before the jobs on them are there; 0: none are.
    pub ahead: u64,
    pub composer: Composer,
    pub uses: Uses,
}

impl Drive {
    /// Runs the stations until `stop`; returns when each has finished what it had in hand.
    pub async fn run(self, stop: Stop) {
        let mut stations = JoinSet::new();
        stations.spawn(complete::run(
            self.store.clone(),
            self.times,
            self.associations,
            stop.clone(),
        ));
        let decider = Decider {
            store: self.store.clone(),
            rules: self.rules.clone(),
            models: self.models.clone(),
            peers: self.peers.clone(),
            study_quiet: self.study_quiet,
            started: Instant::now(),
        };
        stations.spawn(decider.run(stop.clone()));
        let arrivals = Arrivals {
            store: self.store.clone(),
            rules: self.rules.clone(),
            peers: self.peers.clone(),
        };
        stations.spawn(arrivals.run(stop.clone()));
        if let Some(engine) = self.engine {
            let shadows = Shadows {
                store: self.store.clone(),
                models: self.models.clone(),
                engine: engine.clone(),
                uses: self.uses.clone(),
            };
            stations.spawn(shadows.run(stop.clone()));
            let kept = Arc::new(Kept::new(self.ahead));
            let ahead = Ahead {
                store: self.store.clone(),
                rules: self.rules,
                models: self.models.clone(),
                peers: self.peers,
                kept: kept.clone(),
            };
            stations.spawn(ahead.run(stop.clone()));
            let work = infer::Work {
                store: self.store,
                models: self.models,
                engine,
                composer: self.composer,
                ahead: kept,
                room: Room::new(),
                uses: self.uses,
            };
            stations.spawn(work.run(stop));
        }
        while let Some(ended) = stations.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a station ended by a panic; restart the node");
            }
        }
    }
}
