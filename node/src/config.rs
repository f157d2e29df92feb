//! `node.toml`: what an admin wrote, and what it means once every name in it has been checked.

mod address;
mod admin;
mod audit;
mod between;
mod calls_from;
mod complete;
mod deidentification;
mod dns;
mod inference;
mod listen;
mod login;
mod machine;
mod peer;
mod retention;
mod store;
mod tls;

pub use address::Address;
pub use admin::AdminConfig;
pub use audit::{AuditConfig, Collector};
pub use calls_from::CallsFrom;
pub use complete::CompleteConfig;
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

/// How long the node keeps trying to deliver, and how its pauses grow.
#[derive(Debug, Clone)]
pub struct DeliverConfig {
    pub first_pause: Duration,
    pub longest_pause: Duration,
    pub give_up_after: Duration,
    /// How long a peer may take to report on storage commitment; then it gets what it took once more.
    pub commitment: Duration,
    /// How long a peer may not find what it took; then it gets it once more.
    pub find: Duration,
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
    deliver: WrittenDeliver,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct WrittenDeliver {
    first_pause_seconds: f64,
    longest_pause_seconds: f64,
    give_up_after_hours: f64,
    commitment_hours: f64,
    find_hours: f64,
}

impl Default for WrittenDeliver {
    fn default() -> Self {
        Self {
            first_pause_seconds: 2.0,
            longest_pause_seconds: 1800.0,
            give_up_after_hours: 72.0,
            commitment_hours: 24.0,
            find_hours: 24.0,
        }
    }
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
        for peer in undiscoverable(&dns, &peers) {
            problems.push(format!("peer {peer} is to be discovered: set dns.domains"));
        }
        for (peer, at) in unfindable(&peers) {
            problems.push(format!(
                "peer {peer} has find-at = \"{at}\": there is no [[peer]] of that AE title with an address"
            ));
        }
        for (peer, at) in unasked(&peers) {
            problems.push(format!(
                "peer {peer} has patients-at = \"{at}\": there is no [[peer]] of that AE title with an address"
            ));
        }
        for (peer, to) in unreturnable(&peers) {
            problems.push(format!(
                "peer {peer} has returns-to = \"{to}\": there is no other [[peer]] of that AE title with an address"
            ));
        }
        for peer in unchecked_users(&listen, &peers) {
            problems.push(format!(
                "peer {peer} has a user that nobody checks: set listen.user-identity = \"checked\""
            ));
        }
        without_tls(&listen, tls.as_ref(), &peers, &mut problems);
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

impl WrittenDeliver {
    fn mean(&self, problems: &mut Vec<String>) -> DeliverConfig {
        let first_pause = span(self.first_pause_seconds, "deliver.first-pause-seconds", problems);
        let longest_pause =
            span(self.longest_pause_seconds, "deliver.longest-pause-seconds", problems);
        if longest_pause < first_pause {
            problems.push("deliver.longest-pause-seconds is shorter than the first pause".into());
        }
        let give_up_after =
            span(self.give_up_after_hours * 3600.0, "deliver.give-up-after-hours", problems);
        let commitment = span(self.commitment_hours * 3600.0, "deliver.commitment-hours", problems);
        let find = span(self.find_hours * 3600.0, "deliver.find-hours", problems);
        DeliverConfig { first_pause, longest_pause, give_up_after, commitment, find }
    }
}

/// The peers whose user identity is given, but ignored.
fn unchecked_users<'a>(
    listen: &ListenConfig,
    peers: &'a BTreeMap<AeTitle, Peer>,
) -> impl Iterator<Item = &'a AeTitle> {
    let ignored = listen.user_identity == UserIdentityPolicy::Ignore;
    peers.values().filter(move |peer| ignored && peer.user.is_some()).map(|peer| &peer.ae_title)
}

