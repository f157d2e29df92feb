//! Coded concepts (PS3.3 section 8): a value, the scheme that defines it, and its meaning in words.

use serde::{Deserialize, Serialize};

/// One coded concept. `scheme` is the Coding Scheme Designator of PS3.16 section 8
/// (`SCT`, `DCM`, `LN`, `UCUM`, `RADLEX`, or a private one that begins with `99`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    pub value: String,
    pub scheme: String,
    pub meaning: String,
}

impl Code {
    pub fn new(value: &str, scheme: &str, meaning: &str) -> Self {
        Self { value: value.into(), scheme: scheme.into(), meaning: meaning.into() }
    }

    /// A scheme whose designator begins with `99` is private (PS3.16 8.2) and must be declared
    /// in the Coding Scheme Identification Sequence.
    pub fn is_private(&self) -> bool {
        self.scheme.starts_with("99")
    }
}
