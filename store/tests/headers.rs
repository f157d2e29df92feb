//! Headers of real and odd files, and of bytes that are no DICOM at all.

use dicom_encoding::Codec;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_store::header::{
    HeaderError, read_data_set_header, read_header, read_start_of_data_set, read_whole_data_set,
};
use gantry_terms::header::{Header, Value};
use gantry_terms::uid::Uid;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID of a test")
}

/// The real files, or nothing where they are not.
fn data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if !path.is_dir() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of real files").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

fn element(tag: (u16, u16), vr: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&tag.0.to_le_bytes());
    bytes.extend_from_slice(&tag.1.to_le_bytes());
    bytes.extend_from_slice(vr.as_bytes());
    if ["SQ", "OB", "OW", "UT", "UN"].contains(&vr) {
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    } else {
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
    }
    bytes.extend_from_slice(value);
    bytes
}

#[test]
fn the_start_of_a_data_set_tells_who_it_is_wherever_it_is_cut_behind() {
    let mut data_set = element((0x0008, 0x0018), "UI", b"1.2.3\0");
    let identity = data_set.len();
    let mut item = b"\xFE\xFF\x00\xE0".to_vec();
    let inside = element((0x0018, 0x9151), "DT", b"20260101");
    item.extend_from_slice(&(inside.len() as u32).to_le_bytes());
    item.extend(inside);
    data_set.extend(element((0x5200, 0x9230), "SQ", &item.repeat(3)));
    for end in identity..data_set.len() {
        let header = read_start_of_data_set(&data_set[..end], &uid(EXPLICIT)).expect("a start");
        assert_eq!(header.text(0x0008_0018), Some("1.2.3"), "cut at {end}");
        let whole = read_whole_data_set(&data_set[..end], &uid(EXPLICIT));
        assert_eq!(whole.is_err(), end > identity, "cut at {end}");
    }
    assert!(read_start_of_data_set(&data_set[..identity - 1], &uid(EXPLICIT)).is_err());
}

#[test]
fn every_real_file_is_read_or_refused_with_a_reason() {
    for (folder, refused) in [
        ("ts", &[][..]),
        ("non_image", &[]),
        ("cxr", &[]),
        ("mr_t1_j2k", &[]),
        ("multiframe", &[]),
        ("seg_sr", &[]),
        ("reference", &[]),
        // These have no head or a head that names no syntax.
        (
            "odd",
            &[
                "ExplVR_BigEndNoMeta.dcm",
                "ExplVR_LitEndNoMeta.dcm",
                "meta_missing_tsyntax.dcm",
                "no_meta.dcm",
                "rtplan_truncated.dcm",
            ],
        ),
    ] {
        let Some(folder) = data(folder) else { return };
        for file in files(&folder) {
            let bytes = fs::read(&file).expect("a real file");
            if bytes.get(128..132) != Some(b"DICM") && !refused.iter().any(|r| file.ends_with(r)) {
                continue;
            }
            let header = read_header(&bytes);
            println!("{} {:?}", file.display(), header.as_ref().map(|h| h.0.len()));
            assert_eq!(
                header.is_err(),
                refused.iter().any(|name| file.ends_with(name)),
                "{} {:?}",
                file.display(),
                header.err()
            );
            let Ok(header) = header else { continue };
            let json = serde_json::to_string(&header).expect("a header is JSON");
            let again: Header = serde_json::from_str(&json).expect("and JSON is a header");
            assert!(again == header, "{}", file.display());
        }
    }
}

#[test]
fn an_image_cut_in_its_pixels_has_a_header_but_is_no_whole_data_set() {
    let Some(folder) = data("odd/pydicom") else { return };
    let bytes = fs::read(folder.join("MR_truncated.dcm")).expect("a real file");
    assert!(read_header(&bytes).is_ok());
    let at = 144 + u32::from_le_bytes([bytes[140], bytes[141], bytes[142], bytes[143]]) as usize;
    let whole = read_whole_data_set(&bytes[at..], &uid(EXPLICIT));
    assert_eq!(whole, Err(HeaderError::Truncated(0x7FE0_0010)));
}

