//! What a command says on standard output; a reader that has seen enough, as `head`, is no failure.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes the text. A closed pipe is passed over in silence, anything else is an error.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// As `println!`, which panics when nobody reads any more.
macro_rules! line {
    () => {
        $crate::output::write_line(format_args!(""))
    };
    ($($said:tt)+) => {
        $crate::output::write_line(format_args!($($said)+))
    };
}
pub(crate) use line;

/// What cannot be told is not worth ending for: the exit status still says how it went.
pub(crate) fn write_line(said: Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{said}");
}
