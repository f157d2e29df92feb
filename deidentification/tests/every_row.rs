//! An object that holds a mark in every attribute of the table, in sequences and private groups too, and what of it leaves.

use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use gantry_deidentification::burned_in::Likely;
use gantry_deidentification::deidentify::{Deidentified, Kind, Refusal, deidentify};
use gantry_deidentification::elements::{Elements, Syntax};
use gantry_deidentification::key::Key;
use gantry_deidentification::pixels::Rectangle;
use gantry_deidentification::profile::{Device, PrivateAttribute, Profile, ProfileOption};
use gantry_deidentification::table;
use std::collections::BTreeMap;

const MARK: &str = "MARK";
const SYNTAXES: [Syntax; 3] = [
    Syntax { implicit: false, big_endian: false },
    Syntax { implicit: true, big_endian: false },
    Syntax { implicit: false, big_endian: true },
];
const EXPLICIT: Syntax = SYNTAXES[0];

/// Attributes by their tags.
type Attributes = BTreeMap<u32, ([u8; 2], Vec<u8>)>;

fn padded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(2), b' ');
    bytes
}

fn encoded(attributes: &Attributes, syntax: Syntax) -> Vec<u8> {
    let elements = attributes
        .iter()
        .map(|(tag, (vr, value))| syntax.element(*tag, *vr, value).expect("it is short"));
    elements.collect::<Vec<_>>().concat()
}

fn vr_of(tag: u32) -> [u8; 2] {
    let known = StandardDataDictionary.by_tag(dicom_core::Tag((tag >> 16) as u16, tag as u16));
    let vr = known.map_or(VR::LO, |known| known.vr().relaxed());
    vr.to_string().as_bytes().try_into().expect("two letters")
}

/// A value of this attribute that somebody could be known by: a word, a date and a UID that nothing else has.
fn marked(tag: u32, vr: [u8; 2]) -> Vec<u8> {
    match &vr {
        b"DA" => b"19520304".to_vec(),
        b"DT" => b"19520304010203".to_vec(),
        b"TM" => b"040302.77 ".to_vec(),
        b"UI" => padded(&format!("1.2.77.{tag}")),
        b"AS" => b"077Y".to_vec(),
        b"DS" | b"IS" => b"7777".to_vec(),
        b"US" | b"SS" => vec![0x77; 2],
        b"UL" | b"SL" | b"FL" | b"AT" => vec![0x77; 4],
        b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => vec![0x77; 8],
        _ => padded(&format!("{MARK}{tag:08X}")),
    }
}

/// All rows of the table, where sequences hold what `inside` is.
fn all_rows(inside: &[u8], syntax: Syntax) -> Attributes {
    // The command, file header and directory are no part of a data set; content and documents are refused.
    let tags =
        table::tags().filter(|tag| tag >> 16 >= 8 && ![0x0040_A730, 0x0042_0011].contains(tag));
    let attribute = |tag| {
        let vr = vr_of(tag);
        let value = match &vr {
            b"SQ" => syntax.item(inside).expect("it is short"),
            _ => marked(tag, vr),
        };
        (tag, (vr, value))
    };
    let mut all: Attributes = tags.map(attribute).collect();
    all.insert(0x0008_0016, (*b"UI", padded("1.2.840.10008.5.1.4.1.1.2")));
    // Private ones, curves, overlays, an unknown one, and names and texts that have no row.
    for (tag, vr) in [
        (0x0009_0010, *b"LO"),
        (0x0009_1001, *b"LO"),
        (0x0009_1002, *b"UN"),
        (0x0008_9BCD, *b"LO"),
        (0x5002_3000, *b"OW"),
        (0x5002_0040, *b"LO"),
        (0x6000_3000, *b"OW"),
        (0x6000_4000, *b"LT"),
        (0x6002_0022, *b"LO"),
        (0x0040_A160, *b"UT"),
        (0x0070_0006, *b"ST"),
    ] {
        all.insert(tag, (vr, marked(tag, vr)));
    }
    // The creator of a safe attribute, beside which one is not safe.
    all.insert(0x0019_0010, (*b"LO", padded("GEMS_ACQU_01")));
    all.insert(0x0019_1023, (*b"DS", b"55".to_vec()));
    all.insert(0x0019_1024, (*b"DS", b"66".to_vec()));
    all.insert(0x0019_1077, (*b"LO", marked(0x0019_1077, *b"LO")));
    all
}

