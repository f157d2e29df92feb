//! Coercion of attributes: carries out what a rule changes in an object on its way to a peer. Only the named elements are spliced; every other byte stays as it came.

mod original;
mod value;

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use gantry_deidentification::elements::{Element, Elements, Syntax, Unreadable};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::changes::Changes;
use gantry_terms::header::Tag;
use gantry_terms::moment::Moment;
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use original::{ORIGINAL_ATTRIBUTES_SEQUENCE, Replaced};
use std::collections::BTreeMap;
use std::io::{Read, Write};

pub(crate) const EXPLICIT: Syntax = Syntax { implicit: false, big_endian: false };
const LENGTH_TO_END: Tag = 0x0008_0001;
const SPECIFIC_CHARACTER_SET: Tag = 0x0008_0005;
/// What the C-STORE request names, or other objects refer to, and how the rest is to be read.
const NEVER: [Tag; 5] =
    [SPECIFIC_CHARACTER_SET, 0x0008_0016, 0x0008_0018, 0x0020_000D, 0x0020_000E];
const PIXEL_GROUP: u32 = 0x7FE0;
const DELIMITERS: u32 = 0xFFFE;
/// Elements that have to do with the changes; a data set by the rules has each once.
const MOST_TOUCHED: usize = 10_000;
/// A deflated object may blow up to anything: no more of it than this is held in memory.
const MOST_INFLATED: u64 = 256 << 20;

/// Why the changes cannot be carried out; trying again would not help. Names tags, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoerceError {
    #[error("the object cannot be walked at ({:04X},{:04X}), so that nothing is changed in it", .0 >> 16, .0 & 0xFFFF)]
    Unreadable(Tag),
    #[error("the value that the rule sets for ({:04X},{:04X}) has no place in the character set of the object", .0 >> 16, .0 & 0xFFFF)]
    NoPlaceInCharacterSet(Tag),
    #[error("({:04X},{:04X}) is not set to this value", .0 >> 16, .0 & 0xFFFF)]
    NotSet(Tag),
    #[error("({:04X},{:04X}) is not changed by any rule", .0 >> 16, .0 & 0xFFFF)]
    Never(Tag),
    #[error("the object inflates to more than {} MiB, so that nothing is changed in it", MOST_INFLATED >> 20)]
    TooLarge,
}

impl From<Unreadable> for CoerceError {
    fn from(Unreadable(tag): Unreadable) -> Self {
        Self::Unreadable(tag)
    }
}

/// Who changes it, and when: the same for each attempt, so that a repeat is the same object.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    pub system: &'a AeTitle,
    pub at: Moment,
}

impl By<'_> {
    /// DT with the offset from UTC (PS3.5 6.2).
    fn date_time(&self) -> String {
        let utc = chrono::DateTime::from_timestamp_micros(self.at.0).unwrap_or_default();
        utc.with_timezone(&chrono::Local).format("%Y%m%d%H%M%S%.6f%z").to_string()
    }
}

/// The data set with the changes. What is set is recorded in Original Attributes Sequence, unless a
/// rule removes that; what is removed leaves no trace, there neither.
pub fn apply(
    data_set: &[u8],
    transfer_syntax: &Uid,
    changes: &Changes,
    by: &By,
) -> Result<Vec<u8>, CoerceError> {
    within(data_set, transfer_syntax, |bytes, syntax| changed(bytes, syntax, changes, by))
}

/// The data set as its elements stand, inflated where it is deflated.
pub(crate) fn looked_at<E: From<CoerceError>>(
    data_set: &[u8],
    transfer_syntax: &Uid,
    look: impl FnOnce(&[u8], Syntax) -> Result<(), E>,
) -> Result<(), E> {
    match transfer_syntax.as_str() {
        IMPLICIT_VR_LITTLE_ENDIAN => look(data_set, Syntax { implicit: true, ..EXPLICIT }),
        EXPLICIT_VR_BIG_ENDIAN => look(data_set, Syntax { big_endian: true, ..EXPLICIT }),
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => look(&inflated(data_set)?, EXPLICIT),
        _ => look(data_set, EXPLICIT),
    }
}

/// The data set, changed as its elements stand; one that is deflated is so again.
pub(crate) fn within<E: From<CoerceError>>(
    data_set: &[u8],
    transfer_syntax: &Uid,
    change: impl FnOnce(&[u8], Syntax) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    match transfer_syntax.as_str() {
        IMPLICIT_VR_LITTLE_ENDIAN => change(data_set, Syntax { implicit: true, ..EXPLICIT }),
        EXPLICIT_VR_BIG_ENDIAN => change(data_set, Syntax { big_endian: true, ..EXPLICIT }),
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => {
            Ok(deflated(&change(&inflated(data_set)?, EXPLICIT)?)?)
        }
        _ => change(data_set, EXPLICIT),
    }
}

