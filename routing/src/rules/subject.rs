//! What a condition looks at: an attribute, a private attribute, what stands in the items of sequences, or a fact of how the image came.

use super::dictionary::{self, Kind, Unusable};
use super::fact::{FACTS, Fact};
use super::judge::ImageFacts;
use super::reader::Reader;
use super::tree::Span;
use dicom_core::VR;
use gantry_terms::header::{Attribute, Header, Layered, Tag, Value};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Attribute {
        tag: Tag,
        vr: VR,
        kind: Kind,
    },
    /// The block in which the creator put its elements differs from file to file (PS3.5 7.8.1).
    Private {
        group: u16,
        element: u8,
        creator: String,
    },
    /// All values of an attribute over all items of these sequences, the outermost first.
    Nested {
        sequences: Vec<Subject>,
        last: Box<Subject>,
    },
    Fact(Fact),
}

/// One value of an image, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) text: String,
    /// Finite. Text that spells a number has one too.
    pub(super) number: Option<f64>,
    /// Its VR holds numbers; it is shown without quotes.
    pub(super) is_numeric: bool,
}

/// One word of a path and where it stands.
pub(super) type Step = (String, Span);

/// PatientSex, PatientAge.
const SHOWN_OF_PATIENT: [Tag; 2] = [0x0010_0040, 0x0010_1010];
/// Numbers by which a hospital finds the patient: AccessionNumber, StudyID, those of clinical trials
/// (subject and reading), orders, requested and scheduled procedures, specimens and their containers.
const IDENTIFIERS: [Tag; 14] = [
    0x0008_0050,
    0x0020_0010,
    0x0012_0040,
    0x0012_0042,
    0x0040_0009,
    0x0040_0253,
    0x0040_1001,
    0x0040_1006,
    0x0040_1007,
    0x0040_2016,
    0x0040_2017,
    0x0040_050A,
    0x0040_0512,
    0x0040_0551,
];
/// Facts of the selection; `require` knows them.
pub(super) const SELECTION_FACTS: [&str; 7] =
    ["images", "series", "spacing", "spacing-mm", "gaps", "orientation", "frames"];
/// The header keeps no sequence that lies deeper (`store`, `data_set.rs`).
pub(super) const DEEPEST: usize = 24;

