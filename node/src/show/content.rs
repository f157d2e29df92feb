//! A data set as a tree of items, read token by token: what a peer nested deeply is refused, not recursed into.

use dicom_core::{PrimitiveValue, Tag};
use dicom_encoding::{Codec, TransferSyntaxIndex};
use dicom_parser::dataset::{DataSetReader, DataToken};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// A report nested deeper is read by nobody.
const DEEPEST: usize = 64;
/// Segments and maps of long series are far below, and what a deflated one would grow to may not be.
const LONGEST: usize = 1 << 30;

/// Without the parser's own words: they may quote the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("its transfer syntax is not known here")]
    Syntax,
    #[error("it is longer than {} MiB", LONGEST >> 20)]
    TooLong,
    #[error("its sequences are nested deeper than {DEEPEST}")]
    TooDeep,
    #[error("its elements can not be told apart (PS3.5 section 7)")]
    Malformed,
}

/// One data set, or one item of a sequence.
#[derive(Debug, Default)]
pub struct Item(BTreeMap<Tag, Element>);

#[derive(Debug)]
enum Element {
    Value(PrimitiveValue),
    Items(Vec<Item>),
}

impl Item {
    pub fn read(data_set: &[u8], syntax: &Uid) -> Result<Self, Unreadable> {
        let syntax = TransferSyntaxRegistry.get(syntax.as_str()).ok_or(Unreadable::Syntax)?;
        let bytes: Box<dyn Read + '_> = Box::new(Cursor::new(data_set));
        let mut plain = Vec::new();
        let bytes = match syntax.codec() {
            Codec::Dataset(Some(adapter)) => adapter.adapt_reader(bytes),
            Codec::Dataset(None) => return Err(Unreadable::Syntax),
            _ => bytes,
        };
        let read = bytes.take(LONGEST as u64 + 1).read_to_end(&mut plain);
        read.map_err(|_| Unreadable::Malformed)?;
        if plain.len() > LONGEST {
            return Err(Unreadable::TooLong);
        }
        let reader = DataSetReader::new_with_ts(plain.as_slice(), syntax);
        let mut building = Building::default();
        for token in reader.map_err(|_| Unreadable::Malformed)? {
            building.take(token.map_err(|_| Unreadable::Malformed)?, plain.len())?;
        }
        building.done()
    }

    pub fn items(&self, tag: Tag) -> &[Item] {
        match self.0.get(&tag) {
            Some(Element::Items(items)) => items,
            _ => &[],
        }
    }

    fn value(&self, tag: Tag) -> Option<&PrimitiveValue> {
        match self.0.get(&tag) {
            Some(Element::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// All values, as one text that a terminal takes; none when there is nothing in it.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = self.value(tag)?.to_str();
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let clean = clean.trim();
        (!clean.is_empty()).then(|| clean.to_string())
    }

    /// All values as whole numbers; none where one is none.
    pub fn numbers(&self, tag: Tag) -> Vec<u32> {
        self.value(tag).and_then(|value| value.to_multi_int().ok()).unwrap_or_default()
    }

    /// All values as numbers of 32 bits; none where one is none.
    pub fn floats(&self, tag: Tag) -> Vec<f32> {
        self.value(tag).and_then(|value| value.to_multi_float32().ok()).unwrap_or_default()
    }

    /// The value as its bytes.
    pub fn bytes(&self, tag: Tag) -> Vec<u8> {
        self.value(tag).map(|value| value.to_bytes().into_owned()).unwrap_or_default()
    }

    /// How many values the attribute has.
    pub fn count(&self, tag: Tag) -> usize {
        self.value(tag).map_or(0, |value| value.multiplicity() as usize)
    }
}

/// What is open: items, each with the sequence that is open in it.
#[derive(Default)]
struct Building {
    whole: Item,
    open: Vec<(Tag, Vec<Item>, Option<Item>)>,
    next: Option<Tag>,
}

impl Building {
    fn take(&mut self, token: DataToken, longest: usize) -> Result<(), Unreadable> {
        match token {
            DataToken::ElementHeader(header) => {
                // The reader makes room for a value before it looks for it.
                if header.len.get().is_some_and(|length| length as usize > longest) {
                    return Err(Unreadable::Malformed);
                }
                self.next = Some(header.tag);
            }
            DataToken::PrimitiveValue(value) => {
                let tag = self.next.take().ok_or(Unreadable::Malformed)?;
                self.put(tag, Element::Value(value))?;
            }
            DataToken::SequenceStart { tag, .. } => self.begin(tag)?,
            DataToken::PixelSequenceStart => return Err(Unreadable::Malformed),
            DataToken::ItemStart { .. } => {
                let (_, _, item) = self.open.last_mut().ok_or(Unreadable::Malformed)?;
                *item = Some(Item::default());
            }
            DataToken::ItemEnd => {
                let (_, items, item) = self.open.last_mut().ok_or(Unreadable::Malformed)?;
                items.push(item.take().ok_or(Unreadable::Malformed)?);
            }
            DataToken::SequenceEnd => {
                let (tag, items, _) = self.open.pop().ok_or(Unreadable::Malformed)?;
                self.put(tag, Element::Items(items))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, tag: Tag) -> Result<(), Unreadable> {
        if self.open.len() == DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        self.open.push((tag, Vec::new(), None));
        Ok(())
    }

    fn put(&mut self, tag: Tag, element: Element) -> Result<(), Unreadable> {
        let into = match self.open.last_mut() {
            None => &mut self.whole,
            Some((_, _, item)) => item.as_mut().ok_or(Unreadable::Malformed)?,
        };
        into.0.insert(tag, element);
        Ok(())
    }

    /// The reader is content with bytes that end inside a sequence.
    fn done(self) -> Result<Item, Unreadable> {
        if self.open.is_empty() { Ok(self.whole) } else { Err(Unreadable::Malformed) }
    }
}
