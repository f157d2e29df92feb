//! Certificates for the scenarios: an authority of their own, which signs what actors show.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(86_400);

/// Who signs.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// In DER.
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed by itself");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, as a file.
    pub fn write(&self, file: &Path) -> PathBuf {
        fs::write(file, self.certificate.pem()).expect("a fresh folder can be written");
        file.into()
    }

    /// One that names these hosts or addresses, good from yesterday and for so many days from now.
    pub fn issue(&self, folder: &Path, file: &str, names: &[&str], days: u32) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        params.distinguished_name.push(DnType::CommonName, file);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = (SystemTime::now() - DAY).into();
        params.not_after = (SystemTime::now() + DAY * days).into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let issued = Issued {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
            der: certificate.der().to_vec(),
        };
        fs::write(&issued.certificate, certificate.pem()).expect("a fresh folder can be written");
        fs::write(&issued.key, key.serialize_pem()).expect("a fresh folder can be written");
        let own = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&issued.key, own).expect("one's own file");
        issued
    }
}
