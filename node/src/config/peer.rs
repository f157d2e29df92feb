//! `[[peer]]`: one application entity that the node knows, and on what terms it may call.

use super::address::Address;
use super::between::Between;
use super::calls_from::CallsFrom;
use super::login::{Login, WrittenLogin};
use super::{span, title};
use crate::tls::certificate::Fingerprint;
use gantry_deidentification::profile::Profile;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::transfer_syntaxes;
use gantry_terms::uid::Uid;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Less would keep an image of usual size for minutes.
const SLOWEST: f64 = 0.01;
/// More would only be in each other's way at the peer.
const MOST_ASSOCIATIONS: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    pub ae_title: AeTitle,
    /// For peers that receive.
    pub address: Option<Address>,
    /// Its own quiet time, when it differs from the node's.
    pub quiet: Option<Duration>,
    /// Where it may call from; empty: from anywhere.
    pub from: Vec<CallsFrom>,
    /// The transfer syntaxes that it should send in, best first; then the node's own preference.
    pub prefers: Vec<Uid>,
    /// How many associations it may have at a time, when that differs from the node's limit.
    pub maximum_associations: Option<usize>,
    /// How many associations the node has with it at a time, to deliver.
    pub associations: usize,
    /// How much goes to it on average, at the most.
    pub mib_per_second: Option<f64>,
    /// When the node may deliver to it, by the local time of day; empty: always.
    pub between: Vec<Between>,
    /// Who it must say to be.
    pub user: Option<User>,
    /// Who this node says to be there.
    pub login: Option<Login>,
    /// It is called over TLS and may call over TLS only; nothing: it is called without.
    pub tls: Option<PeerTls>,
    /// How it shows that it has what it took; nothing: it does not have to.
    pub proof: Option<Proof>,
    /// Who is asked by C-FIND whose a study is there now, before anything goes a second time or a result late; nothing: nobody.
    pub patients_at: Option<AeTitle>,
    /// Whatever goes to it goes without the patient.
    pub deidentify: Option<Arc<Profile>>,
    /// What it sends are results that come home.
    pub returns: Option<Returns>,
}

/// A peer sends results that are made of what left here without the patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returns {
    /// The profile by which that left.
    pub profile: String,
    /// Who gets them, with the patient.
    pub to: Vec<AeTitle>,
}

/// How a peer shows that it has what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It promises to keep it, by storage commitment.
    Commitment,
    /// It is found by C-FIND, at the peer of this title: itself, or another one that answers for it.
    Find { at: AeTitle },
}

/// Which certificates are a peer's own, in both roles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PeerTls {
    /// What its certificate has to name; when it is called the host of its address does without.
    pub name: Option<ServerName<'static>>,
    /// Where there are some, these and no others, whoever signed them.
    pub pins: Vec<Fingerprint>,
}

/// A user identity (PS3.7 D.3.3.7): a name, or a name and a passcode.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub name: String,
    pub passcode: Option<Passcode>,
}

/// Cannot be printed.
#[derive(Clone, PartialEq)]
pub struct Passcode(Vec<u8>);

impl PeerTls {
    /// Whether nothing is written down by which it is known.
    pub fn is_anybody(&self) -> bool {
        self.name.is_none() && self.pins.is_empty()
    }
}

impl Peer {
    /// Whether the node may deliver to it in this minute of the local day.
    pub fn is_open(&self, minute: u32) -> bool {
        self.between.is_empty() || self.between.iter().any(|between| between.holds(minute))
    }

    /// One that may call from anywhere, and receives nothing.
    pub fn new(ae_title: AeTitle) -> Self {
        Self {
            ae_title,
            address: None,
            quiet: None,
            from: Vec::new(),
            prefers: Vec::new(),
            maximum_associations: None,
            associations: 1,
            mib_per_second: None,
            between: Vec::new(),
            user: None,
            login: None,
            tls: None,
            proof: None,
            patients_at: None,
            deidentify: None,
            returns: None,
        }
    }
}

