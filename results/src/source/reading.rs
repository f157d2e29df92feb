//! Reading the header of a Part 10 file as bytes and decoding the few attributes that results need.

use crate::data_set::{DataSet, vr_of};
use crate::object::ComposeError;
use crate::source::attributes::{COPIED, NEVER_CUT, READ};
use crate::source::texts;
use crate::text::copied;
use dicom_core::header::HasLength;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::Endianness;
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_parser::dataset::DataToken;
use dicom_parser::dataset::read::{DataSetReader, DataSetReaderOptions, Error, ValueReadStrategy};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_terms::character_sets::CharacterSets;
use std::collections::BTreeMap;
use std::io::Read;

/// Nothing that a result copies lies behind this attribute.
const LAST: Tag = tags::FILLER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST;
const DEEPEST: usize = 16;
const MALFORMED: ComposeError = ComposeError::SourceMalformed("an element cannot be read");

pub(super) type Raw = BTreeMap<Tag, RawValue>;

pub(super) enum RawValue {
    /// With the VR that the file has it in.
    Bytes(VR, Vec<u8>),
    Items(Vec<Raw>),
}

pub fn read(part10: &[u8]) -> Result<DataSet, ComposeError> {
    let (raw, _) = elements(part10, LAST)?;
    let wanted = raw.into_iter().filter(|(tag, _)| {
        READ.contains(tag)
            || COPIED.iter().any(|c| c.tag == *tag)
            || *tag == tags::SPECIFIC_CHARACTER_SET
    });
    let mut attributes = decoded(&wanted.collect(), &CharacterSets::default(), 0);
    mark_lossy(part10, &mut attributes);
    Ok(attributes)
}

/// Pixels that came as JPEG of 8 or 12 bits were lossy, whether or not the header says so. Other syntaxes that may
/// lose may as well not (PS3.5 A.4): there the header is believed.
pub(super) fn mark_lossy(part10: &[u8], attributes: &mut DataSet) {
    const JPEG: [&str; 2] = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];
    let syntax = part10.get(132..).and_then(file_meta).map(|(syntax, _)| syntax);
    let told = texts(attributes, tags::LOSSY_IMAGE_COMPRESSION);
    if syntax.is_some_and(|syntax| JPEG.contains(&syntax.as_str())) && told != ["01"] {
        attributes
            .text(tags::LOSSY_IMAGE_COMPRESSION, "01")
            .text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, "ISO_10918_1");
    }
}

/// Every element up to the last one that is wanted, and the order of the bytes in them.
pub(super) fn elements(part10: &[u8], last: Tag) -> Result<(Raw, Endianness), ComposeError> {
    if part10.get(128..132) != Some(b"DICM") {
        return Err(ComposeError::SourceMalformed("it is no DICOM file"));
    }
    let (syntax, rest) = file_meta(&part10[132..])
        .ok_or(ComposeError::SourceMalformed("its File Meta Information cannot be read"))?;
    let syntax = TransferSyntaxRegistry
        .get(&syntax)
        .ok_or(ComposeError::SourceMalformed("its transfer syntax is not known"))?;
    let bytes: Box<dyn Read + '_> = match syntax.codec() {
        Codec::Dataset(Some(adapter)) => adapter.adapt_reader(Box::new(rest)),
        _ => Box::new(rest),
    };
    let mut options = DataSetReaderOptions::default();
    options.value_read = ValueReadStrategy::Raw;
    let reader =
        DataSetReader::new_with_ts_options(bytes, syntax, options).map_err(|_| MALFORMED)?;
    let raw = level(&mut Tokens { reader, longest: part10.len(), last }, 0)?;
    Ok((raw, syntax.endianness()))
}

/// Transfer syntax and data set (PS3.10 7.1). By hand, because dicom-object reserves whatever
/// length a broken element claims.
fn file_meta(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut syntax = None;
    while bytes.starts_with(&[2, 0]) {
        let element = u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?);
        let (start, length) = match bytes.get(4..6)? {
            b"OB" | b"UN" => {
                (12usize, u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize)
            }
            _ => (8, u16::from_le_bytes(bytes.get(6..8)?.try_into().ok()?) as usize),
        };
        let value = bytes.get(start..start.checked_add(length)?)?;
        if element == 0x0010 {
            let text = String::from_utf8_lossy(value);
            syntax = Some(text.trim_end_matches(['\0', ' ']).to_owned());
        }
        bytes = &bytes[start + length..];
    }
    Some((syntax?, bytes))
}

