//! Tells a record of this store from one that somebody put into the pixels of an object: each head bears 16 bytes that no peer ever sees.

// They are needed only where damage hides where the next record begins, so that it is looked for.

use crate::error::StoreError;
use crate::segment;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What the head of a record has room for.
pub(crate) const BYTES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) bytes: [u8; BYTES],
    /// Segments before this one were begun by a version that sealed nothing, or by a store whose
    /// seal was lost. Nothing is appended to them any more.
    pub(crate) first: u32,
}

impl Seal {
    /// Of the store, when it has one that can be read.
    pub(crate) fn read(store: &Path) -> Option<Self> {
        let text = fs::read_to_string(path(store)).ok()?;
        let (hex, first) = text.trim_end().split_once(' ')?;
        let digits = hex.as_bytes().chunks_exact(2);
        let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
        let bytes: Vec<u8> = digits.map(byte).collect::<Option<_>>()?;
        Some(Self { bytes: bytes.try_into().ok()?, first: first.parse().ok()? })
    }

    /// Makes one where there is none, durable before anything bears it. `next` is the number of
    /// the next segment.
    pub(crate) fn of(store: &Path, next: u32) -> Result<Self, StoreError> {
        if let Some(seal) = Self::read(store) {
            return Ok(seal);
        }
        let path = path(store);
        Self::make(store, next).map_err(StoreError::file(path))
    }

    fn make(store: &Path, next: u32) -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (path, growing) = (path(store), path(store).with_extension(segment::TEMPORARY));
        let mut file = File::create(&growing)?;
        writeln!(file, "{hex} {next}")?;
        file.sync_all()?;
        fs::rename(&growing, &path)?;
        File::open(store)?.sync_all()?;
        Ok(Self { bytes, first: next })
    }

    /// Whether a head that bears these bytes in that segment may be one of ours.
    pub(crate) fn fits(&self, segment: u32, borne: &[u8; BYTES]) -> bool {
        segment < self.first || self.bytes == *borne
    }
}

fn path(store: &Path) -> PathBuf {
    store.join("seal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_made_once_and_made_anew_when_it_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Seal::read(folder.path()), None);
        let seal = Seal::of(folder.path(), 3).expect("made");
        assert_eq!(Seal::of(folder.path(), 9).expect("read"), seal);
        assert!(seal.fits(3, &seal.bytes) && seal.fits(2, &[0; BYTES]));
        assert!(!seal.fits(3, &[0; BYTES]));
        fs::write(path(folder.path()), "short").expect("garbled");
        let other = Seal::of(folder.path(), 9).expect("made");
        assert!(other.first == 9 && other.bytes != seal.bytes);
    }
}
