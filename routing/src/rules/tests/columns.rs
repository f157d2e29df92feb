//! Many images judged at once get the same answers, traces and fates as each image judged by itself.

use super::super::bits::Bits;
use super::super::columns::Columns;
use super::super::evaluate::shown;
use super::super::judge::{Arrived, ImageFacts, judge};
use super::super::select::{Condition, Test};
use super::super::trace::{ConditionTrace, Fate, Found};
use super::mutated::Chance;
use super::parse;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Tag, Value};
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;

/// Conditions that some of the images below fit.
const LINES: [&str; 40] = [
    "Modality = \"CT\"",
    "Modality = [\"MR\", \"CT\"]",
    "Modality = { not = \"MR\" }",
    "Modality = { absent = true }",
    "ImageType = { has = \"PRIMARY\" }",
    "ImageType = { lacks = [\"LOCALIZER\", \"SECONDARY\"] }",
    "SliceThickness = { max = 2.5 }",
    "SliceThickness = 1",
    "SliceThickness = { min = 1, max = 3 }",
    "InstanceNumber = { min = 3 }",
    "InstanceNumber = [1, 2, 3]",
    "SeriesDescription = { like = [\"*lung*\", \"t?\"] }",
    "SeriesDescription = { regex = \"^[A-Z]\" }",
    "SeriesDescription = { present = true }",
    "StudyDate = { min = 2026-02-01 }",
    "PatientAge = { min = \"018Y\" }",
    "PatientName = { like = \"d*\" }",
    "RescaleSlope = 0.7",
    "RecommendedDisplayFrameRateInFloat = { max = 0.7 }",
    "\"(0019,xx0C) MAKER\" = { max = 1000 }",
    "\"(0019,xx0C) MAKER\" = { present = true }",
    "ReferencedImageSequence = { present = true }",
    "calling-ae = \"CT*\"",
    "called-ae = { not = \"NODE\" }",
    "sop-class = \"1.2.840.10008.5.1.4.1.1.2\"",
    "transfer-syntax = { like = \"1.2.840.10008.1.2.4.*\" }",
    "PhotometricInterpretation = \"MONOCHROME2\"",
    "PatientSex = [\"F\", \"O\"]",
    "ReferencedImageSequence = { Modality = \"CT\", PatientSex = \"F\" }",
    "ReferencedImageSequence = { any = [{ SliceThickness = { max = 2 } }, { InstanceNumber = 2 }] }",
    "\"ReferencedImageSequence.ReferencedSOPClassUID\" = \"1.2\"",
    "\"ReferencedImageSequence.Modality\" = { absent = true }",
    "\"ReferencedImageSequence.ReferencedImageSequence\" = { Modality = [\"CT\", \"MR\"] }",
    "peer = \"CT1\"",
    "peer = { absent = true }",
    "arrival-time = { min = 22:00:00, max = 06:00:00 }",
    "arrival-day = [\"saturday\", \"sunday\"]",
    "arrival-order = { max = 3 }",
    "orientation = [\"axial\", \"oblique\"]",
    "frames = { min = 2 }",
];

/// Attributes of the images: tag, VR, values.
const ATTRIBUTES: [(Tag, &str, &[&str]); 18] = [
    (0x0008_0060, "CS", &["CT", "MR", "", " CT "]),
    (
        0x0008_0008,
        "CS",
        &["ORIGINAL\\PRIMARY", "DERIVED\\SECONDARY", "ORIGINAL\\PRIMARY\\LOCALIZER"],
    ),
    (0x0018_0050, "DS", &["1", "1.0", "2.5", "5", "thin"]),
    (0x0020_0013, "IS", &["1", "2", "3", "4", "007"]),
    (0x0008_103E, "LO", &["Lung 1.0", "t1", "scout", ""]),
    (0x0008_0020, "DA", &["20260131", "2026.02.01", "20261399"]),
    (0x0010_1010, "AS", &["063Y", "004M", "18"]),
    (0x0010_0010, "PN", &["Doe^Jane", "Roe^Jim"]),
    (0x0028_1053, "DS", &["0.7", ".70", "1"]),
    (0x0019_0010, "LO", &["MAKER", "OTHER"]),
    (0x0019_0011, "LO", &["MAKER"]),
    (0x0019_100C, "DS", &["1000", "2000", "text"]),
    (0x0019_110C, "LO", &["1000", "Doe^Jane"]),
    (0x0010_0040, "CS", &["F", "M"]),
    (0x0028_0004, "CS", &["MONOCHROME2", "RGB"]),
    (0x0008_1150, "UI", &["1.2"]),
    (0x0020_0037, "DS", &["1\\0\\0\\0\\1\\0", "1\\0\\0\\0\\0\\-1", "1"]),
    (0x0028_0008, "IS", &["1", "2"]),
];

