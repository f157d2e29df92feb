//! `[audit]`: where the audit trail lies, how long, and who gets it (PS3.15 A.5, A.6).

use super::address::Address;
use super::span;
use crate::audit::Limits;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// The port that IANA registered for syslog over TLS.
const PORT: u16 = 6514;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    pub folder: PathBuf,
    pub limits: Limits,
    pub syslog: Option<Collector>,
    /// AuditSourceID; by default AE title and host.
    pub source: Option<String>,
    /// AuditEnterpriseSiteID.
    pub site: Option<String>,
    /// MSGID of RFC 5424.
    pub message_id: String,
}

/// Where a collector listens for syslog over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// A name or an address, which its certificate has to name.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenAudit {
    folder: Option<PathBuf>,
    file_mib: f64,
    keep_days: f64,
    keep_mib: f64,
    syslog: Option<String>,
    source: Option<String>,
    site: Option<String>,
    message_id: String,
}

impl Default for WrittenAudit {
    fn default() -> Self {
        Self {
            folder: None,
            file_mib: 16.0,
            // Six years.
            keep_days: 2192.0,
            keep_mib: 16384.0,
            syslog: None,
            source: None,
            site: None,
            message_id: "DICOM+RFC3881".into(),
        }
    }
}

impl WrittenAudit {
    /// The folder is relative to `base`, and by default a part of `data`.
    pub(super) fn mean(self, base: &Path, data: &Path, problems: &mut Vec<String>) -> AuditConfig {
        let limits = Limits {
            file_bytes: mebibytes(self.file_mib, "audit.file-mib", problems),
            keep: span(self.keep_days * 86_400.0, "audit.keep-days", problems),
            keep_bytes: mebibytes(self.keep_mib, "audit.keep-mib", problems),
        };
        if limits.keep_bytes < limits.file_bytes {
            problems.push("audit.keep-mib is less than audit.file-mib".into());
        }
        let is_name = |text: &str| {
            (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_name(&self.message_id) {
            problems.push(format!(
                "audit.message-id = {:?}: 1 to 32 printable characters without spaces (RFC 5424)",
                self.message_id
            ));
        }
        let syslog = self.syslog.and_then(|written| collector(&written, problems));
        AuditConfig {
            folder: self.folder.map_or_else(|| data.join("audit"), |folder| base.join(folder)),
            limits,
            syslog,
            source: self.source,
            site: self.site,
            message_id: self.message_id,
        }
    }
}

fn mebibytes(written: f64, key: &str, problems: &mut Vec<String>) -> u64 {
    if !(0.001..=1e9).contains(&written) {
        problems.push(format!("{key} = {written}: this must be a number above 0, and of reason"));
        return 0;
    }
    (written * (1 << 20) as f64) as u64
}

fn collector(written: &str, problems: &mut Vec<String>) -> Option<Collector> {
    match Address::parse_with_port(written, PORT) {
        Ok(Address::Fixed(address)) => {
            Some(Collector { host: address.ip().to_string(), port: address.port() })
        }
        Ok(Address::Host { name, port }) => Some(Collector { host: name, port }),
        Ok(Address::Discovered) => None,
        Err(why) => {
            problems.push(format!("audit.syslog = {written:?}: {why}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AuditConfig, Vec<String>> {
        let written: WrittenAudit = toml::from_str(text).expect("good TOML");
        let mut problems = Vec::new();
        let audit = written.mean(Path::new("/etc/gantry"), Path::new("/data"), &mut problems);
        if problems.is_empty() { Ok(audit) } else { Err(problems) }
    }

    #[test]
    fn the_trail_lies_in_the_data_folder_and_a_collector_has_its_registered_port() {
        let audit = read("syslog = \"audit.hospital.example\"").expect("good");
        assert_eq!(audit.folder, Path::new("/data/audit"));
        assert_eq!(
            audit.syslog.map(|it| it.to_string()),
            Some("audit.hospital.example:6514".into())
        );
        let audit = read("folder = \"trail\"\nsyslog = \"[2001:db8::1]:601\"").expect("good");
        assert_eq!(audit.folder, Path::new("/etc/gantry/trail"));
        assert_eq!(audit.syslog.map(|it| it.to_string()), Some("[2001:db8::1]:601".into()));
    }

    #[test]
    fn what_cannot_be_meant_is_told_at_once() {
        let said = read("file-mib = 0\nkeep-days = -1\nmessage-id = \"a b\"\nsyslog = \"x:0\"");
        let said = said.expect_err("refused").join("\n");
        for key in ["file-mib", "keep-days", "message-id", "syslog"] {
            assert!(said.contains(key), "{key} is missing in {said}");
        }
    }
}
