//! One connection, from TCP accept to close: the request, who may and what (PS3.8 9.3.4), then message after message.

use crate::dimse::acceptor::{AcceptorOptions, Timers};
use crate::dimse::association::{AssociationError, Link, Next, Waits};
use crate::dimse::command::{
    C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, COMMAND_FIELD, Command, MESSAGE_ID, N_ACTION_RQ,
    N_EVENT_REPORT_RQ, RESPONSE,
};
use crate::dimse::commitment::{self, Message};
use crate::dimse::connection::{Connection, ReadError};
use crate::dimse::negotiation::APPLICATION_CONTEXT;
use crate::dimse::negotiation::agreement::{Agreement, Context, agree};
use crate::dimse::negotiation::request::Request;
use crate::dimse::pdu::{ASSOCIATE_RQ, AbortReason, Frame};
use crate::dimse::places::{Full, Place, Places};
use crate::dimse::record::{End, Record, Side, Tally};
use crate::dimse::service::{Caller, Ended, Refusal, Service};
use crate::dimse::stream::{Security, Stream};
use crate::dimse::{echo, status, store};
use dicom_ul::pdu::Pdu;
use gantry_terms::ae_title::AeTitle;
use rustls::ServerConfig;
use std::io::{self, IoSlice};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a peer may take to close its side once the node stops.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// What all connections of an acceptor share.
pub(super) struct Shared<S> {
    pub options: AcceptorOptions,
    pub service: Arc<S>,
    pub associations: Arc<Places<AeTitle>>,
    /// Connections without an association.
    pub waiting: Arc<Places<IpAddr>>,
    pub stop: CancellationToken,
}

pub(super) struct Conversation<S> {
    pub shared: Arc<Shared<S>>,
    pub address: SocketAddr,
    pub number: u64,
    /// Nothing is said or heard but by TLS.
    pub tls: Option<Arc<ServerConfig>>,
}

/// Who got an association, what for, and the place that it takes among them.
struct Admitted {
    caller: Caller,
    agreement: Agreement,
    place: Place<AeTitle>,
}

impl<S: Service> Conversation<S> {
    pub async fn run(self, stream: TcpStream, waiting: Place<IpAddr>) {
        let mut telling = Telling::new(&*self.shared.service, self.number, self.address);
        let secured = tokio::select! {
            biased;
            secured = self.secured(stream, &mut telling) => secured,
            () = self.stopped_for(LAST_WAIT) => return,
        };
        let Some(stream) = secured else { return };
        let Ok(mut connection) = Connection::new(stream, self.shared.options.maximum_pdu) else {
            return;
        };
        telling.record.security = connection.security();
        // A node that stops tells whoever asks to come back; whoever does not ask soon is let go.
        let request = tokio::select! {
            biased;
            request = self.request(&mut connection, &mut telling) => request,
            () = self.stopped_for(LAST_WAIT) => return,
        };
        connection.let_go();
        let Some(request) = request else { return self.wait_for_close(connection).await };
        let admitted = tokio::select! {
            biased;
            admitted = self.admit(&request, connection.security()) => admitted,
            // A name server takes longer than a node that stops has.
            () = self.shared.stop.cancelled() => Err(Refusal::Stopping),
        };
        match admitted {
            Ok(admitted) => {
                drop(waiting);
                self.associate(connection, request, admitted, telling).await;
            }
            Err(refusal) => {
                drop(request);
                telling.tell(End::Refused(refusal));
                let reject = Pdu::AssociationRJ(refusal.rejection());
                let _ = connection.send(&reject, self.timers().artim).await;
                self.wait_for_close(connection).await;
            }
        }
    }

    /// TLS first, where nothing else is spoken. ARTIM is for all of it.
    async fn secured(&self, stream: TcpStream, telling: &mut Telling<'_, S>) -> Option<Stream> {
        let Some(tls) = &self.tls else { return Some(stream.into()) };
        let artim = self.timers().artim;
        let why = match timeout(artim, Stream::accepted(stream, tls.clone())).await {
            Ok(Ok(stream)) => return Some(stream),
            // A port scanner or a load balancer's probe.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no handshake within ARTIM".into(),
        };
        telling.tell(End::NotSecured(why));
        None
    }

    /// Until the node has been stopping for so long.
    async fn stopped_for(&self, span: Duration) {
        self.shared.stop.cancelled().await;
        tokio::time::sleep(span).await;
    }

    fn timers(&self) -> Timers {
        self.shared.options.timers
    }

