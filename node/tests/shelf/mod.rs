//! A Storage SCP that lays what it receives on a shelf, for tests of the network alone.

use gantry::dimse::acceptor::{
    self, AcceptorOptions, Caller, DataSet, Refusal, RefusedAssociation, Service, StoreAnswer,
    StoreRequest, Timers,
};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub const CALLED: &str = "SHELF";
pub const CALLING: &str = "TESTER";

#[derive(Default)]
pub struct Shelf {
    pub stored: Mutex<Vec<(StoreRequest, Vec<u8>)>>,
    pub broken_off: Mutex<usize>,
    pub refused: Mutex<Vec<String>>,
}

impl Service for Shelf {
    fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        match (caller.called.as_str(), caller.calling.as_str()) {
            (CALLED, CALLING) => Ok(()),
            (CALLED, _) => Err(Refusal::CallingAeTitleUnknown),
            _ => Err(Refusal::CalledAeTitleUnknown),
        }
    }

    async fn store(&self, request: StoreRequest, data: &mut DataSet<'_>) -> StoreAnswer {
        let mut data_set = Vec::new();
        loop {
            match data.chunk().await {
                Ok(Some(chunk)) => data_set.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {
                    *self.broken_off.lock().expect("no test panics here") += 1;
                    return StoreAnswer { status: 0xC000, comment: None };
                }
            }
        }
        self.stored.lock().expect("no test panics here").push((request, data_set));
        StoreAnswer { status: 0, comment: None }
    }

    fn refused(&self, what: RefusedAssociation) {
        self.refused.lock().expect("no test panics here").push(what.reason);
    }
}

/// A shelf on a free port, with timers short enough to be waited for.
pub async fn start(maximum_associations: usize) -> (Arc<Shelf>, SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    let short = Duration::from_millis(600);
    let options = AcceptorOptions {
        maximum_pdu: 131_072,
        timers: Timers { artim: short, idle: Duration::from_secs(20), progress: short },
        maximum_associations,
    };
    let shelf = Arc::new(Shelf::default());
    let stop = CancellationToken::new();
    tokio::spawn(acceptor::serve(listener, options, shelf.clone(), stop.clone()));
    (shelf, address, stop)
}
