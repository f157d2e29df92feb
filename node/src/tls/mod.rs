//! TLS both ways: this node's certificate, whose certificates are good, and how both are renewed while it runs.
//!
//! TLS 1.2 and 1.3 as the BCP 195 RFC 8996, 9325 profile wants them (PS3.15 B.12): nothing older, no renegotiation, no early
//! data, and never without TLS where it was asked for.

pub mod certificate;
mod material;
mod verify;
mod watch;

use crate::config::{Address, Callers, Config, Peer, PeerTls, TlsConfig};
use crate::dimse::service::Security;
use crate::dimse::stream::Secured;
use certificate::Fingerprint;
use material::Material;
pub use material::{Expiry, expiries};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch as channel;
use watch::{WARNED_AHEAD, left};

/// What `[tls]` and the peers say, in force. Associations keep what they began with.
pub struct Tls {
    config: Arc<Config>,
    files: TlsConfig,
    server: channel::Sender<Arc<ServerConfig>>,
    /// How each peer that is called over TLS is called.
    called: RwLock<Called>,
}

/// How this node calls others.
#[derive(Default)]
struct Called {
    peers: BTreeMap<String, Secured>,
    /// Who gets the audit trail.
    collector: Option<Secured>,
}

/// Every problem at once: the admin must act.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsProblems(pub Vec<String>);

impl fmt::Display for TlsProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for TlsProblems {}

/// What is made of the files at one moment.
struct Made {
    server: Arc<ServerConfig>,
    called: Called,
}

impl Tls {
    /// Nothing without `[tls]`.
    pub fn open(config: &Arc<Config>) -> Result<Option<Arc<Self>>, TlsProblems> {
        let Some(files) = &config.tls else { return Ok(None) };
        let Made { server, called } = made(config, files)?;
        Ok(Some(Arc::new(Self {
            config: config.clone(),
            files: files.clone(),
            server: channel::Sender::new(server),
            called: RwLock::new(called),
        })))
    }

    /// What a caller is met with, always the newest.
    pub fn for_callers(&self) -> channel::Receiver<Arc<ServerConfig>> {
        self.server.subscribe()
    }

    /// How this peer is called; nothing where it is called without TLS.
    pub fn secured(&self, peer: &Peer) -> Option<Secured> {
        let called = self.called.read().unwrap_or_else(PoisonError::into_inner);
        called.peers.get(peer.ae_title.as_str()).cloned()
    }

    /// How the collector of the audit trail is called, where there is one.
    pub fn for_collector(&self) -> Option<Secured> {
        let called = self.called.read().unwrap_or_else(PoisonError::into_inner);
        called.collector.clone()
    }

    /// Reads the files again; what was in force stays so when they are broken.
    fn renew(&self) -> Result<(), TlsProblems> {
        let Made { server, called } = made(&self.config, &self.files)?;
        self.server.send_replace(server);
        *self.called.write().unwrap_or_else(PoisonError::into_inner) = called;
        Ok(())
    }
}

/// Reads and checks the files, for `gantry check`.
pub fn check(config: &Config) -> Result<(), TlsProblems> {
    match &config.tls {
        Some(files) => made(config, files).map(drop),
        None => Ok(()),
    }
}

/// A certificate and its end, in words.
pub fn told(expiry: &Expiry) -> String {
    let Expiry { what, not_after } = expiry;
    match left(*not_after) {
        None => format!("{what} HAS ENDED: renew it"),
        Some(left) => {
            let soon = if left > WARNED_AHEAD { "" } else { ": renew it SOON" };
            format!("{what} ends in {} days{soon}", left.as_secs() / 86_400)
        }
    }
}

/// Whether a caller may be this peer: over TLS where it has to be, and with a certificate of its own where one is named.
pub fn is_own(peer: &PeerTls, security: &Security) -> bool {
    let Security::Tls { certificate, .. } = security else { return false };
    let Some(certificate) = certificate else {
        return peer.pins.is_empty() && peer.name.is_none();
    };
    match (&peer.name, peer.pins.is_empty()) {
        (_, false) => peer.pins.contains(&Fingerprint::of(certificate)),
        (Some(name), true) => certificate::names(certificate, name),
        (None, true) => true,
    }
}

fn made(config: &Config, files: &TlsConfig) -> Result<Made, TlsProblems> {
    let provider = Arc::new(ring::default_provider());
    let material = Material::read(files, &provider).map_err(TlsProblems)?;
    let one = |problem: String| TlsProblems(vec![problem]);
    let server = server(config, files, &material, &provider).map_err(one)?;
    let mut called = Called::default();
    for peer in config.peers.values() {
        if let Some(secured) = secured(peer, &material, &provider).map_err(one)? {
            called.peers.insert(peer.ae_title.to_string(), secured);
        }
    }
    if let Some(collector) = config.audit.as_ref().and_then(|audit| audit.syslog.as_ref()) {
        let name = ServerName::try_from(collector.host.clone());
        let name =
            name.map_err(|_| one("audit.syslog is no name that a certificate can have".into()))?;
        let config = client(Vec::new(), &material, &provider).map_err(one)?;
        called.collector = Some(Secured { config, name });
    }
    Ok(Made { server: Arc::new(server), called })
}

fn server(
    config: &Config,
    files: &TlsConfig,
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, String> {
    let pinned = config.peers.values().filter_map(|peer| peer.tls.as_ref());
    let pinned = pinned.flat_map(|tls| tls.pins.iter().copied()).collect();
    let required = files.callers == Callers::Certificate;
    let callers = verify::Callers::new(material, pinned, required, provider)?;
    ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(Arc::new(callers))
        .with_single_cert(material.chain.clone(), material.key.clone_key())
        .map_err(|error| format!("tls.certificate: {error}"))
}

fn secured(
    peer: &Peer,
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Secured>, String> {
    let (Some(tls), Some(address)) = (&peer.tls, &peer.address) else { return Ok(None) };
    let name = match &tls.name {
        Some(name) => name.clone(),
        None => host_name(address).ok_or_else(|| {
            format!(
                "the address of peer {} is no name that a certificate can have: set tls-name",
                peer.ae_title
            )
        })?,
    };
    Ok(Some(Secured { config: client(tls.pins.clone(), material, provider)?, name }))
}

fn client(
    pins: Vec<Fingerprint>,
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<ClientConfig>, String> {
    let verifier = verify::Called::new(material, pins, provider)?;
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(material.chain.clone(), material.key.clone_key())
        .map_err(|error| format!("tls.certificate: {error}"))?;
    Ok(Arc::new(config))
}

/// By which its certificate has to know it; with pins it does not count, and only has to be one.
fn host_name(address: &Address) -> Option<ServerName<'static>> {
    match address {
        Address::Fixed(address) => Some(ServerName::from(address.ip())),
        Address::Host { name, .. } => ServerName::try_from(name.clone()).ok(),
        Address::Discovered => ServerName::try_from("discovered.invalid").ok(),
    }
}
