//! `[deidentification.NAME]`: how objects are de-identified for the peers that name it (PS3.15 annex E).

use gantry_deidentification::pixels::Rectangle;
use gantry_deidentification::profile::{Device, PrivateAttribute, Profile, ProfileOption};
use serde::Deserialize;
use std::time::Duration;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WrittenProfile {
    dates: WrittenDates,
    uids: WrittenUids,
    clean_descriptors: bool,
    keep_words: Vec<String>,
    clean_structured_content: bool,
    retain_patient_characteristics: bool,
    retain_device_identity: bool,
    retain_institution_identity: bool,
    safe_private: bool,
    private: Vec<String>,
    device: Vec<WrittenDevice>,
    forget_days: Option<f64>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum WrittenDates {
    #[default]
    Removed,
    Shifted,
    Kept,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum WrittenUids {
    #[default]
    Keyed,
    Kept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenDevice {
    manufacturer: String,
    model: String,
    rows: u16,
    columns: u16,
    /// Column, row, width and height of each.
    blank: Vec<[u16; 4]>,
}

impl WrittenProfile {
    /// After how long it is forgotten what left.
    pub(super) fn forgets(&self, name: &str, problems: &mut Vec<String>) -> Option<Duration> {
        let key = format!("deidentification.{name}.forget-days");
        let days = self.forget_days?;
        match Duration::try_from_secs_f64(days * 86_400.0) {
            Ok(span) if !span.is_zero() => Some(span),
            _ => {
                problems.push(format!("{key} = {days}: this must be a number of days above 0"));
                None
            }
        }
    }

    pub(super) fn mean(self, name: &str, problems: &mut Vec<String>) -> Profile {
        use ProfileOption::*;
        let mut problem = |text: &str| problems.push(format!("deidentification.{name}: {text}"));
        if !self.keep_words.is_empty() && !self.clean_descriptors {
            problem("keep-words says what clean-descriptors keeps: set that to true");
        }
        if !self.private.is_empty() && !self.safe_private {
            problem("private names what safe-private keeps: set that to true");
        }
        let mut private = Vec::new();
        for text in &self.private {
            match private_attribute(text) {
                Some(attribute) => private.push(attribute),
                None => problem(&format!(
                    "{text:?} is no private attribute: write it as \"(0019,xx0C) SIEMENS MR HEADER\""
                )),
            }
        }
        let options = [
            (CleanStructuredContent, self.clean_structured_content),
            (CleanDescriptors, self.clean_descriptors),
            (FullDates, self.dates == WrittenDates::Kept),
            (ModifiedDates, self.dates == WrittenDates::Shifted),
            (PatientCharacteristics, self.retain_patient_characteristics),
            (DeviceIdentity, self.retain_device_identity),
            (RetainUids, self.uids == WrittenUids::Kept),
            (SafePrivate, self.safe_private),
            (InstitutionIdentity, self.retain_institution_identity),
        ];
        Profile {
            name: name.to_string(),
            options: options.into_iter().filter(|(_, on)| *on).map(|(option, _)| option).collect(),
            words: self.keep_words.iter().map(|word| word.to_lowercase()).collect(),
            private,
            devices: self.device.into_iter().map(WrittenDevice::mean).collect(),
        }
    }
}

impl WrittenDevice {
    fn mean(self) -> Device {
        let rectangle =
            |[column, row, width, height]: [u16; 4]| Rectangle { column, row, width, height };
        Device {
            blank: self.blank.into_iter().map(rectangle).collect(),
            manufacturer: self.manufacturer,
            model: self.model,
            rows: self.rows,
            columns: self.columns,
        }
    }
}

/// `(gggg,xxee) CREATOR`.
fn private_attribute(text: &str) -> Option<PrivateAttribute> {
    let (tag, creator) = text.strip_prefix('(')?.split_once(") ")?;
    let (group, element) = tag.split_once(",xx")?;
    if group.len() != 4 || element.len() != 2 || creator.trim().is_empty() {
        return None;
    }
    let group = u16::from_str_radix(group, 16).ok().filter(|group| group % 2 == 1)?;
    let element = u8::from_str_radix(element, 16).ok()?;
    Some(PrivateAttribute { group, element, creator: creator.trim().into() })
}
