//! `gantry peers`: where each peer was found, when and by what, for how long that holds, and what failed last.

use crate::cli::PeersArguments;
use crate::config::{Address, Config, Peer};
use crate::explain::when;
use crate::output::say;
use crate::resolve::{Found, ResolveError, Resolver, Server};
use gantry_store::peers::PeerAddress;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use serde::Serialize;
use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is known of one peer.
#[derive(Debug, Clone, Serialize)]
struct Known {
    ae_title: AeTitle,
    /// As the configuration has it; nothing for a peer that receives nothing.
    configured: Option<String>,
    servers: Vec<Server>,
    source: String,
    /// Moments in microseconds since 1970, in UTC.
    answered: Option<Moment>,
    until: Option<Moment>,
    fault: Option<String>,
    fault_at: Option<Moment>,
}

pub async fn run(arguments: &PeersArguments) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::load(&arguments.config.config)?;
    let known = match arguments.now {
        true => found_now(&config).await,
        false => told_by_node(&config).await?,
    };
    match arguments.json {
        true => say(&format!("{}\n", serde_json::to_string_pretty(&known)?))?,
        false if known.is_empty() => say("no [[peer]] is configured\n")?,
        false => say(&known.iter().map(|known| told(known, Moment::now())).collect::<String>())?,
    }
    let is_lost = |known: &Known| known.configured.is_some() && known.servers.is_empty();
    Ok(match arguments.now && known.iter().any(is_lost) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Those that receive, with their addresses as they were understood.
pub(crate) fn by_address(config: &Config) -> Vec<String> {
    let receiving = config.peers.values().filter_map(|peer| {
        let address = peer.address.as_ref()?;
        Some(format!("{} at {address}", peer.ae_title))
    });
    receiving.collect()
}

/// For those that DNS does not know now; it may before a node needs them.
pub(crate) async fn not_found(config: &Config) -> Vec<String> {
    if !config.peers.values().any(is_looked_up) {
        return Vec::new();
    }
    let known = found_now(config).await;
    let lost = known.iter().filter_map(|known| {
        let why = known.fault.as_ref()?;
        Some(format!("peer {} is not found now: {why}", known.ae_title))
    });
    lost.collect()
}

fn is_looked_up(peer: &Peer) -> bool {
    peer.address.as_ref().is_some_and(Address::is_looked_up)
}

/// All are asked for together.
async fn found_now(config: &Config) -> Vec<Known> {
    let resolver = Arc::new(Resolver::new(&config.dns));
    let mut asking = JoinSet::new();
    for peer in config.peers.values().filter(|peer| peer.address.is_some()).cloned() {
        let resolver = resolver.clone();
        asking.spawn(async move { (peer.ae_title.clone(), resolver.find_anew(&peer).await) });
    }
    let mut found = HashMap::new();
    while let Some(asked) = asking.join_next().await {
        found.extend(asked);
    }
    config.peers.values().map(|peer| fresh(peer, found.remove(&peer.ae_title))).collect()
}

fn fresh(peer: &Peer, found: Option<Result<Found, ResolveError>>) -> Known {
    let mut known = unknown(peer);
    match found {
        Some(Ok(found)) => {
            known.answered = found.answered.map(|answered| answered.at);
            known.until = found.answered.map(|answered| answered.until);
            (known.servers, known.source) = (found.servers, found.source);
        }
        Some(Err(why)) => {
            (known.fault, known.fault_at) = (Some(why.to_string()), Some(Moment::now()));
        }
        None => {}
    }
    known
}

async fn told_by_node(config: &Config) -> Result<Vec<Known>, Box<dyn Error>> {
    let rows = Store::open_reader(&config.data).await?.peer_addresses().await?;
    let mut rows: HashMap<AeTitle, PeerAddress> =
        rows.into_iter().map(|row| (row.peer.clone(), row)).collect();
    let known = config.peers.values().map(|peer| match rows.remove(&peer.ae_title) {
        Some(row) => from_row(peer, row),
        None => fixed(peer),
    });
    Ok(known.collect())
}

fn from_row(peer: &Peer, row: PeerAddress) -> Known {
    Known {
        servers: serde_json::from_str(&row.servers).unwrap_or_default(),
        source: row.source,
        answered: row.answered,
        until: row.until,
        fault: row.fault,
        fault_at: row.fault_at,
        ..unknown(peer)
    }
}

/// The node looks up no address that is written down.
fn fixed(peer: &Peer) -> Known {
    match &peer.address {
        Some(Address::Fixed(address)) => fresh(peer, Some(Ok(Found::fixed(*address)))),
        _ => unknown(peer),
    }
}

fn unknown(peer: &Peer) -> Known {
    Known {
        ae_title: peer.ae_title.clone(),
        configured: peer.address.as_ref().map(ToString::to_string),
        servers: Vec::new(),
        source: String::new(),
        answered: None,
        until: None,
        fault: None,
        fault_at: None,
    }
}

fn told(known: &Known, now: Moment) -> String {
    let configured = known.configured.as_deref().unwrap_or("receives nothing");
    let mut text = format!("{:<16}  {configured}\n", known.ae_title.as_str());
    for Server { host, addresses, priority, weight } in &known.servers {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let place = match known.configured.as_deref() {
            Some("discovered") => format!("{host}, priority {priority}, weight {weight}"),
            _ => host.clone(),
        };
        line(&mut text, "at", &format!("{} ({place})", addresses.join(", ")));
    }
    if known.configured.is_some() && known.servers.is_empty() {
        line(&mut text, "at", "not found, or not looked for yet by a running node");
    }
    if !known.source.is_empty() {
        line(&mut text, "by", &known.source);
    }
    if let (Some(answered), Some(until)) = (known.answered, known.until) {
        let holds = match until > now {
            true => format!("holds for another {} s", until.since(now).as_secs()),
            false => format!(
                "ended {} s ago, and is used until there is another",
                now.since(until).as_secs()
            ),
        };
        line(&mut text, "answered", &format!("{}, {holds}", when(answered)));
    }
    if let Some(fault) = &known.fault {
        let at = known.fault_at.map(when).unwrap_or_default();
        let is_over = known.answered.is_some() && known.answered > known.fault_at;
        let word = if is_over { "over since" } else { "lasting" };
        line(&mut text, "fault", &format!("{at}, {word}: {fault}"));
    }
    text
}

fn line(text: &mut String, word: &str, told: &str) {
    text.push_str(&format!("    {word:<9} {told}\n"));
}
