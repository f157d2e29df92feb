//! `[rule.select]`: which images of a series a rule looks at.

use super::dictionary::{self, Kind};
use super::evaluate::{SHOWN_CHARACTERS, shortened};
use super::fact::FACTS;
use super::question::Question;
use super::reader::Reader;
use super::rule::On;
use super::subject::{self, DEEPEST, SELECTION_FACTS, Step, Subject};
use super::tree::{Entry, Node, Span, Toml};
use super::wanted::{OPERATORS, Wanted};
use std::sync::Arc;

/// What `[rule.select]` holds: conditions, or selections with a name each, never both.
#[derive(Debug, Default)]
pub(super) struct Select {
    pub(super) conditions: Vec<Condition>,
    pub(super) named: Vec<Named>,
}

/// `[rule.select.NAME]`
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) conditions: Vec<Condition>,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) key: Arc<str>,
    pub(super) wanted: Arc<str>,
    /// What it asks, shared with other conditions; none until all rules are read.
    pub(super) question: Option<Question>,
    pub(super) test: Test,
}

/// Bytes: what a rule wants is shown whole where it is shorter.
pub(super) const LONGEST_SHOWN: usize = 8 * SHOWN_CHARACTERS;

#[derive(Debug, Clone)]
pub(super) enum Test {
    Value {
        subject: Subject,
        wanted: Wanted,
    },
    /// One item of the sequence fits all conditions.
    Item {
        sequence: Subject,
        conditions: Vec<Condition>,
    },
    Groups {
        how: How,
        groups: Vec<Vec<Condition>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Any,
    All,
    None,
}

impl How {
    /// In words: the groups themselves follow in a trace.
    fn of(self, groups: usize) -> String {
        match self {
            How::Any => format!("one of {groups} groups"),
            How::All => format!("all of {groups} groups"),
            How::None => format!("none of {groups} groups"),
        }
    }
}

const COMBINATIONS: [(&str, How); 3] = [("any", How::Any), ("all", How::All), ("none", How::None)];

/// Sequences around a condition.
type Depth = usize;

/// Reads `[rule.select]` of a rule on instances, series or studies.
pub(super) fn read(reader: &mut Reader, node: &Node, on: On) -> Select {
    let entries = reader.table(node, "select").unwrap_or_default();
    let (named, plain): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| names_a_selection(entry));
    let mut select = Select::default();
    for entry in &plain {
        select.conditions.extend(conditions(reader, entry, 0));
    }
    for entry in named {
        check_name(reader, entry, on);
        let inner = reader.table(&entry.node, &entry.key).unwrap_or_default();
        let conditions = inner.iter().flat_map(|line| conditions(reader, line, 0)).collect();
        let (name, span) = (entry.key.clone(), entry.key_span.clone());
        select.named.push(Named { name, span, conditions });
    }
    if let (Some(entry), Some(named)) = (plain.first(), select.named.first()) {
        let name = named.name.clone();
        let message = format!("`{}` stands beside selections that have a name", entry.key);
        let help = format!("write it in each selection it is meant for: [rule.select.{name}]");
        reader.fault(&entry.key_span, message, help);
    }
    select
}

/// A table with conditions in it, under a key that is none itself.
fn names_a_selection(entry: &Entry) -> bool {
    let Toml::Table(inner) = &entry.node.value else { return false };
    let key = entry.key.as_str();
    let is_combination = |name: &str| COMBINATIONS.iter().any(|(known, _)| *known == name);
    let asks = |line: &Entry| {
        goes_on(line)
            || FACTS.iter().any(|(name, _)| *name == line.key)
            || is_combination(&line.key)
    };
    if key.contains(['(', '.']) || dictionary::is_keyword(key) || is_combination(key) {
        return false;
    }
    if inner.is_empty() {
        return !is_fact(key);
    }
    // A capital letter begins a misspelt keyword, unless no keyword is near.
    let is_word = |key: &str| !key.starts_with(|c: char| c.is_ascii_uppercase());
    inner.iter().any(asks)
        && (is_word(key) || (!entry.node.dotted && dictionary::nearest_keyword(key).is_none()))
}

fn is_fact(name: &str) -> bool {
    FACTS.iter().any(|(fact, _)| *fact == name) || SELECTION_FACTS.contains(&name)
}

fn check_name(reader: &mut Reader, entry: &Entry, on: On) {
    let (name, span) = (&entry.key, &entry.key_span);
    if on != On::Study {
        let help = "put the conditions under [rule.select], or write on = \"study\"".to_string();
        let message = format!("a selection with a name (\"{name}\") is for rules on = \"study\"");
        reader.fault(span, message, help);
    }
    let is_kebab = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
    if !is_kebab {
        let help = "names are small letters, digits and dashes: t1, late-phase".to_string();
        reader.fault(span, format!("a selection cannot be called \"{name}\""), help);
    } else if is_fact(name) {
        let help = "choose another name".to_string();
        reader.fault(
            span,
            format!("a selection cannot be called \"{name}\": that is a fact"),
            help,
        );
    }
}

