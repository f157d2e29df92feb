//! Original Attributes Sequence (0400,0561), PS3.3 C.12.1.1.9: what the values were, who replaced them, when and why.

use super::{By, CoerceError};
use gantry_deidentification::elements::{Element, Elements, ITEM, Syntax};
use gantry_terms::header::Tag;
use std::borrow::Cow;

pub(super) const ORIGINAL_ATTRIBUTES_SEQUENCE: Tag = 0x0400_0561;
const LENGTH_OF_ITS_GROUP: Tag = 0x0400_0000;
const MODIFIED_ATTRIBUTES_SEQUENCE: Tag = 0x0400_0550;
const NONCONFORMING_MODIFIED_ATTRIBUTES_SEQUENCE: Tag = 0x0400_0551;
const ATTRIBUTE_MODIFICATION_DATE_TIME: Tag = 0x0400_0562;
const MODIFYING_SYSTEM: Tag = 0x0400_0563;
const SOURCE_OF_PREVIOUS_VALUES: Tag = 0x0400_0564;
const REASON_FOR_THE_ATTRIBUTE_MODIFICATION: Tag = 0x0400_0565;

/// An attribute as it was. Its value is in the byte order of the data set.
pub(super) struct Replaced<'a> {
    pub(super) tag: Tag,
    pub(super) vr: [u8; 2],
    pub(super) value: &'a [u8],
}

impl<'a> Replaced<'a> {
    /// Of an even length, which not every device keeps to (PS3.5 6.2).
    fn padded(&self) -> Cow<'a, [u8]> {
        let padding = if [*b"OB", *b"UI", *b"UN"].contains(&self.vr) { 0 } else { b' ' };
        match self.value.len() % 2 {
            0 => self.value.into(),
            _ => [self.value, &[padding]].concat().into(),
        }
    }
}

/// One item that tells of these attributes, which are in the order of their tags.
pub(super) fn item(replaced: &[Replaced], by: &By, syntax: Syntax) -> Option<Vec<u8>> {
    let mut was = Vec::new();
    for attribute in replaced {
        let value = attribute.padded();
        // A value that is too long for the field of its VR came with a longer field.
        let element = syntax.element(attribute.tag, attribute.vr, &value);
        was.extend(element.or_else(|| syntax.element(attribute.tag, *b"UN", &value))?);
    }
    let text = |tag, vr, text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(b' ');
        }
        syntax.element(tag, vr, &bytes)
    };
    let elements = [
        syntax.element(MODIFIED_ATTRIBUTES_SEQUENCE, *b"SQ", &syntax.item(&was)?)?,
        text(ATTRIBUTE_MODIFICATION_DATE_TIME, *b"DT", &by.date_time())?,
        text(MODIFYING_SYSTEM, *b"LO", by.system.as_str())?,
        text(SOURCE_OF_PREVIOUS_VALUES, *b"LO", "")?,
        text(REASON_FOR_THE_ATTRIBUTE_MODIFICATION, *b"CS", "COERCE")?,
    ];
    syntax.item(&elements.concat())
}

/// A sequence of the data set again: without what it tells of the attributes that go, and with one
/// item more. None when that is what it is.
pub(super) fn changed(
    bytes: &[u8],
    sequence: &Element,
    gone: &[Tag],
    item: Option<&[u8]>,
    head: Syntax,
) -> Result<Option<Vec<u8>>, CoerceError> {
    let unreadable = CoerceError::Unreadable(sequence.tag);
    if sequence.vr.is_some_and(|vr| ![*b"SQ", *b"UN"].contains(&vr)) {
        return Err(unreadable);
    }
    let items = &bytes[sequence.value..sequence.value_end()];
    let mut scrubbing = Scrubbing { gone, scrubbed: false };
    let rest = scrubbing.sequence(items, sequence.inside, Level::Original)?;
    if !scrubbing.scrubbed && item.is_none() {
        return Ok(None);
    }
    let kept = if scrubbing.scrubbed { &rest[..] } else { items };
    let content = [kept, item.unwrap_or_default()].concat();
    head.refilled(bytes, sequence, &content).map(Some).ok_or(unreadable)
}

#[derive(Clone, Copy)]
enum Level {
    /// Items of Original Attributes Sequence.
    Original,
    /// Items of Modified Attributes Sequence.
    Modified,
}

/// What was removed must not come back out of what an earlier system has recorded.
struct Scrubbing<'a> {
    gone: &'a [Tag],
    scrubbed: bool,
}

impl Scrubbing<'_> {
    fn sequence(
        &mut self,
        items: &[u8],
        syntax: Syntax,
        level: Level,
    ) -> Result<Vec<u8>, CoerceError> {
        let mut rest = Vec::with_capacity(items.len());
        for item in Elements::of_sequence(items, syntax) {
            let item = item?;
            let content = &items[item.value..item.value_end()];
            let scrubbed = self.item(content, syntax, level)?;
            let refilled = syntax.refilled(items, &item, &scrubbed);
            rest.extend(refilled.ok_or(CoerceError::Unreadable(ITEM))?);
        }
        Ok(rest)
    }

    fn item(
        &mut self,
        content: &[u8],
        syntax: Syntax,
        level: Level,
    ) -> Result<Vec<u8>, CoerceError> {
        let mut rest = Vec::with_capacity(content.len());
        for element in Elements::of_data_set(content, syntax) {
            let element = element?;
            match (level, element.tag) {
                // Lengths of groups are retired, and would be wrong now.
                (Level::Modified, tag) if tag & 0xFFFF == 0 && self.of_gone_group(tag) => {}
                (Level::Original, LENGTH_OF_ITS_GROUP) => {}
                (Level::Modified, tag) if self.gone.contains(&tag) => self.scrubbed = true,
                // It holds values apart from their tags. None of it is kept rather than one too many.
                (Level::Original, NONCONFORMING_MODIFIED_ATTRIBUTES_SEQUENCE)
                    if !self.gone.is_empty() =>
                {
                    self.scrubbed = true;
                }
                (Level::Original, MODIFIED_ATTRIBUTES_SEQUENCE) => {
                    let items = &content[element.value..element.value_end()];
                    let scrubbed = self.sequence(items, element.inside, Level::Modified)?;
                    let refilled = syntax.refilled(content, &element, &scrubbed);
                    rest.extend(refilled.ok_or(CoerceError::Unreadable(element.tag))?);
                }
                _ => rest.extend_from_slice(&content[element.start..element.end]),
            }
        }
        Ok(rest)
    }

    fn of_gone_group(&self, tag: Tag) -> bool {
        self.gone.iter().any(|gone| gone >> 16 == tag >> 16)
    }
}
