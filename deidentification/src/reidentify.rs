//! The way back: a result that was made of what left here without the patient gets its patient, its study and its references again.

use crate::dates;
use crate::deidentify::values::{OF_STANDARD, padded};
use crate::elements::{DEEPEST, Elements, Syntax, Unreadable};
use crate::here::{Here, NoPlace};
use crate::home::{OF_STUDY, Study, is_of_study};
use crate::key;
use crate::method;
use crate::out::Out;
use crate::seen::{CHARACTER_SET, PATIENT_ID, PATIENT_NAME, SOP_INSTANCE, STUDY, Seen};
use chrono::NaiveDate;
use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use gantry_terms::character_sets::{self, CharacterSets};
use gantry_terms::header::Tag;
use std::collections::{BTreeMap, BTreeSet};

const UTF_8: &str = "ISO_IR 192";
/// Versions of context groups (DT): dates of the standard, not of the patient.
const NOT_OF_PATIENT: [Tag; 2] = [0x0008_0106, 0x0008_0107];

/// Why an object does not come home. Who must act is its sender; no value of anybody stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreturned {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("sequences are nested too deeply")]
    TooDeep,
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    #[error("it names another patient than its study is of")]
    OtherPatient,
    #[error("it is no result, but an instance that left here")]
    LeftHere,
}

/// What an object from outside refers to, by the names that things have there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    pub sop_instance: String,
    pub study: String,
    /// Of whatever depth, its own included.
    pub studies: BTreeSet<String>,
    /// UIDs, and texts that look like pseudonyms.
    pub names: BTreeSet<String>,
}

/// What those names stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub study: Study,
    /// The first day on which something of the study left.
    pub left_on: NaiveDate,
    /// Originals by pseudonym, as far as they are known.
    pub originals: BTreeMap<String, String>,
}

impl Named {
    pub fn of(bytes: &[u8], syntax: Syntax) -> Result<Self, Unreturned> {
        let seen = Seen::of(bytes, syntax)?;
        let mut named = Self {
            sop_instance: seen.text(SOP_INSTANCE),
            study: seen.text(STUDY),
            ..Self::default()
        };
        named.look(bytes, syntax, seen.characters(), 0)?;
        Ok(named)
    }

    fn look(
        &mut self,
        bytes: &[u8],
        syntax: Syntax,
        characters: &CharacterSets,
        depth: usize,
    ) -> Result<(), Unreturned> {
        if 2 * depth > DEEPEST {
            return Err(Unreturned::TooDeep);
        }
        let mut own = None;
        for element in Elements::of_data_set(bytes, syntax) {
            let here = Here { bytes, element: element?, syntax };
            let tag = here.element.tag;
            let vr = here.vr(known_vr(tag));
            if tag == CHARACTER_SET {
                own = Some(CharacterSets::from_attribute(here.value()));
            }
            let characters = own.as_ref().unwrap_or(characters);
            if here.is_sequence(vr) {
                let (items, inside) = (here.value(), here.element.inside);
                for item in Elements::of_sequence(items, inside) {
                    let item = item?;
                    let content = &items[item.value..item.value_end()];
                    self.look(content, item.inside, characters, depth + 1)?;
                }
                continue;
            }
            let names = match &vr {
                b"UI" => uids(here.value()),
                vr if is_text(*vr) => {
                    let texts = characters.values(here.value()).into_iter();
                    texts.map(|text| text.trim_end_matches('^').to_string()).collect()
                }
                _ => Vec::new(),
            };
            let names = names.into_iter().filter(|name| &vr == b"UI" || key::is_pseudonym(name));
            let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
            if tag == STUDY {
                self.studies.extend(names.iter().cloned());
            }
            self.names.extend(names);
        }
        Ok(())
    }
}

