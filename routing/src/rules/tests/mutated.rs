//! Rule files with random damage: never a panic, and every problem lies inside its file.

use super::super::rule_set::RuleSet;
use super::shipped::shipped;
use super::{file, world};

/// SplitMix64 with a fixed seed: the same damage on every machine.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as usize % limit.max(1)
    }
}

/// What a slip of the hand, or worse, puts into a file.
const SCRAPS: &[&str] = &[
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
    "on = \"study\"",
    "on = \"instance\"",
    "[rule.select.t1]",
    "[rule.require.flair]",
    "A.B.C = 1",
    "\"ContentSequence.ContentSequence.CodeValue\" = \"x\"",
    "{ CodeValue = \"x\" }",
    "series = \"all\"",
    "{ to = [\"PACS\"], set = { Rows = 1 } }",
    "22:00:00",
    "made-here = true",
    "+01:00",
];

pub(super) const SEED: &str = r#"
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

/// The rest of the grammar: levels, selections with names, paths, facts and changes on the way.
pub(super) const FURTHER_SEED: &str = r#"
[[rule]]
name = "pair"
on = "study"
[rule.select.t1]
Modality = "MR"
RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue = { not = "X" }
arrival-time = { min = 22:00:00, max = 06:00:00 }
[rule.select.flair]
ProcedureCodeSequence = { CodeValue = "1", CodingSchemeDesignator = { like = "L*" } }
"RequestAttributesSequence.(0019,xx0C) MAKER" = { present = true }
AcquisitionDateTime = { min = "2026", max = 2026-12-31T12:00:00+01:00 }
[rule.require.t1]
series = "most-images"
images = { min = 2 }
gaps = { max = 1 }
orientation = ["axial", "coronal"]
frames = { max = 4000 }
spacing = "even"
[rule.then]
run = "lesions"
send = { to = ["PACS"], as = ["structured-report"] }
[[rule]]
name = "one"
on = "instance"
[rule.select]
peer = { like = "CT*" }
arrival-day = ["monday", "sunday"]
arrival-order = { max = 3 }
orientation = { absent = true }
lossy = false
frames = { min = 1 }
FrameIncrementPointer = { lacks = "FrameTime" }
[rule.then]
stop = true
forward = [{ to = ["ARCHIVE"], set = { InstitutionName = "X", SliceThickness = 2.5 }, remove = ["PatientComments"] }, "PACS"]
[[rule]]
name = "frames"
[rule.require]
gaps = 0
orientation = "axial"
spacing = "even"
spacing-mm = { max = 3 }
frames = { min = 2 }
[rule.then]
forward = ["PACS"]
[[case]]
says = "c"
images = [
  { series = "a", Modality = "MR", count = 3, spacing = 1, arrival-time = 23:00:00, peer = "MR1" },
  { series = "b", made-here = true, ProcedureCodeSequence = [{ CodeValue = "1" }], arrival-day = "friday" },
]
expect = { pair = "skipped", one = "skipped" }
"#;

fn damaged(seed: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = seed.chars().collect();
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

/// Whether the text is a good rule file. If it is not, each problem says where.
fn is_good(text: &str) -> bool {
    let read = RuleSet::parse(vec![file("a.toml", text)], &world());
    match read {
        Ok(_) => true,
        Err(problems) => {
            assert_ne!(problems.iter().count(), 0, "{text}");
            let lines = text.lines().count().max(1) + 1;
            for problem in problems.iter() {
                assert!((1..=lines).contains(&problem.line), "{problem}\nin\n{text}");
                assert!(problem.to_string().contains('^'), "{problem}");
            }
            false
        }
    }
}

#[test]
fn no_damage_to_a_file_makes_the_reader_fall_over() {
    let mut chance = Chance(20_260_101);
    let mut seeds = vec![SEED.to_string(), FURTHER_SEED.to_string()];
    assert!(seeds.iter().all(|seed| is_good(seed)));
    seeds.extend(shipped().into_iter().map(|file| file.text));
    let (mut good, mut bad) = (0, 0);
    for round in 0..4000 {
        let text = damaged(&seeds[round % seeds.len()], &mut chance);
        if is_good(&text) { good += 1 } else { bad += 1 }
    }
    assert!(good > 100 && bad > 1000, "{good} good, {bad} bad");
}

#[test]
fn no_bytes_make_the_reader_fall_over() {
    let mut chance = Chance(20_260_102);
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..chance.below(300)).map(|_| chance.below(256) as u8).collect();
        is_good(&String::from_utf8_lossy(&bytes));
        let letters = b"[]{}=.,\"'\n #arulecs-xAB12:+";
        let text: Vec<u8> = bytes.iter().map(|b| letters[*b as usize % letters.len()]).collect();
        is_good(&String::from_utf8_lossy(&text));
    }
}