impl Passcode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes as long for a near miss as for a far one.
    pub fn is(&self, said: &[u8]) -> bool {
        let differs =
            self.0.iter().zip(said).fold(0, |differs, (ours, said)| differs | (ours ^ said));
        self.0.len() == said.len() && differs == 0
    }
}

impl fmt::Debug for Passcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a passcode")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenPeer {
    ae_title: String,
    address: Option<String>,
    #[serde(default)]
    discover: bool,
    quiet_seconds: Option<f64>,
    #[serde(default)]
    from: Vec<String>,
    #[serde(default)]
    prefer: Vec<String>,
    maximum_associations: Option<usize>,
    associations: Option<usize>,
    mib_per_second: Option<f64>,
    #[serde(default)]
    between: Vec<String>,
    user: Option<String>,
    passcode_file: Option<PathBuf>,
    login: Option<WrittenLogin>,
    #[serde(default)]
    commitment: bool,
    find_at: Option<String>,
    patients_at: Option<WrittenPatientsAt>,
    deidentify: Option<String>,
    returns: Option<String>,
    #[serde(default)]
    returns_to: Vec<String>,
    #[serde(default)]
    tls: bool,
    tls_name: Option<String>,
    #[serde(default)]
    pin: Vec<String>,
}

/// `patients-at`: an AE title, or false.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenPatientsAt {
    Whether(bool),
    Title(String),
}

impl WrittenPeer {
    /// Files are relative to `base`.
    pub(super) fn mean_into(
        self,
        peers: &mut BTreeMap<AeTitle, Peer>,
        base: &Path,
        profiles: &BTreeMap<String, Arc<Profile>>,
        problems: &mut Vec<String>,
    ) {
        let Some(ae_title) = title(&self.ae_title, "peer.ae-title", problems) else { return };
        let address = self.address(&ae_title, problems);
        let quiet = self
            .quiet_seconds
            .map(|seconds| span(seconds, &format!("quiet-seconds of peer {ae_title}"), problems));
        if self.maximum_associations == Some(0) {
            problems.push(format!("maximum-associations of peer {ae_title} = 0 would refuse it"));
        }
        let associations = self.associations.unwrap_or(1);
        if !(1..=MOST_ASSOCIATIONS).contains(&associations) {
            problems.push(format!(
                "associations of peer {ae_title} must lie between 1 and {MOST_ASSOCIATIONS}"
            ));
        }
        if self.mib_per_second.is_some_and(|mib| !mib.is_finite() || mib < SLOWEST) {
            problems.push(format!("mib-per-second of peer {ae_title} must be {SLOWEST} or more"));
        }
        let from = calls_from(&self.from, &ae_title, problems);
        if address.is_none() && from.contains(&CallsFrom::OwnAddress) {
            problems.push(format!(
                "peer {ae_title} may call from its own address, but has none: give it an address or discover = true"
            ));
        }
        let peer = Peer {
            between: between(&self.between, &ae_title, problems),
            mib_per_second: self.mib_per_second,
            patients_at: self.patients_at(&ae_title, address.is_some(), problems),
            proof: self.proof(&ae_title, address.is_some(), problems),
            deidentify: self.deidentify(&ae_title, profiles, problems),
            returns: self.returns(&ae_title, profiles, problems),
            from,
            prefers: prefers(&self.prefer, &ae_title, problems),
            user: self.user(base, &ae_title, problems),
            tls: self.tls(&ae_title, problems),
            login: self.login.and_then(|login| login.mean(base, &ae_title, problems)),
            ae_title: ae_title.clone(),
            address,
            quiet,
            maximum_associations: self.maximum_associations,
            associations,
        };
        if peers.insert(ae_title.clone(), peer).is_some() {
            problems.push(format!("peer {ae_title} is written twice"));
        }
    }

    fn proof(&self, peer: &AeTitle, receives: bool, problems: &mut Vec<String>) -> Option<Proof> {
        if self.commitment && !receives {
            problems.push(format!("peer {peer} has commitment = true, but no address to ask at"));
        }
        match (self.commitment, &self.find_at) {
            (false, None) => None,
            (true, None) => Some(Proof::Commitment),
            (true, Some(_)) => {
                problems.push(format!(
                    "peer {peer} has commitment = true and find-at: a promise says more, leave find-at away"
                ));
                None
            }
            (false, Some(_)) if !receives => {
                problems.push(format!("peer {peer} has find-at, but no address to deliver to"));
                None
            }
            (false, Some(at)) => {
                let at = title(at, &format!("find-at of peer {peer}"), problems)?;
                Some(Proof::Find { at })
            }
        }
    }