/// The object with what it is about as it is called here. Its own UIDs stay, where they are not of here.
///
/// Of dates those move forward that lie before the day on which the study left: what the maker of the result wrote of its
/// own day is later, and stays.
pub fn reidentify(bytes: &[u8], syntax: Syntax, home: &Home) -> Result<Vec<u8>, Unreturned> {
    let seen = Seen::of(bytes, syntax)?;
    if home.originals.contains_key(&seen.text(SOP_INSTANCE)) {
        return Err(Unreturned::LeftHere);
    }
    let patient = seen.text(PATIENT_ID);
    if !patient.is_empty() && patient != home.study.patient {
        return Err(Unreturned::OtherPatient);
    }
    let texts = home.study.attributes.values().chain(home.originals.values());
    let character_set = seen.character_set();
    let has_place = |text: &String| character_sets::encode(character_set, text).is_some();
    let is_utf8 = !texts.clone().all(has_place);
    let character_set = if is_utf8 { UTF_8.as_bytes() } else { character_set };
    // A writer that left the VRs out from the start would be read wrongly if some came in.
    let syntax_of_own = match Elements::of_data_set(bytes, syntax).next() {
        Some(Ok(first)) if first.vr.is_none() => first.inside,
        _ => syntax,
    };
    let own = own_attributes(home, character_set, is_utf8, syntax_of_own)?;
    let walk = Walk { home, is_utf8 };
    let read = Read { characters: seen.characters(), written: character_set };
    walk.data_set(bytes, syntax, read, 0, Out::new(own))
}

/// Of patient and study, in the order of the tags.
fn own_attributes(
    home: &Home,
    character_set: &[u8],
    is_utf8: bool,
    syntax: Syntax,
) -> Result<Vec<(Tag, Vec<u8>)>, NoPlace> {
    let mut own = Vec::new();
    if is_utf8 {
        own.push((CHARACTER_SET, *b"CS", UTF_8.as_bytes().to_vec()));
    }
    for (tag, vr, is_wanted) in OF_STUDY {
        let text = home.study.attributes.get(&tag);
        if let Some(text) = text.cloned().or(is_wanted.then(String::new)) {
            let value = character_sets::encode(character_set, &text).ok_or(NoPlace(tag))?;
            own.push((tag, vr, value));
        }
    }
    let written = |(tag, vr, value)| {
        let element = syntax.element(tag, vr, &padded(value, vr)).ok_or(NoPlace(tag))?;
        Ok((tag, element))
    };
    own.into_iter().map(written).collect()
}

struct Walk<'a> {
    home: &'a Home,
    /// Texts are written anew, as what comes in has no place in the character set of the object.
    is_utf8: bool,
}

/// How texts are read, and the Specific Character Set (0008,0005) that they are written in.
#[derive(Clone, Copy)]
struct Read<'a> {
    characters: &'a CharacterSets,
    written: &'a [u8],
}

