//! What a de-identified object says of how that was done (PS3.3 C.7.1.1, PS3.15 E.1.1 points 6 and 7, CID 7050).

use crate::elements::Syntax;
use crate::profile::{Profile, ProfileOption};
use gantry_terms::header::Tag;

pub(crate) const CONTRIBUTING_EQUIPMENT: Tag = 0x0018_A001;
const PATIENT_IDENTITY_REMOVED: Tag = 0x0012_0062;
const METHOD: Tag = 0x0012_0063;
const METHOD_CODES: Tag = 0x0012_0064;
const BURNED_IN_ANNOTATION: Tag = 0x0028_0301;
const TIMES_MODIFIED: Tag = 0x0028_0303;

const CLEAN_PIXEL_DATA: (&str, &str) = ("113101", "Clean Pixel Data Option");

/// Whether it says that an object is without its patient; what comes home is not.
pub(crate) fn is_of_method(tag: Tag) -> bool {
    [PATIENT_IDENTITY_REMOVED, METHOD, METHOD_CODES, TIMES_MODIFIED].contains(&tag)
}

/// Code value and meaning in DCM (PS3.16 CID 7050).
fn code(option: ProfileOption) -> (&'static str, &'static str) {
    match option {
        ProfileOption::CleanStructuredContent => ("113104", "Clean Structured Content Option"),
        ProfileOption::CleanDescriptors => ("113105", "Clean Descriptors Option"),
        ProfileOption::FullDates => {
            ("113106", "Retain Longitudinal Temporal Information Full Dates Option")
        }
        ProfileOption::ModifiedDates => {
            ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
        }
        ProfileOption::PatientCharacteristics => {
            ("113108", "Retain Patient Characteristics Option")
        }
        ProfileOption::DeviceIdentity => ("113109", "Retain Device Identity Option"),
        ProfileOption::RetainUids => ("113110", "Retain UIDs Option"),
        ProfileOption::SafePrivate => ("113111", "Retain Safe Private Option"),
        ProfileOption::InstitutionIdentity => ("113112", "Retain Institution Identity Option"),
    }
}

/// The attributes that every de-identified object gets, in the order of their tags.
pub(crate) fn attributes(
    profile: &Profile,
    blanked: bool,
    syntax: Syntax,
) -> Option<Vec<(Tag, Vec<u8>)>> {
    let text = |tag, vr, value: &str| Some((tag, syntax.element(tag, vr, &padded(value))?));
    let options = profile.options.iter().map(|option| code(*option));
    let pixels = blanked.then_some(CLEAN_PIXEL_DATA);
    let basic = ("113100", "Basic Application Confidentiality Profile");
    let mut codes = Vec::new();
    for (value, meaning) in [basic].into_iter().chain(pixels).chain(options) {
        codes.extend(syntax.item(&coded(value, meaning, syntax)?)?);
    }
    let times =
        match (profile.has(ProfileOption::FullDates), profile.has(ProfileOption::ModifiedDates)) {
            (true, _) => "UNMODIFIED",
            (_, true) => "MODIFIED",
            _ => "REMOVED",
        };
    let mut attributes = vec![
        text(PATIENT_IDENTITY_REMOVED, *b"CS", "YES")?,
        text(METHOD, *b"LO", &format!("Gantry, by {}", crate::table::EDITION))?,
        (METHOD_CODES, syntax.element(METHOD_CODES, *b"SQ", &codes)?),
        (
            CONTRIBUTING_EQUIPMENT,
            syntax.element(CONTRIBUTING_EQUIPMENT, *b"SQ", &equipment(syntax)?)?,
        ),
    ];
    if blanked {
        attributes.push(text(BURNED_IN_ANNOTATION, *b"CS", "NO")?);
    }
    attributes.push(text(TIMES_MODIFIED, *b"CS", times)?);
    Some(attributes)
}

/// An item of Contributing Equipment Sequence (PS3.3 table C.12-1): the de-identifying equipment.
pub(crate) fn equipment(syntax: Syntax) -> Option<Vec<u8>> {
    let text = |tag, value: &str| syntax.element(tag, *b"LO", &padded(value));
    let purpose = syntax.item(&coded("109104", "De-identifying Equipment", syntax)?)?;
    let content = [
        text(0x0008_0070, "Gantry")?,
        text(0x0008_1090, "Gantry")?,
        text(0x0018_1020, env!("CARGO_PKG_VERSION"))?,
        syntax.element(0x0040_A170, *b"SQ", &purpose)?,
    ];
    syntax.item(&content.concat())
}

/// The macro of PS3.3 table 8.8-1.
fn coded(value: &str, meaning: &str, syntax: Syntax) -> Option<Vec<u8>> {
    let content = [
        syntax.element(0x0008_0100, *b"SH", &padded(value))?,
        syntax.element(0x0008_0102, *b"SH", &padded("DCM"))?,
        syntax.element(0x0008_0104, *b"LO", &padded(meaning))?,
    ];
    Some(content.concat())
}

pub(crate) fn padded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(b' ');
    }
    bytes
}
