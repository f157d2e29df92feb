//! The right side of a condition: what the values of an attribute must be like.

use super::date_time::DateTime;
use super::dictionary::{Kind, Words, nearest};
use super::literal::{Literal, literal, literals, patterns};
use super::reader::Reader;
use super::scale::Scale;
use super::subject::Held;
use super::tree::{Entry, Node, Span, Toml};

/// All tests must hold. An attribute without a value passes only `Absent`.
#[derive(Debug, Clone)]
pub(super) struct Wanted(Vec<Test>);

#[derive(Debug, Clone)]
enum Test {
    Absent,
    Present,
    /// A value is one of these (`=`, `has`, and by pattern `like`, `regex`).
    SomeValue(Vec<Literal>),
    /// No value is one of these (`not`, `lacks`).
    NoValue(Vec<Literal>),
    /// Every value lies in the range.
    EveryValue {
        scale: Scale,
        range: Range,
    },
    /// All of every value lies in the range, as far as its ends are written.
    EveryMoment {
        min: Option<DateTime>,
        max: Option<DateTime>,
    },
}

pub(super) const OPERATORS: [&str; 9] =
    ["min", "max", "like", "regex", "has", "lacks", "absent", "present", "not"];
const OF_A_SEQUENCE: &str = "ask { present = true }, { absent = true }, or what one item holds: \
    { CodeValue = \"..\" }";

impl Wanted {
    /// Reads the value of condition `key`. A fault is noted and gives `None`.
    pub(super) fn read(reader: &mut Reader, key: &str, kind: Kind, node: &Node) -> Option<Wanted> {
        match &node.value {
            Toml::Table(entries) if entries.is_empty() => {
                reader.fault(&node.span, format!("`{key}` says nothing"), None);
                None
            }
            Toml::Table(entries) => operators(reader, key, kind, entries, &node.span),
            _ if kind == Kind::Sequence => {
                reader.fault(
                    &node.span,
                    format!("{key} is a sequence and has no value"),
                    OF_A_SEQUENCE.to_string(),
                );
                None
            }
            _ => Some(Wanted(vec![Test::SomeValue(literals(reader, key, kind, node)?)])),
        }
    }

    pub(super) fn matches(&self, held: &[Held]) -> bool {
        self.0.iter().all(|test| test.holds(held))
    }

    /// Whether a value is asked for letter by letter, and this is it.
    pub(super) fn names(&self, value: &str) -> bool {
        let is_it = |literal: &Literal| matches!(literal, Literal::Text(text) if text == value);
        self.0.iter().any(|test| matches!(test, Test::SomeValue(some) if some.iter().any(is_it)))
    }

    /// The scale and the ends, if nothing but one range is asked.
    pub(super) fn range(&self) -> Option<(Scale, Range)> {
        match self.0.as_slice() {
            [Test::EveryValue { scale, range }] => Some((*scale, *range)),
            _ => None,
        }
    }
}

/// Both ends belong to it. Where `min` is above `max`, it reaches over midnight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    min: f64,
    max: f64,
}

impl Range {
    /// Nothing that is not a number lies in it.
    pub(super) fn holds(self, value: f64) -> bool {
        match self.min <= self.max {
            true => self.min <= value && value <= self.max,
            false => self.min <= value || value <= self.max,
        }
    }
}

impl Test {
    fn holds(&self, held: &[Held]) -> bool {
        if held.is_empty() {
            return matches!(self, Test::Absent);
        }
        match self {
            Test::Absent => false,
            Test::Present => true,
            Test::SomeValue(wanted) => {
                held.iter().any(|held| wanted.iter().any(|w| w.is(held) == Some(true)))
            }
            Test::NoValue(unwanted) => {
                held.iter().all(|held| unwanted.iter().all(|w| w.is(held) == Some(false)))
            }
            Test::EveryValue { scale, range } => {
                held.iter().all(|held| scale.read(held).is_some_and(|value| range.holds(value)))
            }
            Test::EveryMoment { min, max } => held.iter().all(|held| {
                DateTime::read(&held.text).is_some_and(|value| {
                    min.is_none_or(|min| value.begins_in_or_after(min))
                        && max.is_none_or(|max| value.ends_in_or_before(max))
                })
            }),
        }
    }
}

fn operators(
    reader: &mut Reader,
    key: &str,
    kind: Kind,
    entries: &[Entry],
    span: &Span,
) -> Option<Wanted> {
    let before = reader.faults.len();
    let mut tests = Vec::new();
    for entry in entries {
        match entry.key.as_str() {
            "min" | "max" => {}
            name if !OPERATORS.contains(&name) => unknown_operator(reader, entry),
            name if !fits(name, kind) => misfit(reader, key, kind, entry),
            _ => tests.extend(operator(reader, key, kind, entry)),
        }
    }
    tests.extend(range(reader, key, kind, entries, span));
    let absent = tests.iter().any(|test| matches!(test, Test::Absent));
    if absent && entries.len() > 1 {
        reader.fault(span, format!("{key} can never be absent and have a value"), None);
    }
    (reader.faults.len() == before).then_some(Wanted(tests))
}

fn unknown_operator(reader: &mut Reader, entry: &Entry) {
    let help = match nearest(&entry.key, OPERATORS) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("known: {}", OPERATORS.join(", ")),
    };
    reader.fault(&entry.key_span, format!("unknown operator \"{}\"", entry.key), help);
}

