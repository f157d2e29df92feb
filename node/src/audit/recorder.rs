//! The thread that writes the trail: in batches, again and again while the disk does not take them.

use super::Notes;
use super::alerts::Alerts;
use super::code;
use super::events::recording;
use super::message::Message;
use super::state::{self, Fault, Recorded};
use super::this::This;
use super::trail::Trail;
use chrono::Local;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Messages of one write.
const BATCH: usize = 256;
/// Between two tries, and between two looks at what is not told one by one.
const LOOK: Duration = Duration::from_secs(1);

pub(super) enum Entry {
    Message(Box<Message>),
    Stop,
}

pub(super) struct Recorder {
    pub this: This,
    pub trail: Trail,
    /// What found no place in the queue.
    pub lost: Arc<AtomicU64>,
    /// Rings when something was written.
    pub bell: Arc<Notify>,
    pub notes: Notes,
}

impl Recorder {
    pub fn run(self, queue: &Receiver<Entry>) {
        let mut alerts = Alerts::default();
        let mut recorded = state::recorded(&self.trail.folder);
        // Of a node that ended while it could not write.
        recorded.fault = None;
        let mut is_last = false;
        while !is_last {
            let came;
            (came, is_last) = next(queue);
            let told = came.iter().filter(|message| alerts.tells(message));
            let mut lines: Vec<String> = told.map(|message| self.this.line(message)).collect();
            let rest = alerts.rest(&self.this, Instant::now(), is_last);
            lines.extend(rest.map(|rest| self.this.line(&rest)));
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                lines.extend(self.hole(&mut recorded, lost, "it came too fast"));
            }
            if lines.is_empty() {
                continue;
            }
            self.write(&lines, &mut recorded, is_last);
            if let Some(Fault { since, why }) = recorded.fault.take() {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                let hole = self.hole(&mut recorded, lost, &format!("since {since}: {why}"));
                self.write(&hole, &mut recorded, is_last);
            }
        }
    }

    /// Until the disk takes them; what comes meanwhile waits in the queue as long as there is room. A node that stops
    /// tries once.
    fn write(&self, lines: &[String], recorded: &mut Recorded, is_last: bool) {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        loop {
            match self.trail.append(&text) {
                Ok(gone) => return self.written(&gone),
                Err(error) => self.failed(recorded, &error),
            }
            if is_last {
                let lost = lines.len();
                return tracing::error!(
                    station = "audit",
                    lost,
                    "messages are not in the audit trail"
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    fn written(&self, gone: &[u32]) {
        self.bell.notify_one();
        if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
            let text = format!("files {first} to {last} went: they were too old, or all too large");
            tracing::info!(station = "audit", text, "the oldest of the audit trail went");
            self.notes.note("audit files removed", text);
        }
    }

    /// Told once for as long as it lasts.
    fn failed(&self, recorded: &mut Recorded, error: &io::Error) {
        if recorded.fault.is_some() {
            return;
        }
        tracing::error!(station = "audit", %error, "the audit trail cannot be written; everything else goes on");
        self.notes
            .note("audit trail not written", format!("the audit trail cannot be written: {error}"));
        recorded.fault = Some(Fault { since: Local::now().to_rfc3339(), why: error.to_string() });
        self.keep(recorded);
    }

    /// What the trail says of what it lacks.
    fn hole(&self, recorded: &mut Recorded, lost: u64, why: &str) -> Vec<String> {
        recorded.lost += lost;
        self.keep(recorded);
        let text = format!("{lost} messages were not recorded: {why}");
        tracing::error!(station = "audit", lost, why, "the audit trail goes on");
        self.notes.note("audit trail goes on", text.clone());
        let kinds = [code::RECORDING_STOPPED, code::RECORDING_STARTED];
        kinds.map(|kind| self.this.line(&recording(&self.this, kind, &text))).into()
    }

    /// For `gantry status` and the metrics. On a disk that takes nothing the log has it.
    fn keep(&self, recorded: &Recorded) {
        if let Err(error) = state::keep_recorded(&self.trail.folder, recorded) {
            tracing::debug!(station = "audit", %error, "the state of the audit trail is not kept");
        }
    }
}

/// What is there, after a while at the latest; and whether nothing comes behind it.
fn next(queue: &Receiver<Entry>) -> (Vec<Message>, bool) {
    let mut messages = Vec::new();
    let mut entry = match queue.recv_timeout(LOOK) {
        Ok(entry) => Some(entry),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Entry::Stop),
    };
    while let Some(came) = entry {
        match came {
            Entry::Message(message) => messages.push(*message),
            Entry::Stop => return (messages, true),
        }
        entry = if messages.len() < BATCH { queue.try_recv().ok() } else { None };
    }
    (messages, false)
}
