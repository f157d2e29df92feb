//! What a study leaves here when it goes without its patient: what results about it need to come home.

use crate::seen::{ISSUER, PATIENT_ID, PATIENT_NAME, Seen};
use gantry_terms::header::Tag;
use std::collections::BTreeMap;

/// Of the modules of patient and study (PS3.3 C.7.1.1, C.7.2.1), with the VR and whether it has to be there, if
/// empty (Type 2): what a result has of its source, and the profile takes away.
pub(crate) const OF_STUDY: [(Tag, [u8; 2], bool); 11] = [
    (0x0008_0020, *b"DA", true),
    (0x0008_0030, *b"TM", true),
    (0x0008_0050, *b"SH", true),
    (0x0008_0090, *b"PN", true),
    (0x0008_1030, *b"LO", false),
    (PATIENT_NAME, *b"PN", true),
    (PATIENT_ID, *b"LO", true),
    (ISSUER, *b"LO", false),
    (0x0010_0030, *b"DA", true),
    (0x0010_0040, *b"CS", true),
    (0x0020_0010, *b"SH", true),
];

/// One study without its patient, under one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Study {
    /// The Study Instance UID (0020,000D) that it has outside.
    pub uid: String,
    pub original: String,
    /// The Patient ID (0010,0020) that it has outside; empty where there was none.
    pub patient: String,
    /// By which its dates went back; 0 where they did not.
    pub days: i64,
    /// Attributes of patient and study as they are here, decoded; several values with backslashes between them.
    pub attributes: BTreeMap<Tag, String>,
}

pub(crate) fn is_of_study(tag: Tag) -> bool {
    OF_STUDY.iter().any(|(of_study, ..)| *of_study == tag)
}

pub(crate) fn attributes(seen: &Seen) -> BTreeMap<Tag, String> {
    let known = |(tag, ..): &(Tag, [u8; 2], bool)| Some((*tag, seen.whole_text(*tag)?));
    OF_STUDY.iter().filter_map(known).collect()
}
