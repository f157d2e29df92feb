//! How a peer is reached: where it is now, over TLS or without, as whom.

use crate::config::{Config, Peer};
use crate::dimse::requestor::{RequestTimers, Target};
use crate::resolve::{ResolveError, Resolver};
use crate::tls::Tls;
use std::sync::Arc;

/// Cheap to clone.
#[derive(Clone)]
pub struct Reach {
    pub config: Arc<Config>,
    pub resolver: Arc<Resolver>,
    pub tls: Option<Arc<Tls>>,
}

impl Reach {
    /// The name servers are waited for by whoever asks, and by nobody else.
    pub async fn target(&self, peer: &Peer) -> Result<Target, ResolveError> {
        Ok(Target {
            servers: self.resolver.find(peer).await?.addresses(),
            secured: self.tls.as_ref().and_then(|tls| tls.secured(peer)),
            reports: false,
            called: peer.ae_title.clone(),
            calling: self.config.ae_title.clone(),
            timers: RequestTimers::default(),
            maximum_pdu: 131_072,
        })
    }
}