fn conditions(chance: &mut Chance, depth: usize) -> String {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..=chance.below(3) {
        let line = LINES[chance.below(LINES.len())];
        lines.insert(line.split(" = ").next().unwrap_or_default().into(), line.into());
    }
    if depth > 0 {
        let how = ["any", "all", "none"][chance.below(3)];
        let groups: Vec<String> = (0..=chance.below(3))
            .map(|_| format!("{{ {} }}", conditions(chance, depth - 1).replace('\n', ", ")))
            .collect();
        lines.insert(how.into(), format!("{how} = [{}]", groups.join(", ")));
    }
    lines.into_values().collect::<Vec<_>>().join("\n")
}

fn attribute(chance: &mut Chance, vr: &str, texts: &[&str]) -> Attribute {
    let text = texts[chance.below(texts.len())];
    let values = text.split('\\').map(|text| Value::Text(text.into())).collect();
    Attribute { vr: vr.into(), values }
}

/// Some of the attributes; with `share` in ten of each.
fn header(chance: &mut Chance, share: usize) -> Header {
    let mut header = Header::default();
    for (tag, vr, texts) in ATTRIBUTES {
        if chance.below(10) < share {
            header.0.insert(tag, attribute(chance, vr, texts));
        }
    }
    if chance.below(10) < share {
        let number = [0.7_f32, 1.5, f32::NAN][chance.below(3)];
        let values = vec![Value::Decimal(f64::from(number))];
        header.0.insert(0x0008_9459, Attribute { vr: "FL".into(), values: values.into() });
    }
    if chance.below(10) < share {
        let share = share.saturating_sub(3);
        let items = (0..chance.below(3)).map(|_| Value::Item(self::header(chance, share)));
        let items = items.collect();
        header.0.insert(0x0008_1140, Attribute { vr: "SQ".into(), values: items });
    }
    header
}

/// What the images of one round are made of.
struct Sent {
    bases: Vec<Header>,
    images: Vec<(usize, Option<Header>, Vec<Tag>)>,
    uids: Vec<Uid>,
    titles: Vec<AeTitle>,
}

impl Sent {
    /// Most share a base; some differ from it, lack something of it, or stand for themselves.
    fn new(chance: &mut Chance, count: usize) -> Self {
        let mut bases = vec![header(chance, 8), header(chance, 8)];
        let images = (0..count).map(|_| match chance.below(4) {
            0 => {
                bases.push(header(chance, 7));
                (bases.len() - 1, None, Vec::new())
            }
            of => {
                let gone = ATTRIBUTES.iter().filter(|_| chance.below(12) == 0);
                let gone = gone.map(|(tag, ..)| *tag).collect();
                (usize::from(of == 1), Some(header(chance, 1)), gone)
            }
        });
        let images = images.collect();
        let uid = |text: &&str| Uid::parse(text).expect("a UID");
        let title = |text: &&str| AeTitle::parse(text).expect("a title");
        Self {
            bases,
            images,
            uids: ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.4.80", "1.2"]
                .iter()
                .map(uid)
                .collect(),
            titles: ["CT1", "MR1", "NODE"].iter().map(title).collect(),
        }
    }