impl Walk<'_> {
    fn data_set(
        &self,
        bytes: &[u8],
        syntax: Syntax,
        read: Read,
        depth: usize,
        mut out: Out,
    ) -> Result<Vec<u8>, Unreturned> {
        if 2 * depth > DEEPEST {
            return Err(Unreturned::TooDeep);
        }
        let mut own = None;
        for element in Elements::of_data_set(bytes, syntax) {
            let here = Here { bytes, element: element?, syntax };
            let tag = here.element.tag;
            let is_length = tag & 0xFFFF == 0;
            let is_replaced = depth == 0 && (is_of_study(tag) || method::is_of_method(tag));
            if tag == CHARACTER_SET {
                own = Some((CharacterSets::from_attribute(here.value()), here.value()));
            }
            if !out.reaches(tag) || is_length || is_replaced {
                continue;
            }
            let read = match &own {
                Some((characters, _)) if self.is_utf8 => Read { characters, ..read },
                Some((characters, written)) => Read { characters, written },
                None => read,
            };
            out.push(&self.element(here, read, depth)?);
        }
        Ok(out.end())
    }

    fn element(&self, here: Here, read: Read, depth: usize) -> Result<Vec<u8>, Unreturned> {
        let tag = here.element.tag;
        let vr = here.vr(known_vr(tag));
        if here.is_sequence(vr) {
            return self.items(here, read, depth);
        }
        let value = match &vr {
            b"UI" => self.uids(here.value()),
            b"DA" | b"DT" if !NOT_OF_PATIENT.contains(&tag) => self.dates(here.value()),
            b"CS" if tag == CHARACTER_SET && self.is_utf8 => Some(UTF_8.as_bytes().to_vec()),
            vr if is_text(*vr) => self.texts(here.value(), *vr, read).map_err(|()| NoPlace(tag))?,
            _ => None,
        };
        match value {
            Some(value) => Ok(here.with(&padded(value, vr))?),
            None => Ok(here.whole().to_vec()),
        }
    }

    fn items(&self, here: Here, read: Read, depth: usize) -> Result<Vec<u8>, Unreturned> {
        let no_place = NoPlace(here.element.tag);
        let (items, inside) = (here.value(), here.element.inside);
        let mut rest = Vec::with_capacity(items.len());
        for item in Elements::of_sequence(items, inside) {
            let item = item?;
            let content = &items[item.value..item.value_end()];
            let written = self.data_set(content, item.inside, read, depth + 1, Out::default())?;
            rest.extend(inside.refilled(items, &item, &written).ok_or(no_place)?);
        }
        Ok(here.syntax.refilled(here.bytes, &here.element, &rest).ok_or(no_place)?)
    }

    /// None where none of them is of here.
    fn uids(&self, value: &[u8]) -> Option<Vec<u8>> {
        let uids = uids(value);
        let known = |uid: &String| {
            (*uid == self.home.study.uid)
                .then_some(&self.home.study.original)
                .or_else(|| self.home.originals.get(uid).filter(|_| !uid.starts_with(OF_STANDARD)))
        };
        uids.iter().any(|uid| known(uid).is_some()).then(|| {
            let uids: Vec<&str> =
                uids.iter().map(|uid| known(uid).unwrap_or(uid).as_str()).collect();
            uids.join("\\").into_bytes()
        })
    }

    /// None where none moves.
    fn dates(&self, value: &[u8]) -> Option<Vec<u8>> {
        let days = Some(self.home.study.days).filter(|days| *days != 0)?;
        let text = std::str::from_utf8(value).ok()?;
        let moved = |one| dates::moved_forward(one, days, self.home.left_on);
        text.split('\\').any(|one| moved(one).is_some()).then(|| {
            let dates = text.split('\\').map(|one| moved(one).unwrap_or_else(|| one.to_string()));
            dates.collect::<Vec<_>>().join("\\").into_bytes()
        })
    }

    /// None where the value stays as it is; an error where it cannot be written.
    fn texts(&self, value: &[u8], vr: [u8; 2], read: Read) -> Result<Option<Vec<u8>>, ()> {
        let is_one = [*b"ST", *b"LT", *b"UT"].contains(&vr);
        let texts = match is_one {
            true => vec![read.characters.text(value)],
            false => read.characters.values(value),
        };
        let originals: Vec<Option<&String>> =
            texts.iter().map(|text| self.original(text, vr)).collect();
        let is_ascii = value.iter().all(|byte| byte.is_ascii() && *byte != 0x1B);
        if originals.iter().all(Option::is_none) && (!self.is_utf8 || is_ascii) {
            return Ok(None);
        }
        let written: Vec<&str> = texts
            .iter()
            .zip(&originals)
            .map(|(text, original)| original.map_or(text.as_str(), String::as_str))
            .collect();
        character_sets::encode(read.written, &written.join("\\")).map(Some).ok_or(())
    }

    /// What a text stands for that is a pseudonym and nothing else.
    fn original(&self, text: &str, vr: [u8; 2]) -> Option<&String> {
        let study = &self.home.study;
        if &vr == b"PN" {
            let is_patient =
                !study.patient.is_empty() && text.trim_end_matches('^') == study.patient;
            return study.attributes.get(&PATIENT_NAME).filter(|_| is_patient);
        }
        self.home.originals.get(text).filter(|_| key::is_pseudonym(text))
    }
}

fn known_vr(tag: Tag) -> Option<VR> {
    let known = StandardDataDictionary.by_tag(dicom_core::Tag((tag >> 16) as u16, tag as u16));
    known.map(|known| known.vr().relaxed())
}

fn is_text(vr: [u8; 2]) -> bool {
    [*b"SH", *b"LO", *b"UC", *b"PN", *b"ST", *b"LT", *b"UT"].contains(&vr)
}

fn uids(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.split('\\').map(|one| one.trim_matches([' ', '\0']).to_string()).collect()
}
