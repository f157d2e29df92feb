//! A TCP connection that carries PDUs (PS3.8 9.1, 9.3): framed by us, with the length checked before anything is allocated.

use crate::dimse::pace::{Pace, Slowest, TooSlow};
use crate::dimse::pdu::{
    ABORT, ASSOCIATE_AC, ASSOCIATE_RQ, Abort, AbortReason, Frame, HEADER, P_DATA, announced,
    encoded, is_known,
};
use crate::dimse::stream::{Security, Step, StepError, Stream};
use bytes::{Buf, BytesMut};
use dicom_ul::pdu::Pdu;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// 128 contexts with 40 transfer syntaxes each are below 400 KiB.
const LONGEST_ASSOCIATE: u32 = 1 << 20;
/// What is asked of the network at once while little is announced.
const READ: usize = 64 * 1024;
/// What a peer may say while it is being written to; more stays in the network.
const SAID_MEANWHILE: usize = 4096;

/// A peer that vanished without a word is noticed within two minutes or so.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long nothing is said to a peer that has to close, so that it closes by itself.
const GRACE: Duration = Duration::from_secs(1);

/// A connection that carries PDUs.
pub(super) struct Connection {
    stream: Stream,
    received: BytesMut,
    /// The longest P-DATA-TF variable field that we announced.
    maximum: u32,
    /// How fast a message has to come; `None` where only pauses count.
    pace: Option<Pace>,
    /// The message in hand has begun: the time until its next PDU counts, too.
    within_message: bool,
    /// The A-ABORT that was sent.
    aborted: Option<AbortReason>,
}

