//! What a certificate says: who it is, by its fingerprint, and until when it is good.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use std::fmt;
use x509_parser::parse_x509_certificate;

/// SHA-256 of a certificate (DER), as `openssl x509 -noout -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// 64 hexadecimal digits, with or without colons between the bytes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let why = "write the 64 digits that `openssl x509 -noout -fingerprint -sha256` prints";
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(why);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(why);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The span of time of a certificate, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

impl Validity {
    /// Nothing of what is no certificate.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = parse_x509_certificate(certificate).ok()?;
        let span = parsed.validity();
        let (not_before, not_after) = (span.not_before.timestamp(), span.not_after.timestamp());
        Some(Self { not_before, not_after })
    }
}

/// Whether the certificate names this host or address among its subject alternative names.
pub fn names(certificate: &[u8], name: &ServerName<'_>) -> bool {
    let der = CertificateDer::from(certificate);
    let parsed = ParsedCertificate::try_from(&der);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_printed_and_anything_else_is_refused() {
        let own = Fingerprint::of(b"certificate");
        assert_eq!(Fingerprint::parse(&own.to_string()), Ok(own));
        assert_eq!(Fingerprint::parse(&own.to_string().replace(':', "").to_lowercase()), Ok(own));
        for bad in ["", "AB:CD", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"é".repeat(32)]
        {
            assert!(Fingerprint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_validity_and_names_nobody() {
        assert_eq!(Validity::of(b"no certificate"), None);
        let name = ServerName::try_from("pacs.example.org").expect("a name");
        assert!(!names(b"no certificate", &name));
    }
}