fn operator(reader: &mut Reader, key: &str, kind: Kind, entry: &Entry) -> Option<Test> {
    let node = &entry.node;
    match entry.key.as_str() {
        "absent" => truth(reader, entry, "present").map(|()| Test::Absent),
        "present" => truth(reader, entry, "absent").map(|()| Test::Present),
        "like" => patterns(reader, "like", node).map(Test::SomeValue),
        "regex" => patterns(reader, "regex", node).map(Test::SomeValue),
        "has" => literals(reader, key, kind, node).map(Test::SomeValue),
        _ => literals(reader, key, kind, node).map(Test::NoValue),
    }
}

/// `min` and `max` together.
fn range(
    reader: &mut Reader,
    key: &str,
    kind: Kind,
    entries: &[Entry],
    span: &Span,
) -> Option<Test> {
    let mut ends: [Option<Literal>; 2] = [None, None];
    for entry in entries.iter().filter(|entry| matches!(&*entry.key, "min" | "max")) {
        let kind_of_end = match Scale::of(kind) {
            Some(scale) => scale.kind(),
            None if kind == Kind::DateTime => kind,
            None => {
                misfit(reader, key, kind, entry);
                return None;
            }
        };
        let end = literal(reader, &entry.key, kind_of_end, &entry.node)?;
        ends[usize::from(entry.key == "max")] = Some(end);
    }
    let test = match ends {
        [None, None] => return None,
        [Some(Literal::Moment(min)), None] => Test::EveryMoment { min: Some(min), max: None },
        [None, Some(Literal::Moment(max))] => Test::EveryMoment { min: None, max: Some(max) },
        [Some(Literal::Moment(min)), Some(Literal::Moment(max))] => {
            Test::EveryMoment { min: Some(min), max: Some(max) }
        }
        [min, max] => {
            let number = |end: Option<Literal>, open: f64| match end {
                Some(Literal::Measure(_, end)) => end,
                _ => open,
            };
            let scale = Scale::of(kind)?;
            let (min, max) = (number(min, f64::NEG_INFINITY), number(max, f64::INFINITY));
            Test::EveryValue { scale, range: Range { min, max } }
        }
    };
    let empty = match &test {
        Test::EveryValue { range: Range { min, max }, .. } => min > max && kind != Kind::Clock,
        Test::EveryMoment { min: Some(min), max: Some(max) } => max.is_before(*min),
        _ => false,
    };
    if empty {
        let help = "nothing lies between them".to_string();
        reader.fault(span, format!("`min` of {key} is above its `max`"), help);
        return None;
    }
    Some(test)
}

fn fits(operator: &str, kind: Kind) -> bool {
    let text = matches!(
        kind,
        Kind::Text | Kind::FreeText | Kind::Name | Kind::Code | Kind::Uid | Kind::Tag | Kind::Any
    );
    // What every image has, once: nothing can be absent, and nothing is one of several.
    let always = matches!(kind, Kind::Title | Kind::Count | Kind::Clock | Kind::Truth)
        || kind == Kind::Word(Words::Day);
    match operator {
        "like" | "regex" => (text && kind != Kind::Tag) || matches!(kind, Kind::Title | Kind::Peer),
        "has" | "lacks" => text || kind == Kind::Number,
        "not" => kind != Kind::Sequence,
        _ => !always,
    }
}

fn misfit(reader: &mut Reader, key: &str, kind: Kind, entry: &Entry) {
    let (holds, help) = match kind {
        Kind::Number => ("numbers", "use a number, a list of numbers, min, max, not, has, lacks"),
        Kind::Count => ("one number", "use a number, a list of numbers, min, max, not"),
        Kind::Date => ("dates", "use a date such as 2026-01-31, a list of dates, min, max, not"),
        Kind::Time => ("times", "use a time such as 07:30:00, a list of times, min, max, not"),
        Kind::Clock => ("one time of day", "use min and max, such as { min = 18:00:00 }"),
        Kind::DateTime => {
            ("date-times", "use a date-time such as 2026-01-31T07:30:00, a list, min, max, not")
        }
        Kind::Age => ("ages", "use an age such as \"018Y\", a list of ages, min, max, not"),
        Kind::Sequence => ("a sequence", OF_A_SEQUENCE),
        Kind::Title => ("one AE title", "use a text, a list of texts, like, regex, not"),
        Kind::Peer => {
            ("one AE title", "use a text, a list of texts, like, regex, not, absent, present")
        }
        Kind::Tag => ("tags", "use a keyword, a list of keywords, has, lacks, not"),
        Kind::Word(Words::Day) => ("one day", "use a day such as \"monday\", a list of days, not"),
        Kind::Word(Words::Orientation) => {
            ("one word", "use a word such as \"axial\", a list of words, not, absent, present")
        }
        Kind::Truth => ("true or false", "use true or false"),
        Kind::Text | Kind::FreeText | Kind::Name | Kind::Code | Kind::Uid | Kind::Any => {
            ("text", "use a text, a list of texts, like, regex, has, lacks, not")
        }
    };
    let message = format!("`{}` does not fit {key}, which holds {holds}", entry.key);
    reader.fault(&entry.key_span, message, help.to_string());
}

fn truth(reader: &mut Reader, entry: &Entry, opposite: &str) -> Option<()> {
    if !reader.boolean(&entry.node, &entry.key)? {
        let help = format!("write {{ {opposite} = true }}");
        reader.fault(&entry.node.span, format!("`{} = false` is not a condition", entry.key), help);
        return None;
    }
    Some(())
}
