//! The ledger of associations and of what was not kept: lets nobody wait, and writes in batches.

use crate::dimse::record::{ContextRecord, End, OFFERED, Record, Side, Tally};
use crate::dimse::service::Security;
use gantry_store::associations::{AssociationRow, Contexts, Outcome};
use gantry_store::events::Event;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Entries that may wait to be written; what is beyond is counted only.
const QUEUED: usize = 4096;
/// Entries of one transaction at most.
const BATCH: usize = 512;
/// How long a transaction waits to be filled.
const GATHERING: Duration = Duration::from_secs(1);
/// Events of one kind in one transaction at most: whoever hammers at the port must not push out all others.
const TOLD: usize = 10;
/// What is named of an association at most: anybody may offer whatever he likes.
const GROUPS: usize = 8;
const CLASSES: usize = 64;

/// Cheap to clone. The task that writes ends when every clone is gone.
#[derive(Clone)]
pub struct Ledger {
    entries: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

enum Entry {
    Association(Box<AssociationRow>),
    Event(Event),
}

impl Ledger {
    pub fn open(store: Store) -> (Self, JoinHandle<()>) {
        let (entries, queue) = mpsc::channel(QUEUED);
        let lost = Arc::new(AtomicU64::new(0));
        let writing = tokio::spawn(write(queue, store, lost.clone()));
        (Self { entries, lost }, writing)
    }

    pub fn association(&self, row: AssociationRow) {
        self.put(Entry::Association(Box::new(row)));
    }

    pub fn event(&self, event: Event) {
        self.put(Entry::Event(event));
    }

