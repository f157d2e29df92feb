//! The acceptor (PS3.8 9.2, PS3.7 annex D): listens, decides who may and what, and serves each association in a task of its own.

use crate::dimse::association::{AssociationError, Link, Next, Waits};
use crate::dimse::command::{C_ECHO_RQ, C_STORE_RQ, COMMAND_FIELD, Command, RESPONSE};
use crate::dimse::negotiation::{
    APPLICATION_CONTEXT, Context, Request, VERIFICATION, user_variables,
};
use crate::dimse::pdu::{ASSOCIATE_RQ, AbortReason, Connection, Frame};
use crate::dimse::status;
pub use crate::dimse::store::{DataSet, PeerGone};
use crate::dimse::{echo, store};
use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason,
    AssociationRJSource, Pdu, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason,
};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use gantry_terms::{storage_classes, transfer_syntaxes};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub struct AcceptorOptions {
    /// The longest P-DATA-TF variable field that we take; announced to the peer.
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
    /// Without a byte within a PDU.
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

/// Who calls whom, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    pub calling: AeTitle,
    pub called: AeTitle,
    pub address: SocketAddr,
}

#[derive(Debug, Clone)]
pub struct StoreRequest {
    pub caller: Caller,
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub transfer_syntax: Uid,
    pub message_id: u16,
}

/// Status, and an Error Comment (LO, 64 characters, nothing of the patient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAnswer {
    pub status: u16,
    pub comment: Option<String>,
}

/// Why an association is refused. The table of PS3.8 9.3.4 is [`Refusal::triple`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    CalledAeTitleUnknown,
    CallingAeTitleUnknown,
    ApplicationContextUnknown,
    ProtocolVersion,
    NothingProposed,
    TooManyAssociations,
}

/// An association that did not come about, or was broken off, for the admin to see. The titles
/// are as the peer sent them.
#[derive(Debug, Clone)]
pub struct RefusedAssociation {
    pub calling: String,
    pub called: String,
    pub address: SocketAddr,
    pub reason: String,
}

/// What an acceptor serves.
pub trait Service: Send + Sync + 'static {
    fn admit(&self, caller: &Caller) -> Result<(), Refusal>;

    fn wants(&self, sop_class: &str) -> bool {
        storage_classes::is_storage_class(sop_class)
    }

    /// Answers one C-STORE. What is left unread of the data set is drained.
    fn store(
        &self,
        request: StoreRequest,
        data: &mut DataSet<'_>,
    ) -> impl Future<Output = StoreAnswer> + Send;

    /// Told of what was refused or broken off.
    fn refused(&self, what: RefusedAssociation);
}

