//! The images of a case: headers written as TOML, and simple means to make a whole stack of them.

use super::date_time::{self, DateTime};
use super::dictionary::{self, Kind};
use super::judge::{Arrived, ImageFacts};
use super::made_up_facts;
use super::reader::Reader;
use super::scale::Scale;
use super::subject::{self, Subject};
use super::tree::{Entry, Node, Toml};
use dicom_core::VR;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::geometry::cross;
use gantry_terms::header::{Attribute, Header, Layered, Tag, Value, Values};
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;

/// An image that owns its facts.
#[derive(Debug, Clone)]
pub(super) struct MadeUp {
    sop_instance: Uid,
    pub(super) sop_class: Uid,
    pub(super) transfer_syntax: Uid,
    pub(super) calling_ae: AeTitle,
    pub(super) called_ae: AeTitle,
    /// The sender, if it is one of the peers.
    pub(super) peer: Option<AeTitle>,
    series: Uid,
    pub(super) arrived: Arrived,
    header: Header,
    made_here: bool,
}

/// How many of an image there are, and where they lie.
#[derive(Default)]
struct Repeat {
    count: Option<usize>,
    spacing: Option<f64>,
    start: Option<f64>,
}

pub(super) const NOON_ON_MONDAY: Arrived = Arrived { second: 12 * 3600, weekday: 0, order: 1 };
/// A case is a sketch, not a study.
const MOST_IMAGES: usize = 5000;
const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const SOP_CLASS_UID: Tag = 0x0008_0016;
const SOP_INSTANCE_UID: Tag = 0x0008_0018;
const INSTANCE_NUMBER: Tag = 0x0020_0013;
const IMAGE_POSITION_PATIENT: Tag = 0x0020_0032;
const IMAGE_ORIENTATION_PATIENT: Tag = 0x0020_0037;
const FRAME_OF_REFERENCE_UID: Tag = 0x0020_0052;

/// Reads the list of images. Faults are noted.
pub(super) fn read(reader: &mut Reader, node: &Node) -> Vec<MadeUp> {
    let mut images: Vec<MadeUp> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for node in reader.list(node, "images").unwrap_or_default() {
        let Some((mut pattern, repeat)) = pattern(reader, node, &mut names) else { continue };
        let count = repeat.count.unwrap_or(1);
        if images.len().saturating_add(count) > MOST_IMAGES {
            reader.fault(&node.span, format!("a case has at most {MOST_IMAGES} images"), None);
            break;
        }
        let of_series = |image: &&MadeUp| image.series == pattern.series && !image.made_here;
        let before = images.iter().filter(of_series).count();
        for at in 0..count {
            let number = images.len() + 1;
            let order = if pattern.made_here { before } else { before + at + 1 };
            pattern.arrived.order = u32::try_from(order).unwrap_or(u32::MAX);
            images.extend(instance(&pattern, &repeat, at, number));
        }
    }
    images
}

impl MadeUp {
    pub(super) fn facts(&self) -> ImageFacts<'_> {
        ImageFacts {
            sop_instance: &self.sop_instance,
            sop_class: &self.sop_class,
            transfer_syntax: &self.transfer_syntax,
            calling_ae: &self.calling_ae,
            called_ae: &self.called_ae,
            peer: self.peer.as_ref(),
            series: &self.series,
            arrived: self.arrived,
            header: Layered::whole(&self.header),
            made_here: self.made_here,
        }
    }
}

/// The image that a table describes, before it is repeated.
fn pattern(reader: &mut Reader, node: &Node, names: &mut Vec<String>) -> Option<(MadeUp, Repeat)> {
    let before = reader.faults.len();
    let entries = reader.table(node, "images")?;
    let mut repeat = Repeat::default();
    let mut image = MadeUp {
        sop_instance: Uid::parse("2.25.1").ok()?,
        sop_class: Uid::parse(CT_IMAGE_STORAGE).ok()?,
        transfer_syntax: Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN).ok()?,
        calling_ae: AeTitle::parse("SCANNER").ok()?,
        called_ae: AeTitle::parse("GANTRY").ok()?,
        peer: None,
        series: Uid::parse("2.25.1").ok()?,
        arrived: NOON_ON_MONDAY,
        header: Header::default(),
        made_here: false,
    };
    let mut series = String::new();
    for entry in entries {
        match entry.key.as_str() {
            "count" => repeat.count = reader.count(&entry.node, "count"),
            "spacing" => repeat.spacing = reader.number(&entry.node, "spacing"),
            "start" => repeat.start = reader.number(&entry.node, "start"),
            "series" => {
                let name = reader.text_value(&entry.node, "series");
                series = name.unwrap_or_default().to_string();
            }
            "made-here" => {
                image.made_here = reader.boolean(&entry.node, "made-here") == Some(true);
            }
            _ => attribute(reader, entry, &mut image),
        }
    }
    let placed = image.header.attribute(IMAGE_POSITION_PATIENT).is_some();
    if repeat.spacing.is_some() && placed {
        reader.fault(
            &node.span,
            "`spacing` makes ImagePositionPatient; leave one of them out",
            None,
        );
    }
    if repeat.start.is_some() && repeat.spacing.is_none() {
        reader.fault(&node.span, "`start` has no effect without `spacing`", None);
    }
    made_up_facts::sender(reader, entries, &mut image);
    image.series = series_uid(names, series)?;
    (reader.faults.len() == before).then_some((image, repeat))
}