    fn put(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(mut queue: mpsc::Receiver<Entry>, store: Store, lost: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let until = Instant::now() + GATHERING;
        while batch.len() < BATCH {
            let more = BATCH - batch.len();
            match timeout_at(until, queue.recv_many(&mut batch, more)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let (mut ended, mut told) = (Vec::new(), Vec::new());
        for entry in batch.drain(..) {
            match entry {
                Entry::Association(row) => ended.push(*row),
                Entry::Event(event) => told.push(event),
            }
        }
        shorten(&mut told);
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => told.push(gap(lost)),
        }
        if let Err(error) = store.record_associations(&ended, &told).await {
            tracing::error!(station = "receive", %error, lost = ended.len() + told.len(), "associations and events could not be recorded");
        }
    }
}

/// Of many of a kind at once the first are told, and how many more there were.
fn shorten(told: &mut Vec<Event>) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    told.retain(|event| {
        let count = kinds.entry(event.kind.clone()).or_default();
        *count += 1;
        *count <= TOLD
    });
    let more = kinds.iter().filter(|(_, count)| **count > TOLD);
    let more: Vec<String> = more.map(|(kind, count)| format!("{} {kind}", count - TOLD)).collect();
    if !more.is_empty() {
        let text = format!(
            "more in the same second: {}; the log names them, and `gantry associations` those of \
             associations",
            more.join(", ")
        );
        told.push(event("more of the same", None, text));
    }
}

fn gap(lost: u64) -> Event {
    let text = format!("{lost} ends of associations and events came too fast to be recorded");
    event("associations not recorded", None, text)
}

/// Of whatever comes in.
pub fn event(kind: &str, subject: Option<String>, text: String) -> Event {
    Event { station: "receive".into(), kind: kind.into(), subject, text }
}

/// The row of a record, `hint` behind its explanation.
pub fn row(record: &Record, hint: &str) -> AssociationRow {
    let Record { began, address, calling, called, implementation, .. } = record.clone();
    let Tally { objects, bytes, statuses, move_originator } = &record.stored;
    let moved = move_originator.as_ref();
    let moved = moved.map(|by| format!("; by a C-MOVE of {}", by.ae_title)).unwrap_or_default();
    let over = match record.security {
        Security::Tls { version, .. } => format!("; over {version}"),
        Security::None => String::new(),
    };
    AssociationRow {
        began,
        ended: Moment::now(),
        address: address.to_string(),
        calling,
        called,
        implementation,
        contexts: grouped(&record.contexts),
        outcome: outcome(&record.end),
        kind: record.end.kind(),
        explanation: format!("{}{moved}{over}{hint}", explanation(&record.end)),
        objects: *objects,
        bytes: *bytes,
        statuses: statuses.iter().map(|(code, count)| (format!("{code:04X}"), *count)).collect(),
    }
}

/// How it ended, in words.
pub fn explanation(end: &End) -> String {
    match end {
        End::Released => "released".into(),
        End::BrokenOff { by: Side::Peer, why } => format!("broken off by the peer: {why}"),
        End::BrokenOff { by: Side::Node, why } => format!("broken off by the node: {why}"),
        End::BrokenOff { by: Side::Network, why } => format!("connection lost: {why}"),
        End::Refused(refusal) => refusal.described().into(),
        End::NotAsked(why) => why.clone(),
        End::NotSecured(why) => format!("TLS: {why}"),
    }
}

fn outcome(end: &End) -> Outcome {
    match end {
        End::Released => Outcome::Released,
        End::BrokenOff { .. } => Outcome::BrokenOff,
        End::Refused(_) | End::NotAsked(_) | End::NotSecured(_) => Outcome::Refused,
    }
}

/// Contexts that were offered and answered alike stand together. What breaks the rules of a UID is
/// not repeated.
fn grouped(contexts: &[ContextRecord]) -> Vec<Contexts> {
    let mut groups: Vec<Contexts> = Vec::new();
    let mut named = 0;
    for context in contexts {
        let offered = context.offered.iter().take(OFFERED).map(|syntax| shown(syntax)).collect();
        let alike = Contexts {
            offered,
            accepted: context.answer.as_ref().and_then(|answer| answer.as_ref().ok()).cloned(),
            reason: match context.answer {
                Some(Err(reason)) => reason.into(),
                _ => String::new(),
            },
            ..Contexts::default()
        };
        let is_alike = |group: &Contexts| {
            (&group.offered, &group.accepted, &group.reason)
                == (&alike.offered, &alike.accepted, &alike.reason)
        };
        let at = groups.iter().position(is_alike).unwrap_or_else(|| {
            if groups.len() < GROUPS {
                groups.push(alike);
            }
            groups.len() - 1
        });
        let sop_class = shown(&context.sop_class);
        let group = &mut groups[at];
        if group.sop_classes.contains(&sop_class) {
            continue;
        }
        named += 1;
        if named <= CLASSES {
            group.sop_classes.push(sop_class);
        } else {
            group.more += 1;
        }
    }
    groups
}

fn shown(uid: &str) -> String {
    Uid::parse(uid).map_or_else(|_| "(no UID)".into(), |uid| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(class: &str, offered: &[&str], answer: Result<&str, &'static str>) -> ContextRecord {
        ContextRecord {
            sop_class: class.into(),
            offered: offered.iter().map(ToString::to_string).collect(),
            answer: Some(answer.map(String::from)),
        }
    }

    #[test]
    fn classes_that_were_offered_and_answered_alike_stand_together() {
        let contexts = [
            context("1.1", &["1.2.840.10008.1.2"], Ok("1.2.840.10008.1.2")),
            context("1.2", &["1.2.840.10008.1.2"], Ok("1.2.840.10008.1.2")),
            context("DOE^JOHN", &["x"], Err("SOP class not supported (3)")),
        ];
        let groups = grouped(&contexts);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].sop_classes, ["1.1", "1.2"]);
        assert_eq!(groups[0].accepted.as_deref(), Some("1.2.840.10008.1.2"));
        assert_eq!(groups[1].sop_classes, ["(no UID)"]);
        assert_eq!(groups[1].offered, ["(no UID)"]);
        assert_eq!(groups[1].reason, "SOP class not supported (3)");
    }

    #[test]
    fn of_many_events_at_once_the_first_are_told_and_the_others_counted() {
        let some = |count: usize| vec![event("refused", None, "who".into()); count];
        for (came, kept) in [(0, 0), (10, 10), (11, 11), (500, 11)] {
            let mut told = some(came);
            shorten(&mut told);
            assert_eq!(told.len(), kept, "{came}");
        }
        let mut told = some(500);
        shorten(&mut told);
        assert!(told[10].text.contains("second: 490 refused;"));
    }

    #[test]
    fn what_is_offered_to_fill_the_table_does_not_fill_it() {
        let syntaxes: Vec<String> = (1..500).map(|n| format!("1.3.{n}")).collect();
        let offered: Vec<&str> = syntaxes.iter().map(String::as_str).collect();
        let contexts: Vec<ContextRecord> =
            (0..128).map(|n| context(&format!("1.2.{n}"), &offered[n..], Err("no"))).collect();
        let groups = grouped(&contexts);
        assert_eq!(groups.len(), GROUPS);
        let named: usize = groups.iter().map(|group| group.sop_classes.len()).sum();
        let more: u32 = groups.iter().map(|group| group.more).sum();
        assert_eq!((named, more), (CLASSES, 64));
        assert!(groups.iter().all(|group| group.offered.len() <= OFFERED));
    }
}
