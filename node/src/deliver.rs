//! Station deliver: a queue for each peer, worked off by C-STORE until the peer has taken it or an admin must act.

use crate::coerce::{self, By};
use crate::config::{Config, DeliverConfig, Peer};
use crate::dimse::association::AssociationError;
use crate::dimse::requestor::{Association, Proposed, RequestTimers, Target};
use crate::dimse::status::{self, Outcome};
use crate::resolve::{ResolveError, Resolver};
use crate::tls::Tls;
use crate::transcode;
use bytes::Bytes;
use gantry_routing::wait::sleep_until;
use gantry_store::error::StoreError;
use gantry_store::outbox::{Delivery, Leased};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use rand::Rng;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Deliveries that go out over one association: each needs at most two of its 128 contexts.
const BATCH: u32 = 64;
/// Longer than a batch takes; it only runs out when the node is gone.
const LEASE: Duration = Duration::from_secs(3600);

/// When the node stops, what is on its way to a peer has so long to arrive ...
const LAST_ITEM: Duration = Duration::from_secs(30);
/// ... and a peer so long to release the association.
const LAST_WORD: Duration = Duration::from_secs(1);
const STOPPED: &str = "the node stopped";

/// The node as a Storage SCU.
pub struct Deliver {
    pub config: Arc<Config>,
    pub store: Store,
    pub resolver: Arc<Resolver>,
    pub tls: Option<Arc<Tls>>,
}

/// What became of one delivery.
enum Sent {
    Taken(u16),
    Later(String),
    Never(String),
}

