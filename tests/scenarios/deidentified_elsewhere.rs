//! De-identification beside Orthanc's, which has a table of its own: what that takes away or changes, this node does, too.

use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::{InMemDicomObject, OpenFileOptions};
use gantry_deidentification::deidentify::{Refusal, deidentify};
use gantry_deidentification::elements::Syntax;
use gantry_deidentification::key::Key;
use gantry_deidentification::profile::{Profile, ProfileOption};
use gantry_deidentification::table;
use kit::instance::{Instance, files_below};
use kit::orthanc::Orthanc;
use kit::{need, ports};
use std::collections::BTreeMap;

const EXPLICIT: Syntax = Syntax { implicit: false, big_endian: false };

/// Content Sequence (0040,A730) and Acquisition Context Sequence (0040,0555): of objects that leave with Clean Structured
/// Content only (E.3.4) codes, numbers and relations in them stay, and Orthanc, which has no such option, takes them away.
const CLEANED: [&str; 2] = ["0040A730[", "00400555["];

/// Every value of an object by where it stands, pixels aside.
fn values(part10: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let read = OpenFileOptions::new().read_until(tags::PIXEL_DATA).from_reader(part10).ok()?;
    let mut values = BTreeMap::new();
    gather(&read, "", &mut values);
    Some(values)
}

fn gather(object: &InMemDicomObject, before: &str, values: &mut BTreeMap<String, Vec<u8>>) {
    for element in object {
        let tag = element.header().tag;
        let here = format!("{before}{:04X}{:04X}", tag.group(), tag.element());
        match element.items() {
            Some(items) => items.iter().enumerate().for_each(|(number, item)| {
                gather(item, &format!("{here}[{number}]."), values);
            }),
            None => {
                let value = element.to_bytes().map(|bytes| bytes.into_owned()).unwrap_or_default();
                let end = value.iter().rposition(|byte| !b" \0".contains(byte));
                let value = value[..end.map_or(0, |end| end + 1)].to_vec();
                values.insert(here, value);
            }
        }
    }
}

/// How many values Orthanc takes away or changes, and where this node leaves one of them.
fn left_alone(
    orthanc: &Orthanc,
    instance: &Instance,
    syntax: Syntax,
) -> Option<(usize, Vec<String>)> {
    let clean = [ProfileOption::CleanStructuredContent];
    let clean = Profile { options: clean.into(), ..Profile::basic("test") };
    let by =
        |profile: &Profile| deidentify(&instance.data_set, syntax, profile, &Key::new([1; 32]));
    let basic = by(&Profile::basic("test"));
    let has_content = matches!(basic, Err(Refusal::Content));
    let left = basic.or_else(|_| by(&clean)).ok()?;
    let ours = Instance {
        sop_instance: left.sop_instance.to_string(),
        data_set: left.data_set,
        ..instance.clone()
    };
    let before = instance.part10();
    let theirs = orthanc.anonymized(&before)?;
    let (before, ours, theirs) = (values(&before)?, values(&ours.part10())?, values(&theirs)?);
    let changed = |here: &&String| {
        let was = before.get(*here).filter(|was| !was.is_empty());
        was.is_some() && theirs.get(*here) != was
    };
    let explained =
        |here: &&String| has_content && CLEANED.iter().any(|inside| here.contains(inside));
    let changed: Vec<&String> = before.keys().filter(changed).collect();
    let left = changed.iter().filter(|here| ours.get(**here) == before.get(**here));
    let alone = left.filter(|here| !explained(here)).map(|here| (*here).clone());
    Some((changed.len(), alone.collect()))
}

