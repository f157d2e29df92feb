//! What a command says on standard output; a reader that has seen enough, as `head`, is no failure.

use std::io::{self, Write};

/// Writes the text. A closed pipe is passed over in silence, anything else is an error.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
