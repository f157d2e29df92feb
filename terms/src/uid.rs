//! DICOM unique identifiers (PS3.5 section 9): parsed once at the edge, or derived from what made the object.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// A UID that keeps the rules of PS3.5 9.1: digits and dots, at most 64 characters,
/// no empty component and no leading zero. A clone shares its text: a decision names the images of a
/// series once for each rule.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(Arc<str>);

/// Why a text is not a UID. Never repeats the text: it may come from a patient's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUid {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than 64 characters")]
    TooLong,
    #[error("it holds something other than digits and dots")]
    Character,
    #[error("a component is empty or begins with a zero")]
    Component,
}

impl Uid {
    /// Trailing NUL and space, the padding of PS3.5 6.2, are taken off first.
    pub fn parse(text: &str) -> Result<Self, InvalidUid> {
        let text = text.trim_end_matches(['\0', ' ']);
        if text.is_empty() {
            return Err(InvalidUid::Empty);
        }
        if text.len() > 64 {
            return Err(InvalidUid::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(InvalidUid::Character);
        }
        let well_formed = |part: &str| part == "0" || !(part.is_empty() || part.starts_with('0'));
        if !text.split('.').all(well_formed) {
            return Err(InvalidUid::Component);
        }
        Ok(Self(text.into()))
    }

    /// The UID that belongs to these parts and to no others: `2.25.` and the decimal of a
    /// UUID version 8 over their SHA-256 (PS3.5 B.2, RFC 9562 5.8). The same parts give the
    /// same UID on every machine, so that a repeated job makes the same object.
    pub fn derived(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut half = [0u8; 16];
        half.copy_from_slice(&digest[..16]);
        half[6] = (half[6] & 0x0F) | 0x80;
        half[8] = (half[8] & 0x3F) | 0x80;
        Self(format!("2.25.{}", u128::from_be_bytes(half)).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Uid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Uid {
    type Error = InvalidUid;
    fn try_from(text: String) -> Result<Self, InvalidUid> {
        Self::parse(&text)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> String {
        uid.as_str().to_string()
    }
}

impl std::str::FromStr for Uid {
    type Err = InvalidUid;
    fn from_str(text: &str) -> Result<Self, InvalidUid> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_a_uid() {
        let check = |text: &str, expected: Result<&str, InvalidUid>| {
            assert_eq!(
                Uid::parse(text).as_ref().map(Uid::as_str),
                expected.as_ref().map(|s| *s),
                "{text:?}"
            );
        };
        check("1.2.840.10008.1.1", Ok("1.2.840.10008.1.1"));
        check("1.2.0\0", Ok("1.2.0"));
        check("", Err(InvalidUid::Empty));
        check("1.02", Err(InvalidUid::Component));
        check("1..2", Err(InvalidUid::Component));
        check("1.2.", Err(InvalidUid::Component));
        check("1.2/../3", Err(InvalidUid::Character));
        check(&"1".repeat(65), Err(InvalidUid::TooLong));
    }

    #[test]
    fn a_derived_uid_depends_on_every_part_and_its_border() {
        let uid = Uid::derived(&["ab", "c"]);
        assert_eq!(uid, Uid::derived(&["ab", "c"]));
        assert_ne!(uid, Uid::derived(&["a", "bc"]));
        assert_eq!(Uid::parse(uid.as_str()), Ok(uid.clone()));
        assert!(uid.as_str().starts_with("2.25.") && uid.as_str().len() <= 44);
    }
}
