//! The requestor (PS3.8 9.2): asks a peer for an association, stores, and releases it.

use crate::dimse::association::{AssociationError, Link, Next, Waits};
use crate::dimse::command::{
    AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, C_ECHO_RQ, C_STORE_RQ, COMMAND_FIELD,
    Command, ERROR_COMMENT, MESSAGE_ID, MESSAGE_ID_BEING_RESPONDED_TO, N_ACTION_RQ,
    N_EVENT_REPORT_RQ, PRIORITY, RESPONSE, STATUS,
};
use crate::dimse::commitment::{self, COMMITMENT, Message, Report, Request};
use crate::dimse::connect::{Unconnected, connect};
use crate::dimse::connection::{Connection, ReadError, SendError};
use crate::dimse::negotiation::acceptance::Acceptance;
use crate::dimse::negotiation::agreement::{Context, described};
use crate::dimse::negotiation::user_information::{UserIdentity, identity_of, of_this_node};
use crate::dimse::negotiation::{APPLICATION_CONTEXT, VERIFICATION};
use crate::dimse::pdu::{ABORT, ASSOCIATE_AC, ASSOCIATE_RJ, Abort, AbortReason, Frame};
use crate::dimse::status;
use crate::dimse::stream::{Secured, Security, Stream, tls_error};
use bytes::Bytes;
use dicom_ul::pdu::{
    AssociationRQ, Pdu, PresentationContextProposed, RequestorRoles, UserVariableItem,
};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The type of a record of TLS.
const TLS_ALERT: u8 = 0x15;
/// How long an A-ABORT may take, and the peer's close after it.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Whom to call, as whom, and how long to wait.
#[derive(Debug, Clone)]
pub struct Target {
    /// The servers that it may be reached at, in the order in which to try them, each with its addresses.
    pub servers: Vec<Vec<SocketAddr>>,
    /// Over TLS, and never without it.
    pub secured: Option<Secured>,
    /// As the SCP of storage commitment, which reports.
    pub reports: bool,
    /// As which user.
    pub identity: Option<UserIdentity>,
    pub called: AeTitle,
    pub calling: AeTitle,
    pub timers: RequestTimers,
    pub maximum_pdu: u32,
}

#[derive(Debug, Clone, Copy)]
pub struct RequestTimers {
    /// For all servers together.
    pub connect: Duration,
    /// The peer's answer to the association or release request.
    pub acse: Duration,
    /// The peer's answer to a message, and its taking of our bytes.
    pub dimse: Duration,
}

impl Default for RequestTimers {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            acse: Duration::from_secs(30),
            dimse: Duration::from_secs(60),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    pub sop_class: Uid,
    pub transfer_syntaxes: Vec<Uid>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreResponse {
    pub status: u16,
    pub comment: Option<String>,
}

/// Why there is no association.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The network, or the peer is down.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    /// The network, or the peer is down.
    #[error("{0} did not take the connection in time")]
    ConnectTimeout(String),
    /// An admin, here or at the peer: the words name the side.
    #[error("no TLS with {address}: {why}")]
    Tls { address: String, why: String },
    /// An admin, here or at the peer.
    #[error("the peer rejects the association for good: {0}")]
    RejectedPermanent(Rejection),
    /// Nobody: the peer takes it later.
    #[error("the peer rejects the association for now: {0}")]
    RejectedTransient(Rejection),
    /// The peer.
    #[error("the peer aborted the association request ({0})")]
    Aborted(Abort),
    /// The peer, or it is no DICOM application that listens there.
    #[error("the peer did not answer the association request: {0}")]
    NoAnswer(ReadError),
    /// The peer's maker.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The peer's maker: a PDU that has no place there.
    #[error("the peer broke the protocol: {0}")]
    Unexpected(&'static str),
    /// The peer's admin, or the admin here.
    #[error(
        "the peer does not confirm the user identity: it checks none, or its admin must enter this one; \
         without confirmed in login of the peer it does not have to"
    )]
    Unconfirmed,
    /// Ours.
    #[error("one association has 1 to 128 presentation contexts, not {0}")]
    Contexts(usize),
}

/// Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4), shown with what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    pub result: u8,
    pub source: u8,
    pub reason: u8,
}

/// An association in the role of the requestor.
pub struct Association {
    pub(super) link: Link,
    pub(super) timers: RequestTimers,
    pub(super) last_message: u16,
    /// Why contexts were refused, by SOP class.
    refused: Vec<(Uid, &'static str)>,
}

impl Association {
    /// Asks for an association with these contexts, in this order.
    pub async fn request(target: &Target, proposed: &[Proposed]) -> Result<Self, RequestError> {
        if !(1..=128).contains(&proposed.len()) {
            return Err(RequestError::Contexts(proposed.len()));
        }
        let mut servers = &target.servers[..];
        loop {
            let stream = connect(servers, target.timers.connect).await?;
            let others = behind(servers, &stream);
            match Self::over(stream, target, proposed).await {
                // Another server may have room. What is no for good is the answer of the title, whoever gives it.
                Err(RequestError::RejectedTransient(_)) if !others.is_empty() => servers = others,
                done => return done,
            }
        }
    }

    /// The same, over a connection that is there.
    pub async fn over(
        stream: TcpStream,
        target: &Target,
        proposed: &[Proposed],
    ) -> Result<Self, RequestError> {
        let address = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
        let stream = secured(stream, target, &address).await?;
        let failed = |source| RequestError::Connect { address: address.clone(), source };
        let mut connection = Connection::new(stream, target.maximum_pdu).map_err(failed)?;
        match answer(&mut connection, target, &address, proposed).await {
            Ok(acceptance) => Ok(Self::established(connection, target, proposed, &acceptance)),
            Err(error) => {
                if let Some(reason) = error.abort() {
                    connection.abort(reason, LAST_WORD).await;
                    connection.wait_for_close(LAST_WORD).await;
                }
                Err(error)
            }
        }
    }

    fn established(
        connection: Connection,
        target: &Target,
        proposed: &[Proposed],
        acceptance: &Acceptance,
    ) -> Self {
        let (mut contexts, mut refused) = (Vec::new(), Vec::new());
        for (index, proposal) in proposed.iter().enumerate() {
            match agreed(context_id(index), proposal, acceptance) {
                Ok(context) => contexts.push(context),
                Err(why) => refused.push((proposal.sop_class.clone(), why)),
            }
        }
        Self {
            link: Link::new(connection, contexts, acceptance.user.peer_maximum()),
            timers: target.timers,
            last_message: 0,
            refused,
        }
    }

    /// Where the peer is.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.link.connection.peer()
    }

    /// How it is protected.
    pub fn security(&self) -> Security {
        self.link.connection.security()
    }

    /// The transfer syntaxes in which the peer takes this class.
    pub fn accepted<'a>(&'a self, sop_class: &'a Uid) -> impl Iterator<Item = &'a Uid> {
        let contexts = self.link.contexts();
        contexts.filter(move |c| c.abstract_syntax == *sop_class).map(|c| &c.transfer_syntax)
    }