const KEYS: &[&str] = &[
    "Modality",
    "SliceThickness",
    "StudyDate",
    "AcquisitionDateTime",
    "PatientAge",
    "FrameIncrementPointer",
    "ReferencedImageSequence",
    "ProcedureCodeSequence.CodeValue",
    "ContentSequence.ContentSequence.ContentDate",
    "\"ContentSequence.(0019,xx0C) A.B\"",
    "\"(0019,xx0C) MAKER\"",
    "PixelData",
    "Modalty",
    "calling-ae",
    "peer",
    "arrival-time",
    "arrival-day",
    "arrival-order",
    "orientation",
    "lossy",
    "frames",
    "images",
    "series",
    "spacing",
    "t1",
    "any",
    "none",
    "all",
    "set",
    "remove",
    "forward",
];
const WORDS: &[&str] = &[
    "\"CT\"",
    "\"even\"",
    "\"axial\"",
    "\"only\"",
    "\"monday\"",
    "\"CT1\"",
    "\"PACS\"",
    "\"018Y\"",
    "\"20260131\"",
    "\"1.2.840\"",
    "\"FrameTime\"",
    "\"a*b?\"",
    "\"((\"",
    "\"\"",
    "\"é\u{1F600}\"",
    "0",
    "1",
    "-3",
    "2.5",
    "1e308",
    "inf",
    "true",
    "false",
    "2026-01-31",
    "07:30:00",
    "2026-01-31T07:30:00Z",
];
const OPERATORS: &[&str] =
    &["min", "max", "like", "regex", "has", "lacks", "not", "absent", "present", "CodeValue"];

fn value(chance: &mut Chance, depth: usize) -> String {
    let list = |chance: &mut Chance| -> String {
        let values: Vec<String> = (0..chance.below(4)).map(|_| value(chance, depth + 1)).collect();
        format!("[{}]", values.join(", "))
    };
    match chance.below(if depth < 4 { 8 } else { 3 }) {
        0..=2 => WORDS[chance.below(WORDS.len())].to_string(),
        3 => list(chance),
        4 | 5 => {
            let operator = OPERATORS[chance.below(OPERATORS.len())];
            format!("{{ {operator} = {} }}", value(chance, depth + 1))
        }
        6 => format!("{{ {} }}", line(chance, depth + 1)),
        _ => format!("[{{ {} }}]", line(chance, depth + 1)),
    }
}

fn line(chance: &mut Chance, depth: usize) -> String {
    format!("{} = {}", KEYS[chance.below(KEYS.len())], value(chance, depth))
}

/// Lines that a study, or a rule that forwards, may have.
const LINES: [(&str, &[&str]); 6] = [
    (
        "select",
        &[
            "Modality = \"MR\"",
            "ProcedureCodeSequence = { CodeValue = \"1\" }",
            "ContentSequence.CodeValue = { has = \"2\" }",
            "arrival-time = { min = 22:00:00, max = 06:00:00 }",
        ],
    ),
    ("select.t1", &["orientation = \"axial\"", "SeriesDescription = { regex = \"t1\" }"]),
    ("select.flair", &["peer = { absent = true }", "EchoTime = { min = 80 }"]),
    ("require", &["images = 2", "gaps = { max = 2 }", "spacing = \"even\""]),
    ("require.t1", &["series = \"last\"", "frames = 20"]),
    ("then", &["forward = [\"PACS\"]", "mode = \"live\"", "stop = false"]),
];

/// Words of the grammar in the places where words stand, chosen blindly.
fn shaped(chance: &mut Chance) -> String {
    let mut text = String::from("[[rule]]\nname = \"r\"\n");
    let named = chance.below(2) == 0;
    text += match chance.below(6) {
        0 => "on = \"instance\"\n",
        1 => "on = \"series\"\n",
        2 => "on = 3\n",
        _ => "on = \"study\"\n",
    };
    // Now and then a table that does not belong to the others.
    for (table, lines) in LINES {
        let belongs = table == "then" || table.contains('.') == named;
        if chance.below(12) < if belongs { 10 } else { 1 } {
            text += &format!("[rule.{table}]\n");
            for known in lines {
                match chance.below(12) {
                    0 => text += &(line(chance, 0) + "\n"),
                    1..=8 => text += &format!("{known}\n"),
                    _ => {}
                }
            }
        }
    }
    if chance.below(4) == 0 {
        text += &format!(
            "[[case]]\nsays = \"c\"\nimages = [{{ {} }}]\nexpect = {{ r = \"skipped\" }}\n",
            line(chance, 0)
        );
    }
    text
}

#[test]
fn words_in_any_order_make_rules_or_problems() {
    let mut chance = Chance(20_260_103);
    let good = (0..3000).filter(|_| is_good(&shaped(&mut chance))).count();
    assert!((60..2900).contains(&good), "{good} good");
}

#[test]
fn deep_nesting_ends_in_a_problem() {
    let nested = |opening: &str, closing: &str| {
        let (open, close) = (opening.repeat(5000), closing.repeat(5000));
        format!(
            "[[rule]]\nname = \"r\"\n[rule.select]\nany = {open}{close}\n[rule.then]\nstop = true\n"
        )
    };
    let dotted = |key: &str| {
        format!("[[rule]]\nname = \"r\"\n[rule.select]\n{key} = 1\n[rule.then]\nstop = true\n")
    };
    let path = "ContentSequence.".repeat(5000) + "Rows";
    for text in [
        nested("[{any=", "}]"),
        nested("[", "]"),
        nested("{all=", "}"),
        nested("{ContentSequence=", "}"),
        dotted(&path),
        dotted(&format!("\"{path}\"")),
    ] {
        assert!(RuleSet::parse(vec![file("a.toml", &text)], &world()).is_err());
    }
}
