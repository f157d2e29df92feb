//! Walks over the elements of one level of a data set (PS3.5 section 7) and says where each lies; what is inside them is stepped over.

use gantry_terms::header::Tag;

pub const ITEM: Tag = 0xFFFE_E000;
const ITEM_END: Tag = 0xFFFE_E00D;
const SEQUENCE_END: Tag = 0xFFFE_E0DD;
const PIXEL_GROUP: u32 = 0x7FE0;
const UNDEFINED: u32 = u32::MAX;
/// The delimiter of a sequence or an item of undefined length.
pub const DELIMITER: usize = 8;
/// Sequences in sequences; each has its item. Deeper ones are not taken from a scanner.
pub(crate) const DEEPEST: usize = 1 + 2 * 24;

/// VRs of Explicit VR whose length field has 16 bits (PS3.5 table 7.1-2).
const SHORT_LENGTH: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

/// The bytes are not those of a data set from this element on; 0 where not even a tag can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object cannot be walked at ({:04X},{:04X})", .0 >> 16, .0 & 0xFFFF)]
pub struct Unreadable(pub Tag);

/// How the elements of a data set that is not deflated are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    pub implicit: bool,
    pub big_endian: bool,
}

/// An element, an item, or nothing but where they end: offsets into the bytes that are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    pub tag: Tag,
    /// None where the file has none, or no proper one.
    pub vr: Option<[u8; 2]>,
    pub start: usize,
    pub value: usize,
    /// Behind its delimiter, where its length is undefined.
    pub end: usize,
    pub undefined: bool,
    /// Its length field has 16 bits.
    short: bool,
    /// Of the items inside.
    pub inside: Syntax,
}

impl Element {
    /// Where its value ends, its delimiter not included.
    pub fn value_end(&self) -> usize {
        self.end - if self.undefined { DELIMITER } else { 0 }
    }
}

/// The elements of a data set or of an item, or the items of a sequence.
pub struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    syntax: Syntax,
    items: bool,
    pixels: bool,
}

impl<'a> Elements<'a> {
    pub fn of_data_set(bytes: &'a [u8], syntax: Syntax) -> Self {
        Self { bytes, at: 0, syntax, items: false, pixels: false }
    }

    pub fn of_sequence(bytes: &'a [u8], syntax: Syntax) -> Self {
        Self { bytes, at: 0, syntax, items: true, pixels: false }
    }

    /// Behind the last element that was told.
    pub fn at(&self) -> usize {
        self.at
    }