impl Refusal {
    /// Result, source and reason of the A-ASSOCIATE-RJ (PS3.8 table 9-21).
    fn triple(self) -> (AssociationRJResult, AssociationRJSource) {
        use AssociationRJResult::{Permanent, Transient};
        use AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported;
        use AssociationRJServiceProviderPresentationReason::LocalLimitExceeded;
        use AssociationRJServiceUserReason as User;
        use AssociationRJSource::{ServiceProviderASCE, ServiceProviderPresentation, ServiceUser};
        match self {
            Self::CalledAeTitleUnknown => {
                (Permanent, ServiceUser(User::CalledAETitleNotRecognized))
            }
            Self::CallingAeTitleUnknown => {
                (Permanent, ServiceUser(User::CallingAETitleNotRecognized))
            }
            Self::ApplicationContextUnknown => {
                (Permanent, ServiceUser(User::ApplicationContextNameNotSupported))
            }
            Self::NothingProposed => (Permanent, ServiceUser(User::NoReasonGiven)),
            Self::ProtocolVersion => (Permanent, ServiceProviderASCE(ProtocolVersionNotSupported)),
            Self::TooManyAssociations => {
                (Transient, ServiceProviderPresentation(LocalLimitExceeded))
            }
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::CalledAeTitleUnknown => "this node has not the called AE title (1/1/7)",
            Self::CallingAeTitleUnknown => "the calling AE title is no peer of this node (1/1/3)",
            Self::ApplicationContextUnknown => "unknown application context (1/1/2)",
            Self::ProtocolVersion => "unknown protocol version (1/2/2)",
            Self::NothingProposed => "no presentation context was proposed (1/1/1)",
            Self::TooManyAssociations => "too many associations at a time (2/3/2)",
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
    let free = Arc::new(Semaphore::new(options.maximum_associations));
    let options = Arc::new(options);
    let mut associations = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = associations.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for example: others may end meanwhile.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let permit = free.clone().try_acquire_owned().ok();
        let acceptor = Acceptor {
            options: options.clone(),
            service: service.clone(),
            address,
            stop: stop.clone(),
        };
        associations.spawn(async move {
            acceptor.associate(stream, permit.is_some()).await;
            drop(permit);
        });
    }
    drop(listener);
    while associations.join_next().await.is_some() {}
}

/// One connection, from TCP accept to close.
struct Acceptor<S> {
    options: Arc<AcceptorOptions>,
    service: Arc<S>,
    address: SocketAddr,
    stop: CancellationToken,
}

impl<S: Service> Acceptor<S> {
    async fn associate(&self, stream: TcpStream, is_free: bool) {
        let Ok(mut connection) = Connection::new(stream, self.options.maximum_pdu) else { return };
        let artim = self.options.timers.artim;
        let Some(request) = self.request(&mut connection).await else { return };
        let caller = match self.admit(&request, is_free) {
            Ok(caller) => caller,
            Err(refusal) => {
                self.tell(&request, refusal.described().into());
                let (result, source) = refusal.triple();
                let reject = Pdu::AssociationRJ(AssociationRJ { result, source });
                if connection.send(&reject, artim).await.is_ok() {
                    connection.wait_for_close(artim).await;
                }
                return;
            }
        };
        let (answered, accepted) = self.answer_contexts(&request.contexts);
        let accept = Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: request.calling.clone(),
            called_ae_title: request.called.clone(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: answered,
            user_variables: user_variables(self.options.maximum_pdu),
        });
        if connection.send(&accept, artim).await.is_err() {
            return;
        }
        let mut link = Link::new(connection, accepted, request.peer_maximum());
        if let Err(error) = self.serve_messages(&mut link, &caller).await {
            self.tell(&request, error.to_string());
        }
    }

    /// The A-ASSOCIATE-RQ, within ARTIM; anything else is aborted (AA-1) and told.
    async fn request(&self, connection: &mut Connection) -> Option<Request> {
        let artim = self.options.timers.artim;
        let reading = connection.read(artim, artim);
        let reason = match tokio::time::timeout(artim, reading).await {
            Ok(Ok(Frame { kind: ASSOCIATE_RQ, body })) => match Request::read(body) {
                Some(request) => return Some(request),
                None => {
                    connection.abort(AbortReason::InvalidParameter, artim).await;
                    "the association request cannot be parsed".to_string()
                }
            },
            Ok(Ok(_)) => {
                connection.abort(AbortReason::ServiceUser, artim).await;
                "the first PDU was no association request".to_string()
            }
            // A port scanner or a load balancer's probe: nothing was asked, nothing is told.
            Ok(Err(crate::dimse::pdu::ReadError::Closed)) => return None,
            Ok(Err(error)) => {
                connection.abort(AbortReason::InvalidParameter, artim).await;
                error.to_string()
            }
            Err(_) => "no association request within ARTIM".to_string(),
        };
        self.tell(&Request::default(), reason);
        None
    }

    /// The checks of PS3.8 9.3.4, in this order.
    fn admit(&self, request: &Request, is_free: bool) -> Result<Caller, Refusal> {
        if request.protocol_version & 1 == 0 {
            return Err(Refusal::ProtocolVersion);
        }
        if request.application_context != APPLICATION_CONTEXT {
            return Err(Refusal::ApplicationContextUnknown);
        }
        let called = AeTitle::parse(&request.called).map_err(|_| Refusal::CalledAeTitleUnknown)?;
        let calling =
            AeTitle::parse(&request.calling).map_err(|_| Refusal::CallingAeTitleUnknown)?;
        let caller = Caller { calling, called, address: self.address };
        self.service.admit(&caller)?;
        if request.contexts.is_empty() {
            return Err(Refusal::NothingProposed);
        }
        if !is_free || self.stop.is_cancelled() {
            return Err(Refusal::TooManyAssociations);
        }
        Ok(caller)
    }

