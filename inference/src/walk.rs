//! Steps from element to element of a data set (PS3.5 section 7) without recursion, and tells where values lie.

use crate::elements::Unreadable;
use std::collections::HashMap;
use std::ops::Range;

const PIXEL_DATA: u32 = 0x7FE0_0010;
const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const UNDEFINED: u32 = u32::MAX;

/// Where Pixel Data (7FE0,0010) lies.
pub enum Pixels {
    Absent,
    Native(Range<usize>),
    Encapsulated {
        /// The Basic Offset Table (PS3.5 A.4), empty or not.
        offsets: Range<usize>,
        fragments: Vec<Range<usize>>,
    },
}

#[derive(Clone, Copy)]
pub struct Encoding {
    pub explicit: bool,
    pub big_endian: bool,
}

pub struct ElementHeader {
    pub tag: u32,
    pub vr: [u8; 2],
    pub length: u32,
}

/// A place in a data set, moved forward only.
pub struct Walk<'a> {
    pub data: &'a [u8],
    pub at: usize,
    pub encoding: Encoding,
}

/// Where the wanted values lie; of a sequence its items, and the delimiters of what has no length.
pub type Values = HashMap<u32, Range<usize>>;

impl Walk<'_> {
    pub fn data_set(mut self, wanted: &[u32]) -> Result<(Values, Pixels), Unreadable> {
        let mut values = Values::new();
        while self.at < self.data.len() {
            let header = self.header(self.encoding)?;
            if header.tag == PIXEL_DATA {
                let pixels = self.pixels(header.length)?;
                return Ok((values, pixels));
            } else if header.length == UNDEFINED {
                let start = self.at;
                self.skip_sequence(header.vr)?;
                if wanted.contains(&header.tag) {
                    values.insert(header.tag, start..self.at);
                }
            } else {
                let range = self.value(header.length)?;
                if wanted.contains(&header.tag) {
                    values.insert(header.tag, range);
                }
            }
        }
        Ok((values, Pixels::Absent))
    }

    /// The wanted values of each item of a sequence, whose items begin here, up to so many items.
    pub fn items(
        mut self,
        wanted: &[u32],
        most: usize,
    ) -> Result<Vec<(Values, Encoding)>, Unreadable> {
        let mut items = Vec::new();
        while self.at < self.data.len() && items.len() < most {
            let item = self.header(self.encoding)?;
            match item.tag {
                ITEM => items.push(self.item(item.length, wanted)?),
                SEQUENCE_END => break,
                _ => return Err(Unreadable::Malformed),
            }
        }
        Ok(items)
    }

    /// To behind the item that begins here.
    fn item(&mut self, length: u32, wanted: &[u32]) -> Result<(Values, Encoding), Unreadable> {
        let mut encoding = self.encoding;
        // A sequence as UN is in Implicit VR (PS3.5 6.2.2), whatever the file is in: then a length stands
        // where a VR would.
        let vr = self.data.get(self.at + 4..self.at + 6).filter(|_| length != 0);
        let ends = self.data.get(self.at..self.at + 2) == Some(&[0xFE, 0xFF]);
        if !ends && vr.is_some_and(|vr| !vr.iter().all(u8::is_ascii_uppercase)) {
            encoding.explicit = false;
        }
        let end = match length {
            UNDEFINED => self.data.len(),
            length => {
                let end = self.value(length)?.end;
                self.at = end - length as usize;
                end
            }
        };
        let mut values = Values::new();
        while self.at < end {
            let header = self.header(encoding)?;
            let start = self.at;
            match (header.tag, header.length) {
                (ITEM_END, _) => break,
                (_, UNDEFINED) => {
                    let outside = std::mem::replace(&mut self.encoding, encoding);
                    self.skip_sequence(header.vr)?;
                    self.encoding = outside;
                }
                (_, length) => self.skip(length)?,
            }
            if wanted.contains(&header.tag) {
                values.insert(header.tag, start..self.at);
            }
        }
        if length != UNDEFINED {
            self.at = end;
        }
        Ok((values, encoding))
    }

    fn pixels(&mut self, length: u32) -> Result<Pixels, Unreadable> {
        if length != UNDEFINED {
            return Ok(Pixels::Native(self.value(length)?));
        }
        let mut items = Vec::new();
        loop {
            let header = self.header(self.encoding)?;
            match header.tag {
                ITEM if header.length != UNDEFINED => items.push(self.value(header.length)?),
                SEQUENCE_END => break,
                _ => return Err(Unreadable::Malformed),
            }
        }
        if items.is_empty() {
            return Err(Unreadable::Malformed); // not even a Basic Offset Table (PS3.5 A.4)
        }
        let fragments = items.split_off(1);
        Ok(Pixels::Encapsulated { offsets: items.remove(0), fragments })
    }

    /// To behind the delimiter of a sequence of undefined length. What is open is kept in a list,
    /// not on the stack: a file may nest as deep as it likes.
    fn skip_sequence(&mut self, vr: [u8; 2]) -> Result<(), Unreadable> {
        // UN of undefined length is a sequence in Implicit VR Little Endian (PS3.5 6.2.2).
        let inside = |vr: [u8; 2], outside: Encoding| match &vr {
            b"UN" => Encoding { explicit: false, big_endian: false },
            _ => outside,
        };
        let mut open = vec![(Open::Sequence, inside(vr, self.encoding))];
        while let Some(&(innermost, encoding)) = open.last() {
            let header = self.header(encoding)?;
            match (innermost, header.tag) {
                (Open::Sequence, SEQUENCE_END) | (Open::Item, ITEM_END) => {
                    open.pop();
                }
                (Open::Sequence, ITEM) if header.length == UNDEFINED => {
                    open.push((Open::Item, encoding));
                }
                (Open::Sequence, ITEM) => self.skip(header.length)?,
                (Open::Item, ITEM | SEQUENCE_END) | (Open::Sequence, _) => {
                    return Err(Unreadable::Malformed);
                }
                (Open::Item, _) if header.length == UNDEFINED => {
                    open.push((Open::Sequence, inside(header.vr, encoding)));
                }
                (Open::Item, _) => self.skip(header.length)?,
            }
        }
        Ok(())
    }

    pub fn header(&mut self, encoding: Encoding) -> Result<ElementHeader, Unreadable> {
        let group = self.u16(encoding)?;
        let tag = u32::from(group) << 16 | u32::from(self.u16(encoding)?);
        if group == 0xFFFE || !encoding.explicit {
            let length = self.u32(encoding)?;
            return Ok(ElementHeader { tag, vr: *b"  ", length });
        }
        let vr: [u8; 2] = self.take(2)?.try_into().map_err(|_| Unreadable::Truncated)?;
        if !vr.iter().all(u8::is_ascii_uppercase) {
            return Err(Unreadable::Malformed);
        }
        let length = if has_long_length(&vr) {
            self.take(2)?;
            self.u32(encoding)?
        } else {
            u32::from(self.u16(encoding)?)
        };
        Ok(ElementHeader { tag, vr, length })
    }

    pub fn peek_group(&self) -> Option<u16> {
        let bytes = self.data.get(self.at..self.at + 2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub fn value(&mut self, length: u32) -> Result<Range<usize>, Unreadable> {
        let start = self.at;
        self.take(length as usize)?;
        Ok(start..self.at)
    }

    fn skip(&mut self, length: u32) -> Result<(), Unreadable> {
        self.take(length as usize).map(|_| ())
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Unreadable> {
        let end = self.at.checked_add(length).ok_or(Unreadable::Truncated)?;
        let bytes = self.data.get(self.at..end).ok_or(Unreadable::Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    fn u16(&mut self, encoding: Encoding) -> Result<u16, Unreadable> {
        let bytes = self.take(2)?.try_into().map_err(|_| Unreadable::Truncated)?;
        Ok(if encoding.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&mut self, encoding: Encoding) -> Result<u32, Unreadable> {
        let bytes = self.take(4)?.try_into().map_err(|_| Unreadable::Truncated)?;
        Ok(if encoding.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

#[derive(Clone, Copy)]
enum Open {
    Sequence,
    Item,
}

/// The VRs with a length of 32 bits (PS3.5 table 7.1-1).
fn has_long_length(vr: &[u8; 2]) -> bool {
    const LONG: [&[u8; 2]; 13] =
        [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
    LONG.contains(&vr)
}
