//! Station commit: peers promise to keep what they took, and this node promises what it keeps (PS3.4 annex J).

mod ask;
mod report;

use crate::admission::Admission;
use crate::config::Config;
use crate::dimse::commitment::{self, COMMITMENT};
use crate::dimse::requestor::Proposed;
use crate::dimse::service::Caller;
use crate::dimse::status;
use crate::ledger::{self, Ledger};
use crate::reach::Reach;
use crate::transcode;
use gantry_store::events::Event;
use gantry_store::proofs::{Settled, Taken};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What came last may not be in the index yet when it is asked for.
const REPORT_AFTER: Duration = Duration::from_secs(2);
/// When the index cannot be read or written.
const FAULT: Duration = Duration::from_secs(1);

/// The node as SCU and SCP of storage commitment.
pub struct Commit {
    pub config: Arc<Config>,
    pub store: Store,
    pub reach: Reach,
}

impl Commit {
    /// Until told to stop. Each peer is asked by a task of its own, so that none waits for another.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let asked = self.config.peers.values().filter(|peer| peer.commitment);
        let asked: Vec<&str> = asked.map(|peer| peer.ae_title.as_str()).collect();
        match self.store.proofs_waived(&asked).await {
            Ok(0) => {}
            Ok(waived) => {
                tracing::info!(station = "commit", waived, "no promise is waited for any more");
            }
            Err(error) => {
                tracing::error!(station = "commit", %error, "the index cannot be written")
            }
        }
        for peer in self.config.peers.values().filter(|peer| peer.commitment) {
            tasks.spawn(ask::run(self.clone(), peer.clone(), stop.clone()));
        }
        tasks.spawn(report::run(self.clone(), stop));
        while tasks.join_next().await.is_some() {}
    }
}

fn proposed() -> Option<[Proposed; 1]> {
    let sop_class = Uid::parse(COMMITMENT).ok()?;
    Some([Proposed { sop_class, transfer_syntaxes: transcode::uncompressed() }])
}

/// A request of a peer: taken down, and reported on an association of this node's own.
pub(crate) async fn asked(
    admission: &Admission,
    store: &Store,
    ledger: &Ledger,
    caller: &Caller,
    request: commitment::Request,
) -> u16 {
    let peer = caller.calling.to_string();
    if !admission.can_be_called(&caller.calling) {
        let text = format!(
            "{peer} asks for storage commitment, and this node cannot report to it: give its [[peer]] an address"
        );
        ledger.event(ledger::event("storage commitment refused", Some(peer), text));
        return commitment::PROCESSING_FAILURE;
    }
    let instances: Vec<Taken> = request.references.into_iter().map(taken).collect();
    let (now, transaction) = (Moment::now(), &request.transaction);
    let report_at = now.plus(REPORT_AFTER);
    match store.promise_asked(&peer, transaction, &instances, now, report_at).await {
        Ok(()) => status::SUCCESS,
        Err(error) => {
            tracing::error!(station = "commit", %error, "a request could not be taken down");
            commitment::RESOURCE_LIMITATION
        }
    }
}

/// A report of a peer on what this node asked for.
pub(crate) async fn told(store: &Store, peer: &str, report: commitment::Report) -> u16 {
    let commitment::Report { transaction, committed, failed } = report;
    let committed: Vec<Uid> = committed.into_iter().map(|one| one.sop_instance).collect();
    let failed: Vec<(Uid, String)> =
        failed.into_iter().map(|(one, why)| (one.sop_instance, in_words(why))).collect();
    let now = Moment::now();
    match store.proofs_reported(peer, &transaction, &committed, &failed, now).await {
        Ok(settled) => {
            tell(store, peer, &settled, "the peer reports that it does not keep them").await;
            status::SUCCESS
        }
        Err(error) => {
            tracing::error!(station = "commit", peer, %error, "a report could not be taken down");
            commitment::RESOURCE_LIMITATION
        }
    }
}

/// Log, and an event where something is sent again.
async fn tell(store: &Store, peer: &str, settled: &Settled, why: &str) {
    let Settled { proven, lost, parked } = *settled;
    if proven > 0 {
        tracing::info!(station = "commit", peer, proven, "the peer keeps what it took");
    }
    if lost + parked == 0 {
        return;
    }
    tracing::warn!(station = "commit", peer, lost, parked, why, "instances are not committed");
    let text = format!(
        "{lost} instances are sent to {peer} again, {parked} were sent too often and are parked: {why}"
    );
    let event = Event {
        station: "commit".into(),
        kind: "instances not committed".into(),
        subject: Some(peer.to_owned()),
        text,
    };
    if let Err(error) = store.note(event).await {
        tracing::error!(%error, "the event could not be noted");
    }
}

/// Failure Reason (0008,1197), PS3.3 C.14.1.1.
fn in_words(reason: u16) -> String {
    let words = match reason {
        commitment::PROCESSING_FAILURE => "the peer failed to process it",
        commitment::NO_SUCH_INSTANCE => "the peer does not have it",
        commitment::CLASS_INSTANCE_CONFLICT => "the peer has it under another SOP class",
        0x0122 => "the peer does not commit to its SOP class",
        commitment::DUPLICATE_TRANSACTION => "the peer had the transaction before",
        commitment::RESOURCE_LIMITATION => "the peer is out of resources",
        _ => "the peer does not keep it, for a reason of its own",
    };
    format!("{reason:04X}: {words}")
}

fn taken(reference: commitment::Reference) -> Taken {
    Taken { sop_class: reference.sop_class, sop_instance: reference.sop_instance }
}
