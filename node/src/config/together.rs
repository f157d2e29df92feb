//! What no section says wrong by itself: peers that nobody could call, ask, find or check.

use super::{Address, DnsConfig, ListenConfig, Peer, Proof, TlsConfig, UserIdentityPolicy};
use gantry_terms::ae_title::AeTitle;
use std::collections::BTreeMap;

/// In the order in which an admin is told.
pub fn check(
    listen: &ListenConfig,
    tls: Option<&TlsConfig>,
    dns: &DnsConfig,
    peers: &BTreeMap<AeTitle, Peer>,
    problems: &mut Vec<String>,
) {
    for peer in undiscoverable(dns, peers) {
        problems.push(format!("peer {peer} is to be discovered: set dns.domains"));
    }
    for (peer, at) in unfindable(peers) {
        problems.push(format!(
            "peer {peer} has find-at = \"{at}\": there is no [[peer]] of that AE title with an address"
        ));
    }
    for (peer, at) in unasked(peers) {
        problems.push(format!(
            "peer {peer} has patients-at = \"{at}\": there is no [[peer]] of that AE title with an address"
        ));
    }
    for (peer, to) in unreturnable(peers) {
        problems.push(format!(
            "peer {peer} has returns-to = \"{to}\": there is no other [[peer]] of that AE title with an address"
        ));
    }
    for peer in unchecked_users(listen, peers) {
        problems.push(format!(
            "peer {peer} has a user that nobody checks: set listen.user-identity = \"checked\""
        ));
    }
    without_tls(listen, tls, peers, problems);
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