    /// Where nothing is said, whoever is asked for what it took.
    fn patients_at(
        &self,
        peer: &AeTitle,
        receives: bool,
        problems: &mut Vec<String>,
    ) -> Option<AeTitle> {
        let at = match &self.patients_at {
            None => self.find_at.as_ref()?,
            Some(WrittenPatientsAt::Whether(false)) => return None,
            Some(WrittenPatientsAt::Whether(true)) => {
                problems.push(format!(
                    "peer {peer} has patients-at = true: write the AE title of the peer that is asked, or false"
                ));
                return None;
            }
            Some(WrittenPatientsAt::Title(_)) if !receives => {
                problems.push(format!("peer {peer} has patients-at, but no address to deliver to"));
                return None;
            }
            Some(WrittenPatientsAt::Title(_)) if self.deidentify.is_some() => {
                problems.push(format!(
                    "peer {peer} is de-identified for, and has patients-at: it knows no patient of here"
                ));
                return None;
            }
            Some(WrittenPatientsAt::Title(at)) => at,
        };
        AeTitle::parse(at).ok().or_else(|| {
            // Of find-at it is told there.
            self.patients_at.as_ref()?;
            title(at, &format!("patients-at of peer {peer}"), problems)
        })
    }

    fn deidentify(
        &self,
        peer: &AeTitle,
        profiles: &BTreeMap<String, Arc<Profile>>,
        problems: &mut Vec<String>,
    ) -> Option<Arc<Profile>> {
        let name = self.deidentify.as_ref()?;
        for (asked, by) in
            [(self.commitment, "commitment = true"), (self.find_at.is_some(), "find-at")]
        {
            if asked {
                problems.push(format!(
                    "peer {peer} is de-identified for, and has {by}: it cannot be asked for what has other UIDs here"
                ));
            }
        }
        if self.address.is_none() && !self.discover {
            problems.push(format!("peer {peer} has deidentify, but no address to send to"));
        }
        profile(name, "deidentify", peer, profiles, problems)
    }

    fn returns(
        &self,
        peer: &AeTitle,
        profiles: &BTreeMap<String, Arc<Profile>>,
        problems: &mut Vec<String>,
    ) -> Option<Returns> {
        let Some(name) = &self.returns else {
            if !self.returns_to.is_empty() {
                problems.push(format!("peer {peer} has returns-to, but not returns"));
            }
            return None;
        };
        if self.returns_to.is_empty() {
            problems.push(format!(
                "peer {peer} has returns = \"{name}\": say with returns-to who gets what comes home"
            ));
        }
        let key = format!("returns-to of peer {peer}");
        let to = self.returns_to.iter().filter_map(|to| title(to, &key, problems)).collect();
        let profile = profile(name, "returns", peer, profiles, problems)?;
        Some(Returns { profile: profile.name.clone(), to })
    }

    fn tls(&self, peer: &AeTitle, problems: &mut Vec<String>) -> Option<PeerTls> {
        if !self.tls && (self.tls_name.is_some() || !self.pin.is_empty()) {
            problems.push(format!("peer {peer} has tls-name or pin, but not tls = true"));
        }
        let mut name = |text: &String| match ServerName::try_from(text.clone()) {
            Ok(name) => Some(name),
            Err(_) => {
                problems
                    .push(format!("tls-name of peer {peer}: {text:?} is no host name or address"));
                None
            }
        };
        let name = self.tls_name.as_ref().and_then(&mut name);
        let mut pins = Vec::new();
        for text in &self.pin {
            match Fingerprint::parse(text) {
                Ok(pin) => pins.push(pin),
                Err(why) => problems.push(format!("pin of peer {peer}: {why}")),
            }
        }
        self.tls.then_some(PeerTls { name, pins })
    }

