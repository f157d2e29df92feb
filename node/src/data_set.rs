//! Walks over the encoded elements of a data set as it arrives, to tell a whole one from one that was cut (PS3.5 section 7).

use gantry_terms::transfer_syntaxes::{EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use gantry_terms::uid::Uid;

/// How a data set ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Behind its last element.
    Whole,
    /// Within an element, or within a sequence that was not closed.
    Truncated,
    /// Sequences of undefined length are nested deeper than the reader of headers goes.
    TooDeep,
    /// It inflates to more than is looked through, and to more than pixels.
    Endless,
    /// It cannot be walked to its end: not encoded by the rules, or its pixels inflate to more than
    /// is looked through. Whether it can be read is for the parser to say.
    Unclear,
}

/// Sequences in sequences; each has its item.
const DEEPEST: usize = 1 + 2 * 24;
const PIXEL_GROUP: u16 = 0x7FE0;
const UNDEFINED_LENGTH: u32 = u32::MAX;

/// VRs of Explicit VR whose length field has 16 bits (PS3.5 table 7.1-2).
const SHORT_LENGTH: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

/// A walk whose memory does not grow with the object.
pub struct Walk {
    big_endian: bool,
    /// For each open sequence or item: whether its elements are Implicit VR. The first is the data set.
    levels: Vec<bool>,
    /// The head of the element at hand, as far as it has come.
    head: Vec<u8>,
    /// Bytes of the value at hand that are still to come.
    value: u64,
    /// That value is the pixels'.
    pixels: bool,
    stopped: Option<Ending>,
}

