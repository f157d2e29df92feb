//! The files of `[tls]`, read and checked as a whole.

use crate::config::TlsConfig;
use crate::tls::certificate::Validity;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// What they hold.
pub(super) struct Material {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub roots: Arc<RootCertStore>,
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
}

/// A certificate of this node's files, and the end of its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// What it is for, and the file.
    pub what: String,
    /// Seconds since 1970.
    pub not_after: i64,
}

impl Material {
    /// All that is wrong at once, in words for the admin.
    pub fn read(files: &TlsConfig, provider: &CryptoProvider) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let chain = certificates(&files.certificate, "tls.certificate", &mut problems);
        let key = key(&files.key, &mut problems);
        let mut roots = RootCertStore::empty();
        for file in &files.trust {
            for certificate in certificates(file, "tls.trust", &mut problems) {
                if let Err(error) = roots.add(certificate) {
                    problems.push(format!("tls.trust: {}: {error}", file.display()));
                }
            }
        }
        let mut revoked = Vec::new();
        for file in &files.revoked {
            revoked.extend(read_all(file, "tls.revoked", "list of revoked ones", &mut problems));
        }
        if let (Some(key), false) = (&key, chain.is_empty())
            && let Err(error) = CertifiedKey::from_der(chain.clone(), key.clone_key(), provider)
        {
            problems.push(format!("tls.key does not belong to tls.certificate: {error}"));
        }
        match key {
            Some(key) if problems.is_empty() => {
                Ok(Self { chain, key, roots: Arc::new(roots), revoked })
            }
            _ => Err(problems),
        }
    }
}

/// When this node's certificates and those that it trusts end; what cannot be read is passed over here.
pub fn expiries(files: &TlsConfig) -> Vec<Expiry> {
    let (mut passed_over, mut expiries) = (Vec::new(), Vec::new());
    let own = std::iter::once((&files.certificate, "this node's certificate"));
    let trusted = files.trust.iter().map(|file| (file, "trusted certificate"));
    for (file, what) in own.chain(trusted) {
        for certificate in certificates(file, what, &mut passed_over) {
            let Some(Validity { not_after, .. }) = Validity::of(&certificate) else { continue };
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            expiries.push(Expiry { what: format!("{what} in {name}"), not_after });
        }
    }
    expiries
}

fn certificates(
    file: &Path,
    key: &str,
    problems: &mut Vec<String>,
) -> Vec<CertificateDer<'static>> {
    read_all(file, key, "certificate", problems)
}

fn read_all<T: PemObject>(
    file: &Path,
    key: &str,
    what: &str,
    problems: &mut Vec<String>,
) -> Vec<T> {
    let shown = file.display();
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(format!("{key}: cannot read {shown}: {error}"));
            return Vec::new();
        }
    };
    match T::pem_slice_iter(&bytes).collect::<Result<Vec<T>, _>>() {
        Ok(all) if !all.is_empty() => return all,
        Ok(_) => problems.push(format!("{key}: {shown} holds no {what} in PEM")),
        Err(error) => problems.push(format!("{key}: {shown} is not PEM: {error}")),
    }
    Vec::new()
}

fn key(file: &Path, problems: &mut Vec<String>) -> Option<PrivateKeyDer<'static>> {
    let shown = file.display();
    let mode = match fs::metadata(file) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) => {
            problems.push(format!("tls.key: cannot read {shown}: {error}"));
            return None;
        }
    };
    if mode & 0o077 != 0 {
        problems.push(format!("tls.key: others can read {shown}: chmod 600 {shown}"));
        return None;
    }
    match PrivateKeyDer::from_pem_file(file) {
        Ok(key) => Some(key),
        // Without the message: it may quote the file.
        Err(_) => {
            problems
                .push(format!("tls.key: {shown} holds no private key in PEM without passphrase"));
            None
        }
    }
}
