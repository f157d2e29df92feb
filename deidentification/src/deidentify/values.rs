//! What stands in the place of a value: a pseudonym, a UID, a moved date, a text of harmless words, or something that says nothing.

use super::{Here, Kind, Refusal, Walk};
use crate::dates;
use crate::dummy;
use crate::key::Key;
use crate::profile::ProfileOption;
use crate::seen::{ISSUER, PATIENT_ID, PATIENT_NAME, SERIES, SOP_INSTANCE, STUDY, Seen};
use crate::words;
use gantry_terms::character_sets::{self, CharacterSets};
use gantry_terms::header::Tag;

/// UIDs of the standard itself: well-known frames of reference and instances, classes, syntaxes.
pub(crate) const OF_STANDARD: &str = "1.2.840.10008.";

const ACCESSION_NUMBER: Tag = 0x0008_0050;
const CLINICAL_TRIAL_SUBJECT_ID: Tag = 0x0012_0040;
const REFERENCED_SOP_INSTANCE: Tag = 0x0008_1155;
const CONTAINER_IDENTIFIER: Tag = 0x0040_0512;
const SPECIMEN_IDENTIFIER: Tag = 0x0040_0551;

/// What kind of identifier it is, if it gets a pseudonym.
pub(super) fn identifier(tag: Tag) -> Option<Kind> {
    match tag {
        PATIENT_ID | PATIENT_NAME | CLINICAL_TRIAL_SUBJECT_ID => Some(Kind::Patient),
        ACCESSION_NUMBER => Some(Kind::AccessionNumber),
        CONTAINER_IDENTIFIER | SPECIMEN_IDENTIFIER => Some(Kind::Specimen),
        _ => None,
    }
}

/// What a UID is of.
fn of_uid(tag: Tag) -> Kind {
    match tag {
        STUDY => Kind::Study,
        SERIES => Kind::Series,
        SOP_INSTANCE | REFERENCED_SOP_INSTANCE => Kind::Instance,
        _ => Kind::Uid,
    }
}

/// Whose object it is.
pub(super) struct Patient {
    /// Patient ID (0010,0020); empty where there is none.
    id: String,
    pseudonym: String,
    /// By which dates go back. Where there is no Patient ID the days belong to the study.
    days: i64,
    /// Parts of the name, in lower case.
    names: Vec<String>,
}

impl Patient {
    pub(super) fn of(seen: &Seen, key: &Key) -> Self {
        let (id, issuer) = (seen.text(PATIENT_ID), seen.text(ISSUER));
        let pseudonym = key.pseudonym('P', &[&issuer, &id]);
        let of = if id.is_empty() { seen.text(STUDY) } else { pseudonym.clone() };
        let name = seen.text(PATIENT_NAME).to_lowercase();
        let parts = name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        let names = parts.map(str::to_string).collect();
        Self { days: key.days(&of), id, pseudonym, names }
    }

    /// Empty where there is no Patient ID.
    pub(super) fn pseudonym(&self) -> &str {
        if self.id.is_empty() { "" } else { &self.pseudonym }
    }

    pub(super) fn days(&self) -> i64 {
        self.days
    }
}

