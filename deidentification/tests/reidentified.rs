//! Results that are made of what left, and what of them comes home.

use chrono::NaiveDate;
use gantry_deidentification::deidentify::{Deidentified, deidentify};
use gantry_deidentification::elements::{Elements, Syntax};
use gantry_deidentification::key::Key;
use gantry_deidentification::profile::{Profile, ProfileOption};
use gantry_deidentification::reidentify::{Home, Named, Unreturned, reidentify};
use std::collections::BTreeMap;

const EXPLICIT: Syntax = Syntax { implicit: false, big_endian: false };
const SYNTAXES: [Syntax; 3] = [
    EXPLICIT,
    Syntax { implicit: true, big_endian: false },
    Syntax { implicit: false, big_endian: true },
];

type Attributes<'a> = Vec<(u32, &'a [u8; 2], Vec<u8>)>;

fn padded(text: &[u8], with: u8) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.resize(bytes.len().next_multiple_of(2), with);
    bytes
}

fn encoded(mut attributes: Attributes, syntax: Syntax) -> Vec<u8> {
    attributes.sort_by_key(|(tag, ..)| *tag);
    let element = |(tag, vr, value): (u32, &[u8; 2], Vec<u8>)| {
        let value =
            if vr == b"SQ" { value } else { padded(&value, if vr == b"UI" { 0 } else { b' ' }) };
        syntax.element(tag, *vr, &value).expect("it is short")
    };
    attributes.into_iter().flat_map(element).collect()
}

/// An image of a patient of this house.
fn image(syntax: Syntax) -> Vec<u8> {
    let text = |tag, vr, text: &str| (tag, vr, text.as_bytes().to_vec());
    encoded(
        vec![
            text(0x0008_0005, b"CS", "ISO_IR 100"),
            text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.2"),
            text(0x0008_0018, b"UI", "1.2.3.1"),
            text(0x0008_0020, b"DA", "20240105"),
            text(0x0008_0030, b"TM", "1015"),
            text(0x0008_0050, b"SH", "ACC-0815"),
            text(0x0008_1030, b"LO", "Chest of Quibble"),
            (0x0010_0010, b"PN", b"M\xFCller^Maria".to_vec()),
            text(0x0010_0020, b"LO", "HN-4711"),
            text(0x0010_0021, b"LO", "WARD"),
            text(0x0010_0030, b"DA", "19520304"),
            text(0x0010_0040, b"CS", "F"),
            text(0x0020_000D, b"UI", "1.2.3"),
            text(0x0020_000E, b"UI", "1.2.3.4"),
            text(0x0020_0010, b"SH", "S1"),
            text(0x0020_0052, b"UI", "1.2.3.5"),
        ],
        syntax,
    )
}

fn profile() -> Profile {
    Profile { options: [ProfileOption::ModifiedDates].into(), ..Profile::basic("trial") }
}

fn left(syntax: Syntax, profile: &Profile) -> Deidentified {
    deidentify(&image(syntax), syntax, profile, &Key::new([7; 32])).expect("it leaves")
}

fn home(left: &Deidentified) -> Home {
    Home {
        study: left.home.clone(),
        left_on: NaiveDate::from_ymd_opt(2024, 1, 6).expect("a day"),
        originals: left.pseudonyms.iter().map(|((_, to), of)| (to.clone(), of.clone())).collect(),
    }
}

fn values(bytes: &[u8], syntax: Syntax) -> BTreeMap<u32, String> {
    let elements = Elements::of_data_set(bytes, syntax).map(|one| one.expect("it can be walked"));
    let value = |one: gantry_deidentification::elements::Element| {
        let value = String::from_utf8_lossy(&bytes[one.value..one.value_end()]);
        (one.tag, value.trim_end_matches([' ', '\0']).to_string())
    };
    elements.map(value).collect()
}

/// What a peer makes of it: it copies what it got of patient and study, and refers to the image in an item.
fn result(left: &Deidentified, syntax: Syntax, further: Attributes) -> Vec<u8> {
    let got = values(&left.data_set, syntax);
    let of = |tag: u32, vr| (tag, vr, got[&tag].clone().into_bytes());
    let text = |tag, vr, text: &str| (tag, vr, text.as_bytes().to_vec());
    let reference = encoded(
        vec![
            (0x0008_1155, b"UI", got[&0x0008_0018].clone().into_bytes()),
            (0x0010_0020, b"LO", got[&0x0010_0020].clone().into_bytes()),
            text(0x0040_A030, b"DT", &(got[&0x0008_0020].clone() + "1015")),
        ],
        syntax,
    );
    let mut attributes = vec![
        text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.66.4"),
        text(0x0008_0018, b"UI", "1.9.1"),
        of(0x0008_0020, b"DA"),
        // Its own day.
        text(0x0008_0023, b"DA", "20240301"),
        of(0x0008_0050, b"SH"),
        (0x0008_1115, b"SQ", syntax.item(&reference).expect("short")),
        of(0x0010_0010, b"PN"),
        of(0x0010_0020, b"LO"),
        text(0x0012_0062, b"CS", "YES"),
        of(0x0020_000D, b"UI"),
        text(0x0020_000E, b"UI", "1.9"),
        of(0x0020_0052, b"UI"),
        text(0x0028_0303, b"CS", "MODIFIED"),
    ];
    for one in further {
        attributes.retain(|(tag, ..)| *tag != one.0);
        attributes.push(one);
    }
    encoded(attributes, syntax)
}

