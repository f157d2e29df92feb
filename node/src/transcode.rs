//! Turns a kept object into a data set in a syntax that a peer takes, where that changes no pixel.

use bytes::Bytes;
use dicom_encoding::{TransferSyntax, TransferSyntaxIndex};
use dicom_parser::dataset::{DataSetReader, DataSetWriter, DataToken};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_terms::transfer_syntaxes::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use gantry_terms::uid::Uid;

#[derive(Debug, thiserror::Error)]
pub enum TranscodeError {
    #[error("the peer takes only {to}, and the object is kept in {from}, which is not converted")]
    NotConverted { from: Uid, to: Uid },
    /// Without the parser's own words: they may quote the patient.
    #[error("the kept object cannot be re-encoded in the syntax that the peer takes")]
    Unreadable,
}

/// The syntaxes that every uncompressed object can be turned into.
pub fn uncompressed() -> Vec<Uid> {
    let syntaxes = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN];
    syntaxes.iter().filter_map(|uid| Uid::parse(uid).ok()).collect()
}

/// The data set behind the preamble and the File Meta Information (PS3.10 7.1) of a kept file.
pub fn data_set_of(part10: &Bytes) -> Option<Bytes> {
    // (0002,0000) UL 4: the length of the rest of group 0002. The store writes it itself.
    let group_length = part10.get(132..144)?;
    if part10.get(128..132)? != b"DICM" || group_length[..6] != *b"\x02\x00\x00\x00UL" {
        return None;
    }
    let length = u32::from_le_bytes(group_length[8..12].try_into().ok()?) as usize;
    let start = 144usize.checked_add(length).filter(|start| *start <= part10.len())?;
    Some(part10.slice(start..))
}

/// Re-encodes a data set from one uncompressed syntax to another.
pub fn native(data_set: &[u8], from: &Uid, to: &Uid) -> Result<Vec<u8>, TranscodeError> {
    let is_native =
        |uid: &Uid| [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN].contains(&uid.as_str());
    let not_converted = || TranscodeError::NotConverted { from: from.clone(), to: to.clone() };
    if !is_native(from) || !is_native(to) {
        return Err(not_converted());
    }
    let source = TransferSyntaxRegistry.get(from.as_str()).ok_or_else(not_converted)?;
    let target = TransferSyntaxRegistry.get(to.as_str()).ok_or_else(not_converted)?;
    let mut bytes = Vec::with_capacity(data_set.len());
    copy(data_set, source, target, &mut bytes).ok_or(TranscodeError::Unreadable)?;
    Ok(bytes)
}

/// Token by token: dicom-object builds, writes and drops an object by recursion, which a peer could
/// make deeper than any stack.
fn copy(
    data_set: &[u8],
    from: &TransferSyntax,
    to: &TransferSyntax,
    bytes: &mut Vec<u8>,
) -> Option<()> {
    // The reader makes room for a value before it looks for it.
    let fits = |length: dicom_core::Length| {
        length.get().is_none_or(|length| length as usize <= data_set.len())
    };
    let mut writer = DataSetWriter::with_ts(bytes, to).ok()?;
    let mut open = 0usize;
    for token in DataSetReader::new_with_ts(data_set, from).ok()? {
        let token = token.ok()?;
        match &token {
            DataToken::ElementHeader(header) if !fits(header.len) => return None,
            // No native syntax has fragments, and behind them the writer mistakes lengths.
            DataToken::PixelSequenceStart => return None,
            DataToken::SequenceStart { .. } | DataToken::ItemStart { .. } => open += 1,
            DataToken::SequenceEnd | DataToken::ItemEnd => open = open.checked_sub(1)?,
            _ => {}
        }
        writer.write(token).ok()?;
    }
    // The reader is content with bytes that end inside a sequence.
    (open == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).expect("a UID")
    }

    fn to_implicit(data_set: &[u8]) -> Option<Vec<u8>> {
        native(data_set, &uid(EXPLICIT_VR_LITTLE_ENDIAN), &uid(IMPLICIT_VR_LITTLE_ENDIAN)).ok()
    }

    #[test]
    fn an_object_in_one_syntax_becomes_the_same_in_the_other() {
        let explicit = b"\x08\0\x60\0CS\x02\0CT\
            \x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\
            \x08\0\x50\x11UI\x04\x001.2\0\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0\
            \x28\0\x10\0US\x02\0\x07\0";
        let implicit = to_implicit(explicit).expect("it is whole");
        let expected = b"\x08\0\x60\0\x02\0\0\0CT\
            \x08\0\x15\x11\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\
            \x08\0\x50\x11\x04\0\0\x001.2\0\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0\
            \x28\0\x10\0\x02\0\0\0\x07\0";
        assert_eq!(implicit, expected);
        let from = uid(IMPLICIT_VR_LITTLE_ENDIAN);
        let again = native(&implicit, &from, &uid(EXPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(again.expect("it is whole"), explicit);
    }

    #[test]
    fn sequences_may_be_nested_deeper_than_any_stack() {
        let opening = b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
        let closing = b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0";
        let opened = opening.repeat(100_000);
        let whole = [&opened[..], &closing.repeat(100_000)].concat();
        let length = 100_000 * (16 + closing.len());
        assert_eq!(to_implicit(&whole).map(|bytes| bytes.len()), Some(length));
        assert_eq!(to_implicit(&opened), None, "it ends inside a sequence");
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_before_there_is_room_for_it() {
        assert_eq!(to_implicit(b"\x09\0\x01\x10OB\0\0\xFE\xFF\xFF\xFFabcd"), None);
    }
}
