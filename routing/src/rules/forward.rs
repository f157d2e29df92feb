//! `forward` of `[rule.then]`: who gets the selected images, and what is changed in them on the way.

use super::dictionary::{self, Kind, Unusable};
use super::fitting;
use super::reader::Reader;
use super::then::Forward;
use super::tree::{Entry, Node, Span, Toml};
use dicom_core::VR;
use gantry_terms::changes::{Changes, SetAttribute};
use gantry_terms::header::Tag;

const KEYS: [&str; 4] = ["to", "deidentify", "set", "remove"];
const SPECIFIC_CHARACTER_SET: Tag = 0x0008_0005;
const LENGTH_TO_END: Tag = 0x0008_0001;
const MODALITY: Tag = 0x0008_0060;
/// Shared and Per-Frame Functional Groups: they say what each frame is.
const FUNCTIONAL_GROUPS: [Tag; 2] = [0x5200_9229, 0x5200_9230];
/// What group 0028 holds beside the description of the pixels: how to show them, and who looked at
/// them (QualityControlImage, BurnedInAnnotation, RecognizableVisualFeatures, the windows,
/// PartialView and its description).
const NOT_OF_PIXELS: [Tag; 9] = [
    0x0028_0300,
    0x0028_0301,
    0x0028_0302,
    0x0028_1050,
    0x0028_1051,
    0x0028_1055,
    0x0028_1056,
    0x0028_1350,
    0x0028_1351,
];
/// Type 2 in the modules of patient, study and series, and InstanceNumber: present, if empty
/// (PS3.3 C.7.1 to C.7.3).
const WANTED_IF_EMPTY: [Tag; 11] = [
    0x0008_0020,
    0x0008_0030,
    0x0008_0050,
    0x0008_0090,
    0x0010_0010,
    0x0010_0020,
    0x0010_0030,
    0x0010_0040,
    0x0020_0010,
    0x0020_0011,
    0x0020_0013,
];

/// Reads a list of peers and of tables with peers. Faults are noted.
pub(super) fn read(reader: &mut Reader, node: &Node) -> Vec<Forward> {
    let nodes = reader.list(node, "forward").unwrap_or_default();
    let mut forwards: Vec<Forward> = Vec::new();
    for node in nodes {
        match &node.value {
            Toml::Table(entries) => with_changes(reader, node, entries, &mut forwards),
            _ => peer(reader, node, &Changes::default(), &mut forwards),
        }
    }
    forwards
}

fn peer(reader: &mut Reader, node: &Node, changes: &Changes, forwards: &mut Vec<Forward>) {
    let Some(name) = reader.text_value(node, "forward") else { return };
    let world = reader.world;
    if !world.peers.iter().any(|known| known == name) {
        reader.unknown_name(&node.span, name, "there is no peer", &world.peers);
    } else if forwards.iter().any(|forward| forward.to == name) {
        reader.fault(&node.span, format!("\"{name}\" is in `forward` twice"), None);
    } else {
        forwards.push(Forward { to: name.to_string(), changes: changes.clone() });
    }
}

fn with_changes(reader: &mut Reader, node: &Node, entries: &[Entry], forwards: &mut Vec<Forward>) {
    for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
        reader.unknown_key(entry, "`forward`", &KEYS);
    }
    let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
    let mut changes = Changes::default();
    if let Some(set) = of("set") {
        changes.set = read_set(reader, set);
    }
    if let Some(remove) = of("remove") {
        changes.remove = read_remove(reader, remove, of("set"));
    }
    if let Some(profile) = of("deidentify") {
        changes.deidentify = read_profile(reader, profile);
    }
    let Some(to) = of("to") else {
        let help = "forward = [{ to = [\"ARCHIVE\"], remove = [\"PatientComments\"] }]";
        return reader.fault(&node.span, "`forward` lacks `to`", help.to_string());
    };
    let known = entries.iter().all(|entry| KEYS.contains(&entry.key.as_str()));
    if known && KEYS[1..].iter().all(|key| of(key).is_none()) {
        let help = "add deidentify, set or remove, or name the peer without braces".to_string();
        reader.fault(&node.span, "nothing is changed on the way", help);
    }
    for name in reader.list(to, "to").unwrap_or_default() {
        if let Some(profile) = &changes.deidentify {
            may_be_deidentified_for(reader, name, profile);
        }
        peer(reader, name, &changes, forwards);
    }
}

pub(super) fn read_profile(reader: &mut Reader, node: &Node) -> Option<String> {
    let name = reader.text_value(node, "deidentify")?;
    let world = reader.world;
    if !world.profiles.iter().any(|known| known == name) {
        let what = "the configuration has no [deidentification.NAME] called";
        reader.unknown_name(&node.span, name, what, &world.profiles);
        return None;
    }
    Some(name.to_string())
}

/// The profile of a peer holds for all that goes there, whatever a rule says; and who is asked for what it took knows
/// nothing of what has other UIDs there.
pub(super) fn may_be_deidentified_for(reader: &mut Reader, node: &Node, profile: &str) {
    let Some(peer) = reader.text_value(node, "to") else { return };
    let world = reader.world;
    if let Some(own) = world.deidentified.get(peer).filter(|own| *own != profile) {
        let help = format!("leave deidentify out: \"{own}\" holds for all that goes to {peer}");
        let text = format!("{peer} has the profile \"{own}\", which no rule changes");
        reader.fault(&node.span, text, help);
    }
    if world.proving.iter().any(|proving| proving == peer) {
        let help = "send it to a [[peer]] without commitment and find-at".to_string();
        let text = format!("{peer} is asked for what it took, by UIDs that it would not have");
        reader.fault(&node.span, text, help);
    }
}

