//! Shows the stations as they happen: redrawn in place on a terminal, one plain line each otherwise.

use super::pacs::Pacs;
use super::{Sent, seconds};
use crate::output::line;
use crate::serve::Node;
use gantry_store::error::StoreError;
use gantry_store::jobs::JobState;
use gantry_store::outbox::DeliveryState;
use gantry_store::series::SeriesState;
use gantry_terms::uid::Uid;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What has been shown so far.
pub struct Progress {
    began: Instant,
    live: bool,
    silent: bool,
    /// Stations that have ended, each shown once.
    shown: Vec<String>,
    /// Whether the last line is one that may be written over.
    open_line: bool,
}

impl Progress {
    pub fn start() -> Self {
        let live = std::io::stdout().is_terminal();
        Self { began: Instant::now(), live, silent: false, shown: Vec::new(), open_line: false }
    }

    /// Shows nothing, for measuring.
    pub fn silent() -> Self {
        Self { live: false, silent: true, ..Self::start() }
    }

    /// Something goes on: shown only where it can be written over.
    pub fn doing(&mut self, station: &str, what: &str) {
        if self.live {
            let _ = write!(
                std::io::stdout(),
                "\r\x1b[2K  {}  {station:<9} {what} …",
                seconds(self.began)
            );
            let _ = std::io::stdout().flush();
            self.open_line = true;
        }
    }

    /// A station has ended: shown once and for good.
    pub fn done(&mut self, station: &str, what: &str) {
        let said = format!("{station:<9} {what}");
        if !self.shown.contains(&said) {
            self.write(&said);
            self.shown.push(said);
        }
    }

    /// Something that is worth a line of its own, however often.
    pub fn line(&mut self, station: &str, what: &str) {
        self.write(&format!("{station:<9} {what}"));
    }

    fn write(&mut self, said: &str) {
        if self.silent {
            return;
        }
        let over = if self.open_line { "\r\x1b[2K" } else { "" };
        line!("{over}  {}  {said}", seconds(self.began));
        self.open_line = false;
    }
}

/// Follows the series until nothing more will happen to them.
pub async fn follow(
    node: &Node,
    sent: &Sent,
    pacs: &Pacs,
    progress: &mut Progress,
    patience: Duration,
) -> Result<(), String> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        let mut bell = node.store.bell();
        bell.borrow_and_update();
        let mut waiting = Vec::new();
        for series in &sent.series {
            let still =
                look(node, series, pacs, progress).await.map_err(|error| error.to_string())?;
            waiting.extend(still);
        }
        match waiting.first() {
            None => return Ok(()),
            Some((station, what)) => progress.doing(station, what),
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), bell.changed()).await;
    }
    Err(format!("not all results had arrived after {} s", patience.as_secs()))
}

/// Shows what has happened to one series; returns what it still waits for.
async fn look(
    node: &Node,
    series: &Uid,
    pacs: &Pacs,
    progress: &mut Progress,
) -> Result<Option<(&'static str, String)>, StoreError> {
    let Some(row) = node.store.series(series).await? else {
        return Ok(Some(("keep", "waiting for the index".into())));
    };
    if row.state == SeriesState::Receiving {
        return Ok(Some(("complete", format!("{} images, waiting for quiet", row.instances))));
    }
    progress.done("keep", &format!("{} images indexed", row.instances));
    if let Some(completion) = node.store.completions(series).await?.pop() {
        progress.done("complete", &completion.reason);
    }
    if row.state == SeriesState::Complete {
        return Ok(Some(("decide", "judging by the rules".into())));
    }
    for decision in node.store.decisions(series).await? {
        progress.done("decide", &format!("\"{}\" {}", decision.rule, decision.reason));
    }
    let mut waiting = None;
    for row in node.store.jobs(series).await? {
        let (job, reason) = (&row.job, row.reason.as_deref().unwrap_or_default());
        match row.state {
            JobState::Finished => {
                let seconds = row.seconds.unwrap_or_default();
                progress.done("infer", &format!("{} in {seconds:.2} s", job.model));
                let objects = row.results.len();
                progress.done("compose", &format!("{objects} objects for \"{}\"", job.rule));
            }
            JobState::Failed => progress.done("infer", &format!("failed: {reason}")),
            JobState::Superseded => progress.done("infer", "overtaken by a later revision"),
            JobState::Queued => {
                waiting = Some(("infer", format!("{} waits for its turn", job.model)))
            }
            JobState::Running => waiting = Some(("infer", format!("{} at work", job.model))),
        }
    }
    for delivery in node.store.deliveries(series).await? {
        match delivery.state {
            DeliveryState::Delivered => {
                let status = delivery.status.unwrap_or_default();
                let instance = &delivery.sop_instance;
                progress.done(
                    "deliver",
                    &format!("{} took {instance} with {status:04X}", pacs.ae_title()),
                );
            }
            DeliveryState::Parked => {
                let reason = delivery.reason.as_deref().unwrap_or_default();
                progress.done("deliver", &format!("parked: {reason}"));
            }
            DeliveryState::Dropped => progress.done("deliver", "dropped by an admin"),
            DeliveryState::Queued => {
                waiting.get_or_insert(("deliver", format!("on its way to {}", delivery.peer)));
            }
        }
    }
    Ok(waiting)
}
