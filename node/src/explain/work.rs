//! What followed from the decisions: jobs with the time of each step, results, and deliveries.

use super::{Explainer, named, when};
use crate::config::Config;
use crate::deliver::minute_of_day;
use dicom_core::dictionary::UidDictionary;
use dicom_dictionary_std::StandardSopClassDictionary;
use gantry_store::error::StoreError;
use gantry_store::jobs::{JobRow, JobState, Role};
use gantry_store::outbox::peers::{PeerState, Trouble};
use gantry_store::outbox::{DeliveryRow, DeliveryState, InsteadOf, Proof, told};
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;

/// What is known of the peers beside their deliveries.
pub(crate) struct PeersNow<'a> {
    pub(crate) states: Vec<PeerState>,
    pub(crate) config: &'a Config,
}

impl Explainer<'_> {
    pub(super) async fn tell_jobs(
        &self,
        text: &mut String,
        jobs: &[JobRow],
    ) -> Result<(), StoreError> {
        for job in jobs {
            tell_job(text, job);
            for result in &job.results {
                self.tell_evicted(text, result).await?;
            }
        }
        Ok(())
    }

    /// Many of one kind are told together, unless each image is to be named.
    pub(super) async fn tell_deliveries(
        &self,
        text: &mut String,
        deliveries: &[DeliveryRow],
    ) -> Result<(), StoreError> {
        let peers = PeersNow { states: self.reader.peer_states().await?, config: self.config };
        let mut kinds: BTreeMap<String, Vec<&DeliveryRow>> = BTreeMap::new();
        for delivery in deliveries {
            kinds.entry(kind(delivery)).or_default().push(delivery);
        }
        for alike in kinds.values() {
            match alike.as_slice() {
                [first, .., last] if alike.len() > TOGETHER && !self.images => {
                    text.push_str(&format!(
                        "  deliver   {} instances to {}{}, such as {}: {}\n",
                        alike.len(),
                        first.peer,
                        changes(first),
                        first.sop_instance,
                        fate(last, &peers)
                    ));
                }
                _ => alike.iter().for_each(|delivery| tell_delivery(text, delivery, &peers)),
            }
        }
        Ok(())
    }
}

/// So many deliveries that only differ in what they carry are told one by one.
const TOGETHER: usize = 5;

/// What deliveries have in common that are told together.
fn kind(delivery: &DeliveryRow) -> String {
    let state = match delivery.state {
        DeliveryState::Delivered => 0,
        DeliveryState::Queued => 1,
        DeliveryState::Parked => 2,
        DeliveryState::Dropped => 3,
    };
    let reason = delivery.reason.as_deref().unwrap_or_default();
    let is_result = delivery.job.is_some();
    format!(
        "{is_result} {} {state} {:?} {:?} {reason}{}{}",
        delivery.peer,
        delivery.status,
        delivery.proof.map(|proof| std::mem::discriminant(&proof)),
        changes(delivery),
        instead(delivery)
    )
}

/// Where the peer did not take the SOP class of a result: what goes in its place, and why.
pub(crate) fn instead(delivery: &DeliveryRow) -> String {
    let Some(InsteadOf { result, sop_class, why }) = &delivery.instead else {
        return String::new();
    };
    let class = sop_class.as_ref().map(Uid::as_str).unwrap_or_default();
    let class = StandardSopClassDictionary.by_uid(class).map_or(class, |known| known.name);
    format!(" as {class} in the place of {result} ({why})")
}

fn changes(delivery: &DeliveryRow) -> String {
    match delivery.changes.is_empty() {
        true => String::new(),
        false => format!(" (with changes: {})", told(&delivery.changes)),
    }
}

pub(crate) fn fate(delivery: &DeliveryRow, peers: &PeersNow<'_>) -> String {
    let reason = delivery.reason.as_deref().unwrap_or_default();
    match delivery.state {
        DeliveryState::Delivered => format!(
            "delivered at {} with {:04X}{}",
            delivery.delivered_at.map(when).unwrap_or_default(),
            delivery.status.unwrap_or_default(),
            match delivery.proof {
                None => String::new(),
                Some(Proof::Committed(at)) => format!(", committed at {}", when(at)),
                Some(Proof::Found(at)) => format!(", found at the peer at {}", when(at)),
                Some(Proof::Owed) if peers.config.seeks(&delivery.peer) => {
                    ", not found at the peer yet".into()
                }
                Some(Proof::Owed) => ", not committed yet".into(),
            }
        ),
        DeliveryState::Queued => queued(delivery, peers),
        DeliveryState::Parked => format!("parked, an admin must act: {reason}"),
        DeliveryState::Dropped => match &delivery.dropped {
            Some((at, said)) => format!("dropped at {} by {}: {}", when(*at), said.by, said.why),
            None => "dropped".into(),
        },
    }
}