    fn address(&self, peer: &AeTitle, problems: &mut Vec<String>) -> Option<Address> {
        match (&self.address, self.discover) {
            (None, false) => None,
            (None, true) => Some(Address::Discovered),
            (Some(_), true) => {
                problems.push(format!(
                    "peer {peer} has an address and is to be discovered: write one of the two"
                ));
                None
            }
            (Some(text), false) => match Address::parse(text, self.tls) {
                Ok(address) => Some(address),
                Err(why) => {
                    problems.push(format!(
                        "address of peer {peer} = {text:?}: {why}; write it as host:port, as in \"pacs.example:104\""
                    ));
                    None
                }
            },
        }
    }

    fn user(&self, base: &Path, peer: &AeTitle, problems: &mut Vec<String>) -> Option<User> {
        let (Some(name), file) = (self.user.clone(), &self.passcode_file) else {
            if self.passcode_file.is_some() {
                problems.push(format!("peer {peer} has a passcode-file but no user"));
            }
            return None;
        };
        let read = |file: &PathBuf| passcode(&base.join(file), "passcode-file", peer, problems);
        Some(User { name, passcode: file.as_ref().map(read) })
    }
}

fn profile(
    name: &str,
    key: &str,
    peer: &AeTitle,
    profiles: &BTreeMap<String, Arc<Profile>>,
    problems: &mut Vec<String>,
) -> Option<Arc<Profile>> {
    let found = profiles.get(name).cloned();
    if found.is_none() {
        let near = profiles.keys().min_by_key(|known| strsim::damerau_levenshtein(known, name));
        let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        problems.push(format!("{key} of peer {peer}: there is no [deidentification.{name}]{near}"));
    }
    found
}

/// The first line of the file; a file that cannot be used is a problem.
pub(super) fn passcode(
    file: &Path,
    key: &str,
    peer: &AeTitle,
    problems: &mut Vec<String>,
) -> Passcode {
    let line = match std::fs::read(file) {
        Ok(bytes) => {
            bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default().to_vec()
        }
        Err(error) => {
            let file = file.display();
            problems.push(format!("{key} of peer {peer}: cannot read {file}: {error}"));
            return Passcode(Vec::new());
        }
    };
    if line.is_empty() {
        problems.push(format!("{key} of peer {peer}: {} is empty", file.display()));
    }
    Passcode(line)
}

fn calls_from(written: &[String], peer: &AeTitle, problems: &mut Vec<String>) -> Vec<CallsFrom> {
    let mut places = Vec::new();
    for text in written {
        match CallsFrom::parse(text) {
            Ok(place) => places.push(place),
            Err(why) => problems.push(format!("from of peer {peer}: {text:?}: {why}")),
        }
    }
    places
}

fn between(written: &[String], peer: &AeTitle, problems: &mut Vec<String>) -> Vec<Between> {
    let mut times = Vec::new();
    for text in written {
        match Between::parse(text) {
            Ok(between) => times.push(between),
            Err(why) => problems.push(format!("between of peer {peer}: {text:?}: {why}")),
        }
    }
    times
}

fn prefers(written: &[String], peer: &AeTitle, problems: &mut Vec<String>) -> Vec<Uid> {
    let mut syntaxes = Vec::new();
    for text in written {
        match Uid::parse(text) {
            Ok(uid) if transfer_syntaxes::PREFERENCE.contains(&uid.as_str()) => syntaxes.push(uid),
            Ok(_) => problems.push(format!(
                "prefer of peer {peer}: {text:?} is no transfer syntax that the node keeps"
            )),
            Err(why) => problems.push(format!("prefer of peer {peer}: {text:?}: {why}")),
        }
    }
    syntaxes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passcode_is_itself_only_and_cannot_be_printed() {
        let passcode = Passcode(b"secret".to_vec());
        assert!(passcode.is(b"secret"));
        for wrong in [&b"secreT"[..], b"secre", b"secrets", b""] {
            assert!(!passcode.is(wrong));
        }
        assert!(!format!("{passcode:?}").contains("secret"));
    }
}
