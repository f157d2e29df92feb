//! Sources as they come: complete, poor, foreign, oblique, short, long. Every result must be valid on all of them.

use crate::kit::phantom::{Phantom, bytes, text};
use dicom_core::VR;
use dicom_dictionary_std::tags;

/// Those whose text is in other bytes in a result, which is in UTF-8. dcentvfy compares bytes.
pub const RECODED: [&str; 7] =
    ["Japanese", "Latin 1", "Chinese", "Chinese, GBK", "Korean", "Cyrillic", "half-width kana"];

pub fn all() -> Vec<(&'static str, Phantom)> {
    let small = || Phantom::axial(4, 40, 50);
    vec![
        ("complete", Phantom::axial(30, 64, 96)),
        ("one slice", Phantom::axial(1, 512, 512)),
        ("more slices than frames", Phantom::axial(150, 40, 30)),
        ("no frame of reference", Phantom { frame_of_reference: None, ..small() }),
        ("oblique", oblique()),
        ("without optional values", small().edited(bare)),
        ("Japanese", small().edited(japanese)),
        ("Latin 1", small().edited(latin)),
        ("Chinese", small().edited(|object| named(object, &CHINESE))),
        ("Chinese, GBK", small().edited(|object| named(object, &GBK))),
        ("Korean", small().edited(|object| named(object, &KOREAN))),
        ("Cyrillic", small().edited(|object| named(object, &CYRILLIC))),
        ("half-width kana", small().edited(|object| named(object, &KANA))),
        ("no character set", small().edited(ascii)),
        ("long values", small().edited(long)),
        ("old forms of dates", small().edited(old)),
        ("lossy", small().edited(lossy)),
        ("ordered", small().edited(ordered)),
        ("de-identified", small().edited(deidentified)),
    ]
}

/// Stacks by how they lie in the patient.
pub fn planes() -> Vec<(&'static str, Phantom)> {
    let turned = |row, column| {
        let mut phantom = Phantom::axial(7, 36, 43);
        (phantom.geometry.row_direction, phantom.geometry.column_direction) = (row, column);
        phantom
    };
    vec![
        ("axial", Phantom::axial(7, 36, 43)),
        ("sagittal", turned([0.0, 1.0, 0.0], [0.0, 0.0, -1.0])),
        ("coronal", turned([1.0, 0.0, 0.0], [0.0, 0.0, -1.0])),
        ("oblique", oblique()),
        ("towards the feet", turned([1.0, 0.0, 0.0], [0.0, -1.0, 0.0])),
        ("one slice", Phantom::axial(1, 36, 43)),
        ("tilted", tilted()),
    ]
}

/// Each slice lies a little further to the front than the one below it.
fn tilted() -> Phantom {
    let mut phantom = Phantom::axial(7, 36, 43);
    phantom.shift = [0.0, -0.75, 0.0];
    phantom
}

/// A sagittal-like stack, tilted, with 0.7 mm pixels that are not square.
fn oblique() -> Phantom {
    let mut phantom = Phantom::axial(5, 60, 50);
    let (sine, cosine) = (0.3f64.sin(), 0.3f64.cos());
    phantom.geometry.row_direction = [0.0, cosine, sine];
    phantom.geometry.column_direction = [0.0, sine, -cosine];
    phantom.geometry.pixel_spacing = [1.0 / 3.0, 0.7];
    phantom.geometry.slice_step = 1.0 + 1.0 / 3.0;
    phantom
}

type Object = dicom_object::InMemDicomObject;

/// Everything that a result may not rely on is gone, and the Type 2 attributes are missing.
fn bare(object: &mut Object) {
    for tag in [
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::PATIENT_BIRTH_DATE,
        tags::PATIENT_SEX,
        tags::PATIENT_AGE,
        tags::STUDY_DATE,
        tags::STUDY_TIME,
        tags::STUDY_ID,
        tags::ACCESSION_NUMBER,
        tags::REFERRING_PHYSICIAN_NAME,
        tags::STUDY_DESCRIPTION,
        tags::POSITION_REFERENCE_INDICATOR,
        tags::BODY_PART_EXAMINED,
        tags::PATIENT_POSITION,
        tags::TIMEZONE_OFFSET_FROM_UTC,
        tags::SLICE_THICKNESS,
        tags::WINDOW_CENTER,
        tags::WINDOW_WIDTH,
        tags::MANUFACTURER,
    ] {
        object.remove_element(tag);
    }
}

fn japanese(object: &mut Object) {
    text(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "\\ISO 2022 IR 87");
    bytes(
        object,
        tags::PATIENT_NAME,
        VR::PN,
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    );
    bytes(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN, b"Suzuki");
    bytes(object, tags::STUDY_DESCRIPTION, VR::LO, b"\x1b$B6;It\x1b(B CT");
}

