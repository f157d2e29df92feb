//! DICOM keywords (PS3.6) and what kind of value each holds, and the nearest known word to a misspelt one.

use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, TagRange, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;
use gantry_terms::header::Tag;
use std::sync::LazyLock;

/// What a value is compared as. It decides which operators fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// AE, LO, SH, UC: compared letter by letter.
    Text,
    /// LT, ST, UT, UR: one value, in which a backslash is a letter.
    FreeText,
    /// PN.
    Name,
    /// CS: upper case, at most 16 characters.
    Code,
    /// UI.
    Uid,
    /// An AE title of the connection: plain values are globs, and case matters.
    Title,
    /// The AE title of a `[[peer]]`, if one sent the image.
    Peer,
    /// AT: an attribute, by its keyword or its number.
    Tag,
    Number,
    /// A number that every image has.
    Count,
    Date,
    Time,
    DateTime,
    /// A time of day that every image has: a range may reach over midnight.
    Clock,
    Age,
    /// One of a few words.
    Word(Words),
    Truth,
    /// SQ: whether it is there, or what one of its items holds.
    Sequence,
    /// A private attribute: the value that the rule writes decides.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Words {
    Day,
    Orientation,
}

impl Words {
    /// The first one is day 0.
    pub(super) const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    pub(super) const ORIENTATIONS: [&str; 4] = ["axial", "coronal", "sagittal", "oblique"];

    pub(super) fn known(self) -> &'static [&'static str] {
        match self {
            Words::Day => &Self::DAYS,
            Words::Orientation => &Self::ORIENTATIONS,
        }
    }
}

/// Why a keyword cannot be used in a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Unknown,
    /// Not among the attributes of the data set that rules see.
    Unseen(&'static str),
    /// Pixels and the like.
    Bulk,
}

/// The tag, two-letter VR (of several possible ones the first) and kind of a keyword.
pub(super) fn keyword(name: &str) -> Result<(Tag, VR, Kind), Unusable> {
    let entry = StandardDataDictionary.by_name(name).ok_or(Unusable::Unknown)?;
    let TagRange::Single(tag) = entry.tag_range() else {
        return Err(Unusable::Unseen("stands for a whole range of tags"));
    };
    match tag.group() {
        0x0000 => {
            return Err(Unusable::Unseen("belongs to messages on the network, not to images"));
        }
        0x0002 => return Err(Unusable::Unseen("belongs to the file header, not to the data set")),
        _ => {}
    }
    let vr = match entry.vr() {
        VirtualVr::Exact(vr) => vr,
        VirtualVr::Xs => VR::US,
        _ => VR::OW,
    };
    let kind = kind(vr).ok_or(Unusable::Bulk)?;
    Ok(((Tag::from(tag.group()) << 16) | Tag::from(tag.element()), vr, kind))
}

fn kind(vr: VR) -> Option<Kind> {
    Some(match vr {
        VR::AE | VR::LO | VR::SH | VR::UC => Kind::Text,
        VR::AT => Kind::Tag,
        VR::DT => Kind::DateTime,
        VR::LT | VR::ST | VR::UT | VR::UR => Kind::FreeText,
        VR::PN => Kind::Name,
        VR::CS => Kind::Code,
        VR::UI => Kind::Uid,
        VR::DS | VR::IS | VR::US | VR::SS | VR::UL | VR::SL | VR::UV | VR::SV => Kind::Number,
        VR::FL | VR::FD => Kind::Number,
        VR::DA => Kind::Date,
        VR::TM => Kind::Time,
        VR::AS => Kind::Age,
        VR::SQ => Kind::Sequence,
        VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN => return None,
    })
}

/// The keyword of a tag that a rule names by its number.
pub(super) fn keyword_of(group: u16, element: u16) -> Option<&'static str> {
    let entry = StandardDataDictionary.by_tag(dicom_core::Tag(group, element))?;
    matches!(entry.tag_range(), TagRange::Single(_)).then_some(entry.alias)
}

pub(super) fn is_keyword(word: &str) -> bool {
    StandardDataDictionary.by_name(word).is_some()
}

/// An attribute by its keyword, as `(0018,0050)` or as `00180050`: eight hexadecimal digits.
pub(super) fn tag_of(text: &str) -> Option<String> {
    if let Some(entry) = StandardDataDictionary.by_name(text) {
        let TagRange::Single(tag) = entry.tag_range() else { return None };
        return Some(format!("{:04X}{:04X}", tag.group(), tag.element()));
    }
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let digits = match inner.and_then(|inner| inner.split_once(',')) {
        Some((group, element)) if group.len() == 4 => format!("{group}{element}"),
        Some(_) => return None,
        None => text.to_string(),
    };
    let is_tag = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_tag.then(|| digits.to_ascii_uppercase())
}

pub(super) fn nearest_sequence(word: &str) -> Option<&'static str> {
    let is_sequence = |word: &&str| matches!(keyword(word), Ok((_, _, Kind::Sequence)));
    nearest(word, KEYWORDS.iter().copied().filter(is_sequence))
}

pub(super) fn nearest_keyword(word: &str) -> Option<&'static str> {
    nearest(word, KEYWORDS.iter().copied())
}

/// The dictionary can be asked but not listed, so every tag is tried: a few hundred milliseconds,
/// once, and only when a rule has an unknown keyword. Groups of network and print services are left out.
static KEYWORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let groups = (0x0008..=0x0100).chain([0x0400]).chain(0x3002..=0x3010);
    let groups = groups.chain([0x5200, 0x5400]).filter(|g| g % 2 == 0);
    groups
        .flat_map(|group| (1..=0xA010).filter_map(move |element| keyword_of(group, element)))
        .collect()
});

/// The known word that was probably meant; none when nothing is near.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = plain(word);
    known
        .into_iter()
        .map(|known| (likeness(&folded, &plain(known)), known))
        .filter(|(likeness, _)| *likeness >= 0.62)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, known)| known)
}

/// From 0 to 1. Letters that differ count, and more so at the beginning of a word.
fn likeness(a: &str, b: &str) -> f64 {
    (strsim::normalized_damerau_levenshtein(a, b) + strsim::jaro_winkler(a, b)) / 2.0
}

/// Case, spaces, dashes and underscores are what people get wrong first.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_keyword_gets_the_one_that_was_meant() {
        for (written, meant) in [
            ("SliceThicknes", "SliceThickness"),
            ("slice_thickness", "SliceThickness"),
            ("Slice Thickness", "SliceThickness"),
            ("BodyPartExamine", "BodyPartExamined"),
            ("Modalty", "Modality"),
            ("PatientDI", "PatientID"),
            ("ConvolutionKernal", "ConvolutionKernel"),
        ] {
            assert_eq!(nearest_keyword(written), Some(meant), "{written}");
        }
        assert_eq!(nearest_keyword("Xyzzy"), None);
    }

    #[test]
    fn what_the_index_does_not_hold_cannot_be_asked_for() {
        for unseen in ["TransferSyntaxUID", "OverlayRows", "CommandField"] {
            assert!(matches!(keyword(unseen), Err(Unusable::Unseen(_))), "{unseen}");
        }
        assert_eq!(keyword("PixelData"), Err(Unusable::Bulk));
        assert_eq!(keyword("Nonsense"), Err(Unusable::Unknown));
        assert_eq!(keyword("KVP"), Ok((0x0018_0060, VR::DS, Kind::Number)));
    }
}
