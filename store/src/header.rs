//! Reads the attributes of an instance before its pixels, whatever its transfer syntax, and never panics on them.

use crate::data_set::{Syntax, Walker};
use crate::part10::read_head;
use crate::source::Source;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_encoding::{Codec, Endianness};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_terms::header::{Header, Tag};
use gantry_terms::transfer_syntaxes::{EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use gantry_terms::uid::Uid;
use std::fs::File;

pub use crate::part10::{implementation_class, part10, part10_head};

/// Why a data set cannot be read. Names tags, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end inside an attribute.
    #[error("the data set ends inside ({:04X},{:04X})", .0 >> 16, .0 & 0xFFFF)]
    Truncated(Tag),
    #[error("the data set is malformed at ({:04X},{:04X}): {what}", tag >> 16, tag & 0xFFFF)]
    Malformed { tag: Tag, what: &'static str },
}

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Pixels,
    End,
    /// Up to the pixels, or to where the bytes were cut.
    Cut,
}

/// The header of a Part 10 file, which may be cut anywhere behind the last attribute before
/// Pixel Data. A deep sequence, a long list of items and bulk data are walked over, not kept
/// (`data_set.rs` has the limits).
pub fn read_header(part10: &[u8]) -> Result<Header, HeaderError> {
    let head = read_head(part10)?;
    let syntax = head.transfer_syntax.ok_or(HeaderError::Malformed {
        tag: 0x0002_0010,
        what: "there is no Transfer Syntax UID",
    })?;
    read_data_set_header(&part10[head.data_set..], &syntax)
}

/// The header of a bare data set, which may be cut in the same way.
pub fn read_data_set_header(data_set: &[u8], syntax: &Uid) -> Result<Header, HeaderError> {
    read(Source::bytes(data_set), syntax, Until::Pixels)
}

/// What the first bytes of a data set tell of it, cut anywhere: the functional groups of a
/// multi-frame, an encapsulated document or a surface come before any pixels and may be longer than
/// what is held in memory.
pub fn read_start_of_data_set(start: &[u8], syntax: &Uid) -> Result<Header, HeaderError> {
    read(Source::bytes(start), syntax, Until::Cut)
}

/// As [`read_data_set_header`], and walks on to the last byte: a data set that ends inside its
/// pixels is truncated too.
pub fn read_whole_data_set(data_set: &[u8], syntax: &Uid) -> Result<Header, HeaderError> {
    read(Source::bytes(data_set), syntax, Until::End)
}

/// The data set of a message that is no object, such as a list of thousands of references: of any length, so that whoever
/// asks bounds it, and every item of it is there.
pub fn read_message(data_set: &[u8], syntax: &Uid) -> Result<Header, HeaderError> {
    let source = Source::bytes(data_set);
    let implicit = syntax.as_str() == IMPLICIT_VR_LITTLE_ENDIAN;
    let syntax = Syntax { big_endian: syntax.as_str() == EXPLICIT_VR_BIG_ENDIAN, implicit };
    Walker::new(source, Until::End).keeping_all().whole(syntax)
}

/// The header of a data set that lies in a file from its position on, in bounded memory.
pub(crate) fn read_file(file: File, length: u64, syntax: &Uid) -> Result<Header, HeaderError> {
    read(Source::file(file, length), syntax, Until::Pixels)
}

fn read(source: Source<'_>, syntax: &Uid, until: Until) -> Result<Header, HeaderError> {
    let known = TransferSyntaxRegistry.get(syntax.as_str());
    // A syntax that nobody has heard of has encapsulated pixels, so that its data set is in
    // Explicit VR Little Endian (PS3.5 A.4).
    let big_endian = known.is_some_and(|known| known.endianness() == Endianness::Big);
    let implicit = syntax.as_str() == IMPLICIT_VR_LITTLE_ENDIAN;
    let source = match known.map(|known| known.codec()) {
        Some(Codec::Dataset(Some(adapter))) => source.inflated(|read| adapter.adapt_reader(read)),
        _ => source,
    };
    Walker::new(source, until).whole(Syntax { big_endian, implicit })
}

/// The keyword of a tag, or its numbers where the standard has none.
pub fn keyword(tag: Tag) -> String {
    let (group, element) = ((tag >> 16) as u16, tag as u16);
    match StandardDataDictionary.by_tag(dicom_core::Tag(group, element)) {
        Some(entry) => entry.alias().to_string(),
        None => format!("({group:04X},{element:04X})"),
    }
}
