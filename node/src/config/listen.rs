//! `[listen]`: where the node listens, how many may call, and how long it waits for whom.

use super::{check_host_port, span};
use crate::dimse::acceptor::{AcceptorOptions, Timers};
use crate::dimse::pace::Slowest;
use crate::memory::least_mib;
use gantry_terms::uid::Uid;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// `host:port`.
    pub address: String,
    /// Whether callers without TLS are served at all.
    pub plain: bool,
    pub unknown_peers: UnknownPeers,
    /// Whoever is not known is told why: 1/1/3, and not 1/1/1.
    pub tell_strangers_why: bool,
    pub user_identity: UserIdentityPolicy,
    /// SOP classes to keep beside those of the standard.
    pub storage_classes: BTreeSet<Uid>,
    pub maximum_associations: usize,
    pub maximum_associations_per_peer: usize,
    pub maximum_waiting_per_address: usize,
    pub maximum_pdu: u32,
    /// What objects in hand may take together.
    pub memory_mib: usize,
    pub timers: Timers,
    pub slowest: Slowest,
}

impl ListenConfig {
    pub fn acceptor(&self) -> AcceptorOptions {
        AcceptorOptions {
            maximum_pdu: self.maximum_pdu,
            timers: self.timers,
            slowest: self.slowest,
            maximum_associations: self.maximum_associations,
            maximum_waiting_per_address: self.maximum_waiting_per_address,
        }
    }
}

/// A calling AE title that is not among the peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownPeers {
    Refuse,
    Accept,
}

/// What is made of a user identity (PS3.7 D.3.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserIdentityPolicy {
    Ignore,
    /// A peer that has a `user` must name it.
    Checked,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let acceptor = AcceptorOptions::default();
        Self {
            address: "0.0.0.0:11112".into(),
            plain: true,
            unknown_peers: UnknownPeers::Refuse,
            tell_strangers_why: true,
            user_identity: UserIdentityPolicy::Ignore,
            storage_classes: BTreeSet::new(),
            maximum_associations: acceptor.maximum_associations,
            maximum_associations_per_peer: 32,
            maximum_waiting_per_address: acceptor.maximum_waiting_per_address,
            maximum_pdu: acceptor.maximum_pdu,
            memory_mib: 512,
            timers: acceptor.timers,
            slowest: acceptor.slowest,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenListen {
    address: String,
    plain: bool,
    unknown_peers: UnknownPeers,
    tell_strangers_why: bool,
    user_identity: UserIdentityPolicy,
    storage_classes: Vec<String>,
    maximum_associations: usize,
    maximum_associations_per_peer: usize,
    maximum_waiting_per_address: usize,
    maximum_pdu_bytes: u32,
    memory_mib: usize,
    artim_seconds: f64,
    idle_seconds: f64,
    progress_seconds: f64,
    slowest_bytes_per_second: u32,
    slowest_window_seconds: f64,
}

impl Default for WrittenListen {
    fn default() -> Self {
        let default = ListenConfig::default();
        let ListenConfig { timers, slowest, .. } = default;
        Self {
            address: default.address,
            plain: default.plain,
            unknown_peers: default.unknown_peers,
            tell_strangers_why: default.tell_strangers_why,
            user_identity: default.user_identity,
            storage_classes: Vec::new(),
            maximum_associations: default.maximum_associations,
            maximum_associations_per_peer: default.maximum_associations_per_peer,
            maximum_waiting_per_address: default.maximum_waiting_per_address,
            maximum_pdu_bytes: default.maximum_pdu,
            memory_mib: default.memory_mib,
            artim_seconds: timers.artim.as_secs_f64(),
            idle_seconds: timers.idle.as_secs_f64(),
            progress_seconds: timers.progress.as_secs_f64(),
            slowest_bytes_per_second: slowest.bytes_per_second,
            slowest_window_seconds: slowest.window.as_secs_f64(),
        }
    }
}

impl WrittenListen {
    pub(super) fn mean(self, problems: &mut Vec<String>) -> ListenConfig {
        check_host_port(&self.address, "listen.address", problems);
        for (limit, key) in [
            (self.maximum_associations, "maximum-associations"),
            (self.maximum_associations_per_peer, "maximum-associations-per-peer"),
            (self.maximum_waiting_per_address, "maximum-waiting-per-address"),
        ] {
            if limit == 0 {
                problems.push(format!("listen.{key} = 0 would refuse everybody"));
            }
        }
        if !(4 << 10..=4 << 20).contains(&self.maximum_pdu_bytes) {
            problems.push("listen.maximum-pdu-bytes must lie between 4096 and 4194304".into());
        }
        let least = least_mib(self.maximum_pdu_bytes.clamp(4 << 10, 4 << 20));
        if self.memory_mib < least {
            problems.push(format!(
                "listen.memory-mib must be at least {least} with these maximum-pdu-bytes: one object"
            ));
        }
        let mut wait = |seconds: f64, key: &str| -> Duration {
            let key = format!("listen.{key}");
            let waited = span(seconds, &key, problems);
            if waited < Duration::from_millis(100) && seconds >= 0.0 {
                problems.push(format!("{key} = {seconds} would leave nobody any time"));
            }
            waited
        };
        let timers = Timers {
            artim: wait(self.artim_seconds, "artim-seconds"),
            idle: wait(self.idle_seconds, "idle-seconds"),
            progress: wait(self.progress_seconds, "progress-seconds"),
        };
        let slowest = Slowest {
            bytes_per_second: self.slowest_bytes_per_second,
            window: wait(self.slowest_window_seconds, "slowest-window-seconds"),
        };
        ListenConfig {
            address: self.address,
            plain: self.plain,
            unknown_peers: self.unknown_peers,
            tell_strangers_why: self.tell_strangers_why,
            user_identity: self.user_identity,
            storage_classes: classes(&self.storage_classes, problems),
            maximum_associations: self.maximum_associations,
            maximum_associations_per_peer: self.maximum_associations_per_peer,
            maximum_waiting_per_address: self.maximum_waiting_per_address,
            maximum_pdu: self.maximum_pdu_bytes,
            memory_mib: self.memory_mib,
            timers,
            slowest,
        }
    }
}

fn classes(written: &[String], problems: &mut Vec<String>) -> BTreeSet<Uid> {
    let mut classes = BTreeSet::new();
    for text in written {
        match Uid::parse(text) {
            Ok(class) => {
                classes.insert(class);
            }
            Err(why) => problems.push(format!("listen.storage-classes: {text:?}: {why}")),
        }
    }
    classes
}
