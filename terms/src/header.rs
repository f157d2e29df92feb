//! The header of an instance without its bulk data, decoded to Unicode: what the index keeps and what rules look at.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A tag as one number: group in the upper, element in the lower 16 bits.
pub type Tag = u32;

/// Attributes by tag. Bulk data (pixel data, values above 1 KiB, OB/OW/OF/OD/OL/OV/UN) are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Header(#[serde(with = "tags")] pub BTreeMap<Tag, Attribute>);

/// One attribute: its two-letter VR and its values. No values means present and empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    pub vr: Box<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// Text for every VR that is text in the file (DS and IS too, as sent, padding taken off),
/// `GGGGEEEE` for AT, numbers for the binary VRs, an item for SQ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Integer(i64),
    Decimal(f64),
    Text(String),
    Item(Header),
}

impl Header {
    pub fn attribute(&self, tag: Tag) -> Option<&Attribute> {
        self.0.get(&tag)
    }

    /// The first value as text, if the attribute is there, is text and is not empty.
    pub fn text(&self, tag: Tag) -> Option<&str> {
        match self.0.get(&tag)?.values.first()? {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// All values as numbers; nothing when one of them is not a number.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let values = &self.0.get(&tag)?.values;
        values.iter().map(Value::number).collect()
    }

    /// The first value as a number.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.0.get(&tag)?.values.first()?.number()
    }
}

impl Value {
    /// DS and IS are texts in the file; here they are the finite numbers that they spell.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(n) => Some(*n as f64),
            Value::Decimal(n) => Some(*n),
            Value::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Value::Item(_) => None,
        }
    }
}

/// Tags as eight hexadecimal digits, as in PS3.18 F.2. A number would do for the outermost header
/// alone: inside an item serde looks for text.
mod tags {
    use super::{Attribute, Tag};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(
        attributes: &BTreeMap<Tag, Attribute>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(attributes.iter().map(|(tag, value)| (format!("{tag:08X}"), value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Tag, Attribute>, D::Error> {
        let attributes = BTreeMap::<String, Attribute>::deserialize(deserializer)?;
        let tag = |text: String| Tag::from_str_radix(&text, 16).map_err(D::Error::custom);
        attributes.into_iter().map(|(text, value)| Ok((tag(text)?, value))).collect()
    }
}