fn read_set(reader: &mut Reader, node: &Node) -> Vec<SetAttribute> {
    let entries = reader.table(node, "set").unwrap_or_default();
    if entries.is_empty() {
        reader.fault(&node.span, "`set` says nothing", None);
    }
    entries.iter().filter_map(|entry| set_attribute(reader, entry)).collect()
}

fn set_attribute(reader: &mut Reader, entry: &Entry) -> Option<SetAttribute> {
    let (key, span) = (entry.key.as_str(), &entry.key_span);
    let (tag, vr, kind) = changeable(reader, key, span)?;
    let unsettable = match kind {
        Kind::Sequence => Some("is a sequence"),
        Kind::Tag => Some("holds tags"),
        _ if tag == LENGTH_TO_END => Some("says how long the data set is"),
        _ => None,
    };
    if let Some(what) = unsettable {
        let help = "a rule sets texts and numbers of the outermost data set".to_string();
        reader.fault(span, format!("{key} {what}, which no rule sets"), help);
        return None;
    }
    let values = fitting::values(reader, key, vr, &entry.node)?;
    if values.is_empty() && tag == MODALITY {
        reader.fault(&entry.node.span, format!("{key} cannot be empty"), TYPE_1.to_string());
        return None;
    }
    Some(SetAttribute { tag, vr: vr.to_string().into(), values })
}

const TYPE_1: &str = "DICOM wants a value in every object (Type 1)";

fn read_remove(reader: &mut Reader, node: &Node, set: Option<&Node>) -> Vec<Tag> {
    let set = match set.map(|set| &set.value) {
        Some(Toml::Table(entries)) => entries.as_slice(),
        _ => &[],
    };
    let mut tags: Vec<Tag> = Vec::new();
    for node in reader.list(node, "remove").unwrap_or_default() {
        let Some(key) = reader.text_value(node, "remove") else { continue };
        let Some((tag, _, _)) = changeable(reader, key, &node.span) else { continue };
        if tag == MODALITY {
            reader.fault(&node.span, format!("{key} cannot be removed"), TYPE_1.to_string());
        } else if tags.contains(&tag) {
            reader.fault(&node.span, format!("\"{key}\" is in `remove` twice"), None);
        } else if set.iter().any(|entry| entry.key == key) {
            let message = format!("{key} is in `set` and in `remove`");
            reader.fault(&node.span, message, "leave one of them out".to_string());
        } else {
            if WANTED_IF_EMPTY.contains(&tag) {
                let message = format!("DICOM wants {key} in every object, if empty (Type 2)");
                // To set records what was there, which is not what somebody means who removes.
                let help = format!(
                    "write set = {{ {key} = \"\" }} and add \"OriginalAttributesSequence\" to `remove`, \
                     which would keep the old value"
                );
                reader.warn(&node.span, message, help);
            }
            tags.push(tag);
        }
    }
    tags
}

/// An attribute that may have another value at another peer. What names the object, or says how to
/// read it, may not.
fn changeable(reader: &mut Reader, key: &str, span: &Span) -> Option<(Tag, VR, Kind)> {
    let no = |reader: &mut Reader, why: &str, help: Option<&str>| {
        reader.fault(span, format!("{key} {why}"), help.map(str::to_string));
        None
    };
    if key.starts_with('(') {
        let help = "only attributes that have a keyword can be changed";
        return no(reader, "is a private attribute, or written as a tag", Some(help));
    }
    if key.contains('.') {
        let help = "a rule changes the outermost data set; a whole sequence can be removed";
        return no(reader, "stands inside a sequence", Some(help));
    }
    match dictionary::keyword(key) {
        Err(Unusable::Unknown) => {
            let near = dictionary::nearest_keyword(key);
            let help = near.map(|near| format!("did you mean \"{near}\"?"));
            no(reader, "is not a DICOM keyword", help.as_deref())
        }
        Err(Unusable::Bulk) => no(reader, "holds bulk data, which no rule changes", None),
        Err(Unusable::Unseen(why)) => no(reader, why, None),
        Ok((_, _, Kind::Uid)) => {
            let help = "UIDs name objects, and others refer to them by it";
            no(reader, "is a UID, which no rule changes", Some(help))
        }
        Ok((SPECIFIC_CHARACTER_SET, _, _)) => {
            no(reader, "says how the texts are written; the node keeps it right", None)
        }
        Ok((tag, _, _)) if describes_pixels(tag) => {
            no(reader, "belongs to the pixels, which no rule changes", None)
        }
        Ok(found) => Some(found),
    }
}

fn describes_pixels(tag: Tag) -> bool {
    let of_group = tag >> 16 == 0x0028 && !NOT_OF_PIXELS.contains(&tag);
    of_group || tag >> 16 == 0x7FE0 || FUNCTIONAL_GROUPS.contains(&tag)
}
