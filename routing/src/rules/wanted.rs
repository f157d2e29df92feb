//! The right side of a condition: what the values of an attribute must be like.

use super::dictionary::{Kind, nearest};
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
    /// Every value lies in the range, both ends included.
    EveryValue {
        scale: Scale,
        min: f64,
        max: f64,
    },
}

#[derive(Debug, Clone)]
enum Literal {
    Text(String),
    Pattern(Regex),
    Measure(Scale, f64),
}

const OPERATORS: [&str; 9] =
    ["min", "max", "like", "regex", "has", "lacks", "absent", "present", "not"];

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
                let help = "ask { present = true } or { absent = true }".to_string();
                reader.fault(&node.span, format!("{key} is a sequence and has no value"), help);
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
            Test::EveryValue { scale, min, max } => held
                .iter()
                .all(|held| scale.read(held).is_some_and(|value| *min <= value && value <= *max)),
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
    let mut ends = [f64::NEG_INFINITY, f64::INFINITY];
    let mut found = None;
    for entry in entries.iter().filter(|entry| matches!(&*entry.key, "min" | "max")) {
        let Some(scale) = Scale::of(kind) else {
            misfit(reader, key, kind, entry);
            return None;
        };
        let Literal::Measure(_, end) = literal(reader, &entry.key, scale.kind(), &entry.node)?
        else {
            return None;
        };
        ends[usize::from(entry.key == "max")] = end;
        found = Some(scale);
    }
    let [min, max] = ends;
    if min > max {
        let help = "nothing lies between them".to_string();
        reader.fault(span, format!("`min` of {key} is above its `max`"), help);
        return None;
    }
    found.map(|scale| Test::EveryValue { scale, min, max })
}

fn fits(operator: &str, kind: Kind) -> bool {
    let text = matches!(
        kind,
        Kind::Text | Kind::FreeText | Kind::Name | Kind::Code | Kind::Uid | Kind::Title | Kind::Any
    );
    match operator {
        "like" | "regex" => text,
        "has" | "lacks" => (text && kind != Kind::Title) || kind == Kind::Number,
        "not" => kind != Kind::Sequence,
        // A connection always has its facts.
        _ => kind != Kind::Title,
    }
}

fn misfit(reader: &mut Reader, key: &str, kind: Kind, entry: &Entry) {
    let (holds, help) = match kind {
        Kind::Number => ("numbers", "use a number, a list of numbers, min, max, not, has, lacks"),
        Kind::Date => ("dates", "use a date such as 2026-01-31, a list of dates, min, max, not"),
        Kind::Time => ("times", "use a time such as 07:30:00, a list of times, min, max, not"),
        Kind::Age => ("ages", "use an age such as \"018Y\", a list of ages, min, max, not"),
        Kind::Sequence => ("a sequence", "ask { present = true } or { absent = true }"),
        Kind::Title => ("one AE title", "use a text, a list of texts, like, regex, not"),
        _ => ("text", "use a text, a list of texts, like, regex, has, lacks, not"),
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
            return glob(text, false).map(Literal::Pattern);
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
    let read: Vec<_> = nodes.iter().map(|node| pattern(reader, operator, node)).collect();
    read.into_iter().collect()
}

fn pattern(reader: &mut Reader, operator: &str, node: &Node) -> Option<Literal> {
    let text = reader.text_value(node, operator)?;
    if operator == "like" {
        return glob(text, true).map(Literal::Pattern);
    }
    match RegexBuilder::new(text).size_limit(1 << 20).build() {
        Ok(regex) => Some(Literal::Pattern(regex)),
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            reader.fault(&node.span, format!("not a regular expression: {why}"), None);
            None
        }
    }
}

/// `*` is any run of characters, `?` is any one; the whole value must fit.
fn glob(text: &str, fold_case: bool) -> Option<Regex> {
    let mut pattern = String::from(if fold_case { "(?is)^" } else { "(?s)^" });
    for letter in text.trim().chars() {
        match letter {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            _ => pattern.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push('$');
    Regex::new(&pattern).ok()
}