pub(crate) fn inflated(deflated: &[u8]) -> Result<Vec<u8>, CoerceError> {
    let mut bytes = Vec::new();
    let mut reading = DeflateDecoder::new(deflated).take(MOST_INFLATED + 1);
    reading.read_to_end(&mut bytes).map_err(|_| CoerceError::Unreadable(0))?;
    match bytes.len() as u64 > MOST_INFLATED {
        true => Err(CoerceError::TooLarge),
        false => Ok(bytes),
    }
}

/// Of an even length (PS3.5 A.5).
fn deflated(bytes: &[u8]) -> Result<Vec<u8>, CoerceError> {
    let mut writing = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    let written = writing.write_all(bytes).and_then(|()| writing.finish());
    let mut deflated = written.map_err(|_| CoerceError::TooLarge)?;
    if deflated.len() % 2 == 1 {
        deflated.push(0);
    }
    Ok(deflated)
}

fn changed(
    bytes: &[u8],
    syntax: Syntax,
    changes: &Changes,
    by: &By,
) -> Result<Vec<u8>, CoerceError> {
    let set = changes.set.iter().map(|set| set.tag);
    let named: Vec<Tag> = set.chain(changes.remove.iter().copied()).collect();
    let may_not = |tag: &Tag| {
        let group = *tag >> 16;
        NEVER.contains(tag) || group <= 2 || [PIXEL_GROUP, DELIMITERS].contains(&group)
    };
    if let Some(tag) = named.iter().find(|tag| may_not(tag)) {
        return Err(CoerceError::Never(*tag));
    }
    let found = Found::look(bytes, syntax, named)?;
    // A writer that left the VRs out from the start would be read wrongly if some came in.
    let syntax = match Elements::of_data_set(bytes, syntax).next() {
        Some(Ok(first)) if first.vr.is_none() => first.inside,
        _ => syntax,
    };
    Splice { bytes, syntax, changes, found, edits: Vec::new() }.done(by)
}

/// What of the data set has to do with the changes.
#[derive(Default)]
struct Found {
    /// Of the named attributes; more than one where the data set is not by the rules.
    named: BTreeMap<Tag, Vec<Element>>,
    /// Where an attribute that is not there comes in: before the first that has a higher tag.
    places: BTreeMap<Tag, usize>,
    original: Vec<Element>,
    character_set: Option<Element>,
    /// Lengths of groups that may be touched; retired, and wrong when something changes.
    lengths: Vec<Element>,
    /// Behind the last element.
    end: usize,
}

impl Found {
    fn look(bytes: &[u8], syntax: Syntax, named: Vec<Tag>) -> Result<Self, CoerceError> {
        let mut found = Found::default();
        let mut without_place = named.clone();
        without_place.push(ORIGINAL_ATTRIBUTES_SEQUENCE);
        without_place.sort_unstable_by(|a, b| b.cmp(a));
        let of_touched = |tag: Tag| {
            let group = tag >> 16;
            tag & 0xFFFF == 0
                && (group == ORIGINAL_ATTRIBUTES_SEQUENCE >> 16
                    || named.iter().any(|named| named >> 16 == group))
        };
        let mut elements = Elements::of_data_set(bytes, syntax);
        let mut touched = 0;
        for element in &mut elements {
            let element = element?;
            while let Some(tag) = without_place.pop_if(|tag| *tag < element.tag) {
                found.places.insert(tag, element.start);
            }
            touched += 1;
            match element.tag {
                SPECIFIC_CHARACTER_SET => found.character_set = Some(element),
                tag if named.contains(&tag) => found.named.entry(tag).or_default().push(element),
                tag if tag == LENGTH_TO_END || of_touched(tag) => found.lengths.push(element),
                ORIGINAL_ATTRIBUTES_SEQUENCE => found.original.push(element),
                _ => touched -= 1,
            }
            if touched > MOST_TOUCHED {
                return Err(CoerceError::Unreadable(element.tag));
            }
        }
        found.end = elements.at();
        Ok(found)
    }

    fn place(&self, tag: Tag) -> usize {
        self.places.get(&tag).copied().unwrap_or(self.end)
    }
}

/// What stands in the place of the bytes from `start` to `end`.
struct Edit {
    start: usize,
    end: usize,
    /// Of what comes in.
    tag: Tag,
    with: Vec<u8>,
}

