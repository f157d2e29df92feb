//! `node.toml`: what an admin wrote, and what it means once every name in it has been checked.

mod address;
mod admin;
mod audit;
mod between;
mod calls_from;
mod complete;
mod deidentification;
mod deliver;
mod dns;
mod inference;
mod listen;
mod login;
mod machine;
mod peer;
mod retention;
mod store;
#[cfg(test)]
mod tests;
mod tls;
mod together;

pub use address::Address;
pub use admin::AdminConfig;
pub use audit::{AuditConfig, Collector};
pub use calls_from::CallsFrom;
pub use complete::CompleteConfig;
pub use deliver::DeliverConfig;
pub use dns::DnsConfig;
pub use inference::InferenceConfig;
pub use listen::{ListenConfig, UnknownPeers, UserIdentityPolicy};
pub use login::Login;
pub use peer::{Peer, PeerTls, Proof, Returns, User};
pub use store::StoreConfig;
pub use tls::{Callers, TlsConfig};

use gantry_deidentification::profile::Profile;
use gantry_routing::complete::pace::Times;
use gantry_store::retention::Policy;
use gantry_terms::ae_title::AeTitle;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the configuration means.
#[derive(Debug, Clone)]
pub struct Config {
    pub ae_title: AeTitle,
    pub listen: ListenConfig,
    /// Without it there is no TLS, in either role.
    pub tls: Option<TlsConfig>,
    pub data: PathBuf,
    pub rules: PathBuf,
    pub models: PathBuf,
    pub onnxruntime: Option<PathBuf>,
    pub store: StoreConfig,
    pub complete: CompleteConfig,
    pub inference: InferenceConfig,
    pub deliver: DeliverConfig,
    pub dns: DnsConfig,
    /// Without it nothing is ever evicted.
    pub retention: Option<Policy>,
    pub admin: AdminConfig,
    /// Without it there is no audit trail.
    pub audit: Option<AuditConfig>,
    pub peers: BTreeMap<AeTitle, Peer>,
    /// How objects are de-identified, by name.
    pub profiles: BTreeMap<String, Arc<Profile>>,
    /// After how long it is forgotten what left under a profile; else never.
    pub forgets: BTreeMap<String, Duration>,
}

/// Every problem of a configuration at once, in words for the admin.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigProblems(pub Vec<String>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigProblems {}

impl Config {
    /// Reads and checks a file. Folders in it are relative to the file.
    pub fn load(file: &Path) -> Result<Self, ConfigProblems> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            ConfigProblems(vec![format!(
                "cannot read {}: {error}\n  help: name the file with --config; node.example.toml shows one",
                file.display()
            )])
        })?;
        Self::parse(&text, file)
    }

    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigProblems> {
        let written: Written = toml::from_str(text)
            .map_err(|error| ConfigProblems(vec![describe_toml_error(&error, file)]))?;
        let base = file.parent().unwrap_or(Path::new("."));
        written.mean(base).map_err(|problems| {
            ConfigProblems(
                problems.into_iter().map(|p| format!("{}: {p}", file.display())).collect(),
            )
        })
    }

    /// How long a series of this peer must be quiet until it counts as complete.
    pub fn quiet_for(&self, peer: &AeTitle) -> Duration {
        self.peers.get(peer).and_then(|peer| peer.quiet).unwrap_or(self.complete.quiet)
    }

    /// All that makes a series of this peer complete.
    pub fn times_for(&self, peer: &AeTitle) -> Times {
        let CompleteConfig { after_release, shortest, longest, .. } = self.complete;
        let peer_quiet = self.peers.get(peer).and_then(|peer| peer.quiet);
        Times {
            quiet: self.quiet_for(peer),
            quiet_is_its_own: peer_quiet.is_some(),
            after_release,
            shortest,
            longest,
        }
    }

    /// The peers whose passcode, or this node's secret for them, crosses the network as it is: without TLS.
    pub fn passcodes_in_clear(&self) -> Vec<&str> {
        let is_sent = |peer: &&Peer| {
            let theirs = peer.user.as_ref().is_some_and(|user| user.passcode.is_some());
            let ours = peer.login.as_ref().is_some_and(Login::is_secret);
            peer.tls.is_none() && (theirs || ours)
        };
        self.peers.values().filter(is_sent).map(|peer| peer.ae_title.as_str()).collect()
    }

    /// Whether the peer shows by C-FIND that it has what it took.
    pub fn seeks(&self, peer: &str) -> bool {
        let mut peers = self.peers.values();
        peers.any(|known| {
            known.ae_title.as_str() == peer && matches!(known.proof, Some(Proof::Find { .. }))
        })
    }

    /// Who is asked whose a study is at this peer.
    pub fn asked_for_patients(&self, peer: &str) -> Option<&Peer> {
        let mut peers = self.peers.values();
        let peer = peers.find(|known| known.ae_title.as_str() == peer)?;
        self.peers.get(peer.patients_at.as_ref()?)
    }

    /// Whether anything may leave without the patient, for which there has to be a key: peers and rules name profiles.
    pub fn deidentifies(&self) -> bool {
        !self.profiles.is_empty()
    }

    /// The peers that can receive: what rules may name.
    pub fn receivers(&self) -> Vec<String> {
        let with_address = self.peers.iter().filter(|(_, peer)| peer.address.is_some());
        with_address.map(|(name, _)| name.to_string()).collect()
    }
}

