//! Who may call, from where, as whom, and on what terms: `[listen]` and `[[peer]]` of the configuration, applied.

use crate::config::{Address, CallsFrom, Config, Peer, UnknownPeers, User, UserIdentityPolicy};
use crate::dimse::acceptor::{Caller, Refusal, Terms, UserIdentity};
use crate::dimse::commitment::COMMITMENT;
use crate::dimse::negotiation::user_information::{NAME, NAME_AND_PASSCODE};
use crate::names::{Answer, Names, Place};
use crate::resolve::Resolver;
use crate::tls;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::storage_classes;
use std::net::IpAddr;
use std::sync::Arc;

/// The service class of storage (PS3.4 annex B), as common extended negotiation names it.
const STORAGE_SERVICE_CLASS: &str = "1.2.840.10008.4.2";

pub struct Admission {
    config: Arc<Config>,
    names: Arc<Names>,
    resolver: Arc<Resolver>,
}

impl Admission {
    pub fn new(config: Arc<Config>, resolver: Arc<Resolver>) -> Self {
        Self { config, names: Arc::default(), resolver }
    }

    pub async fn admit(
        &self,
        caller: &Caller,
        identity: Option<&UserIdentity>,
    ) -> Result<Terms, Refusal> {
        let listen = &self.config.listen;
        if caller.called != self.config.ae_title {
            return Err(Refusal::CalledAeTitleUnknown);
        }
        let Some(peer) = self.config.peers.get(&caller.calling) else {
            return match listen.unknown_peers {
                UnknownPeers::Accept => Ok(Terms {
                    maximum_associations: listen.maximum_associations_per_peer,
                    ..Terms::default()
                }),
                UnknownPeers::Refuse => Err(self.stranger(Refusal::CallingAeTitleUnknown)),
            };
        };
        if peer.tls.as_ref().is_some_and(|tls| !tls::is_own(tls, &caller.security)) {
            return Err(self.stranger(Refusal::CertificateUnknown));
        }
        self.check_address(peer, caller.address.ip()).await?;
        let user =
            peer.user.as_ref().filter(|_| listen.user_identity == UserIdentityPolicy::Checked);
        if user.is_some_and(|user| !is(user, identity)) {
            return Err(Refusal::UserIdentity);
        }
        let own_limit = peer.maximum_associations;
        Ok(Terms {
            prefers: peer.prefers.clone(),
            maximum_associations: own_limit.unwrap_or(listen.maximum_associations_per_peer),
            is_identified: user.is_some(),
        })
    }

    /// A title that breaks the rules is no peer's, even where every peer may call.
    pub fn nobody(&self, called: &AeTitle) -> Refusal {
        match *called == self.config.ae_title {
            true => self.stranger(Refusal::CallingAeTitleUnknown),
            false => Refusal::CalledAeTitleUnknown,
        }
    }

    /// Whether this node can call it, for a report.
    pub fn can_be_called(&self, title: &AeTitle) -> bool {
        self.config.peers.get(title).is_some_and(|peer| peer.address.is_some())
    }

    /// The standard's classes, storage commitment, those of the configuration, and what the peer says is storage: a
    /// level 2 SCP keeps it without knowing it (PS3.4 B.4.1.2).
    pub fn wants(&self, sop_class: &str, service_class: Option<&str>) -> bool {
        storage_classes::is_storage_class(sop_class)
            || sop_class == COMMITMENT
            || service_class == Some(STORAGE_SERVICE_CLASS)
            || self.config.listen.storage_classes.iter().any(|class| class.as_str() == sop_class)
    }

    /// What the admin may want to do about a refusal.
    pub fn hint(&self, refusal: Refusal, calling: &str) -> String {
        let peer = self.config.peers.values().find(|peer| peer.ae_title.as_str() == calling);
        match (refusal, peer) {
            (Refusal::CalledAeTitleUnknown, _) => {
                format!("; this node is called {:?}", self.config.ae_title.as_str())
            }
            (Refusal::CallingAeTitleUnknown | Refusal::Stranger, None) => self.nearest(calling),
            (Refusal::AddressUnknown | Refusal::Stranger | Refusal::NameUnresolved, Some(peer)) => {
                format!("; {calling} may call from {}", listed(&peer.from))
            }
            (Refusal::CertificateUnknown, Some(_)) => {
                "; its [[peer]] has tls = true, and tls-name and pin say which certificates are its own"
                    .into()
            }
            _ => String::new(),
        }
    }

    fn nearest(&self, calling: &str) -> String {
        let known = self.config.peers.keys().map(|title| title.as_str());
        let nearest = known.min_by_key(|title| strsim::damerau_levenshtein(title, calling));
        match nearest {
            Some(title) => format!(
                "; the nearest known peer is {title:?}; add a [[peer]] if this one may send"
            ),
            None => "; no peer is known: add a [[peer]] if this one may send".into(),
        }
    }

    async fn check_address(&self, peer: &Peer, address: IpAddr) -> Result<(), Refusal> {
        if peer.from.is_empty() || peer.from.iter().any(|place| place.contains(address)) {
            return Ok(());
        }
        if let Some(Address::Fixed(own)) = &peer.address
            && peer.from.contains(&CallsFrom::OwnAddress)
            && own.ip().to_canonical() == address.to_canonical()
        {
            return Ok(());
        }
        let is_looked_up = peer.address.as_ref().is_some_and(Address::is_looked_up);
        let places = peer.from.iter().filter_map(|place| match place {
            CallsFrom::Name(name) => Some(Place::Host(name.clone())),
            CallsFrom::OwnAddress if is_looked_up => Some(Place::Own(peer.ae_title.to_string())),
            CallsFrom::OwnAddress | CallsFrom::Network { .. } => None,
        });
        match self.names.any(places.collect(), peer, &self.resolver, address).await {
            Answer::Fits => Ok(()),
            Answer::Differs => Err(self.stranger(Refusal::AddressUnknown)),
            Answer::Unresolved => Err(Refusal::NameUnresolved),
        }
    }

    fn stranger(&self, why: Refusal) -> Refusal {
        if self.config.listen.tell_strangers_why { why } else { Refusal::Stranger }
    }
}

/// Whether the identity that was offered is this user's. Types that need a third party
/// (Kerberos, SAML, JWT) are nobody's.
fn is(user: &User, identity: Option<&UserIdentity>) -> bool {
    let Some(identity) = identity else { return false };
    let is_named = identity.primary == user.name.as_bytes();
    is_named
        && match (&user.passcode, identity.kind) {
            (None, NAME | NAME_AND_PASSCODE) => true,
            (Some(passcode), NAME_AND_PASSCODE) => passcode.is(&identity.secondary),
            _ => false,
        }
}

fn listed(places: &[CallsFrom]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