    /// Why the peer does not take this class.
    pub fn refusal(&self, sop_class: &Uid) -> Option<&'static str> {
        self.refused.iter().find(|(class, _)| class == sop_class).map(|(_, why)| *why)
    }

    /// Sends one instance and waits for the response.
    pub async fn store(
        &mut self,
        sop_class: &Uid,
        sop_instance: &Uid,
        transfer_syntax: &Uid,
        data_set: Bytes,
    ) -> Result<StoreResponse, AssociationError> {
        let context = self.context(sop_class, Some(transfer_syntax))?;
        let command = self
            .message(C_STORE_RQ)
            .with_text(AFFECTED_SOP_CLASS_UID, sop_class.as_str())
            .with_text(AFFECTED_SOP_INSTANCE_UID, sop_instance.as_str())
            .with_number(PRIORITY, 0)
            .with_data_set(true);
        self.link.send(context, &command, Some(&data_set), self.timers.dimse).await?;
        let response = self.response(C_STORE_RQ).await?;
        Ok(StoreResponse {
            status: response.number(STATUS).ok_or(AssociationError::Protocol("no status"))?,
            comment: response.text(ERROR_COMMENT).filter(|comment| !comment.is_empty()),
        })
    }

    /// Asks to commit (N-ACTION). 0000: the peer will report, on this association or on one of its own.
    pub async fn ask_to_commit(&mut self, request: &Request) -> Result<u16, AssociationError> {
        let context = self.commitment()?;
        let data_set = request.data_set(&context.transfer_syntax);
        let command = Request::command(self.message(N_ACTION_RQ));
        self.exchange(context.id, &command, data_set, N_ACTION_RQ).await
    }

    /// The peer's report, when it comes on this association in so long; it is answered by what `taken` says.
    pub async fn next_report(
        &mut self,
        wait: Duration,
        taken: impl AsyncFnOnce(Report) -> u16,
    ) -> Result<bool, AssociationError> {
        let waits = Waits { pdu: wait, progress: self.timers.dimse };
        let first = match timeout(wait, self.link.next(Waits { pdu: Duration::MAX, ..waits })).await
        {
            Err(_) => return Ok(false),
            Ok(Ok(Next::Value(value))) => value,
            Ok(Ok(_)) => return Err(AssociationError::Released),
            Ok(Err(error)) => return Err(error),
        };
        let (context, command) = self.link.command(first, waits).await?;
        if command.number(COMMAND_FIELD) != Some(N_EVENT_REPORT_RQ) {
            return Err(self.link.unexpected("a request that has no place here", waits).await);
        }
        let received = commitment::receive(&mut self.link, &context, &command, false, waits);
        let (status, heard) = match received.await? {
            Ok(Message::Reported(report)) => (taken(report).await, true),
            Ok(Message::Asked(_)) => (status::UNRECOGNIZED_OPERATION, false),
            Err(status) => (status, false),
        };
        let answer = Command::response_to(&command, status);
        self.link.respond(context.id, &answer, self.timers.dimse).await?;
        Ok(heard)
    }

    /// Reports on what the peer asked for (N-EVENT-REPORT).
    pub async fn report(&mut self, report: &Report) -> Result<u16, AssociationError> {
        let context = self.commitment()?;
        let data_set = report.data_set(&context.transfer_syntax);
        let command = report.command(self.message(N_EVENT_REPORT_RQ));
        self.exchange(context.id, &command, data_set, N_EVENT_REPORT_RQ).await
    }

    fn commitment(&self) -> Result<Context, AssociationError> {
        self.context_of(COMMITMENT).ok_or(AssociationError::NoContext)
    }

    /// Of a class that is no storage class.
    pub(super) fn context_of(&self, sop_class: &str) -> Option<Context> {
        self.link.contexts().find(|c| c.abstract_syntax.as_str() == sop_class).cloned()
    }

    async fn exchange(
        &mut self,
        context: u8,
        command: &Command,
        data_set: Option<Vec<u8>>,
        request: u16,
    ) -> Result<u16, AssociationError> {
        let data_set = data_set.ok_or(AssociationError::NoContext)?;
        self.link.send(context, command, Some(&data_set), self.timers.dimse).await?;
        let response = self.response(request).await?;
        response.number(STATUS).ok_or(AssociationError::Protocol("no status"))
    }

    /// C-ECHO; the peer must have accepted the Verification SOP Class.
    pub async fn echo(&mut self) -> Result<u16, AssociationError> {
        let verification = Uid::parse(VERIFICATION).map_err(|_| AssociationError::NoContext)?;
        let context = self.context(&verification, None)?;
        let command = self
            .message(C_ECHO_RQ)
            .with_text(AFFECTED_SOP_CLASS_UID, VERIFICATION)
            .with_data_set(false);
        self.link.send(context, &command, None, self.timers.dimse).await?;
        let response = self.response(C_ECHO_RQ).await?;
        response.number(STATUS).ok_or(AssociationError::Protocol("no status"))
    }

    /// A-RELEASE. Nothing is lost when the peer does not answer it: every response was had.
    pub async fn release(mut self) {
        let acse = self.timers.acse;
        if self.link.send_release(&Pdu::ReleaseRQ, acse).await.is_err() {
            return;
        }
        let waits = Waits { pdu: acse, progress: acse };
        match self.link.next(waits).await {
            Ok(Next::Released) | Err(_) => {}
            // Collision (PS3.8 9.2.2.2): the requestor answers first, then waits for its answer.
            Ok(Next::ReleaseRequested) => {
                let _ = self.link.send_release(&Pdu::ReleaseRP, acse).await;
                let _ = self.link.next(waits).await;
            }
            Ok(Next::Value(_)) => self.abort().await,
        }
    }

    /// A-ABORT.
    pub async fn abort(mut self) {
        self.link.connection.abort(AbortReason::ServiceUser, LAST_WORD).await;
        self.link.connection.wait_for_close(LAST_WORD).await;
    }

    pub(super) fn message(&mut self, field: u16) -> Command {
        self.last_message = self.last_message.wrapping_add(1);
        Command::default()
            .with_number(COMMAND_FIELD, field)
            .with_number(MESSAGE_ID, self.last_message)
    }

    fn context(&self, sop_class: &Uid, syntax: Option<&Uid>) -> Result<u8, AssociationError> {
        let fits = |c: &&Context| {
            c.abstract_syntax == *sop_class
                && syntax.is_none_or(|syntax| c.transfer_syntax == *syntax)
        };
        let context = self.link.contexts().find(fits);
        context.map(|context| context.id).ok_or(AssociationError::NoContext)
    }

    /// The response to the request that was sent last. `dimse` is for all of it: a peer that says
    /// something now and then has not answered.
    async fn response(&mut self, request: u16) -> Result<Command, AssociationError> {
        let dimse = self.timers.dimse;
        if let Ok(response) = timeout(dimse, self.whole_response(request)).await {
            return response;
        }
        Err(self.late(dimse).await)
    }

    /// The peer did not answer within that time.
    pub(super) async fn late(&mut self, waited: Duration) -> AssociationError {
        if self.link.connection.aborted().is_none() {
            self.link.connection.abort(AbortReason::NotSpecified, LAST_WORD).await;
        }
        AssociationError::Late(waited)
    }

    /// However long it takes.
    async fn whole_response(&mut self, request: u16) -> Result<Command, AssociationError> {
        let waits = Waits { pdu: Duration::MAX, progress: Duration::MAX };
        let first = match self.link.next(waits).await? {
            Next::Value(value) => value,
            Next::ReleaseRequested => {
                let _ = self.link.send_release(&Pdu::ReleaseRP, self.timers.acse).await;
                return Err(AssociationError::Released);
            }
            Next::Released => {
                return Err(self.link.unexpected("a release that nobody asked for", waits).await);
            }
        };
        let (context, command) = self.link.command(first, waits).await?;
        let answers = command.number(COMMAND_FIELD) == Some(request | RESPONSE)
            && command.number(MESSAGE_ID_BEING_RESPONDED_TO) == Some(self.last_message);
        if !answers {
            return Err(self.link.unexpected("a response to another message", waits).await);
        }
        if command.has_data_set() {
            self.link.skip_data_set(context.id, waits).await?;
        }
        Ok(command)
    }
}

