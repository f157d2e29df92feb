//! C-FIND (PS3.7 9.1.2) as SCU of the Study Root Query/Retrieve Information Model (PS3.4 C.6.2): which of these images a peer has, and whose a study is there.

use super::association::{AssociationError, Next, Waits};
use super::command::{
    AFFECTED_SOP_CLASS_UID, C_FIND_RQ, COMMAND_FIELD, Command, MESSAGE_ID_BEING_RESPONDED_TO,
    PRIORITY, RESPONSE, STATUS,
};
use super::requestor::Association;
use super::status::SUCCESS;
use bytes::BytesMut;
use dicom_core::{DataElement, Tag, VR};
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use gantry_deidentification::elements::{Elements, Syntax};
use gantry_store::header::read_message;
use gantry_terms::header::Header;
use gantry_terms::transfer_syntaxes::IMPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

/// Study Root Query/Retrieve Information Model - FIND.
pub const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";

const SOP_INSTANCE_UID: u32 = 0x0008_0018;
const PATIENT_NAME: u32 = 0x0010_0010;
const PATIENT_ID: u32 = 0x0010_0020;
const ISSUER_OF_PATIENT_ID: u32 = 0x0010_0021;
const QUERY_RETRIEVE_LEVEL: u32 = 0x0008_0052;
const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
const SERIES_INSTANCE_UID: u32 = 0x0020_000E;

// Matches are continuing, all keys as asked for or not (PS3.4 table C.4-1).
pub(super) const PENDING: u16 = 0xFF00;
const PENDING_WITHOUT_KEYS: u16 = 0xFF01;

/// A match of a few keys is not longer.
const LONGEST: usize = 64 << 10;
/// Of a peer that passes over what was asked for and lists a whole series.
const MOST_MATCHES: usize = 100_000;
/// All responses together.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// Images of one series, at IMAGE level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageQuery<'a> {
    pub study: &'a Uid,
    pub series: &'a Uid,
    /// One, or a list of UIDs to match (PS3.4 C.2.2.2.2).
    pub instances: &'a [Uid],
}

/// A study, at STUDY level: whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyQuery<'a> {
    pub study: &'a Uid,
}

/// Whose an object or a study is; empty where that is not said. It is compared, and never told: it cannot be printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Patient {
    id: String,
    issuer: String,
    name: String,
}

/// What the peer answered to the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Studies {
    /// With another one than 0000 nothing is known.
    pub status: u16,
    /// Of each match of the study.
    pub patients: Vec<Patient>,
}

/// What the peer answered to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// With another one than 0000 nothing is known of what was not found.
    pub status: u16,
    /// Those that were asked for, and no others.
    pub found: BTreeSet<Uid>,
}

impl ImageQuery<'_> {
    /// The identifier (PS3.4 C.6.2.1), with unique keys only.
    pub fn identifier(&self, syntax: &Uid) -> Option<Vec<u8>> {
        let instances: Vec<&str> = self.instances.iter().map(Uid::as_str).collect();
        let keys = [
            (SOP_INSTANCE_UID, VR::UI, instances.join("\\").as_str()),
            (QUERY_RETRIEVE_LEVEL, VR::CS, "IMAGE"),
            (STUDY_INSTANCE_UID, VR::UI, self.study.as_str()),
            (SERIES_INSTANCE_UID, VR::UI, self.series.as_str()),
        ]
        .map(|(tag, vr, value)| (tag, vr, value.to_owned()));
        written(&keys, syntax)
    }
}

impl StudyQuery<'_> {
    /// The identifier, with the study to match and what is to be returned of it.
    pub fn identifier(&self, syntax: &Uid) -> Option<Vec<u8>> {
        let keys = [
            (QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY"),
            (PATIENT_NAME, VR::PN, ""),
            (PATIENT_ID, VR::LO, ""),
            (ISSUER_OF_PATIENT_ID, VR::LO, ""),
            (STUDY_INSTANCE_UID, VR::UI, self.study.as_str()),
        ]
        .map(|(tag, vr, value)| (tag, vr, value.to_owned()));
        written(&keys, syntax)
    }
}

fn written(keys: &[(u32, VR, String)], syntax: &Uid) -> Option<Vec<u8>> {
    let mut identifier = InMemDicomObject::new_empty();
    for (tag, vr, value) in keys {
        let tag = Tag((tag >> 16) as u16, *tag as u16);
        identifier.put(DataElement::new(tag, *vr, value.as_str()));
    }
    let syntax = TransferSyntaxRegistry.get(syntax.as_str())?;
    let mut bytes = Vec::new();
    identifier.write_dataset_with_ts(&mut bytes, syntax).ok()?;
    Some(bytes)
}

impl Patient {
    pub fn of(header: &Header) -> Self {
        let text = |tag| header.text(tag).unwrap_or_default().trim().to_owned();
        Self { id: text(PATIENT_ID), issuer: text(ISSUER_OF_PATIENT_ID), name: text(PATIENT_NAME) }
    }

