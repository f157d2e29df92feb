//! What changes in the bytes of a data set, and what does not.

use super::*;
use gantry_terms::changes::SetAttribute;
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;

const MODALITY: &[u8] = b"\x08\0\x60\0CS\x02\0CT";
const INSTITUTION: &[u8] = b"\x08\0\x80\0LO\x06\0Old  A";
const COMMENTS: &[u8] = b"\x10\0\x00\x40LT\x04\0name";
const PIXELS: &[u8] = b"\xE0\x7F\x10\0OW\0\0\x04\0\0\0abcd";

fn set(tag: Tag, vr: &str, value: &str) -> SetAttribute {
    SetAttribute { tag, vr: vr.into(), values: vec![value.into()] }
}

fn named() -> Changes {
    Changes {
        set: vec![set(0x0008_0080, "LO", "New")],
        remove: vec![0x0010_4000],
        ..Changes::default()
    }
}

fn of(data_set: &[u8], syntax: &str, changes: &Changes) -> Result<Vec<u8>, CoerceError> {
    let system = AeTitle::parse("GANTRY").expect("a title");
    let by = By { system: &system, at: Moment(1_000_000) };
    apply(data_set, &Uid::parse(syntax).expect("a UID"), changes, &by)
}

fn explicit(data_set: &[u8], changes: &Changes) -> Result<Vec<u8>, CoerceError> {
    of(data_set, EXPLICIT_VR_LITTLE_ENDIAN, changes)
}

/// One item of Original Attributes Sequence that tells of this attribute.
fn recorded(element: &[u8]) -> Vec<u8> {
    let system = AeTitle::parse("GANTRY").expect("a title");
    let by = By { system: &system, at: Moment(1_000_000) };
    let mut date_time = by.date_time();
    date_time += &" "[..date_time.len() % 2];
    let was = EXPLICIT.item(element).expect("it is short");
    let elements = [
        EXPLICIT.element(0x0400_0550, *b"SQ", &was).expect("short"),
        EXPLICIT.element(0x0400_0562, *b"DT", date_time.as_bytes()).expect("short"),
        b"\x00\x04\x63\x05LO\x06\0GANTRY\x00\x04\x64\x05LO\0\0\x00\x04\x65\x05CS\x06\0COERCE"
            .into(),
    ];
    EXPLICIT.item(&elements.concat()).expect("short")
}

fn sequence(items: &[u8]) -> Vec<u8> {
    EXPLICIT.element(0x0400_0561, *b"SQ", items).expect("short")
}

#[test]
fn a_value_is_replaced_and_recorded_and_one_that_is_removed_leaves_no_trace() {
    let whole = [MODALITY, INSTITUTION, COMMENTS, PIXELS].concat();
    let record = sequence(&recorded(INSTITUTION));
    let expected = [MODALITY, b"\x08\0\x80\0LO\x04\0New ", &record, PIXELS].concat();
    assert_eq!(explicit(&whole, &named()), Ok(expected));
}

#[test]
fn the_time_of_the_change_is_a_date_time_with_its_zone() {
    let system = AeTitle::parse("GANTRY").expect("a title");
    let told = By { system: &system, at: Moment(1_000_000) }.date_time();
    assert_eq!((told.len(), &told[14..21]), (26, ".000000"), "{told}");
}

#[test]
fn what_was_not_there_comes_in_by_its_tag_and_nothing_is_recorded() {
    let changes = Changes {
        set: vec![
            set(0x3002_0002, "SH", "Z"),
            set(0x0008_0080, "LO", "New"),
            set(0x0008_0008, "CS", "A"),
        ],
        remove: vec![0x0010_4000],
        ..Changes::default()
    };
    let expected = [
        b"\x08\0\x08\0CS\x02\0A " as &[u8],
        MODALITY,
        b"\x08\0\x80\0LO\x04\0New ",
        b"\x02\x30\x02\0SH\x02\0Z ",
        PIXELS,
    ];
    assert_eq!(explicit(&[MODALITY, PIXELS].concat(), &changes), Ok(expected.concat()));
    let expected = expected[..4].concat();
    assert_eq!(explicit(MODALITY, &changes), Ok(expected), "at the end, too");
}

#[test]
fn what_is_as_it_shall_be_already_goes_as_it_came() {
    let whole =
        [b"\x08\0\0\0UL\x04\0\x18\0\0\0", MODALITY, b"\x08\0\x80\0LO\x04\0New ", PIXELS, b"\0\0"]
            .concat();
    assert_eq!(explicit(&whole, &named()), Ok(whole));
}