#[test]
fn a_data_set_without_a_head_is_read_by_the_syntax_of_its_association() {
    let Some(folder) = data("odd/pydicom") else { return };
    for (name, syntax) in
        [("ExplVR_BigEndNoMeta.dcm", BIG_ENDIAN), ("ExplVR_LitEndNoMeta.dcm", EXPLICIT)]
    {
        let bytes = fs::read(folder.join(name)).expect("a real file");
        let header = read_whole_data_set(&bytes, &uid(syntax)).expect(name);
        assert!(header.text(0x0020_000E).is_some(), "{name} names its series");
    }
}

#[test]
fn the_same_image_says_the_same_in_every_syntax() {
    let Some(folder) = data("ts/pydicom") else { return };
    let read = |name: &str| {
        let header = read_header(&fs::read(folder.join(name)).expect("a real file")).expect(name);
        [0x0008_0060, 0x0010_0010, 0x0018_0050, 0x0020_0032, 0x0028_0010, 0x0028_0030]
            .map(|tag| header.attribute(tag).cloned())
    };
    let little = read("MR_small.dcm");
    assert!(little.iter().all(Option::is_some));
    assert_eq!(little, read("MR_small_bigendian.dcm"));
    assert_eq!(little, read("MR_small_implicit.dcm"));
}

#[test]
fn names_are_decoded_by_the_character_set_of_their_file() {
    let Some(folder) = data("odd/charset") else { return };
    for (name, expected) in [
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東="),
    ] {
        let header = read_header(&fs::read(folder.join(name)).expect("a real file")).expect(name);
        assert_eq!(header.text(0x0010_0010), Some(expected), "{name}");
    }
}

#[test]
fn bulk_is_left_out_and_what_follows_is_read() {
    let mut data_set = element((0x0008, 0x0060), "CS", b"CT");
    data_set.extend(element((0x0009, 0x1001), "OB", &[7; 3000]));
    data_set.extend(element((0x0010, 0x4000), "LT", &[b'x'; 2000]));
    data_set.extend(element((0x0028, 0x0010), "US", &512u16.to_le_bytes()));
    data_set.extend(element((0x7FE0, 0x0010), "OW", &[0; 5000]));
    let header = read_data_set_header(&data_set[..data_set.len() - 4000], &uid(EXPLICIT));
    let header = header.expect("cut behind the attributes");
    assert_eq!(header.0.keys().copied().collect::<Vec<_>>(), [0x0008_0060, 0x0028_0010]);
    assert_eq!(header.number(0x0028_0010), Some(512.0));
}

#[test]
fn what_stands_behind_a_sequence_of_very_many_items_is_read() {
    let item = |number: u32| {
        let class = element((0x0008, 0x1150), "UI", b"1.2.840.10008.5.1.4.1.1.2\0");
        let instance = element((0x0008, 0x1155), "UI", format!("1.2.3.{number:08}\0").as_bytes());
        let content = [class, instance].concat();
        let length = (content.len() as u32).to_le_bytes();
        [&[0xFE, 0xFF, 0x00, 0xE0][..], &length, &content].concat()
    };
    let items: Vec<u8> = (0..15_000).flat_map(item).collect();
    let study = element((0x0020, 0x000D), "UI", b"1.2.3.4\0");
    let data_set = [element((0x0008, 0x1140), "SQ", &items), study].concat();
    let header = read_whole_data_set(&data_set, &uid(EXPLICIT)).expect("read");
    assert_eq!(header.text(0x0020_000D), Some("1.2.3.4"));
    let kept = header.0.get(&0x0008_1140).expect("there").values.len();
    assert!((1..15_000).contains(&kept), "{kept}");
}

#[test]
fn numbers_that_json_cannot_hold_stay_words() {
    let mut data_set = element((0x0018, 0x9087), "FD", &f64::NAN.to_le_bytes());
    data_set.extend(element((0x0018, 0x9089), "FD", &1.0f64.to_le_bytes()));
    let header = read_data_set_header(&data_set, &uid(EXPLICIT)).expect("a data set");
    assert_eq!(header.number(0x0018_9087), None);
    assert_eq!(header.attribute(0x0018_9089).expect("kept").values, [Value::Decimal(1.0)].into());
    let json = serde_json::to_string(&header).expect("JSON");
    assert_eq!(serde_json::from_str::<Header>(&json).expect("a header"), header);
}