impl Subject {
    /// Reads the key of a condition, or several that dots join. A fault is noted and gives `None`.
    pub(super) fn read(reader: &mut Reader, path: &[Step]) -> Option<Subject> {
        let steps: Vec<Step> =
            path.iter().flat_map(|(key, span)| parts(reader.text, key, span)).collect();
        let ((last, last_span), sequences) = steps.split_last()?;
        if sequences.is_empty() {
            return whole(reader, last, last_span);
        }
        if sequences.len() > DEEPEST {
            let message = format!("the path goes through more than {DEEPEST} sequences");
            reader.fault(&sequences[DEEPEST].1, message, None);
            return None;
        }
        let read: Vec<Option<Subject>> =
            sequences.iter().map(|(word, span)| sequence(reader, word, span)).collect();
        let last = attribute(reader, last, last_span)?;
        let sequences = read.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Subject::Nested { sequences, last: Box::new(last) })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Subject::Attribute { kind, .. } => *kind,
            Subject::Private { .. } => Kind::Any,
            Subject::Nested { last, .. } => last.kind(),
            Subject::Fact(fact) => fact.kind(),
        }
    }

    /// How many sequences stand above the attribute.
    pub(super) fn depth(&self) -> usize {
        match self {
            Subject::Nested { sequences, .. } => sequences.len(),
            _ => 0,
        }
    }

    /// Whether traces may hold these values: not those that tell who the patient is, nor free text
    /// and private text, in which anything may stand. Age and sex do not tell by themselves.
    pub(super) fn shows(&self, values: &[Held]) -> bool {
        match self {
            Subject::Attribute { kind: Kind::Name | Kind::FreeText, .. } => false,
            Subject::Attribute { tag, .. } => {
                let hidden_group = matches!(tag >> 16, 0x0010 | 0x0038); // patient, visit
                SHOWN_OF_PATIENT.contains(tag) || !(hidden_group || IDENTIFIERS.contains(tag))
            }
            Subject::Private { .. } => values.iter().all(|value| value.is_numeric),
            // An item that is private, or of the patient, may say anything of the patient.
            Subject::Nested { sequences, last } => {
                last.shows(values)
                    && sequences.iter().all(|s| matches!(s, Subject::Attribute { .. }))
                    && sequences.iter().all(|sequence| sequence.shows(&[]))
            }
            Subject::Fact(_) => true,
        }
    }

    /// The values that an image has; none when the attribute is absent or empty.
    pub(super) fn held(&self, image: &ImageFacts) -> Vec<Held> {
        match self {
            Subject::Fact(fact) => fact.held(image).into_iter().collect(),
            Subject::Nested { sequences, last } => {
                let mut values = Vec::new();
                each_header(sequences, image.header, &mut |header| {
                    values.extend(last.attribute(header).map_or(vec![], held));
                });
                values
            }
            _ => self.attribute(image.header).map_or(vec![], held),
        }
    }

    /// The same where it is known what the image has at the root.
    pub(super) fn held_in(&self, root: Option<&Attribute>, image: &ImageFacts) -> Vec<Held> {
        match self {
            Subject::Fact(_) | Subject::Nested { .. } => self.held(image),
            Subject::Attribute { .. } | Subject::Private { .. } => root.map_or(vec![], held),
        }
    }

    /// Whether one item of the sequence passes; of a path all items on all ways to it.
    pub(super) fn some_item<'a>(
        &self,
        header: Layered<'a>,
        mut passes: impl FnMut(&'a Header) -> bool,
    ) -> bool {
        let (sequences, last): (&[Subject], &Subject) = match self {
            Subject::Nested { sequences, last } => (sequences, last),
            other => (&[], other),
        };
        let mut found = false;
        each_header(sequences, header, &mut |header| {
            found = found || last.items(header).any(&mut passes);
        });
        found
    }

    /// The attribute of the outermost data set in which everything stands that is looked at; a fact
    /// has none.
    pub(super) fn root<'a>(&self, header: Layered<'a>) -> Option<&'a Attribute> {
        match self {
            Subject::Nested { sequences, .. } => sequences.first()?.root(header),
            other => other.attribute(header),
        }
    }

    /// The tag of the root, where it is the same in every image.
    pub(super) fn root_tag(&self) -> Option<Tag> {
        match self {
            Subject::Attribute { tag, .. } => Some(*tag),
            Subject::Nested { sequences, .. } => sequences.first()?.root_tag(),
            Subject::Private { .. } | Subject::Fact(_) => None,
        }
    }

    /// The tag of the attribute itself, at whatever depth it stands.
    pub(super) fn last_tag(&self) -> Option<Tag> {
        match self {
            Subject::Attribute { tag, .. } => Some(*tag),
            Subject::Nested { last, .. } => last.last_tag(),
            Subject::Private { .. } | Subject::Fact(_) => None,
        }
    }

    /// Of a plain or private attribute.
    fn attribute<'a>(&self, header: Layered<'a>) -> Option<&'a Attribute> {
        match self {
            Subject::Attribute { tag, .. } => header.attribute(*tag),
            Subject::Private { group, element, creator } => {
                private_attribute(header, *group, *element, creator)
            }
            Subject::Nested { .. } | Subject::Fact(_) => None,
        }
    }

    fn items<'a>(&self, header: Layered<'a>) -> impl Iterator<Item = &'a Header> + use<'a> {
        let values = self.attribute(header).map_or(&[][..], |attribute| &attribute.values);
        values.iter().filter_map(|value| match value {
            Value::Item(item) => Some(item),
            _ => None,
        })
    }
}

impl Held {
    pub(super) fn count(count: u32) -> Held {
        Held::bare(count.to_string(), Some(count.into()))
    }

    pub(super) fn bare(text: String, number: Option<f64>) -> Held {
        Held { text, number, is_numeric: true }
    }
}