#[test]
fn lengths_of_groups_that_change_go_and_others_stay() {
    let [of_8, of_28] =
        [8, 0x28].map(|group| [&[group, 0, 0, 0], b"UL\x04\0\x18\0\0\0" as &[u8]].concat());
    let to_end = b"\x08\0\x01\0UL\x04\0\x18\0\0\0";
    let whole = [&of_8, &to_end[..], MODALITY, &of_28, PIXELS].concat();
    let expected = [MODALITY, b"\x08\0\x80\0LO\x04\0New ", &of_28, PIXELS].concat();
    assert_eq!(explicit(&whole, &named()), Ok(expected));
}

#[test]
fn an_attribute_that_stands_there_twice_goes_twice() {
    let whole = [MODALITY, INSTITUTION, COMMENTS, INSTITUTION, COMMENTS].concat();
    let expected =
        [MODALITY, b"\x08\0\x80\0LO\x04\0New ", &sequence(&recorded(INSTITUTION))].concat();
    assert_eq!(explicit(&whole, &named()), Ok(expected));
}

#[test]
fn what_was_recorded_before_gets_one_item_more_and_loses_what_is_removed() {
    let earlier = recorded(&[MODALITY, COMMENTS].concat());
    let scrubbed = recorded(MODALITY);
    let items = [&scrubbed[..], &recorded(INSTITUTION)].concat();
    let front = [MODALITY, b"\x08\0\x80\0LO\x04\0New "].concat();
    let with = |sequence: &[u8]| [MODALITY, INSTITUTION, sequence, PIXELS].concat();
    let expected = [&front, &sequence(&items)[..], PIXELS].concat();
    assert_eq!(explicit(&with(&sequence(&earlier)), &named()), Ok(expected));

    // Of undefined length it stays so.
    let undefined = |items: &[u8]| {
        let head = b"\x00\x04\x61\x05SQ\0\0\xFF\xFF\xFF\xFF";
        [head, items, b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat()
    };
    let expected = [&front, &undefined(&items)[..], PIXELS].concat();
    assert_eq!(explicit(&with(&undefined(&earlier)), &named()), Ok(expected));
}

/// An item of Original Attributes Sequence that holds a value apart from its tag, and the length of
/// its group.
fn with_nonconforming(nonconforming: &[u8]) -> Vec<u8> {
    let length = b"\x00\x04\0\0UL\x04\0\x18\0\0\0";
    let was = EXPLICIT.item(MODALITY).expect("short");
    let modified = EXPLICIT.element(0x0400_0550, *b"SQ", &was).expect("short");
    let length: &[u8] = if nonconforming.is_empty() { b"" } else { length };
    EXPLICIT.item(&[length, &modified, nonconforming].concat()).expect("short")
}

#[test]
fn when_something_is_removed_no_record_keeps_values_apart_from_their_tags() {
    let value = b"\x00\x04\x52\x05OB\0\0\x04\0\0\0name\x72\0\x26\0AT\x04\0\x10\0\x00\x40";
    let item = EXPLICIT.item(value).expect("short");
    let nonconforming = EXPLICIT.element(0x0400_0551, *b"SQ", &item).expect("short");
    let whole = [MODALITY, &sequence(&with_nonconforming(&nonconforming)), PIXELS].concat();
    let mut changes = Changes { set: Vec::new(), remove: vec![0x0010_4000], ..Changes::default() };
    let expected = [MODALITY, &sequence(&with_nonconforming(b"")), PIXELS].concat();
    assert_eq!(explicit(&whole, &changes), Ok(expected));
    changes.remove.clear();
    assert_eq!(explicit(&whole, &changes), Ok(whole), "where nothing is removed it stays");
}

#[test]
fn a_value_of_odd_length_is_recorded_with_its_padding() {
    let odd = b"\x08\0\x80\0LO\x03\0Old";
    let expected = [
        MODALITY,
        b"\x08\0\x80\0LO\x04\0New ",
        &sequence(&recorded(b"\x08\0\x80\0LO\x04\0Old ")),
        PIXELS,
    ];
    assert_eq!(explicit(&[MODALITY, odd, PIXELS].concat(), &named()), Ok(expected.concat()));
}

#[test]
fn a_length_that_a_rule_removes_goes_although_nothing_else_changes() {
    let to_end = b"\x08\0\x01\0UL\x04\0\x18\0\0\0";
    let changes = Changes { set: Vec::new(), remove: vec![LENGTH_TO_END], ..Changes::default() };
    let whole = [to_end, MODALITY, PIXELS].concat();
    assert_eq!(explicit(&whole, &changes), Ok([MODALITY, PIXELS].concat()));
}

#[test]
fn a_rule_that_removes_the_record_makes_none() {
    let mut changes = named();
    changes.remove.push(ORIGINAL_ATTRIBUTES_SEQUENCE);
    let whole = [MODALITY, INSTITUTION, &sequence(&recorded(COMMENTS)), PIXELS].concat();
    let expected = [MODALITY, b"\x08\0\x80\0LO\x04\0New ", PIXELS].concat();
    assert_eq!(explicit(&whole, &changes), Ok(expected));
}

#[test]
fn a_record_with_an_unknown_representation_is_gone_on_with_in_its_own_encoding() {
    let unknown = b"\x00\x04\x61\x05UN\0\0\0\0\0\0";
    let whole = [MODALITY, INSTITUTION, unknown, PIXELS].concat();
    let changed = explicit(&whole, &named()).expect("it can be changed");
    let at = MODALITY.len() + 12;
    assert_eq!(changed[at..at + 8], *b"\x00\x04\x61\x05UN\0\0");
    let item = b"\xFE\xFF\x00\xE0";
    let inner = b"\x00\x04\x50\x05\x16\0\0\0\xFE\xFF\x00\xE0\x0E\0\0\0\x08\0\x80\0\x06\0\0\0Old  A";
    assert_eq!(changed[at + 12..at + 16], *item);
    assert_eq!(changed[at + 20..at + 20 + inner.len()], *inner);
}

#[test]
fn implicit_big_endian_and_deflated_objects_are_changed_in_their_own_encoding() {
    let mut changes = named();
    changes.set.push(set(0x0028_0106, "US", "258"));
    let implicit = b"\x08\0\x60\0\x02\0\0\0CT\x10\0\x00\x40\x04\0\0\0name";
    let expected =
        b"\x08\0\x60\0\x02\0\0\0CT\x08\0\x80\0\x04\0\0\0New \x28\0\x06\x01\x02\0\0\0\x02\x01";
    assert_eq!(of(implicit, IMPLICIT_VR_LITTLE_ENDIAN, &changes), Ok(expected.to_vec()));
    let big = b"\0\x08\0\x60CS\0\x02CT\0\x10\x40\0LT\0\x04name";
    let expected = b"\0\x08\0\x60CS\0\x02CT\0\x08\0\x80LO\0\x04New \0\x28\x01\x06US\0\x02\x01\x02";
    assert_eq!(of(big, EXPLICIT_VR_BIG_ENDIAN, &changes), Ok(expected.to_vec()));
    let whole = [MODALITY, INSTITUTION, COMMENTS, PIXELS].concat();
    let deflated = deflated(&whole).expect("it deflates");
    let changed = of(&deflated, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &changes).expect("changed");
    assert_eq!(changed.len() % 2, 0);
    assert_eq!(inflated(&changed), explicit(&whole, &changes));
}

/// Some devices do so when they compress.
#[test]
fn what_was_written_without_representations_against_its_syntax_stays_so() {
    let implicit = b"\x08\0\x60\0\x02\0\0\0CT\x10\0\x00\x40\x04\0\0\0name";
    let expected = b"\x08\0\x60\0\x02\0\0\0CT\x08\0\x80\0\x04\0\0\0New ";
    assert_eq!(explicit(implicit, &named()), Ok(expected.to_vec()));
}

#[test]
fn a_refusal_names_the_tag_and_no_value() {
    let refused = |data_set: &[u8], tag, vr: &str, value: &str| {
        let changes =
            Changes { set: vec![set(tag, vr, value)], remove: Vec::new(), ..Changes::default() };
        explicit(data_set, &changes).expect_err("it cannot be").to_string()
    };
    assert_eq!(
        refused(MODALITY, 0x0008_0080, "LO", "Klinik Süd"),
        "the value that the rule sets for (0008,0080) has no place in the character set of the object"
    );
    assert_eq!(
        refused(MODALITY, 0x0028_0106, "US", "70000"),
        "(0028,0106) is not set to this value"
    );
    assert_eq!(
        refused(MODALITY, 0x0008_0018, "UI", "1.2"),
        "(0008,0018) is not changed by any rule"
    );
    assert_eq!(
        refused(&INSTITUTION[..9], 0x0008_0080, "LO", "x"),
        "the object cannot be walked at (0008,0080), so that nothing is changed in it"
    );
    let pixels = Changes { set: Vec::new(), remove: vec![0x7FE0_0010], ..Changes::default() };
    assert_eq!(explicit(PIXELS, &pixels), Err(CoerceError::Never(0x7FE0_0010)));
}

#[test]
fn a_deflated_object_that_blows_up_is_refused_before_memory_is_full() {
    let mut writing = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..=(MOST_INFLATED >> 20) {
        writing.write_all(&vec![0; 1 << 20]).expect("memory can be written");
    }
    let bomb = writing.finish().expect("memory can be written");
    let refused = of(&bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &named());
    assert_eq!(refused, Err(CoerceError::TooLarge));
}