impl Walk {
    pub fn new(transfer_syntax: &Uid) -> Self {
        Self {
            big_endian: transfer_syntax.as_str() == EXPLICIT_VR_BIG_ENDIAN,
            levels: vec![transfer_syntax.as_str() == IMPLICIT_VR_LITTLE_ENDIAN],
            head: Vec::with_capacity(12),
            value: 0,
            pixels: false,
            stopped: None,
        }
    }

    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.stopped.is_none() {
            let skipped = self.value.min(bytes.len() as u64);
            self.value -= skipped;
            bytes = &bytes[skipped as usize..];
            if self.value > 0 || bytes.is_empty() {
                return;
            }
            let missing = self.head_length() - self.head.len();
            let taken = missing.min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.head.len() == self.head_length() {
                self.enter();
            }
        }
    }

    /// How the data set ends if nothing more comes. Up to seven zero bytes behind the last
    /// element are padding that some devices add.
    pub fn end(&self) -> Ending {
        let padding = self.head.len() < 8 && self.head.iter().all(|byte| *byte == 0);
        if let Some(ending) = self.stopped {
            ending
        } else if self.value == 0 && self.levels.len() == 1 && padding {
            Ending::Whole
        } else {
            Ending::Truncated
        }
    }

    /// Whether what comes next is a part of the pixels of the data set itself.
    pub fn is_within_pixels(&self) -> bool {
        self.value > 0 && self.pixels
    }

    /// How long the head of the element at hand is, by what has come of it.
    fn head_length(&self) -> usize {
        if self.head.len() < 6 || self.is_delimiter() || self.implicit() || self.has_short_length()
        {
            return 8;
        }
        12
    }

    fn enter(&mut self) {
        let head = std::mem::take(&mut self.head);
        let delimiter = self.group(&head) == 0xFFFE;
        let implicit = self.implicit();
        let vr = [head[4], head[5]];
        let explicit_vr = !delimiter && !implicit;
        if explicit_vr && !vr.iter().all(u8::is_ascii_uppercase) {
            self.stopped = Some(Ending::Unclear);
            return;
        }
        let length = match (explicit_vr, head.len()) {
            (true, 8) => u32::from(self.u16(&head[6..8])),
            (true, _) => self.u32(&head[8..12]),
            (false, _) => self.u32(&head[4..8]),
        };
        if delimiter && self.u16(&head[2..4]) != 0xE000 {
            self.leave();
        } else if length == UNDEFINED_LENGTH {
            // UN of undefined length holds Implicit VR Little Endian (PS3.5 6.2.2 note 4).
            self.descend(implicit || (explicit_vr && &vr == b"UN"));
        } else {
            self.value = u64::from(length);
            self.pixels = self.levels.len() == 1 && self.group(&head) == PIXEL_GROUP;
        }
    }

    fn descend(&mut self, implicit: bool) {
        self.levels.push(implicit);
        if self.levels.len() > DEEPEST {
            self.stopped = Some(Ending::TooDeep);
        }
    }

    fn leave(&mut self) {
        if self.levels.len() > 1 {
            self.levels.pop();
        } else {
            self.stopped = Some(Ending::Unclear);
        }
    }

    fn implicit(&self) -> bool {
        self.levels.last().copied().unwrap_or(false)
    }

    fn is_delimiter(&self) -> bool {
        self.group(&self.head) == 0xFFFE
    }

    fn has_short_length(&self) -> bool {
        let vr = &self.head[4..6];
        SHORT_LENGTH.iter().any(|short| *short == vr)
    }

    fn group(&self, head: &[u8]) -> u16 {
        self.u16(&head[0..2])
    }

    fn u16(&self, bytes: &[u8]) -> u16 {
        let bytes = [bytes[0], bytes[1]];
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(&self, bytes: &[u8]) -> u32 {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;

    const ROWS: &[u8] = b"\x28\x00\x10\x00US\x02\x00\x00\x02";
    const PIXELS: &[u8] = b"\xE0\x7F\x10\x00OW\x00\x00\x04\x00\x00\x00abcd";
    const FRAGMENTS: &[u8] = b"\xE0\x7F\x10\x00OB\x00\x00\xFF\xFF\xFF\xFF\
        \xFE\xFF\x00\xE0\x00\x00\x00\x00\xFE\xFF\x00\xE0\x02\x00\x00\x00xy\
        \xFE\xFF\xDD\xE0\x00\x00\x00\x00";
    const SEQUENCE: &[u8] = b"\x08\x00\x15\x11SQ\x00\x00\xFF\xFF\xFF\xFF\
        \xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x28\x00\x10\x00US\x02\x00\x00\x02\
        \xFE\xFF\x0D\xE0\x00\x00\x00\x00\xFE\xFF\xDD\xE0\x00\x00\x00\x00";
    const UNKNOWN: &[u8] = b"\x09\x00\x01\x10UN\x00\x00\xFF\xFF\xFF\xFF\
        \xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x28\x00\x10\x00\x02\x00\x00\x00\x00\x02\
        \xFE\xFF\x0D\xE0\x00\x00\x00\x00\xFE\xFF\xDD\xE0\x00\x00\x00\x00";

    fn ending(data_set: &[u8], transfer_syntax: &Uid) -> Ending {
        let mut walk = Walk::new(transfer_syntax);
        walk.feed(data_set);
        walk.end()
    }

    fn explicit(data_set: &[u8]) -> Ending {
        ending(data_set, &Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN).expect("a UID"))
    }

    #[test]
    fn a_data_set_is_whole_only_behind_its_last_element() {
        for elements in [ROWS, PIXELS, FRAGMENTS, SEQUENCE, UNKNOWN] {
            let whole = [ROWS, elements].concat();
            assert_eq!(explicit(&whole), Ending::Whole);
            for cut in ROWS.len() + 1..whole.len() {
                assert_eq!(explicit(&whole[..cut]), Ending::Truncated, "cut at {cut}");
            }
        }
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut_on_their_way() {
        let whole = [ROWS, SEQUENCE, UNKNOWN, FRAGMENTS].concat();
        for size in 1..whole.len() {
            let mut walk = Walk::new(&Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN).expect("a UID"));
            whole.chunks(size).for_each(|chunk| walk.feed(chunk));
            assert_eq!(walk.end(), Ending::Whole, "pieces of {size}");
        }
    }

    #[test]
    fn implicit_and_big_endian_data_sets_are_walked_too() {
        let implicit = b"\x28\x00\x10\x00\x02\x00\x00\x00\x00\x02";
        let syntax = Uid::parse(IMPLICIT_VR_LITTLE_ENDIAN).expect("a UID");
        assert_eq!(ending(implicit, &syntax), Ending::Whole);
        assert_eq!(ending(&implicit[..9], &syntax), Ending::Truncated);
        let big = b"\x00\x28\x00\x10US\x00\x02\x02\x00";
        let syntax = Uid::parse(EXPLICIT_VR_BIG_ENDIAN).expect("a UID");
        assert_eq!(ending(big, &syntax), Ending::Whole);
    }

    #[test]
    fn padding_is_forgiven_and_nonsense_is_left_to_the_parser() {
        assert_eq!(explicit(&[ROWS, b"\0\0"].concat()), Ending::Whole);
        assert_eq!(explicit(b"\x28\x00\x10\x00\x01\x02\x00\x00\x00\x00\x00\x00"), Ending::Unclear);
    }

    #[test]
    fn sequences_are_followed_as_deep_as_the_reader_of_headers_goes_and_no_deeper() {
        let nested = |depth: usize| {
            let opening = [&SEQUENCE[..12], &SEQUENCE[12..20]].concat().repeat(depth);
            let closing = SEQUENCE[SEQUENCE.len() - 16..].repeat(depth);
            [opening, closing].concat()
        };
        assert_eq!(explicit(&nested(24)), Ending::Whole);
        assert_eq!(explicit(&nested(25)), Ending::TooDeep);
        assert_eq!(explicit(&nested(1000)), Ending::TooDeep);
    }
}