/// `toml`'s own message has line, column and caret; the file and the nearest key are added.
fn describe_toml_error(error: &toml::de::Error, file: &Path) -> String {
    let mut text = format!("{}: {}", file.display(), error.to_string().trim_end());
    if let Some(nearest) = nearest_in_message(error.message()) {
        text.push_str(&format!("\n  help: did you mean `{nearest}`?"));
    }
    text
}

/// serde says "unknown field `x`, expected one of `a`, `b`": the nearest of those to `x`.
fn nearest_in_message(message: &str) -> Option<String> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown").then(|| words.next()).flatten()?;
    words
        .map(|word| (strsim::damerau_levenshtein(unknown, word), word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.len() / 3)
        .map(|(_, word)| word.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    node: WrittenNode,
    #[serde(default)]
    listen: listen::WrittenListen,
    tls: Option<tls::WrittenTls>,
    #[serde(default)]
    store: store::WrittenStore,
    #[serde(default)]
    complete: complete::WrittenComplete,
    #[serde(default)]
    inference: inference::WrittenInference,
    #[serde(default)]
    deliver: deliver::WrittenDeliver,
    #[serde(default)]
    dns: dns::WrittenDns,
    retention: Option<retention::WrittenRetention>,
    #[serde(default)]
    admin: admin::WrittenAdmin,
    audit: Option<audit::WrittenAudit>,
    #[serde(default)]
    deidentification: BTreeMap<String, deidentification::WrittenProfile>,
    #[serde(default)]
    peer: Vec<peer::WrittenPeer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenNode {
    ae_title: String,
    #[serde(default = "default_data")]
    data: PathBuf,
    #[serde(default = "default_rules")]
    rules: PathBuf,
    #[serde(default = "default_models")]
    models: PathBuf,
    onnxruntime: Option<PathBuf>,
}

fn default_data() -> PathBuf {
    "data".into()
}
fn default_rules() -> PathBuf {
    "rules".into()
}
fn default_models() -> PathBuf {
    "models".into()
}

impl Written {
    fn mean(self, base: &Path) -> Result<Config, Vec<String>> {
        let mut problems = Vec::new();
        let ae_title = title(&self.node.ae_title, "node.ae-title", &mut problems);
        let listen = self.listen.mean(&mut problems);
        let tls = self.tls.map(|written| written.mean(base, &mut problems));
        let store = self.store.mean(&mut problems);
        let complete = self.complete.mean(&mut problems);
        let inference = self.inference.mean(&mut problems);
        let deliver = self.deliver.mean(&mut problems);
        let dns = self.dns.mean(&mut problems);
        let retention = self.retention.map(|written| written.mean(&mut problems));
        let admin = self.admin.mean(&mut problems);
        let data = base.join(self.node.data);
        let audit = self.audit.map(|written| written.mean(base, &data, &mut problems));
        if tls.is_none() && audit.as_ref().is_some_and(|audit| audit.syslog.is_some()) {
            problems.push("audit.syslog goes over TLS, and there is no [tls]".into());
        }
        let mut forgets = BTreeMap::new();
        let profiles = self.deidentification.into_iter().map(|(name, written)| {
            forgets.extend(written.forgets(&name, &mut problems).map(|span| (name.clone(), span)));
            let profile = written.mean(&name, &mut problems);
            (name, Arc::new(profile))
        });
        let profiles: BTreeMap<_, _> = profiles.collect();
        let mut peers = BTreeMap::new();
        for written in self.peer {
            written.mean_into(&mut peers, base, &profiles, &mut problems);
        }
        together::check(&listen, tls.as_ref(), &dns, &peers, &mut problems);
        match ae_title {
            Some(ae_title) if problems.is_empty() => Ok(Config {
                ae_title,
                listen,
                tls,
                data,
                rules: base.join(self.node.rules),
                models: base.join(self.node.models),
                onnxruntime: self.node.onnxruntime.map(|path| base.join(path)),
                store,
                complete,
                inference,
                deliver,
                dns,
                retention,
                admin,
                audit,
                peers,
                profiles,
                forgets,
            }),
            _ => Err(problems),
        }
    }
}

fn title(text: &str, key: &str, problems: &mut Vec<String>) -> Option<AeTitle> {
    match AeTitle::parse(text) {
        Ok(title) => Some(title),
        Err(why) => {
            problems.push(format!("{key} = {text:?}: {why}"));
            None
        }
    }
}

fn span(seconds: f64, key: &str, problems: &mut Vec<String>) -> Duration {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| d.as_secs() <= 10 * 366 * 86400)
        .unwrap_or_else(|| {
            problems.push(format!(
                "{key} = {seconds}: this must be a number of 0 or more, and of reason"
            ));
            Duration::ZERO
        })
}

fn check_host_port(text: &str, key: &str, problems: &mut Vec<String>) {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if port.is_none_or(|port| port.parse::<u16>().is_err()) {
        problems
            .push(format!("{key} = {text:?}: write it as host:port, as in \"pacs.example:104\""));
    }
}