#[test]
fn sequences_nested_without_end_are_refused() {
    let mut data_set = Vec::new();
    for _ in 0..10_000 {
        data_set.extend_from_slice(b"\x40\0\x30\xA7SQ\0\0\xff\xff\xff\xff");
        data_set.extend_from_slice(b"\xfe\xff\0\xe0\xff\xff\xff\xff");
    }
    let refused = read_data_set_header(&data_set, &uid(EXPLICIT));
    assert!(matches!(refused, Err(HeaderError::Malformed { tag: 0x0040_A730, .. })), "{refused:?}");
}

#[test]
fn sequences_as_deep_as_allowed_survive_the_index() {
    let mut data_set = element((0x0008, 0x0060), "CS", b"SR");
    for _ in 0..24 {
        let mut item = b"\xfe\xff\0\xe0".to_vec();
        item.extend_from_slice(&(data_set.len() as u32).to_le_bytes());
        item.append(&mut data_set);
        data_set = element((0x0040, 0xA730), "SQ", &item);
    }
    let header = read_data_set_header(&data_set, &uid(EXPLICIT)).expect("24 levels");
    let json = serde_json::to_string(&header).expect("JSON");
    assert_eq!(serde_json::from_str::<Header>(&json).expect("a header"), header);
}

#[test]
fn a_small_object_that_inflates_to_anything_is_read_in_bounded_time() {
    let deflated = uid("1.2.840.10008.1.2.1.99");
    let syntax = TransferSyntaxRegistry.get(deflated.as_str()).expect("a known syntax");
    let deflate = |front: Vec<u8>| {
        let Codec::Dataset(Some(adapter)) = syntax.codec() else { panic!("a data set codec") };
        let mut bytes = Vec::new();
        {
            let mut writer = adapter.adapt_writer(Box::new(&mut bytes));
            writer.write_all(&front).expect("deflated");
            (0..200).for_each(|_| writer.write_all(&[0; 1 << 20]).expect("deflated"));
        }
        bytes
    };
    let mut front = element((0x0008, 0x0060), "CS", b"CT");
    front.extend_from_slice(b"\xe0\x7f\x10\0OW\0\0\0\0\0\x40");
    let header = read_whole_data_set(&deflate(front), &deflated).expect("pixels of 1 GiB");
    assert_eq!(header.text(0x0008_0060), Some("CT"));
    let refused =
        read_data_set_header(&deflate(b"\x09\0\x10\x10OB\0\0\0\0\0\x40".into()), &deflated);
    let what = "the data set inflates to more than is read";
    assert_eq!(refused, Err(HeaderError::Malformed { tag: 0x0009_1010, what }));
    for bytes in [&b""[..], b"\x03\0", &[0; 100], &[0xFF; 100]] {
        assert!(read_whole_data_set(bytes, &deflated).is_err());
    }
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut seeds = vec![{
        let mut item = b"\xfe\xff\0\xe0\xff\xff\xff\xff".to_vec();
        item.extend(element((0x0008, 0x0100), "SH", b"1234"));
        item.extend_from_slice(b"\xfe\xff\x0d\xe0\0\0\0\0");
        let mut data_set = element((0x0008, 0x0005), "CS", b"ISO 2022 IR 87");
        data_set.extend(element((0x0008, 0x1032), "SQ", &item));
        data_set.extend(element((0x0010, 0x0010), "PN", b"A^\x1b$B;3ED\x1b(B"));
        data_set.extend(element((0x0028, 0x0009), "AT", b"\x18\0\x63\x10"));
        data_set.extend(element((0x7FE0, 0x0010), "OB", &[1; 64]));
        data_set
    }];
    for folder in ["ts/pydicom", "odd", "non_image"] {
        let Some(folder) = data(folder) else { continue };
        let small = files(&folder).into_iter().filter_map(|file| fs::read(file).ok());
        seeds.extend(small.map(|mut bytes| {
            bytes.truncate(6000);
            bytes
        }));
    }
    let mut random = StdRng::seed_from_u64(20_261_123);
    let syntaxes = [EXPLICIT, IMPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.99"].map(uid);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[at] = random.random(),
                1 => bytes[at] = 0xFF,
                2 => bytes.truncate(at.max(1)),
                _ => {
                    let from = random.random_range(0..bytes.len());
                    let piece = bytes[from..(from + 24).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        let data_set = bytes.get(300..).unwrap_or(&bytes);
        for syntax in &syntaxes {
            let _ = read_whole_data_set(&bytes, syntax);
            let _ = read_whole_data_set(data_set, syntax);
        }
        let _ = read_header(&bytes);
    }
}