    fn facts(&self, chance: &mut Chance) -> Vec<ImageFacts<'_>> {
        let facts = self.images.iter().zip(1..).map(|((base, own, gone), order)| {
            let base = &self.bases[*base];
            let own = own.as_ref();
            ImageFacts {
                sop_instance: &self.uids[chance.below(3)],
                sop_class: &self.uids[chance.below(3)],
                transfer_syntax: &self.uids[chance.below(3)],
                calling_ae: &self.titles[chance.below(3)],
                called_ae: &self.titles[chance.below(3)],
                peer: Some(&self.titles[0]).filter(|_| chance.below(2) == 0),
                series: &self.uids[0],
                arrived: Arrived {
                    second: chance.below(86_400) as u32,
                    weekday: chance.below(7) as u8,
                    order,
                },
                header: own.map_or(Layered::whole(base), |own| Layered::over(base, own, gone)),
                made_here: chance.below(8) == 0,
            }
        });
        facts.collect()
    }
}

/// What a trace of these images holds when each image is asked by itself.
fn check_trace(condition: &Condition, trace: &ConditionTrace, images: &[&ImageFacts]) {
    let matched = images.iter().filter(|image| condition.matches(image)).count();
    assert_eq!((trace.matched, trace.of), (matched, images.len()), "{trace}");
    let (Test::Value { subject, .. } | Test::Item { sequence: subject, .. }) = &condition.test
    else {
        return;
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for image in images {
        *counts.entry(shown(subject, &subject.held(image))).or_default() += 1;
    }
    let mut found: Vec<Found> =
        counts.into_iter().map(|(value, images)| Found { value, images }).collect();
    found.sort_by(|a, b| b.images.cmp(&a.images).then_with(|| a.value.cmp(&b.value)));
    assert_eq!(trace.more, found.len().saturating_sub(5), "{trace}");
    found.truncate(5);
    assert_eq!(*trace.found, *found, "{trace}");
}

#[test]
fn many_images_are_answered_as_each_one_by_itself() {
    let mut chance = Chance(42);
    let (mut fitting, mut failing) = (0, 0);
    for _ in 0..400 {
        let text = format!(
            "[[rule]]\nname = \"r\"\n[rule.select]\n{}\n[rule.then]\nforward = [\"PACS\"]\n",
            conditions(&mut chance, 2)
        );
        let rules = parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let count = chance.below(150);
        let sent = Sent::new(&mut chance, count);
        let facts = sent.facts(&mut chance);
        let columns = Columns::new(&facts);
        let conditions = &rules.rules()[0].only().conditions;
        let received: Vec<&ImageFacts> = facts.iter().filter(|image| !image.made_here).collect();
        let seen = Bits::of(facts.iter().map(|image| !image.made_here));
        for condition in conditions {
            let answer = columns.answer(condition);
            for (at, image) in facts.iter().enumerate() {
                let fits = condition.matches(image);
                assert_eq!(answer.fits.contains(at), fits, "{condition:?}\n{image:?}");
                *if fits { &mut fitting } else { &mut failing } += 1;
            }
            check_trace(condition, &columns.trace(condition, &seen), &received);
        }
        let judged = judge(rules.rules(), &facts).remove(0);
        let fates = facts.iter().map(|image| match image.made_here {
            true => Fate::Made,
            false => conditions
                .iter()
                .position(|condition| !condition.matches(image))
                .map_or(Fate::Selected, |at| Fate::Condition(at as u16)),
        });
        let fates: Vec<Fate> = fates.collect();
        assert_eq!(judged.fates[0].iter().collect::<Vec<_>>(), fates);
        let selected = fates.iter().filter(|fate| **fate == Fate::Selected).count();
        assert_eq!(judged.selected.first().map_or(0, |one| one.images.len()), selected);
    }
    assert!(fitting > 10_000 && failing > 10_000, "{fitting} fit, {failing} do not");
}
