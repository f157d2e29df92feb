//! Where a peer was found, and why one was not.

use super::order::Ranked;
use gantry_terms::moment::Moment;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Where a peer can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In the order in which to try them.
    pub servers: Vec<Server>,
    /// What was asked, and of whom.
    pub source: String,
    /// When the name servers said so, and until when they vouch for it; of an address that is written down: nothing.
    pub answered: Option<Answered>,
    /// Why this is an old answer.
    pub fault: Option<ResolveError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    pub at: Moment,
    pub until: Moment,
}

/// One host with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub host: String,
    pub addresses: Vec<SocketAddr>,
    pub priority: u16,
    pub weight: u16,
}

/// Why a peer is not found. None of these is for good: whoever has to act can do so meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The admin: it receives nothing.
    #[error("it has no address: give it one, or discover = true")]
    NoAddress,
    /// Who keeps the zone.
    #[error("DNS knows no {0}: whoever keeps the zone must enter it")]
    NotThere(String),
    /// Who keeps the zone, or the peer was taken out of service.
    #[error("DNS says that {0} is out of service (the target of its record is \".\")")]
    OutOfService(String),
    /// Who keeps the zone, or the admin.
    #[error(
        "{instance} belongs to another AE title ({says:?}): whoever keeps the zone, or the AE title here, is wrong"
    )]
    OtherTitle { instance: String, says: String },
    /// Who keeps the zone.
    #[error("DNS knows no usable address of {0}: whoever keeps the zone must enter one")]
    NoHost(String),
    /// The admin, here or at the peer.
    #[error("{0} is offered over TLS alone: give the peer tls = true")]
    OnlyTls(String),
    /// The network, or the name servers.
    #[error("{asked} did not say where {name} is: {why}")]
    Unanswered { name: String, asked: String, why: String },
}

impl ResolveError {
    /// Whether the name servers said so: then what they said before is no longer true.
    pub fn is_an_answer(&self) -> bool {
        !matches!(self, Self::Unanswered { .. })
    }
}

impl Found {
    pub(crate) fn fixed(address: SocketAddr) -> Self {
        let server = Server {
            host: address.ip().to_string(),
            addresses: vec![address],
            priority: 0,
            weight: 0,
        };
        Self {
            servers: vec![server],
            source: "the configuration".into(),
            answered: None,
            fault: None,
        }
    }

    /// For a connection.
    pub fn addresses(&self) -> Vec<Vec<SocketAddr>> {
        self.servers.iter().map(|server| server.addresses.clone()).collect()
    }

    /// Where it may call from.
    pub fn hosts(&self) -> Vec<IpAddr> {
        self.servers.iter().flat_map(|server| &server.addresses).map(SocketAddr::ip).collect()
    }
}

impl Ranked for Server {
    fn priority(&self) -> u16 {
        self.priority
    }

    fn weight(&self) -> u16 {
        self.weight
    }
}