impl Deliver {
    /// Delivers until told to stop. One task a peer, so that no peer waits for another.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut busy: HashMap<String, tokio::task::AbortHandle> = HashMap::new();
        let mut tasks = JoinSet::new();
        while !stop.is_cancelled() {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            while tasks.try_join_next().is_some() {}
            busy.retain(|_, task| !task.is_finished());
            let next_due = match self.start_what_is_due(&mut busy, &mut tasks, &stop).await {
                Ok(next_due) => next_due,
                Err(error) => {
                    tracing::error!(station = "deliver", %error, "cannot read the outbox");
                    Some(Moment::now().plus(Duration::from_secs(1)))
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                _ = bell.changed() => {}
                Some(_) = tasks.join_next() => {}
                () = sleep_until(next_due) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn start_what_is_due(
        self: &Arc<Self>,
        busy: &mut HashMap<String, tokio::task::AbortHandle>,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<Option<Moment>, StoreError> {
        let now = Moment::now();
        for peer in self.store.peers_due(now).await? {
            if busy.contains_key(&peer) {
                continue;
            }
            let (this, title, stop) = (self.clone(), peer.clone(), stop.clone());
            busy.insert(peer, tasks.spawn(async move { this.work_off(&title, &stop).await }));
        }
        // Of the same moment: what comes due while this looks is due at once, not forgotten. What
        // was due before is under way, and its task looks again.
        self.store.next_due(now).await
    }

    /// Sends what is due for a peer, batch by batch.
    #[tracing::instrument(name = "deliver", skip_all, fields(peer))]
    async fn work_off(&self, peer: &str, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let leased = match self.store.lease_deliveries(peer, BATCH, LEASE).await {
                Ok(leased) if leased.is_empty() => return,
                Ok(leased) => leased,
                Err(error) => return tracing::error!(%error, "cannot lease deliveries"),
            };
            if let Err(error) = self.send_batch(peer, leased, stop).await {
                return tracing::error!(%error, "the outbox could not be written");
            }
        }
    }

    async fn send_batch(
        &self,
        title: &str,
        batch: Vec<Delivery>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let Some(peer) = self.receiver(title) else {
            for delivery in &batch {
                let why = format!("no peer {title} with an address in the configuration");
                self.settle(delivery, Sent::Never(why)).await?;
            }
            return Ok(());
        };
        let target = match unless_stopped(stop, Duration::ZERO, self.target(peer)).await {
            Some(Ok(target)) => target,
            Some(Err(error)) => return self.postpone_all(&batch, &error.to_string()).await,
            None => return self.give_back(&batch, STOPPED).await,
        };
        let proposed = proposals(&batch);
        let requested = Association::request(&target, &proposed);
        let mut association = match unless_stopped(stop, Duration::ZERO, requested).await {
            Some(Ok(association)) => association,
            Some(Err(error)) => return self.postpone_all(&batch, &error.to_string()).await,
            None => return self.give_back(&batch, STOPPED).await,
        };
        for (number, delivery) in batch.iter().enumerate() {
            if stop.is_cancelled() {
                unless_stopped(stop, LAST_WORD, association.release()).await;
                return self.give_back(&batch[number..], STOPPED).await;
            }
            let sending = self.send(&mut association, delivery);
            match unless_stopped(stop, LAST_ITEM, sending).await {
                Some(Ok(sent)) => self.settle(delivery, sent).await?,
                Some(Err(error)) => {
                    // The association is gone: what is left goes back with its time.
                    let why = error.to_string();
                    self.settle(delivery, Sent::Later(why.clone())).await?;
                    return self.give_back(&batch[number + 1..], &why).await;
                }
                // Behind half a PDU an A-ABORT would not be understood: the connection is closed.
                None => return self.give_back(&batch[number..], STOPPED).await,
            }
        }
        unless_stopped(stop, LAST_WORD, association.release()).await;
        Ok(())
    }

    /// What was not tried is due as it was before.
    async fn give_back(&self, unsent: &[Delivery], why: &str) -> Result<(), StoreError> {
        for delivery in unsent {
            self.store.postpone_delivery(delivery, why, Moment::now()).await?;
        }
        Ok(())
    }

    fn receiver(&self, title: &str) -> Option<&Peer> {
        let (_, peer) = self.config.peers.iter().find(|(name, _)| name.as_str() == title)?;
        peer.address.as_ref().map(|_| peer)
    }

    /// Where the peer is now. The name servers are waited for by this peer's deliveries only.
    async fn target(&self, peer: &Peer) -> Result<Target, ResolveError> {
        Ok(Target {
            servers: self.resolver.find(peer).await?.addresses(),
            secured: self.tls.as_ref().and_then(|tls| tls.secured(peer)),
            called: peer.ae_title.clone(),
            calling: self.config.ae_title.clone(),
            timers: RequestTimers::default(),
            maximum_pdu: 131_072,
        })
    }

    async fn postpone_all(&self, batch: &[Delivery], error: &str) -> Result<(), StoreError> {
        tracing::warn!(error, waiting = batch.len(), "the peer cannot be reached");
        for delivery in batch {
            self.settle(delivery, Sent::Later(error.to_string())).await?;
        }
        Ok(())
    }

    /// `Err` when the association cannot be used any more.
    async fn send(
        &self,
        association: &mut Association,
        delivery: &Delivery,
    ) -> Result<Sent, AssociationError> {
        let part10 = match self.store.leased_object(delivery).await {
            Ok(Leased::Object(part10)) => part10,
            Ok(Leased::Changed) => {
                return Ok(Sent::Later("other bytes came under its UID meanwhile".into()));
            }
            Ok(Leased::Gone) => {
                return Ok(Sent::Never("the instance is no longer in the store".into()));
            }
            Err(error @ StoreError::Evicted(_)) => return Ok(Sent::Never(error.to_string())),
            Err(error) => return Ok(Sent::Later(error.to_string())),
        };
        let Some(kept) = transcode::data_set_of(&part10) else {
            return Ok(Sent::Never("the kept file has no readable file meta information".into()));
        };
        let accepted: Vec<Uid> = association.accepted(&delivery.sop_class).cloned().collect();
        let native = accepted.iter().find(|syntax| **syntax == delivery.transfer_syntax);
        let (syntax, data_set) = match native.or(accepted.first()) {
            None => {
                let why = association.refusal(&delivery.sop_class).unwrap_or("refused");
                let class = &delivery.sop_class;
                return Ok(Sent::Never(format!("the peer does not take SOP class {class}: {why}")));
            }
            Some(syntax) if *syntax == delivery.transfer_syntax => (syntax.clone(), kept),
            Some(syntax) => match transcode::native(&kept, &delivery.transfer_syntax, syntax) {
                Ok(data_set) => (syntax.clone(), Bytes::from(data_set)),
                Err(why) => return Ok(Sent::Never(why.to_string())),
            },
        };
        let data_set = match self.changed(delivery, &syntax, data_set).await {
            Ok(data_set) => data_set,
            Err(unsent) => return Ok(unsent),
        };
        let response = association
            .store(&delivery.sop_class, &delivery.sop_instance, &syntax, data_set)
            .await?;
        // Without the peer's Error Comment: some write there whose image it is.
        let why = format!("{:04X}: {}", response.status, status::meaning(response.status));
        Ok(match status::outcome(response.status) {
            Outcome::Stored => Sent::Taken(response.status),
            Outcome::Transient => Sent::Later(why),
            Outcome::Permanent => Sent::Never(why),
        })
    }

    /// What the rule changes on the way. Walking and inflating keep a thread busy that others need.
    async fn changed(
        &self,
        delivery: &Delivery,
        syntax: &Uid,
        data_set: Bytes,
    ) -> Result<Bytes, Sent> {
        if delivery.changes.is_empty() {
            return Ok(data_set);
        }
        let (changes, at) = (delivery.changes.clone(), delivery.queued_at);
        let (system, syntax) = (self.config.ae_title.clone(), syntax.clone());
        let work = move || coerce::apply(&data_set, &syntax, &changes, &By { system: &system, at });
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(changed)) => Ok(changed.into()),
            Ok(Err(why)) => Err(Sent::Never(why.to_string())),
            Err(_) => Err(Sent::Later("the changes were not carried out".into())),
        }
    }

    async fn settle(&self, delivery: &Delivery, sent: Sent) -> Result<(), StoreError> {
        match sent {
            Sent::Taken(status) => {
                tracing::info!(instance = %delivery.sop_instance, status = format!("{status:04X}"), "delivered");
                self.store.delivered(delivery, status, Moment::now()).await
            }
            Sent::Never(why) => self.park(delivery, &why).await,
            Sent::Later(why) => {
                let age = Moment::now().since(delivery.queued_at);
                if age > self.config.deliver.give_up_after {
                    let why = format!("given up after {} h: {why}", age.as_secs() / 3600);
                    return self.park(delivery, &why).await;
                }
                let again = Moment::now().plus(pause(&self.config.deliver, delivery.attempts));
                self.store.postpone_delivery(delivery, &why, again).await
            }
        }
    }

    async fn park(&self, delivery: &Delivery, why: &str) -> Result<(), StoreError> {
        tracing::warn!(instance = %delivery.sop_instance, reason = why, "delivery parked");
        self.store.park_delivery(delivery, why).await
    }
}

/// What comes of `work`, which the node's stop cuts off after `patience`.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        stop.cancelled().await;
        sleep(patience).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = stopped => None,
    }
}

