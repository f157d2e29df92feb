//! Turns a kept object into a data set in a syntax that a peer takes, where that changes no pixel.

use bytes::Bytes;
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
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
    let object = InMemDicomObject::read_dataset_with_ts(data_set, source)
        .map_err(|_| TranscodeError::Unreadable)?;
    let mut bytes = Vec::with_capacity(data_set.len());
    object.write_dataset_with_ts(&mut bytes, target).map_err(|_| TranscodeError::Unreadable)?;
    Ok(bytes)
}