/// A Specific Character Set, bytes of a Patient's Name in it, and the name (PS3.5 annexes H to J; bytes by Python's codecs).
pub struct Named {
    pub set: &'static str,
    pub bytes: &'static [u8],
    pub name: &'static str,
}

pub const CHINESE: Named = Named {
    set: "GB18030",
    bytes: b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
    name: "Wang^XiaoDong=王^小东",
};
pub const GBK: Named = Named { set: "GBK", ..CHINESE };
/// Each group and each component begins anew without the second set.
pub const KOREAN: Named = Named {
    set: "\\ISO 2022 IR 149",
    bytes: b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    name: "Hong^Gildong=洪^吉洞=홍^길동",
};
pub const CYRILLIC: Named = Named {
    set: "ISO_IR 144",
    bytes: b"\xb8\xd2\xd0\xdd\xde\xd2^\xbf\xf1\xe2\xe0",
    name: "Иванов^Пётр",
};
pub const KANA: Named = Named {
    set: "ISO_IR 13",
    // JIS X 0201: half-width katakana.
    bytes: b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3",
    name: "ﾔﾏﾀﾞ^ﾀﾛｳ",
};

pub fn named(object: &mut Object, named: &Named) {
    text(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, named.set);
    bytes(object, tags::PATIENT_NAME, VR::PN, named.bytes);
    bytes(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN, named.bytes);
}

fn latin(object: &mut Object) {
    text(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
    bytes(object, tags::PATIENT_NAME, VR::PN, b"M\xfcller^J\xf6rg");
    bytes(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN, b"Gar\xe7on^Ren\xe9");
}

fn ascii(object: &mut Object) {
    object.remove_element(tags::SPECIFIC_CHARACTER_SET);
    bytes(object, tags::PATIENT_NAME, VR::PN, b"Doe^Jane");
    bytes(object, tags::REFERRING_PHYSICIAN_NAME, VR::PN, b"Roe");
}

fn long(object: &mut Object) {
    text(object, tags::STUDY_DESCRIPTION, VR::LO, &"Ä long description ".repeat(9));
    text(object, tags::PATIENT_NAME, VR::PN, &format!("Hubert^{}", "Wolfeschlegelstein".repeat(4)));
    text(object, tags::MANUFACTURER, VR::LO, &"Maker ".repeat(20));
    text(object, tags::BODY_PART_EXAMINED, VR::CS, "CHEST AND ABDOMEN, PELVIS");
    text(object, tags::PATIENT_WEIGHT, VR::DS, "82.33333333333333333333");
}

fn old(object: &mut Object) {
    bytes(object, tags::STUDY_DATE, VR::DA, b"2024.05.14");
    bytes(object, tags::STUDY_TIME, VR::TM, b"09:12:00");
    bytes(object, tags::PATIENT_BIRTH_DATE, VR::DA, b"unknown");
    bytes(object, tags::PATIENT_AGE, VR::AS, b"64");
    bytes(object, tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, b"+02:00");
}

fn lossy(object: &mut Object) {
    text(object, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    text(object, tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, "10");
    text(object, tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1");
}

/// A request with an empty code sequence inside, which a picture may not repeat.
fn ordered(object: &mut Object) {
    let mut request = Object::new_empty();
    text(&mut request, tags::REQUESTED_PROCEDURE_ID, VR::SH, "RP1");
    text(&mut request, tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO, "CT Thorax nativ");
    text(&mut request, tags::SCHEDULED_PROCEDURE_STEP_ID, VR::SH, "SPS1");
    sequence(&mut request, tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, vec![]);
    sequence(object, tags::REQUEST_ATTRIBUTES_SEQUENCE, vec![request]);
}

fn deidentified(object: &mut Object) {
    let mut method = Object::new_empty();
    text(&mut method, tags::CODE_VALUE, VR::SH, "113100");
    text(&mut method, tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM");
    text(&mut method, tags::CODE_MEANING, VR::LO, "Basic Application Confidentiality Profile");
    text(object, tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    text(object, tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, "MODIFIED");
    sequence(object, tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, vec![method]);
    text(object, tags::CLINICAL_TRIAL_SPONSOR_NAME, VR::LO, "Sponsor");
    text(object, tags::CLINICAL_TRIAL_PROTOCOL_ID, VR::LO, "P1");
    text(object, tags::CLINICAL_TRIAL_PROTOCOL_NAME, VR::LO, "");
    text(object, tags::CLINICAL_TRIAL_SITE_ID, VR::LO, "");
    text(object, tags::CLINICAL_TRIAL_SITE_NAME, VR::LO, "");
    text(object, tags::CLINICAL_TRIAL_SUBJECT_ID, VR::LO, "S1");
}

fn sequence(object: &mut Object, tag: dicom_core::Tag, items: Vec<Object>) {
    let items = dicom_core::value::DataSetSequence::from(items);
    object.put(dicom_core::DataElement::new(tag, VR::SQ, items));
}
