//! PDUs on a TCP connection (PS3.8 9.3): framed by us, with the length checked before anything is allocated.

use crate::dimse::pace::{Pace, Slowest, TooSlow};
use bytes::{Buf, Bytes, BytesMut};
use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource, Pdu, write_pdu};
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

pub(super) const ASSOCIATE_RQ: u8 = 1;
pub(super) const ASSOCIATE_AC: u8 = 2;
pub(super) const ASSOCIATE_RJ: u8 = 3;
pub(super) const P_DATA: u8 = 4;
pub(super) const RELEASE_RQ: u8 = 5;
pub(super) const RELEASE_RP: u8 = 6;
pub(super) const ABORT: u8 = 7;

/// 128 contexts with 40 transfer syntaxes each are below 400 KiB.
const LONGEST_ASSOCIATE: u32 = 1 << 20;
/// Type, reserved byte and length of every PDU.
const HEADER: usize = 6;
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
    stream: TcpStream,
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

/// One PDU without its six bytes of header.
pub(super) struct Frame {
    pub kind: u8,
    pub body: Bytes,
}

/// One presentation data value (PS3.8 9.3.5.1).
pub(super) struct Pdv {
    pub context: u8,
    pub is_command: bool,
    pub is_last: bool,
    pub data: Bytes,
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

/// Source and reason of the A-ABORTs that we send (PS3.8 9.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AbortReason {
    /// 0/0: the service user, and whatever comes instead of an A-ASSOCIATE-RQ (AA-1).
    ServiceUser,
    /// 2/0: a timer ran out.
    NotSpecified,
    /// 2/1
    UnrecognizedPdu,
    /// 2/2
    UnexpectedPdu,
    /// 2/6
    InvalidParameter,
}

/// Source and reason of an A-ABORT that the peer sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abort {
    pub source: u8,
    pub reason: u8,
}

impl Abort {
    /// The body of the PDU; what is missing counts as 0.
    pub(super) fn read(body: &[u8]) -> Self {
        let byte = |at: usize| body.get(at).copied().unwrap_or_default();
        Self { source: byte(2), reason: byte(3) }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.reason)
    }
}

impl Connection {
    /// `maximum` is at least 4 KiB and at most 4 MiB, whatever is asked for.
    pub fn new(stream: TcpStream, maximum: u32) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Self {
            stream,
            received: BytesMut::new(),
            maximum: announced(maximum),
            pace: None,
            within_message: false,
            aborted: None,
        })
    }

    /// From here on a message has to come at least so fast.
    pub fn require(&mut self, slowest: Slowest) {
        self.pace = Some(Pace::new(slowest));
    }

    /// A message has begun, or is over.
    pub fn set_within_message(&mut self, within: bool) {
        self.within_message = within;
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

    /// Writes all of it; `wait` bounds each pause. A peer that says A-ABORT meanwhile and takes
    /// nothing more is heard.
    pub async fn write(&mut self, mut bytes: &[u8], wait: Duration) -> Result<(), SendError> {
        while !bytes.is_empty() {
            let (mut reader, mut writer) = self.stream.split();
            let has_room = self.received.len() < SAID_MEANWHILE;
            tokio::select! {
                biased;
                written = writer.write(bytes) => match written {
                    Ok(written) => bytes = &bytes[written..],
                    Err(error) => return Err(self.heard(SendError::Io(error))),
                },
                read = reader.read_buf(&mut self.received), if has_room => match read {
                    Ok(read) if read > 0 && self.received[0] != ABORT => {}
                    Ok(_) => return Err(self.heard(SendError::Closed)),
                    Err(error) => return Err(self.heard(SendError::Io(error))),
                },
                () = sleep(wait) => return Err(SendError::Stalled(wait)),
            }
        }
        Ok(())
    }

    /// The peer's last word may lie unread behind the failure.
    fn heard(&mut self, otherwise: SendError) -> SendError {
        if self.received.is_empty() {
            let _ = self.stream.try_read_buf(&mut self.received);
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
        self.write(&encoded(pdu)?, wait).await
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

impl AbortReason {
    fn source(self) -> AbortRQSource {
        use AbortRQServiceProviderReason as Provider;
        match self {
            Self::ServiceUser => AbortRQSource::ServiceUser,
            Self::NotSpecified => AbortRQSource::ServiceProvider(Provider::ReasonNotSpecified),
            Self::UnrecognizedPdu => AbortRQSource::ServiceProvider(Provider::UnrecognizedPdu),
            Self::UnexpectedPdu => AbortRQSource::ServiceProvider(Provider::UnexpectedPdu),
            Self::InvalidParameter => AbortRQSource::ServiceProvider(Provider::InvalidPduParameter),
        }
    }
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceUser => "0/0",
            Self::NotSpecified => "2/0",
            Self::UnrecognizedPdu => "2/1",
            Self::UnexpectedPdu => "2/2",
            Self::InvalidParameter => "2/6",
        })
    }
}

