//! What PDUs travel on: TCP as it is, or TLS over it (PS3.15 annex B).

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// A connection of one of both kinds.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What one step of writing came to.
pub(super) enum Step {
    Written(usize),
    /// All that was written is on its way.
    Flushed,
    /// The peer said so many bytes meanwhile.
    Heard(usize),
}

/// Which side of a step failed.
pub(super) enum StepError {
    Writing(io::Error),
    Reading(io::Error),
}

/// How a connection is protected, and who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Whoever is on the way can read it.
    None,
    Tls {
        /// As in `TLS 1.3`.
        version: &'static str,
        /// The peer's own certificate (DER), which was verified; nothing where it showed none.
        certificate: Option<Arc<[u8]>>,
    },
}

/// How a peer is called over TLS.
#[derive(Debug, Clone)]
pub struct Secured {
    pub config: Arc<ClientConfig>,
    /// Whom its certificate has to name.
    pub name: ServerName<'static>,
}

impl Stream {
    /// The handshake, as the one who was called.
    pub async fn accepted(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Self::Tls(Box::new(stream.into())))
    }

    /// The handshake, as the one who calls.
    pub async fn connected(stream: TcpStream, secured: &Secured) -> io::Result<Self> {
        let connector = TlsConnector::from(secured.config.clone());
        let stream = connector.connect(secured.name.clone(), stream).await?;
        Ok(Self::Tls(Box::new(stream.into())))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    pub fn security(&self) -> Security {
        let Self::Tls(stream) = self else { return Security::None };
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        let chain = session.peer_certificates().unwrap_or_default();
        Security::Tls { version, certificate: chain.first().map(|own| own.as_ref().into()) }
    }

    /// Writes some of the parts, or flushes where there are none, while what the peer says meanwhile is read into `heard`.
    pub async fn step(
        &mut self,
        parts: &[IoSlice<'_>],
        mut heard: Option<&mut bytes::BytesMut>,
    ) -> Result<Step, StepError> {
        poll_fn(|cx| {
            let written = match parts.is_empty() {
                true => Pin::new(&mut *self).poll_flush(cx).map_ok(|()| Step::Flushed),
                false => Pin::new(&mut *self).poll_write_vectored(cx, parts).map_ok(Step::Written),
            };
            if let Poll::Ready(written) = written {
                return Poll::Ready(written.map_err(StepError::Writing));
            }
            let Some(heard) = heard.as_deref_mut() else { return Poll::Pending };
            let read = ready!(pin!(self.read_buf(heard)).poll(cx));
            Poll::Ready(read.map(Step::Heard).map_err(StepError::Reading))
        })
        .await
    }

    /// What lies there already, without waiting.
    pub fn read_what_is_there(&mut self, into: &mut bytes::BytesMut) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = pin!(self.read_buf(into)).poll(&mut context);
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => match ready!(Pin::new(stream).poll_read(cx, buf)) {
                // Many peers close without TLS' own last word. PDUs say themselves how long they are.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                read => Poll::Ready(read),
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The words of rustls for what went wrong, where it was TLS that did.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
