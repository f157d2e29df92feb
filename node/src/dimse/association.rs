//! What both roles share on an established association: messages in fragments, and how they fail.

use crate::dimse::command::{self, Command};
use crate::dimse::connection::{Connection, ReadError, SendError};
use crate::dimse::negotiation::agreement::Context;
use crate::dimse::pdu::{self, Abort, AbortReason, Frame, FrameHead, Pdv, Values};
use bytes::{Bytes, BytesMut};
use dicom_ul::pdu::Pdu;
use std::io::IoSlice;
use std::time::Duration;
use tokio::time::timeout;

/// PDUs that are handed to the network at once, each in two parts; the kernel takes 1024 parts (writev(2), IOV_MAX).
const AT_ONCE: usize = 512;

/// Why an established association cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum AssociationError {
    /// The peer or the network: what was in hand is to be sent again.
    #[error(transparent)]
    Read(ReadError),
    /// The peer: it did not answer a message in time, whatever else it said.
    #[error("the peer did not answer within {0:?}")]
    Late(Duration),
    #[error("while it was being sent to: {0}")]
    Write(String),
    #[error("the peer aborted the association ({0})")]
    Aborted(Abort),
    #[error("the peer released the association")]
    Released,
    /// The peer breaks PS3.7 or PS3.8: its maker must act.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// Ours: nothing was sent.
    #[error("no accepted presentation context for this SOP class and transfer syntax")]
    NoContext,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// Until the first byte of a PDU.
    pub pdu: Duration,
    /// Between two pieces of a PDU, and for the peer to take something.
    pub progress: Duration,
}

/// One side of an association.
pub(super) struct Link {
    pub connection: Connection,
    contexts: Vec<Context>,
    peer_maximum: u32,
    /// Values that came in one PDU and are not yet looked at.
    pending: Bytes,
}

/// What comes next on an association.
pub(super) enum Next {
    Value(Pdv),
    ReleaseRequested,
    Released,
}

impl Link {
    pub fn new(connection: Connection, contexts: Vec<Context>, peer_maximum: u32) -> Self {
        Self { connection, contexts, peer_maximum, pending: Bytes::new() }
    }

    pub fn contexts(&self) -> impl Iterator<Item = &Context> {
        self.contexts.iter()
    }

    /// The next value, release or failure. PDUs that are not allowed here end the association.
    pub async fn next(&mut self, waits: Waits) -> Result<Next, AssociationError> {
        loop {
            if let Some(value) = pdu::take_value(&mut self.pending) {
                return Ok(Next::Value(value));
            }
            // Lets the memory of the last PDU go, so that the next one can have it.
            self.pending = Bytes::new();
            let Frame { kind, body } = match self.connection.read(waits.pdu, waits.progress).await {
                Ok(frame) => frame,
                Err(error) => return Err(self.give_up(error, waits).await),
            };
            match kind {
                pdu::P_DATA => self.take_values(body, waits).await?,
                pdu::RELEASE_RQ => return Ok(Next::ReleaseRequested),
                pdu::RELEASE_RP => return Ok(Next::Released),
                pdu::ABORT => return Err(AssociationError::Aborted(Abort::read(&body))),
                // A-ASSOCIATE in any form (AA-8).
                _ => {
                    let what = "a PDU that has no place on an association";
                    return Err(self.unexpected(what, waits).await);
                }
            }
        }
    }

    async fn take_values(&mut self, body: Bytes, waits: Waits) -> Result<(), AssociationError> {
        let accepted = |id| self.contexts.iter().any(|context| context.id == id);
        if !pdu::adds_up(&body, accepted) {
            let what = "presentation data values that do not add up, or of no agreed context";
            return Err(self.break_off(what, waits).await);
        }
        self.pending = body;
        Ok(())
    }

    /// A-ABORT for an invalid parameter (2/6).
    pub async fn break_off(&mut self, what: &'static str, waits: Waits) -> AssociationError {
        self.connection.abort(AbortReason::InvalidParameter, waits.progress).await;
        AssociationError::Protocol(what)
    }

    /// A-ABORT for what has no place here (2/2).
    pub async fn unexpected(&mut self, what: &'static str, waits: Waits) -> AssociationError {
        self.connection.abort(AbortReason::UnexpectedPdu, waits.progress).await;
        AssociationError::Protocol(what)
    }

