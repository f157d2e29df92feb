//! From addresses to a connection: server by server, and of one server whichever address answers first (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// An address that has not answered for so long gets company (RFC 8305 section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Why there is no connection.
#[derive(Debug)]
pub struct Unconnected {
    /// What was tried; with what came of it where it was more than one.
    pub tried: String,
    /// Nothing where nobody said anything in time.
    pub source: Option<io::Error>,
}

/// Tries the servers one after another until `patience` is over, of which each gets an equal part of what
/// is left.
pub async fn connect(
    servers: &[Vec<SocketAddr>],
    patience: Duration,
) -> Result<TcpStream, Unconnected> {
    let end = Instant::now() + patience;
    let mut failed = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / (servers.len() - number) as u32;
        match first_of(server, Instant::now() + share).await {
            Ok(stream) => return Ok(stream),
            Err(further) => failed.extend(further),
        }
    }
    Err(told(failed))
}

/// Whichever of one server's addresses answers first; each begins a little after the one before it,
/// or as soon as that has failed.
async fn first_of(
    addresses: &[SocketAddr],
    until: Instant,
) -> Result<TcpStream, Vec<(SocketAddr, Option<io::Error>)>> {
    let mut waiting: Vec<SocketAddr> = addresses.to_vec();
    let mut untried = addresses.iter().copied();
    let mut trying = JoinSet::new();
    let mut failed = Vec::new();
    let begin = |trying: &mut JoinSet<_>, address: SocketAddr| {
        trying.spawn(async move { (address, TcpStream::connect(address).await) });
    };
    if let Some(first) = untried.next() {
        begin(&mut trying, first);
    }
    while !trying.is_empty() {
        let ended = async {
            tokio::select! {
                ended = trying.join_next() => ended,
                () = sleep(HEAD_START), if untried.len() > 0 => None,
            }
        };
        match timeout_at(until, ended).await {
            Err(_) => break,
            Ok(Some(Ok((_, Ok(stream))))) => return Ok(stream),
            Ok(Some(Ok((address, Err(error))))) => {
                waiting.retain(|other| *other != address);
                failed.push((address, Some(error)));
            }
            Ok(Some(Err(_)) | None) => {}
        }
        if let Some(next) = untried.next() {
            begin(&mut trying, next);
        }
    }
    failed.extend(waiting.into_iter().map(|address| (address, None)));
    Err(failed)
}

fn told(mut failed: Vec<(SocketAddr, Option<io::Error>)>) -> Unconnected {
    if failed.len() == 1
        && let Some((address, source)) = failed.pop()
    {
        return Unconnected { tried: address.to_string(), source };
    }
    let told = |(address, error): &(SocketAddr, Option<io::Error>)| match error {
        Some(error) => format!("{address} ({error})"),
        None => format!("{address} (no answer in time)"),
    };
    let tried: Vec<String> = failed.iter().map(told).collect();
    let tried = if tried.is_empty() { "no address".into() } else { tried.join(", ") };
    Unconnected { tried, source: failed.into_iter().rev().find_map(|(_, error)| error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// Refuses at once: nobody listens there any more.
    async fn dead() -> SocketAddr {
        listening().await.1
    }

    /// Never answers: its queue of connections is full.
    async fn mute() -> (SocketAddr, Vec<tokio::task::JoinHandle<()>>, TcpListener) {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("an address");
        let mut filling = Vec::new();
        for _ in 0..8 {
            filling.push(tokio::spawn(async move {
                let _stream = TcpStream::connect(address).await;
                std::future::pending::<()>().await;
            }));
        }
        sleep(Duration::from_millis(200)).await;
        (address, filling, listener)
    }

    async fn reached(
        servers: &[Vec<SocketAddr>],
        patience: Duration,
    ) -> Result<SocketAddr, String> {
        let stream = connect(servers, patience).await;
        stream
            .map(|stream| stream.peer_addr().expect("connected"))
            .map_err(|unconnected| unconnected.tried)
    }

    #[tokio::test]
    async fn the_next_address_and_the_next_server_are_tried_when_one_is_dead() {
        let (_listener, good) = listening().await;
        let dead = dead().await;
        assert_eq!(reached(&[vec![dead, good]], PATIENCE).await, Ok(good));
        assert_eq!(reached(&[vec![dead], vec![good]], PATIENCE).await, Ok(good));
        let said = reached(&[vec![dead], vec![dead]], PATIENCE).await.expect_err("none");
        assert_eq!(said.matches("refused").count(), 2, "{said}");
        let said = reached(&[], PATIENCE).await.expect_err("none");
        assert_eq!(said, "no address");
    }

    #[tokio::test]
    async fn an_address_that_is_silent_gets_company_and_a_silent_server_its_share_of_the_time() {
        let (_listener, good) = listening().await;
        let (mute, _filling, _mute) = mute().await;
        assert_eq!(reached(&[vec![mute, good]], PATIENCE).await, Ok(good));
        let short = Duration::from_secs(2);
        assert_eq!(reached(&[vec![mute], vec![good]], short).await, Ok(good));
        let unconnected = connect(&[vec![mute]], short).await.expect_err("nobody answers");
        assert!(unconnected.source.is_none(), "{unconnected:?}");
    }
}
