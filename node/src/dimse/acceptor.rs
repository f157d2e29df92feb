//! The acceptor (PS3.8 9.2): listens, keeps order among those who wait, and gives each connection a task of its own.

use crate::dimse::conversation::{Conversation, Shared};
use crate::dimse::pace::Slowest;
use crate::dimse::places::{Full, Place, Places};
use crate::dimse::record::{End, Record};
pub use crate::dimse::service::{
    Caller, DataSet, Ended, MoveOriginator, PeerGone, Refusal, Security, Service, StoreAnswer,
    StoreRequest, Terms, UserIdentity,
};
use crate::dimse::threads::Threads;
use rustls::ServerConfig;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Connections that have no association, yet or any more; beyond them new ones are closed at once.
const WAITING: usize = 256;
/// What those who come while the node stops are given once nobody else is left.
const LATE: Duration = Duration::from_secs(3);
/// Those that are closed at once are told of no more often than so.
const CROWD: Duration = Duration::from_secs(10);

/// Where connections come in.
pub struct Entrance {
    pub listener: TcpListener,
    /// Who comes in here speaks TLS and nothing else, by what is written there at that moment.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
}

/// All of them.
pub struct Entrances(pub Vec<Entrance>);

/// One of them, without TLS.
impl From<TcpListener> for Entrances {
    fn from(listener: TcpListener) -> Self {
        Self(vec![Entrance { listener, tls: None }])
    }
}

pub struct AcceptorOptions {
    /// The longest P-DATA-TF variable field that we take; announced to the peer. 4 KiB to 4 MiB.
    pub maximum_pdu: u32,
    pub timers: Timers,
    pub slowest: Slowest,
    /// More than these are told to come back (A-ASSOCIATE-RJ 2/3/2).
    pub maximum_associations: usize,
    /// Connections of one address that have no association, yet or any more.
    pub maximum_waiting_per_address: usize,
}

impl Default for AcceptorOptions {
    fn default() -> Self {
        Self {
            maximum_pdu: 128 << 10,
            timers: Timers::default(),
            slowest: Slowest::default(),
            maximum_associations: 64,
            maximum_waiting_per_address: 64,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// From TCP accept until the whole request is in; and until the peer closes after RJ, RP, ABORT.
    pub artim: Duration,
    /// Without a PDU on an established association.
    pub idle: Duration,
    /// Without a byte within a PDU; for the peer to take an answer; and for the message in hand
    /// when the node stops.
    pub progress: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            progress: Duration::from_secs(30),
        }
    }
}

/// Serves until `stop`; then running associations may finish the message in hand, and whoever comes
/// meanwhile is told to come back.
pub async fn serve<S: Service>(
    entrances: impl Into<Entrances>,
    options: AcceptorOptions,
    service: Arc<S>,
    stop: CancellationToken,
) {
    let entrances = entrances.into();
    let progress = options.timers.progress;
    let shared = Arc::new(Shared {
        associations: Places::new(options.maximum_associations),
        waiting: Places::new(options.maximum_associations.saturating_add(WAITING)),
        options,
        service,
        stop,
    });
    let threads = match Threads::start() {
        Ok(threads) => threads,
        Err(error) => return tracing::error!(%error, "cannot start the threads that receive"),
    };
    let mut door = Door { shared, threads, crowd: Crowd::default(), number: 0 };
    let mut tasks = JoinSet::new();
    let stop = door.shared.stop.clone();
    let stopping = door.admit_until(stop.cancelled(), &entrances, &mut tasks);
    stopping.await;
    let mut late = JoinSet::new();
    let all_ended = ended(&mut tasks);
    if timeout(progress, door.admit_until(all_ended, &entrances, &mut late)).await.is_err() {
        tracing::warn!(left = tasks.len(), "associations cut off: the node stops");
        tasks.shutdown().await;
    }
    drop(entrances);
    if timeout(LATE, ended(&mut late)).await.is_err() {
        late.shutdown().await;
    }
}

async fn ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.inspect(tell_panic).is_some() {}
}

/// A connection, and where it comes from.
struct Came {
    stream: TcpStream,
    address: SocketAddr,
}

