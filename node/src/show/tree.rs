//! The content of a structured report as a tree that a person reads, a line for each content item (PS3.3 C.17.3).

use super::content::Item;
use dicom_core::Tag;
use dicom_core::dictionary::UidDictionary;
use dicom_dictionary_std::{StandardSopClassDictionary, tags};

/// The lines below the root, each two spaces deeper than its parent.
pub fn lines(report: &Item) -> Vec<String> {
    let mut lines = vec![said(report)];
    below(report, 1, &mut lines);
    lines
}

/// As deep as the reader of the data set lets it be.
fn below(item: &Item, depth: usize, lines: &mut Vec<String>) {
    for child in item.items(tags::CONTENT_SEQUENCE) {
        let relation = child.text(tags::RELATIONSHIP_TYPE).unwrap_or_default();
        let relation = match relation.as_str() {
            // What stands below another one is of it: only what is not told by that has a word.
            "CONTAINS" | "HAS PROPERTIES" | "HAS CONCEPT MOD" | "HAS OBS CONTEXT" | "" => {
                String::new()
            }
            other => format!("[{}] ", other.to_ascii_lowercase()),
        };
        lines.push(format!("{}{relation}{}", "  ".repeat(depth), said(child)));
        below(child, depth + 1, lines);
    }
}

/// One content item: its concept, and its value by its Value Type (0040,A040).
fn said(item: &Item) -> String {
    let concept = item.items(tags::CONCEPT_NAME_CODE_SEQUENCE).first().and_then(meaning);
    let value = match item.text(tags::VALUE_TYPE).as_deref() {
        Some("CONTAINER") => None,
        Some("TEXT") => item.text(tags::TEXT_VALUE),
        Some("CODE") => item.items(tags::CONCEPT_CODE_SEQUENCE).first().and_then(code),
        Some("NUM") => Some(number(item)),
        Some("DATETIME") => item.text(tags::DATE_TIME),
        Some("DATE") => item.text(tags::DATE),
        Some("TIME") => item.text(tags::TIME),
        Some("UIDREF") => item.text(tags::UID),
        Some("PNAME") => item.text(tags::PERSON_NAME),
        Some("IMAGE" | "COMPOSITE" | "WAVEFORM") => Some(reference(item)),
        Some("SCOORD" | "SCOORD3D") => Some(outline(item)),
        Some("TCOORD") => item.text(tags::TEMPORAL_RANGE_TYPE),
        Some(other) => Some(format!("({other})")),
        None if item.count(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER) > 0 => {
            let place = item.text(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER).unwrap_or_default();
            return format!("see the content item {}", place.replace('\\', "."));
        }
        None => None,
    };
    match (concept, value) {
        (Some(concept), Some(value)) => format!("{concept}: {value}"),
        (Some(alone), None) | (None, Some(alone)) => alone,
        (None, None) => "(without a name or a value)".into(),
    }
}

fn meaning(code: &Item) -> Option<String> {
    code.text(tags::CODE_MEANING).or_else(|| value_of(code))
}

fn code(code: &Item) -> Option<String> {
    let scheme = code.text(tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default();
    let value = value_of(code)?;
    Some(match code.text(tags::CODE_MEANING) {
        Some(meaning) => format!("{meaning} ({value}, {scheme})"),
        None => format!("{value}, {scheme}"),
    })
}

fn value_of(code: &Item) -> Option<String> {
    let places = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE];
    places.into_iter().find_map(|tag| code.text(tag))
}

/// PS3.3 C.18.1: a number with its unit, or why there is none.
fn number(item: &Item) -> String {
    let qualifier = || item.items(tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE).first();
    let Some(measured) = item.items(tags::MEASURED_VALUE_SEQUENCE).first() else {
        let why = qualifier().and_then(meaning);
        return why.map_or("no value".into(), |why| format!("no value ({why})"));
    };
    let value = measured.text(tags::NUMERIC_VALUE).unwrap_or_else(|| "no value".into());
    let unit = measured.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first();
    let ucum = |unit: &&Item| unit.text(tags::CODING_SCHEME_DESIGNATOR).as_deref() == Some("UCUM");
    match unit.filter(ucum).and_then(value_of).or_else(|| unit.and_then(meaning)) {
        // UCUM's word for a number without a unit.
        None => value,
        Some(one) if one == "1" => value,
        Some(unit) => format!("{value} {unit}"),
    }
}

/// What is referenced, by its class, with frames and segments where only those are.
fn reference(item: &Item) -> String {
    let Some(of) = item.items(tags::REFERENCED_SOP_SEQUENCE).first() else {
        return "nothing".into();
    };
    let class = of.text(tags::REFERENCED_SOP_CLASS_UID).unwrap_or_default();
    let class = StandardSopClassDictionary.by_uid(&class).map_or(class, |known| known.name.into());
    let instance = of.text(tags::REFERENCED_SOP_INSTANCE_UID).unwrap_or_default();
    let some = |tag: Tag, what: &str| {
        of.text(tag)
            .map(|which| format!(", {what} {}", which.replace('\\', ", ")))
            .unwrap_or_default()
    };
    let (frames, segments) = (
        some(tags::REFERENCED_FRAME_NUMBER, "frame"),
        some(tags::REFERENCED_SEGMENT_NUMBER, "segment"),
    );
    format!("{instance}{frames}{segments} ({class})")
}