    /// Whether both may be the same, as far as both say something: archives do not return every key. Of a name each group
    /// is looked at (PS3.5 6.2.1), without regard to case and to what is empty at its end.
    pub fn may_be(&self, other: &Self) -> bool {
        let same = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
        let groups = groups(&self.name).into_iter().zip(groups(&other.name));
        same(&self.id, &other.id)
            && same(&self.issuer, &other.issuer)
            && groups.into_iter().all(|(one, other)| same(&one, &other))
    }
}

/// Alphabetic, ideographic and phonetic.
fn groups(name: &str) -> [String; 3] {
    let mut groups = name.split('=');
    std::array::from_fn(|_| {
        let components = groups.next().unwrap_or_default().split('^').map(str::trim);
        let components: Vec<String> = components.map(str::to_lowercase).collect();
        components.join("^").trim_end_matches('^').to_owned()
    })
}

/// The image that a match names.
fn image(identifier: &[u8], syntax: &Uid) -> Option<Uid> {
    let header = read_message(identifier, syntax).ok()?;
    Uid::parse(header.text(SOP_INSTANCE_UID)?).ok()
}

/// UIDs that a query of this peer asks for, as the SCP sees it: lists of any length.
pub(super) fn asked_for(identifier: &[u8], syntax: &Uid) -> Vec<String> {
    let syntax =
        Syntax { implicit: syntax.as_str() == IMPLICIT_VR_LITTLE_ENDIAN, big_endian: false };
    let mut elements = Elements::of_data_set(identifier, syntax).map_while(Result::ok);
    let wanted = elements.find(|element| element.tag == SOP_INSTANCE_UID);
    let value = wanted.and_then(|element| identifier.get(element.value..element.end));
    let text = value.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let uids = text.split('\\').map(|uid| uid.trim_end_matches(['\0', ' ']));
    uids.filter(|uid| !uid.is_empty()).map(String::from).collect()
}

impl Association {
    /// Asks which of the images the peer has. An error when the association cannot be used any more.
    pub async fn find_images(
        &mut self,
        query: &ImageQuery<'_>,
    ) -> Result<Matches, AssociationError> {
        let mut found = BTreeSet::new();
        let write = |syntax: &Uid| query.identifier(syntax);
        let mut each = |identifier: &[u8], syntax: &Uid| {
            found.extend(image(identifier, syntax).filter(|uid| query.instances.contains(uid)));
        };
        let status = self.find(&write, &mut each).await?;
        Ok(Matches { status, found })
    }

    /// Asks whose the study is. An error when the association cannot be used any more.
    pub async fn find_study(
        &mut self,
        query: &StudyQuery<'_>,
    ) -> Result<Studies, AssociationError> {
        let mut patients = Vec::new();
        let write = |syntax: &Uid| query.identifier(syntax);
        let mut each = |identifier: &[u8], syntax: &Uid| {
            let Ok(header) = read_message(identifier, syntax) else { return };
            // Some list more than was asked for.
            let study = header.text(STUDY_INSTANCE_UID).and_then(|uid| Uid::parse(uid).ok());
            if study.as_ref() == Some(query.study) {
                patients.push(Patient::of(&header));
            }
        };
        let status = self.find(&write, &mut each).await?;
        Ok(Studies { status, patients })
    }

    /// The status with which the peer ended its matches; `each` gets their identifiers.
    async fn find(
        &mut self,
        write: &(dyn Fn(&Uid) -> Option<Vec<u8>> + Send + Sync),
        each: &mut (dyn FnMut(&[u8], &Uid) + Send),
    ) -> Result<u16, AssociationError> {
        let context = self.context_of(STUDY_ROOT_FIND).ok_or(AssociationError::NoContext)?;
        let identifier = write(&context.transfer_syntax);
        let identifier = identifier.ok_or(AssociationError::NoContext)?;
        let command = self
            .message(C_FIND_RQ)
            .with_text(AFFECTED_SOP_CLASS_UID, STUDY_ROOT_FIND)
            .with_number(PRIORITY, 0)
            .with_data_set(true);
        self.link.send(context.id, &command, Some(&identifier), self.timers.dimse).await?;
        match timeout(LONGEST_ANSWER, self.matches(&context.transfer_syntax, each)).await {
            Ok(matches) => matches,
            Err(_) => Err(self.late(LONGEST_ANSWER).await),
        }
    }

    async fn matches(
        &mut self,
        syntax: &Uid,
        each: &mut (dyn FnMut(&[u8], &Uid) + Send),
    ) -> Result<u16, AssociationError> {
        for _ in 0..MOST_MATCHES {
            let dimse = self.timers.dimse;
            let (response, identifier) = match timeout(dimse, self.one_match()).await {
                Ok(one) => one?,
                Err(_) => return Err(self.late(dimse).await),
            };
            let status = response.number(STATUS).ok_or(AssociationError::Protocol("no status"))?;
            if !matches!(status, PENDING | PENDING_WITHOUT_KEYS) {
                return Ok(status);
            }
            each(&identifier, syntax);
        }
        let waits = Waits { pdu: self.timers.dimse, progress: self.timers.dimse };
        Err(self.link.unexpected("matches without end", waits).await)
    }

