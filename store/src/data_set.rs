//! Walks the elements of a data set (PS3.5 7.1, 7.5) and keeps what is small enough for a header.

// dicom-object builds the whole object with its bulk data, decodes text by one character set only
// and gives up on the first oddity. A header needs less memory and more patience.

use crate::header::{HeaderError, Until};
use crate::source::Source;
use crate::values;
use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;
use gantry_terms::character_sets::CharacterSets;
use gantry_terms::header::{Attribute, Header, Tag, Value, Values};

/// Longer values are bulk.
const LONGEST_VALUE: u32 = 1024;
/// Sequences inside sequences beyond this are refused: JSON readers stop at 128 brackets.
const DEEPEST: u32 = 24;
/// Items of one sequence that are kept, and attributes of one header, all items together.
const MOST_ITEMS: usize = 256;
const MOST_ATTRIBUTES: usize = 20_000;
/// Bytes that their values may take in memory: an empty one takes some, too, and a small deflated
/// object has millions of them.
const MOST_VALUES: usize = 2 << 20;

const UNDEFINED: u32 = u32::MAX;
const PIXEL_GROUP: Tag = 0x7FE0_0000;
const ITEM: Tag = 0xFFFE_E000;
const ITEM_END: Tag = 0xFFFE_E00D;
const SEQUENCE_END: Tag = 0xFFFE_E0DD;
const SPECIFIC_CHARACTER_SET: Tag = 0x0008_0005;
const PIXEL_REPRESENTATION: Tag = 0x0028_0103;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Syntax {
    pub(crate) big_endian: bool,
    pub(crate) implicit: bool,
}

pub(crate) struct Walker<'a> {
    source: Source<'a>,
    until: Until,
    /// Whatever is there is kept: whoever asks has bounded the bytes.
    keeps_all: bool,
    kept: usize,
    held: usize,
}

/// What an item passes on to the items inside.
#[derive(Clone)]
struct Context {
    syntax: Syntax,
    sets: CharacterSets,
    signed: bool,
    depth: u32,
    /// Where the item ends, when its length is defined.
    end: Option<u64>,
}

struct Element {
    tag: Tag,
    vr: VR,
    length: u32,
    /// The value of an element with VR UN is in Implicit VR Little Endian (PS3.5 6.2.2).
    syntax: Syntax,
}

type Walked<T> = Result<T, HeaderError>;

fn malformed<T>(tag: Tag, what: &'static str) -> Walked<T> {
    Err(HeaderError::Malformed { tag, what })
}

impl<'a> Walker<'a> {
    pub(crate) fn new(source: Source<'a>, until: Until) -> Self {
        Self { source, until, keeps_all: false, kept: 0, held: 0 }
    }

    pub(crate) fn keeping_all(self) -> Self {
        Self { keeps_all: true, ..self }
    }

    /// The data set from its first to its last element, or up to its pixels.
    pub(crate) fn whole(mut self, syntax: Syntax) -> Walked<Header> {
        let sets = CharacterSets::default();
        match self.elements(Context { syntax, sets, signed: false, depth: 0, end: None }) {
            Err(HeaderError::Truncated(tag)) if self.source.is_capped() => {
                malformed(tag, "the data set inflates to more than is read")
            }
            read => read,
        }
    }

    fn elements(&mut self, mut context: Context) -> Walked<Header> {
        // A peer may send tags in any order: they are put in order once.
        let mut found = Vec::new();
        let (mut last, mut pixels) = (0, false);
        let may_be_cut = self.until == Until::Cut && context.depth == 0;
        while context.end.is_none_or(|end| self.source.position() < end) {
            let element = match self.element(&context, last) {
                Err(HeaderError::Truncated(_)) if may_be_cut => break,
                // What follows behind whole pixels is padding at most.
                Err(_) if pixels => break,
                other => other?,
            };
            let Some(element) = element else {
                if context.depth > 0 {
                    return Err(HeaderError::Truncated(last));
                }
                if self.source.is_capped() && !pixels {
                    return malformed(last, "the data set inflates to more than is read");
                }
                break;
            };
            if element.tag == ITEM_END && context.depth > 0 {
                break;
            }
            if context.depth == 0 && element.tag >= PIXEL_GROUP {
                if self.until != Until::End {
                    break;
                }
                pixels |= element.tag >> 16 == PIXEL_GROUP >> 16;
            }
            last = element.tag;
            match self.value(&element, &mut context, &mut found) {
                Err(HeaderError::Truncated(_)) if may_be_cut => break,
                other => other?,
            }
        }
        if found.is_empty() && context.depth == 0 {
            return match last {
                0 => Err(HeaderError::Truncated(0)),
                _ => malformed(last, "no attribute comes before the pixels"),
            };
        }
        Ok(Header(found.into_iter().collect()))
    }

