//! The Part 10 head in front of a data set (PS3.10 7.1).

use crate::incoming::Identity;

/// A whole Part 10 file. The data set follows the head bit for bit.
pub fn part10(_identity: &Identity, _data_set: &[u8]) -> Vec<u8> {
    todo!()
}

/// Preamble, `DICM` and File Meta Information, for an object whose data set follows.
pub fn part10_head(_identity: &Identity) -> Vec<u8> {
    todo!()
}
