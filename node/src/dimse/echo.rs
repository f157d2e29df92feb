//! C-ECHO (PS3.7 9.1.5): the answer that every acceptor of associations owes.

use crate::dimse::command::Command;
use crate::dimse::status;

pub(super) fn answer(request: &Command) -> Command {
    Command::response_to(request, status::SUCCESS)
}
