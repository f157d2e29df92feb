//! As SCU: a peer is asked for what it took, in requests of some hundred instances, and waited for.

use super::{Commit, FAULT, tell, told};
use crate::config::Peer;
use crate::dimse::commitment::{COMMITMENT, Reference, Request};
use crate::dimse::status;
use gantry_routing::wait::sleep_until;
use gantry_store::error::StoreError;
use gantry_store::proofs::Taken;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Instances of one request.
const BATCH: u32 = 500;
/// What is due so soon goes along.
const ALONG: Duration = Duration::from_secs(5);
/// Some peers report on the association that asked them, if it is still there.
const LINGER: Duration = Duration::from_secs(3);

pub(super) async fn run(commit: Arc<Commit>, peer: Peer, stop: CancellationToken) {
    let title = peer.ae_title.to_string();
    let mut failures = 0;
    while !stop.is_cancelled() {
        let mut bell = commit.store.bell();
        bell.borrow_and_update();
        let until = match turn(&commit, &peer, &title, &mut failures, &stop).await {
            Ok(until) => until,
            Err(error) => {
                tracing::error!(station = "commit", peer = title, %error, "the index cannot be read or written");
                Some(Moment::now().plus(FAULT))
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = bell.changed() => {}
            () = sleep_until(until) => {}
        }
    }
}

/// What is due; when to look again.
async fn turn(
    commit: &Commit,
    peer: &Peer,
    title: &str,
    failures: &mut u32,
    stop: &CancellationToken,
) -> Result<Option<Moment>, StoreError> {
    let store = &commit.store;
    let now = Moment::now();
    let overdue = store.proofs_overdue(title, now).await?;
    tell(store, title, &overdue, "it did not report in time").await;
    let due = store.next_proof_due(title).await?;
    if due.is_none_or(|due| due > now) {
        return Ok(due);
    }
    let wanted = store.proofs_wanted(title, now.plus(ALONG), BATCH).await?;
    if wanted.is_empty() {
        return Ok(due);
    }
    // The row first: a report that comes on an association of its own finds it there.
    let (moment, chance) = (now.0.to_string(), rand::rng().random::<u64>().to_string());
    let transaction = Uid::derived(&["storage commitment", title, &moment, &chance]);
    let until = now.plus(commit.config.deliver.commitment);
    store.proofs_asked(title, &transaction, &wanted, until).await?;
    let asking = ask(commit, peer, title, &transaction, &wanted);
    let asked = tokio::select! {
        asked = asking => asked,
        () = stop.cancelled() => Err("the node stopped".into()),
    };
    match asked {
        Ok(()) => *failures = 0,
        Err(why) => {
            *failures += 1;
            let pause = crate::deliver::pause(&commit.config.deliver, *failures);
            tracing::warn!(
                station = "commit",
                peer = title,
                why,
                "storage commitment could not be asked for"
            );
            store.proofs_not_asked(&transaction, &why, Moment::now().plus(pause)).await?;
        }
    }
    store.next_proof_due(title).await
}

async fn ask(
    commit: &Commit,
    peer: &Peer,
    title: &str,
    transaction: &Uid,
    wanted: &[Taken],
) -> Result<(), String> {
    let opened = commit.open(peer, COMMITMENT, false).await;
    let mut association = opened.map_err(|why| format!("storage commitment: {why}"))?;
    let references = wanted.iter().map(|taken| Reference {
        sop_class: taken.sop_class.clone(),
        sop_instance: taken.sop_instance.clone(),
    });
    let request = Request { transaction: transaction.clone(), references: references.collect() };
    let answer = association.ask_to_commit(&request).await.map_err(|error| error.to_string())?;
    if answer != status::SUCCESS {
        association.release().await;
        return Err(format!("{answer:04X}: the peer does not take the request"));
    }
    let taken = async |report| told(&commit.store, title, report).await;
    // Whatever becomes of this association now: the request was taken, and the report may come on another one.
    if let Ok(_heard) = association.next_report(LINGER, taken).await {
        association.release().await;
    }
    Ok(())
}
