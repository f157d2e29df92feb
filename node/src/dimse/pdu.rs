//! PDUs on a TCP connection (PS3.8 9.3): framed by us, with the length checked before anything is allocated.

use bytes::{Buf, Bytes, BytesMut};
use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource, Pdu, write_pdu};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const ASSOCIATE_RQ: u8 = 1;
pub(super) const ASSOCIATE_AC: u8 = 2;
pub(super) const ASSOCIATE_RJ: u8 = 3;
pub(super) const P_DATA: u8 = 4;
pub(super) const RELEASE_RQ: u8 = 5;
pub(super) const RELEASE_RP: u8 = 6;
pub(super) const ABORT: u8 = 7;

/// 128 contexts with 40 transfer syntaxes each are below 400 KiB.
const LONGEST_ASSOCIATE: u32 = 1 << 20;

/// A connection that carries PDUs.
pub(super) struct Connection {
    stream: TcpStream,
    received: BytesMut,
    /// The longest P-DATA-TF variable field that we announced.
    maximum: u32,
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
    #[error("the peer sent a PDU of type {kind:02X} with {length} bytes, which is not allowed")]
    Length { kind: u8, length: u32 },
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// The provider's reasons to abort that we give (PS3.8 table 9-26, source 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AbortReason {
    /// Source 0, reason 0: the service user (PS3.8 AA-1).
    ServiceUser,
    UnrecognizedPdu,
    UnexpectedPdu,
    InvalidParameter,
}

impl Connection {
    pub fn new(stream: TcpStream, maximum: u32) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: BytesMut::new(), maximum })
    }

    /// The next PDU. `wait` bounds the time until its first byte, `progress` the pauses within it.
    pub async fn read(&mut self, wait: Duration, progress: Duration) -> Result<Frame, ReadError> {
        if self.received.is_empty() {
            self.fill(wait).await.map_err(|error| match error {
                ReadError::Stalled(_) => ReadError::Silent(wait),
                other => other,
            })?;
        }
        while self.received.len() < 6 {
            self.fill(progress).await?;
        }
        let kind = self.received[0];
        let length = u32::from_be_bytes([
            self.received[2],
            self.received[3],
            self.received[4],
            self.received[5],
        ]);
        if !self.allowed(kind, length) {
            return Err(ReadError::Length { kind, length });
        }
        self.received.advance(6);
        let length = length as usize;
        if self.received.len() < length {
            self.received.reserve(length - self.received.len());
        }
        while self.received.len() < length {
            self.fill(progress).await?;
        }
        Ok(Frame { kind, body: self.received.split_to(length).freeze() })
    }

    fn allowed(&self, kind: u8, length: u32) -> bool {
        match kind {
            ASSOCIATE_RQ | ASSOCIATE_AC => length <= LONGEST_ASSOCIATE,
            ASSOCIATE_RJ | RELEASE_RQ | RELEASE_RP | ABORT => length == 4,
            _ => length <= self.maximum,
        }
    }

    async fn fill(&mut self, wait: Duration) -> Result<(), ReadError> {
        if self.received.capacity() - self.received.len() < 4096 {
            self.received.reserve(64 * 1024);
        }
        match timeout(wait, self.stream.read_buf(&mut self.received)).await {
            Err(_) => Err(ReadError::Stalled(wait)),
            Ok(Ok(0)) => Err(ReadError::Closed),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ReadError::Io(error)),
        }
    }

    pub async fn write(&mut self, bytes: &[u8], wait: Duration) -> io::Result<()> {
        let written = timeout(wait, self.stream.write_all(bytes)).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// A PDU of dicom-ul's.
    pub async fn send(&mut self, pdu: &Pdu, wait: Duration) -> io::Result<()> {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, pdu).map_err(|_| io::Error::other("the PDU could not be encoded"))?;
        self.write(&bytes, wait).await
    }

    /// A-ABORT, then the wait for the peer to close (Sta13).
    pub async fn abort(&mut self, reason: AbortReason, artim: Duration) {
        if self.send(&Pdu::AbortRQ { source: reason.source() }, artim).await.is_ok() {
            self.wait_for_close(artim).await;
        }
    }

    /// Until the peer closes, or ARTIM runs out: what still comes is of no interest.
    pub async fn wait_for_close(&mut self, artim: Duration) {
        let _ = self.stream.shutdown().await;
        let mut rest = [0u8; 4096];
        let drained =
            async { while matches!(self.stream.read(&mut rest).await, Ok(read) if read > 0) {} };
        let _ = timeout(artim, drained).await;
    }
}

impl AbortReason {
    fn source(self) -> AbortRQSource {
        use AbortRQServiceProviderReason as Provider;
        match self {
            Self::ServiceUser => AbortRQSource::ServiceUser,
            Self::UnrecognizedPdu => AbortRQSource::ServiceProvider(Provider::UnrecognizedPdu),
            Self::UnexpectedPdu => AbortRQSource::ServiceProvider(Provider::UnexpectedPdu),
            Self::InvalidParameter => AbortRQSource::ServiceProvider(Provider::InvalidPduParameter),
        }
    }
}

/// The values of a P-DATA-TF; nothing when their lengths do not add up.
pub(super) fn values(mut body: Bytes) -> Option<Vec<Pdv>> {
    let mut values = Vec::with_capacity(2);
    while !body.is_empty() {
        if body.len() < 6 {
            return None;
        }
        let length = body.get_u32() as usize;
        if length < 2 || length > body.len() {
            return None;
        }
        let (context, control) = (body[0], body[1]);
        let mut value = body.split_to(length);
        value.advance(2);
        let (is_command, is_last) = (control & 1 != 0, control & 2 != 0);
        values.push(Pdv { context, is_command, is_last, data: value });
    }
    (!values.is_empty()).then_some(values)
}

/// Appends P-DATA-TF PDUs that carry `data` in fragments the peer can take.
pub(super) fn put_p_data(
    out: &mut Vec<u8>,
    context: u8,
    is_command: bool,
    data: &[u8],
    peer_maximum: u32,
    is_last: bool,
) {
    let fragment = ((peer_maximum as usize).saturating_sub(6) & !1).max(2);
    let mut rest = data;
    loop {
        let (now, later) = rest.split_at(fragment.min(rest.len()));
        let last = is_last && later.is_empty();
        out.extend_from_slice(&[P_DATA, 0]);
        out.extend_from_slice(&(now.len() as u32 + 6).to_be_bytes());
        out.extend_from_slice(&(now.len() as u32 + 2).to_be_bytes());
        out.extend_from_slice(&[context, u8::from(is_command) | (u8::from(last) << 1)]);
        out.extend_from_slice(now);
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}
