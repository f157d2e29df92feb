//! C-ECHO (PS3.7 9.1.5): the answer that every acceptor of associations owes.

use crate::dimse::command::Command;
use crate::dimse::negotiation::VERIFICATION;
use crate::dimse::negotiation::agreement::Context;
use crate::dimse::status;

pub(super) fn answer(request: &Command, context: &Context) -> Command {
    let is_verification = context.abstract_syntax.as_str() == VERIFICATION;
    let status = if is_verification { status::SUCCESS } else { status::MISTYPED_ARGUMENT };
    Command::response_to(request, status)
}
