//! Results of algorithms, this node's own and those of others: no model gets them unless its rule asks for them by what they are.

use super::judge::ImageFacts;
use super::select::{Condition, How, Test};
use super::subject::Subject;
use gantry_terms::header::{Header, Tag, Value};

const SOP_CLASS_UID: Tag = 0x0008_0016;
const MODALITY: Tag = 0x0008_0060;
const IMAGE_TYPE: Tag = 0x0008_0008;
const CODE_VALUE: Tag = 0x0008_0100;
const CODING_SCHEME_DESIGNATOR: Tag = 0x0008_0102;
const CONTRIBUTING_EQUIPMENT_SEQUENCE: Tag = 0x0018_A001;
const PURPOSE_OF_REFERENCE_CODE_SEQUENCE: Tag = 0x0040_A170;
/// Processing Equipment, of CID 7005 (PS3.16).
const PROCESSING_EQUIPMENT: &str = "109102";

/// Reports and key objects, presentation states, encapsulated documents.
const FAMILIES: [&str; 3] =
    ["1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.11.", "1.2.840.10008.5.1.4.1.1.104."];
/// Segmentation, Surface Segmentation, Label Map and Height Map Segmentation, Parametric Map.
const CLASSES: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.5",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.66.8",
    "1.2.840.10008.5.1.4.1.1.30",
];
/// Modalities that are of such classes alone (PS3.3 C.7.3.1.1.1). A Parametric Map may have that of its source.
const MODALITIES: [&str; 6] = ["SR", "KO", "SEG", "PR", "DOC", "M3D"];

/// By what an object is known as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Its class has no images as they were acquired.
    Class,
    /// It was derived, and another device than the scanner says that it processed it (Contributing Equipment Sequence, PS3.3
    /// C.12.1). What acquired or modified an image is told by other codes.
    Processed,
}

/// Whether this is a result, as far as the standard has signs of it. What the scanner took (ORIGINAL, C.7.6.1.1.2) is none,
/// whoever handled it.
pub(super) fn sign(image: &ImageFacts) -> Option<Sign> {
    let class = image.sop_class.as_str();
    if CLASSES.contains(&class) || FAMILIES.iter().any(|family| class.starts_with(family)) {
        return Some(Sign::Class);
    }
    let equipment = image.header.attribute(CONTRIBUTING_EQUIPMENT_SEQUENCE)?;
    let is_original = image.header.text(IMAGE_TYPE) == Some("ORIGINAL");
    let processed = items(&equipment.values).any(is_processing);
    (processed && !is_original).then_some(Sign::Processed)
}

fn is_processing(equipment: &Header) -> bool {
    let purposes = equipment.attribute(PURPOSE_OF_REFERENCE_CODE_SEQUENCE);
    purposes.is_some_and(|purposes| {
        items(&purposes.values).any(|code| {
            code.text(CODE_VALUE) == Some(PROCESSING_EQUIPMENT)
                && code.text(CODING_SCHEME_DESIGNATOR) == Some("DCM")
        })
    })
}

fn items(values: &[Value]) -> impl Iterator<Item = &Header> {
    values.iter().filter_map(|value| match value {
        Value::Item(item) => Some(item),
        _ => None,
    })
}

/// Whether one of these lines, which the image fits, names it as what it is: its class or its modality letter by letter; of an
/// image the code of processing equipment.
pub(super) fn asks(conditions: &[Condition], image: &ImageFacts, sign: Sign) -> bool {
    conditions.iter().any(|condition| match (&condition.test, sign) {
        (Test::Groups { how: How::None, .. }, _) => false,
        (Test::Groups { groups, .. }, _) => groups.iter().any(|group| {
            group.iter().all(|condition| condition.matches(image)) && asks(group, image, sign)
        }),
        (Test::Value { subject, wanted }, Sign::Class) => match subject {
            Subject::Attribute { tag: SOP_CLASS_UID, .. } => wanted.names(image.sop_class.as_str()),
            Subject::Attribute { tag: MODALITY, .. } => {
                let modality = image.header.text(MODALITY);
                modality.is_some_and(|it| MODALITIES.contains(&it) && wanted.names(it))
            }
            _ => false,
        },
        (Test::Item { .. }, Sign::Class) => false,
        (Test::Value { subject, .. } | Test::Item { sequence: subject, .. }, Sign::Processed) => {
            subject.root_tag() == Some(CONTRIBUTING_EQUIPMENT_SEQUENCE)
                && names_processing(condition)
        }
    })
}

fn names_processing(condition: &Condition) -> bool {
    match &condition.test {
        Test::Value { subject, wanted } => {
            subject.last_tag() == Some(CODE_VALUE) && wanted.names(PROCESSING_EQUIPMENT)
        }
        Test::Item { conditions, .. } => conditions.iter().any(names_processing),
        Test::Groups { .. } => false,
    }
}
