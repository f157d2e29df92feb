//! How a peer is reached: where it is now, over TLS or without, as whom.

use crate::config::{Config, Login, Peer};
use crate::dimse::requestor::{RequestTimers, Target};
use crate::resolve::Resolver;
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
    /// The name servers are waited for by whoever asks, and by nobody else. An error is for the admin.
    pub async fn target(&self, peer: &Peer) -> Result<Target, String> {
        let found = self.resolver.find(peer).await.map_err(|error| error.to_string())?;
        Ok(Target {
            servers: found.addresses(),
            identity: peer.login.as_ref().map(Login::identity).transpose()?,
            secured: self.tls.as_ref().and_then(|tls| tls.secured(peer)),
            reports: false,
            called: peer.ae_title.clone(),
            calling: self.config.ae_title.clone(),
            timers: RequestTimers::default(),
            maximum_pdu: 131_072,
        })
    }
}
