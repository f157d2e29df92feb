//! What must hold for whatever a peer sends: called by the fuzz targets, and by tests with what these found.

use crate::arriving::Arriving;
use crate::coerce::{self, By};
use crate::data_set::Ending;
use crate::deidentify::deidentified;
pub use crate::dimse::fuzzing::{association, command, pdu};
use crate::transcode;
use gantry_deidentification::key::Key;
use gantry_deidentification::profile::{Profile, ProfileOption};
use gantry_store::header::read_whole_data_set;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::changes::{Changes, SetAttribute};
use gantry_terms::moment::Moment;
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;

const SYNTAXES: [&str; 4] = [
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
];
const MANUFACTURER: u32 = 0x0008_0070;
const PATIENT_NAME: u32 = 0x0010_0010;
const ROWS: u32 = 0x0028_0010;
const ORIGINAL_ATTRIBUTES_SEQUENCE: u32 = 0x0400_0561;
/// Sequences inside sequences of what is made here; the reader of headers takes some more.
const DEEPEST: usize = 20;
const LONGEST: usize = 2 << 10;

/// The walk that follows an object which is streamed to disk, and the changes of syntax and of attributes for a peer, or without the patient. The first two bytes choose the
/// transfer syntax and the length of the pieces that it arrives in.
pub fn walk(input: &[u8]) {
    let [choice, piece, rest @ ..] = input else { return };
    let piece = usize::from(*piece) + 1;
    let syntax = uid(SYNTAXES[usize::from(*choice) % 4]);
    ending(rest, piece, &syntax);

    let encapsulated = piece % 2 == 0;
    let (made, ends) = well_formed(rest, usize::from(*choice) % 3, encapsulated);
    let syntax = uid(SYNTAXES[usize::from(*choice) % 3]);
    assert_eq!(ending(&made, piece, &syntax), Ending::Whole);
    assert_eq!(read_whole_data_set(&made, &syntax).err(), None, "whole for the reader, too");
    drop(coerced(rest, &uid(SYNTAXES[usize::from(*choice) % 4])));
    check_coerced(&made, &syntax);
    drop(leaves(rest, &uid(SYNTAXES[usize::from(*choice) % 4])));
    check_leaves(&made, usize::from(*choice) % 3, &syntax);
    for to in transcode::lossless() {
        drop(transcode::compressed(rest, &to));
    }
    for to in &SYNTAXES[..2] {
        drop(transcode::native(rest, &uid(SYNTAXES[usize::from(*choice) % 4]), &uid(to)));
        if !encapsulated {
            check_transcoded(&made, &syntax, &uid(to));
        }
    }
    let cut = usize::from(*choice) * 257 % made.len();
    let expected = if ends.contains(&cut) { Ending::Whole } else { Ending::Truncated };
    // What looks like padding is taken for padding.
    let last = ends.iter().rev().find(|end| **end <= cut).copied().unwrap_or(0);
    let padding = cut - last < 8 && made[last..cut].iter().all(|byte| *byte == 0);
    assert!(padding || ending(&made[..cut], piece, &syntax) == expected, "cut at {cut}");
}

/// What is kept in one syntax says the same in the other.
fn check_transcoded(made: &[u8], from: &Uid, to: &Uid) {
    if let Ok(transcoded) = transcode::native(made, from, to) {
        let before = read_whole_data_set(made, from);
        assert_eq!(before, read_whole_data_set(&transcoded, to));
    } else {
        assert_eq!(from.as_str(), EXPLICIT_VR_BIG_ENDIAN, "it is by the rules");
    }
}

fn coerced(data_set: &[u8], syntax: &Uid) -> Option<Vec<u8>> {
    let set = |tag, vr: &str, value: &str| SetAttribute {
        tag,
        vr: vr.into(),
        values: vec![value.to_string()],
    };
    let changes = Changes {
        set: vec![set(MANUFACTURER, "LO", "Maker"), set(PATIENT_NAME, "PN", "No^One")],
        remove: vec![ROWS],
        ..Changes::default()
    };
    let by = By { system: &AeTitle::parse("GANTRY").ok()?, at: Moment(0) };
    coerce::apply(data_set, syntax, &changes, &by).ok()
}

