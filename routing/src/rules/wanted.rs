//! The right side of a condition: what the values of an attribute must be like.

use super::date_time::{self, DateTime};
use super::dictionary::{self, Kind, Words, nearest};
use super::reader::Reader;
use super::scale::Scale;
use super::subject::Held;
use super::tree::{Entry, Node, Span, Toml};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use regex::{Regex, RegexBuilder};

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
    /// Every value lies in the range, both ends included. Where `min` is above `max`, the range
    /// reaches over midnight.
    EveryValue {
        scale: Scale,
        min: f64,
        max: f64,
    },
    /// All of every value lies in the range, as far as its ends are written.
    EveryMoment {
        min: Option<DateTime>,
        max: Option<DateTime>,
    },
}

#[derive(Debug, Clone)]
enum Literal {
    Text(String),
    Pattern(Regex),
    Measure(Scale, f64),
    Moment(DateTime),
}

pub(super) const OPERATORS: [&str; 9] =
    ["min", "max", "like", "regex", "has", "lacks", "absent", "present", "not"];
/// Bytes of a pattern. No series is described at such length.
const LONGEST_PATTERN: usize = 4096;
const MOST_PATTERNS: usize = 1000;
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
            Test::EveryValue { scale, min, max } => held.iter().all(|held| {
                let within = |value: f64| match min <= max {
                    true => *min <= value && value <= *max,
                    false => *min <= value || value <= *max,
                };
                scale.read(held).is_some_and(within)
            }),
            Test::EveryMoment { min, max } => held.iter().all(|held| {
                DateTime::read(&held.text).is_some_and(|value| {
                    min.is_none_or(|min| value.begins_in_or_after(min))
                        && max.is_none_or(|max| value.ends_in_or_before(max))
                })
            }),
        }
    }
}

