//! Which compressed fragments make which frame (PS3.5 A.4).

use super::{DecodeError, Reading};
use crate::elements::Encapsulated;
use std::borrow::Cow;
use std::ops::Range;

pub(super) struct Fragments<'a> {
    pieces: Encapsulated<'a>,
    /// Of each frame, which pieces it is made of.
    frames: Vec<Range<usize>>,
}

impl<'a> Fragments<'a> {
    /// By the Extended Offset Table or the Basic one. Without either each frame has one fragment, or a frame
    /// begins with each fragment that begins like a picture; else nothing is guessed.
    pub(super) fn of(
        pieces: Encapsulated<'a>,
        extended: Option<&[u8]>,
        frames: usize,
        reading: Reading,
    ) -> Result<Self, DecodeError> {
        let fragments = pieces.len();
        let unclear = DecodeError::Fragments { fragments, frames };
        let starts = match (table(extended, pieces.offsets), fragments == frames) {
            _ if frames == 1 => Some(vec![0]),
            (Some(offsets), _) if offsets.len() == frames => beginnings(&pieces, &offsets),
            (None, true) => Some((0..frames).collect()),
            (None, false) => pictures(&pieces, reading),
            _ => None,
        };
        let starts = starts.filter(|starts| starts.len() == frames && starts[0] == 0);
        let starts = starts.ok_or(unclear)?;
        let ends = starts.iter().skip(1).copied().chain([fragments]);
        let frames = starts.iter().zip(ends).map(|(start, end)| *start..end).collect();
        Ok(Self { pieces, frames })
    }

    /// Counted from 0. A copy only where a frame has several fragments.
    pub(super) fn frame(&self, at: usize) -> Cow<'a, [u8]> {
        let range = self.frames.get(at).cloned().unwrap_or_default();
        match range.len() {
            1 => Cow::Borrowed(self.pieces.fragment(range.start)),
            _ => {
                let mut whole = Vec::new();
                range.for_each(|piece| whole.extend_from_slice(self.pieces.fragment(piece)));
                Cow::Owned(whole)
            }
        }
    }
}

/// The offsets of the frames, from the first item behind the Basic Offset Table; none where no table has any.
fn table(extended: Option<&[u8]>, basic: &[u8]) -> Option<Vec<u64>> {
    // Encapsulated pixels are little endian.
    let of_eight = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b));
    match extended.filter(|table| !table.is_empty()) {
        Some(table) => Some(table.chunks_exact(8).map(of_eight).collect()),
        None if basic.is_empty() => None,
        None => Some(basic.chunks_exact(4).map(of_eight).collect()),
    }
}

/// The fragments that lie at these offsets; none where one of them is no beginning of a fragment, or they do
/// not grow.
fn beginnings(pieces: &Encapsulated, offsets: &[u64]) -> Option<Vec<usize>> {
    let mut starts = Vec::with_capacity(offsets.len());
    let mut offsets = offsets.iter().peekable();
    let mut at = 0u64;
    for piece in 0..pieces.len() {
        if offsets.next_if_eq(&&at).is_some() {
            starts.push(piece);
        }
        at += pieces.fragment(piece).len() as u64 + 8;
    }
    offsets.next().is_none().then_some(starts)
}

/// The fragments that begin as a picture does.
fn pictures(pieces: &Encapsulated, reading: Reading) -> Option<Vec<usize>> {
    let beginning: &[u8] = match reading {
        Reading::Jpeg => &[0xFF, 0xD8, 0xFF],
        Reading::Jpeg2000 => &[0xFF, 0x4F, 0xFF, 0x51],
        // Nothing marks the first byte of these.
        Reading::Native | Reading::Rle => return None,
    };
    Some((0..pieces.len()).filter(|at| pieces.fragment(*at).starts_with(beginning)).collect())
}
