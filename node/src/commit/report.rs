//! As SCP: what peers asked for is looked up and reported, on associations of this node's own.

use super::{Commit, FAULT};
use crate::dimse::commitment::{
    CLASS_INSTANCE_CONFLICT, COMMITMENT, NO_SUCH_INSTANCE, Reference, Report,
};
use crate::dimse::status;
use gantry_routing::wait::sleep_until;
use gantry_store::error::StoreError;
use gantry_store::promises::{Here, Promise};
use gantry_terms::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Pauses between tries of a report, the last one again and again.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1800),
];

/// While a peer is being told, what else is due for it is looked for so often.
const BUSY: Duration = Duration::from_millis(500);

/// Reports that are on their way: a peer has one task at a time, and waits for no other peer.
struct Reporting {
    commit: Arc<Commit>,
    stop: CancellationToken,
    busy: BTreeSet<String>,
    tasks: JoinSet<(String, Result<(), StoreError>)>,
}

pub(super) async fn run(commit: Arc<Commit>, stop: CancellationToken) {
    let (busy, tasks) = (BTreeSet::new(), JoinSet::new());
    let mut reporting = Reporting { commit, stop, busy, tasks };
    while !reporting.stop.is_cancelled() {
        let mut bell = reporting.commit.store.bell();
        bell.borrow_and_update();
        let until = match reporting.turn().await {
            Ok(until) => until,
            Err(error) => Some(failed(&error)),
        };
        tokio::select! {
            () = reporting.stop.cancelled() => {}
            _ = bell.changed() => {}
            () = sleep_until(until) => {}
            Some(done) = reporting.tasks.join_next() => reporting.is_done(done).await,
        }
    }
    while reporting.tasks.join_next().await.is_some() {}
}

/// When to look again.
fn failed(error: &StoreError) -> Moment {
    tracing::error!(station = "commit", %error, "the index cannot be read or written");
    Moment::now().plus(FAULT)
}

impl Reporting {
    /// What is due; when to look again.
    async fn turn(&mut self) -> Result<Option<Moment>, StoreError> {
        let (store, now) = (&self.commit.store, Moment::now());
        let due = store.promises_due(now).await?;
        let mut by_peer: BTreeMap<String, Vec<Promise>> = BTreeMap::new();
        for promise in due.into_iter().filter(|promise| !self.busy.contains(&promise.peer)) {
            by_peer.entry(promise.peer.clone()).or_default().push(promise);
        }
        for (peer, promises) in by_peer {
            self.busy.insert(peer.clone());
            let (commit, stop) = (self.commit.clone(), self.stop.clone());
            self.tasks.spawn(async move { (peer, tell(&commit, &promises, &stop).await) });
        }
        let next = self.commit.store.next_promise_due().await?;
        let earliest = if self.busy.is_empty() { now } else { now.plus(BUSY) };
        Ok(next.map(|next| next.max(earliest)))
    }

    async fn is_done(&mut self, done: Result<(String, Result<(), StoreError>), JoinError>) {
        match done {
            Ok((peer, told)) => {
                self.busy.remove(&peer);
                if let Err(error) = told {
                    failed(&error);
                    tokio::time::sleep(FAULT).await;
                }
            }
            Err(error) => {
                // Whose it was is not known any more: what is told twice does no harm.
                self.busy.clear();
                tracing::error!(station = "commit", %error, "a report fell over");
            }
        }
    }
}

/// What is due for one peer.
async fn tell(
    commit: &Commit,
    promises: &[Promise],
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let mut away = None;
    for promise in promises {
        // A peer that is away is called once for all of them.
        let settling = settle(commit, promise, away.as_deref());
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            done = settling => away = done?,
        }
    }
    Ok(())
}

/// Why the peer cannot be told, if it cannot.
async fn settle(
    commit: &Commit,
    promise: &Promise,
    away: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let here = commit.store.are_here(&promise.instances).await?;
    let mut report = Report {
        transaction: promise.transaction.clone(),
        committed: Vec::new(),
        failed: Vec::new(),
    };
    for (taken, here) in promise.instances.iter().zip(here) {
        let (sop_class, sop_instance) = (taken.sop_class.clone(), taken.sop_instance.clone());
        let reference = Reference { sop_class, sop_instance };
        match here {
            Here::Yes => report.committed.push(reference),
            Here::OtherClass => report.failed.push((reference, CLASS_INSTANCE_CONFLICT)),
            Here::No => report.failed.push((reference, NO_SUCH_INSTANCE)),
        }
    }
    let (committed, failed) = (report.committed.len(), report.failed.len());
    let now = Moment::now();
    let sent = match away {
        Some(why) => Err(why.to_owned()),
        None => send(commit, promise, &report).await,
    };
    match sent {
        Ok(()) => {
            tracing::info!(station = "commit", peer = promise.peer, committed, failed, "reported");
            commit.store.promise_reported(promise, committed, failed, now).await?;
            Ok(None)
        }
        Err(why) => {
            let old = now.since(promise.asked_at) > commit.config.deliver.give_up_after;
            let last = PAUSES.len() - 1;
            let pause = PAUSES[(promise.attempts as usize).min(last)];
            tracing::warn!(
                station = "commit",
                peer = promise.peer,
                why,
                "the report does not arrive"
            );
            let again = (!old).then(|| now.plus(pause));
            commit.store.promise_not_reported(promise, &why, again).await?;
            Ok(Some(why))
        }
    }
}

async fn send(commit: &Commit, promise: &Promise, report: &Report) -> Result<(), String> {
    let peer = commit.config.peers.values().find(|peer| peer.ae_title.as_str() == promise.peer);
    let peer = peer.ok_or("the peer is not in the configuration any more")?;
    let mut association = commit.open(peer, COMMITMENT, true).await?;
    let answered = association.report(report).await.map_err(|error| error.to_string());
    if answered.is_ok() {
        association.release().await;
    }
    match answered? {
        status::SUCCESS => Ok(()),
        other => Err(format!("{other:04X}: the peer does not take the report")),
    }
}
