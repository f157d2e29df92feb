//! The header of an instance without its bulk data, decoded to Unicode: what the index keeps and what rules look at.

mod json;
mod quick;

pub use json::write_entry;

use compact_str::CompactString;
use litemap::LiteMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;

/// A tag as one number: group in the upper, element in the lower 16 bits.
pub type Tag = u32;

/// Attributes by tag. Bulk data (pixel data, values above 1 KiB, OB/OW/OF/OD/OL/OV/UN) are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header(pub LiteMap<Tag, Attribute>);

/// One attribute: its VR and its values. No values means present and empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    pub vr: Vr,
    #[serde(default, skip_serializing_if = "SmallVec::is_empty")]
    pub values: Values,
}

/// Most attributes have one.
pub type Values = SmallVec<[Value; 1]>;

/// The two letters of a value representation (PS3.5 6.2). Reads as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vr([u8; 2]);

/// Text for every VR that is text in the file (DS and IS too, as sent, padding taken off),
/// `GGGGEEEE` for AT, numbers for the binary VRs, an item for SQ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Integer(i64),
    Decimal(f64),
    Text(CompactString),
    Item(Header),
}

impl Header {
    pub fn attribute(&self, tag: Tag) -> Option<&Attribute> {
        self.0.get(&tag)
    }

    fn tags(&self, first: Tag, last: Tag) -> impl Iterator<Item = Tag> {
        let (Ok(start) | Err(start)) = self.0.find_index(&first);
        self.0.as_slice()[start..].iter().map(|(tag, _)| *tag).take_while(move |tag| *tag <= last)
    }

    /// The first value as text, if the attribute is there, is text and is not empty.
    pub fn text(&self, tag: Tag) -> Option<&str> {
        self.0.get(&tag)?.text()
    }

    /// All values as numbers; nothing when one of them is not a number.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        self.0.get(&tag)?.numbers()
    }

    /// The first value as a number.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.0.get(&tag)?.values.first()?.number()
    }
}

/// What one image has differently from a base.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Attributes that the base has with other values, or not at all.
    pub own: Header,
    /// Attributes of the base that the image does not have.
    pub gone: Vec<Tag>,
}

/// The header of one image of many that are alike: what they share, and what is different in this one.
#[derive(Debug, Clone, Copy)]
pub struct Layered<'a> {
    base: &'a Header,
    /// Attributes that the base has with other values, or not at all.
    own: Option<&'a Header>,
    /// Attributes of the base that this image does not have.
    gone: &'a [Tag],
}

impl<'a> Layered<'a> {
    /// A header that stands for itself.
    pub fn whole(header: &'a Header) -> Self {
        Self { base: header, own: None, gone: &[] }
    }

    pub fn over(base: &'a Header, own: &'a Header, gone: &'a [Tag]) -> Self {
        Self { base, own: Some(own), gone }
    }

    pub fn attribute(self, tag: Tag) -> Option<&'a Attribute> {
        let own = self.own.and_then(|own| own.0.get(&tag));
        own.or_else(|| self.base.0.get(&tag).filter(|_| !self.gone.contains(&tag)))
    }

    /// Where the image differs from its base, each tag once: what it has, or that it has none.
    pub fn own(self) -> impl Iterator<Item = (Tag, Option<&'a Attribute>)> {
        let own = self.own.into_iter().flat_map(|own| own.0.iter());
        let own = own.map(|(tag, attribute)| (*tag, Some(attribute)));
        // What it has by itself goes before that it has none.
        let has = move |tag: &Tag| self.own.is_some_and(|own| own.0.contains_key(tag));
        let gone = self.gone.iter().filter(move |tag| !has(tag));
        own.chain(gone.map(|tag| (*tag, None)))
    }

    /// What the image shares with others. Where [`Self::differs`] says no, the attribute is the base's.
    pub fn base(self) -> &'a Header {
        self.base
    }

    /// Whether the attribute of this image is, or may be, another than that of its base.
    pub fn differs(self, tag: Tag) -> bool {
        self.own.is_some_and(|own| own.0.contains_key(&tag)) || self.gone.contains(&tag)
    }

    /// All of it, as a header that stands for itself.
    pub fn to_header(self) -> Header {
        let mut header = self.base.clone();
        self.gone.iter().for_each(|tag| {
            header.0.remove(tag);
        });
        header.0.extend(self.own.cloned().unwrap_or_default().0);
        header
    }

    /// Tags of the image from `first` to `last`, in no order that counts.
    pub fn tags(self, first: Tag, last: Tag) -> impl Iterator<Item = Tag> + 'a {
        let own = self.own.into_iter().flat_map(move |own| own.tags(first, last));
        own.chain(self.base.tags(first, last).filter(move |tag| !self.differs(*tag)))
    }

    /// The first value as text, if the attribute is there, is text and is not empty.
    pub fn text(self, tag: Tag) -> Option<&'a str> {
        self.attribute(tag)?.text()
    }

    /// All values as numbers; nothing when one of them is not a number.
    pub fn numbers(self, tag: Tag) -> Option<Vec<f64>> {
        self.attribute(tag)?.numbers()
    }

    /// The first value as a number.
    pub fn number(self, tag: Tag) -> Option<f64> {
        self.attribute(tag)?.values.first()?.number()
    }
}

impl Attribute {
    /// The first value as text, if it is text and not empty.
    pub fn text(&self) -> Option<&str> {
        match self.values.first()? {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// All values as numbers; nothing when one of them is not a number.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.values.iter().map(Value::number).collect()
    }

    /// The same of exactly so many values.
    pub fn numbers_of<const N: usize>(&self) -> Option<[f64; N]> {
        let mut numbers = [0.0; N];
        for (number, value) in numbers.iter_mut().zip(&self.values) {
            *number = value.number()?;
        }
        (self.values.len() == N).then_some(numbers)
    }
}

impl From<&str> for Vr {
    /// What is no VR says of its value what UN does.
    fn from(text: &str) -> Self {
        match *text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Self([a, b]),
            _ => Self(*b"UN"),
        }
    }
}

impl From<String> for Vr {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Deref for Vr {
    type Target = str;

    fn deref(&self) -> &str {
        // Two capital letters always are text.
        std::str::from_utf8(&self.0).unwrap_or("UN")
    }
}

impl fmt::Debug for Vr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(attributes: &[(Tag, &str)]) -> Header {
        let attribute =
            |text: &str| Attribute { vr: "LO".into(), values: [Value::Text(text.into())].into() };
        Header(attributes.iter().map(|(tag, text)| (*tag, attribute(text))).collect())
    }

    #[test]
    fn a_layered_header_has_its_own_values_then_those_of_the_base_and_not_what_is_gone() {
        let base = header(&[(1, "a"), (2, "b"), (3, "c")]);
        let own = header(&[(2, "B"), (4, "D")]);
        let image = Layered::over(&base, &own, &[3]);
        let texts: Vec<Option<&str>> = (1..=5).map(|tag| image.text(tag)).collect();
        assert_eq!(texts, [Some("a"), Some("B"), None, Some("D"), None]);
        let mut tags: Vec<Tag> = image.tags(1, 5).collect();
        tags.sort_unstable();
        assert_eq!(tags, [1, 2, 4]);
        let own: Vec<(Tag, bool)> = image.own().map(|(tag, own)| (tag, own.is_some())).collect();
        assert_eq!(own, [(2, true), (4, true), (3, false)]);
        assert!(image.differs(2) && image.differs(3) && !image.differs(1));
        assert_eq!(image.to_header(), header(&[(1, "a"), (2, "B"), (4, "D")]));
    }
}
