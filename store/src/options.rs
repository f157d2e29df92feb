//! Where a store lives and when an object counts as kept.

use crate::clock::Clock;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct StoreOptions {
    pub folder: PathBuf,
    /// A segment that has grown past this is closed and the next one begun.
    pub segment_bytes: u64,
    /// Objects from this size on should be streamed (`Store::keep_streamed`).
    pub large_object_bytes: usize,
    pub durability: Durability,
    pub duplicates: Duplicates,
    /// Memory in which what was kept last is at hand; 0: none.
    pub recent_bytes: usize,
    /// Below so much free room on the disk nothing more is received.
    pub reserve_bytes: u64,
    /// By which deliveries are due.
    pub clock: Clock,
}

/// What an acknowledged object survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: fdatasync comes before the answer.
    PowerLoss,
    /// A crash of the process only: written before the answer, synced by the kernel when it likes.
    Crash,
}

/// What happens with other bytes that come under the SOP Instance UID of a kept instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// They are passed over.
    KeepFirst,
    /// They take its place, and what was decided on it is decided anew.
    Replace,
    /// As `Replace`, and the earlier bytes stay beside them.
    KeepBoth,
}

impl StoreOptions {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            segment_bytes: 512 << 20,
            large_object_bytes: 4 << 20,
            durability: Durability::PowerLoss,
            duplicates: Duplicates::KeepFirst,
            recent_bytes: 0,
            reserve_bytes: 0,
            clock: Clock::Wall,
        }
    }
}