#[test]
fn a_result_comes_home_to_its_patient_with_its_own_uids_and_the_references_to_what_left() {
    for syntax in SYNTAXES {
        let left = left(syntax, &profile());
        let result = result(&left, syntax, Vec::new());
        let named = Named::of(&result, syntax).expect("it can be walked");
        assert_eq!((&named.study, named.studies.len()), (&left.home.uid, 1));
        for pseudonym in left.pseudonyms.keys().map(|(_, pseudonym)| pseudonym) {
            let other =
                left.pseudonyms.iter().any(|((_, one), of)| one == pseudonym && of == "1.2.3.4");
            assert!(other || named.names.contains(pseudonym), "{pseudonym} is asked for");
        }
        let came = reidentify(&result, syntax, &home(&left)).expect("it comes home");
        let got = values(&came, syntax);
        assert!(got.keys().is_sorted());
        for (tag, expected) in [
            (0x0008_0018, "1.9.1"),
            (0x0008_0020, "20240105"),
            (0x0008_0023, "20240301"),
            (0x0008_0030, "1015"),
            (0x0008_0050, "ACC-0815"),
            (0x0008_0090, ""),
            (0x0008_1030, "Chest of Quibble"),
            (0x0010_0020, "HN-4711"),
            (0x0010_0021, "WARD"),
            (0x0010_0030, "19520304"),
            (0x0010_0040, "F"),
            (0x0020_000D, "1.2.3"),
            (0x0020_000E, "1.9"),
            (0x0020_0010, "S1"),
            (0x0020_0052, "1.2.3.5"),
        ] {
            assert_eq!(got.get(&tag).map(String::as_str), Some(expected), "{tag:08X}");
        }
        // The result has no character set of its own, in which the name has no place.
        assert_eq!(got[&0x0008_0005], "ISO_IR 192");
        assert_eq!(got[&0x0010_0010], "Müller^Maria");
        assert!(!got.contains_key(&0x0012_0062) && !got.contains_key(&0x0028_0303));
        let item = &got[&0x0008_1115];
        for part in ["1.2.3.1", "HN-4711", "202401051015"] {
            assert!(item.contains(part), "{part} is missing in {item}");
        }
        for (_, pseudonym) in left.pseudonyms.keys() {
            assert!(!String::from_utf8_lossy(&came).contains(pseudonym.as_str()), "{pseudonym}");
        }
    }
}

#[test]
fn texts_of_the_result_itself_survive_another_character_set() {
    let left = left(EXPLICIT, &profile());
    let further = vec![
        (0x0008_0005, b"CS", b"ISO_IR 144".to_vec()),
        (0x0008_103E, b"LO", vec![0xBB, 0xD5, 0xD3, 0xDA, 0xD8, 0xD5]),
    ];
    let came = reidentify(&result(&left, EXPLICIT, further), EXPLICIT, &home(&left)).expect("home");
    let got = values(&came, EXPLICIT);
    assert_eq!(got[&0x0008_103E], "Легкие");
    assert_eq!(got[&0x0010_0010], "Müller^Maria");
    // One in which all has its place stays as it is.
    let further: Attributes = vec![(0x0008_0005, b"CS", b"ISO_IR 100".to_vec())];
    let came = reidentify(&result(&left, EXPLICIT, further), EXPLICIT, &home(&left)).expect("home");
    assert_eq!(values(&came, EXPLICIT)[&0x0008_0005], "ISO_IR 100");
    assert!(came.windows(6).any(|part| part == b"M\xFCller"));
}

#[test]
fn what_names_another_patient_or_is_what_left_does_not_come_home() {
    let left = left(EXPLICIT, &profile());
    let home = home(&left);
    let other = result(&left, EXPLICIT, vec![(0x0010_0020, b"LO", b"P0".to_vec())]);
    assert_eq!(reidentify(&other, EXPLICIT, &home), Err(Unreturned::OtherPatient));
    assert_eq!(reidentify(&left.data_set, EXPLICIT, &home), Err(Unreturned::LeftHere));
    let nobody = result(&left, EXPLICIT, vec![(0x0010_0020, b"LO", Vec::new())]);
    assert!(reidentify(&nobody, EXPLICIT, &home).is_ok(), "its study says whose it is");
}

#[test]
fn dates_that_never_moved_stay_and_kept_uids_lead_home_too() {
    let profile =
        Profile { options: [ProfileOption::RetainUids].into(), ..Profile::basic("trial") };
    let left = left(EXPLICIT, &profile);
    assert_eq!((left.home.days, &*left.home.uid), (0, "1.2.3"));
    let further = vec![(0x0008_0021, b"DA", b"20230101".to_vec())];
    let came = reidentify(&result(&left, EXPLICIT, further), EXPLICIT, &home(&left)).expect("home");
    let got = values(&came, EXPLICIT);
    assert_eq!(got[&0x0008_0021], "20230101");
    assert_eq!(got[&0x0020_000D], "1.2.3");
    assert_eq!(got[&0x0010_0020], "HN-4711");
}

#[test]
fn whatever_the_bytes_are_they_are_refused_or_walked() {
    let left = left(EXPLICIT, &profile());
    let whole = result(&left, EXPLICIT, Vec::new());
    for cut in 0..whole.len() {
        let _ = Named::of(&whole[..cut], EXPLICIT);
        let _ = reidentify(&whole[..cut], EXPLICIT, &home(&left));
    }
    let mut nested = Vec::new();
    for _ in 0..40 {
        let item = EXPLICIT.item(&nested).expect("short");
        nested = EXPLICIT.element(0x5200_9229, *b"SQ", &item).expect("short");
    }
    assert_eq!(Named::of(&nested, EXPLICIT), Err(Unreturned::TooDeep));
}
