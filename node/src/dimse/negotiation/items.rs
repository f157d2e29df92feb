//! The items that A-ASSOCIATE-RQ and -AC are made of (PS3.8 9.3.2): taken off one by one.

use bytes::{Buf, Bytes};

/// Type and value of the next item; nothing when its length does not add up.
pub(super) fn item(body: &mut Bytes) -> Option<(u8, Bytes)> {
    if body.len() < 4 {
        return None;
    }
    let kind = body.get_u8();
    body.advance(1);
    Some((kind, field(body)?))
}

/// A value behind its length of two bytes.
pub(super) fn field(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(body.try_get_u16().ok()?);
    (length <= body.len()).then(|| body.split_to(length))
}

/// Titles are padded on both sides. What stands behind a NUL is what lay in an old device's memory.
pub(super) fn title(bytes: &[u8]) -> String {
    let title = String::from_utf8_lossy(bytes);
    let title = title.trim_start_matches(['\0', ' ']);
    title.split('\0').next().unwrap_or_default().trim_end_matches(' ').to_string()
}

/// No name in an association is longer than 64 characters. One that is stays too long, but is not
/// held as a whole.
pub(super) fn text(bytes: &[u8]) -> String {
    let kept = bytes.len() - bytes.iter().rev().take_while(|byte| matches!(byte, 0 | b' ')).count();
    String::from_utf8_lossy(&bytes[..kept.min(65)]).into_owned()
}
