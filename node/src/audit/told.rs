//! The audit trail in the words of `gantry status`, and in numbers.

use super::state::{self, Recorded, Sent};
use super::trail::measured;
use crate::config::AuditConfig;

/// What the metrics count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub files: u64,
    pub bytes: u64,
    /// That the collector has not got yet; nothing without one.
    pub unsent_bytes: Option<u64>,
    pub lost: u64,
    pub is_recorded: bool,
    pub is_sent: bool,
}

/// Of the files, so that it is the same beside a running node and without one.
pub fn counted(audit: &AuditConfig) -> Counted {
    let (recorded, sent) = (state::recorded(&audit.folder), state::sent(&audit.folder));
    let (files, bytes, behind) = measured(&audit.folder, sent.cursor).unwrap_or_default();
    Counted {
        files,
        bytes,
        unsent_bytes: audit.syslog.as_ref().map(|_| behind),
        lost: recorded.lost,
        is_recorded: recorded.fault.is_none(),
        is_sent: sent.fault.is_none(),
    }
}

/// The lines of `gantry status`.
pub fn status(audit: &AuditConfig) -> String {
    let Counted { files, bytes, unsent_bytes, .. } = counted(audit);
    let (Recorded { lost, fault }, sent) =
        (state::recorded(&audit.folder), state::sent(&audit.folder));
    let mut text = format!(
        "audit     {files} files, {:.1} MB in {}",
        bytes as f64 / 1e6,
        audit.folder.display()
    );
    if lost > 0 {
        text.push_str(&format!("; {lost} messages were LOST"));
    }
    text.push('\n');
    if let Some(fault) = fault {
        text.push_str(&format!("          NOT WRITTEN since {}: {}\n", fault.since, fault.why));
    }
    let (Some(collector), Some(behind)) = (&audit.syslog, unsent_bytes) else { return text };
    let Sent { missed, fault, .. } = sent;
    let has = match behind {
        0 => "has all".into(),
        behind => format!("{:.1} KB are not sent yet", behind as f64 / 1e3),
    };
    text.push_str(&format!("          {collector}: {has}"));
    if missed > 0 {
        text.push_str(&format!("; {missed} files went before it had them"));
    }
    if let Some(fault) = fault {
        text.push_str(&format!("; takes nothing since {}: {}", fault.since, fault.why));
    }
    text.push('\n');
    text
}
