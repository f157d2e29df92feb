//! What must hold for whatever bytes a peer, a disk or a damaged file gives: called by the fuzz targets, and by tests with what these found.

use crate::digest::Digester;
use crate::header::{self, HeaderError, read_data_set_header, read_header, read_whole_data_set};
use crate::incoming::{Identity, Origin};
use crate::part10::{part10, part10_head, read_head};
use crate::record::{self, HEAD_BYTES, Head};
use crate::segment::{self, Scan, Scanned};
use dicom_encoding::Codec;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Header, Value};
use gantry_terms::moment::Moment;
use gantry_terms::transfer_syntaxes::{
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

/// JPEG Lossless stands for all that is encapsulated.
const SYNTAXES: [&str; 5] = [
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.4.70",
];
/// Of the first byte: the data set is deflated first, so that what is inside is reached too.
const DEFLATE_FIRST: u8 = 0x80;

/// The reader of headers. The first byte chooses the transfer syntax.
pub fn data_set(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let deflated = choice & DEFLATE_FIRST != 0;
    let syntax = match deflated {
        true => DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        false => SYNTAXES[usize::from(*choice) % SYNTAXES.len()],
    };
    let syntax = uid(syntax);
    let bytes = &if deflated { deflate(bytes) } else { bytes.to_vec() };
    let whole = read_whole_data_set(bytes, &syntax);
    let head = read_data_set_header(bytes, &syntax);
    assert_eq!(whole, read_whole_data_set(bytes, &syntax), "read twice, it says the same");
    let from_file = read_from_file(bytes, &syntax);
    assert_eq!(head, from_file, "a file of the same bytes says the same");
    for header in [&whole, &head].into_iter().flatten() {
        check_header(header);
    }
    if let (Ok(whole), Ok(head)) = (whole, head) {
        let missing = head.0.keys().find(|tag| !whole.0.contains_key(tag));
        assert_eq!(missing, None, "what comes before the pixels is in the whole, too");
    }
}

fn read_from_file(bytes: &[u8], syntax: &Uid) -> Result<Header, HeaderError> {
    let scratch = Scratch::holding("data-set", bytes);
    header::read_file(scratch.open(), bytes.len() as u64, syntax)
}

fn check_header(header: &Header) {
    let json = serde_json::to_string(header).expect("a header is JSON");
    let again: Header = serde_json::from_str(&json).expect("JSON of ours is a header");
    assert_eq!(header, &again, "the index keeps what was read");
    assert!(values_in(header) <= 100_000, "a header does not grow with what was sent");
}

fn values_in(header: &Header) -> usize {
    let inside = |value: &Value| match value {
        Value::Item(item) => 1 + values_in(item),
        _ => 1,
    };
    header.0.values().map(|attribute| attribute.values.iter().map(inside).sum::<usize>()).sum()
}

/// The head of a Part 10 file.
pub fn file_meta(input: &[u8]) {
    let _ = read_header(input);
    if let Ok(head) = read_head(input) {
        assert!((132..=input.len()).contains(&head.data_set));
        let again = read_head(&input[..head.data_set]).expect("a head on its own is a head");
        assert_eq!((again.transfer_syntax, again.data_set), (head.transfer_syntax, head.data_set));
    }
    // Whatever a peer sends as data set, it is no part of the head that we put in front.
    let identity = identity("1.2.3");
    let file = part10(&identity, input);
    if let Ok(head) = read_head(&file) {
        assert_eq!(head.data_set, part10_head(&identity).len());
        assert_eq!(head.transfer_syntax, Some(identity.transfer_syntax));
    }
}

/// A segment of three records, damaged as the input says: the first 64 bytes say where, the
/// rest is what the objects are made of.
pub fn record(input: &[u8]) {
    scan(input);
    let Some((damage, material)) = input.split_at_checked(64) else { return };
    let third = material.len() / 3;
    let mut segment = Vec::new();
    let mut records: Vec<Range<usize>> = Vec::new();
    for (number, piece) in [&material[..third], &material[third..2 * third], &material[2 * third..]]
        .into_iter()
        .enumerate()
    {
        let identity = identity(&format!("1.2.3.{number}"));
        let data_set = [b"\x08\0\x60\0CS\x02\0CT", piece].concat();
        let (digest, length) = (Digester::of(&data_set), data_set.len() as u64);
        let front = record::front(&identity, false, &part10_head(&identity), length, digest);
        let begin = segment.len();
        segment.extend_from_slice(&front.expect("a Part 10 head of ours").1);
        segment.extend_from_slice(&data_set);
        records.push(begin..segment.len());
    }
    let whole = segment.clone();
    for place in damage.chunks_exact(4).take_while(|place| place[3] != 0) {
        let at = usize::from(u16::from_le_bytes([place[0], place[1]])) % segment.len();
        segment[at] ^= place[2];
    }
    let found = scan(&segment);
    for (number, record) in records.into_iter().enumerate() {
        if whole[record.clone()] == segment[record.clone()] {
            let offset = record.start as u64;
            assert!(found.contains(&offset), "record {number} is whole and has to be found");
        }
    }
}

/// The offsets of the whole records of a segment of these bytes.
fn scan(segment: &[u8]) -> Vec<u64> {
    if let Some((head, meta)) = segment.split_first_chunk::<HEAD_BYTES>() {
        let _ = (Head::decode(head), record::decode_meta(meta));
    }
    let scratch = Scratch::holding("segment", segment);
    let mut scan = Scan::of(&scratch.0, 0, u64::MAX).expect("what was written can be read");
    let (mut found, mut behind) = (Vec::new(), 0);
    loop {
        match scan.next().expect("a file can be read") {
            Scanned::End => return found,
            Scanned::Damage { offset, next } => {
                assert!(offset >= behind && next.is_none_or(|next| next > offset));
                behind = next.unwrap_or(offset + 1);
            }
            Scanned::Record(record) => {
                assert!(record.offset >= behind, "a scan goes forward");
                behind = record.offset + record.head.length();
                assert!(behind <= segment.len() as u64);
                check_payload(&scratch.open(), record.offset, segment);
                found.push(record.offset);
            }
        }
    }
}

fn check_payload(file: &File, offset: u64, segment: &[u8]) {
    let payload = segment::read_payload(file, offset).expect("read").expect("it was found whole");
    let (head, _) = segment::read_front(file, offset).expect("read").expect("found");
    let begin = offset as usize + head.payload_offset as usize;
    assert!(payload == segment[begin..begin + payload.len()], "byte for byte");
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let syntax = TransferSyntaxRegistry.get(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
    let Some(Codec::Dataset(Some(adapter))) = syntax.map(|syntax| syntax.codec()) else {
        panic!("the registry deflates");
    };
    let mut deflated = Vec::new();
    let mut writer = adapter.adapt_writer(Box::new(&mut deflated));
    writer.write_all(bytes).expect("memory can be written");
    drop(writer);
    deflated
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID of this file")
}

fn identity(sop_instance: &str) -> Identity {
    Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: uid(sop_instance),
        series: uid("1.2.3.1"),
        study: uid("1.2.3.2"),
        transfer_syntax: uid(EXPLICIT_VR_LITTLE_ENDIAN),
        calling_ae: AeTitle::parse("CT1").expect("a title"),
        called_ae: AeTitle::parse("GANTRY").expect("a title"),
        arrival: Moment(1_700_000_000_000_000),
        origin: Origin::Received,
    }
}

/// A file that goes away again.
struct Scratch(PathBuf);

impl Scratch {
    fn holding(what: &str, bytes: &[u8]) -> Self {
        let name = format!("gantry-fuzzing-{what}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        Self(path)
    }

    fn open(&self) -> File {
        File::open(&self.0).expect("what was written can be read")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
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
    fn what_fuzzing_found_in_data_sets_stays_mended() {
        replay("data_set", super::data_set);
    }

    #[test]
    fn what_fuzzing_found_in_file_meta_information_stays_mended() {
        replay("file_meta", super::file_meta);
    }

    #[test]
    fn what_fuzzing_found_in_damaged_segments_stays_mended() {
        replay("record", super::record);
    }
}