impl Walk<'_> {
    /// Nothing when it cannot be made harmless.
    pub(super) fn cleaned(&mut self, here: Here, vr: [u8; 2]) -> Result<Option<Vec<u8>>, Refusal> {
        if here.is_sequence(vr) {
            return self.items(here, here.place).map(Some);
        }
        let value = here.value();
        if value.is_empty() {
            return Ok(Some(here.whole().to_vec()));
        }
        let moved = self.profile.has(ProfileOption::ModifiedDates);
        let cleaned = match &vr {
            b"DA" | b"DT" if moved => self.moved(value),
            b"TM" if moved => {
                let text = String::from_utf8_lossy(value);
                dates::is_time(&text).then(|| value.to_vec())
            }
            // Offset from UTC.
            b"SH" if here.element.tag == 0x0008_0201 => {
                let is_plain = value.iter().all(|b| b.is_ascii_digit() || b"+- \0".contains(b));
                is_plain.then(|| value.to_vec())
            }
            b"LO" | b"SH" | b"UC" | b"ST" | b"LT" | b"UT" | b"PN" => self.harmless(value, vr),
            _ => None,
        };
        Ok(cleaned.map(|value| here.with(&padded(value, vr))).transpose()?)
    }

    fn moved(&self, value: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(value).ok()?;
        let values = text.split('\\').map(|one| match one.trim_matches([' ', '\0']).is_empty() {
            true => Some(String::new()),
            false => dates::moved_back(one, self.patient.days),
        });
        Some(values.collect::<Option<Vec<_>>>()?.join("\\").into_bytes())
    }

    fn harmless(&self, value: &[u8], vr: [u8; 2]) -> Option<Vec<u8>> {
        let characters: &CharacterSets = self.seen.characters();
        let is_one = [*b"ST", *b"LT", *b"UT"].contains(&vr);
        let values = match is_one {
            true => vec![characters.text(value)],
            false => characters.values(value),
        };
        let cleaned =
            values.iter().map(|one| words::cleaned(one, self.profile, &self.patient.names));
        let cleaned = cleaned.collect::<Vec<_>>();
        if cleaned.iter().all(String::is_empty) {
            return None;
        }
        character_sets::encode(self.seen.character_set(), &cleaned.join("\\"))
    }

    /// Each UID by the one that belongs to it; those of the standard stay.
    pub(super) fn replaced(&mut self, here: Here) -> Result<Vec<u8>, Refusal> {
        let text = String::from_utf8_lossy(here.value()).into_owned();
        let mut uids = Vec::new();
        for uid in text.split('\\').map(|one| one.trim_matches([' ', '\0'])) {
            uids.push(match uid {
                "" => String::new(),
                uid if uid.starts_with(OF_STANDARD) => uid.to_string(),
                uid => {
                    let new = self.key.uid(uid);
                    let kind = of_uid(here.element.tag);
                    self.pseudonyms.insert((kind, new.clone()), uid.to_string());
                    new
                }
            });
        }
        let joined = uids.join("\\");
        self.note_instance(here, &joined);
        Ok(here.with(&padded(joined.into_bytes(), *b"UI"))?)
    }

    pub(super) fn pseudonym(&mut self, here: Here) -> Result<Vec<u8>, Refusal> {
        let tag = here.element.tag;
        let kind = identifier(tag).unwrap_or(Kind::Specimen);
        let values = self.seen.characters().values(here.value());
        let value = values.into_iter().next().unwrap_or_default();
        let (pseudonym, original) = match kind {
            // One of an object without an identifier would be that of all such patients.
            Kind::Patient if self.patient.id.is_empty() => return Ok(here.with(b"")?),
            Kind::Patient => (self.patient.pseudonym.clone(), self.patient.id.clone()),
            Kind::AccessionNumber => (self.key.pseudonym('A', &[&value]), value),
            _ => (self.key.pseudonym('S', &[&value]), value),
        };
        self.pseudonyms.insert((kind, pseudonym.clone()), original);
        // A family name alone is the retired form of a name without a delimiter.
        let end = if tag == PATIENT_NAME { "^" } else { "" };
        Ok(here.with(&padded((pseudonym + end).into_bytes(), *b"LO"))?)
    }

    /// Nothing where no value says nothing.
    pub(super) fn dummy(&mut self, here: Here, vr: [u8; 2]) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(dummy::value(vr, here.value().len()).map(|value| here.with(&value)).transpose()?)
    }
}

pub(crate) fn padded(mut value: Vec<u8>, vr: [u8; 2]) -> Vec<u8> {
    if value.len() % 2 == 1 {
        value.push(if &vr == b"UI" { 0 } else { b' ' });
    }
    value
}