/// Why no PDU came.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer was silent for {0:?}")]
    Silent(Duration),
    #[error("the peer stopped in the middle of a PDU for {0:?}")]
    Stalled(Duration),
    #[error("the peer sends too slowly")]
    Slow,
    #[error("the peer sent a PDU of type {kind:02X} with {length} bytes, which is not allowed")]
    Length { kind: u8, length: u32 },
    #[error("the peer sent type {0:02X}, which is no PDU of DICOM")]
    Unrecognized(u8),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// Why something could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the peer aborted the association ({0})")]
    Aborted(Abort),
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer took nothing for {0:?}")]
    Stalled(Duration),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl Connection {
    /// `maximum` is at least 4 KiB and at most 4 MiB, whatever is asked for.
    pub fn new(stream: impl Into<Stream>, maximum: u32) -> io::Result<Self> {
        let stream = stream.into();
        stream.socket().set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
        SockRef::from(stream.socket()).set_tcp_keepalive(&keepalive)?;
        Ok(Self {
            stream,
            received: BytesMut::new(),
            maximum: announced(maximum),
            pace: None,
            within_message: false,
            aborted: None,
        })
    }

    /// Where the peer is; nothing once it is gone.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.socket().peer_addr().ok()
    }

    /// How it is protected.
    pub fn security(&self) -> Security {
        self.stream.security()
    }

    /// From here on a message has to come at least so fast.
    pub fn require(&mut self, slowest: Slowest) {
        self.pace = Some(Pace::new(slowest));
    }

    /// A message has begun, or is over.
    pub fn set_within_message(&mut self, within: bool) {
        self.within_message = within;
    }

    /// Gives back the memory of the PDUs that were read: a request may have been a thousand times as
    /// long as what follows it.
    pub fn let_go(&mut self) {
        self.received = BytesMut::from(self.received.as_ref());
    }

    /// The A-ABORT that was sent, if one was.
    pub fn aborted(&self) -> Option<AbortReason> {
        self.aborted
    }

    /// The next PDU. `wait` bounds the time until its first byte, `progress` the pauses within it.
    /// What has come of a PDU is kept when the caller stops waiting.
    pub async fn read(&mut self, wait: Duration, progress: Duration) -> Result<Frame, ReadError> {
        if self.received.is_empty() && !self.within_message {
            self.pace.iter_mut().for_each(Pace::restart);
        }
        while self.received.is_empty() {
            self.fill(READ, wait, self.within_message).await.map_err(|error| match error {
                ReadError::Stalled(_) => ReadError::Silent(wait),
                other => other,
            })?;
        }
        // A peer that speaks no DICOM is known by its first byte.
        while self.received.len() < HEADER && is_known(self.received[0]) {
            self.fill(READ, progress, true).await?;
        }
        let kind = self.received[0];
        if !is_known(kind) {
            return Err(ReadError::Unrecognized(kind));
        }
        let length = (&self.received[2..HEADER]).get_u32();
        if !self.allowed(kind, length) {
            return Err(ReadError::Length { kind, length });
        }
        let whole = HEADER + length as usize;
        while self.received.len() < whole {
            self.fill(whole - self.received.len(), progress, true).await?;
        }
        let mut body = self.received.split_to(whole).freeze();
        body.advance(HEADER);
        Ok(Frame { kind, body })
    }

    fn allowed(&self, kind: u8, length: u32) -> bool {
        match kind {
            ASSOCIATE_RQ | ASSOCIATE_AC => length <= LONGEST_ASSOCIATE,
            P_DATA => length <= self.maximum,
            _ => length == 4,
        }
    }

    /// `counts`: the time that passes belongs to a message, which has to come fast enough.
    async fn fill(
        &mut self,
        missing: usize,
        wait: Duration,
        counts: bool,
    ) -> Result<(), ReadError> {
        self.received.reserve(missing);
        let pace = self.pace.as_mut().filter(|_| counts);
        let longest = pace.as_ref().map_or(wait, |pace| wait.min(pace.left()));
        let begun = Instant::now();
        let came = match timeout(longest, self.stream.read_buf(&mut self.received)).await {
            Err(_) if longest == wait => return Err(ReadError::Stalled(wait)),
            Err(_) => 0,
            Ok(Ok(0)) => return Err(ReadError::Closed),
            Ok(Ok(came)) => came,
            Ok(Err(error)) => return Err(ReadError::Io(error)),
        };
        match pace.map_or(Ok(()), |pace| pace.count(begun.elapsed(), came)) {
            Ok(()) => Ok(()),
            Err(TooSlow) => Err(ReadError::Slow),
        }
    }

    /// Writes all of it; `wait` bounds each pause, whatever the peer says meanwhile. A peer that says A-ABORT meanwhile and takes
    /// nothing more is heard.
    pub async fn write(
        &mut self,
        mut parts: &mut [IoSlice<'_>],
        wait: Duration,
    ) -> Result<(), SendError> {
        let mut stalled = pin!(sleep(wait));
        loop {
            let has_room = self.received.len() < SAID_MEANWHILE;
            let heard = has_room.then_some(&mut self.received);
            let step = tokio::select! {
                biased;
                step = self.stream.step(parts, heard) => step,
                () = &mut stalled => return Err(SendError::Stalled(wait)),
            };
            match step {
                Ok(Step::Written(written)) if written > 0 => {
                    IoSlice::advance_slices(&mut parts, written);
                    stalled.set(sleep(wait));
                }
                Ok(Step::Flushed) => return Ok(()),
                Ok(Step::Heard(read)) if read > 0 && self.received[0] != ABORT => {}
                Ok(_) => return Err(self.heard(SendError::Closed)),
                Err(StepError::Writing(error) | StepError::Reading(error)) => {
                    return Err(self.heard(SendError::Io(error)));
                }
            }
        }
    }

    /// The peer's last word may lie unread behind the failure.
    fn heard(&mut self, otherwise: SendError) -> SendError {
        if self.received.is_empty() {
            self.stream.read_what_is_there(&mut self.received);
        }
        match self.received.first() {
            Some(&ABORT) => {
                SendError::Aborted(Abort::read(self.received.get(HEADER..).unwrap_or_default()))
            }
            _ => otherwise,
        }
    }

    /// A PDU of dicom-ul's.
    pub async fn send(&mut self, pdu: &Pdu, wait: Duration) -> Result<(), SendError> {
        self.write(&mut [IoSlice::new(&encoded(pdu)?)], wait).await
    }

    /// Says A-ABORT and nothing after it. The caller waits for the peer to close, or drops the
    /// connection (Sta13).
    pub async fn abort(&mut self, reason: AbortReason, wait: Duration) {
        self.aborted = Some(reason);
        let _ = self.send(&Pdu::AbortRQ { source: reason.source() }, wait).await;
        let _ = self.stream.shutdown().await;
    }

    /// Without a word.
    pub async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Until the peer closes, or ARTIM runs out (Sta13): what still comes is of no interest.
    pub async fn wait_for_close(&mut self, artim: Duration) {
        if let Ok(true) = timeout(GRACE.min(artim), self.closes_by_itself()).await {
            return;
        }
        self.received = BytesMut::new();
        let _ = self.stream.shutdown().await;
        let mut rest = [0u8; 4096];
        let drained =
            async { while matches!(self.stream.read(&mut rest).await, Ok(read) if read > 0) {} };
        let _ = timeout(artim, drained).await;
    }

    /// Whether the peer closes. Whatever it sends is passed over (AA-6), but a further association
    /// request, or what is no PDU, is aborted (AA-7).
    async fn closes_by_itself(&mut self) -> bool {
        loop {
            match self.read(Duration::MAX, Duration::MAX).await {
                Ok(Frame { kind: ASSOCIATE_RQ, .. })
                | Err(ReadError::Unrecognized(_) | ReadError::Length { .. }) => {
                    if self.aborted.is_none() {
                        self.abort(AbortReason::UnexpectedPdu, GRACE).await;
                    }
                    return false;
                }
                Ok(_) => {}
                Err(ReadError::Closed | ReadError::Io(_)) => return true,
                Err(ReadError::Silent(_) | ReadError::Stalled(_) | ReadError::Slow) => {
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_length_that_is_not_allowed_makes_no_room_for_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        for kind in ASSOCIATE_RQ..=ABORT {
            let mut peer = TcpStream::connect(address).await.expect("it listens");
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut connection = Connection::new(stream, 131_072).expect("a socket");
            peer.write_all(&[kind, 0, 0xFF, 0xFF, 0xFF, 0xFF]).await.expect("it is sent");
            let read = connection.read(Duration::MAX, Duration::MAX).await;
            assert!(matches!(read, Err(ReadError::Length { length: u32::MAX, .. })), "{kind}");
            assert!(connection.received.capacity() <= READ, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_connection_neither_waits_to_send_nor_outlives_a_peer_that_vanished() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let _peer = TcpStream::connect(address).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("a connection");
        let connection = Connection::new(stream, 131_072).expect("a socket");
        assert!(connection.stream.socket().nodelay().expect("asked"));
        assert!(SockRef::from(connection.stream.socket()).keepalive().expect("asked"));
    }
}
