//! `[inference]`: what models may take of the machine.

use super::machine;
use serde::Deserialize;

/// Where the system does not say how much memory it has.
const UNKNOWN: u64 = 8 << 30;
const MOST_MIB: u64 = 1 << 24;

#[derive(Debug, Clone)]
pub struct InferenceConfig {
    /// Bytes that the processes of all models may take together.
    pub memory: u64,
    /// Bytes of voxels that may be read while their series arrive.
    pub ahead: u64,
}

impl Default for InferenceConfig {
    /// Half of the machine, or of what its control group may take; and a sixteenth.
    fn default() -> Self {
        let machine = machine::memory().unwrap_or(2 * UNKNOWN);
        Self { memory: machine / 2, ahead: machine / 16 }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenInference {
    memory_mib: Option<u64>,
    ahead_mib: Option<u64>,
}

impl WrittenInference {
    pub(super) fn mean(&self, problems: &mut Vec<String>) -> InferenceConfig {
        let default = InferenceConfig::default();
        let mut bytes = |key: &str, written: Option<u64>, least: u64, default: u64| match written {
            Some(mib) if !(least..=MOST_MIB).contains(&mib) => {
                problems.push(format!(
                    "inference.{key} = {mib}: this must lie between {least} and {MOST_MIB}"
                ));
                default
            }
            Some(mib) => mib << 20,
            None => default,
        };
        InferenceConfig {
            memory: bytes("memory-mib", self.memory_mib, 64, default.memory),
            ahead: bytes("ahead-mib", self.ahead_mib, 0, default.ahead),
        }
    }
}