/// The series of this name; images without one are in a series of their own.
fn series_uid(names: &mut Vec<String>, name: String) -> Option<Uid> {
    let at = match names.iter().position(|known| *known == name) {
        Some(at) => at,
        None => {
            names.push(name);
            names.len() - 1
        }
    };
    Uid::parse(&format!("2.25.{}", at + 1)).ok()
}

fn attribute(reader: &mut Reader, entry: &Entry, image: &mut MadeUp) {
    let step = (entry.key.clone(), entry.key_span.clone());
    match Subject::read(reader, &[step]) {
        Some(Subject::Fact(fact)) => made_up_facts::read(reader, entry, fact, image),
        Some(subject) => put(reader, entry, &subject, &mut image.header),
        None => {}
    }
}

/// Writes an attribute into a header, making the items that lead to it.
fn put(reader: &mut Reader, entry: &Entry, subject: &Subject, header: &mut Header) {
    match subject {
        Subject::Fact(_) => {}
        Subject::Attribute { tag, vr, kind } => {
            if let Some(values) = values(reader, &entry.key, *vr, *kind, &entry.node) {
                header.0.insert(*tag, Attribute { vr: vr.to_string().into(), values });
            }
        }
        Subject::Private { group, element, creator } => {
            let vr = match first(&entry.node).value {
                Toml::Integer(_) => VR::SL,
                Toml::Float(_) => VR::FD,
                Toml::Table(_) => VR::SQ,
                _ => VR::LO,
            };
            let kind = match vr {
                VR::LO => Kind::Text,
                VR::SQ => Kind::Sequence,
                _ => Kind::Number,
            };
            let Some(values) = values(reader, &entry.key, vr, kind, &entry.node) else { return };
            let tag = private_tag(header, *group, *element, creator);
            header.0.insert(tag, Attribute { vr: vr.to_string().into(), values });
        }
        Subject::Nested { sequences, last } => {
            let mut header = header;
            for sequence in sequences {
                let Some(item) = first_item(header, sequence) else { return };
                header = item;
            }
            put(reader, entry, last, header);
        }
    }
}

/// The first item of a sequence, made if it is not there yet.
fn first_item<'h>(header: &'h mut Header, sequence: &Subject) -> Option<&'h mut Header> {
    let tag = match sequence {
        Subject::Attribute { tag, .. } => *tag,
        Subject::Private { group, element, creator } => {
            private_tag(header, *group, *element, creator)
        }
        Subject::Nested { .. } | Subject::Fact(_) => return None,
    };
    let empty = || Attribute { vr: VR::SQ.to_string().into(), values: Values::new() };
    let values = &mut header.0.entry(tag).or_insert_with(empty).values;
    if values.is_empty() {
        values.push(Value::Item(Header::default()));
    }
    match values.first_mut()? {
        Value::Item(item) => Some(item),
        _ => None,
    }
}

fn private_tag(header: &mut Header, group: u16, element: u8, creator: &str) -> Tag {
    let block = block(header, group, creator);
    Tag::from(group) << 16 | block << 8 | Tag::from(element)
}

/// The block of a private creator, reserved if it is not there yet.
fn block(header: &mut Header, group: u16, creator: &str) -> Tag {
    let group = Tag::from(group) << 16;
    let mut block = 0x10;
    while header.attribute(group | block).is_some() && header.text(group | block) != Some(creator) {
        block += 1;
    }
    header.0.insert(group | block, text_attribute(VR::LO, creator));
    block
}

fn first(node: &Node) -> &Node {
    match &node.value {
        Toml::Array(nodes) => nodes.first().unwrap_or(node),
        _ => node,
    }
}