    /// A response to the request that was sent last, and its identifier.
    async fn one_match(&mut self) -> Result<(Command, BytesMut), AssociationError> {
        let waits = Waits { pdu: Duration::MAX, progress: Duration::MAX };
        let Next::Value(first) = self.link.next(waits).await? else {
            return Err(self.link.unexpected("a release in the middle of a query", waits).await);
        };
        let (context, command) = self.link.command(first, waits).await?;
        let answers = command.number(COMMAND_FIELD) == Some(C_FIND_RQ | RESPONSE)
            && command.number(MESSAGE_ID_BEING_RESPONDED_TO) == Some(self.last_message);
        if !answers {
            return Err(self.link.unexpected("a response to another message", waits).await);
        }
        let mut identifier = BytesMut::new();
        while command.has_data_set() {
            let piece = self.link.piece(context.id, waits).await?;
            if identifier.len() + piece.data.len() > LONGEST {
                return Err(self.link.break_off("a match that is too long", waits).await);
            }
            identifier.extend_from_slice(&piece.data);
            if piece.is_last {
                break;
            }
        }
        Ok((command, identifier))
    }
}

/// The status of a C-FIND that failed, in words, with who must act (PS3.4 table C.4-1).
pub fn meaning(status: u16) -> &'static str {
    match status {
        SUCCESS => "all matches were told",
        0xA700..=0xA7FF => "the peer is out of resources",
        0xA900..=0xA9FF => "to the peer the query does not match its SOP class",
        0x0122 => "the peer does not support the SOP class",
        0x0124 => "the peer does not authorise us: its admin must",
        0xC000..=0xCFFF => "the peer cannot process the query: its log may say why",
        0xFE00 => "the peer ended the query before its time",
        _ => "the peer ended the query with a status of its own",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).expect("a UID")
    }

    #[test]
    fn a_query_has_the_unique_keys_of_the_level_and_those_above_and_nothing_else() {
        let (study, series, instances) = (uid("1.2.1"), uid("1.2.2"), [uid("1.2.3"), uid("1.2.4")]);
        let query = ImageQuery { study: &study, series: &series, instances: &instances };
        let identifier = query.identifier(&uid(IMPLICIT_VR_LITTLE_ENDIAN)).expect("written");
        let expected = b"\x08\0\x18\0\x0C\0\0\x001.2.3\\1.2.4\0\x08\0\x52\0\x06\0\0\0IMAGE \
                         \x20\0\x0D\0\x06\0\0\x001.2.1\0\x20\0\x0E\0\x06\0\0\x001.2.2\0";
        assert_eq!(identifier, expected);
        let explicit = uid(EXPLICIT_VR_LITTLE_ENDIAN);
        let identifier = query.identifier(&explicit).expect("written");
        assert_eq!(asked_for(&identifier, &explicit), ["1.2.3", "1.2.4"]);
        let list: Vec<Uid> =
            (0..100).map(|at| uid(&format!("2.25.{}{at}", "7".repeat(36)))).collect();
        let query = ImageQuery { instances: &list, ..query };
        let identifier = query.identifier(&explicit).expect("written");
        assert!(asked_for(&identifier, &explicit).iter().eq(list.iter().map(Uid::as_str)));
        // A list is no image.
        assert_eq!(image(b"garbage", &explicit), None);
    }

    fn patient(id: &str, issuer: &str, name: &str) -> Patient {
        Patient { id: id.into(), issuer: issuer.into(), name: name.into() }
    }

    #[test]
    fn patients_are_the_same_as_far_as_both_say_something_however_a_name_is_padded() {
        let sent = patient("4711", "HN", "Quibble^Henry");
        for same in [
            patient("4711", "HN", "Quibble^Henry"),
            patient("4711", "", "QUIBBLE^HENRY^^^"),
            patient("4711", "HN", "Quibble ^Henry=\u{5c71}\u{7530}=Yamada"),
            patient("", "", ""),
            patient("4711", "HN", "=\u{5c71}\u{7530}"),
        ] {
            assert!(sent.may_be(&same) && same.may_be(&sent), "{}", same.name);
        }
        for other in [
            patient("4712", "HN", "Quibble^Henry"),
            patient("4711", "ELSEWHERE", "Quibble^Henry"),
            patient("4711", "HN", "Quibble^Harry"),
            patient("4711", "HN", "Quibble"),
        ] {
            assert!(!sent.may_be(&other) && !other.may_be(&sent), "{}", other.name);
        }
    }

    #[test]
    fn a_study_is_asked_for_by_its_uid_and_no_patient_is_in_the_query() {
        let study = uid("1.2.1");
        let identifier = StudyQuery { study: &study }.identifier(&uid(IMPLICIT_VR_LITTLE_ENDIAN));
        let expected = b"\x08\0\x52\0\x06\0\0\0STUDY \x10\0\x10\0\0\0\0\0\x10\0\x20\0\0\0\0\0\
                         \x10\0\x21\0\0\0\0\0\x20\0\x0D\0\x06\0\0\x001.2.1\0";
        assert_eq!(identifier.expect("written"), expected);
    }
}