impl Literal {
    /// `None`: the value cannot be read as what the rule compares it with, so nothing is known.
    fn is(&self, held: &Held) -> Option<bool> {
        match self {
            Literal::Text(text) => Some(*text == held.text),
            Literal::Pattern(pattern) => Some(pattern.is_match(&held.text)),
            Literal::Measure(scale, wanted) => scale.read(held).map(|value| value == *wanted),
            Literal::Moment(wanted) => DateTime::read(&held.text)?.is(*wanted),
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
            Test::EveryValue { scale, min, max }
        }
    };
    let empty = match &test {
        Test::EveryValue { min, max, .. } => min > max && kind != Kind::Clock,
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

/// One value, or a list of which any fits.
fn literals(reader: &mut Reader, key: &str, kind: Kind, node: &Node) -> Option<Vec<Literal>> {
    let Toml::Array(_) = node.value else {
        return Some(vec![literal(reader, key, kind, node)?]);
    };
    let nodes = reader.list(node, key)?;
    let read: Vec<_> = nodes.iter().map(|node| literal(reader, key, kind, node)).collect();
    read.into_iter().collect()
}

fn literal(reader: &mut Reader, key: &str, kind: Kind, node: &Node) -> Option<Literal> {
    match kind {
        Kind::DateTime => return moment(reader, key, node),
        Kind::Truth => {
            let truth = reader.boolean(node, key)?;
            return Some(Literal::Text(truth.to_string()));
        }
        _ => {}
    }
    if let Some(scale) = Scale::of_value(kind, node) {
        return match scale.literal(node) {
            Some(value) => Some(Literal::Measure(scale, value)),
            None => {
                let message =
                    format!("`{key}` wants {}, not {}", scale.example(), reader.shown(node));
                let help = unquoted(scale, node)
                    .map(|number| format!("write it without quotes: {number}"));
                reader.fault(&node.span, message, help);
                None
            }
        };
    }
    let Toml::Text(text) = &node.value else {
        let help = format!("write it in quotes: \"{}\"", reader.written(&node.span));
        let help = matches!(node.value, Toml::Integer(_) | Toml::Float(_)).then_some(help);
        reader.fault(&node.span, format!("`{key}` wants a text, not {}", reader.shown(node)), help);
        return None;
    };
    text_literal(reader, key, kind, text.trim(), &node.span)
}

fn moment(reader: &mut Reader, key: &str, node: &Node) -> Option<Literal> {
    let moment = DateTime::literal(node);
    if moment.is_none() {
        let shown = reader.shown(node);
        let message = format!("`{key}` wants {}, not {shown}", date_time::EXAMPLE);
        reader.fault(&node.span, message, None);
    }
    moment.map(Literal::Moment)
}

/// The number in a text, where one was wanted.
fn unquoted(scale: Scale, node: &Node) -> Option<&str> {
    match &node.value {
        Toml::Text(text) if scale == Scale::Number => {
            Some(text.trim()).filter(|text| text.parse().is_ok_and(f64::is_finite))
        }
        _ => None,
    }
}

fn text_literal(
    reader: &mut Reader,
    key: &str,
    kind: Kind,
    text: &str,
    span: &Span,
) -> Option<Literal> {
    if text.is_empty() {
        let help = "an attribute without a value counts as absent: { absent = true }".to_string();
        reader.fault(span, format!("no value of {key} is empty"), help);
        return None;
    }
    if text.contains('\\') && kind != Kind::FreeText {
        let help = "a backslash parts the values of an attribute; ask for one: { has = \"..\" }";
        reader.fault(span, format!("no value of {key} holds a backslash"), help.to_string());
        return None;
    }
    match kind {
        Kind::Title => {
            if let (false, Err(why)) = (text.contains(['*', '?']), AeTitle::parse(text)) {
                reader.fault(span, format!("\"{text}\" is no AE title: {why}"), None);
                return None;
            }
            return glob(reader, text, false, span);
        }
        Kind::Peer if !reader.world.senders.iter().any(|known| known == text) => {
            if text.contains(['*', '?']) {
                let help = format!("for a pattern write {{ like = \"{text}\" }}");
                reader.fault(span, format!("there is no [[peer]] \"{text}\""), help);
            } else {
                let known = &reader.world.senders;
                reader.unknown_name(span, text, "there is no [[peer]]", known);
            }
            return None;
        }
        Kind::Peer => {}
        Kind::Word(words) if !words.known().contains(&text) => {
            let known: Vec<String> = words.known().iter().map(|word| word.to_string()).collect();
            reader.unknown_name(span, text, &format!("`{key}` is never"), &known);
            return None;
        }
        Kind::Tag => {
            let tag = dictionary::tag_of(text);
            if tag.is_none() {
                let near = dictionary::nearest_keyword(text);
                let help = near.map(|near| format!("did you mean \"{near}\"?"));
                let message = format!("\"{text}\" is neither a DICOM keyword nor a tag");
                reader.fault(span, message, help);
            }
            return tag.map(Literal::Text);
        }
        Kind::Uid if Uid::parse(text).is_err() => {
            let help = "a UID is digits and dots; for a part of it use { like = \"1.2.840.*\" }";
            reader.fault(span, format!("\"{text}\" is not a UID"), help.to_string());
            return None;
        }
        Kind::Code if text.chars().any(char::is_lowercase) => {
            let help = format!("did you mean \"{}\"?", text.to_uppercase());
            reader.warn(
                span,
                format!("{key} is in upper case unless a scanner breaks DICOM"),
                help,
            );
        }
        _ if text.contains('*') => {
            let help = format!("for a pattern write {{ like = \"{text}\" }}");
            reader.warn(span, "the * here is a letter, not a pattern", help);
        }
        _ => {}
    }
    Some(Literal::Text(text.to_string()))
}

fn patterns(reader: &mut Reader, operator: &str, node: &Node) -> Option<Vec<Literal>> {
    let nodes = match node.value {
        Toml::Array(_) => reader.list(node, operator)?,
        _ => std::slice::from_ref(node),
    };
    if nodes.len() > MOST_PATTERNS {
        let message = format!(
            "`{operator}` has {} patterns, at most {MOST_PATTERNS} are looked at",
            nodes.len()
        );
        reader.fault(&node.span, message, None);
        return None;
    }
    let read: Vec<_> = nodes.iter().map(|node| pattern(reader, operator, node)).collect();
    read.into_iter().collect()
}

fn pattern(reader: &mut Reader, operator: &str, node: &Node) -> Option<Literal> {
    let text = reader.text_value(node, operator)?;
    if operator == "like" {
        return glob(reader, text, true, &node.span);
    }
    compiled(reader, text, text, &node.span)
}

/// `*` is any run of characters, `?` is any one; the whole value must fit.
fn glob(reader: &mut Reader, text: &str, fold_case: bool, span: &Span) -> Option<Literal> {
    let mut pattern = String::from(if fold_case { "(?is)^" } else { "(?s)^" });
    for letter in text.trim().chars() {
        match letter {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            _ => pattern.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push('$');
    compiled(reader, text, &pattern, span)
}

fn compiled(reader: &mut Reader, written: &str, pattern: &str, span: &Span) -> Option<Literal> {
    if written.len() > LONGEST_PATTERN {
        let message = format!("the pattern is longer than {LONGEST_PATTERN} bytes");
        reader.fault(span, message, None);
        return None;
    }
    match RegexBuilder::new(pattern).size_limit(1 << 20).build() {
        Ok(regex) => Some(Literal::Pattern(regex)),
        Err(regex::Error::CompiledTooBig(limit)) => {
            let message = format!("the pattern is too large: it needs more than {limit} bytes");
            reader.fault(span, message, None);
            None
        }
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            reader.fault(span, format!("not a regular expression: {why}"), None);
            None
        }
    }
}
