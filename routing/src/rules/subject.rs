//! What a condition looks at: an attribute, a private attribute, or a fact of the connection.

use super::dictionary::{self, Kind, Unusable};
use super::judge::ImageFacts;
use super::reader::Reader;
use super::tree::Span;
use dicom_core::VR;
use gantry_terms::header::{Attribute, Layered, Tag, Value};

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
    Fact(Fact),
}

/// What the node knows of how an image came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    CallingAe,
    CalledAe,
    SopClass,
    TransferSyntax,
}

/// One value of an image, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) text: String,
    /// Finite. Text that spells a number has one too.
    pub(super) number: Option<f64>,
    /// Its VR holds numbers.
    pub(super) is_numeric: bool,
}

pub(super) const FACTS: [(&str, Fact); 4] = [
    ("calling-ae", Fact::CallingAe),
    ("called-ae", Fact::CalledAe),
    ("sop-class", Fact::SopClass),
    ("transfer-syntax", Fact::TransferSyntax),
];
/// PatientSex, PatientAge.
const SHOWN_OF_PATIENT: [Tag; 2] = [0x0010_0040, 0x0010_1010];
/// Numbers by which a hospital finds the patient: AccessionNumber, StudyID, those of clinical trials
/// (subject and reading), orders, requested and scheduled procedures.
const IDENTIFIERS: [Tag; 9] = [
    0x0008_0050,
    0x0020_0010,
    0x0012_0040,
    0x0012_0042,
    0x0040_0009,
    0x0040_0253,
    0x0040_1001,
    0x0040_2016,
    0x0040_2017,
];
/// Facts of the selection; `require` knows them.
pub(super) const SELECTION_FACTS: [&str; 3] = ["images", "spacing", "spacing-mm"];

impl Subject {
    /// Reads the key of a condition. A fault is noted and gives `None`.
    pub(super) fn read(reader: &mut Reader, key: &str, span: &Span) -> Option<Subject> {
        if key.starts_with('(') {
            return private(reader, key, span);
        }
        if let Some((_, fact)) = FACTS.iter().find(|(name, _)| *name == key) {
            return Some(Subject::Fact(*fact));
        }
        match dictionary::keyword(key) {
            Ok((tag, vr, kind)) => return Some(Subject::Attribute { tag, vr, kind }),
            Err(Unusable::Unseen(why)) => {
                let help = (key == "TransferSyntaxUID")
                    .then(|| "the fact `transfer-syntax` says how the image came".to_string());
                reader.fault(span, format!("{key} {why}"), help);
            }
            Err(Unusable::Unknown) => unknown(reader, key, span),
        }
        None
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Subject::Attribute { kind, .. } => *kind,
            Subject::Private { .. } => Kind::Any,
            Subject::Fact(Fact::CallingAe | Fact::CalledAe) => Kind::Title,
            Subject::Fact(Fact::SopClass | Fact::TransferSyntax) => Kind::Uid,
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
            Subject::Fact(_) => true,
        }
    }

    /// The values that an image has; none when the attribute is absent or empty.
    pub(super) fn held(&self, image: &ImageFacts) -> Vec<Held> {
        match self {
            Subject::Attribute { tag, .. } => image.header.attribute(*tag).map_or(vec![], held),
            Subject::Private { group, element, creator } => {
                private_attribute(image.header, *group, *element, creator).map_or(vec![], held)
            }
            Subject::Fact(fact) => {
                let text = match fact {
                    Fact::CallingAe => image.calling_ae.as_str(),
                    Fact::CalledAe => image.called_ae.as_str(),
                    Fact::SopClass => image.sop_class.as_str(),
                    Fact::TransferSyntax => image.transfer_syntax.as_str(),
                };
                vec![Held { text: text.to_string(), number: None, is_numeric: false }]
            }
        }
    }
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
        let help = dictionary::nearest_keyword(key).map(|near| format!("did you mean \"{near}\"?"));
        return reader.fault(span, format!("\"{key}\" is not a DICOM keyword"), help);
    }
    let known = FACTS.iter().map(|(name, _)| *name).chain(["any", "none", "all"]);
    let near = dictionary::nearest(key, known).or_else(|| dictionary::nearest_keyword(key));
    let help = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            "keys are DICOM keywords, or calling-ae, called-ae, sop-class, transfer-syntax".into()
        }
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
    let low = element.strip_prefix("xx").filter(|low| low.len() == 2 && low.is_ascii());
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
    header.tags(group | 0x10, group | 0xFF).find_map(|tag| {
        let matches = header.text(tag).is_some_and(|name| name.trim() == creator);
        let wanted = group | ((tag & 0xFF) << 8) | Tag::from(element);
        header.attribute(wanted).filter(|_| matches)
    })
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
        Held { text, number: number.filter(|number| number.is_finite()), is_numeric }
    });
    values.filter(|held| !held.text.is_empty()).collect()
}

/// FL has 24 bits: 0.7 is kept as 0.699999988. Its shortest decimal is what was meant.
fn single(number: f64) -> (String, Option<f64>) {
    let text = (number as f32).to_string();
    let number = text.parse().ok();
    (text, number)
}