    /// The A-ASSOCIATE-RQ, within ARTIM; anything else is aborted (AA-1) and told.
    async fn request(
        &self,
        connection: &mut Connection,
        telling: &mut Telling<'_, S>,
    ) -> Option<Request> {
        let artim = self.timers().artim;
        let mut request = Request::default();
        let (abort, reason) = match timeout(artim, connection.read(Duration::MAX, Duration::MAX))
            .await
        {
            Ok(Ok(Frame { kind: ASSOCIATE_RQ, body })) => {
                let read = request.read(body);
                telling.record.asked(&request);
                match read {
                    Ok(()) => return Some(request),
                    Err(what) => (AbortReason::InvalidParameter, what.to_string()),
                }
            }
            Ok(Ok(_)) => (AbortReason::ServiceUser, "it began with no association request".into()),
            // A port scanner or a load balancer's probe: nothing was asked, nothing is told.
            Ok(Err(ReadError::Closed)) => return None,
            Ok(Err(error @ ReadError::Length { .. })) => {
                (AbortReason::InvalidParameter, error.to_string())
            }
            Ok(Err(error)) => (AbortReason::ServiceUser, error.to_string()),
            // AA-2: the connection is closed without a word.
            Err(_) => {
                telling.tell(End::NotAsked("no association request within ARTIM".into()));
                connection.close().await;
                return None;
            }
        };
        telling.tell(End::NotAsked(format!("{reason} (A-ABORT {abort})")));
        connection.abort(abort, artim).await;
        None
    }

    /// The checks of PS3.8 9.3.4, in this order.
    async fn admit(&self, request: &Request, security: Security) -> Result<Admitted, Refusal> {
        if request.protocol_version & 1 == 0 {
            return Err(Refusal::ProtocolVersion);
        }
        if request.application_context != APPLICATION_CONTEXT {
            return Err(Refusal::ApplicationContextUnknown);
        }
        let service = &*self.shared.service;
        let called = AeTitle::parse(&request.called).map_err(|_| Refusal::CalledAeTitleUnknown)?;
        let calling = AeTitle::parse(&request.calling).map_err(|_| service.nobody(&called))?;
        let (address, association) = (self.address, self.number);
        let caller = Caller { calling, called, address, security, association };
        let terms = service.admit(&caller, request.user.identity.as_ref()).await?;
        if request.contexts.is_empty() {
            return Err(Refusal::NothingProposed);
        }
        let agreement = agree(request, &terms, |class, of| service.wants(class, of));
        if agreement.stores() {
            service.has_room()?;
        }
        if self.shared.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let place =
            self.shared.associations.take(caller.calling.clone(), terms.maximum_associations);
        let place = place.map_err(|full| match full {
            Full::All => Refusal::TooManyAssociations,
            Full::Own => Refusal::TooManyOfPeer,
        })?;
        Ok(Admitted { caller, agreement, place })
    }

    async fn associate(
        &self,
        mut connection: Connection,
        request: Request,
        admitted: Admitted,
        mut telling: Telling<'_, S>,
    ) {
        let Admitted { caller, agreement, place } = admitted;
        telling.record.answered(&agreement);
        if let Some(reason) = agreement.not_taken(&request) {
            self.shared.service.not_taken(&caller, reason);
        }
        if let Err(error) = self.accept(&mut connection, &request, &agreement).await {
            let why = format!("the acceptance could not be sent: {error}");
            return telling.tell(End::BrokenOff { by: Side::Network, why });
        }
        connection.require(self.shared.options.slowest);
        let Agreement { contexts, .. } = agreement;
        let mut link = Link::new(connection, contexts, request.user.peer_maximum());
        // What was asked is of no use any more, and the association may last for hours.
        drop(request);
        telling.open(caller.clone());
        let end = match self.serve_messages(&mut link, &caller, &mut telling.record.stored).await {
            Ok(end) => end,
            Err(error) => End::failed(&error, link.connection.aborted()),
        };
        telling.tell(end);
        drop(place);
        // Without a place to wait in, the connection is closed at once.
        if let Ok(_waiting) = self.shared.wait(self.address) {
            self.wait_for_close(link.connection).await;
        }
    }