/// What is not named stays as it was, and what comes of it is as whole as what went in.
fn check_coerced(made: &[u8], syntax: &Uid) {
    let changed = coerced(made, syntax).expect("it is by the rules");
    assert_eq!(ending(&changed, 7, syntax), Ending::Whole);
    let [mut before, mut after] =
        [made, &changed].map(|bytes| read_whole_data_set(bytes, syntax).expect("it is whole"));
    assert_eq!(after.text(MANUFACTURER), Some("Maker"));
    assert_eq!(after.text(PATIENT_NAME), Some("No^One"));
    assert!(after.attribute(ROWS).is_none());
    let recorded = after.attribute(ORIGINAL_ATTRIBUTES_SEQUENCE).is_some();
    assert_eq!(recorded, before.attribute(MANUFACTURER).is_some());
    for tag in [MANUFACTURER, PATIENT_NAME, ROWS, ORIGINAL_ATTRIBUTES_SEQUENCE] {
        before.0.remove(&tag);
        after.0.remove(&tag);
    }
    assert_eq!(before, after);
}

/// By the profile with the most to do.
fn leaves(data_set: &[u8], syntax: &Uid) -> Result<Vec<u8>, String> {
    use ProfileOption::{CleanDescriptors, CleanStructuredContent, ModifiedDates, SafePrivate};
    let options = [CleanStructuredContent, CleanDescriptors, ModifiedDates, SafePrivate].into();
    let profile = Profile { options, ..Profile::basic("fuzzing") };
    let left = deidentified(data_set, syntax, &profile, &Key::new([7; 32]));
    left.map(|left| left.data_set)
}

/// Wherever the patient stands in it, what leaves is whole and without the patient.
fn check_leaves(made: &[u8], syntax: usize, of: &Uid) {
    let mut maker =
        Maker { implicit: syntax == 1, big: syntax == 2, encapsulated: false, made: Vec::new() };
    maker.element(0x0008_0018, b"UI", b"1.2.3.4\0");
    maker.element(0x0008_1040, b"LO", b"Quibble ");
    maker.made.extend_from_slice(made);
    let begin = maker.open(0x0008_1140, b"SQ", true);
    let item = maker.open(0xFFFE_E000, b"", false);
    maker.element(PATIENT_NAME, b"PN", b"Quibble^Henry ");
    maker.made.extend_from_slice(made);
    maker.close(item, false, 0xFFFE_E00D);
    maker.close(begin, true, 0xFFFE_E0DD);
    maker.element(PATIENT_NAME, b"PN", b"Quibble^Henry ");
    maker.element(0x0010_0020, b"LO", b"HN-4711 ");
    let left = match leaves(&maker.made, of) {
        Ok(left) => left,
        Err(why) => return assert!(why.contains("nested too deeply"), "{why}"),
    };
    assert_eq!(ending(&left, 7, of), Ending::Whole);
    assert_eq!(read_whole_data_set(&left, of).err(), None, "whole for the reader, too");
    for word in [&b"Quibble"[..], b"Henry", b"HN-4711", b"1.2.3.4\0"] {
        assert!(!left.windows(word.len()).any(|part| part == word), "{word:?} is left");
    }
}

/// However the bytes are cut on their way, they end in one way.
fn ending(bytes: &[u8], piece: usize, syntax: &Uid) -> Ending {
    let [whole, in_pieces] = [bytes.len().max(1), piece].map(|length| {
        let mut arriving = Arriving::new(syntax);
        for mut piece in bytes.chunks(length) {
            while arriving.feed(&mut piece) {}
        }
        arriving.end()
    });
    assert_eq!(whole, in_pieces);
    whole
}

/// A data set by the rules, of what the bytes choose, and where its elements end.
fn well_formed(choices: &[u8], syntax: usize, encapsulated: bool) -> (Vec<u8>, Vec<usize>) {
    let encapsulated = encapsulated && syntax == 0;
    let mut maker =
        Maker { implicit: syntax == 1, big: syntax == 2, encapsulated, made: Vec::new() };
    let mut choices = choices.iter().copied();
    maker.element(0x0008_0060, b"CS", b"CT");
    let mut ends = vec![0, maker.made.len()];
    while let Some(choice) = choices.next().filter(|_| maker.made.len() < LONGEST) {
        maker.chosen(choice, &mut choices, 0);
        ends.push(maker.made.len());
    }
    (maker.made, ends)
}

struct Maker {
    implicit: bool,
    big: bool,
    encapsulated: bool,
    made: Vec<u8>,
}

