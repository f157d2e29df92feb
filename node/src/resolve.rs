//! From a peer to where it can be reached: written down, a host name, or whatever DNS says of its AE title.

mod ask;
mod discover;
mod found;
mod keep;
mod known;
mod order;

pub use found::{Answered, Found, ResolveError, Server};

use crate::config::{Address, DnsConfig, Peer};
use ask::{Dns, Said};
use discover::{Answer, Failed};
use gantry_terms::ae_title::AeTitle;
use known::{Known, News};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// All questions about one peer together take no longer: then the last answer has to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Remembers what the name servers said, so that they are asked once for many associations.
pub struct Resolver {
    dns: Arc<Dns>,
    rules: DnsConfig,
    /// Titles come from the configuration only, so that there are few.
    peers: Mutex<HashMap<AeTitle, Arc<Entry>>>,
    /// Rung when something new is known.
    news: Notify,
}

#[derive(Default)]
struct Entry {
    known: Mutex<Known>,
    /// Who comes while the name servers are asked waits for that answer.
    turn: tokio::sync::Mutex<()>,
}

impl Resolver {
    pub fn new(rules: &DnsConfig) -> Self {
        Self {
            dns: Arc::new(Dns::new(rules)),
            rules: rules.clone(),
            peers: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Where the peer can be reached, as far as is known; asks only when nothing is that still holds.
    pub async fn find(&self, peer: &Peer) -> Result<Found, ResolveError> {
        self.found(peer, |known| !known.is_to_be_asked(Instant::now())).await
    }

    /// The same, asked for now.
    pub async fn find_anew(&self, peer: &Peer) -> Result<Found, ResolveError> {
        let since = Instant::now();
        self.found(peer, move |known| known.was_asked_since(since)).await
    }

    /// The addresses of a host where a peer may call from, and for how long they are believed.
    pub async fn host(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), ResolveError> {
        let asked = discover::addresses(&self.dns, name, &self.rules.domains);
        match timeout(PATIENCE, asked).await {
            Ok(Ok(Said { what, ttl })) => {
                Ok((what, ttl.clamp(self.rules.shortest, self.rules.longest)))
            }
            Ok(Err(failed)) => Err(failed.why),
            Err(_) => Err(self.silent(name)),
        }
    }

    async fn found(
        &self,
        peer: &Peer,
        is_enough: impl Fn(&Known) -> bool,
    ) -> Result<Found, ResolveError> {
        match &peer.address {
            None => return Err(ResolveError::NoAddress),
            Some(Address::Fixed(address)) => return Ok(Found::fixed(*address)),
            Some(Address::Host { .. } | Address::Discovered) => {}
        }
        let entry = self.entry(&peer.ae_title);
        if let Some(answer) = self.answer(&entry, &is_enough) {
            return answer;
        }
        let _turn = entry.turn.lock().await;
        if let Some(answer) = self.answer(&entry, &is_enough) {
            return answer;
        }
        let heard = self.ask(peer).await;
        self.remember(peer, &entry, heard);
        let answer = self.answer(&entry, |_| true);
        answer.unwrap_or_else(|| Err(self.silent(peer.ae_title.as_str())))
    }

    fn answer(
        &self,
        entry: &Entry,
        is_enough: impl Fn(&Known) -> bool,
    ) -> Option<Result<Found, ResolveError>> {
        let known = known(entry);
        let answer = is_enough(&known).then(|| known.answer(&self.rules, Instant::now()))?;
        answer.map(|answer| answer.map(|found| self.asked_of(found)))
    }

    fn asked_of(&self, found: Found) -> Found {
        let source = format!("{}, asked of {}", found.source, self.dns.asked());
        Found { source, ..found }
    }

    async fn ask(&self, peer: &Peer) -> Result<Answer, Failed> {
        let domains = &self.rules.domains;
        let asked = async {
            match &peer.address {
                Some(Address::Host { name, port }) => {
                    discover::host(&self.dns, name, *port, domains).await
                }
                _ => {
                    discover::discover(&self.dns, &peer.ae_title, peer.tls.is_some(), domains).await
                }
            }
        };
        let late = || Failed { why: self.silent(peer.ae_title.as_str()), ttl: Duration::ZERO };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
    }

    fn remember(&self, peer: &Peer, entry: &Entry, heard: Result<Answer, Failed>) {
        let fault = heard.as_ref().err().map(|failed| failed.why.clone());
        let news = known(entry).heard(heard, &self.rules, Instant::now());
        let peer = peer.ae_title.as_str();
        match (news, fault) {
            (News::Same, _) => {}
            (_, Some(why)) => {
                tracing::warn!(station = "resolve", peer, %why, "a peer is not found")
            }
            (_, None) => tracing::info!(station = "resolve", peer, "a peer is found"),
        }
        self.news.notify_one();
    }

    fn silent(&self, name: &str) -> ResolveError {
        ResolveError::Unanswered {
            name: name.into(),
            asked: self.dns.asked(),
            why: "no answer in time".into(),
        }
    }

    fn entry(&self, title: &AeTitle) -> Arc<Entry> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.entry(title.clone()).or_default().clone()
    }
}

fn known(entry: &Entry) -> MutexGuard<'_, Known> {
    entry.known.lock().unwrap_or_else(PoisonError::into_inner)
}
