//! Reads the attributes of an instance before its pixels, whatever its transfer syntax, and never panics on them.

use gantry_terms::header::{Header, Tag};
use gantry_terms::uid::Uid;

pub use crate::part10::{part10, part10_head};

/// Why a data set cannot be read. Names tags, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end inside an attribute.
    #[error("the data set ends inside ({:04X},{:04X})", .0 >> 16, .0 & 0xFFFF)]
    Truncated(Tag),
    #[error("the data set is malformed at ({:04X},{:04X}): {what}", tag >> 16, tag & 0xFFFF)]
    Malformed { tag: Tag, what: &'static str },
}

/// The header of a Part 10 file, which may be cut anywhere behind the last attribute before
/// Pixel Data.
pub fn read_header(_part10: &[u8]) -> Result<Header, HeaderError> {
    todo!()
}

/// The header of a bare data set, which may be cut in the same way.
pub fn read_data_set_header(
    _data_set: &[u8],
    _transfer_syntax: &Uid,
) -> Result<Header, HeaderError> {
    todo!()
}

/// As [`read_data_set_header`], and walks on to the last byte: a data set that ends inside its
/// pixels is truncated too.
pub fn read_whole_data_set(
    _data_set: &[u8],
    _transfer_syntax: &Uid,
) -> Result<Header, HeaderError> {
    todo!()
}