fn values(reader: &mut Reader, key: &str, vr: VR, kind: Kind, node: &Node) -> Option<Values> {
    let nodes = match &node.value {
        Toml::Array(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let values: Vec<_> = nodes.iter().map(|node| value(reader, key, vr, kind, node)).collect();
    values.into_iter().collect()
}

fn value(reader: &mut Reader, key: &str, vr: VR, kind: Kind, node: &Node) -> Option<Value> {
    let value = match (kind, &node.value) {
        (Kind::Sequence, Toml::Table(entries)) => return item(reader, entries),
        (Kind::Number, Toml::Integer(number)) => Some(match vr {
            VR::DS | VR::IS => Value::Text(number.to_string().into()),
            VR::FL | VR::FD => Value::Decimal(*number as f64),
            _ => Value::Integer(*number),
        }),
        (Kind::Number, Toml::Float(number)) if number.is_finite() => match vr {
            VR::DS => Some(Value::Text(number.to_string().into())),
            VR::FL | VR::FD => Some(Value::Decimal(*number)),
            _ => None,
        },
        (Kind::Date | Kind::Time | Kind::Age, Toml::Text(_) | Toml::Moment(_)) => {
            moment(kind, node).map(|text| Value::Text(text.into()))
        }
        (Kind::DateTime, Toml::Text(_) | Toml::Moment(_)) => {
            let text = date_time::as_dicom(node).filter(|text| DateTime::read(text).is_some());
            text.map(|text| Value::Text(text.into()))
        }
        (Kind::Tag, Toml::Text(text)) => {
            dictionary::tag_of(text).map(|text| Value::Text(text.into()))
        }
        (Kind::Uid, Toml::Text(text)) => {
            Uid::parse(text).ok().map(|uid| Value::Text(uid.as_str().into()))
        }
        (Kind::Number | Kind::Sequence | Kind::Date | Kind::Time | Kind::Age, _)
        | (Kind::DateTime | Kind::Tag, _) => None,
        (_, Toml::Text(text)) if kind == Kind::FreeText || !text.contains('\\') => {
            Some(Value::Text(text.trim().into()))
        }
        _ => None,
    };
    if value.is_none() {
        let found = reader.written(&node.span);
        let help = match kind {
            Kind::Number if matches!(vr, VR::DS | VR::FL | VR::FD) => "a number",
            Kind::Number => "a whole number",
            Kind::Date => "a date such as 2026-01-31 or \"20260131\"",
            Kind::Time => "a time such as 07:30:00 or \"073000\"",
            Kind::DateTime => date_time::EXAMPLE,
            Kind::Tag => "a keyword or a tag such as \"(0018,0050)\"",
            Kind::Age => "an age such as \"018Y\"",
            Kind::Uid => "a UID in quotes",
            Kind::Sequence => "a list of tables",
            _ => "a text in quotes; several values are a list, not parted by a backslash",
        };
        reader.fault(&node.span, format!("{found} is no value of {key}"), format!("write {help}"));
    }
    value
}

fn item(reader: &mut Reader, entries: &[Entry]) -> Option<Value> {
    let before = reader.faults.len();
    let mut item = Header::default();
    for entry in entries {
        let subject = match entry.key.contains('.') && !entry.key.starts_with('(') {
            true => Subject::read(reader, &[(entry.key.clone(), entry.key_span.clone())]),
            false => subject::attribute(reader, &entry.key, &entry.key_span),
        };
        if let Some(subject) = subject {
            put(reader, entry, &subject, &mut item);
        }
    }
    (reader.faults.len() == before).then_some(Value::Item(item))
}

/// As DICOM writes it, if it is one.
fn moment(kind: Kind, node: &Node) -> Option<String> {
    Scale::of(kind)?.literal(node)?;
    match &node.value {
        Toml::Moment(moment) => Some(moment.to_string().replace(['-', ':'], "")),
        Toml::Text(text) => Some(text.trim().to_string()),
        _ => None,
    }
}

/// Image `at` of its table, `number` of the case. What the table gives stays as it is.
fn instance(pattern: &MadeUp, repeat: &Repeat, at: usize, number: usize) -> Option<MadeUp> {
    let mut image = pattern.clone();
    image.sop_instance = Uid::parse(&format!("2.25.{number}")).ok()?;
    if let Some(class) = pattern.header.text(SOP_CLASS_UID) {
        image.sop_class = Uid::parse(class).ok()?;
    }
    let mut add = |tag: Tag, vr: VR, text: &str| {
        image.header.0.entry(tag).or_insert_with(|| text_attribute(vr, text));
    };
    add(SOP_CLASS_UID, VR::UI, pattern.sop_class.as_str());
    add(SOP_INSTANCE_UID, VR::UI, image.sop_instance.as_str());
    add(INSTANCE_NUMBER, VR::IS, &number.to_string());
    if let Some(spacing) = repeat.spacing {
        let place = repeat.start.unwrap_or(0.0) + spacing * at as f64;
        add(FRAME_OF_REFERENCE_UID, VR::UI, "2.25.1");
        add(IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
        let position = normal(&image.header).map(|n| (n * place).to_string()).join("\\");
        image.header.0.insert(IMAGE_POSITION_PATIENT, text_attribute(VR::DS, &position));
    }
    Some(image)
}

/// Along the body unless the case turns the images.
fn normal(header: &Header) -> [f64; 3] {
    match header.numbers(IMAGE_ORIENTATION_PATIENT).as_deref() {
        Some(&[a, b, c, d, e, f]) => cross([a, b, c], [d, e, f]),
        _ => [0.0, 0.0, 1.0],
    }
}

/// Values parted by backslashes.
fn text_attribute(vr: VR, text: &str) -> Attribute {
    let values = text.split('\\').map(|text| Value::Text(text.into())).collect();
    Attribute { vr: vr.to_string().into(), values }
}