impl From<Unconnected> for RequestError {
    fn from(why: Unconnected) -> Self {
        match why.source {
            Some(source) => Self::Connect { address: why.tried, source },
            None => Self::ConnectTimeout(why.tried),
        }
    }
}

impl RequestError {
    /// Whether what came instead of an answer was an alert of TLS (RFC 8446 section 5.1).
    pub fn is_of_tls(&self) -> bool {
        let Self::NoAnswer(ReadError::Unrecognized(kind) | ReadError::Length { kind, .. }) = self
        else {
            return false;
        };
        *kind == TLS_ALERT
    }

    /// What the peer is told; nothing when it ended the matter itself, or cannot be reached.
    fn abort(&self) -> Option<AbortReason> {
        match self {
            Self::NoAnswer(ReadError::Closed | ReadError::Io(_)) => None,
            Self::NoAnswer(ReadError::Unrecognized(_)) => Some(AbortReason::UnrecognizedPdu),
            Self::NoAnswer(ReadError::Length { .. }) => Some(AbortReason::InvalidParameter),
            Self::NoAnswer(_) | Self::Unconfirmed => Some(AbortReason::ServiceUser),
            Self::Protocol(_) => Some(AbortReason::InvalidParameter),
            Self::Unexpected(_) => Some(AbortReason::UnexpectedPdu),
            _ => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { result, source, reason } = self;
        let words = match (source, reason) {
            (1, 2) => "it does not know DICOM's application context",
            (1, 3) => "it does not know our AE title: its admin must enter it there",
            (1, 7) => "it has not the AE title that we call: look at this peer's AE title",
            (2, 2) => "it does not know our version of the protocol",
            (3, 1) => "it is congested",
            (3, 2) => "it has too many associations",
            _ => "it gives no reason: its admin's log may",
        };
        write!(f, "{words} ({result}/{source}/{reason})")
    }
}

/// The servers that come after the one that was reached.
fn behind<'s>(servers: &'s [Vec<SocketAddr>], reached: &TcpStream) -> &'s [Vec<SocketAddr>] {
    let reached = reached.peer_addr().ok();
    let at = servers.iter().position(|server| reached.is_some_and(|it| server.contains(&it)));
    at.and_then(|at| servers.get(at + 1..)).unwrap_or_default()
}

