//! Certificates that are renewed while the node runs, and those that end soon.

use super::material::Expiry;
use super::{Tls, expiries};
use crate::audit::{Audit, code, events};
use gantry_store::events::Event;
use gantry_store::store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. What changed has to stay the same from one look to the next: whoever renews
/// writes a certificate and a key, one behind the other.
const LOOK: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);
/// Certificates are warned of so long before they end, once a day.
pub(super) const WARNED_AHEAD: Duration = Duration::from_secs(30 * 86_400);

/// Length and time of each file; nothing of one that is not there.
type Stamps = Vec<Option<(u64, SystemTime)>>;

impl Tls {
    /// Takes changed files, by itself or by SIGHUP, and warns of certificates that end; until told to stop.
    pub async fn run(self: Arc<Self>, store: Store, audit: Audit, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "certificates are not renewed"),
        };
        let mut in_force = self.stamps();
        let mut seen = in_force.clone();
        let mut warn_at = Instant::now();
        while !stop.is_cancelled() {
            if Instant::now() >= warn_at {
                warn_at += DAY;
                self.warn(&store).await;
            }
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let now = self.stamps();
            let settled = now == std::mem::replace(&mut seen, now.clone());
            if asked || (settled && now != in_force) {
                in_force = now;
                self.take(&store, &audit).await;
                warn_at = Instant::now();
            }
        }
    }

    async fn take(&self, store: &Store, audit: &Audit) {
        let (kind, text) = match self.renew() {
            Ok(()) => {
                tracing::info!(station = "tls", "certificates renewed");
                (
                    "certificates renewed",
                    "certificates renewed: new associations begin with them".into(),
                )
            }
            Err(problems) => {
                let why = problems.0.join("; ");
                tracing::error!(station = "tls", why, "changed certificates are not taken");
                (
                    "certificates not renewed",
                    format!(
                        "changed certificates are not taken, what was in force stays so: {why}"
                    ),
                )
            }
        };
        audit.tell(|this| {
            events::configured(this, code::SECURITY_CONFIGURATION, "certificates", &text)
        });
        note(store, kind, text).await;
    }

    async fn warn(&self, store: &Store) {
        for Expiry { what, not_after } in expiries(&self.files) {
            match left(not_after) {
                Some(left) if left > WARNED_AHEAD => {}
                Some(left) => {
                    let days = left.as_secs() / DAY.as_secs();
                    tracing::warn!(
                        station = "tls",
                        certificate = what,
                        days,
                        "a certificate ends soon"
                    );
                    let text = format!("{what} ends in {days} days: renew it");
                    note(store, "certificate ends soon", text).await;
                }
                None => {
                    tracing::error!(station = "tls", certificate = what, "a certificate has ended");
                    let text = format!("{what} has ended: renew it, no peer can trust it any more");
                    note(store, "certificate has ended", text).await;
                }
            }
        }
    }

    fn stamps(&self) -> Stamps {
        let files = &self.files;
        let all = [&files.certificate, &files.key].into_iter();
        let all = all.chain(&files.trust).chain(&files.revoked);
        let stamp = |file: &PathBuf| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        };
        all.map(stamp).collect()
    }
}

/// The time until then; nothing when it is over.
pub(super) fn left(not_after: i64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = Duration::from_secs(u64::try_from(not_after).unwrap_or(0));
    end.checked_sub(now)
}

async fn note(store: &Store, kind: &str, text: String) {
    let event = Event { station: "tls".into(), kind: kind.into(), subject: None, text };
    if let Err(error) = store.note(event).await {
        tracing::error!(%error, "the event could not be noted");
    }
}