/// The headers in which the last word of a path stands.
fn each_header<'a>(
    sequences: &[Subject],
    header: Layered<'a>,
    visit: &mut impl FnMut(Layered<'a>),
) {
    let Some((first, rest)) = sequences.split_first() else { return visit(header) };
    for item in first.items(header) {
        each_header(rest, Layered::whole(item), visit);
    }
}

/// The words of a key in quotes. A creator's name may hold a dot: it ends where a keyword or
/// another private attribute begins.
fn parts(source: &str, key: &str, span: &Span) -> Vec<Step> {
    let begins = |rest: &str| {
        let word = rest.split('.').next().unwrap_or_default();
        rest.starts_with('(') || dictionary::is_keyword(word)
    };
    let mut ends: Vec<usize> = Vec::new();
    let mut start = 0;
    for (at, _) in key.match_indices('.') {
        if !key[start..].starts_with('(') || begins(&key[at + 1..]) {
            ends.push(at);
            start = at + 1;
        }
    }
    if ends.is_empty() {
        return vec![(key.to_string(), span.clone())];
    }
    // Behind the quote, unless the key is written with escapes.
    let plain = source.get(span.start + 1..).is_some_and(|rest| rest.starts_with(key));
    let mut words = Vec::new();
    let mut start = 0;
    for end in ends.into_iter().chain([key.len()]) {
        let place = if plain { span.start + 1 + start..span.start + 1 + end } else { span.clone() };
        words.push((key[start..end].to_string(), place));
        start = end + 1;
    }
    words
}

/// A key that stands for itself.
fn whole(reader: &mut Reader, key: &str, span: &Span) -> Option<Subject> {
    if let Some((_, fact)) = FACTS.iter().find(|(name, _)| *name == key) {
        return Some(Subject::Fact(*fact));
    }
    read_attribute(reader, key, span, unknown)
}

/// The last word of a path.
pub(super) fn attribute(reader: &mut Reader, key: &str, span: &Span) -> Option<Subject> {
    read_attribute(reader, key, span, not_a_keyword)
}

fn sequence(reader: &mut Reader, key: &str, span: &Span) -> Option<Subject> {
    let subject = attribute(reader, key, span)?;
    if matches!(subject.kind(), Kind::Sequence | Kind::Any) {
        return Some(subject);
    }
    let near = dictionary::nearest_sequence(key);
    let help = near.map(|near| format!("did you mean \"{near}\"?"));
    reader.fault(span, format!("{key} is no sequence: nothing stands inside it"), help);
    None
}

fn read_attribute(
    reader: &mut Reader,
    key: &str,
    span: &Span,
    unknown: fn(&mut Reader, &str, &Span),
) -> Option<Subject> {
    if key.starts_with('(') {
        return private(reader, key, span);
    }
    match dictionary::keyword(key) {
        Ok((tag, vr, kind)) => return Some(Subject::Attribute { tag, vr, kind }),
        Err(Unusable::Unseen(why)) => {
            let help = (key == "TransferSyntaxUID")
                .then(|| "the fact `transfer-syntax` says how the image came".to_string());
            reader.fault(span, format!("{key} {why}"), help);
        }
        Err(Unusable::Bulk) => {
            reader.fault(span, format!("{key} holds bulk data, which rules do not see"), None);
        }
        Err(Unusable::Unknown) => unknown(reader, key, span),
    }
    None
}

fn not_a_keyword(reader: &mut Reader, key: &str, span: &Span) {
    let help = match FACTS.iter().any(|(name, _)| *name == key) {
        true => Some(format!("`{key}` is a fact of the image and stands outside of sequences")),
        false => dictionary::nearest_keyword(key).map(|near| format!("did you mean \"{near}\"?")),
    };
    reader.fault(span, format!("\"{key}\" is not a DICOM keyword"), help);
}

