//! Changes to the attributes of an object on its way to a peer: what a rule asks for, and what a delivery carries out.

use crate::header::Tag;
use serde::{Deserialize, Serialize};

/// Attributes of the outermost data set that get other values, and attributes that go; and whether it leaves without
/// its patient, which comes first. No attribute is in both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<SetAttribute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Tag>,
    /// The profile by which it is de-identified, where its peer has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deidentify: Option<String>,
}

/// Its VR is a text VR, DS or IS, or a binary number; its values are written as text, and each fits the VR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAttribute {
    pub tag: Tag,
    pub vr: Box<str>,
    pub values: Vec<String>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        !self.has_attributes() && self.deidentify.is_none()
    }

    /// Whether any attribute is set or removed.
    pub fn has_attributes(&self) -> bool {
        !self.set.is_empty() || !self.remove.is_empty()
    }
}