    /// The next element's tag, VR and length; nothing at the end of the bytes.
    fn element(&mut self, context: &Context, last: Tag) -> Walked<Option<Element>> {
        let mut start = [0; 8];
        match self.source.fill(&mut start) {
            0 => return Ok(None),
            8 => {}
            _ => return Err(HeaderError::Truncated(last)),
        }
        let syntax = context.syntax;
        let tag = tag(&start, syntax);
        let implicit = Syntax { big_endian: false, implicit: true };
        if tag >> 16 == 0xFFFE {
            let length = u32_of(&start[4..], syntax);
            return Ok(Some(Element { tag, vr: VR::UN, length, syntax }));
        }
        if syntax.implicit {
            let vr = dictionary_vr(tag, context.signed).unwrap_or(VR::UN);
            let length = u32_of(&start[4..], syntax);
            return Ok(Some(Element { tag, vr, length, syntax }));
        }
        let vr = VR::from_binary([start[4], start[5]]);
        if vr.is_none() && !start[4..6].iter().all(u8::is_ascii_uppercase) {
            return self.without_vr(tag, &start, context).map(Some);
        }
        let vr = vr.unwrap_or(VR::UN);
        if has_short_length(vr) {
            let length = match syntax.big_endian {
                true => u16::from_be_bytes([start[6], start[7]]),
                false => u16::from_le_bytes([start[6], start[7]]),
            };
            return Ok(Some(Element { tag, vr, length: length.into(), syntax }));
        }
        let mut length = [0; 4];
        if self.source.fill(&mut length) < 4 {
            return Err(HeaderError::Truncated(tag));
        }
        let length = u32_of(&length, syntax);
        Ok(Some(match vr {
            VR::UN => {
                let vr = dictionary_vr(tag, context.signed).unwrap_or(VR::UN);
                Element { tag, vr, length, syntax: implicit }
            }
            vr => Element { tag, vr, length, syntax },
        }))
    }

    /// Two bytes that spell no VR: blanks and the like stand where a writer did not know it, with
    /// a length of 16 bits; otherwise a writer went over to Implicit VR without saying so.
    fn without_vr(&mut self, tag: Tag, start: &[u8; 8], context: &Context) -> Walked<Element> {
        let vr = dictionary_vr(tag, context.signed).unwrap_or(VR::UN);
        let short = u16::from_le_bytes([start[6], start[7]]);
        match &start[4..6] {
            b"  " | b"??" | b"--" => {
                Ok(Element { tag, vr, length: short.into(), syntax: context.syntax })
            }
            _ if context.syntax.big_endian => malformed(tag, "it has no value representation"),
            _ => {
                let syntax = Syntax { big_endian: false, implicit: true };
                Ok(Element { tag, vr, length: u32_of(&start[4..], syntax), syntax })
            }
        }
    }

    fn value(
        &mut self,
        element: &Element,
        context: &mut Context,
        found: &mut Vec<(Tag, Attribute)>,
    ) -> Walked<()> {
        let Element { tag, vr, length, .. } = *element;
        let ends = self.source.position() + u64::from(length);
        if length != UNDEFINED && context.end.is_some_and(|end| ends > end) {
            return malformed(tag, "it is longer than the item around it");
        }
        if vr == VR::SQ || (length == UNDEFINED && vr == VR::UN) {
            let items = self.sequence(element, context)?;
            self.keep(found, tag, VR::SQ, items);
            return Ok(());
        }
        if length == UNDEFINED {
            return match vr {
                VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV => self.fragments(tag),
                _ => malformed(tag, "its length is undefined"),
            };
        }
        if values::is_bulk(vr) || length > LONGEST_VALUE || tag >> 16 <= 2 {
            return self.skip(tag, length);
        }
        let mut buffer = [0; LONGEST_VALUE as usize];
        let value = &mut buffer[..length as usize];
        if self.source.fill(value) < value.len() {
            return Err(HeaderError::Truncated(tag));
        }
        if tag == SPECIFIC_CHARACTER_SET {
            context.sets = CharacterSets::from_attribute(value);
        }
        let big_endian = element.syntax.big_endian;
        let values = values::read(vr, value, big_endian, &context.sets);
        if tag == PIXEL_REPRESENTATION {
            context.signed = values.first() == Some(&Value::Integer(1));
        }
        self.keep(found, tag, vr, values);
        Ok(())
    }