/// Odd, 1 to 255 (PS3.8 9.3.2.2); at most 128 are proposed.
fn context_id(index: usize) -> u8 {
    (2 * index + 1).min(255) as u8
}

fn request_pdu(target: &Target, proposed: &[Proposed]) -> Pdu {
    let contexts =
        proposed.iter().enumerate().map(|(index, proposal)| PresentationContextProposed {
            id: context_id(index),
            abstract_syntax: proposal.sop_class.to_string(),
            transfer_syntaxes: proposal.transfer_syntaxes.iter().map(Uid::to_string).collect(),
        });
    // PS3.7 D.3.3.4: who reports is SCP, though it asks for the association.
    let reporting = target.reports.then(|| {
        let roles = RequestorRoles { scu: false, scp: true };
        UserVariableItem::ScuScpRoleSelectionSubItem(COMMITMENT.into(), roles)
    });
    Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: target.calling.to_string(),
        called_ae_title: target.called.to_string(),
        application_context_name: APPLICATION_CONTEXT.into(),
        presentation_contexts: contexts.collect(),
        user_variables: of_this_node(target.maximum_pdu)
            .into_iter()
            .chain(reporting)
            .chain(target.identity.as_ref().map(identity_of))
            .collect(),
    })
}

/// The connection as it is, or with TLS on it.
async fn secured(
    stream: TcpStream,
    target: &Target,
    address: &str,
) -> Result<Stream, RequestError> {
    let Some(secured) = &target.secured else { return Ok(stream.into()) };
    let failed = |why: String| RequestError::Tls { address: address.into(), why };
    match timeout(target.timers.connect, Stream::connected(stream, secured)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(tls_trouble(&error))),
        Err(_) => Err(failed("it does not answer the handshake: is this its port for TLS?".into())),
    }
}

