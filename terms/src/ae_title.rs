//! Application entity titles (PS3.5 6.2, VR AE): 1 to 16 characters, compared as they stand.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An AE title without its padding. Case matters (PS3.8 9.3.2). A clone shares its text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(Arc<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAeTitle {
    #[error("an AE title may not be empty or only spaces")]
    Empty,
    #[error("an AE title has at most 16 characters")]
    TooLong,
    #[error("an AE title has only printable ASCII characters and no backslash")]
    Character,
}

impl AeTitle {
    pub fn parse(text: &str) -> Result<Self, InvalidAeTitle> {
        let text = text.trim_matches(['\0', ' ']);
        if text.is_empty() {
            return Err(InvalidAeTitle::Empty);
        }
        if text.len() > 16 {
            return Err(InvalidAeTitle::TooLong);
        }
        if !text.bytes().all(|b| (0x20..0x7F).contains(&b) && b != b'\\') {
            return Err(InvalidAeTitle::Character);
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for AeTitle {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AeTitle {
    type Error = InvalidAeTitle;
    fn try_from(text: String) -> Result<Self, InvalidAeTitle> {
        Self::parse(&text)
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> String {
        title.as_str().to_string()
    }
}

impl std::str::FromStr for AeTitle {
    type Err = InvalidAeTitle;
    fn from_str(text: &str) -> Result<Self, InvalidAeTitle> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_part_of_a_title_and_a_path_cannot_hide_in_one() {
        assert_eq!(AeTitle::parse("  PACS  ").map(|t| t.to_string()), Ok("PACS".into()));
        assert_eq!(AeTitle::parse("                "), Err(InvalidAeTitle::Empty));
        assert_eq!(AeTitle::parse("SEVENTEEN_LETTERS"), Err(InvalidAeTitle::TooLong));
        assert_eq!(AeTitle::parse("A\\B"), Err(InvalidAeTitle::Character));
        assert_eq!(AeTitle::parse("A\nB"), Err(InvalidAeTitle::Character));
    }
}
