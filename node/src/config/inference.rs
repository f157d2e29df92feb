//! `[inference]`: what models may take of the machine.

use super::machine;
use serde::Deserialize;

/// Where the system does not say how much memory it has.
const UNKNOWN: u64 = 8 << 30;

#[derive(Debug, Clone)]
pub struct InferenceConfig {
    /// Bytes that the processes of all models may take together.
    pub memory: u64,
}

impl Default for InferenceConfig {
    /// Half of the machine, or of what its control group may take.
    fn default() -> Self {
        Self { memory: machine::memory().map_or(UNKNOWN, |bytes| bytes / 2) }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenInference {
    memory_mib: Option<u64>,
}

impl WrittenInference {
    pub(super) fn mean(&self, problems: &mut Vec<String>) -> InferenceConfig {
        match self.memory_mib {
            Some(mib) if !(64..=1 << 24).contains(&mib) => {
                problems.push(format!(
                    "inference.memory-mib = {mib}: this must lie between 64 and {}",
                    1 << 24
                ));
                InferenceConfig::default()
            }
            Some(mib) => InferenceConfig { memory: mib << 20 },
            None => InferenceConfig::default(),
        }
    }
}
