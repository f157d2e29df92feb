//! C-STORE (PS3.7 9.1.1) as SCP: the command is checked, then the service gets the data set piece by piece.

use crate::dimse::acceptor::{Caller, Service, StoreAnswer, StoreRequest};
use crate::dimse::association::{AssociationError, Link, Next, Waits};
use crate::dimse::command::{
    AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, Command, ERROR_COMMENT, MESSAGE_ID,
};
use crate::dimse::negotiation::{Context, VERIFICATION};
use crate::dimse::status;
use bytes::Bytes;

/// The data set of a C-STORE-RQ while it arrives. Memory does not grow with it.
pub struct DataSet<'a> {
    link: &'a mut Link,
    context: u8,
    waits: Waits,
    ended: bool,
    failure: &'a mut Option<AssociationError>,
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
        match self.read().await {
            Ok(piece) => Ok(Some(piece)),
            Err(error) => {
                *self.failure = Some(error);
                Err(PeerGone)
            }
        }
    }

    async fn read(&mut self) -> Result<Bytes, AssociationError> {
        match self.link.next(self.waits).await? {
            Next::Value(value) if value.context == self.context && !value.is_command => {
                self.ended = value.is_last;
                Ok(value.data)
            }
            _ => Err(self.link.break_off("a data set that was interrupted", self.waits).await),
        }
    }
}

/// Serves one C-STORE-RQ to its response.
pub(super) async fn serve<S: Service>(
    link: &mut Link,
    context: Context,
    command: &Command,
    caller: &Caller,
    service: &S,
    waits: Waits,
) -> Result<(), AssociationError> {
    let checked = check(command, &context, caller, service);
    let mut failure = None;
    let mut ended = !command.has_data_set();
    let answer = match checked {
        Ok(_) if ended => refusal(status::CANNOT_UNDERSTAND, "the message has no data set"),
        Ok(request) => {
            let data = DataSet { link, context: context.id, waits, ended, failure: &mut failure };
            let (answer, read_to_end) = offer(service, request, data).await;
            ended = read_to_end;
            answer
        }
        Err(answer) => answer,
    };
    let mut rest = DataSet { link, context: context.id, waits, ended, failure: &mut failure };
    while let Ok(Some(_)) = rest.chunk().await {}
    if let Some(error) = failure {
        return Err(error);
    }
    let mut response = Command::response_to(command, answer.status);
    if let Some(comment) = &answer.comment {
        let short: String = comment.chars().filter(char::is_ascii).take(64).collect();
        response = response.with_text(ERROR_COMMENT, &short);
    }
    link.send(context.id, &response, None, waits.progress).await
}

/// Reads past the data set of a message that is not served.
pub(super) async fn drain(
    link: &mut Link,
    context: u8,
    command: &Command,
    waits: Waits,
) -> Result<(), AssociationError> {
    let mut failure = None;
    let ended = !command.has_data_set();
    let mut rest = DataSet { link, context, waits, ended, failure: &mut failure };
    while let Ok(Some(_)) = rest.chunk().await {}
    failure.map_or(Ok(()), Err)
}

/// Lets the service have the data set; what it leaves unread is drained by the caller.
async fn offer<S: Service>(
    service: &S,
    request: StoreRequest,
    mut data: DataSet<'_>,
) -> (StoreAnswer, bool) {
    let answer = service.store(request, &mut data).await;
    (answer, data.ended)
}

fn check<S: Service>(
    command: &Command,
    context: &Context,
    caller: &Caller,
    service: &S,
) -> Result<StoreRequest, StoreAnswer> {
    let sop_class = command
        .uid(AFFECTED_SOP_CLASS_UID)
        .ok_or_else(|| refusal(status::MISTYPED_ARGUMENT, "no valid Affected SOP Class UID"))?;
    if sop_class != context.abstract_syntax || sop_class.as_str() == VERIFICATION {
        return Err(refusal(status::MISTYPED_ARGUMENT, "SOP class is not that of the context"));
    }
    if !service.wants(sop_class.as_str()) {
        return Err(refusal(status::SOP_CLASS_NOT_SUPPORTED, "SOP class not kept"));
    }
    let sop_instance = command.uid(AFFECTED_SOP_INSTANCE_UID).ok_or_else(|| {
        refusal(status::INVALID_SOP_INSTANCE, "Affected SOP Instance UID is no UID")
    })?;
    Ok(StoreRequest {
        caller: caller.clone(),
        sop_class,
        sop_instance,
        transfer_syntax: context.transfer_syntax.clone(),
        message_id: command.number(MESSAGE_ID).unwrap_or_default(),
    })
}

fn refusal(status: u16, comment: &str) -> StoreAnswer {
    StoreAnswer { status, comment: Some(comment.into()) }
}
