//! `[tls]`: the certificate of this node, whom it trusts, and where it listens for TLS (PS3.15 B.12).

use super::check_host_port;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Files are PEM, and read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Of this node, in both roles; behind it those that lead to what peers trust.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The certificates that may sign those of peers; nobody else may, whatever the system trusts.
    pub trust: Vec<PathBuf>,
    /// Lists of revoked certificates.
    pub revoked: Vec<PathBuf>,
    /// `host:port` where callers speak TLS and nothing else.
    pub listen: Option<String>,
    pub callers: Callers,
}

/// What callers have to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Callers {
    #[default]
    Certificate,
    /// A caller without one is let in, unless its peer names a certificate.
    Anyone,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenTls {
    certificate: PathBuf,
    key: PathBuf,
    #[serde(default)]
    trust: Vec<PathBuf>,
    #[serde(default)]
    revoked: Vec<PathBuf>,
    listen: Option<String>,
    #[serde(default)]
    callers: Callers,
}

impl WrittenTls {
    /// Files are relative to `base`.
    pub(super) fn mean(self, base: &Path, problems: &mut Vec<String>) -> TlsConfig {
        if let Some(address) = &self.listen {
            check_host_port(address, "tls.listen", problems);
        }
        let files = |written: Vec<PathBuf>| written.iter().map(|file| base.join(file)).collect();
        TlsConfig {
            certificate: base.join(self.certificate),
            key: base.join(self.key),
            trust: files(self.trust),
            revoked: files(self.revoked),
            listen: self.listen,
            callers: self.callers,
        }
    }
}