/// The maximum length that is announced for a configured one; 0, "no limit", never is.
pub(super) fn announced(maximum: u32) -> u32 {
    maximum.clamp(4 << 10, 4 << 20)
}

pub(super) fn encoded(pdu: &Pdu) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, pdu).map_err(|_| io::Error::other("the PDU could not be encoded"))?;
    Ok(bytes)
}

fn is_known(kind: u8) -> bool {
    (ASSOCIATE_RQ..=ABORT).contains(&kind)
}

/// Whether the values of a P-DATA-TF add up and all belong to a context that is `accepted`.
pub(super) fn adds_up(body: &[u8], accepted: impl Fn(u8) -> bool) -> bool {
    let mut rest = body;
    while !rest.is_empty() {
        let Some((head, behind)) = rest.split_at_checked(HEADER) else { return false };
        // The length counts the context's identifier and the control byte, the head's last two.
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(data) = length.checked_sub(2) else { return false };
        if data > behind.len() || !accepted(head[4]) {
            return false;
        }
        rest = &behind[data..];
    }
    !body.is_empty()
}

/// Takes the first value off a body that [`adds_up`]; nothing when it is used up.
pub(super) fn take_value(body: &mut Bytes) -> Option<Pdv> {
    if body.len() < HEADER {
        return None;
    }
    let data = (body.get_u32() as usize).checked_sub(2)?;
    let (context, control) = (body.get_u8(), body.get_u8());
    let data = body.split_to(data.min(body.len()));
    Some(Pdv { context, is_command: control & 1 != 0, is_last: control & 2 != 0, data })
}

/// What the values of one P-DATA-TF belong to.
#[derive(Clone, Copy)]
pub(super) struct Values {
    pub context: u8,
    pub is_command: bool,
    /// The longest P-DATA-TF variable field that the peer takes.
    pub peer_maximum: u32,
}

impl Values {
    /// Appends `data` as P-DATA-TF PDUs; without data an empty one, for the mark of the last.
    pub fn put(self, out: &mut Vec<u8>, data: &[u8], is_last: bool) {
        let fragment = ((self.peer_maximum as usize).saturating_sub(HEADER) & !1).max(2);
        let mut rest = data;
        loop {
            let (now, later) = rest.split_at(fragment.min(rest.len()));
            let last = is_last && later.is_empty();
            out.extend_from_slice(&[P_DATA, 0]);
            out.extend_from_slice(&(now.len() as u32 + 6).to_be_bytes());
            out.extend_from_slice(&(now.len() as u32 + 2).to_be_bytes());
            out.extend_from_slice(&[self.context, u8::from(self.is_command) | u8::from(last) << 1]);
            out.extend_from_slice(now);
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn taken(mut body: Bytes) -> Vec<(u8, bool, bool, Bytes)> {
        std::iter::from_fn(|| take_value(&mut body))
            .map(|value| (value.context, value.is_command, value.is_last, value.data))
            .collect()
    }

    #[test]
    fn fragments_fit_into_what_the_peer_takes_are_even_and_only_the_last_says_so() {
        let data: Vec<u8> = (0..=99).collect();
        for peer_maximum in [16, 17, 64, 4096] {
            let mut out = Vec::new();
            Values { context: 3, is_command: false, peer_maximum }.put(&mut out, &data, true);
            let mut pdus = Bytes::from(out);
            let mut joined = Vec::new();
            while !pdus.is_empty() {
                let length = (&pdus[2..6]).get_u32();
                assert!(length <= peer_maximum);
                let body = pdus.split_to(6 + length as usize).slice(6..);
                assert!(adds_up(&body, |context| context == 3));
                for (context, is_command, is_last, data) in taken(body) {
                    assert_eq!((context, is_command, is_last), (3, false, pdus.is_empty()));
                    assert_eq!(data.len() % 2, 0);
                    joined.extend_from_slice(&data);
                }
            }
            assert_eq!(joined, data);
        }
    }

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
        assert!(connection.stream.nodelay().expect("asked"));
        assert!(SockRef::from(&connection.stream).keepalive().expect("asked"));
    }

    #[test]
    fn values_whose_lengths_do_not_add_up_or_that_nobody_agreed_on_are_refused() {
        let check = |body: &[u8], expected: bool| {
            assert_eq!(adds_up(body, |context| context == 1), expected, "{body:02X?}");
        };
        check(&[0, 0, 0, 2, 1, 3], true);
        check(&[0, 0, 0, 3, 1, 3, 9, 0, 0, 0, 2, 1, 2], true);
        check(&[], false);
        check(&[0, 0, 0, 2, 1], false);
        check(&[0, 0, 0, 1, 1, 3], false);
        check(&[0, 0, 0, 0, 1, 3], false);
        check(&[0, 0, 0, 4, 1, 3, 9], false);
        check(&[0xFF, 0xFF, 0xFF, 0xFF, 1, 3, 9], false);
        check(&[0, 0, 0, 2, 3, 3], false);
        check(&[0, 0, 0, 2, 1, 3, 0], false);
    }
}
