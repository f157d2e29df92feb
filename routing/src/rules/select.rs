//! `[rule.select]`: which images of a series a rule looks at.

use super::dictionary::nearest;
use super::judge::ImageFacts;
use super::reader::Reader;
use super::subject::{FACTS, Subject};
use super::trace::{ConditionTrace, Found};
use super::tree::{Entry, Node, Toml};
use super::wanted::Wanted;
use std::collections::BTreeMap;

/// One line of the table.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) key: String,
    wanted: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Value { subject: Subject, wanted: Wanted },
    Groups { how: How, groups: Vec<Vec<Condition>> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
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
/// Distinct values that a trace shows.
const SHOWN: usize = 5;
/// Characters of one value that a trace shows.
const SHOWN_CHARACTERS: usize = 64;

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

impl Condition {
    pub(super) fn matches(&self, image: &ImageFacts) -> bool {
        match &self.test {
            Test::Value { subject, wanted } => wanted.matches(&subject.held(image)),
            Test::Groups { how, groups } => {
                let mut fits = groups.iter().map(|group| group.iter().all(|c| c.matches(image)));
                match how {
                    How::Any => fits.any(|fits| fits),
                    How::All => fits.all(|fits| fits),
                    How::None => !fits.any(|fits| fits),
                }
            }
        }
    }

    /// What this condition, on its own, makes of these images.
    pub(super) fn trace(&self, images: &[&ImageFacts], left: Option<usize>) -> ConditionTrace {
        let (found, more) = self.found(images);
        let matched = images.iter().filter(|image| self.matches(image)).count();
        let inner = match &self.test {
            Test::Value { .. } => Vec::new(),
            Test::Groups { groups, .. } => groups.iter().map(|g| trace_group(g, images)).collect(),
        };
        let of = images.len();
        let (key, wanted) = (self.key.clone(), self.wanted.clone());
        ConditionTrace {
            found,
            more,
            left,
            inner,
            ..ConditionTrace::select(key, wanted, matched, of)
        }
    }

    fn found(&self, images: &[&ImageFacts]) -> (Vec<Found>, usize) {
        let Test::Value { subject, .. } = &self.test else { return (Vec::new(), 0) };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for image in images {
            *counts.entry(shown(subject, image)).or_default() += 1;
        }
        let found = counts.into_iter().map(|(value, images)| Found { value, images });
        let mut found: Vec<Found> = found.collect();
        found.sort_by(|a, b| b.images.cmp(&a.images).then_with(|| a.value.cmp(&b.value)));
        let more = found.len().saturating_sub(SHOWN);
        found.truncate(SHOWN);
        (found, more)
    }

    /// What was found and what was wanted, for the reason of a verdict.
    pub(super) fn contrast(&self, images: &[&ImageFacts]) -> String {
        let Test::Groups { groups, .. } = &self.test else {
            let wanted = shortened(&self.wanted, 2 * SHOWN_CHARACTERS);
            return format!("found {}, wanted {wanted}", self.trace(images, None).found_text());
        };
        let mut found: Vec<String> = Vec::new();
        for condition in groups.iter().flatten().filter(|c| matches!(c.test, Test::Value { .. })) {
            let text = format!("{} {}", condition.key, condition.trace(images, None).found_text());
            if !found.contains(&text) {
                found.push(text);
            }
        }
        format!("found {}", shortened(&found.join("; "), 4 * SHOWN_CHARACTERS))
    }
}

/// A group of one condition is that condition.
fn trace_group(group: &[Condition], images: &[&ImageFacts]) -> ConditionTrace {
    if let [condition] = group {
        return condition.trace(images, None);
    }
    let matched = images.iter().filter(|image| group.iter().all(|c| c.matches(image))).count();
    let wanted = format!("all {} conditions", group.len());
    let inner = group.iter().map(|condition| condition.trace(images, None)).collect();
    ConditionTrace {
        inner,
        ..ConditionTrace::select("group".into(), wanted, matched, images.len())
    }
}

fn shown(subject: &Subject, image: &ImageFacts) -> String {
    let held = subject.held(image);
    match held.as_slice() {
        [] => "(absent)".to_string(),
        values if !subject.shows(values) => "(present)".to_string(),
        [one] if one.is_numeric => one.text.clone(),
        values => {
            let texts: Vec<&str> = values.iter().map(|value| value.text.as_str()).collect();
            format!("\"{}\"", shortened(&texts.join("\\"), SHOWN_CHARACTERS))
        }
    }
}

fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_string(),
    }
}
