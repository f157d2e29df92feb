//! The values of a Part 10 file (PS3.10 7) that an image needs, as slices of it; sequences are stepped over.

use crate::walk::{Encoding, Pixels, Values, Walk};
use flate2::read::DeflateDecoder;
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

const GROUP_LENGTH: u32 = 0x0002_0000;
const TRANSFER_SYNTAX_UID: u32 = 0x0002_0010;

/// A deflated image may grow to this many bytes: the largest image of 16 bits and its header.
const MOST_INFLATED: u64 = 80 << 20;

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
    values: Values,
    pixels: Pixels,
    encoding: Encoding,
}

/// The values of an item, by their places in its data set.
#[derive(Clone)]
pub struct Found {
    values: Values,
    encoding: Encoding,
}

/// Pixel Data as it stands in the file.
pub enum PixelData<'a> {
    Native(&'a [u8]),
    Encapsulated(Encapsulated<'a>),
}

/// Compressed pixels in their pieces.
pub struct Encapsulated<'a> {
    /// The value of the Basic Offset Table (PS3.5 A.4).
    pub offsets: &'a [u8],
    data: &'a [u8],
    fragments: &'a [Range<usize>],
}

impl<'a> Encapsulated<'a> {
    pub fn len(&self) -> usize {
        self.fragments.len()
    }

    pub fn fragment(&self, at: usize) -> &'a [u8] {
        self.fragments.get(at).map_or(&[], |range| &self.data[range.clone()])
    }
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
        Ok(Self { transfer_syntax, data, values, pixels, encoding })
    }

    /// The wanted values of the first item of a sequence that was wanted itself; nothing where there is none.
    pub fn item(&self, sequence: u32, wanted: &[u32]) -> Result<Option<Elements<'_>>, Unreadable> {
        Ok(self.items(sequence, wanted, 1)?.pop())
    }

    /// The same of all items, up to so many; none where the sequence is not there.
    pub fn items(
        &self,
        sequence: u32,
        wanted: &[u32],
        most: usize,
    ) -> Result<Vec<Elements<'_>>, Unreadable> {
        let Some(range) = self.values.get(&sequence) else { return Ok(Vec::new()) };
        let (data, at, encoding) = (&self.data[..range.end], range.start, self.encoding);
        let found = Walk { data, at, encoding }.items(wanted, most)?.into_iter();
        let of_item = |(values, encoding)| Elements {
            transfer_syntax: self.transfer_syntax.clone(),
            data: Cow::Borrowed(&*self.data),
            values,
            pixels: Pixels::Absent,
            encoding,
        };
        Ok(found.map(of_item).collect())
    }

    /// What [`Elements::item`] found, to be kept: the walk through an item is paid once.
    pub fn find_item(&self, sequence: u32, wanted: &[u32]) -> Result<Option<Found>, Unreadable> {
        let item = self.item(sequence, wanted)?;
        Ok(item.map(|Elements { values, encoding, .. }| Found { values, encoding }))
    }

    /// The elements of an item of this data set, at whatever depth it was found.
    pub fn of_item(&self, found: &Found) -> Elements<'_> {
        Elements { values: found.values.clone(), encoding: found.encoding, ..self.without_values() }
    }

    pub fn pixel_data(&self) -> Option<PixelData<'_>> {
        match &self.pixels {
            Pixels::Absent => None,
            Pixels::Native(range) => Some(PixelData::Native(&self.data[range.clone()])),
            Pixels::Encapsulated { offsets, fragments } => {
                let offsets = &self.data[offsets.clone()];
                Some(PixelData::Encapsulated(Encapsulated { offsets, data: &self.data, fragments }))
            }
        }
    }

    pub fn is_big_endian(&self) -> bool {
        self.encoding.big_endian
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
        self.words(tag)?.first().copied()
    }

    /// Of the same data set, without any value.
    pub fn without_values(&self) -> Elements<'_> {
        Elements {
            transfer_syntax: self.transfer_syntax.clone(),
            data: Cow::Borrowed(&*self.data),
            values: Values::new(),
            pixels: Pixels::Absent,
            encoding: self.encoding,
        }
    }

    /// All values of a UL; what is left over of four bytes is not read.
    pub fn longs(&self, tag: u32) -> Option<Vec<u32>> {
        let long = if self.is_big_endian() { u32::from_be_bytes } else { u32::from_le_bytes };
        let fours = self.bytes(tag)?.chunks_exact(4);
        Some(fours.map(|four| long([four[0], four[1], four[2], four[3]])).collect())
    }

    /// The first value of an FD.
    pub fn double(&self, tag: u32) -> Option<f64> {
        let eight = self.bytes(tag)?.first_chunk()?;
        let double = if self.is_big_endian() { f64::from_be_bytes } else { f64::from_le_bytes };
        Some(double(*eight))
    }

    /// All values of a US or OW; what is left over of two bytes is not read.
    pub fn words(&self, tag: u32) -> Option<Vec<u16>> {
        self.first_words(tag, usize::MAX)
    }

    /// The same, so many at most.
    pub fn first_words(&self, tag: u32, most: usize) -> Option<Vec<u16>> {
        let word = if self.is_big_endian() { u16::from_be_bytes } else { u16::from_le_bytes };
        let pairs = self.bytes(tag)?.chunks_exact(2).take(most);
        Some(pairs.map(|pair| word([pair[0], pair[1]])).collect())
    }

    /// Whether the element is there, empty or not.
    pub fn is_present(&self, tag: u32) -> bool {
        self.values.contains_key(&tag)
    }

    /// Absent, or nothing but padding.
    pub fn is_blank(&self, tag: u32) -> bool {
        self.bytes(tag).is_none_or(|bytes| bytes.iter().all(|byte| matches!(byte, b' ' | 0)))
    }

    pub fn bytes(&self, tag: u32) -> Option<&[u8]> {
        self.data.get(self.values.get(&tag)?.clone())
    }
}