struct Tokens<I> {
    reader: I,
    /// No header attribute can be longer than the file that it came in.
    longest: usize,
    last: Tag,
}

impl<I: Iterator<Item = Result<DataToken, Error>>> Tokens<I> {
    fn next(&mut self) -> Result<Option<DataToken>, ComposeError> {
        self.reader.next().transpose().map_err(|_| MALFORMED)
    }
}

/// Elements up to the end of the item, or up to the last one at the top.
fn level<I>(tokens: &mut Tokens<I>, depth: usize) -> Result<Raw, ComposeError>
where
    I: Iterator<Item = Result<DataToken, Error>>,
{
    if depth > DEEPEST {
        return Err(ComposeError::SourceMalformed("its sequences are nested too deeply"));
    }
    let mut raw = Raw::new();
    while let Some(token) = tokens.next()? {
        match token {
            DataToken::ElementHeader(header) if depth == 0 && header.tag > tokens.last => break,
            DataToken::SequenceStart { tag, .. } if depth == 0 && tag > tokens.last => break,
            DataToken::PixelSequenceStart if depth == 0 => break,
            DataToken::ElementHeader(header) => {
                if header.length().get().is_none_or(|length| length as usize > tokens.longest) {
                    return Err(MALFORMED);
                }
                if let Some(DataToken::PrimitiveValue(value)) = tokens.next()? {
                    let value = value.to_bytes().into_owned();
                    raw.insert(header.tag, RawValue::Bytes(header.vr, value));
                }
            }
            DataToken::SequenceStart { tag, .. } => {
                raw.insert(tag, RawValue::Items(sequence(tokens, depth)?));
            }
            DataToken::ItemEnd => break,
            _ => {}
        }
    }
    Ok(raw)
}

fn sequence<I>(tokens: &mut Tokens<I>, depth: usize) -> Result<Vec<Raw>, ComposeError>
where
    I: Iterator<Item = Result<DataToken, Error>>,
{
    let mut items = Vec::new();
    while let Some(token) = tokens.next()? {
        match token {
            DataToken::ItemStart { .. } => items.push(level(tokens, depth + 1)?),
            DataToken::SequenceEnd => break,
            _ => {}
        }
    }
    Ok(items)
}

/// Text attributes and sequences of the dictionary; an item may bring its own character set.
/// Inside items what is empty is left out: where a conditional attribute must not be empty, it
/// may be absent.
fn decoded(raw: &Raw, outer: &CharacterSets, depth: usize) -> DataSet {
    let sets = match raw.get(&tags::SPECIFIC_CHARACTER_SET) {
        Some(RawValue::Bytes(_, bytes)) => CharacterSets::from_attribute(bytes),
        _ => outer.clone(),
    };
    let mut data_set = DataSet::new();
    for (tag, value) in raw.iter().filter(|(tag, _)| **tag != tags::SPECIFIC_CHARACTER_SET) {
        match (value, vr_of(*tag)) {
            (RawValue::Items(items), VR::SQ) => {
                let items = items.iter().map(|item| decoded(item, &sets, depth + 1));
                let items: Vec<DataSet> = items.filter(|item| !item.is_empty()).collect();
                if depth == 0 || !items.is_empty() {
                    data_set.items(*tag, items);
                }
            }
            (RawValue::Bytes(_, bytes), vr) if vr != VR::SQ => {
                let values = values(*tag, vr, bytes, &sets).unwrap_or_default();
                if depth == 0 || values.iter().any(|value| !value.is_empty()) {
                    data_set.values(*tag, values);
                }
            }
            _ => {}
        }
    }
    data_set
}

/// The values that may be copied. A bad one takes the whole attribute with it, so that the
/// others do not change their places.
pub(super) fn values(tag: Tag, vr: VR, bytes: &[u8], sets: &CharacterSets) -> Option<Vec<String>> {
    let plain = CharacterSets::default();
    let texts = match vr {
        VR::PN | VR::LO | VR::SH | VR::UC => sets.values(bytes),
        VR::ST | VR::LT | VR::UT => vec![sets.text(bytes)],
        VR::AE | VR::AS | VR::CS | VR::DA | VR::DS | VR::DT | VR::IS | VR::TM | VR::UI => {
            plain.values(bytes)
        }
        _ => return None,
    };
    if texts.iter().all(String::is_empty) || NEVER_CUT.contains(&tag) {
        return Some(texts);
    }
    texts.iter().map(|text| copied(vr, text)).collect()
}