impl Edit {
    fn gone(element: &Element) -> Self {
        Self { start: element.start, end: element.end, tag: element.tag, with: Vec::new() }
    }
}

struct Splice<'a> {
    bytes: &'a [u8],
    syntax: Syntax,
    changes: &'a Changes,
    found: Found,
    edits: Vec<Edit>,
}

impl<'a> Splice<'a> {
    fn done(mut self, by: &By) -> Result<Vec<u8>, CoerceError> {
        for tag in &self.changes.remove {
            for element in self.found.named.remove(tag).unwrap_or_default() {
                self.edits.push(Edit::gone(&element));
            }
        }
        let replaced = self.set()?;
        if !self.changes.remove.contains(&ORIGINAL_ATTRIBUTES_SEQUENCE) {
            self.record(&replaced, by)?;
        }
        if !self.edits.is_empty() {
            for element in &self.found.lengths {
                self.edits.push(Edit::gone(element));
            }
        }
        Ok(self.spliced())
    }

    /// Sets what is to be set, and tells what had another value before, in the order of the tags.
    fn set(&mut self) -> Result<Vec<Replaced<'a>>, CoerceError> {
        let bytes = self.bytes;
        let character_set = self.found.character_set.map(|e| &bytes[e.value..e.end]);
        let mut sets: Vec<_> = self.changes.set.iter().collect();
        sets.sort_by_key(|set| set.tag);
        let mut replaced = Vec::new();
        for set in sets {
            let value =
                value::encode(set, character_set.unwrap_or_default(), self.syntax.big_endian)?;
            let vr: [u8; 2] =
                set.vr.as_bytes().try_into().map_err(|_| CoerceError::NotSet(set.tag))?;
            let with =
                self.syntax.element(set.tag, vr, &value).ok_or(CoerceError::NotSet(set.tag))?;
            let there = self.found.named.remove(&set.tag).unwrap_or_default();
            let Some((first, others)) = there.split_first() else {
                let place = self.found.place(set.tag);
                self.edits.push(Edit { start: place, end: place, tag: set.tag, with });
                continue;
            };
            if bytes[first.start..first.end] != with {
                // A sequence here is none by the standard: it is not recorded as one.
                if !first.undefined {
                    let was = &bytes[first.value..first.end];
                    let vr = first.vr.unwrap_or(vr);
                    replaced.push(Replaced { tag: set.tag, vr, value: was });
                }
                self.edits.push(Edit { with, ..Edit::gone(first) });
            }
            self.edits.extend(others.iter().map(Edit::gone));
        }
        Ok(replaced)
    }

    fn record(&mut self, replaced: &[Replaced], by: &By) -> Result<(), CoerceError> {
        let unreadable = CoerceError::Unreadable(ORIGINAL_ATTRIBUTES_SEQUENCE);
        let first = self.found.original.first();
        let inside = first.map_or(self.syntax, |sequence| sequence.inside);
        let item = match replaced {
            [] => None,
            // Inside a sequence with VR UN the items are Implicit VR Little Endian: values of another
            // byte order would have to be turned.
            _ if inside.big_endian != self.syntax.big_endian => return Err(unreadable),
            replaced => Some(original::item(replaced, by, inside).ok_or(unreadable)?),
        };
        for (at, sequence) in self.found.original.iter().enumerate() {
            let item = item.as_deref().filter(|_| at == 0);
            let gone = &self.changes.remove;
            let with = original::changed(self.bytes, sequence, gone, item, self.syntax)?;
            self.edits.extend(with.map(|with| Edit { with, ..Edit::gone(sequence) }));
        }
        if let (Some(item), true) = (item, self.found.original.is_empty()) {
            let tag = ORIGINAL_ATTRIBUTES_SEQUENCE;
            let with = self.syntax.element(tag, *b"SQ", &item).ok_or(unreadable)?;
            let place = self.found.place(tag);
            self.edits.push(Edit { start: place, end: place, tag, with });
        }
        Ok(())
    }

    fn spliced(mut self) -> Vec<u8> {
        self.edits.sort_by_key(|edit| (edit.start, edit.end, edit.tag));
        let added: usize = self.edits.iter().map(|edit| edit.with.len()).sum();
        let mut spliced = Vec::with_capacity(self.bytes.len() + added);
        let mut at = 0;
        for edit in &self.edits {
            spliced.extend_from_slice(&self.bytes[at..edit.start]);
            spliced.extend_from_slice(&edit.with);
            at = edit.end;
        }
        spliced.extend_from_slice(&self.bytes[at..]);
        spliced
    }
}

#[cfg(test)]
mod tests;