    /// Sends the A-ASSOCIATE-AC. ARTIM is for all of it.
    async fn accept(
        &self,
        connection: &mut Connection,
        request: &Request,
        agreement: &Agreement,
    ) -> Result<(), String> {
        let artim = self.timers().artim;
        let acceptance = agreement.acceptance(request, self.shared.options.maximum_pdu);
        let acceptance = acceptance.map_err(|error| error.to_string())?;
        match timeout(artim, connection.write(&mut [IoSlice::new(&acceptance)], artim)).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the peer did not take it within {artim:?}")),
        }
    }

    /// Sta13: the peer closes first, or ARTIM runs out. A node that stops does not wait for long.
    async fn wait_for_close(&self, mut connection: Connection) {
        tokio::select! {
            () = self.stopped_for(LAST_WAIT) => {}
            () = connection.wait_for_close(self.timers().artim) => {}
        }
    }

    async fn serve_messages(
        &self,
        link: &mut Link,
        caller: &Caller,
        tally: &mut Tally,
    ) -> Result<End, AssociationError> {
        let Timers { idle, progress, .. } = self.timers();
        let waits = Waits { pdu: idle, progress };
        loop {
            // Between two messages the node may stop; within one it may not.
            let next = tokio::select! {
                () = self.shared.stop.cancelled() => {
                    link.connection.abort(AbortReason::ServiceUser, LAST_WAIT).await;
                    return Ok(End::BrokenOff { by: Side::Node, why: "the node stops".into() });
                }
                next = link.next(waits) => next?,
            };
            let first = match next {
                Next::Value(value) => value,
                Next::ReleaseRequested => {
                    // The peer has said its last word, whether or not it hears ours.
                    let _ = link.send_release(&Pdu::ReleaseRP, progress).await;
                    return Ok(End::Released);
                }
                Next::Released => {
                    return Err(link.unexpected("a release that nobody asked for", waits).await);
                }
            };
            link.connection.set_within_message(true);
            let (context, command) = link.command(first, waits).await?;
            let id = context.id;
            if let Some(answer) = self.answer(link, context, &command, caller, waits, tally).await?
            {
                link.respond(id, &answer, progress).await?;
            }
            link.connection.set_within_message(false);
        }
    }

    /// The response to a request; nothing where none is due.
    async fn answer(
        &self,
        link: &mut Link,
        context: Context,
        command: &Command,
        caller: &Caller,
        waits: Waits,
        tally: &mut Tally,
    ) -> Result<Option<Command>, AssociationError> {
        let Some(request) = command.number(COMMAND_FIELD) else {
            return Err(link.break_off("a command without a command field", waits).await);
        };
        if request & RESPONSE != 0 {
            return Err(link.unexpected("a response to nothing that was asked", waits).await);
        }
        // Nothing of what is served here takes long enough to be cancelled.
        if request == C_CANCEL_RQ {
            return Ok(None);
        }
        if command.number(MESSAGE_ID).is_none() {
            return Err(link.break_off("a request without a message ID", waits).await);
        }
        let service = &*self.shared.service;
        match request {
            C_STORE_RQ => {
                store::serve(link, context, command, caller, service, waits, tally).await.map(Some)
            }
            N_ACTION_RQ | N_EVENT_REPORT_RQ => {
                let asked = request == N_ACTION_RQ;
                let came = commitment::receive(link, &context, command, asked, waits).await?;
                let status = match came {
                    Ok(Message::Asked(request)) => service.asked_to_commit(caller, request).await,
                    Ok(Message::Reported(report)) => {
                        service.told_of_commitment(caller, report).await
                    }
                    Err(status) => status,
                };
                Ok(Some(Command::response_to(command, status)))
            }
            C_ECHO_RQ => Ok(Some(echo::answer(command, &context))),
            _ => {
                if command.has_data_set() {
                    link.skip_data_set(context.id, waits).await?;
                }
                Ok(Some(Command::response_to(command, status::UNRECOGNIZED_OPERATION)))
            }
        }
    }
}

/// Tells the service what became of a connection, whatever becomes of its task.
struct Telling<'a, S: Service> {
    service: &'a S,
    record: Record,
    opened: Option<Caller>,
    told: bool,
}

impl<'a, S: Service> Telling<'a, S> {
    fn new(service: &'a S, number: u64, address: SocketAddr) -> Self {
        Self { service, record: Record::new(number, address), opened: None, told: false }
    }

    fn open(&mut self, caller: Caller) {
        self.service.opened(&caller);
        self.opened = Some(caller);
    }

    /// The first end counts.
    fn tell(&mut self, end: End) {
        if !std::mem::replace(&mut self.told, true) {
            let how = match end {
                End::Released => Ended::Released,
                _ => Ended::BrokenOff,
            };
            self.record.end = end;
            if let Some(caller) = &self.opened {
                self.service.ended(caller, how);
            }
            let told = Record::new(self.record.association, self.record.address);
            self.service.recorded(std::mem::replace(&mut self.record, told));
        }
    }
}

impl<S: Service> Drop for Telling<'_, S> {
    /// Cancelled, or fallen over. Whoever asked for nothing is passed over in silence.
    fn drop(&mut self) {
        if self.opened.is_some() {
            self.tell(End::BrokenOff { by: Side::Node, why: "it was cut off".into() });
        }
    }
}
