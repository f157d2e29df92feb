//! The digest of a data set: tells equal ones from others, and a damaged one from a whole one.

use std::fmt;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// XXH3 of 128 bits over a data set without its File Meta Information, lowest byte first.
pub type Digest = [u8; 16];

/// Takes a data set piece by piece, best while the piece is still in the processor's cache.
#[derive(Clone, Default)]
pub struct Digester(Box<Xxh3>);

impl Digester {
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Of what came so far.
    pub fn digest(&self) -> Digest {
        self.0.digest128().to_le_bytes()
    }

    pub(crate) fn of(data_set: &[u8]) -> Digest {
        xxh3_128(data_set).to_le_bytes()
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester")
    }
}