/// What went wrong in a handshake, and whose turn it is.
fn tls_trouble(error: &io::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    let ours = "its admin must trust this node's certificate, [tls] certificate";
    match tls_error(error) {
        Some(Error::InvalidCertificate(bad)) => match bad {
            Bad::UnknownIssuer => "its certificate comes from none of [tls] trust".into(),
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "its certificate has expired: its admin must renew it".into()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                format!("{bad}: set tls-name of the peer to the name in its certificate")
            }
            Bad::Revoked => "its certificate was revoked".into(),
            Bad::ApplicationVerificationFailure => {
                "its certificate is none of those that pin of the peer names".into()
            }
            bad => format!("its certificate is not good: {bad}"),
        },
        Some(Error::AlertReceived(Alert::CertificateRequired | Alert::NoCertificate)) => {
            "it asks for a certificate, which this node has not: set [tls] certificate".into()
        }
        Some(Error::AlertReceived(
            alert @ (Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied),
        )) => format!("it refuses this node's certificate ({alert:?}): {ours}"),
        Some(Error::InvalidMessage(_)) => {
            "what listens there speaks no TLS: is this its port for TLS?".into()
        }
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("it closed the connection within the handshake: {ours}")
        }
        None => error.to_string(),
    }
}

/// The peer's acceptance, or why there is none.
async fn answer(
    connection: &mut Connection,
    target: &Target,
    address: &str,
    proposed: &[Proposed],
) -> Result<Acceptance, RequestError> {
    let acse = target.timers.acse;
    let failed = |error| match error {
        SendError::Aborted(abort) => RequestError::Aborted(abort),
        SendError::Closed => RequestError::NoAnswer(ReadError::Closed),
        SendError::Stalled(wait) => RequestError::NoAnswer(ReadError::Silent(wait)),
        SendError::Io(error) => RequestError::NoAnswer(ReadError::Io(error)),
    };
    // With TLS 1.3 the peer says only now what it thinks of this node's certificate.
    let no_answer = |error| match error {
        RequestError::NoAnswer(ReadError::Io(error)) if tls_error(&error).is_some() => {
            RequestError::Tls { address: address.into(), why: tls_trouble(&error) }
        }
        other => other,
    };
    let sent = connection.send(&request_pdu(target, proposed), acse).await;
    sent.map_err(|error| no_answer(failed(error)))?;
    let Frame { kind, body } = timeout(acse, connection.read(Duration::MAX, Duration::MAX))
        .await
        .unwrap_or(Err(ReadError::Silent(acse)))
        .map_err(|error| no_answer(RequestError::NoAnswer(error)))?;
    match kind {
        ASSOCIATE_AC => {
            let acceptance = Acceptance::read(body).map_err(RequestError::Protocol)?;
            let is_to_confirm = target.identity.as_ref().is_some_and(|who| who.asks_for_response);
            match is_to_confirm && !acceptance.user.is_identity_confirmed {
                true => Err(RequestError::Unconfirmed),
                false => Ok(acceptance),
            }
        }
        ASSOCIATE_RJ => Err(rejected(&body)),
        ABORT => Err(RequestError::Aborted(Abort::read(&body))),
        _ => Err(RequestError::Unexpected("no answer to the association request")),
    }
}

/// What the peer agreed to, or why not.
fn agreed(id: u8, proposal: &Proposed, acceptance: &Acceptance) -> Result<Context, &'static str> {
    let answer = acceptance.contexts.iter().find(|(answered, ..)| *answered == id);
    let (_, result, chosen) = answer.ok_or("not answered")?;
    if *result != 0 {
        return Err(described(*result));
    }
    let transfer_syntax =
        proposal.transfer_syntaxes.iter().find(|syntax| syntax.as_str() == chosen);
    Ok(Context {
        id,
        abstract_syntax: proposal.sop_class.clone(),
        transfer_syntax: transfer_syntax
            .ok_or("accepted with a transfer syntax that was not proposed")?
            .clone(),
    })
}

/// Result 2 is the only one that passes (PS3.8 table 9-21).
fn rejected(body: &[u8]) -> RequestError {
    let &[_, result, source, reason] = body else {
        return RequestError::Protocol("its rejection cannot be parsed");
    };
    let rejection = Rejection { result, source, reason };
    match result {
        2 => RequestError::RejectedTransient(rejection),
        _ => RequestError::RejectedPermanent(rejection),
    }
}
