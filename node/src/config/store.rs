//! `[store]`: when an object counts as kept, what becomes of duplicates, and how the disk is used.

use gantry_store::options::{Duplicates, Durability};
use serde::Deserialize;

#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub durability: Durability,
    pub duplicates: Duplicates,
    pub segment_bytes: u64,
    pub recent_bytes: usize,
    pub reserve_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenStore {
    durability: WrittenDurability,
    duplicates: WrittenDuplicates,
    segment_mib: u64,
    recent_mib: u64,
    reserve_mib: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenDurability {
    PowerLoss,
    Crash,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenDuplicates {
    KeepFirst,
    Replace,
    KeepBoth,
}

impl Default for WrittenStore {
    fn default() -> Self {
        Self {
            durability: WrittenDurability::PowerLoss,
            duplicates: WrittenDuplicates::KeepFirst,
            segment_mib: 512,
            recent_mib: 256,
            reserve_mib: 1024,
        }
    }
}

impl WrittenStore {
    pub(super) fn mean(self, problems: &mut Vec<String>) -> StoreConfig {
        if !(16..=64 * 1024).contains(&self.segment_mib) {
            problems.push("store.segment-mib must lie between 16 and 65536".into());
        }
        if self.recent_mib > 1024 * 1024 {
            problems.push("store.recent-mib must lie between 0 and 1048576".into());
        }
        StoreConfig {
            durability: match self.durability {
                WrittenDurability::PowerLoss => Durability::PowerLoss,
                WrittenDurability::Crash => Durability::Crash,
            },
            duplicates: match self.duplicates {
                WrittenDuplicates::KeepFirst => Duplicates::KeepFirst,
                WrittenDuplicates::Replace => Duplicates::Replace,
                WrittenDuplicates::KeepBoth => Duplicates::KeepBoth,
            },
            segment_bytes: self.segment_mib.saturating_mul(1024 * 1024),
            recent_bytes: usize::try_from(self.recent_mib.saturating_mul(1024 * 1024))
                .unwrap_or(usize::MAX),
            reserve_bytes: self.reserve_mib.saturating_mul(1024 * 1024),
        }
    }
}
