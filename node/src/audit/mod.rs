//! The audit trail (PS3.15 A.5): what is told goes into a bounded queue, from there to disk, and from disk to a collector.
//!
//! Whoever tells never waits: where the disk does not keep up, messages are counted instead, and the trail says so.

mod alerts;
pub mod code;
pub mod commands;
pub mod events;
mod forward;
mod message;
pub mod receiving;
mod recorder;
mod state;
pub mod this;
pub mod told;
mod trail;
mod transfers;
pub mod used;
mod xml;

use crate::config::{AuditConfig, Config};
use crate::tls::Tls;
use forward::Forward;
use gantry_store::events::Event;
use gantry_store::store::Store;
use message::Message;
pub use message::{Action, LifeCycle, Outcome};
use recorder::{Entry, Recorder};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use this::This;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use trail::Limits;
use trail::Trail;
pub use transfers::{How, Instance, Transfers};

/// Messages that may wait for the disk; what is beyond is counted only.
const QUEUED: usize = 4096;
/// For what the queue still holds when the node stops.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Cheap to clone. Without `[audit]` it takes nothing.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Told>>);

struct Told {
    this: This,
    queue: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
    /// What has to ask the index before it can tell.
    asking: TaskTracker,
}

/// What works behind it, until the node stops.
pub struct Recording {
    audit: Audit,
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
    /// Where there is a collector.
    forward: Option<JoinHandle<()>>,
}

impl Audit {
    /// Nothing without `[audit]`. What cannot be written at the start stops the start.
    pub fn open(
        config: &Config,
        store: &Store,
        tls: Option<&Arc<Tls>>,
    ) -> io::Result<(Self, Option<Recording>)> {
        let Some(written) = &config.audit else { return Ok((Self::default(), None)) };
        let this = This::of(config, written);
        let trail = Trail::new(&written.folder, written.limits);
        trail.append("")?;
        let (queue, entries) = sync_channel(QUEUED);
        let (lost, bell) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let recorder = Recorder {
            this: this.clone(),
            trail,
            lost: lost.clone(),
            bell: bell.clone(),
            notes: Notes::of(store),
        };
        let thread = std::thread::Builder::new();
        let thread = thread.name("gantry-audit".into()).spawn(move || recorder.run(&entries))?;
        let stop = CancellationToken::new();
        let forward = written.syslog.clone().zip(tls.cloned()).map(|(collector, tls)| {
            let folder = written.folder.clone();
            let forward = Forward { folder, collector, tls, bell, notes: Notes::of(store) };
            tokio::spawn(forward.run(stop.clone()))
        });
        let told = Told { this, queue, lost, asking: TaskTracker::new() };
        let audit = Self(Some(Arc::new(told)));
        Ok((audit.clone(), Some(Recording { audit, stop, thread, forward })))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn this(&self) -> Option<&This> {
        self.0.as_ref().map(|told| &told.this)
    }

    /// For what has to ask the index before it can tell.
    fn spawn(&self, asking: impl Future<Output = ()> + Send + 'static) {
        if let Some(told) = &self.0 {
            told.asking.spawn(asking);
        }
    }

    /// Until all that was asked is told. Nothing more may come then.
    pub async fn settled(&self) {
        if let Some(told) = &self.0 {
            told.asking.close();
            told.asking.wait().await;
        }
    }

    /// The same of several.
    pub fn tell_all(&self, make: impl FnOnce(&This) -> Vec<Message>) {
        let messages = self.this().map(make).unwrap_or_default();
        messages.into_iter().for_each(|message| self.tell(|_| message));
    }

    /// Never waits.
    pub fn tell(&self, make: impl FnOnce(&This) -> Message) {
        let Some(told) = &self.0 else { return };
        if told.queue.try_send(Entry::Message(Box::new(make(&told.this)))).is_err() {
            told.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Recording {
    /// Writes what was told, and gives the collector a moment to take it; what it does not take it gets after the next
    /// start.
    pub async fn stop(self) {
        if let Some(told) = &self.audit.0 {
            let queue = told.queue.clone();
            let last = tokio::task::spawn_blocking(move || {
                let _ = queue.send(Entry::Stop);
                let _ = self.thread.join();
            });
            if tokio::time::timeout(LAST_WAIT, last).await.is_err() {
                tracing::error!(
                    station = "audit",
                    "the last messages could not be written in time"
                );
            }
        }
        self.stop.cancel();
        if let Some(forward) = self.forward {
            let _ = forward.await;
        }
    }
}

/// Events for the admin, from wherever they come.
#[derive(Clone)]
struct Notes {
    store: Store,
    runtime: tokio::runtime::Handle,
}

impl Notes {
    fn of(store: &Store) -> Self {
        Self { store: store.clone(), runtime: tokio::runtime::Handle::current() }
    }

    fn note(&self, kind: &str, text: String) {
        let (store, kind) = (self.store.clone(), kind.to_owned());
        self.runtime.spawn(async move {
            let event = Event { station: "audit".into(), kind, subject: None, text };
            if let Err(error) = store.note(event).await {
                tracing::error!(%error, "the event could not be noted");
            }
        });
    }
}

/// For a command beside the node or without one: it is not done when it cannot be told.
pub fn record(config: &Config, make: impl FnOnce(&This) -> Vec<Message>) -> io::Result<()> {
    let Some(written) = &config.audit else { return Ok(()) };
    let this = This::of(config, written);
    let lines: String = make(&this).iter().map(|one| this.line(one) + "\n").collect();
    written_by(written, &lines).map_err(|error| {
        let folder = written.folder.display();
        io::Error::new(
            error.kind(),
            format!("the audit trail in {folder} cannot be written: {error}"),
        )
    })
}

fn written_by(audit: &AuditConfig, lines: &str) -> io::Result<()> {
    Trail::new(&audit.folder, audit.limits).append(lines).map(drop)
}
