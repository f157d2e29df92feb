//! The acceptor (PS3.8 9.2, PS3.7 annex D): listens, decides who may and what, and serves each association in a task of its own.

use crate::dimse::association::{AssociationError, Link, Next, Waits};
use crate::dimse::command::{
    C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, COMMAND_FIELD, Command, MESSAGE_ID, RESPONSE,
};
use crate::dimse::negotiation::{APPLICATION_CONTEXT, Context, Request};
use crate::dimse::pdu::{ASSOCIATE_RQ, AbortReason, Connection, Frame, ReadError};
pub use crate::dimse::service::{
    Caller, DataSet, Ended, MoveOriginator, PeerGone, Refusal, RefusedAssociation, Service,
    StoreAnswer, StoreRequest,
};
use crate::dimse::threads::Threads;
use crate::dimse::{echo, status, store};
use dicom_ul::pdu::Pdu;
use gantry_terms::ae_title::AeTitle;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Connections that have no association yet or any more; beyond them new ones are closed at once.
const WITHOUT_ASSOCIATION: usize = 256;
/// How long a peer may take to close its side once the node stops.
const LAST_WAIT: Duration = Duration::from_secs(1);

pub struct AcceptorOptions {
    /// The longest P-DATA-TF variable field that we take; announced to the peer. 4 KiB to 4 MiB.
    pub maximum_pdu: u32,
    pub timers: Timers,
    /// More than these are told to come back (A-ASSOCIATE-RJ 2/3/2).
    pub maximum_associations: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// From TCP accept until the whole request is in; and until the peer closes after RJ, RP, ABORT.
    pub artim: Duration,
    /// Without a PDU on an established association.
    pub idle: Duration,
    /// Without a byte within a PDU, or taken of ours; and for the message in hand when the node stops.
    pub progress: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            progress: Duration::from_secs(30),
        }
    }
}

/// Serves until `stop`; then running associations may finish the message in hand.
pub async fn serve<S: Service>(
    listener: TcpListener,
    options: AcceptorOptions,
    service: Arc<S>,
    stop: CancellationToken,
) {
    let connections =
        Arc::new(Semaphore::new(options.maximum_associations.saturating_add(WITHOUT_ASSOCIATION)));
    let associations = Arc::new(Semaphore::new(options.maximum_associations));
    let options = Arc::new(options);
    let mut tasks = JoinSet::new();
    let threads = match Threads::start() {
        Ok(threads) => threads,
        Err(error) => return tracing::error!(%error, "cannot start the threads that receive"),
    };
    for number in 1.. {
        let Some((stream, address)) = accept(&listener, &mut tasks, &stop).await else { break };
        let Ok(connection) = connections.clone().try_acquire_owned() else {
            tracing::warn!(%address, "connection closed: too many of them have no association");
            continue;
        };
        let acceptor = Acceptor {
            options: options.clone(),
            service: service.clone(),
            associations: associations.clone(),
            address,
            number,
            stop: stop.clone(),
        };
        let span = tracing::info_span!("association", number, %address);
        let task = async move {
            // From here on the thread that serves the association waits for it.
            match stream.into_std().and_then(TcpStream::from_std) {
                Ok(stream) => acceptor.converse(stream).await,
                Err(error) => tracing::error!(%error, "a connection could not be handed on"),
            }
            drop(connection);
        };
        tasks.spawn_on(task.instrument(span), threads.of(number));
    }
    drop(listener);
    let all_ended = async { while tasks.join_next().await.inspect(tell_panic).is_some() {} };
    if timeout(options.timers.progress, all_ended).await.is_err() {
        tracing::warn!(left = tasks.len(), "associations cut off: the node stops");
        tasks.shutdown().await;
    }
}

