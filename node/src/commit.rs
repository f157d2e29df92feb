//! Station commit: peers promise to keep what they took, or are asked whether they have it, and this node promises what it keeps
//! (PS3.4 annexes J and C).

mod ask;
mod find;
mod report;

use crate::admission::Admission;
use crate::audit::Audit;
use crate::audit::events::{self, Somebody};
use crate::config::{Config, Peer, Proof};
use crate::dimse::commitment;
use crate::dimse::requestor::{Association, Proposed, RequestError, Target};
use crate::dimse::service::Caller;
use crate::dimse::status;
use crate::ledger::{self, Ledger};
use crate::reach::Reach;
use crate::transcode;
use gantry_store::error::StoreError;
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

/// The node as SCU and SCP of storage commitment, and as SCU of queries for what peers took.
pub struct Commit {
    pub config: Arc<Config>,
    pub store: Store,
    pub reach: Reach,
    pub audit: Audit,
}

impl Commit {
    /// Until told to stop. Each peer is asked by a task of its own, so that none waits for another.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        if let Err(error) = self.begin().await {
            tracing::error!(station = "commit", %error, "the index cannot be written");
        }
        for peer in self.config.peers.values() {
            let (commit, stop) = (self.clone(), stop.clone());
            match &peer.proof {
                Some(Proof::Commitment) => tasks.spawn(ask::run(commit, peer.clone(), stop)),
                Some(Proof::Find { at }) => {
                    let title = peer.ae_title.to_string();
                    let Some(at) = self.config.peers.get(at).cloned() else { continue };
                    tasks.spawn(find::run(commit, title, at, stop))
                }
                None => continue,
            };
        }
        tasks.spawn(report::run(self.clone(), stop));
        while tasks.join_next().await.is_some() {}
    }

    /// What an admin changed in the configuration since.
    async fn begin(&self) -> Result<(), StoreError> {
        let peers = self.config.peers.values();
        let (prove, seek): (Vec<&str>, Vec<&str>) = {
            let titled = peers.filter(|peer| peer.proof.is_some());
            let titled: Vec<&str> = titled.map(|peer| peer.ae_title.as_str()).collect();
            let seek = titled.iter().copied().filter(|peer| self.config.seeks(peer)).collect();
            (titled, seek)
        };
        let waived = self.store.proofs_waived(&prove).await?;
        if waived > 0 {
            tracing::info!(station = "commit", waived, "no proof is waited for any more");
        }
        self.store.sought_from_now_on(&seek).await
    }

    /// An association for one SOP class with the peer; why there is none.
    async fn open(
        &self,
        peer: &Peer,
        sop_class: &str,
        reports: bool,
    ) -> Result<Association, String> {
        open(&self.reach, &self.audit, peer, sop_class, reports).await
    }
}

/// The same for whoever asks a peer something.
pub(crate) async fn open(
    reach: &Reach,
    audit: &Audit,
    peer: &Peer,
    sop_class: &str,
    reports: bool,
) -> Result<Association, String> {
    let sop_class = Uid::parse(sop_class).map_err(|error| error.to_string())?;
    let target = reach.target(peer).await?;
    let target = Target { reports, ..target };
    let transfer_syntaxes = transcode::uncompressed();
    let proposed = [Proposed { sop_class: sop_class.clone(), transfer_syntaxes }];
    let association = Association::request(&target, &proposed).await.map_err(|error| {
        tell_if_unknown(audit, peer, &error);
        error.to_string()
    })?;
    match association.refusal(&sop_class) {
        None => Ok(association),
        Some(why) => {
            association.release().await;
            Err(why.into())
        }
    }
}

/// An alert when TLS says that the peer is another one, or the peer says so of this node.
pub(crate) fn tell_if_unknown(audit: &Audit, peer: &Peer, error: &RequestError) {
    if let RequestError::Tls { why, .. } = error {
        let who = Somebody { title: peer.ae_title.to_string(), address: None };
        audit.tell(|this| events::not_authenticated(this, &who, why));
    }
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
    tracing::warn!(
        station = "commit",
        peer,
        lost,
        parked,
        why,
        "instances are not kept by the peer"
    );
    let text = format!(
        "{lost} instances are sent to {peer} again, {parked} were sent too often and are parked: {why}"
    );
    let event = Event {
        station: "commit".into(),
        kind: "instances not kept".into(),
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
