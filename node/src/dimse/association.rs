//! What both roles share on an established association: messages in fragments, and how they fail.

use crate::dimse::command::{self, Command};
use crate::dimse::negotiation::Context;
use crate::dimse::pdu::{
    self, AbortReason, Connection, Frame, P_DATA, Pdv, ReadError, put_p_data, values,
};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Why an established association cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum AssociationError {
    /// The peer or the network.
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the connection failed while sending: {0}")]
    Write(io::Error),
    #[error("the peer aborted the association")]
    Aborted,
    #[error("the peer released the association")]
    Released,
    /// The peer breaks PS3.7 or PS3.8.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("no accepted presentation context for this SOP class and transfer syntax")]
    NoContext,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// Until the first byte of a PDU.
    pub pdu: Duration,
    /// Between two pieces of a PDU, and for a write.
    pub progress: Duration,
}

/// One side of an association.
pub(super) struct Link {
    pub connection: Connection,
    pub contexts: Vec<Context>,
    pub peer_maximum: u32,
    /// Values that came in one PDU and are not yet looked at.
    pending: VecDeque<Pdv>,
}

/// What comes next on an association.
pub(super) enum Next {
    Value(Pdv),
    ReleaseRequested,
    Released,
}

impl Link {
    pub fn new(connection: Connection, contexts: Vec<Context>, peer_maximum: u32) -> Self {
        Self { connection, contexts, peer_maximum, pending: VecDeque::new() }
    }

    pub fn context(&self, id: u8) -> Option<&Context> {
        self.contexts.iter().find(|context| context.id == id)
    }

    /// The next value, release or failure. PDUs that are not allowed here end the association.
    pub async fn next(&mut self, waits: Waits) -> Result<Next, AssociationError> {
        if let Some(value) = self.pending.pop_front() {
            return Ok(Next::Value(value));
        }
        let Frame { kind, body } = match self.connection.read(waits.pdu, waits.progress).await {
            Ok(frame) => frame,
            Err(error) => return Err(self.refuse_read(error, waits).await),
        };
        match kind {
            P_DATA => self.take_values(body, waits).await,
            pdu::RELEASE_RQ => Ok(Next::ReleaseRequested),
            pdu::RELEASE_RP => Ok(Next::Released),
            pdu::ABORT => Err(AssociationError::Aborted),
            pdu::ASSOCIATE_RQ | pdu::ASSOCIATE_AC | pdu::ASSOCIATE_RJ => {
                self.connection.abort(AbortReason::UnexpectedPdu, waits.progress).await;
                Err(AssociationError::Protocol("a PDU that has no place on an association"))
            }
            _ => {
                self.connection.abort(AbortReason::UnrecognizedPdu, waits.progress).await;
                Err(AssociationError::Protocol("a PDU of an unknown type"))
            }
        }
    }

    async fn take_values(&mut self, body: Bytes, waits: Waits) -> Result<Next, AssociationError> {
        let known = |value: &Pdv| self.contexts.iter().any(|context| context.id == value.context);
        if let Some(taken) = values(body).filter(|values| values.iter().all(known)) {
            self.pending.extend(taken);
            if let Some(value) = self.pending.pop_front() {
                return Ok(Next::Value(value));
            }
        }
        Err(self.break_off("presentation data values that do not add up", waits).await)
    }

    /// A-ABORT by reason 6, invalid parameter.
    pub async fn break_off(&mut self, what: &'static str, waits: Waits) -> AssociationError {
        self.connection.abort(AbortReason::InvalidParameter, waits.progress).await;
        AssociationError::Protocol(what)
    }

    async fn refuse_read(&mut self, error: ReadError, waits: Waits) -> AssociationError {
        if matches!(error, ReadError::Length { .. } | ReadError::Stalled(_) | ReadError::Silent(_))
        {
            self.connection.abort(AbortReason::InvalidParameter, waits.progress).await;
        }
        error.into()
    }

    /// The rest of a command whose first value is `first`, over as many PDUs as it takes.
    pub async fn command(
        &mut self,
        first: Pdv,
        waits: Waits,
    ) -> Result<(u8, Command), AssociationError> {
        let context = first.context;
        let mut bytes = BytesMut::from(&first.data[..]);
        let (mut is_command, mut is_last) = (first.is_command, first.is_last);
        loop {
            if !is_command || bytes.len() > command::LONGEST {
                return Err(self.break_off("a command that is none, or too long", waits).await);
            }
            if is_last {
                break;
            }
            match self.next(waits).await? {
                Next::Value(value) if value.context == context => {
                    bytes.extend_from_slice(&value.data);
                    (is_command, is_last) = (value.is_command, value.is_last);
                }
                _ => return Err(self.break_off("a command that was interrupted", waits).await),
            }
        }
        match Command::read(&bytes) {
            Some(command) => Ok((context, command)),
            None => Err(self.break_off("a command set that cannot be parsed", waits).await),
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
        const BATCH: usize = 1 << 20;
        let mut out = Vec::new();
        put_p_data(&mut out, context, true, &command.write(), self.peer_maximum, true);
        let data_set = data_set.unwrap_or_default();
        let mut pieces = data_set.chunks(BATCH).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            put_p_data(&mut out, context, false, piece, self.peer_maximum, is_last);
            self.connection.write(&out, wait).await.map_err(AssociationError::Write)?;
            out.clear();
        }
        if !out.is_empty() {
            self.connection.write(&out, wait).await.map_err(AssociationError::Write)?;
        }
        Ok(())
    }
}