/// What asks for TLS where there is none.
fn without_tls(
    listen: &ListenConfig,
    tls: Option<&TlsConfig>,
    peers: &BTreeMap<AeTitle, Peer>,
    problems: &mut Vec<String>,
) {
    if !listen.plain && tls.is_none_or(|tls| tls.listen.is_none()) {
        problems.push("listen.plain = false needs tls.listen: nobody could call".into());
    }
    for peer in peers.values() {
        let (title, Some(own)) = (&peer.ae_title, &peer.tls) else { continue };
        match tls {
            None => problems.push(format!("peer {title} has tls = true, and there is no [tls]")),
            Some(tls) if peer.address.is_none() && tls.listen.is_none() => problems.push(format!(
                "peer {title} has tls = true and no address, so that it only calls: set tls.listen"
            )),
            // Whoever answers DNS would say which name is good.
            Some(_) if peer.address == Some(Address::Discovered) && own.is_anybody() => {
                problems.push(format!(
                    "peer {title} has tls = true and is discovered: set tls-name or pin, by which it is known"
                ));
            }
            Some(_) => {}
        }
    }
}

/// The peers of which it is asked where nobody is, and where that is.
fn unfindable(peers: &BTreeMap<AeTitle, Peer>) -> impl Iterator<Item = (&AeTitle, &AeTitle)> {
    peers.values().filter_map(|peer| match &peer.proof {
        Some(Proof::Find { at }) if peers.get(at).is_none_or(|at| at.address.is_none()) => {
            Some((&peer.ae_title, at))
        }
        _ => None,
    })
}

/// The same of those whose patients are asked for; what find-at says is told of that.
fn unasked(peers: &BTreeMap<AeTitle, Peer>) -> impl Iterator<Item = (&AeTitle, &AeTitle)> {
    peers.values().filter_map(|peer| {
        let at = peer.patients_at.as_ref()?;
        let is_found_there = peer.proof == Some(Proof::Find { at: at.clone() });
        let is_nowhere = peers.get(at).is_none_or(|at| at.address.is_none());
        (is_nowhere && !is_found_there).then_some((&peer.ae_title, at))
    })
}

/// The peers whose results would go on to where nobody is, or back to themselves.
fn unreturnable(peers: &BTreeMap<AeTitle, Peer>) -> impl Iterator<Item = (&AeTitle, &AeTitle)> {
    peers.values().flat_map(move |peer| {
        let to = peer.returns.iter().flat_map(|returns| &returns.to);
        let is_nowhere = move |to: &&AeTitle| {
            **to == peer.ae_title || peers.get(*to).is_none_or(|to| to.address.is_none())
        };
        to.filter(is_nowhere).map(|to| (&peer.ae_title, to))
    })
}