/// What the peer waits for comes before what this one does.
fn queued(delivery: &DeliveryRow, peers: &PeersNow<'_>) -> String {
    let since = format!("queued since {}", when(delivery.queued_at));
    let peer = peers.states.iter().find(|state| state.peer == delivery.peer);
    if let Some(at) = delivery.leased_at {
        return format!("{since}, on its way since {}", when(at));
    }
    if let Some((at, said)) = peer.and_then(|state| state.paused.as_ref()) {
        return format!("{since}; the peer is paused since {} by {}", when(*at), said.by);
    }
    if let Some(times) = closed(peers.config, &delivery.peer) {
        return format!("{since}; the peer {times}");
    }
    if let Some(trouble) = peer.and_then(|state| state.trouble.as_ref()) {
        return format!("{since}; {}", in_trouble(trouble));
    }
    match (&delivery.reason, delivery.attempts) {
        (Some(reason), 1..) => {
            let (attempts, again) = (delivery.attempts, when(delivery.due_at));
            format!("tried {attempts} times, again at {again}: {reason}")
        }
        _ => since,
    }
}

/// When the node may deliver to the peer, in words, when it may not now.
pub(crate) fn closed(config: &Config, peer: &str) -> Option<String> {
    let (_, peer) = config.peers.iter().find(|(name, _)| name.as_str() == peer)?;
    if peer.is_open(minute_of_day()) {
        return None;
    }
    let times: Vec<String> = peer.between.iter().map(ToString::to_string).collect();
    Some(format!("gets deliveries between {}", times.join(" and ")))
}

/// Why nothing goes to a peer for now.
pub(crate) fn in_trouble(trouble: &Trouble) -> String {
    format!(
        "the peer was tried {} times since {}, again at {}: {}",
        trouble.failures,
        when(trouble.since),
        when(trouble.retry_at),
        trouble.reason
    )
}

fn tell_delivery(text: &mut String, delivery: &DeliveryRow, peers: &PeersNow<'_>) {
    text.push_str(&format!(
        "  deliver   {} to {}{}{}: {}\n",
        delivery.sop_instance,
        delivery.peer,
        instead(delivery),
        changes(delivery),
        fate(delivery, peers)
    ));
}

fn tell_job(text: &mut String, row: &JobRow) {
    let shadow = match row.job.role {
        Role::Shadow => ", beside the live version: nothing is sent",
        Role::Canary => ", canary: in the place of the live version",
        Role::Live if row.job.shadow => ", shadow: nothing is sent",
        Role::Live => "",
    };
    text.push_str(&format!(
        "  infer     {} for \"{}\", revision {}{shadow}: {}\n",
        named(&row.job),
        row.job.rule,
        row.job.revision,
        state(row)
    ));
    if let Some(failed) = &row.candidate_failed {
        text.push_str(&format!("            the candidate failed before: {failed}\n"));
    }
    for found in row.findings.iter().filter_map(|findings| findings.as_array()).flatten() {
        let word = |key: &str| found[key].as_str().unwrap_or_default().to_string();
        let said = found["presence"].as_str().or(found["answer"].as_str());
        let value = match (found["value"].as_f64(), said) {
            (Some(value), _) => format!("{value:.3} {}", word("unit")),
            (None, Some(said)) => said.to_string(),
            (None, None) => format!("no value {}", word("unit")),
        };
        text.push_str(&format!("            {}: {value}\n", word("concept")));
    }
    if let Some(earlier) = row.job.earlier.as_ref().filter(|_| row.state == JobState::Finished) {
        let named = earlier.documents.iter().map(|document| document.sop_instance.as_str());
        let named: Vec<&str> = named.collect();
        let named =
            if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
        text.push_str(&format!(
            "            supersedes the results of revision {}{named}\n",
            earlier.revision
        ));
    }
    for result in &row.results {
        let at = row.finished_at.map(|at| format!(" at {}", when(at))).unwrap_or_default();
        text.push_str(&format!("  compose   {result}{at}\n"));
    }
}

fn state(row: &JobRow) -> String {
    let reason = row.reason.as_deref().unwrap_or_default();
    let began = row.started_at.map(|at| format!(", begun at {}", when(at))).unwrap_or_default();
    match row.state {
        JobState::Queued if reason.is_empty() => {
            format!("queued since {}", when(row.job.decided_at))
        }
        JobState::Queued => format!("again at {}: {reason}", when(row.due_at)),
        JobState::Running => {
            format!("running ({}){began}", row.station.as_deref().unwrap_or("infer"))
        }
        JobState::Finished => format!(
            "finished at {}{began}, the model took {:.2} s",
            row.finished_at.map(when).unwrap_or_default(),
            row.seconds.unwrap_or_default()
        ),
        JobState::Failed => format!("failed: {reason}{began}"),
        JobState::Superseded => "overtaken: a later revision was decided first".to_string(),
    }
}
