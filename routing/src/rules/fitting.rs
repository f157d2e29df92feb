//! Values that a rule sets: read, and held against their VR (PS3.5 6.2), so that no peer gets what DICOM forbids.

use super::date_time::{self, DateTime};
use super::reader::Reader;
use super::scale::{Scale, is_time};
use super::tree::{Node, Toml};
use dicom_core::VR;

/// The longest value of a VR, in characters.
const LONGEST: [(VR, usize); 7] = [
    (VR::AE, 16),
    (VR::CS, 16),
    (VR::SH, 16),
    (VR::LO, 64),
    (VR::ST, 1024),
    (VR::LT, 10_240),
    (VR::DS, 16),
];
/// Attributes that rules set and that have one value (PS3.6; the dictionary here does not tell).
const ONE_VALUE: [&str; 42] = [
    "AccessionNumber",
    "AcquisitionDate",
    "AcquisitionDateTime",
    "AcquisitionNumber",
    "AcquisitionTime",
    "BodyPartExamined",
    "BurnedInAnnotation",
    "ClinicalTrialProtocolID",
    "ClinicalTrialSiteID",
    "ClinicalTrialSponsorName",
    "ClinicalTrialSubjectID",
    "ContentDate",
    "ContentTime",
    "DeviceSerialNumber",
    "InstanceNumber",
    "InstitutionName",
    "InstitutionalDepartmentName",
    "IssuerOfPatientID",
    "Laterality",
    "Manufacturer",
    "ManufacturerModelName",
    "Modality",
    "PatientAge",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientID",
    "PatientIdentityRemoved",
    "PatientName",
    "PatientPosition",
    "PatientSex",
    "PatientSize",
    "PatientWeight",
    "ProtocolName",
    "ReferringPhysicianName",
    "SeriesDescription",
    "SeriesNumber",
    "StationName",
    "StudyDate",
    "StudyDescription",
    "StudyID",
    "StudyTime",
    "ViewPosition",
];
/// Binary whole numbers and their ranges.
const WHOLE: [(VR, i64, i64); 7] = [
    (VR::US, 0, u16::MAX as i64),
    (VR::SS, i16::MIN as i64, i16::MAX as i64),
    (VR::UL, 0, u32::MAX as i64),
    (VR::SL, i32::MIN as i64, i32::MAX as i64),
    (VR::IS, i32::MIN as i64, i32::MAX as i64),
    (VR::UV, 0, i64::MAX),
    (VR::SV, i64::MIN, i64::MAX),
];

/// The values of an attribute, as text; none for `""`, which leaves it present and empty.
pub(super) fn values(reader: &mut Reader, key: &str, vr: VR, node: &Node) -> Option<Vec<String>> {
    let nodes = match &node.value {
        Toml::Text(text) if text.trim().is_empty() => return Some(Vec::new()),
        Toml::Array(_) if has_one_value(vr) || ONE_VALUE.contains(&key) => {
            reader.fault(&node.span, format!("{key} has one value"), None);
            return None;
        }
        Toml::Array(_) => reader.list(node, key)?,
        _ => std::slice::from_ref(node),
    };
    let read = |node: &Node| match value(vr, node) {
        Ok(text) => Some(text),
        Err(why) => {
            let shown = reader.shown(node);
            reader.fault(&node.span, format!("{shown} is no value of {key} ({vr}): {why}"), None);
            None
        }
    };
    let read: Vec<Option<String>> = nodes.iter().map(read).collect();
    read.into_iter().collect()
}

/// A backslash is a letter of these and parts no values.
fn has_one_value(vr: VR) -> bool {
    matches!(vr, VR::LT | VR::ST | VR::UT | VR::UR)
}

