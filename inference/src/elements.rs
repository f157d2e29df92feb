//! Walks a Part 10 file (PS3.10 7) without recursion and without copies: top-level values as slices, sequences skipped.

use flate2::read::DeflateDecoder;
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

const PIXEL_DATA: u32 = 0x7FE0_0010;
const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const TRANSFER_SYNTAX_UID: u32 = 0x0002_0010;
const UNDEFINED: u32 = u32::MAX;

/// A deflated slice may grow to this many bytes: a 4096 x 4096 slice of 16 bits and its header.
const MOST_INFLATED: u64 = 48 << 20;

/// Why bytes are not a DICOM file that can be read. Never repeats a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it does not begin with a preamble and DICM (PS3.10 7.1)")]
    NotPart10,
    #[error("its file meta information names no transfer syntax")]
    NoTransferSyntax,
    #[error("it ends in the middle of an element")]
    Truncated,
    #[error("its elements can not be told apart (PS3.5 section 7)")]
    Malformed,
    #[error("its deflated data set is damaged")]
    Deflate,
    #[error("its deflated data set grows beyond {} MiB", MOST_INFLATED >> 20)]
    InflatesTooFar,
}

/// The values of one data set that were asked for.
pub struct Elements<'a> {
    pub transfer_syntax: Uid,
    /// The data set, inflated where it was deflated.
    data: Cow<'a, [u8]>,
    /// Byte ranges into `data`.
    values: HashMap<u32, std::ops::Range<usize>>,
    pixels: Pixels,
    big_endian: bool,
}

/// Where Pixel Data (7FE0,0010) lies.
enum Pixels {
    Absent,
    Native(std::ops::Range<usize>),
    /// Each fragment, without the Basic Offset Table.
    Encapsulated(Vec<std::ops::Range<usize>>),
}

/// Pixel Data as it stands in the file.
pub enum PixelData<'a> {
    Native(&'a [u8]),
    Encapsulated(Vec<&'a [u8]>),
}

#[derive(Clone, Copy)]
struct Encoding {
    explicit: bool,
    big_endian: bool,
}

struct ElementHeader {
    tag: u32,
    vr: [u8; 2],
    length: u32,
}

impl<'a> Elements<'a> {
    /// Keeps the values of `wanted` and Pixel Data; everything else is stepped over.
    pub fn read(part10: &'a [u8], wanted: &[u32]) -> Result<Self, Unreadable> {
        if part10.get(128..132) != Some(b"DICM") {
            return Err(Unreadable::NotPart10);
        }
        let (transfer_syntax, start) = read_file_meta(part10)?;
        let rest = &part10[start..];
        let data = match transfer_syntax.as_str() {
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => Cow::Owned(inflate(rest)?),
            _ => Cow::Borrowed(rest),
        };
        let encoding = Encoding {
            explicit: transfer_syntax.as_str() != IMPLICIT_VR_LITTLE_ENDIAN,
            big_endian: transfer_syntax.as_str() == EXPLICIT_VR_BIG_ENDIAN,
        };
        let (values, pixels) = Walk { data: &data, at: 0, encoding }.data_set(wanted)?;
        let big_endian = encoding.big_endian;
        Ok(Self { transfer_syntax, data, values, pixels, big_endian })
    }

    pub fn pixel_data(&self) -> Option<PixelData<'_>> {
        match &self.pixels {
            Pixels::Absent => None,
            Pixels::Native(range) => Some(PixelData::Native(&self.data[range.clone()])),
            Pixels::Encapsulated(ranges) => {
                let fragments = ranges.iter().map(|range| &self.data[range.clone()]);
                Some(PixelData::Encapsulated(fragments.collect()))
            }
        }
    }

    pub fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// The text without padding; nothing when absent, empty or not ASCII (what is read here is).
    pub fn text(&self, tag: u32) -> Option<&str> {
        let text = std::str::from_utf8(self.bytes(tag)?).ok()?;
        let text = text.trim_matches([' ', '\0']);
        (!text.is_empty()).then_some(text)
    }

    /// All values of a DS or IS; nothing when one of them is not a finite number.
    pub fn decimals(&self, tag: u32) -> Option<Vec<f64>> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        self.text(tag)?.split('\\').map(number).collect()
    }

    pub fn decimal(&self, tag: u32) -> Option<f64> {
        self.decimals(tag)?.first().copied()
    }

    /// The first value of a US.
    pub fn unsigned(&self, tag: u32) -> Option<u16> {
        let bytes: [u8; 2] = self.bytes(tag)?.get(..2)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn bytes(&self, tag: u32) -> Option<&[u8]> {
        self.data.get(self.values.get(&tag)?.clone())
    }
}

