//! `[admin]`: what the node tells machines of itself. Off unless configured.

use super::check_host_port;
use serde::Deserialize;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where metrics are served, as `host:port`.
    pub metrics: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenAdmin {
    metrics: Option<String>,
}

impl WrittenAdmin {
    pub(super) fn mean(self, problems: &mut Vec<String>) -> AdminConfig {
        if let Some(metrics) = &self.metrics {
            check_host_port(metrics, "admin.metrics", problems);
        }
        AdminConfig { metrics: self.metrics }
    }
}
