//! C-STORE (PS3.7 9.1.1) as SCP: the command is checked, then the service gets the data set piece by piece.

use crate::dimse::association::{AssociationError, Link, Waits};
use crate::dimse::command::{
    AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, Command, ERROR_COMMENT, MESSAGE_ID,
    MOVE_ORIGINATOR_AE_TITLE, MOVE_ORIGINATOR_MESSAGE_ID,
};
use crate::dimse::commitment::COMMITMENT;
use crate::dimse::negotiation::VERIFICATION;
use crate::dimse::negotiation::agreement::Context;
use crate::dimse::record::Tally;
use crate::dimse::service::{Caller, MoveOriginator, Service, StoreAnswer, StoreRequest};
use crate::dimse::status;
use bytes::Bytes;
use gantry_terms::ae_title::AeTitle;

/// The data set of a C-STORE-RQ while it arrives. Memory does not grow with it.
pub struct DataSet<'a> {
    link: &'a mut Link,
    context: u8,
    waits: Waits,
    ended: bool,
    bytes: u64,
    failure: Option<AssociationError>,
}

/// The association ended before the data set did. What came of it is to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the association ended in the middle of the data set")]
pub struct PeerGone;

impl DataSet<'_> {
    /// The next piece; nothing at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, PeerGone> {
        if self.failure.is_some() {
            return Err(PeerGone);
        }
        if self.ended {
            return Ok(None);
        }
        match self.link.piece(self.context, self.waits).await {
            Ok(piece) => {
                self.ended = piece.is_last;
                self.bytes += piece.data.len() as u64;
                Ok(Some(piece.data))
            }
            Err(error) => {
                self.failure = Some(error);
                Err(PeerGone)
            }
        }
    }
}

/// Serves one C-STORE-RQ up to its response, and counts it.
pub(super) async fn serve<S: Service>(
    link: &mut Link,
    context: Context,
    command: &Command,
    caller: &Caller,
    service: &S,
    waits: Waits,
    tally: &mut Tally,
) -> Result<Command, AssociationError> {
    let answer = match check(command, &context, caller) {
        Ok(request) => {
            let id = context.id;
            if tally.move_originator.is_none() {
                tally.move_originator.clone_from(&request.move_originator);
            }
            let mut data =
                DataSet { link, context: id, waits, ended: false, bytes: 0, failure: None };
            let answer = service.store(request, &mut data).await;
            // What the service left unread.
            while let Ok(Some(_)) = data.chunk().await {}
            tally.bytes += data.bytes;
            if let Some(error) = data.failure {
                return Err(error);
            }
            answer
        }
        Err(answer) => {
            if command.has_data_set() {
                link.skip_data_set(context.id, waits).await?;
            }
            answer
        }
    };
    tally.objects += 1;
    *tally.statuses.entry(answer.status).or_default() += 1;
    let response = Command::response_to(command, answer.status);
    Ok(match &answer.comment {
        Some(comment) => response.with_text(ERROR_COMMENT, &long_string(comment)),
        None => response,
    })
}

/// VR LO: 64 characters, no backslash and nothing that controls (PS3.5 6.2).
fn long_string(text: &str) -> String {
    let allowed = |c: &char| matches!(c, ' '..='~') && *c != '\\';
    text.chars().filter(allowed).take(64).collect()
}

fn check(
    command: &Command,
    context: &Context,
    caller: &Caller,
) -> Result<StoreRequest, StoreAnswer> {
    let sop_class = command
        .uid(AFFECTED_SOP_CLASS_UID)
        .ok_or_else(|| refusal(status::MISTYPED_ARGUMENT, "no valid Affected SOP Class UID"))?;
    if sop_class != context.abstract_syntax
        || [VERIFICATION, COMMITMENT].contains(&sop_class.as_str())
    {
        return Err(refusal(status::MISTYPED_ARGUMENT, "SOP class is not that of the context"));
    }
    let sop_instance = command.uid(AFFECTED_SOP_INSTANCE_UID).ok_or_else(|| {
        refusal(status::INVALID_SOP_INSTANCE, "Affected SOP Instance UID is no UID")
    })?;
    if !command.has_data_set() {
        return Err(refusal(status::CANNOT_UNDERSTAND, "the message has no data set"));
    }
    Ok(StoreRequest {
        caller: caller.clone(),
        sop_class,
        sop_instance,
        transfer_syntax: context.transfer_syntax.clone(),
        message_id: command.number(MESSAGE_ID).unwrap_or_default(),
        move_originator: move_originator(command),
    })
}

/// Optional, and of no weight: one that breaks the rules is as good as none.
fn move_originator(command: &Command) -> Option<MoveOriginator> {
    Some(MoveOriginator {
        ae_title: AeTitle::parse(&command.text(MOVE_ORIGINATOR_AE_TITLE)?).ok()?,
        message_id: command.number(MOVE_ORIGINATOR_MESSAGE_ID)?,
    })
}

fn refusal(status: u16, comment: &str) -> StoreAnswer {
    StoreAnswer { status, comment: Some(comment.into()) }
}