/// The value as text, or what it should be.
fn value(vr: VR, node: &Node) -> Result<String, String> {
    if let Some((_, min, max)) = WHOLE.iter().find(|(of, _, _)| *of == vr) {
        return match node.value {
            Toml::Integer(number) if (*min..=*max).contains(&number) => Ok(number.to_string()),
            _ => Err(format!("write a whole number from {min} to {max}, without quotes")),
        };
    }
    match vr {
        VR::DS | VR::FL | VR::FD => number(vr, node),
        VR::DA => date(node),
        VR::TM => time(node),
        VR::DT => {
            let text = date_time::as_dicom(node).filter(|text| DateTime::read(text).is_some());
            text.ok_or_else(|| format!("write {}", date_time::EXAMPLE))
        }
        VR::AS => match &node.value {
            Toml::Text(text)
                if text.len() == 4 && text.trim() == text && Scale::Age.literal(node).is_some() =>
            {
                Ok(text.clone())
            }
            _ => Err(format!("write {}", Scale::Age.example())),
        },
        _ => match &node.value {
            Toml::Text(text) => text_value(vr, text.trim()),
            _ => Err("write a text in quotes".to_string()),
        },
    }
}

fn number(vr: VR, node: &Node) -> Result<String, String> {
    let number = match node.value {
        Toml::Integer(number) => number as f64,
        Toml::Float(number) if number.is_finite() => number,
        _ => return Err("write a number, without quotes".to_string()),
    };
    if vr == VR::FL && number.abs() > f64::from(f32::MAX) {
        return Err("it has more than 32 bits".to_string());
    }
    let texts = [number.to_string(), format!("{number:e}")];
    let text = texts.into_iter().find(|text| vr != VR::DS || text.len() <= 16);
    text.ok_or_else(|| "it has more than 16 characters; round it".to_string())
}

fn date(node: &Node) -> Result<String, String> {
    let text = match &node.value {
        Toml::Text(text) => text.trim().to_string(),
        Toml::Moment(moment) => moment.to_string().replace('-', ""),
        _ => String::new(),
    };
    let fits = text.len() == 8 && Scale::Date.literal(node).is_some();
    fits.then_some(text).ok_or_else(|| format!("write {}", Scale::Date.example()))
}

fn time(node: &Node) -> Result<String, String> {
    let text = match &node.value {
        Toml::Text(text) => text.trim().to_string(),
        // DICOM has six digits behind the point, TOML up to nine.
        Toml::Moment(moment) if moment.date.is_none() => {
            moment.to_string().replace(':', "").chars().take(13).collect()
        }
        _ => String::new(),
    };
    let fits = text.len() <= 13 && !text.contains(':') && !text.ends_with('.') && is_time(&text);
    fits.then_some(text).ok_or_else(|| format!("write {}", Scale::Time.example()))
}

fn text_value(vr: VR, text: &str) -> Result<String, String> {
    let may_break = |c: char| {
        matches!(vr, VR::LT | VR::ST | VR::UT) && matches!(c, '\r' | '\n' | '\t' | '\u{c}')
    };
    if text.is_empty() {
        return Err("it is empty; \"\" for the whole attribute empties it".to_string());
    }
    if text.contains(|c: char| c.is_control() && !may_break(c)) {
        return Err("it holds a control character".to_string());
    }
    if text.contains('\\') && !matches!(vr, VR::LT | VR::ST | VR::UT) {
        return Err("a backslash parts values; write a list".to_string());
    }
    if let Some((_, longest)) = LONGEST.iter().find(|(of, _)| *of == vr) {
        let length = text.chars().count();
        if length > *longest {
            return Err(format!("it has {length} characters, at most {longest} fit"));
        }
    }
    match vr {
        VR::AE | VR::UR if !text.is_ascii() => Err("only ASCII fits".to_string()),
        VR::UR if text.contains(' ') => Err("an address holds no space".to_string()),
        VR::CS if !text.bytes().all(is_of_code) => {
            Err("only upper case letters, digits, spaces and underscores fit".to_string())
        }
        VR::PN => name(text),
        _ => Ok(text.to_string()),
    }
}

fn is_of_code(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'_')
}

/// Up to three groups (letters, ideographs, sounds) of up to five components.
fn name(text: &str) -> Result<String, String> {
    let groups: Vec<&str> = text.split('=').collect();
    if groups.len() > 3 || groups.iter().any(|group| group.matches('^').count() > 4) {
        return Err("a name has at most 3 groups (=) of 5 components (^)".to_string());
    }
    match groups.iter().any(|group| group.chars().count() > 64) {
        true => Err("each group of a name has at most 64 characters".to_string()),
        false => Ok(text.to_string()),
    }
}
