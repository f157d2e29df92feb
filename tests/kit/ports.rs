//! Free loopback ports, and waiting until somebody listens there.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A port that nobody listens on now. Whoever wants it has to take it soon.
pub fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// Asks `done` again and again until it gives something; the pause only saves processor time.
pub fn wait_for<T>(patience: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let since = Instant::now();
    loop {
        if let Some(found) = done() {
            return Some(found);
        }
        if since.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks again and again until the answer says this.
pub fn wait_until(patience: Duration, ask: impl Fn() -> String, word: &str) -> String {
    let said = wait_for(patience, || Some(ask()).filter(|said| said.contains(word)));
    said.unwrap_or_else(|| panic!("{word:?} is not in:\n{}", ask()))
}

pub fn somebody_listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
