//! `[rule.select]`: which images of a series a rule looks at.

use super::dictionary::nearest;
use super::evaluate::{SHOWN_CHARACTERS, shortened};
use super::reader::Reader;
use super::subject::{FACTS, Subject};
use super::tree::{Entry, Node, Toml};
use super::wanted::Wanted;

/// One line of the table.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) key: String,
    pub(super) wanted: String,
    pub(super) test: Test,
}

#[derive(Debug, Clone)]
pub(super) enum Test {
    Value { subject: Subject, wanted: Wanted },
    Groups { how: How, groups: Vec<Vec<Condition>> },
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

/// Reads the conditions of a table, in their order. `what` is the key whose table it is.
pub(super) fn read(reader: &mut Reader, node: &Node, what: &str) -> Vec<Condition> {
    let entries = reader.table(node, what).unwrap_or_default();
    entries.iter().filter_map(|entry| condition(reader, entry)).collect()
}

fn condition(reader: &mut Reader, entry: &Entry) -> Option<Condition> {
    let combination = COMBINATIONS.iter().find(|(name, _)| *name == entry.key);
    let test = match combination {
        Some((_, how)) => Test::Groups { how: *how, groups: groups(reader, entry)? },
        None if names_a_selection(entry) => {
            let help = "put the conditions under [rule.select]".to_string();
            let message = format!(
                "named selections such as \"{}\" are not supported in this version",
                entry.key
            );
            reader.fault(&entry.key_span, message, help);
            return None;
        }
        None => {
            let subject = Subject::read(reader, &entry.key, &entry.key_span)?;
            let wanted = Wanted::read(reader, &entry.key, subject.kind(), &entry.node)?;
            Test::Value { subject, wanted }
        }
    };
    let wanted = match &test {
        Test::Value { .. } => shortened(&entry.node.to_string(), 8 * SHOWN_CHARACTERS),
        Test::Groups { how, groups } => how.of(groups.len()),
    };
    Some(Condition { key: entry.key.clone(), wanted, test })
}

/// `[rule.select.flair]` with conditions below it, as `on = "study"` will have them.
fn names_a_selection(entry: &Entry) -> bool {
    let Toml::Table(inner) = &entry.node.value else { return false };
    let near_a_fact = nearest(&entry.key, FACTS.iter().map(|(name, _)| *name)).is_some();
    let lower = entry.key.starts_with(|c: char| c.is_ascii_lowercase());
    lower
        && !near_a_fact
        && inner.iter().any(|e| e.key.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn groups(reader: &mut Reader, entry: &Entry) -> Option<Vec<Vec<Condition>>> {
    if matches!(entry.node.value, Toml::Table(_)) {
        let help = format!("write {} = [ {{ .. }}, {{ .. }} ]", entry.key);
        reader.fault(&entry.node.span, format!("`{}` must be a list of tables", entry.key), help);
        return None;
    }
    let before = reader.faults.len();
    let nodes = reader.list(&entry.node, &entry.key)?;
    let mut groups = Vec::new();
    for node in nodes {
        if matches!(&node.value, Toml::Table(inner) if inner.is_empty()) {
            reader.fault(
                &node.span,
                format!("an empty table in `{}` fits every image", entry.key),
                None,
            );
        }
        groups.push(read(reader, node, &entry.key));
    }
    (reader.faults.len() == before).then_some(groups)
}