/// PS3.3 C.18.6, C.18.9: what is drawn and of how many points.
fn outline(item: &Item) -> String {
    let kind = item.text(tags::GRAPHIC_TYPE).unwrap_or_default();
    let coordinates =
        if item.text(tags::VALUE_TYPE).as_deref() == Some("SCOORD3D") { 3 } else { 2 };
    match item.count(tags::GRAPHIC_DATA) / coordinates {
        1 => format!("{kind}, 1 point"),
        points => format!("{kind}, {points} points"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::content::Unreadable;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_encoding::TransferSyntaxIndex;
    use dicom_object::InMemDicomObject;
    use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
    use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
    use gantry_terms::uid::Uid;

    type Element = DataElement<InMemDicomObject>;

    fn text(tag: Tag, vr: VR, value: &str) -> Element {
        DataElement::new(tag, vr, PrimitiveValue::from(value))
    }

    fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> Element {
        DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
    }

    fn item<const N: usize>(elements: [Element; N]) -> InMemDicomObject {
        InMemDicomObject::from_element_iter(elements)
    }

    fn coded(tag: Tag, value: &str, scheme: &str, meaning: &str) -> Element {
        let code = item([
            text(tags::CODE_VALUE, VR::SH, value),
            text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
            text(tags::CODE_MEANING, VR::LO, meaning),
        ]);
        sequence(tag, vec![code])
    }

    fn read(object: &InMemDicomObject) -> Result<Item, Unreadable> {
        let syntax = TransferSyntaxRegistry.get(EXPLICIT_VR_LITTLE_ENDIAN).expect("known");
        let mut bytes = Vec::new();
        object.write_dataset_with_ts(&mut bytes, syntax).expect("written");
        Item::read(&bytes, &Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN).expect("a UID"))
    }

    fn named(kind: &str, meaning: &str, more: Vec<Element>) -> InMemDicomObject {
        let mut item = item([
            text(tags::VALUE_TYPE, VR::CS, kind),
            coded(tags::CONCEPT_NAME_CODE_SEQUENCE, "1", "99X", meaning),
        ]);
        more.into_iter().for_each(|element| {
            item.put(element);
        });
        item
    }

    #[test]
    fn each_kind_of_content_item_is_one_line() {
        let measured = |unit: [&str; 2]| {
            let measured = item([
                text(tags::NUMERIC_VALUE, VR::DS, "12.50"),
                coded(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit[0], "UCUM", unit[1]),
            ]);
            sequence(tags::MEASURED_VALUE_SEQUENCE, vec![measured])
        };
        let no_value = vec![
            sequence(tags::MEASURED_VALUE_SEQUENCE, vec![]),
            coded(tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE, "114000", "DCM", "Not a number"),
        ];
        let image = item([
            text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2"),
            text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3"),
            text(tags::REFERENCED_FRAME_NUMBER, VR::IS, "4\\5"),
        ]);
        let drawn = PrimitiveValue::F32([0.0, 1.0, 2.0, 3.0].as_slice().into());
        let outline = vec![
            text(tags::GRAPHIC_TYPE, VR::CS, "POLYLINE"),
            DataElement::new(tags::GRAPHIC_DATA, VR::FL, drawn),
            text(tags::RELATIONSHIP_TYPE, VR::CS, "INFERRED FROM"),
        ];
        let in_patient = PrimitiveValue::F32([1.0; 15].as_slice().into());
        let plane = vec![
            text(tags::GRAPHIC_TYPE, VR::CS, "POLYGON"),
            DataElement::new(tags::GRAPHIC_DATA, VR::FL, in_patient),
            text(tags::RELATIONSHIP_TYPE, VR::CS, "CONTAINS"),
        ];
        let volume = vec![
            measured(["cm3", "cubic centimetre"]),
            sequence(tags::CONTENT_SEQUENCE, vec![named("SCOORD", "Image Region", outline)]),
        ];
        let content = vec![
            named(
                "TEXT",
                "Comment",
                vec![text(tags::TEXT_VALUE, VR::UT, "two\r\nlines \u{1b}[31m")],
            ),
            named(
                "CODE",
                "Finding",
                vec![coded(tags::CONCEPT_CODE_SEQUENCE, "2", "99X", "Nodule")],
            ),
            named("NUM", "Volume", volume),
            named("SCOORD3D", "Volume Surface", plane),
            named("NUM", "Ratio", vec![measured(["1", "no units"])]),
            named("NUM", "Mean", no_value),
            named("IMAGE", "Source", vec![sequence(tags::REFERENCED_SOP_SEQUENCE, vec![image])]),
            item([]),
        ];
        let root = named("CONTAINER", "Report", vec![sequence(tags::CONTENT_SEQUENCE, content)]);
        let expected = [
            "Report",
            "  Comment: two  lines  [31m",
            "  Finding: Nodule (2, 99X)",
            "  Volume: 12.50 cm3",
            "    [inferred from] Image Region: POLYLINE, 2 points",
            "  Volume Surface: POLYGON, 5 points",
            "  Ratio: 12.50",
            "  Mean: no value (Not a number)",
            "  Source: 1.2.3, frame 4, 5 (CT Image Storage)",
            "  (without a name or a value)",
        ];
        assert_eq!(lines(&read(&root).expect("it is whole")), expected);
    }

    #[test]
    fn what_is_nested_too_deeply_or_cut_is_refused() {
        let opening = b"\x40\0\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
        let closing = b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0";
        let explicit = Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN).expect("a UID");
        let nested = |depth| [opening.repeat(depth), closing.repeat(depth)].concat();
        assert_eq!(lines(&Item::read(&nested(64), &explicit).expect("it is whole")).len(), 65);
        let refused = |bytes: &[u8]| Item::read(bytes, &explicit).map(|_| ()).unwrap_err();
        assert_eq!(refused(&nested(100_000)), Unreadable::TooDeep);
        assert_eq!(refused(&opening.repeat(3)), Unreadable::Malformed);
        assert_eq!(refused(b"\x09\0\x01\x10OB\0\0\xFE\xFF\xFF\xFFabcd"), Unreadable::Malformed);
    }
}
