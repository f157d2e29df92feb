//! The threads that serve associations: each with a runtime of its own, so that what comes from the network wakes nobody but the thread that reads it.

use std::io;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// More than these are not kept busy by hashing and copying.
const MOST: usize = 8;

/// Ends when dropped, with whatever still runs on it.
pub(super) struct Threads(Vec<(Handle, oneshot::Sender<()>)>);

impl Threads {
    /// One for each core, at least two, so that one slow disk call does not hold everybody.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        (0..cores.clamp(2, MOST)).map(|_| start()).collect::<io::Result<_>>().map(Self)
    }

    /// The one whose turn it is.
    pub fn of(&self, association: u64) -> &Handle {
        &self.0[(association % self.0.len() as u64) as usize].0
    }
}

fn start() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel::<()>();
    thread::Builder::new().name("gantry-receive".into()).spawn(move || {
        let _ = runtime.block_on(ended);
    })?;
    Ok((handle, end))
}