/// The conditions of one line: several where dots share their beginning.
fn conditions(reader: &mut Reader, entry: &Entry, depth: Depth) -> Vec<Condition> {
    if let Some((_, how)) = COMBINATIONS.iter().find(|(name, _)| *name == entry.key) {
        let groups = groups(reader, entry, depth);
        let condition = |groups: Vec<_>| Condition {
            key: entry.key.as_str().into(),
            wanted: how.of(groups.len()).into(),
            question: None,
            test: Test::Groups { how: *how, groups },
        };
        return groups.map(condition).into_iter().collect();
    }
    let step = (entry.key.clone(), entry.key_span.clone());
    below(reader, vec![step], &entry.node, depth)
}

/// It is an attribute, and no operator.
fn goes_on(entry: &Entry) -> bool {
    entry.key.starts_with(|c: char| c.is_ascii_uppercase() || c == '(')
}

/// What stands under a key, or under several that dots join.
fn below(reader: &mut Reader, path: Vec<Step>, node: &Node, depth: Depth) -> Vec<Condition> {
    match &node.value {
        Toml::Table(entries) if node.dotted && entries.iter().any(goes_on) => entries
            .iter()
            .flat_map(|entry| {
                let step = (entry.key.clone(), entry.key_span.clone());
                let path = path.iter().cloned().chain([step]).collect();
                below(reader, path, &entry.node, depth)
            })
            .collect(),
        _ => condition(reader, &path, node, depth).into_iter().collect(),
    }
}

fn condition(reader: &mut Reader, path: &[Step], node: &Node, depth: Depth) -> Option<Condition> {
    let words: Vec<&str> = path.iter().map(|(word, _)| word.as_str()).collect();
    let key = words.join(".");
    let subject = match path {
        [(word, span)] if depth > 0 && !word.contains('.') => {
            subject::attribute(reader, word, span)?
        }
        _ => Subject::read(reader, path)?,
    };
    let depth = depth + subject.depth();
    let test = match &node.value {
        Toml::Table(lines) if asks_an_item(&subject, lines) => {
            let conditions = item(reader, path, lines, depth + 1)?;
            Test::Item { sequence: subject, conditions }
        }
        _ => {
            check_depth(reader, path, depth)?;
            let wanted = Wanted::read(reader, &key, subject.kind(), node)?;
            Test::Value { subject, wanted }
        }
    };
    let wanted = shortened(&node.to_string(), LONGEST_SHOWN).into();
    Some(Condition { key: key.into(), wanted, question: None, test })
}

fn asks_an_item(subject: &Subject, lines: &[Entry]) -> bool {
    let is_combination = |line: &Entry| COMBINATIONS.iter().any(|(name, _)| *name == line.key);
    matches!(subject.kind(), Kind::Sequence | Kind::Any)
        && lines.iter().any(|line| goes_on(line) || is_combination(line))
}

/// The lines that one item has to fit. Only attributes stand in an item.
fn item(
    reader: &mut Reader,
    path: &[Step],
    lines: &[Entry],
    depth: Depth,
) -> Option<Vec<Condition>> {
    check_depth(reader, path, depth)?;
    let before = reader.faults.len();
    let mut read = Vec::new();
    for line in lines {
        if OPERATORS.contains(&line.key.as_str()) {
            let message = format!("`{}` stands beside what an item must hold", line.key);
            let help = "an item that holds something is there; leave one of them out".to_string();
            reader.fault(&line.key_span, message, help);
            continue;
        }
        read.extend(conditions(reader, line, depth));
    }
    (reader.faults.len() == before).then_some(read)
}

fn check_depth(reader: &mut Reader, path: &[Step], depth: Depth) -> Option<()> {
    if depth <= DEEPEST {
        return Some(());
    }
    let (_, span) = path.last()?;
    reader.fault(span, format!("it lies in more than {DEEPEST} sequences"), None);
    None
}

fn groups(reader: &mut Reader, entry: &Entry, depth: Depth) -> Option<Vec<Vec<Condition>>> {
    if matches!(entry.node.value, Toml::Table(_)) {
        let help = format!("write {} = [ {{ .. }}, {{ .. }} ]", entry.key);
        reader.fault(&entry.node.span, format!("`{}` must be a list of tables", entry.key), help);
        return None;
    }
    if reader.groups >= DEEPEST {
        reader.fault(&entry.key_span, format!("it lies in more than {DEEPEST} groups"), None);
        return None;
    }
    let before = reader.faults.len();
    let nodes = reader.list(&entry.node, &entry.key)?;
    reader.groups += 1;
    let mut groups = Vec::new();
    for node in nodes {
        if matches!(&node.value, Toml::Table(inner) if inner.is_empty()) {
            reader.fault(
                &node.span,
                format!("an empty table in `{}` fits every image", entry.key),
                None,
            );
        }
        let lines = reader.table(node, &entry.key).unwrap_or_default();
        groups.push(lines.iter().flat_map(|line| conditions(reader, line, depth)).collect());
    }
    reader.groups -= 1;
    (reader.faults.len() == before).then_some(groups)
}