    fn keep(&mut self, found: &mut Vec<(Tag, Attribute)>, tag: Tag, vr: VR, values: Values) {
        self.kept += 1;
        self.held += values.iter().map(held_by).sum::<usize>();
        if self.keeps_all || (self.kept <= MOST_ATTRIBUTES && self.held <= MOST_VALUES) {
            found.push((tag, Attribute { vr: vr.to_string().into(), values }));
        }
    }

    fn skip(&mut self, tag: Tag, length: u32) -> Walked<()> {
        // Pixels beyond the cap are taken on trust: deflated bytes have no checksum anyway.
        let capped = |source: &Source| source.is_capped() && tag >> 16 == PIXEL_GROUP >> 16;
        match self.source.skip(length.into()) || capped(&self.source) {
            true => Ok(()),
            false => Err(HeaderError::Truncated(tag)),
        }
    }

    fn sequence(&mut self, sequence: &Element, context: &Context) -> Walked<Values> {
        if context.depth == DEEPEST {
            return malformed(sequence.tag, "sequences are nested too deeply");
        }
        let end = match sequence.length {
            UNDEFINED => None,
            length => Some(self.source.position() + u64::from(length)),
        };
        let mut items = Values::new();
        while end.is_none_or(|end| self.source.position() < end) {
            let (tag, length) = self.item(sequence.tag, sequence.syntax)?;
            match tag {
                SEQUENCE_END => break,
                ITEM => {}
                _ => return malformed(sequence.tag, "something stands where an item should"),
            }
            let position = self.source.position();
            let item_end = (length != UNDEFINED).then(|| position + u64::from(length));
            if item_end.is_some_and(|item| end.or(context.end).is_some_and(|end| item > end)) {
                return malformed(sequence.tag, "an item is longer than its sequence");
            }
            let before = (self.kept, self.held);
            let item = self.elements(Context {
                syntax: sequence.syntax,
                depth: context.depth + 1,
                end: item_end,
                ..context.clone()
            })?;
            match self.keeps_all || items.len() < MOST_ITEMS {
                true => items.push(Value::Item(item)),
                // What is not kept takes no room from what comes behind a long sequence.
                false => (self.kept, self.held) = before,
            }
        }
        Ok(items)
    }

    /// Encapsulated pixels (PS3.5 A.4): items up to a sequence delimiter.
    fn fragments(&mut self, pixels: Tag) -> Walked<()> {
        let syntax = Syntax { big_endian: false, implicit: false };
        loop {
            let (tag, length) = self.item(pixels, syntax)?;
            match tag {
                SEQUENCE_END => return Ok(()),
                ITEM if length != UNDEFINED => self.skip(pixels, length)?,
                _ => return malformed(pixels, "something stands where a fragment should"),
            }
        }
    }

    fn item(&mut self, sequence: Tag, syntax: Syntax) -> Walked<(Tag, u32)> {
        let mut start = [0; 8];
        match self.source.fill(&mut start) {
            8 => Ok((tag(&start, syntax), u32_of(&start[4..], syntax))),
            _ => Err(HeaderError::Truncated(sequence)),
        }
    }
}

/// Without what the attributes of an item hold, which were counted when they were kept.
fn held_by(value: &Value) -> usize {
    size_of::<Value>() + if let Value::Text(text) = value { text.len() } else { 0 }
}

fn tag(bytes: &[u8; 8], syntax: Syntax) -> Tag {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    match syntax.big_endian {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes).rotate_left(16),
    }
}

/// Of the first four bytes, which are there.
fn u32_of(bytes: &[u8], syntax: Syntax) -> u32 {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    match syntax.big_endian {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    }
}

/// Lengths of 16 bits (PS3.5 7.1.2); every other VR, later ones too, has 32.
fn has_short_length(vr: VR) -> bool {
    use VR::*;
    matches!(
        vr,
        AE | AS
            | AT
            | CS
            | DA
            | DS
            | DT
            | FL
            | FD
            | IS
            | LO
            | LT
            | PN
            | SH
            | SL
            | SS
            | ST
            | TM
            | UI
            | UL
            | US
    )
}

fn dictionary_vr(tag: Tag, signed: bool) -> Option<VR> {
    let tag = dicom_core::Tag((tag >> 16) as u16, tag as u16);
    Some(match StandardDataDictionary.by_tag(tag)?.vr() {
        VirtualVr::Exact(vr) => vr,
        VirtualVr::Xs if signed => VR::SS,
        VirtualVr::Xs => VR::US,
        _ => VR::OW,
    })
}