/// The peers that are to be found in no domain.
fn undiscoverable<'a>(
    dns: &DnsConfig,
    peers: &'a BTreeMap<AeTitle, Peer>,
) -> impl Iterator<Item = &'a AeTitle> {
    let nowhere = dns.domains.is_empty();
    let found = move |peer: &&Peer| nowhere && peer.address == Some(Address::Discovered);
    peers.values().filter(found).map(|peer| &peer.ae_title)
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

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_store::options::Duplicates;

    fn problems(text: &str) -> String {
        Config::parse(text, Path::new("node.toml")).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_example_configuration_parses_and_means_what_it_says() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node.example.toml");
        let config = Config::load(&file).expect("the example is a good one");
        assert_eq!(config.ae_title.as_str(), "GANTRY");
        assert!(config.receivers().contains(&"PACS".to_string()));
        assert_eq!(config.listen.unknown_peers, UnknownPeers::Refuse);
    }

    #[test]
    fn what_becomes_of_other_bytes_under_a_kept_uid_can_be_chosen() {
        let read = |chosen: &str| {
            let text = format!("[node]\nae-title = \"G\"\n[store]\n{chosen}");
            Config::parse(&text, Path::new("node.toml")).map(|config| config.store.duplicates).ok()
        };
        assert_eq!(read(""), Some(Duplicates::KeepFirst));
        assert_eq!(read("duplicates = \"replace\""), Some(Duplicates::Replace));
        assert_eq!(read("duplicates = \"keep-both\""), Some(Duplicates::KeepBoth));
        assert_eq!(read("duplicates = \"overwrite\""), None);
    }

    #[test]
    fn an_unknown_key_is_refused_with_line_caret_and_the_nearest_known_key() {
        let text = "[node]\nae-title = \"GANTRY\"\n[complete]\nquiet-secnds = 3\n";
        let said = problems(text);
        assert!(said.contains("line 4, column 1"), "{said}");
        assert!(said.contains("^^^"), "{said}");
        assert!(said.contains("did you mean `quiet-seconds`"), "{said}");
    }

    #[test]
    fn all_problems_of_meaning_are_told_at_once() {
        let said = problems(
            "[node]\nae-title = \"A TITLE THAT IS TOO LONG\"\n[listen]\naddress = \"nowhere\"\n\
             [[peer]]\nae-title = \"PACS\"\n[[peer]]\nae-title = \"PACS\"\nquiet-seconds = -1\n",
        );
        for part in ["at most 16", "host:port", "written twice", "0 or more"] {
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    }

    #[test]
    fn limits_and_waits_that_would_serve_nobody_are_refused() {
        let said = problems(
            "[node]\nae-title = \"G\"\n[listen]\nmaximum-associations = 0\n\
             maximum-associations-per-peer = 0\nmaximum-waiting-per-address = 0\n\
             maximum-pdu-bytes = 1024\nmemory-mib = 7\nartim-seconds = 0\nidle-seconds = -1\n\
             storage-classes = [\"1.2.x\"]\n[[peer]]\nae-title = \"CT1\"\nmaximum-associations = 0\n\
             from = [\"10.0.0.0/33\", \"10.0.0.1\"]\nprefer = [\"1.2.840.10008.1.2.4.94\"]\n\
             associations = 17\nmib-per-second = 0\nbetween = [\"19:00-6:00\", \"19:00-06:00\"]\n",
        );
        for part in [
            "listen.maximum-associations = 0",
            "listen.maximum-associations-per-peer = 0",
            "listen.maximum-waiting-per-address = 0",
            "listen.maximum-pdu-bytes must lie between 4096 and 4194304",
            "listen.memory-mib must be at least 8 with these maximum-pdu-bytes",
            "listen.artim-seconds = 0",
            "listen.idle-seconds = -1",
            "listen.storage-classes: \"1.2.x\"",
            "maximum-associations of peer CT1 = 0",
            "from of peer CT1: \"10.0.0.0/33\"",
            "prefer of peer CT1: \"1.2.840.10008.1.2.4.94\" is no transfer syntax",
            "associations of peer CT1 must lie between 1 and 16",
            "mib-per-second of peer CT1 must be 0.01 or more",
            "between of peer CT1: \"19:00-6:00\": a time of day is written as 06:00",
        ] {
            assert!(said.contains(part), "{part} is missing in {said}");
        }
        assert_eq!(said.lines().count(), 14, "{said}");
    }

    #[test]
    fn retention_is_off_unless_it_is_asked_for_and_says_when() {
        let parse = |lines: &str| {
            let text = format!("[node]\nae-title = \"G\"\n{lines}");
            Config::parse(&text, Path::new("node.toml")).map(|config| config.retention)
        };
        assert_eq!(parse(""), Ok(None));
        let keep = Some(Duration::from_secs(30 * 86400));
        let both = Policy { keep, watermark_percent: Some(80.0) };
        let written = "[retention]\nkeep-days = 30\nwatermark-percent = 80\n";
        assert_eq!(parse(written), Ok(Some(both)));
        for (lines, part) in [
            ("", "keep-days, watermark-percent or both"),
            ("keep-days = 0\n", "more than 0"),
            ("keep-days = 1e9\n", "of reason"),
            ("watermark-percent = 100\n", "between 1 and 99"),
            ("keep-day = 3\n", "did you mean `keep-days`"),
        ] {
            let said = parse(&format!("[retention]\n{lines}")).expect_err("refused").to_string();
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    }

    #[test]
    fn metrics_are_off_unless_an_address_is_given() {
        let parse = |lines: &str| {
            let text = format!("[node]\nae-title = \"G\"\n{lines}");
            Config::parse(&text, Path::new("node.toml")).map(|config| config.admin.metrics)
        };
        assert_eq!(parse(""), Ok(None));
        let address = "127.0.0.1:9100".to_string();
        assert_eq!(parse("[admin]\nmetrics = \"127.0.0.1:9100\"\n"), Ok(Some(address)));
        let said = parse("[admin]\nmetrics = \"9100\"\n").expect_err("refused").to_string();
        assert!(said.contains("admin.metrics = \"9100\": write it as host:port"), "{said}");
        let said = parse("[admin]\nmetric = \"h:1\"\n").expect_err("refused").to_string();
        assert!(said.contains("did you mean `metrics`"), "{said}");
    }

    #[test]
    fn a_user_that_nobody_would_check_and_a_passcode_that_cannot_be_read_are_refused() {
        let peer = |lines: &str| {
            format!("[node]\nae-title = \"G\"\n[[peer]]\nae-title = \"CT1\"\n{lines}")
        };
        assert!(problems(&peer("user = \"joe\"\n")).contains("user-identity = \"checked\""));
        assert!(problems(&peer("passcode-file = \"x\"\n")).contains("no user"));
        let said = problems(&peer("user = \"joe\"\npasscode-file = \"/nowhere/at/all\"\n"));
        assert!(said.contains("cannot read /nowhere/at/all"), "{said}");
    }

    #[test]
    fn the_peers_whose_passcodes_can_be_read_on_the_network_are_known() {
        let folder = tempfile::TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("secret"), "open sesame\n").expect("written");
        let text = "[node]\nae-title = \"G\"\n[listen]\nuser-identity = \"checked\"\n\
                    [[peer]]\nae-title = \"CT1\"\nuser = \"joe\"\npasscode-file = \"secret\"\n\
                    [[peer]]\nae-title = \"CT2\"\nuser = \"ann\"\n[[peer]]\nae-title = \"CT3\"\n";
        let config = Config::parse(text, &folder.path().join("node.toml")).expect("good");
        assert_eq!(config.passcodes_in_clear(), ["CT1"]);
    }

    #[test]
    fn a_peer_is_asked_for_what_it_took_in_one_way_and_where_somebody_answers() {
        let peers = |lines: &str| {
            format!(
                "[node]\nae-title = \"G\"\n[[peer]]\nae-title = \"QR\"\naddress = \"h:1\"\n\
                 [[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"PACS\"\n{lines}"
            )
        };
        let good = peers("address = \"h:2\"\nfind-at = \"QR\"\n");
        let config = Config::parse(&good, Path::new("node.toml")).expect("good");
        let [pacs, qr] = ["PACS", "QR"].map(|text| AeTitle::parse(text).expect("a title"));
        assert_eq!(config.peers[&pacs].proof, Some(Proof::Find { at: qr.clone() }));
        for (lines, asked) in [
            ("find-at = \"QR\"\n", Some(&qr)),
            ("commitment = true\n", None),
            ("commitment = true\npatients-at = \"QR\"\n", Some(&qr)),
            ("find-at = \"QR\"\npatients-at = \"PACS\"\n", Some(&pacs)),
            ("find-at = \"QR\"\npatients-at = false\n", None),
            ("", None),
        ] {
            let text = peers(&format!("address = \"h:2\"\n{lines}"));
            let config = Config::parse(&text, Path::new("node.toml")).expect("good");
            let found = config.asked_for_patients("PACS").map(|peer| &peer.ae_title);
            assert_eq!(found, asked, "{lines}");
        }
        for (lines, part) in [
            ("find-at = \"QR\"\n", "no address to deliver to"),
            ("address = \"h:2\"\nfind-at = \"CT1\"\n", "no [[peer]] of that AE title"),
            ("address = \"h:2\"\nfind-at = \"NOBODY\"\n", "no [[peer]] of that AE title"),
            ("address = \"h:2\"\nfind-at = \"QR\"\ncommitment = true\n", "says more"),
            ("commitment = true\n", "no address to ask at"),
            ("patients-at = \"QR\"\n", "no address to deliver to"),
            (
                "address = \"h:2\"\npatients-at = \"CT1\"\n",
                "has patients-at = \"CT1\": there is no",
            ),
            ("address = \"h:2\"\npatients-at = true\n", "or false"),
        ] {
            let said = problems(&peers(lines));
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    }

    #[test]
    fn a_profile_that_does_not_exist_or_could_not_be_carried_out_is_refused() {
        let said = problems(
            "[node]\nae-title = \"G\"\n[deidentification.research]\nkeep-words = [\"x\"]\nforget-days = -1\n\
             private = [\"(0019,100C) SIEMENS MR HEADER\"]\n[[peer]]\nae-title = \"A\"\n\
             address = \"h:1\"\ndeidentify = \"reserch\"\n[[peer]]\nae-title = \"B\"\n\
             address = \"h:1\"\ndeidentify = \"research\"\ncommitment = true\n[[peer]]\n\
             ae-title = \"C\"\ndeidentify = \"research\"\n[[peer]]\nae-title = \"D\"\naddress = \"h:1\"\n\
             returns = \"research\"\nreturns-to = [\"D\", \"NOBODY\", \"A\"]\n[[peer]]\nae-title = \"H\"\n\
             returns = \"trial\"\nreturns-to = [\"A\"]\n[[peer]]\nae-title = \"E\"\n\
             returns = \"research\"\n[[peer]]\nae-title = \"F\"\nreturns-to = [\"A\"]\n",
        );
        for part in [
            "set that to true",
            "is no private attribute",
            "deidentify of peer A: there is no [deidentification.reserch]; did you mean \"research\"?",
            "peer B is de-identified for, and has commitment = true",
            "peer C has deidentify, but no address",
            "returns of peer H: there is no [deidentification.trial]",
            "peer D has returns-to = \"D\": there is no other",
            "peer D has returns-to = \"NOBODY\": there is no other",
            "peer E has returns = \"research\": say with returns-to",
            "peer F has returns-to, but not returns",
            "deidentification.research.forget-days = -1",
        ] {
            assert!(said.contains(part), "{part} is missing in {said}");
        }
        let good = "[node]\nae-title = \"G\"\n[deidentification.research]\ndates = \"shifted\"\n\
                    [[deidentification.research.device]]\nmanufacturer = \"ACME\"\nmodel = \"1\"\n\
                    rows = 2\ncolumns = 4\nblank = [[0, 0, 4, 1]]\n[[peer]]\nae-title = \"A\"\n\
                    address = \"h:1\"\ndeidentify = \"research\"\n";
        let config = Config::parse(good, Path::new("node.toml")).expect("good");
        assert!(config.deidentifies() && config.forgets.is_empty());
        let home = good.to_owned()
            + "[[peer]]\nae-title = \"B\"\nreturns = \"research\"\nreturns-to = [\"A\"]\n";
        let config = Config::parse(
            &home.replace("dates =", "forget-days = 2\ndates ="),
            Path::new("node.toml"),
        );
        let config = config.expect("good");
        assert_eq!(config.forgets["research"], Duration::from_secs(2 * 86_400));
        let returns =
            config.peers.values().find_map(|peer| peer.returns.as_ref()).expect("B returns");
        assert_eq!((&*returns.profile, returns.to.len()), ("research", 1));
        assert!(problems(&good.replace("shifted", "moved")).contains("line 4"));
    }

    #[test]
    fn a_peer_may_have_a_quiet_time_of_its_own() {
        let text = "[node]\nae-title = \"G\"\n[complete]\nquiet-seconds = 9\n\
                    [[peer]]\nae-title = \"CT1\"\nquiet-seconds = 0.5\n";
        let config = Config::parse(text, Path::new("node.toml")).expect("good");
        let title = |text| AeTitle::parse(text).expect("a title");
        assert_eq!(config.quiet_for(&title("CT1")), Duration::from_millis(500));
        assert_eq!(config.quiet_for(&title("CT2")), Duration::from_secs(9));
        let own = ["CT1", "CT2"].map(|text| config.times_for(&title(text)).quiet_is_its_own);
        assert_eq!(own, [true, false]);
    }
}
