//! Rule files with random damage: never a panic, and every problem lies inside its file.

use super::super::judge::ImageFacts;
use super::super::made_up::NOON_ON_MONDAY;
use super::super::rule_set::RuleSet;
use super::{file, world};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Value};
use gantry_terms::uid::Uid;

/// SplitMix64 with a fixed seed: the same damage on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as usize % limit.max(1)
    }
}

/// What a slip of the hand, or worse, puts into a file.
const SCRAPS: [&str; 40] = [
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "\t",
    "#",
    "é",
    "\u{1F600}",
    "\\",
    "-1",
    "1e400",
    "nan",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "[[rule]]",
    "[rule]",
    "[[case]]",
    "any = [",
    "none = [{}]",
    "{ min = 3, max = 1 }",
    "{ like = 3 }",
    "{ regex = \"(\" }",
    "{ absent = false }",
    "2026-01-31",
    "99999999999999999999",
    "count = 4999",
    "spacing = 1e308",
    "(0019,xx0C) é",
    "PixelData = 1",
    "ReferencedImageSequence = [{ Rows = 1 }]",
    "\r\n",
];

const SEED: &str = r#"
[[rule]]
name = "r"
on   = "series"
[rule.select]
Modality = ["CT", "MR"]
SliceThickness = { min = 0.5, max = 2.5 }
StudyDate = { min = 2026-01-01 }
PatientAge = { min = "018Y" }
"(0019,xx0C) SIEMENS MR HEADER" = { max = 1000 }
calling-ae = "CT*"
any = [{ BodyPartExamined = "CHEST" }, { SeriesDescription = { like = "*lung*" } }]
none = [{ ImageType = { has = "LOCALIZER" } }]
[rule.require]
images = { min = 2, max = 900 }
spacing = "even"
spacing-mm = { max = 2.5 }
[rule.then]
run = "emphysema"
send = { to = ["PACS"], as = ["structured-report"] }
forward = ["ARCHIVE"]
priority = "stat"
mode = "live"
[[case]]
says = "c"
images = [{ Modality = "CT", count = 4, spacing = 1.0, StudyTime = 07:30:00 }]
expect = { "r" = "skipped" }
"#;

fn damaged(chance: &mut Chance) -> String {
    let mut letters: Vec<char> = SEED.chars().collect();
    for _ in 0..=chance.below(6) {
        let at = chance.below(letters.len());
        let end = (at + chance.below(12)).min(letters.len());
        match chance.below(4) {
            0 => drop(letters.drain(at..end)),
            1 => letters.swap(at, chance.below(1000).min(at)),
            2 => letters.splice(at..end, SCRAPS[chance.below(SCRAPS.len())].chars()).for_each(drop),
            _ => letters.splice(at..at, SCRAPS[chance.below(SCRAPS.len())].chars()).for_each(drop),
        }
    }
    letters.into_iter().collect()
}

#[test]
fn the_marks_of_other_editors_do_no_harm() {
    let windows = SEED.replace('\n', "\r\n");
    for text in [format!("\u{FEFF}{SEED}"), windows, format!("{SEED}\u{20}\t\n\n")] {
        if let Err(problems) = RuleSet::parse(vec![file("a.toml", &text)], &world()) {
            panic!("{problems}");
        }
    }
}

#[test]
fn no_damage_to_a_file_makes_the_reader_fall_over() {
    let mut chance = Chance(20_260_101);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..4000 {
        let text = damaged(&mut chance);
        match RuleSet::parse(vec![file("a.toml", &text)], &world()) {
            Ok(_) => good += 1,
            Err(problems) => {
                bad += 1;
                assert_ne!(problems.iter().count(), 0, "{text}");
                let lines = text.lines().count().max(1) + 1;
                for problem in problems.iter() {
                    assert!((1..=lines).contains(&problem.line), "{problem}\nin\n{text}");
                    assert!(problem.to_string().contains('^'), "{problem}");
                }
            }
        }
    }
    assert!(good > 100 && bad > 1000, "{good} good, {bad} bad");
}

/// A value that no scanner should have sent.
fn strange(chance: &mut Chance) -> Value {
    match chance.below(9) {
        0 => Value::Decimal(f64::NAN),
        1 => Value::Decimal(f64::INFINITY),
        2 => Value::Decimal(1e308),
        3 => Value::Integer(i64::MIN),
        4 => Value::Item(Header::default()),
        5 => Value::Text(String::new()),
        6 => Value::Text("CT".into()),
        7 => Value::Text("1e308".into()),
        _ => Value::Text("\u{1F600}é\\n 20261399 999Y".into()),
    }
}

#[test]
fn no_header_makes_a_judgement_fall_over() {
    let rules = RuleSet::parse(vec![file("a.toml", SEED)], &world()).expect("the rules are good");
    let tags: [u32; 13] = [
        0x0008_0060,
        0x0018_0050,
        0x0008_0020,
        0x0010_1010,
        0x0018_0015,
        0x0008_103E,
        0x0008_0008,
        0x0020_0032,
        0x0020_0037,
        0x0020_0052,
        0x0019_0010,
        0x0019_100C,
        0x0008_0030,
    ];
    let vrs = ["CS", "DS", "FL", "FD", "SQ", "UN", "", "é"];
    let (uid, title) = (Uid::derived(&["a"]), AeTitle::parse("CT1").expect("a title"));
    let mut chance = Chance(7);
    for _ in 0..2000 {
        let mut header = Header::default();
        for tag in tags.iter().filter(|_| chance.below(3) > 0).collect::<Vec<_>>() {
            let values = (0..chance.below(8)).map(|_| strange(&mut chance)).collect();
            let vr = vrs[chance.below(vrs.len())].into();
            header.0.insert(*tag, Attribute { vr, values });
        }
        let image = ImageFacts {
            sop_instance: &uid,
            sop_class: &uid,
            transfer_syntax: &uid,
            calling_ae: &title,
            called_ae: &title,
            peer: Some(&title),
            series: &uid,
            arrived: NOON_ON_MONDAY,
            header: Layered::whole(&header),
            made_here: false,
        };
        for judgement in rules.judge(&[image, image]) {
            assert_eq!(judgement.runs, judgement.reason.starts_with("runs: "));
            assert_eq!(judgement.runs, judgement.because.is_empty());
            assert!(serde_json::to_string(&judgement).is_ok());
        }
    }
}

#[test]
fn deep_nesting_ends_in_a_problem() {
    let nested = |opening: &str, closing: &str| {
        let (open, close) = (opening.repeat(5000), closing.repeat(5000));
        format!(
            "[[rule]]\nname = \"r\"\n[rule.select]\nany = {open}{close}\n[rule.then]\nstop = true\n"
        )
    };
    for text in [nested("[{any=", "}]"), nested("[", "]"), nested("{all=", "}")] {
        assert!(RuleSet::parse(vec![file("a.toml", &text)], &world()).is_err());
    }
}
