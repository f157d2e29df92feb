//! Who this is in audit messages: a process of Gantry on a host, under an AE title.

use super::code::{self, Code};
use super::message::{Message, Participant, Place, Source, when};
use crate::config::{AuditConfig, Config};
use std::fs;

/// Facility authpriv (10), severity notice (5), or warning (4) for alerts (PS3.15 A.6, RFC 5424 section 6.2.1).
const NOTICE: u8 = 10 * 8 + 5;
const WARNING: u8 = 10 * 8 + 4;

/// What does not change while the process runs.
#[derive(Debug, Clone)]
pub struct This {
    pub ae_title: String,
    pub host: String,
    process: u32,
    source: Source,
    message_id: String,
}

impl This {
    pub fn of(config: &Config, audit: &AuditConfig) -> Self {
        let host = host();
        let ae_title = config.ae_title.to_string();
        let id = audit.source.clone().unwrap_or_else(|| format!("{ae_title}@{host}"));
        Self {
            process: std::process::id(),
            source: Source { id, site: audit.site.clone() },
            message_id: audit.message_id.clone(),
            ae_title,
            host,
        }
    }

    /// This process, in a role.
    pub fn participant(&self, role: Option<Code>) -> Participant {
        Participant {
            user: format!("{}@{}", self.process, self.host),
            titles: vec![self.ae_title.clone()],
            name: Some("gantry".into()),
            role,
            place: Some(Place::Host(self.host.clone())),
            ..Participant::default()
        }
    }

    /// A message of RFC 5424 without the end of its line. No byte order mark: some repositories choke on one.
    pub fn line(&self, message: &Message) -> String {
        let priority = match message.event {
            code::SECURITY_ALERT => WARNING,
            _ => NOTICE,
        };
        let Self { host, process, message_id, .. } = self;
        let (at, xml) = (when(message.at), message.xml(&self.source));
        format!("<{priority}>1 {at} {host} gantry {process} {message_id} - {xml}")
    }
}

/// As the kernel knows it; printable, as RFC 5424 wants it.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "localhost".into() } else { name }
}