/// Doubles from the first pause to the longest; half of it is chance, so that a thousand
/// deliveries do not come back in the same second.
fn pause(config: &DeliverConfig, attempts: u32) -> Duration {
    let grown = config.first_pause.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    grown.min(config.longest_pause).mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// For each class its native syntax alone, and the uncompressed ones that it could be turned into.
fn proposals(batch: &[Delivery]) -> Vec<Proposed> {
    let mut wanted: BTreeMap<&Uid, Vec<&Uid>> = BTreeMap::new();
    for delivery in batch {
        let syntaxes = wanted.entry(&delivery.sop_class).or_default();
        if !syntaxes.contains(&&delivery.transfer_syntax) {
            syntaxes.push(&delivery.transfer_syntax);
        }
    }
    let mut proposed = Vec::new();
    for (sop_class, syntaxes) in wanted {
        for syntax in syntaxes {
            proposed.push(Proposed {
                sop_class: sop_class.clone(),
                transfer_syntaxes: vec![syntax.clone()],
            });
        }
        proposed.push(Proposed {
            sop_class: sop_class.clone(),
            transfer_syntaxes: transcode::uncompressed(),
        });
    }
    proposed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_end_is_cut_off_a_while_after_the_stop_and_what_ends_meanwhile_counts() {
        let stop = CancellationToken::new();
        let while_after = Duration::from_millis(200);
        let short = unless_stopped(&stop, while_after, sleep(Duration::from_millis(1)));
        assert!(short.await.is_some());
        stop.cancel();
        let short = unless_stopped(&stop, while_after, sleep(Duration::from_millis(1)));
        assert!(short.await.is_some());
        let endless = unless_stopped(&stop, while_after, std::future::pending::<()>());
        assert!(endless.await.is_none());
    }

    #[test]
    fn pauses_grow_to_the_longest_and_never_all_end_at_once() {
        let text = "[node]\nae-title = \"G\"\n[deliver]\nfirst-pause-seconds = 1\nlongest-pause-seconds = 60\n";
        let config = Config::parse(text, std::path::Path::new("node.toml")).expect("good");
        let pauses = |attempts: u32| -> Vec<f64> {
            (0..50).map(|_| pause(&config.deliver, attempts).as_secs_f64()).collect()
        };
        let check = |attempts, low: f64, high: f64| {
            let pauses = pauses(attempts);
            assert!(pauses.iter().all(|p| (low..=high).contains(p)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|p| (p - pauses[0]).abs() > 1e-6), "no jitter");
        };
        check(1, 0.5, 1.0);
        check(4, 4.0, 8.0);
        check(40, 30.0, 60.0);
    }
}
