//! Sends the trail to a collector by syslog over TLS (RFC 5425, PS3.15 A.6), from disk, in order, and again where it may not have arrived.

use super::Notes;
use super::state::{self, Fault, Sent};
use super::trail::{Batch, Cursor, read_behind};
use crate::config::Collector;
use crate::dimse::connect::connect;
use crate::tls::Tls;
use chrono::Local;
use rand::Rng;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// Bytes of one read of the trail.
const BATCH: u64 = 256 << 10;
/// For the connection and the handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// A collector that takes nothing for so long is called again.
const STALLED: Duration = Duration::from_secs(30);
/// Syslog answers nothing: what was written so shortly before a connection broke may not have arrived.
const UNSURE: Duration = Duration::from_secs(10);
/// Commands beside the node ring no bell.
const LOOK: Duration = Duration::from_secs(1);
/// With TLS 1.3 a collector says only behind the handshake what it thinks of this node's certificate.
const SETTLED: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// For what is left when the node stops.
const LAST_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Forward {
    pub folder: PathBuf,
    pub collector: Collector,
    pub tls: Arc<Tls>,
    pub bell: Arc<Notify>,
    pub notes: Notes,
}

/// A connection, and where it was when.
struct Open {
    stream: TlsStream<TcpStream>,
    since: Instant,
    began: VecDeque<(Instant, Cursor)>,
}

impl Forward {
    /// Until told to stop, and a moment longer where something is left.
    pub async fn run(self, stop: CancellationToken) {
        let mut sent = state::sent(&self.folder);
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = tokio::select! {
                ended = self.connected(&mut sent, &stop, &mut pause) => ended,
                () = stopped_for(&stop, LAST_WAIT) => return,
            };
            match ended {
                Ok(()) => return,
                Err(error) => self.failed(&mut sent, &error).await,
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, as long as it lasts; good when the node stops.
    async fn connected(
        &self,
        sent: &mut Sent,
        stop: &CancellationToken,
        pause: &mut Duration,
    ) -> io::Result<()> {
        let stream = self.connect().await?;
        let mut open = Open { stream, since: Instant::now(), began: VecDeque::new() };
        let ended = self.send(&mut open, sent, stop, pause).await;
        if ended.is_err() {
            let unsure = |(at, _): &&(Instant, Cursor)| at.elapsed() < UNSURE;
            if let Some((_, cursor)) = open.began.iter().find(unsure) {
                sent.cursor = *cursor;
            }
        }
        let _ = timeout(LAST_WAIT, open.stream.shutdown()).await;
        ended
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let Collector { host, port } = &self.collector;
        let secured = self.tls.for_collector().ok_or_else(|| io::Error::other("no [tls]"))?;
        let addresses = timeout(PATIENCE, lookup_host((host.as_str(), *port))).await??;
        let tcp = connect(&[addresses.collect()], PATIENCE).await;
        let tcp = tcp.map_err(|error| match error.source {
            Some(source) => io::Error::new(source.kind(), format!("{}: {source}", error.tried)),
            None => io::Error::new(io::ErrorKind::TimedOut, format!("{}: no answer", error.tried)),
        })?;
        let connector = TlsConnector::from(secured.config.clone());
        timeout(PATIENCE, connector.connect(secured.name.clone(), tcp)).await?
    }

    async fn send(
        &self,
        open: &mut Open,
        sent: &mut Sent,
        stop: &CancellationToken,
        pause: &mut Duration,
    ) -> io::Result<()> {
        loop {
            let rung = self.bell.notified();
            let batch = self.read(sent.cursor).await?;
            let is_idle = batch.lines.is_empty();
            if !is_idle {
                open.began.retain(|(at, _)| at.elapsed() < UNSURE);
                open.began.push_back((Instant::now(), sent.cursor));
                take(&mut open.stream, &framed(&batch)).await?;
            }
            let is_new = sent.cursor != batch.next || batch.missed > 0;
            sent.cursor = batch.next;
            if batch.missed > 0 {
                self.missed(sent, batch.missed);
            }
            let is_well = open.since.elapsed() > SETTLED;
            if is_well {
                *pause = FIRST_PAUSE;
            }
            if (is_well && self.is_back(sent)) || is_new {
                self.keep(sent).await;
            }
            if !is_idle {
                continue;
            }
            if stop.is_cancelled() {
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = rung => {}
                () = sleep(LOOK) => {}
                gone = closed(&mut open.stream) => return Err(gone),
            }
        }
    }

    async fn read(&self, cursor: Cursor) -> io::Result<Batch> {
        let folder = self.folder.clone();
        let read = move || read_behind(&folder, cursor, BATCH);
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// Whether it was away until now.
    fn is_back(&self, sent: &mut Sent) -> bool {
        let Some(Fault { since, .. }) = sent.fault.take() else { return false };
        let collector = &self.collector;
        tracing::info!(station = "audit", %collector, since, "the collector takes messages again");
        self.notes.note("audit collector is back", format!("{collector} takes messages again"));
        true
    }

    fn missed(&self, sent: &mut Sent, files: u32) {
        sent.missed = sent.missed.saturating_add(files);
        tracing::error!(
            station = "audit",
            files,
            "files of the audit trail went before they were sent"
        );
        let text = format!("{files} files of the audit trail went before the collector had them");
        self.notes.note("audit messages not sent", text);
    }

    async fn failed(&self, sent: &mut Sent, error: &io::Error) {
        let why = error.to_string();
        if sent.fault.is_none() {
            let collector = &self.collector;
            tracing::warn!(station = "audit", %collector, why, "the collector takes nothing for now; the trail on disk waits for it");
            let text = format!("{collector} takes no messages: {why}; they wait on disk");
            self.notes.note("audit collector is away", text);
        }
        let since =
            sent.fault.take().map_or_else(|| Local::now().to_rfc3339(), |fault| fault.since);
        sent.fault = Some(Fault { since, why });
        self.keep(sent).await;
    }

    /// Without it messages are sent twice after a restart.
    async fn keep(&self, sent: &Sent) {
        let (folder, sent) = (self.folder.clone(), sent.clone());
        let kept = tokio::task::spawn_blocking(move || state::keep_sent(&folder, &sent)).await;
        if let Err(error) = kept.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::debug!(station = "audit", %error, "it is not kept what was sent");
        }
    }
}

/// Octet counting (RFC 5425 section 4.3).
fn framed(batch: &Batch) -> Vec<u8> {
    let mut frames = Vec::new();
    for (line, _) in &batch.lines {
        frames.extend_from_slice(format!("{} ", line.len()).as_bytes());
        frames.extend_from_slice(line.as_bytes());
    }
    frames
}

async fn take(stream: &mut TlsStream<TcpStream>, frames: &[u8]) -> io::Result<()> {
    for piece in frames.chunks(16 << 10) {
        timeout(STALLED, stream.write_all(piece)).await??;
    }
    timeout(STALLED, stream.flush()).await?
}

/// A collector says nothing; what can be read is its end.
async fn closed(stream: &mut TlsStream<TcpStream>) -> io::Error {
    let mut nothing = [0; 256];
    loop {
        match stream.read(&mut nothing).await {
            Ok(0) => {
                return io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection");
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

async fn stopped_for(stop: &CancellationToken, span: Duration) {
    stop.cancelled().await;
    sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_begins_with_the_octets_of_its_message_and_not_its_characters() {
        let lines = ["Müller", "<a/>"].map(|line| (line.to_owned(), Cursor::default()));
        let batch = Batch { lines: lines.into(), ..Batch::default() };
        assert_eq!(framed(&batch), "7 Müller4 <a/>".as_bytes());
    }
}