/// A value for each row of the table that holds one.
fn all_rows() -> Instance {
    let mut attributes: BTreeMap<u32, ([u8; 2], Vec<u8>)> = BTreeMap::new();
    let rows = table::tags().filter(|tag| tag >> 16 >= 8);
    for tag in rows.filter(|tag| ![0x0040_A730, 0x0042_0011].contains(tag)) {
        let known = StandardDataDictionary.by_tag(dicom_core::Tag((tag >> 16) as u16, tag as u16));
        let vr = known.map_or(VR::LO, |known| known.vr().relaxed());
        let vr: [u8; 2] = vr.to_string().as_bytes().try_into().expect("two letters");
        let name = EXPLICIT.element(0x0010_0010, *b"PN", b"Quibble^Henry ").expect("short");
        let mut value = match &vr {
            b"SQ" => EXPLICIT.item(&name).expect("short"),
            b"DA" => b"19520304".to_vec(),
            b"DT" => b"19520304010203".to_vec(),
            b"TM" => b"040302".to_vec(),
            b"UI" => format!("1.2.77.{tag}").into_bytes(),
            b"AS" => b"077Y".to_vec(),
            b"DS" | b"IS" => b"7777".to_vec(),
            b"US" | b"SS" => vec![0x77; 2],
            b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => vec![0x77; 8],
            b"UL" | b"SL" | b"FL" | b"AT" | b"OL" | b"OF" => vec![0x77; 4],
            _ => format!("MARK{tag:08X}").into_bytes(),
        };
        if value.len() % 2 == 1 {
            value.push(if &vr == b"UI" { 0 } else { b' ' });
        }
        attributes.insert(tag, (vr, value));
    }
    attributes.insert(0x0008_0016, (*b"UI", b"1.2.840.10008.5.1.4.1.1.2\0".to_vec()));
    let elements = attributes.iter();
    let elements = elements.map(|(tag, (vr, value))| EXPLICIT.element(*tag, *vr, value));
    Instance {
        sop_class: "1.2.840.10008.5.1.4.1.1.2".into(),
        sop_instance: format!("1.2.77.{}", 0x0008_0018),
        transfer_syntax: "1.2.840.10008.1.2.1".into(),
        data_set: elements.flat_map(|element| element.expect("short")).collect(),
    }
}

#[test]
fn whatever_orthanc_takes_away_or_changes_of_any_row_of_the_table_this_node_does_too() {
    let Some(()) = need::orthanc() else { return };
    let orthanc = Orthanc::up("NOBODY", ports::free());
    let (changed, alone) = left_alone(&orthanc, &all_rows(), EXPLICIT).expect("both take it");
    println!("{changed} values were taken away or changed");
    assert!(changed > 300 && alone.is_empty(), "{changed}: {alone:#?}");
}

#[test]
fn whatever_orthanc_takes_away_or_changes_of_real_objects_this_node_does_too() {
    let Some(()) = need::orthanc() else { return };
    let Some(folder) = need::shared("data") else { return };
    let orthanc = Orthanc::up("NOBODY", ports::free());
    let (mut done, mut found) = (0, BTreeMap::new());
    for path in files_below(&folder) {
        let name = path.display().to_string();
        let of_series = name.contains("ct_chest") || name.contains("mr_t1");
        let size = path.metadata().expect("it is there").len();
        if size > 1 << 20 || (of_series && !name.contains("_0001.dcm")) {
            continue;
        }
        let bytes = std::fs::read(&path).expect("it can be read");
        let Some(instance) = Instance::parse(&bytes) else { continue };
        let syntax = match &*instance.transfer_syntax {
            "1.2.840.10008.1.2" => Syntax { implicit: true, ..EXPLICIT },
            "1.2.840.10008.1.2.2" => Syntax { big_endian: true, ..EXPLICIT },
            "1.2.840.10008.1.2.1.99" => continue,
            _ => EXPLICIT,
        };
        let Some((_, alone)) = left_alone(&orthanc, &instance, syntax) else { continue };
        done += 1;
        for here in alone {
            found.entry(here).or_insert_with(|| name.clone());
        }
    }
    println!("{done} objects were compared");
    assert!(done > 20 && found.is_empty(), "{done}: {found:#?}");
}