impl Maker {
    fn chosen(&mut self, choice: u8, choices: &mut impl Iterator<Item = u8>, depth: usize) {
        match choice % 8 {
            0 | 1 if depth < DEEPEST => self.sequence(choice & 7 == 0, choices, depth),
            2 if self.encapsulated => self.fragments(choices),
            3 => self.element(0x0009_1001, b"UN", &[choice; 40]),
            4 => self.element(0x0028_0010, b"US", &[choice, 2]),
            _ => {
                let text = vec![choice | 1; usize::from(choice & 0x3E)];
                self.element(0x0008_0070, b"LO", &text);
            }
        }
    }

    fn sequence(&mut self, delimited: bool, choices: &mut impl Iterator<Item = u8>, depth: usize) {
        let begin = self.open(0x0008_1115, b"SQ", delimited);
        for _ in 0..choices.next().unwrap_or(0) % 3 {
            let item_delimited = choices.next().is_some_and(|choice| choice % 2 == 0);
            let item = self.open(0xFFFE_E000, b"", item_delimited);
            while let Some(choice) = choices.next().filter(|choice| *choice < 200) {
                if self.made.len() < LONGEST {
                    self.chosen(choice, choices, depth + 1);
                }
            }
            self.close(item, item_delimited, 0xFFFE_E00D);
        }
        self.close(begin, delimited, 0xFFFE_E0DD);
    }

    fn fragments(&mut self, choices: &mut impl Iterator<Item = u8>) {
        let begin = self.open(0x7FE0_0010, b"OB", true);
        self.element(0xFFFE_E000, b"", b"");
        for _ in 0..choices.next().unwrap_or(0) % 4 {
            self.element(0xFFFE_E000, b"", &[7; 6]);
        }
        self.close(begin, true, 0xFFFE_E0DD);
    }

    /// Where the length is to be set, if it is defined.
    fn open(&mut self, tag: u32, vr: &[u8], delimited: bool) -> usize {
        self.head(tag, vr, if delimited { u32::MAX } else { 0 });
        self.made.len()
    }

    fn close(&mut self, begin: usize, delimited: bool, delimiter: u32) {
        if delimited {
            return self.element(delimiter, b"", b"");
        }
        let length = self.u32((self.made.len() - begin) as u32);
        self.made[begin - 4..begin].copy_from_slice(&length);
    }

    fn element(&mut self, tag: u32, vr: &[u8], value: &[u8]) {
        self.head(tag, vr, value.len() as u32);
        self.made.extend_from_slice(value);
    }

    fn head(&mut self, tag: u32, vr: &[u8], length: u32) {
        let (group, element) = (self.u16((tag >> 16) as u16), self.u16(tag as u16));
        self.made.extend([group, element].concat());
        let explicit = !self.implicit && !vr.is_empty();
        if explicit {
            self.made.extend_from_slice(vr);
        }
        if explicit && !matches!(vr, b"SQ" | b"OB" | b"UN") {
            let length = self.u16(length as u16);
            return self.made.extend(length);
        }
        if explicit {
            self.made.extend([0, 0]);
        }
        let length = self.u32(length);
        self.made.extend(length);
    }

    fn u16(&self, number: u16) -> [u8; 2] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn u32(&self, number: u32) -> [u8; 4] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID of this file")
}

#[cfg(test)]
mod tests {
    use rand::{RngCore, SeedableRng, rngs::StdRng};
    use std::path::Path;

    /// Every seed of a target, and every input that it failed on once.
    fn replay(target: &str, check: fn(&[u8])) {
        let mut replayed = 0;
        for folder in ["seeds", "found"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
            let Ok(inputs) = std::fs::read_dir(folder.join(target)) else { continue };
            for input in inputs {
                let path = input.expect("the folder can be listed").path();
                println!("{}", path.display());
                check(&std::fs::read(path).expect("an input can be read"));
                replayed += 1;
            }
        }
        assert!(replayed > 0, "{target} has no seeds (fuzz/corpus.py)");
    }

    #[test]
    fn what_fuzzing_found_in_pdus_stays_mended() {
        replay("pdu", super::pdu);
    }

    #[test]
    fn what_fuzzing_found_in_command_sets_stays_mended() {
        replay("command", super::command);
    }

    #[test]
    fn what_fuzzing_found_on_associations_stays_mended() {
        replay("association", super::association);
    }

    #[test]
    fn what_fuzzing_found_in_the_walk_stays_mended() {
        replay("walk", super::walk);
    }

    #[test]
    fn objects_of_every_shape_are_walked_and_changed_and_nothing_of_them_breaks_the_node() {
        let mut random = StdRng::seed_from_u64(2026);
        for length in 0..6000 {
            let mut input = vec![0; 2 + length % 400];
            random.fill_bytes(&mut input);
            super::walk(&input);
        }
    }
}
