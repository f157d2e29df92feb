//! The walk over an object: each element by the table, sequences to their depth, everything else as it came.

pub(crate) mod values;

use crate::burned_in::{self, Likely, Pixels};
use crate::elements::{DEEPEST, Elements, Syntax, Unreadable};
use crate::here::{self, NoPlace};
use crate::home::{self, Study};
use crate::key::Key;
use crate::method;
use crate::out::Out;
use crate::pixels::{self, Unblanked};
use crate::profile::{Profile, ProfileOption};
use crate::safe_private;
use crate::seen::{PATIENT_ID, PIXELS, SOP_INSTANCE, STUDY, Seen};
use crate::table::{self, Action, Basic};
use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use gantry_terms::header::Tag;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::ops::Deref;
use values::Patient;

const REFERENCED_REQUEST_SEQUENCE: Tag = 0x0040_A370;
const REQUESTED_PROCEDURE_ID: Tag = 0x0040_1001;

/// Why an object does not leave. Who must act stands in the text; no value of a patient does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}, so that it is not de-identified")]
    Unreadable(#[from] Unreadable),
    #[error(
        "not de-identified: {0}; a [[deidentification.NAME.device]] of the profile says what to blank on such images"
    )]
    BurnedIn(#[from] Likely),
    #[error("not de-identified: {0}")]
    Unblanked(#[from] Unblanked),
    #[error(
        "not de-identified: it has structured content, which leaves only with clean-structured-content"
    )]
    Content,
    #[error("not de-identified: it wraps a document, in which the node does not look")]
    Document,
    #[error("not de-identified: sequences are nested too deeply")]
    TooDeep,
    #[error("not de-identified: {0}")]
    NoPlace(#[from] NoPlace),
    #[error("not de-identified: it has no SOP Instance UID (0008,0018)")]
    NoUid,
}

/// What a pseudonym stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Study,
    Series,
    Instance,
    /// Of something else, such as a frame of reference.
    Uid,
    /// Patient ID, and the patient's name.
    Patient,
    AccessionNumber,
    /// Of a specimen or its container.
    Specimen,
}

/// An object without the patient, and what would bring the patient back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deidentified {
    pub data_set: Vec<u8>,
    pub sop_instance: Uid,
    /// Each pseudonym with the value that it stands for.
    pub pseudonyms: BTreeMap<(Kind, String), String>,
    /// What results about it need to come home.
    pub home: Study,
}

/// The same object, profile and key make the same bytes. `key` is that of the node.
pub fn deidentify(
    bytes: &[u8],
    syntax: Syntax,
    profile: &Profile,
    key: &Key,
) -> Result<Deidentified, Refusal> {
    let seen = Seen::of(bytes, syntax)?;
    if seen.has_document {
        return Err(Refusal::Document);
    }
    if seen.has_content && !profile.has(ProfileOption::CleanStructuredContent) {
        return Err(Refusal::Content);
    }
    let pixels = burned_in::judged(&seen, profile)?;
    let blanked = matches!(pixels, Pixels::Blank(_)) && seen.has_pixels();
    // A writer that left the VRs out from the start would be read wrongly if some came in.
    let syntax_of_own = match Elements::of_data_set(bytes, syntax).next() {
        Some(Ok(first)) if first.vr.is_none() => first.inside,
        _ => syntax,
    };
    let own = method::attributes(profile, blanked, syntax_of_own)
        .ok_or(NoPlace(method::CONTRIBUTING_EQUIPMENT))?;
    let key = key.of_profile(&profile.name);
    let mut walk = Walk {
        patient: Patient::of(&seen, &key),
        pixels,
        seen: &seen,
        profile,
        key,
        pseudonyms: BTreeMap::new(),
        sop_instance: None,
    };
    let data_set = walk.data_set(
        bytes,
        syntax,
        Place { depth: 0, within: None, dummies: false },
        Out::new(own),
    )?;
    let kept = || {
        Uid::parse(&seen.text(SOP_INSTANCE)).ok().filter(|_| profile.has(ProfileOption::RetainUids))
    };
    let sop_instance = walk.sop_instance.take().or_else(kept).ok_or(Refusal::NoUid)?;
    let home = home(&seen, profile, &walk);
    Ok(Deidentified { data_set, sop_instance, pseudonyms: walk.pseudonyms, home })
}

fn home(seen: &Seen, profile: &Profile, walk: &Walk) -> Study {
    let original = seen.text(STUDY);
    let uid = match profile.has(ProfileOption::RetainUids) {
        true => original.clone(),
        false => walk.key.uid(&original),
    };
    let moves = profile.has(ProfileOption::ModifiedDates) && !profile.has(ProfileOption::FullDates);
    Study {
        uid,
        original,
        patient: walk.patient.pseudonym().to_string(),
        days: if moves { walk.patient.days() } else { 0 },
        attributes: home::attributes(seen),
    }
}

