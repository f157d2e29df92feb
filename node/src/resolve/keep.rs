//! Beside the road: answers are asked for anew before they end, and what is known is written where `gantry peers` reads it.

use super::{Resolver, known};
use crate::config::{Address, Config, Peer};
use gantry_store::peers::PeerAddress;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// What is known is written at most so often.
const SETTLING: Duration = Duration::from_millis(200);
const FAR: Duration = Duration::from_secs(3600);

impl Resolver {
    /// Until the node stops.
    pub async fn keep(self: Arc<Self>, config: Arc<Config>, store: Store, stop: CancellationToken) {
        let looked_up = config.peers.values().filter(|peer| {
            let address = peer.address.as_ref();
            address.is_some_and(Address::is_looked_up)
        });
        let peers: Vec<Peer> = looked_up.cloned().collect();
        let (mut written, mut asking, mut asked) = (Vec::new(), JoinSet::new(), HashSet::new());
        loop {
            let news = self.news.notified();
            let rows: Vec<PeerAddress> = peers.iter().map(|peer| self.told(peer)).collect();
            if rows != written {
                match store.tell_peer_addresses(&rows).await {
                    Ok(()) => written = rows,
                    Err(error) => {
                        tracing::error!(station = "resolve", %error, "the index could not be written");
                    }
                }
            }
            let next = self.ask_for_what_is_due(&peers, &mut asking, &mut asked);
            tokio::select! {
                () = stop.cancelled() => return,
                () = news => sleep(SETTLING).await,
                Some(done) = asking.join_next() => {
                    done.iter().for_each(|title| { asked.remove(title); });
                }
                () = sleep_until(next) => {}
            }
        }
    }

    /// Each on its own, so that none waits for another; says when the next is due.
    fn ask_for_what_is_due(
        self: &Arc<Self>,
        peers: &[Peer],
        asking: &mut JoinSet<AeTitle>,
        asked: &mut HashSet<AeTitle>,
    ) -> Instant {
        let now = Instant::now();
        let mut next = now + FAR;
        for peer in peers {
            if asked.contains(&peer.ae_title) {
                continue;
            }
            let due = known(&self.entry(&peer.ae_title)).refresh_at();
            if let Some(due) = due.filter(|due| *due > now) {
                next = next.min(due);
                continue;
            }
            asked.insert(peer.ae_title.clone());
            let (this, peer) = (self.clone(), peer.clone());
            asking.spawn(async move {
                // What comes of it is remembered and told.
                let _ = this.find_anew(&peer).await;
                peer.ae_title
            });
        }
        next
    }

    fn told(&self, peer: &Peer) -> PeerAddress {
        let entry = self.entry(&peer.ae_title);
        let known = known(&entry);
        let found = known.answer(&self.rules, Instant::now()).and_then(Result::ok);
        let found = found.map(|found| self.asked_of(found));
        let mut servers = found.as_ref().map(|found| found.servers.clone()).unwrap_or_default();
        // Not in the order that was drawn, which would be news each time.
        servers.sort_by(|a, b| {
            let key = |server: &super::Server| (server.priority, u16::MAX - server.weight);
            key(a).cmp(&key(b)).then_with(|| a.host.cmp(&b.host))
        });
        let answered = found.as_ref().and_then(|found| found.answered);
        PeerAddress {
            peer: peer.ae_title.clone(),
            servers: serde_json::to_string(&servers).unwrap_or_default(),
            source: found.map(|found| found.source).unwrap_or_default(),
            answered: answered.map(|answered| answered.at),
            until: answered.map(|answered| answered.until),
            fault: known.last_fault().map(|(why, _)| why.to_string()),
            fault_at: known.last_fault().map(|(_, at)| *at),
        }
    }
}