    fn element(&self) -> Result<Element, Unreadable> {
        let (mut element, length) = head(self.bytes, self.at, self.syntax)?;
        if (element.tag == ITEM) != self.items || [ITEM_END, SEQUENCE_END].contains(&element.tag) {
            return Err(Unreadable(element.tag));
        }
        element.undefined = length == UNDEFINED;
        element.end = match element.undefined {
            true => end_of_undefined(self.bytes, &element)?,
            false => end_of(self.bytes, &element, length)?,
        };
        Ok(element)
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Element, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.at..];
        // Some devices pad behind the last element.
        if rest.is_empty() || (rest.len() < 8 && !self.items && rest.iter().all(|b| *b == 0)) {
            return None;
        }
        match self.element() {
            Ok(element) => {
                self.at = element.end;
                self.pixels |= element.tag >> 16 == PIXEL_GROUP;
                Some(Ok(element))
            }
            // Nor is it more than padding, whatever it is, when it comes behind whole pixels.
            Err(_) if self.pixels => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn end_of(bytes: &[u8], element: &Element, length: u32) -> Result<usize, Unreadable> {
    let end = element.value.checked_add(length as usize).filter(|end| *end <= bytes.len());
    end.ok_or(Unreadable(element.tag))
}

/// Where the delimiter of the sequence, the fragments or the item ends.
fn end_of_undefined(bytes: &[u8], outermost: &Element) -> Result<usize, Unreadable> {
    let unreadable = || Unreadable(outermost.tag);
    // Whether it is an item, whose elements follow, or holds items; and how these are encoded.
    let mut open = vec![(outermost.tag == ITEM, outermost.inside)];
    let mut at = outermost.value;
    while let Some((is_item, syntax)) = open.last().copied() {
        let (element, length) = head(bytes, at, syntax).map_err(|_| unreadable())?;
        at = element.value;
        match element.tag {
            ITEM_END if is_item => drop(open.pop()),
            SEQUENCE_END if !is_item => drop(open.pop()),
            ITEM_END | SEQUENCE_END => return Err(unreadable()),
            tag if (tag == ITEM) == is_item => return Err(unreadable()),
            tag if length == UNDEFINED => open.push((tag == ITEM, element.inside)),
            _ => at = end_of(bytes, &element, length).map_err(|_| unreadable())?,
        }
        if open.len() > DEEPEST {
            return Err(unreadable());
        }
    }
    Ok(at)
}

/// The head of the element at this place, and its length. Its end is not known yet.
fn head(bytes: &[u8], start: usize, syntax: Syntax) -> Result<(Element, u32), Unreadable> {
    let front: [u8; 8] = array(bytes, start).ok_or(Unreadable(0))?;
    let numbers = Numbers { big_endian: syntax.big_endian };
    let group = numbers.u16([front[0], front[1]]);
    let tag = u32::from(group) << 16 | u32::from(numbers.u16([front[2], front[3]]));
    let long = numbers.u32([front[4], front[5], front[6], front[7]]);
    let short_length = u32::from(numbers.u16([front[6], front[7]]));
    let at = |vr, value, inside| Element {
        tag,
        vr,
        start,
        value: start + value,
        end: start + value,
        undefined: false,
        short: false,
        inside,
    };
    let with_short_length = |vr| (Element { short: true, ..at(vr, 8, syntax) }, short_length);
    if group == 0xFFFE || syntax.implicit {
        return Ok((at(None, 8, syntax), long));
    }
    let vr = [front[4], front[5]];

    let implicit = Syntax { implicit: true, big_endian: false };
    if !vr.iter().all(u8::is_ascii_uppercase) {
        return match &vr {
            // Its writer did not know the VR ...
            b"  " | b"??" | b"--" => Ok(with_short_length(None)),
            _ if syntax.big_endian => Err(Unreadable(tag)),
            // ... or went over to Implicit VR without saying so.
            _ => Ok((at(None, 8, implicit), long)),
        };
    }
    if SHORT_LENGTH.iter().any(|short| **short == vr) {
        return Ok(with_short_length(Some(vr)));
    }
    let length = numbers.u32(array(bytes, start + 8).ok_or(Unreadable(tag))?);
    // UN of undefined length holds Implicit VR Little Endian (PS3.5 6.2.2 note 4).
    let inside = if &vr == b"UN" { implicit } else { syntax };
    Ok((at(Some(vr), 12, inside), length))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[derive(Clone, Copy)]
struct Numbers {
    big_endian: bool,
}

impl Numbers {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

impl Syntax {
    /// A whole element. None when the value is longer than its VR can say.
    pub fn element(self, tag: Tag, vr: [u8; 2], value: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = self.tag(tag);
        let length = u32::try_from(value.len()).ok().filter(|length| *length != UNDEFINED)?;
        if self.implicit {
            bytes.extend(self.u32(length));
        } else if SHORT_LENGTH.iter().any(|short| **short == vr) {
            bytes.extend(vr);
            bytes.extend(self.u16(u16::try_from(value.len()).ok()?));
        } else {
            bytes.extend(vr);
            bytes.extend([0, 0]);
            bytes.extend(self.u32(length));
        }
        bytes.extend_from_slice(value);
        Some(bytes)
    }

    pub fn item(self, content: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = self.tag(ITEM);
        bytes.extend(self.u32(u32::try_from(content.len()).ok().filter(|n| *n != UNDEFINED)?));
        bytes.extend_from_slice(content);
        Some(bytes)
    }

    /// The sequence or item again, with other content.
    pub fn refilled(self, bytes: &[u8], element: &Element, content: &[u8]) -> Option<Vec<u8>> {
        if element.short {
            return None;
        }
        let mut head = bytes[element.start..element.value].to_vec();
        if !element.undefined {
            let length = u32::try_from(content.len()).ok().filter(|n| *n != UNDEFINED)?;
            let at = head.len() - 4;
            head[at..].copy_from_slice(&self.u32(length));
        }
        let delimiter = &bytes[element.value_end()..element.end];
        Some([&head, content, delimiter].concat())
    }

    fn tag(self, tag: Tag) -> Vec<u8> {
        let [group, element] = [(tag >> 16) as u16, tag as u16].map(|half| self.u16(half));
        [group, element].concat()
    }

    pub fn u16(self, number: u16) -> [u8; 2] {
        if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub fn u32(self, number: u32) -> [u8; 4] {
        if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }
}