    async fn give_up(&mut self, error: ReadError, waits: Waits) -> AssociationError {
        let reason = match &error {
            ReadError::Closed | ReadError::Io(_) => return AssociationError::Read(error),
            ReadError::Silent(_) | ReadError::Stalled(_) | ReadError::Slow => {
                AbortReason::NotSpecified
            }
            ReadError::Unrecognized(_) => AbortReason::UnrecognizedPdu,
            ReadError::Length { .. } => AbortReason::InvalidParameter,
        };
        self.connection.abort(reason, waits.progress).await;
        AssociationError::Read(error)
    }

    /// The rest of a command whose first value is `first`, over as many PDUs as it takes.
    pub async fn command(
        &mut self,
        first: Pdv,
        waits: Waits,
    ) -> Result<(Context, Command), AssociationError> {
        let Some(context) = self.contexts.iter().find(|c| c.id == first.context).cloned() else {
            return Err(self.break_off("an unknown presentation context", waits).await);
        };
        let mut bytes = BytesMut::new();
        let mut value = first;
        loop {
            let fits = bytes.len() + value.data.len() <= command::LONGEST;
            if !value.is_command || value.context != context.id || !fits {
                let what = "a command that is none, is too long or was interrupted";
                return Err(self.break_off(what, waits).await);
            }
            bytes.extend_from_slice(&value.data);
            if value.is_last {
                break;
            }
            let Next::Value(more) = self.next(waits).await? else {
                return Err(self.break_off("a release in the middle of a command", waits).await);
            };
            value = more;
        }
        match Command::read(&bytes) {
            Some(command) => Ok((context, command)),
            None => Err(self.break_off("a command set that cannot be parsed", waits).await),
        }
    }

    /// Reads past the data set of a message, which stays unread.
    pub async fn skip_data_set(
        &mut self,
        context: u8,
        waits: Waits,
    ) -> Result<(), AssociationError> {
        while !self.piece(context, waits).await?.is_last {}
        Ok(())
    }

    /// The next piece of a data set.
    pub async fn piece(&mut self, context: u8, waits: Waits) -> Result<Pdv, AssociationError> {
        match self.next(waits).await? {
            Next::Value(value) if value.context == context && !value.is_command => Ok(value),
            _ => Err(self.break_off("a data set that was interrupted", waits).await),
        }
    }

    /// Sends a command, and with it the data set if there is one, in large writes.
    pub async fn send(
        &mut self,
        context: u8,
        command: &Command,
        data_set: Option<&[u8]>,
        wait: Duration,
    ) -> Result<(), AssociationError> {
        let values = Values { context, is_command: true, peer_maximum: self.peer_maximum };
        let command = command.write();
        let of_the_data_set = Values { is_command: false, ..values };
        let data_set = data_set.map(|data_set| of_the_data_set.frames(data_set, true));
        let mut frames = values.frames(&command, true).chain(data_set.into_iter().flatten());
        loop {
            let frames: Vec<(FrameHead, &[u8])> = frames.by_ref().take(AT_ONCE).collect();
            if frames.is_empty() {
                return Ok(());
            }
            let parts =
                frames.iter().flat_map(|(head, data)| [IoSlice::new(head), IoSlice::new(data)]);
            self.write(&mut parts.collect::<Vec<_>>(), wait).await?;
        }
    }

    /// Sends the response to a request. It is short: `wait` is for all of it.
    pub async fn respond(
        &mut self,
        context: u8,
        response: &Command,
        wait: Duration,
    ) -> Result<(), AssociationError> {
        match timeout(wait, self.send(context, response, None, wait)).await {
            Ok(sent) => sent,
            Err(_) => Err(AssociationError::Write(format!("the peer took nothing for {wait:?}"))),
        }
    }

    /// A-RELEASE, in either form.
    pub async fn send_release(
        &mut self,
        pdu: &Pdu,
        wait: Duration,
    ) -> Result<(), AssociationError> {
        self.connection.send(pdu, wait).await.map_err(failed)
    }

    async fn write(
        &mut self,
        parts: &mut [IoSlice<'_>],
        wait: Duration,
    ) -> Result<(), AssociationError> {
        let written = self.connection.write(parts, wait).await;
        if let Err(SendError::Stalled(_)) = written {
            // What was begun cannot be finished, so that an A-ABORT would not be understood.
            return Err(AssociationError::Write(format!("the peer took nothing for {wait:?}")));
        }
        written.map_err(failed)
    }
}

fn failed(error: SendError) -> AssociationError {
    match error {
        SendError::Aborted(abort) => AssociationError::Aborted(abort),
        other => AssociationError::Write(other.to_string()),
    }
}