/// The next connection, or nothing when it is time to stop.
async fn accept(
    listener: &TcpListener,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            Some(ended) = tasks.join_next() => tell_panic(&ended),
            accepted = listener.accept() => match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => {
                    // Out of file descriptors, for example: others may end meanwhile.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// An association that fell over takes no other with it, but it is not passed over in silence.
fn tell_panic(ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of an association fell over");
    }
}

/// One connection, from TCP accept to close.
struct Acceptor<S> {
    options: Arc<AcceptorOptions>,
    service: Arc<S>,
    associations: Arc<Semaphore>,
    address: SocketAddr,
    number: u64,
    stop: CancellationToken,
}

/// Who got an association, and the place that it takes among them.
struct Admitted {
    caller: Caller,
    place: OwnedSemaphorePermit,
}

impl<S: Service> Acceptor<S> {
    async fn converse(&self, stream: TcpStream) {
        let Ok(mut connection) = Connection::new(stream, self.options.maximum_pdu) else { return };
        let request = tokio::select! {
            () = self.stop.cancelled() => return,
            request = self.request(&mut connection) => request,
        };
        let Some(request) = request else { return self.wait_for_close(connection).await };
        match self.admit(&request) {
            Ok(admitted) => self.associate(connection, &request, admitted).await,
            Err(refusal) => {
                self.tell(&request, refusal.described());
                let reject = Pdu::AssociationRJ(refusal.rejection());
                let _ = connection.send(&reject, self.options.timers.artim).await;
                self.wait_for_close(connection).await;
            }
        }
    }

    /// The A-ASSOCIATE-RQ, within ARTIM; anything else is aborted (AA-1) and told.
    async fn request(&self, connection: &mut Connection) -> Option<Request> {
        let artim = self.options.timers.artim;
        let mut request = Request::default();
        let (abort, reason) = match timeout(artim, connection.read(Duration::MAX, Duration::MAX))
            .await
        {
            Ok(Ok(Frame { kind: ASSOCIATE_RQ, body })) => match request.read(body) {
                Ok(()) => return Some(request),
                Err(what) => (AbortReason::InvalidParameter, what.to_string()),
            },
            Ok(Ok(_)) => (AbortReason::ServiceUser, "it began with no association request".into()),
            // A port scanner or a load balancer's probe: nothing was asked, nothing is told.
            Ok(Err(ReadError::Closed)) => return None,
            Ok(Err(error @ ReadError::Length { .. })) => {
                (AbortReason::InvalidParameter, error.to_string())
            }
            Ok(Err(error)) => (AbortReason::ServiceUser, error.to_string()),
            // AA-2: the connection is closed without a word.
            Err(_) => {
                self.tell(&request, "no association request within ARTIM");
                return None;
            }
        };
        self.tell(&request, &reason);
        connection.abort(abort, artim).await;
        None
    }

    /// The checks of PS3.8 9.3.4, in this order.
    fn admit(&self, request: &Request) -> Result<Admitted, Refusal> {
        if request.protocol_version & 1 == 0 {
            return Err(Refusal::ProtocolVersion);
        }
        if request.application_context != APPLICATION_CONTEXT {
            return Err(Refusal::ApplicationContextUnknown);
        }
        let called = AeTitle::parse(&request.called).map_err(|_| Refusal::CalledAeTitleUnknown)?;
        let calling =
            AeTitle::parse(&request.calling).map_err(|_| Refusal::CallingAeTitleUnknown)?;
        let caller = Caller { calling, called, address: self.address, association: self.number };
        self.service.admit(&caller)?;
        if request.contexts.is_empty() {
            return Err(Refusal::NothingProposed);
        }
        if self.stop.is_cancelled() {
            return Err(Refusal::TooManyAssociations);
        }
        let place = self.associations.clone().try_acquire_owned();
        Ok(Admitted { caller, place: place.map_err(|_| Refusal::TooManyAssociations)? })
    }

    async fn associate(&self, mut connection: Connection, request: &Request, admitted: Admitted) {
        let (answered, contexts) = request.agree(|sop_class| self.service.wants(sop_class));
        if let Some(reason) = request.not_taken(&contexts) {
            self.service.not_taken(&admitted.caller, reason);
        }
        let maximum = self.options.maximum_pdu;
        let accepted = match request.acceptance(answered, maximum) {
            Ok(acceptance) => connection
                .write(&acceptance, self.options.timers.artim)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = accepted {
            return self.tell(request, &format!("the acceptance could not be sent: {error}"));
        }
        let mut link = Link::new(connection, contexts, request.peer_maximum());
        self.service.opened(&admitted.caller);
        let how = match self.serve_messages(&mut link, &admitted.caller).await {
            Ok(how) => how,
            Err(error) => {
                self.tell(request, &error.to_string());
                Ended::BrokenOff
            }
        };
        self.service.ended(&admitted.caller, how);
        drop(admitted.place);
        self.wait_for_close(link.connection).await;
    }

    /// Sta13: the peer closes first, or ARTIM runs out. A node that stops does not wait for long.
    async fn wait_for_close(&self, mut connection: Connection) {
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(LAST_WAIT).await;
        };
        tokio::select! {
            () = stopped => {}
            () = connection.wait_for_close(self.options.timers.artim) => {}
        }
    }

    async fn serve_messages(
        &self,
        link: &mut Link,
        caller: &Caller,
    ) -> Result<Ended, AssociationError> {
        let Timers { idle, progress, .. } = self.options.timers;
        let waits = Waits { pdu: idle, progress };
        loop {
            // Between two messages the node may stop; within one it may not.
            let next = tokio::select! {
                () = self.stop.cancelled() => {
                    link.connection.abort(AbortReason::ServiceUser, LAST_WAIT).await;
                    return Ok(Ended::BrokenOff);
                }
                next = link.next(waits) => next?,
            };
            let first = match next {
                Next::Value(value) => value,
                Next::ReleaseRequested => {
                    // The peer has said its last word, whether or not it hears ours.
                    let _ = link.send_release(&Pdu::ReleaseRP, progress).await;
                    return Ok(Ended::Released);
                }
                Next::Released => {
                    link.connection.abort(AbortReason::UnexpectedPdu, progress).await;
                    return Err(AssociationError::Protocol("a release that nobody asked for"));
                }
            };
            let (context, command) = link.command(first, waits).await?;
            self.serve_message(link, context, &command, caller, waits).await?;
        }
    }

    async fn serve_message(
        &self,
        link: &mut Link,
        context: Context,
        command: &Command,
        caller: &Caller,
        waits: Waits,
    ) -> Result<(), AssociationError> {
        let request = command.number(COMMAND_FIELD).filter(|field| field & RESPONSE == 0);
        let Some(request) = request else {
            return Err(link.break_off("a response to nothing that was asked", waits).await);
        };
        // Nothing of what is served here takes long enough to be cancelled.
        if request == C_CANCEL_RQ {
            return Ok(());
        }
        if command.number(MESSAGE_ID).is_none() {
            return Err(link.break_off("a request without a message ID", waits).await);
        }
        if request == C_STORE_RQ {
            return store::serve(link, context, command, caller, &*self.service, waits).await;
        }
        if request == C_ECHO_RQ {
            let answer = echo::answer(command, &context);
            return link.send(context.id, &answer, None, waits.progress).await;
        }
        if command.has_data_set() {
            link.skip_data_set(context.id, waits).await?;
        }
        let answer = Command::response_to(command, status::UNRECOGNIZED_OPERATION);
        link.send(context.id, &answer, None, waits.progress).await
    }

    fn tell(&self, request: &Request, reason: &str) {
        self.service.refused(RefusedAssociation {
            calling: printable(&request.calling),
            called: printable(&request.called),
            address: self.address,
            reason: reason.to_string(),
        });
    }
}

/// A title that breaks the rules may hold anything.
fn printable(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