    /// Every proposed context is answered; a refused one still carries a syntax (PS3.8 9.3.3.2).
    fn answer_contexts(
        &self,
        proposed: &[PresentationContextProposed],
    ) -> (Vec<PresentationContextResult>, Vec<Context>) {
        let mut accepted = Vec::new();
        let answer = |proposal: &PresentationContextProposed| {
            let wanted = proposal.abstract_syntax == VERIFICATION
                || self.service.wants(&proposal.abstract_syntax);
            let offered = proposal.transfer_syntaxes.iter().map(String::as_str);
            let chosen = match proposal.abstract_syntax.as_str() {
                VERIFICATION => {
                    transfer_syntaxes::choose(offered.filter(|syntax| is_native(syntax)))
                }
                _ => transfer_syntaxes::choose(offered),
            };
            let (reason, syntax) = match (wanted, chosen) {
                (false, _) => (PresentationContextResultReason::AbstractSyntaxNotSupported, None),
                (_, None) => (PresentationContextResultReason::TransferSyntaxesNotSupported, None),
                (_, Some(syntax)) => (PresentationContextResultReason::Acceptance, Some(syntax)),
            };
            let first = proposal.transfer_syntaxes.first().map(String::as_str);
            PresentationContextResult {
                id: proposal.id,
                reason,
                transfer_syntax: syntax
                    .or(first)
                    .unwrap_or(transfer_syntaxes::IMPLICIT_VR_LITTLE_ENDIAN)
                    .into(),
            }
        };
        let answered: Vec<PresentationContextResult> = proposed.iter().map(answer).collect();
        for (proposal, result) in proposed.iter().zip(&answered) {
            if result.reason == PresentationContextResultReason::Acceptance {
                let abstract_syntax = Uid::parse(&proposal.abstract_syntax);
                let transfer_syntax = Uid::parse(&result.transfer_syntax);
                if let (Ok(abstract_syntax), Ok(transfer_syntax)) =
                    (abstract_syntax, transfer_syntax)
                {
                    accepted.push(Context { id: result.id, abstract_syntax, transfer_syntax });
                }
            }
        }
        (answered, accepted)
    }

    async fn serve_messages(
        &self,
        link: &mut Link,
        caller: &Caller,
    ) -> Result<(), AssociationError> {
        let Timers { artim, idle, progress } = self.options.timers;
        let waits = Waits { pdu: idle, progress };
        loop {
            // Between two messages the node may stop; within one it may not.
            let next = tokio::select! {
                () = self.stop.cancelled() => {
                    link.connection.abort(AbortReason::ServiceUser, Duration::from_secs(1)).await;
                    return Ok(());
                }
                next = link.next(waits) => next?,
            };
            let first = match next {
                Next::Value(value) => value,
                Next::ReleaseRequested => {
                    if link.connection.send(&Pdu::ReleaseRP, progress).await.is_ok() {
                        link.connection.wait_for_close(artim).await;
                    }
                    return Ok(());
                }
                Next::Released => {
                    return Err(link.break_off("a release that nobody asked for", waits).await);
                }
            };
            let (id, command) = link.command(first, waits).await?;
            let Some(context) = link.context(id).cloned() else {
                return Err(link.break_off("an unknown presentation context", waits).await);
            };
            self.serve_message(link, context, &command, caller, Waits { pdu: progress, progress })
                .await?;
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
        match command.number(COMMAND_FIELD) {
            Some(C_STORE_RQ) => {
                store::serve(link, context, command, caller, &*self.service, waits).await
            }
            Some(C_ECHO_RQ) => {
                link.send(context.id, &echo::answer(command), None, waits.progress).await
            }
            Some(field) if field & RESPONSE == 0 => {
                store::drain(link, context.id, command, waits).await?;
                let response = Command::response_to(command, status::UNRECOGNIZED_OPERATION);
                link.send(context.id, &response, None, waits.progress).await
            }
            _ => Err(link.break_off("a response to nothing that was asked", waits).await),
        }
    }

    fn tell(&self, request: &Request, reason: String) {
        self.service.refused(RefusedAssociation {
            calling: request.calling.clone(),
            called: request.called.clone(),
            address: self.address,
            reason,
        });
    }
}

/// C-ECHO has no data set: a native syntax is all that makes sense.
fn is_native(syntax: &str) -> bool {
    [
        transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN,
        transfer_syntaxes::IMPLICIT_VR_LITTLE_ENDIAN,
        transfer_syntaxes::EXPLICIT_VR_BIG_ENDIAN,
    ]
    .contains(&syntax)
}
