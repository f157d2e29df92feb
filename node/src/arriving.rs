//! Follows a data set while it arrives, inflated where it is deflated (PS3.5 A.5), to tell how it ends.

use crate::data_set::{Ending, Walk};
use flate2::{Decompress, FlushDecompress, Status};
use gantry_terms::transfer_syntaxes::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;

/// What is inflated at once.
const PIECE: usize = 64 << 10;
/// What is inflated before others have their turn.
const TURN: u64 = 1 << 20;
/// A deflated object may blow up to a thousand times of itself, which nobody shall have to wait
/// for: no more is looked through than this, and so many times what came of it.
const MOST_INFLATED: u64 = 64 << 20;
const MOST_BLOWN_UP: u64 = 32;

/// Memory does not grow with the data set.
pub struct Arriving {
    walk: Walk,
    inflating: Option<Inflating>,
}

struct Inflating {
    stream: Decompress,
    /// What was inflated last.
    piece: Vec<u8>,
    most: u64,
    state: State,
}

enum State {
    Open,
    /// It is complete, or cannot be inflated any further.
    Over,
    /// More than the most came out of it.
    Capped,
}

impl Arriving {
    pub fn new(transfer_syntax: &Uid) -> Self {
        let deflated = transfer_syntax.as_str() == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
        let inflating = deflated.then(|| Inflating {
            stream: Decompress::new(false),
            piece: Vec::with_capacity(PIECE),
            most: MOST_INFLATED,
            state: State::Open,
        });
        Self { walk: Walk::new(transfer_syntax), inflating }
    }

    /// Takes some of the next bytes, cut anywhere, and says whether it is to be called again for the
    /// rest: few bytes may inflate to many, and others want their turn.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> bool {
        match &mut self.inflating {
            None => {
                self.walk.feed(std::mem::take(bytes));
                false
            }
            Some(inflating) => inflating.feed(bytes, &mut self.walk),
        }
    }

    /// How the data set ends if nothing more comes.
    pub fn end(&self) -> Ending {
        let capped = |inflating: &Inflating| matches!(inflating.state, State::Capped);
        match (self.walk.end(), self.inflating.as_ref().is_some_and(capped)) {
            (ending, false) | (ending @ Ending::TooDeep, true) => ending,
            (_, true) if self.walk.is_within_pixels() => Ending::Unclear,
            (_, true) => Ending::Endless,
        }
    }
}

impl Inflating {
    fn feed(&mut self, bytes: &mut &[u8], walk: &mut Walk) -> bool {
        let enough = self.stream.total_out() + TURN;
        while matches!(self.state, State::Open) {
            if self.stream.total_out() >= enough {
                return true;
            }
            self.piece.clear();
            let before = self.stream.total_in();
            let inflated =
                self.stream.decompress_vec(bytes, &mut self.piece, FlushDecompress::None);
            let taken = self.stream.total_in() - before;
            self.most += MOST_BLOWN_UP * taken;
            *bytes = &bytes[taken as usize..];
            walk.feed(&self.piece);
            match inflated {
                Ok(Status::StreamEnd) | Err(_) => self.state = State::Over,
                Ok(_) if self.stream.total_out() > self.most => self.state = State::Capped,
                // All of it is taken, and nothing more comes out.
                Ok(_) if bytes.is_empty() && self.piece.len() < self.piece.capacity() => {
                    return false;
                }
                Ok(Status::BufError) if self.piece.is_empty() => self.state = State::Over,
                Ok(_) => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use std::io::Write;

    const ROWS: &[u8] = b"\x28\x00\x10\x00US\x02\x00\x00\x02";

    fn deflated(front: &[u8], zeros: usize) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(front).expect("memory can be written");
        for _ in 0..zeros >> 20 {
            encoder.write_all(&vec![0; 1 << 20]).expect("memory can be written");
        }
        encoder.finish().expect("memory can be written")
    }

    fn pixels(length: u32) -> Vec<u8> {
        let head = b"\xE0\x7F\x10\x00OW\x00\x00";
        [ROWS, head, &length.to_le_bytes()].concat()
    }

    fn ending(bytes: &[u8], piece: usize) -> Ending {
        let syntax = Uid::parse(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN).expect("a UID");
        let mut arriving = Arriving::new(&syntax);
        for mut piece in bytes.chunks(piece) {
            while arriving.feed(&mut piece) {}
        }
        arriving.end()
    }

    #[test]
    fn a_deflated_data_set_is_whole_only_when_all_of_it_came() {
        let whole = deflated(&pixels(3 << 20), 3 << 20);
        for piece in [1, 1000, whole.len()] {
            assert_eq!(ending(&whole, piece), Ending::Whole, "in pieces of {piece}");
            for cut in [100, whole.len() / 2, whole.len() - 20] {
                assert_eq!(ending(&whole[..cut], piece), Ending::Truncated, "cut at {cut}");
            }
        }
        let mut broken = whole.clone();
        broken[50..60].fill(0xFF);
        assert_ne!(ending(&broken, 1000), Ending::Whole);
        assert_eq!(ending(&[&whole[..], b"\0"].concat(), 1000), Ending::Whole, "padded");
    }

    #[test]
    fn what_inflates_without_end_is_looked_through_so_far_and_only_pixels_are_trusted_behind_that()
    {
        let blown_up = 256 << 20;
        assert_eq!(ending(&deflated(&pixels(blown_up), blown_up as usize), 4096), Ending::Unclear);
        assert_eq!(ending(&deflated(ROWS, blown_up as usize), 4096), Ending::Endless);
    }
}