/// The transfer syntax, and where the data set begins. Group 0002 is Explicit VR Little Endian.
fn read_file_meta(part10: &[u8]) -> Result<(Uid, usize), Unreadable> {
    let encoding = Encoding { explicit: true, big_endian: false };
    let mut walk = Walk { data: part10, at: 132, encoding };
    let mut transfer_syntax = None;
    while walk.peek_group() == Some(0x0002) {
        let header = walk.header(encoding)?;
        let range = walk.value(header.length)?;
        if header.tag == TRANSFER_SYNTAX_UID {
            let text = std::str::from_utf8(&part10[range]).ok();
            transfer_syntax = text.and_then(|text| Uid::parse(text).ok());
        }
    }
    Ok((transfer_syntax.ok_or(Unreadable::NoTransferSyntax)?, walk.at))
}

fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut data = Vec::new();
    let mut reader = DeflateDecoder::new(deflated).take(MOST_INFLATED + 1);
    reader.read_to_end(&mut data).map_err(|_| Unreadable::Deflate)?;
    if data.len() as u64 > MOST_INFLATED {
        return Err(Unreadable::InflatesTooFar);
    }
    Ok(data)
}

/// A place in a data set, moved forward only.
struct Walk<'a> {
    data: &'a [u8],
    at: usize,
    encoding: Encoding,
}

type Values = HashMap<u32, std::ops::Range<usize>>;

impl Walk<'_> {
    fn data_set(mut self, wanted: &[u32]) -> Result<(Values, Pixels), Unreadable> {
        let mut values = Values::new();
        while self.at < self.data.len() {
            let header = self.header(self.encoding)?;
            if header.tag == PIXEL_DATA {
                let pixels = self.pixels(header.length)?;
                return Ok((values, pixels));
            } else if header.length == UNDEFINED {
                self.skip_sequence(header.vr)?;
            } else {
                let range = self.value(header.length)?;
                if wanted.contains(&header.tag) {
                    values.insert(header.tag, range);
                }
            }
        }
        Ok((values, Pixels::Absent))
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
        Ok(Pixels::Encapsulated(items.split_off(1)))
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
                (Open::Sequence, SEQUENCE_END) | (Open::Item, ITEM_END) => drop(open.pop()),
                (Open::Sequence, ITEM) if header.length == UNDEFINED => {
                    open.push((Open::Item, encoding));
                }
                (Open::Sequence, ITEM) => drop(self.value(header.length)?),
                (Open::Item, ITEM | SEQUENCE_END) | (Open::Sequence, _) => {
                    return Err(Unreadable::Malformed);
                }
                (Open::Item, _) if header.length == UNDEFINED => {
                    open.push((Open::Sequence, inside(header.vr, encoding)));
                }
                (Open::Item, _) => drop(self.value(header.length)?),
            }
        }
        Ok(())
    }

    fn header(&mut self, encoding: Encoding) -> Result<ElementHeader, Unreadable> {
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

    fn peek_group(&self) -> Option<u16> {
        let bytes = self.data.get(self.at..self.at + 2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn value(&mut self, length: u32) -> Result<std::ops::Range<usize>, Unreadable> {
        let start = self.at;
        self.take(length as usize)?;
        Ok(start..self.at)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn part10(data_set: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0");
        file.extend_from_slice(data_set);
        file
    }

    #[test]
    fn a_file_that_nests_a_hundred_thousand_sequences_is_stepped_over() {
        let mut data_set = Vec::new();
        for _ in 0..100_000 {
            data_set.extend_from_slice(b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF");
            data_set.extend_from_slice(b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
        }
        for _ in 0..100_000 {
            data_set.extend_from_slice(b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
        }
        data_set.extend_from_slice(b"\x28\x00\x10\x00US\x02\x00\x07\x00");
        let file = part10(&data_set);
        let elements = Elements::read(&file, &[0x0028_0010]).unwrap();
        assert_eq!(elements.unsigned(0x0028_0010), Some(7));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_before_anything_is_allocated() {
        let file = part10(b"\xE0\x7F\x10\x00OW\0\0\xFE\xFF\xFF\xFF\0\0");
        assert_eq!(Elements::read(&file, &[]).err(), Some(Unreadable::Truncated));
        assert_eq!(Elements::read(&file[1..], &[]).err(), Some(Unreadable::NotPart10));
    }

    #[test]
    fn no_prefix_of_a_file_and_no_flipped_byte_makes_the_walk_panic() {
        let file = part10(
            b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\
              \x28\x00\x10\x00US\x02\x00\x07\x00\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0\
              \xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\
              \xFE\xFF\x00\xE0\x02\0\0\0ab\xFE\xFF\xDD\xE0\0\0\0\0",
        );
        assert!(Elements::read(&file, &[]).is_ok());
        for cut in 0..file.len() {
            let _ = Elements::read(&file[..cut], &[0x0028_0010]);
        }
        for at in 128..file.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut file = file.clone();
                file[at] = value;
                let _ = Elements::read(&file, &[0x0028_0010]);
            }
        }
    }
}