fn unknown(reader: &mut Reader, key: &str, span: &Span) {
    if SELECTION_FACTS.contains(&key) {
        let help = format!("write `{key}` in [rule.require]");
        return reader.fault(
            span,
            format!("`{key}` is a fact of the selection, not of one image"),
            help,
        );
    }
    if key.starts_with(|c: char| c.is_ascii_uppercase()) || key.contains([' ', '_']) {
        return not_a_keyword(reader, key, span);
    }
    let known = FACTS.iter().map(|(name, _)| *name).chain(["any", "none", "all"]);
    let near = dictionary::nearest(key, known).or_else(|| dictionary::nearest_keyword(key));
    let help = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("keys are DICOM keywords, or {}", FACTS.map(|(name, _)| name).join(", ")),
    };
    reader.fault(
        span,
        format!("\"{key}\" is neither a DICOM keyword nor a fact of an image"),
        help,
    );
}

/// Reads `(0019,xx0C) SIEMENS MR HEADER`.
fn private(reader: &mut Reader, key: &str, span: &Span) -> Option<Subject> {
    const FORM: &str = "write a private attribute as \"(0019,xx0C) SIEMENS MR HEADER\": \
        an odd group, xx, two digits, and the name of its creator";
    let parts = key.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let numbers = parts.and_then(|(tag, creator)| Some((tag.split_once(',')?, creator.trim())));
    let Some(((group, element), creator)) = numbers else {
        reader.fault(span, format!("\"{key}\" is not a tag"), FORM.to_string());
        return None;
    };
    let hexadecimal = |text: &str| match text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true if text.len() == 4 => u16::from_str_radix(text, 16).ok(),
        _ => None,
    };
    if let Some((group, element)) = hexadecimal(group).zip(hexadecimal(element)) {
        let help = match dictionary::keyword_of(group, element).filter(|_| group % 2 == 0) {
            Some(keyword) => format!("write its keyword: {keyword}"),
            None => FORM.to_string(),
        };
        reader.fault(span, format!("\"{key}\" names its attribute by number"), help);
        return None;
    }
    let low = element
        .strip_prefix("xx")
        .filter(|low| low.len() == 2 && low.bytes().all(|b| b.is_ascii_hexdigit()));
    let low = low.and_then(|low| u8::from_str_radix(low, 16).ok());
    match hexadecimal(group).filter(|group| group % 2 == 1 && *group > 8).zip(low) {
        Some((group, element)) if !creator.is_empty() => {
            Some(Subject::Private { group, element, creator: creator.to_string() })
        }
        _ => {
            reader.fault(span, format!("\"{key}\" is not a private attribute"), FORM.to_string());
            None
        }
    }
}

fn private_attribute<'a>(
    header: Layered<'a>,
    group: u16,
    element: u8,
    creator: &str,
) -> Option<&'a Attribute> {
    let group = Tag::from(group) << 16;
    let reserved = header.tags(group | 0x10, group | 0xFF).filter_map(|tag| {
        let matches = header.text(tag).is_some_and(|name| name.trim() == creator);
        let wanted = group | ((tag & 0xFF) << 8) | Tag::from(element);
        header.attribute(wanted).filter(|_| matches).map(|attribute| (wanted, attribute))
    });
    // A creator may have reserved several blocks: the first one counts.
    reserved.min_by_key(|(tag, _)| *tag).map(|(_, attribute)| attribute)
}

fn held(attribute: &Attribute) -> Vec<Held> {
    let is_numeric = !matches!(attribute.values.first(), Some(Value::Text(_)))
        || matches!(&*attribute.vr, "DS" | "IS");
    let values = attribute.values.iter().map(|value| {
        let (text, number) = match value {
            Value::Text(text) => (text.trim().to_string(), value.number()),
            Value::Integer(number) => (number.to_string(), value.number()),
            Value::Decimal(number) if &*attribute.vr == "FL" => single(*number),
            Value::Decimal(number) => (number.to_string(), Some(*number)),
            Value::Item(_) => ("(item)".into(), None),
        };
        let number = number.filter(|number| number.is_finite());
        // A DS or IS that spells no number may spell anything.
        Held { text, number, is_numeric: is_numeric && number.is_some() }
    });
    values.filter(|held| !held.text.is_empty()).collect()
}

/// FL has 24 bits: 0.7 is kept as 0.699999988. Its shortest decimal is what was meant.
fn single(number: f64) -> (String, Option<f64>) {
    let text = (number as f32).to_string();
    let number = text.parse().ok();
    (text, number)
}
