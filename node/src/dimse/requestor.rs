//! The requestor (PS3.8 9.2): asks a peer for an association, stores, and releases it.

use crate::dimse::association::{AssociationError, Link, Next, Waits};
use crate::dimse::command::{
    AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, C_ECHO_RQ, C_STORE_RQ, COMMAND_FIELD,
    Command, ERROR_COMMENT, MESSAGE_ID, MESSAGE_ID_BEING_RESPONDED_TO, PRIORITY, RESPONSE, STATUS,
};
use crate::dimse::negotiation::{
    APPLICATION_CONTEXT, Context, VERIFICATION, described, peer_maximum, user_variables,
};
use crate::dimse::pdu::{
    ABORT, ASSOCIATE_AC, ASSOCIATE_RJ, AbortReason, Connection, Frame, ReadError,
};
use bytes::{BufMut, Bytes, BytesMut};
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextProposed,
    PresentationContextResultReason, UserVariableItem, read_pdu,
};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Whom to call, as whom, and how long to wait.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port`.
    pub address: String,
    pub called: AeTitle,
    pub calling: AeTitle,
    pub timers: RequestTimers,
    pub maximum_pdu: u32,
}

#[derive(Debug, Clone, Copy)]
pub struct RequestTimers {
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
    /// Network, or the peer is down.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("{0} did not take the connection in time")]
    ConnectTimeout(String),
    /// The peer's admin: who we are, or what we call it, is not known there.
    #[error("the peer rejects the association for good: {0}")]
    RejectedPermanent(String),
    /// The peer is busy.
    #[error("the peer rejects the association for now: {0}")]
    RejectedTransient(String),
    #[error("the peer aborted the association request")]
    Aborted,
    #[error("the peer did not answer the association request: {0}")]
    NoAnswer(ReadError),
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("more than 128 presentation contexts cannot be proposed at once")]
    TooManyContexts,
}

/// An association in the role of the requestor.
pub struct Association {
    link: Link,
    timers: RequestTimers,
    last_message: u16,
    /// Why contexts were refused, by SOP class.
    refused: Vec<(Uid, &'static str)>,
}

impl Association {
    /// Asks for an association with these contexts, in this order.
    pub async fn request(target: &Target, proposed: &[Proposed]) -> Result<Self, RequestError> {
        if proposed.len() > 128 {
            return Err(RequestError::TooManyContexts);
        }
        let connect = timeout(target.timers.connect, TcpStream::connect(&target.address));
        let stream = connect
            .await
            .map_err(|_| RequestError::ConnectTimeout(target.address.clone()))?
            .map_err(|source| RequestError::Connect { address: target.address.clone(), source })?;
        let failed = |source| RequestError::Connect { address: target.address.clone(), source };
        let mut connection = Connection::new(stream, target.maximum_pdu).map_err(failed)?;
        connection
            .send(&request_pdu(target, proposed), target.timers.acse)
            .await
            .map_err(failed)?;
        let acse = target.timers.acse;
        let frame = match connection.read(acse, acse).await {
            Ok(frame) => frame,
            Err(error) => {
                connection.abort(AbortReason::ServiceUser, Duration::from_secs(1)).await;
                return Err(RequestError::NoAnswer(error));
            }
        };
        let answer = accepted_answer(frame)?;
        Ok(Self::established(connection, target, proposed, answer))
    }

    fn established(
        connection: Connection,
        target: &Target,
        proposed: &[Proposed],
        answer: AssociationAC,
    ) -> Self {
        let (mut contexts, mut refused) = (Vec::new(), Vec::new());
        for (index, proposal) in proposed.iter().enumerate() {
            let id = context_id(index);
            let result = answer.presentation_contexts.iter().find(|result| result.id == id);
            match result {
                Some(result) if result.reason == PresentationContextResultReason::Acceptance => {
                    // A syntax that was not proposed is no agreement (PS3.8 9.3.3.2).
                    let chosen = proposal.transfer_syntaxes.iter().find(|syntax| {
                        syntax.as_str() == result.transfer_syntax.trim_end_matches(['\0', ' '])
                    });
                    contexts.extend(chosen.map(|syntax| Context {
                        id,
                        abstract_syntax: proposal.sop_class.clone(),
                        transfer_syntax: syntax.clone(),
                    }));
                }
                Some(result) => {
                    refused.push((proposal.sop_class.clone(), described(&result.reason)))
                }
                None => refused.push((proposal.sop_class.clone(), "not answered")),
            }
        }
        let announced = answer.user_variables.iter().find_map(|item| match item {
            UserVariableItem::MaxLength(length) => Some(*length),
            _ => None,
        });
        Self {
            link: Link::new(connection, contexts, peer_maximum(announced)),
            timers: target.timers,
            last_message: 0,
            refused,
        }
    }

    /// The transfer syntaxes in which the peer takes this class.
    pub fn accepted<'a>(&'a self, sop_class: &'a Uid) -> impl Iterator<Item = &'a Uid> {
        let contexts = self.link.contexts.iter();
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
        if self.link.connection.send(&Pdu::ReleaseRQ, acse).await.is_err() {
            return;
        }
        let waits = Waits { pdu: acse, progress: acse };
        match self.link.next(waits).await {
            Ok(Next::Released) | Err(_) => {}
            // Collision (PS3.8 9.2.2.2): the requestor answers first, then waits for its answer.
            Ok(Next::ReleaseRequested) => {
                let _ = self.link.connection.send(&Pdu::ReleaseRP, acse).await;
                let _ = self.link.next(waits).await;
            }
            Ok(Next::Value(_)) => {
                self.link.connection.abort(AbortReason::UnexpectedPdu, acse).await;
            }
        }
    }

    /// A-ABORT.
    pub async fn abort(mut self) {
        self.link.connection.abort(AbortReason::ServiceUser, Duration::from_secs(1)).await;
    }

    fn message(&mut self, field: u16) -> Command {
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
        let context = self.link.contexts.iter().find(fits);
        context.map(|context| context.id).ok_or(AssociationError::NoContext)
    }

    async fn response(&mut self, request: u16) -> Result<Command, AssociationError> {
        let waits = Waits { pdu: self.timers.dimse, progress: self.timers.dimse };
        let first = match self.link.next(waits).await? {
            Next::Value(value) => value,
            Next::ReleaseRequested => {
                let _ = self.link.connection.send(&Pdu::ReleaseRP, self.timers.acse).await;
                return Err(AssociationError::Released);
            }
            Next::Released => return Err(AssociationError::Released),
        };
        let (_, command) = self.link.command(first, waits).await?;
        let answers = command.number(COMMAND_FIELD) == Some(request | RESPONSE)
            && command.number(MESSAGE_ID_BEING_RESPONDED_TO) == Some(self.last_message);
        if answers {
            Ok(command)
        } else {
            Err(self.link.break_off("a response to another message", waits).await)
        }
    }
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
    Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: target.calling.to_string(),
        called_ae_title: target.called.to_string(),
        application_context_name: APPLICATION_CONTEXT.into(),
        presentation_contexts: contexts.collect(),
        user_variables: user_variables(target.maximum_pdu),
    })
}

/// The acceptance, or why there is none.
fn accepted_answer(frame: Frame) -> Result<AssociationAC, RequestError> {
    match frame.kind {
        ASSOCIATE_RJ => return Err(rejected(&frame.body)),
        ABORT => return Err(RequestError::Aborted),
        ASSOCIATE_AC => {}
        _ => return Err(RequestError::Protocol("no answer to the association request")),
    }
    let mut pdu = BytesMut::with_capacity(frame.body.len() + 6);
    pdu.put_u8(frame.kind);
    pdu.put_u8(0);
    pdu.put_u32(frame.body.len() as u32);
    pdu.extend_from_slice(&frame.body);
    match read_pdu(pdu.freeze(), 1 << 20, false) {
        Ok(Some(Pdu::AssociationAC(answer))) => Ok(answer),
        _ => Err(RequestError::Protocol("its acceptance of the association cannot be parsed")),
    }
}

/// Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4) in words.
fn rejected(body: &[u8]) -> RequestError {
    let &[_, result, source, reason] = body else {
        return RequestError::Protocol("its rejection cannot be parsed");
    };
    let words = match (source, reason) {
        (1, 2) => "application context not supported",
        (1, 3) => "it does not know our AE title",
        (1, 7) => "it has not the AE title that we call",
        (2, 2) => "protocol version not supported",
        (3, 1) => "it is congested",
        (3, 2) => "it has too many associations",
        _ => "no reason given",
    };
    let text = format!("{words} ({result}/{source}/{reason})");
    match result {
        2 => RequestError::RejectedTransient(text),
        _ => RequestError::RejectedPermanent(text),
    }
}