/// Where the walk is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Sequences above.
    depth: usize,
    /// The innermost of them.
    within: Option<Tag>,
    /// Within a sequence that is replaced as a whole: nothing that could name somebody stays.
    dummies: bool,
}

struct Walk<'a> {
    seen: &'a Seen<'a>,
    profile: &'a Profile,
    /// Of the profile.
    key: Key,
    patient: Patient,
    pixels: Pixels<'a>,
    pseudonyms: BTreeMap<(Kind, String), String>,
    sop_instance: Option<Uid>,
}

/// An element, and where the walk is.
#[derive(Clone, Copy)]
struct Here<'b> {
    at: here::Here<'b>,
    place: Place,
}

impl<'b> Deref for Here<'b> {
    type Target = here::Here<'b>;

    fn deref(&self) -> &here::Here<'b> {
        &self.at
    }
}

impl Here<'_> {
    /// The table removes it, whatever its type; where PS3.3 C.17.2 wants it in a report (Type 2) it is emptied.
    fn is_wanted_if_empty(&self) -> bool {
        self.place.within == Some(REFERENCED_REQUEST_SEQUENCE)
            && self.element.tag == REQUESTED_PROCEDURE_ID
    }
}

impl Walk<'_> {
    fn data_set(
        &mut self,
        bytes: &[u8],
        syntax: Syntax,
        place: Place,
        mut out: Out,
    ) -> Result<Vec<u8>, Refusal> {
        if 2 * place.depth > DEEPEST {
            return Err(Refusal::TooDeep);
        }
        let mut creators: BTreeMap<(u16, u16), (String, &[u8])> = BTreeMap::new();
        for element in Elements::of_data_set(bytes, syntax) {
            let at = here::Here { bytes, element: element?, syntax };
            let here = Here { at, place };
            let tag = here.element.tag;
            let (group, number) = ((tag >> 16) as u16, tag as u16);
            // What is there gets one item more instead.
            if tag == method::CONTRIBUTING_EQUIPMENT && here.is_sequence(here.vr(Some(VR::SQ))) {
                out.withdraw(tag);
            }
            if !out.reaches(tag) {
                continue;
            }
            if group % 2 == 1 {
                match number {
                    0x0010..=0x00FF => {
                        let creator = String::from_utf8_lossy(here.value());
                        let creator = creator.trim_matches([' ', '\0']).to_string();
                        creators.insert((group, number), (creator, here.whole()));
                    }
                    _ => self.private(here, &creators, &mut out),
                }
                continue;
            }
            if let Some(written) = self.element(here)? {
                out.push(&written);
            }
        }
        Ok(out.end())
    }

    /// A private attribute stays only when it is known to be safe.
    fn private(&self, here: Here, creators: &BTreeMap<(u16, u16), (String, &[u8])>, out: &mut Out) {
        let tag = here.element.tag;
        let (group, block) = ((tag >> 16) as u16, (tag as u16) >> 8);
        let Some((creator, written)) = creators.get(&(group, block)) else { return };
        // What is inside a sequence is not looked into, so that none is safe.
        let vr = here.element.vr;
        let is_plain = !here.element.undefined && vr != Some(*b"SQ") && !here.place.dummies;
        let is_safe =
            || safe_private::is_safe(self.profile, group, tag as u8, creator, vr, here.value());
        if self.profile.has(ProfileOption::SafePrivate) && is_plain && is_safe() {
            out.push_private(group, block, written, here.whole());
        }
    }

    /// What is written of it, if anything.
    fn element(&mut self, here: Here) -> Result<Option<Vec<u8>>, Refusal> {
        let tag = here.element.tag;
        let (group, number) = (tag >> 16, tag & 0xFFFF);
        // Messages, file headers and directories; lengths of groups; curves and overlays as wholes, as the
        // rest of their module is nothing without what is removed.
        let is_foreign = group < 8 || number == 0;
        if is_foreign || matches!(group & 0xFF00, 0x5000 | 0x6000) {
            return Ok(None);
        }
        if tag == PIXELS && here.place.depth == 0 {
            return self.pixels(here);
        }
        let known = StandardDataDictionary.by_tag(dicom_core::Tag(group as u16, number as u16));
        let vr = here.vr(known.map(|known| known.vr().relaxed()));
        let Some(action) = table::action(tag, self.profile) else {
            return match known {
                // Nobody knows what is in it.
                None => Ok(None),
                Some(known) => self.unlisted(here, vr, known.vr().relaxed()),
            };
        };
        self.listed(here, vr, action)
    }

    fn listed(
        &mut self,
        here: Here,
        vr: [u8; 2],
        action: Action,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let is_sequence = here.is_sequence(vr);
        let empty = |here: Here| match is_sequence {
            true => here
                .syntax
                .refilled(here.bytes, &here.element, b"")
                .map_or(Ok(None), |bytes| Ok(Some(bytes))),
            false => Ok(here.with(b"").map(Some)?),
        };
        match action {
            Action::Remove if here.is_wanted_if_empty() => empty(here),
            Action::Remove => Ok(None),
            Action::Keep if is_sequence => self.items(here, here.place).map(Some),
            Action::Keep => Ok(Some(here.whole().to_vec())),
            Action::Clean(basic) => match self.cleaned(here, vr)? {
                Some(cleaned) => Ok(Some(cleaned)),
                None => self.listed(here, vr, basic.action()),
            },
            Action::Empty | Action::Dummy | Action::Replace if here.value().is_empty() => {
                Ok(Some(here.whole().to_vec()))
            }
            Action::Empty if self.is_identifier(here.element.tag) => self.pseudonym(here).map(Some),
            Action::Empty => empty(here),
            Action::Dummy | Action::Replace if is_sequence => {
                self.items(here, Place { dummies: true, ..here.place }).map(Some)
            }
            Action::Dummy if self.is_identifier(here.element.tag) => self.pseudonym(here).map(Some),
            Action::Dummy if &vr == b"UI" => self.replaced(here).map(Some),
            Action::Dummy => self.dummy(here, vr),
            Action::Replace => self.replaced(here).map(Some),
        }
    }

    /// What has no row stays, but for what can hold anything: names, free text, and dates of whichever option.
    fn unlisted(&mut self, here: Here, vr: [u8; 2], known: VR) -> Result<Option<Vec<u8>>, Refusal> {
        if here.is_sequence(vr) {
            return self.items(here, here.place).map(Some);
        }
        match &vr {
            // Not what the dictionary says: nobody knows what is in it.
            _ if known == VR::SQ => Ok(None),
            _ if here.value().is_empty() => Ok(Some(here.whole().to_vec())),
            b"DA" | b"DT" if self.profile.has(ProfileOption::FullDates) => {
                Ok(Some(here.whole().to_vec()))
            }
            b"PN" => self.dummy(here, vr),
            b"DA" | b"DT" if self.profile.has(ProfileOption::ModifiedDates) => {
                self.listed(here, vr, Action::Clean(Basic::D))
            }
            b"DA" | b"DT" => self.dummy(here, vr),
            b"ST" | b"LT" | b"UT" if self.profile.has(ProfileOption::CleanDescriptors) => {
                self.listed(here, vr, Action::Clean(Basic::D))
            }
            b"ST" | b"LT" | b"UT" => self.dummy(here, vr),
            b"LO" | b"SH" | b"UC" | b"UR" | b"AE" | b"TM" | b"AS" | b"OB" if here.place.dummies => {
                self.dummy(here, vr)
            }
            b"UN" => Ok(None),
            _ => Ok(Some(here.whole().to_vec())),
        }
    }

    fn pixels(&mut self, here: Here) -> Result<Option<Vec<u8>>, Refusal> {
        match self.pixels {
            Pixels::Blank(rectangles) if !rectangles.is_empty() => {
                let blanked = pixels::blanked(self.seen, here.value(), rectangles)?;
                Ok(Some(here.with(&blanked)?))
            }
            _ => Ok(Some(here.whole().to_vec())),
        }
    }

    /// The sequence with what is left of its items.
    fn items(&mut self, here: Here, place: Place) -> Result<Vec<u8>, Refusal> {
        let place = Place { depth: place.depth + 1, within: Some(here.element.tag), ..place };
        let (items, inside) = (here.value(), here.element.inside);
        let mut rest = Vec::with_capacity(items.len());
        for item in Elements::of_sequence(items, inside) {
            let item = item?;
            let content = &items[item.value..item.value_end()];
            let written = self.data_set(content, item.inside, place, Out::default())?;
            let refilled = inside.refilled(items, &item, &written);
            rest.extend(refilled.ok_or(NoPlace(here.element.tag))?);
        }
        if place.depth == 1 && here.element.tag == method::CONTRIBUTING_EQUIPMENT {
            rest.extend(method::equipment(inside).ok_or(NoPlace(here.element.tag))?);
        }
        let refilled = here.syntax.refilled(here.bytes, &here.element, &rest);
        Ok(refilled.ok_or(NoPlace(here.element.tag))?)
    }

    fn note_instance(&mut self, here: Here, uid: &str) {
        if here.place.depth == 0 && here.element.tag == SOP_INSTANCE {
            self.sop_instance = Uid::parse(uid).ok();
        }
    }

    fn is_identifier(&self, tag: Tag) -> bool {
        tag == PATIENT_ID || values::identifier(tag).is_some()
    }
}