/// The transfer syntax, and where the data set begins. Group 0002 is Explicit VR Little Endian.
/// Where the group length is right, what follows is data set, even if it claims to be of group 0002.
fn read_file_meta(part10: &[u8]) -> Result<(Uid, usize), Unreadable> {
    let encoding = Encoding { explicit: true, big_endian: false };
    let mut walk = Walk { data: part10, at: 132, encoding };
    let (mut transfer_syntax, mut end) = (None, None);
    while walk.peek_group() == Some(0x0002) {
        let header = walk.header(encoding)?;
        let range = walk.value(header.length)?;
        if header.tag == GROUP_LENGTH && range.len() == 4 {
            let length = part10[range.clone()]
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            end = Some(walk.at + length);
        }
        if header.tag == TRANSFER_SYNTAX_UID {
            let text = std::str::from_utf8(&part10[range]).ok();
            transfer_syntax = text.and_then(|text| Uid::parse(text).ok());
        }
        if end == Some(walk.at) && transfer_syntax.is_some() {
            break;
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
    fn a_data_set_that_begins_like_a_head_is_no_part_of_the_head() {
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM\x02\0\0\0UL\x04\0\x1C\0\0\0");
        file.extend_from_slice(b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0");
        file.extend_from_slice(
            b"\x02\x00\x10\x00UI\x06\x001.2.3\0\x28\x00\x10\x00US\x02\x00\x07\x00",
        );
        let elements = Elements::read(&file, &[0x0028_0010]).unwrap();
        assert_eq!(elements.transfer_syntax.as_str(), "1.2.840.10008.1.2.1");
        assert_eq!(elements.unsigned(0x0028_0010), Some(7));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_before_anything_is_allocated() {
        let file = part10(b"\xE0\x7F\x10\x00OW\0\0\xFE\xFF\xFF\xFF\0\0");
        assert_eq!(Elements::read(&file, &[]).err(), Some(Unreadable::Truncated));
        assert_eq!(Elements::read(&file[1..], &[]).err(), Some(Unreadable::NotPart10));
    }

    #[test]
    fn a_deflated_data_set_that_grows_without_end_is_refused() {
        use std::io::Write;
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        for _ in 0..=MOST_INFLATED >> 20 {
            deflate.write_all(&vec![0; 1 << 20]).unwrap();
        }
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99");
        file.extend_from_slice(&deflate.finish().unwrap());
        assert!(file.len() < 1 << 20);
        assert_eq!(Elements::read(&file, &[]).err(), Some(Unreadable::InflatesTooFar));
    }

    /// Explicit and implicit, with lengths and with delimiters.
    #[test]
    fn the_first_item_of_a_sequence_is_read_and_no_broken_one_makes_the_walk_panic() {
        let delimited = part10(
            b"\x28\0\x10\x30SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF\
              \x28\0\x02\x30US\x06\0\x02\0\0\0\x08\0\x28\0\x06\x30US\x04\0\x01\0\xFF\0\
              \xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0",
        );
        let with_lengths = part10(
            b"\x28\0\x10\x30UN\0\0\x22\0\0\0\xFE\xFF\0\xE0\x1A\0\0\0\
              \x28\0\x02\x30\x06\0\0\0\x02\0\0\0\x08\0\x28\0\x06\x30\x04\0\0\0\x01\0\xFF\0",
        );
        let words = |file: &[u8]| -> Option<[Vec<u16>; 2]> {
            let elements = Elements::read(file, &[0x0028_3010]).ok()?;
            let item = elements.item(0x0028_3010, &[0x0028_3002, 0x0028_3006]).ok()??;
            Some([item.words(0x0028_3002)?, item.words(0x0028_3006)?])
        };
        for file in [delimited, with_lengths] {
            assert_eq!(words(&file), Some([vec![2, 0, 8], vec![1, 255]]));
            (0..file.len()).for_each(|cut| drop(words(&file[..cut])));
            for at in 128..file.len() {
                for value in [0, 1, 0x7F, 0xFF] {
                    let mut file = file.clone();
                    file[at] = value;
                    words(&file);
                }
            }
        }
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
