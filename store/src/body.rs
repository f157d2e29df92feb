//! The bytes of a record on their way to the writer: pieces that are copied once more, or blocks that the disk takes as they lie.

use crate::collected::{Collected, FRONT};
use crate::record::Head;
use bytes::Bytes;

/// Objects from this size on go to the disk from where they were collected, each from a border
/// between blocks on. For smaller ones a copy costs less than the room up to the border.
const LEAST: usize = 128 << 10;

/// A data set that waits for what its record begins with.
pub(crate) enum Data {
    Shared(Bytes),
    Collected(Collected),
}

pub(crate) enum Body {
    /// What the record begins with, up to the data set, and the data set.
    Pieces(Vec<u8>, Bytes),
    Blocks(Collected),
}

/// Of a record, from its head on.
struct Blocks(Collected);

impl AsRef<[u8]> for Blocks {
    fn as_ref(&self) -> &[u8] {
        self.0.blocks()
    }
}

impl Data {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Collected(collected) => collected.as_slice(),
        }
    }

    /// So long should be what the record begins with, at least.
    pub(crate) fn front(&self) -> usize {
        match self {
            Self::Collected(collected) if collected.as_slice().len() >= LEAST => FRONT,
            _ => 0,
        }
    }

    pub(crate) fn behind(self, front: Vec<u8>) -> Body {
        match self {
            Self::Shared(bytes) => Body::Pieces(front, bytes),
            Self::Collected(mut collected) => match <&[u8; FRONT]>::try_from(front.as_slice()) {
                Ok(front) => {
                    collected.set_front(front);
                    Body::Blocks(collected)
                }
                Err(_) => Body::Pieces(front, Bytes::from_owner(collected)),
            },
        }
    }
}

impl Body {
    /// What the record begins with.
    pub(crate) fn front(&mut self) -> &mut [u8] {
        match self {
            Self::Pieces(front, _) => front,
            Self::Blocks(collected) => collected.front(),
        }
    }

    /// The Part 10 file of the record that begins so, and the memory that it stands in.
    pub(crate) fn into_part10(self, head: &Head) -> (Bytes, usize) {
        let begin = head.payload_offset as usize;
        match self {
            Self::Pieces(front, data_set) => {
                // What it was collected in is several times as long, and wanted for the next one.
                let part10 = [&front[begin.min(front.len())..], &data_set].concat();
                let room = part10.len();
                (part10.into(), room)
            }
            Self::Blocks(collected) => {
                let (end, room) = (begin + head.payload as usize, collected.room());
                if room > 2 * end {
                    // The one before it was larger by far.
                    let part10 = Bytes::copy_from_slice(&collected.blocks()[begin..end]);
                    return (part10, end - begin);
                }
                (Bytes::from_owner(Blocks(collected)).slice(begin..end), room)
            }
        }
    }

    /// Of the data set.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Pieces(_, data_set) => data_set.len(),
            Self::Blocks(collected) => collected.as_slice().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn body(length: usize) -> Body {
        let mut collected = Collected::new(&Arc::default());
        collected.extend(&vec![7; length]);
        let data = Data::Collected(collected);
        let front = vec![1; data.front().max(500)];
        data.behind(front)
    }

    #[test]
    fn only_what_is_large_is_laid_out_in_blocks_and_nothing_of_it_is_lost() {
        for (length, in_blocks) in [(0, false), (LEAST - 1, false), (LEAST, true)] {
            let body = body(length);
            assert_eq!(body.length(), length);
            match body {
                Body::Blocks(collected) => {
                    assert!(in_blocks);
                    assert_eq!(collected.blocks()[..FRONT], [1; FRONT]);
                }
                Body::Pieces(front, data_set) => {
                    assert!(!in_blocks);
                    assert_eq!((front, data_set.len()), (vec![1; 500], length));
                }
            }
        }
    }
}
