//! Whose certificates are good: those that a trusted one signed, and those that a peer's pins name.

use crate::tls::certificate::{Fingerprint, Validity};
use crate::tls::material::Material;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// Those who call: any of them, before it is known which. Whether the certificate is the caller's own is asked
/// when the calling AE title is known ([`crate::tls::is_own`]).
#[derive(Debug)]
pub(super) struct Callers {
    /// Without trusted certificates only pins are good.
    signed: Option<Arc<dyn ClientCertVerifier>>,
    pinned: Vec<Fingerprint>,
    required: bool,
    provider: Arc<CryptoProvider>,
}

/// One peer that is called.
#[derive(Debug)]
pub(super) struct Called {
    signed: Option<Arc<WebPkiServerVerifier>>,
    /// Where there are some, nobody else is this peer, whoever signed.
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl Callers {
    pub fn new(
        material: &Material,
        pinned: Vec<Fingerprint>,
        required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let signed = match material.roots.is_empty() {
            true => None,
            false => {
                let (roots, provider) = (material.roots.clone(), provider.clone());
                let builder = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .with_crls(material.revoked.iter().cloned())
                    .allow_unknown_revocation_status();
                Some(builder.build().map_err(|error| format!("tls.revoked: {error}"))?)
            }
        };
        Ok(Self { signed, pinned, required, provider: provider.clone() })
    }
}

impl Called {
    pub fn new(
        material: &Material,
        pins: Vec<Fingerprint>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let signed = match material.roots.is_empty() {
            true => None,
            false => {
                let (roots, provider) = (material.roots.clone(), provider.clone());
                let builder = WebPkiServerVerifier::builder_with_provider(roots, provider)
                    .with_crls(material.revoked.iter().cloned())
                    .allow_unknown_revocation_status();
                Some(builder.build().map_err(|error| format!("tls.revoked: {error}"))?)
            }
        };
        Ok(Self { signed, pins, provider: provider.clone() })
    }
}

/// A certificate that is named outright needs nobody's signature, but it has to be in its time.
fn in_its_time(certificate: &[u8], now: UnixTime) -> Result<(), Error> {
    let Some(validity) = Validity::of(certificate) else {
        return Err(CertificateError::BadEncoding.into());
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    match now {
        now if now > validity.not_after => Err(CertificateError::Expired.into()),
        now if now < validity.not_before => Err(CertificateError::NotValidYet.into()),
        _ => Ok(()),
    }
}

impl ClientCertVerifier for Callers {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Hints would keep callers from showing a certificate that is only pinned.
        match &self.signed {
            Some(signed) if self.pinned.is_empty() => signed.root_hint_subjects(),
            _ => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.pinned.contains(&Fingerprint::of(end_entity)) {
            return in_its_time(end_entity, now).map(|()| ClientCertVerified::assertion());
        }
        match &self.signed {
            Some(signed) => signed.verify_client_cert(end_entity, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Called {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.pins.is_empty() {
            return match self.pins.contains(&Fingerprint::of(end_entity)) {
                true => in_its_time(end_entity, now).map(|()| ServerCertVerified::assertion()),
                false => Err(CertificateError::ApplicationVerificationFailure.into()),
            };
        }
        match &self.signed {
            Some(signed) => signed.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