impl Entrances {
    /// The next connection at any of them, and how it is to be protected; a crowd at one of them keeps nobody out of the
    /// others.
    async fn accept(&self, turn: u64) -> io::Result<(Came, Option<Arc<ServerConfig>>)> {
        let Self(all) = self;
        let first = turn as usize % all.len().max(1);
        poll_fn(|cx| {
            for entrance in all[first..].iter().chain(&all[..first]) {
                if let Poll::Ready(accepted) = entrance.listener.poll_accept(cx) {
                    let tls = || entrance.tls.as_ref().map(|tls| tls.borrow().clone());
                    let came = |(stream, address)| (Came { stream, address }, tls());
                    return Poll::Ready(accepted.map(came));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// What lets connections in.
struct Door<S> {
    shared: Arc<Shared<S>>,
    threads: Threads,
    crowd: Crowd,
    /// Of the last connection.
    number: u64,
}

impl<S: Service> Door<S> {
    /// Gives each connection a task of its own, until `done`.
    async fn admit_until(
        &mut self,
        done: impl Future<Output = ()>,
        entrances: &Entrances,
        tasks: &mut JoinSet<()>,
    ) {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                () = &mut done => return,
                Some(ended) = tasks.join_next() => tell_panic(&ended),
                accepted = entrances.accept(self.number) => match accepted {
                    Ok((came, tls)) => self.admit(came, tls, tasks),
                    Err(error) => {
                        // Out of file descriptors, for example: others may end meanwhile.
                        tracing::error!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }

    fn admit(&mut self, came: Came, tls: Option<Arc<ServerConfig>>, tasks: &mut JoinSet<()>) {
        let Came { stream, address } = came;
        self.number += 1;
        let number = self.number;
        let waiting = match self.shared.wait(address) {
            Ok(waiting) => waiting,
            Err(full) => return self.crowd.turned_away(&self.shared, number, address, full),
        };
        let conversation = Conversation { shared: self.shared.clone(), address, number, tls };
        let span = tracing::info_span!("association", number, %address);
        let task = async move {
            // From here on the thread that serves the association waits for it.
            match stream.into_std().and_then(TcpStream::from_std) {
                Ok(stream) => conversation.run(stream, waiting).await,
                Err(error) => tracing::error!(%error, "a connection could not be handed on"),
            }
        };
        tasks.spawn_on(task.instrument(span), self.threads.of(number));
    }
}

impl<S: Service> Shared<S> {
    /// A place for a connection without an association.
    pub(super) fn wait(&self, address: SocketAddr) -> Result<Place<IpAddr>, Full> {
        let most = self.options.maximum_waiting_per_address;
        self.waiting.take(neighbour(address.ip()), most)
    }
}

/// An association that fell over takes no other with it, but it is not passed over in silence.
fn tell_panic(ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of an association fell over");
    }
}

/// Who shares the places of an address: with IPv6 one machine has a whole network of them.
fn neighbour(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let network = six.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        four => four,
    }
}

/// Those that are closed at once: counted, so that a crowd of them does not crowd the log.
#[derive(Default)]
struct Crowd {
    since: u64,
    told: Option<Instant>,
}

impl Crowd {
    fn turned_away<S: Service>(
        &mut self,
        shared: &Shared<S>,
        number: u64,
        address: SocketAddr,
        full: Full,
    ) {
        self.since += 1;
        if self.told.is_some_and(|told| told.elapsed() < CROWD) {
            return;
        }
        let whose = match full {
            Full::Own => "from this address",
            Full::All => "of all",
        };
        let why = format!(
            "connections closed at once: {}, because too many {whose} have no association",
            self.since
        );
        shared.service.recorded(Record { end: End::NotAsked(why), ..Record::new(number, address) });
        (self.since, self.told) = (0, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_itself_and_with_ipv6_for_its_network() {
        let check = |address: &str, expected: &str| {
            let parsed = |text: &str| text.parse::<IpAddr>().expect("an address");
            assert_eq!(neighbour(parsed(address)), parsed(expected));
        };
        check("10.1.2.3", "10.1.2.3");
        check("::ffff:10.1.2.3", "10.1.2.3");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("2001:db8:1:2:ffff::1", "2001:db8:1:2::");
    }
}