/// Everything at the top, in an item, and in an item of an item that no row names.
fn phantom(syntax: Syntax) -> Vec<u8> {
    let innermost = encoded(&all_rows(b"", syntax), syntax);
    let mut inner = all_rows(&innermost, syntax);
    let item = syntax.item(&innermost).expect("it is short");
    // Shared Functional Groups Sequence, which has no row.
    inner.insert(0x5200_9229, (*b"SQ", item));
    let inner = encoded(&inner, syntax);
    let mut all = all_rows(&inner, syntax);
    all.insert(0x5200_9229, (*b"SQ", syntax.item(&inner).expect("it is short")));
    encoded(&all, syntax)
}

fn key() -> Key {
    Key::new([7; 32])
}

fn with(options: &[ProfileOption]) -> Profile {
    Profile { options: options.iter().copied().collect(), ..Profile::basic("research") }
}

fn done(bytes: &[u8], syntax: Syntax, profile: &Profile) -> Deidentified {
    deidentify(bytes, syntax, profile, &key()).expect("it can be de-identified")
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The value at the top, as text.
fn text(bytes: &[u8], syntax: Syntax, tag: u32) -> Option<String> {
    let found = Elements::of_data_set(bytes, syntax)
        .map(|element| element.expect("it can be walked"))
        .find(|element| element.tag == tag)?;
    let value = String::from_utf8_lossy(&bytes[found.value..found.value_end()]);
    Some(value.trim_end_matches([' ', '\0']).to_string())
}

#[test]
fn nothing_of_any_row_leaves_in_any_encoding() {
    for syntax in SYNTAXES {
        let phantom = phantom(syntax);
        for part in [MARK.as_bytes(), b"19520304", b"1.2.77.", b"077Y", b"040302.77"] {
            assert!(has(&phantom, part), "the phantom itself has it");
            let left = done(&phantom, syntax, &Profile::basic("research")).data_set;
            assert!(!has(&left, part), "{syntax:?}: {}", String::from_utf8_lossy(part));
        }
    }
}

#[test]
fn what_leaves_can_be_walked_says_how_it_was_made_and_has_its_tags_in_order() {
    for syntax in SYNTAXES {
        let left = done(&phantom(syntax), syntax, &Profile::basic("research")).data_set;
        let tags: Vec<u32> = Elements::of_data_set(&left, syntax)
            .map(|element| element.expect("it can be walked").tag)
            .collect();
        assert!(tags.is_sorted_by(|a, b| a < b), "{tags:08X?}");
        assert_eq!(text(&left, syntax, 0x0012_0062).as_deref(), Some("YES"));
        assert_eq!(text(&left, syntax, 0x0028_0303).as_deref(), Some("REMOVED"));
        assert!(text(&left, syntax, 0x0012_0064).expect("codes").contains("113100"));
        assert!(text(&left, syntax, 0x0018_A001).expect("equipment").contains("109104"));
        assert_eq!(text(&left, syntax, 0x0008_0016).as_deref(), Some("1.2.840.10008.5.1.4.1.1.2"));
    }
}

#[test]
fn pseudonyms_are_the_same_at_all_times_and_can_be_told_back() {
    let profile = Profile::basic("research");
    let (one, again) = (
        done(&phantom(EXPLICIT), EXPLICIT, &profile),
        done(&phantom(EXPLICIT), EXPLICIT, &profile),
    );
    assert_eq!(one, again);
    let study = text(&one.data_set, EXPLICIT, 0x0020_000D).expect("a study");
    assert_eq!(one.pseudonyms.get(&(Kind::Study, study)), Some(&format!("1.2.77.{}", 0x0020_000D)));
    let patient = text(&one.data_set, EXPLICIT, 0x0010_0020).expect("a patient");
    assert_eq!(text(&one.data_set, EXPLICIT, 0x0010_0010), Some(format!("{patient}^")));
    let id = format!("{MARK}{:08X}", 0x0010_0020);
    assert_eq!(one.pseudonyms.get(&(Kind::Patient, patient.clone())), Some(&id));
    let other = done(&phantom(EXPLICIT), EXPLICIT, &Profile::basic("trial"));
    assert_ne!(text(&other.data_set, EXPLICIT, 0x0010_0020), Some(patient), "another profile");
}

/// The attributes whose marks are there.
fn marks(bytes: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(bytes);
    let tags = text.split(MARK).skip(1).filter_map(|rest| rest.get(..8));
    tags.map(|tag| u32::from_str_radix(tag, 16).expect("a tag")).collect()
}

#[test]
fn options_keep_what_they_name_and_nothing_else() {
    use ProfileOption::*;
    let left =
        |options: &[ProfileOption]| done(&phantom(EXPLICIT), EXPLICIT, &with(options)).data_set;
    let full = left(&[FullDates]);
    assert!(has(&full, b"19520304") && !has(&full, b"1.2.77."));
    for tag in marks(&full) {
        let (_, otherwise) = table::row(tag).expect("a row");
        assert!(otherwise.iter().any(|(option, _)| *option == FullDates), "{tag:08X}");
    }
    let moved = left(&[ModifiedDates]);
    let date = text(&moved, EXPLICIT, 0x0008_0020).expect("a study date");
    assert!(!has(&moved, b"19520304") && date != "19000101" && date.len() == 8, "{date}");
    assert_eq!(text(&moved, EXPLICIT, 0x0008_0022), Some(date), "all by the same days");
    assert_eq!(text(&moved, EXPLICIT, 0x0028_0303).as_deref(), Some("MODIFIED"));
    let uids = left(&[RetainUids]);
    assert!(has(&uids, b"1.2.77.") && marks(&uids).is_empty());
    let patient = left(&[PatientCharacteristics]);
    assert_eq!(text(&patient, EXPLICIT, 0x0010_1010).as_deref(), Some("077Y"));
    assert!(!has(&patient, b"19520304"));
    let device = left(&[DeviceIdentity]);
    assert!(has(&device, format!("{MARK}00181000").as_bytes()));
    assert!(!has(&device, format!("{MARK}00080080").as_bytes()));
    let institution = left(&[InstitutionIdentity]);
    assert!(has(&institution, format!("{MARK}00080080").as_bytes()));
    assert!(!has(&institution, format!("{MARK}00181000").as_bytes()));
    assert!(!has(&left(&[CleanDescriptors]), MARK.as_bytes()));
}

#[test]
fn of_private_attributes_only_safe_ones_stay_with_their_creator() {
    let left = done(&phantom(EXPLICIT), EXPLICIT, &with(&[ProfileOption::SafePrivate])).data_set;
    let private: Vec<u32> = Elements::of_data_set(&left, EXPLICIT)
        .map(|element| element.expect("it can be walked").tag)
        .filter(|tag| (tag >> 16) % 2 == 1)
        .collect();
    assert_eq!(private, [0x0019_0010, 0x0019_1023, 0x0019_1024]);
    let named = PrivateAttribute { group: 0x0019, element: 0x77, creator: "GEMS_ACQU_01".into() };
    let profile = Profile { private: vec![named], ..with(&[ProfileOption::SafePrivate]) };
    assert!(has(&done(&phantom(EXPLICIT), EXPLICIT, &profile).data_set, b"MARK00191077"));
}

fn image(attributes: &[(u32, [u8; 2], &[u8])]) -> Vec<u8> {
    let mut all: Attributes = [
        (0x0008_0018, (*b"UI", padded("1.2.3"))),
        (0x0008_0070, (*b"LO", padded("ACME"))),
        (0x0008_1090, (*b"LO", padded("Probe 1"))),
        (0x0028_0002, (*b"US", vec![1, 0])),
        (0x0028_0004, (*b"CS", padded("MONOCHROME2"))),
        (0x0028_0010, (*b"US", vec![2, 0])),
        (0x0028_0011, (*b"US", vec![4, 0])),
        (0x0028_0100, (*b"US", vec![8, 0])),
        (0x7FE0_0010, (*b"OB", vec![9; 8])),
    ]
    .into();
    all.extend(attributes.iter().map(|(tag, vr, value)| (*tag, (*vr, value.to_vec()))));
    encoded(&all, EXPLICIT)
}

#[test]
fn what_is_likely_to_have_burned_in_text_stays_here_unless_the_device_is_known() {
    let basic = Profile::basic("research");
    let ultrasound = image(&[(0x0008_0016, *b"UI", &padded("1.2.840.10008.5.1.4.1.1.6.1"))]);
    let refused = [
        ultrasound.clone(),
        image(&[(0x0028_0301, *b"CS", b"YES ")]),
        image(&[(0x0008_0008, *b"CS", &padded("DERIVED\\SECONDARY\\SCREEN SAVE"))]),
        image(&[(0x0008_0064, *b"CS", b"SD")]),
    ];
    for object in &refused {
        let said = deidentify(object, EXPLICIT, &basic, &key());
        assert!(matches!(said, Err(Refusal::BurnedIn(_))), "{said:?}");
    }
    for class in ["3", "3.1", "6", "6.2", "7", "7.4", "77.1.5.2", "77.1.5.7", "77.1.6", "77.1.7"] {
        let class = padded(&format!("1.2.840.10008.5.1.4.1.1.{class}"));
        let said = deidentify(&image(&[(0x0008_0016, *b"UI", &class)]), EXPLICIT, &basic, &key());
        assert_eq!(said, Err(Refusal::BurnedIn(Likely::Class)), "{class:?}");
    }
    for class in ["2", "2.1", "4", "20", "30", "66.4", "128"] {
        let class = padded(&format!("1.2.840.10008.5.1.4.1.1.{class}"));
        let said = deidentify(&image(&[(0x0008_0016, *b"UI", &class)]), EXPLICIT, &basic, &key());
        assert!(said.is_ok(), "{class:?}: {said:?}");
    }
    assert!(deidentify(&image(&[]), EXPLICIT, &basic, &key()).is_ok());
    let device = Device {
        manufacturer: "acme".into(),
        model: "Probe 1".into(),
        rows: 2,
        columns: 4,
        blank: vec![Rectangle { column: 0, row: 0, width: 4, height: 1 }],
    };
    let profile = Profile { devices: vec![device], ..basic };
    let left = done(&ultrasound, EXPLICIT, &profile).data_set;
    assert!(left.ends_with(&[0, 0, 0, 0, 9, 9, 9, 9]));
    assert_eq!(text(&left, EXPLICIT, 0x0028_0301).as_deref(), Some("NO"));
    assert!(text(&left, EXPLICIT, 0x0012_0064).expect("codes").contains("113101"));
}

#[test]
fn equipment_that_contributed_before_stays_in_front_of_this_one_without_its_institution() {
    let content = Attributes::from([
        (0x0008_0070, (*b"LO", padded("ACME"))),
        (0x0008_0080, (*b"LO", padded(MARK))),
    ]);
    let item = EXPLICIT.item(&encoded(&content, EXPLICIT)).expect("short");
    let object = image(&[(0x0018_A001, *b"SQ", &item)]);
    let left = done(&object, EXPLICIT, &Profile::basic("research")).data_set;
    let equipment = text(&left, EXPLICIT, 0x0018_A001).expect("equipment");
    assert!(equipment.find("ACME") < equipment.find("109104") && !has(&left, MARK.as_bytes()));
    let sequences = Elements::of_data_set(&left, EXPLICIT)
        .filter(|element| element.expect("it can be walked").tag == 0x0018_A001);
    assert_eq!(sequences.count(), 1);
}

#[test]
fn content_and_documents_leave_only_where_the_profile_cleans_them() {
    let item = EXPLICIT.item(&EXPLICIT.element(0x0040_A160, *b"UT", b"MARK").expect("short"));
    let report = image(&[(0x0040_A730, *b"SQ", &item.expect("short"))]);
    let basic = Profile::basic("research");
    assert_eq!(deidentify(&report, EXPLICIT, &basic, &key()), Err(Refusal::Content));
    let left = done(&report, EXPLICIT, &with(&[ProfileOption::CleanStructuredContent])).data_set;
    assert!(!has(&left, MARK.as_bytes()) && has(&left, b"REMOVED"));
    let document = image(&[(0x0042_0011, *b"OB", b"%PDF")]);
    assert_eq!(deidentify(&document, EXPLICIT, &basic, &key()), Err(Refusal::Document));
}

#[test]
fn whatever_the_bytes_are_they_are_refused_or_walked_and_never_half_done() {
    let whole = phantom(EXPLICIT);
    for cut in (1..whole.len()).step_by(997) {
        let _ = deidentify(&whole[..cut], EXPLICIT, &Profile::basic("research"), &key());
    }
    let mut nested = Vec::new();
    for _ in 0..40 {
        let item = EXPLICIT.item(&nested).expect("short");
        nested = EXPLICIT.element(0x5200_9229, *b"SQ", &item).expect("short");
    }
    let said = deidentify(&nested, EXPLICIT, &Profile::basic("research"), &key());
    assert_eq!(said, Err(Refusal::TooDeep));
}
