//! Beside the road: answers are asked for anew before they end, and what is known is written where `gantry peers` reads it.

use super::{Resolver, known};
use crate::config::{Address, Config, Peer};
use gantry_store::peers::PeerAddress;
use gantry_store::store::Store;
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
        let mut written = Vec::new();
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
            tokio::select! {
                () = stop.cancelled() => return,
                () = news => sleep(SETTLING).await,
                () = self.refresh(&peers) => {}
            }
        }
    }

    /// Asks for what is due; waits until something is.
    async fn refresh(self: &Arc<Self>, peers: &[Peer]) {
        let now = Instant::now();
        let mut first = now + FAR;
        let mut asking = JoinSet::new();
        for peer in peers {
            match known(&self.entry(&peer.ae_title)).refresh_at() {
                Some(due) if due > now => first = first.min(due),
                _ => {
                    let (this, peer) = (self.clone(), peer.clone());
                    asking.spawn(async move { this.find_anew(&peer).await.map(|_| ()) });
                }
            }
        }
        if asking.is_empty() {
            sleep_until(first).await;
        }
        while asking.join_next().await.is_some() {}
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
