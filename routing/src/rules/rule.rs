//! `[[rule]]`: one rule, read and checked.

use super::reader::Reader;
use super::require::{self, Require};
use super::select::{self, Condition};
use super::then::{self, Then};
use super::tree::{Entry, Node, Span};
use serde::{Deserialize, Serialize};

/// A rule that can be judged by: all that it names exists.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub on: On,
    pub then: Then,
    /// At least one; more than one, each with a name, only on studies.
    pub(super) selections: Vec<Selection>,
}

/// What a rule looks at as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// Each image of a complete series by itself.
    Instance,
    #[default]
    Series,
    /// All series of a study in which nothing is on its way.
    Study,
}

/// `[rule.select]` with `[rule.require]`, or `[rule.select.NAME]` with `[rule.require.NAME]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    pub(super) name: Option<String>,
    pub(super) conditions: Vec<Condition>,
    pub(super) require: Require,
    pub(super) series: Series,
}

/// `series` of `[rule.require]`: of which series of the study a selection takes its images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Series {
    /// Of every one.
    #[default]
    All,
    /// Of the one that fits. Where several fit, the rule cannot tell which is meant.
    Only,
    /// Of those that fit the one whose first image came first.
    First,
    Last,
    MostImages,
}

impl Series {
    /// As a rule writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Series::All => "all",
            Series::Only => "only",
            Series::First => "first",
            Series::Last => "last",
            Series::MostImages => "most-images",
        }
    }
}

impl Rule {
    /// The selection of a rule that has one.
    pub(super) fn only(&self) -> &Selection {
        &self.selections[0]
    }
}

/// A rule as far as it could be read: a broken one still has its name, so that cases and
/// duplicates of it are understood.
pub(super) struct ReadRule {
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) rule: Option<Rule>,
}

const KEYS: [&str; 5] = ["name", "on", "select", "require", "then"];

/// Reads one rule. Without a name there is none; the faults say so.
pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<ReadRule> {
    let before = reader.faults.len();
    let entries = reader.table(node, "rule")?;
    for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
        unknown(reader, entry);
    }
    let of = |key: &str| entries.iter().find(|entry| entry.key == key);
    if let Some(on) = of("on") {
        read_on(reader, on);
    }
    let select = of("select").map(|entry| select::read(reader, &entry.node, "select"));
    let require = of("require").map(|entry| require::read(reader, &entry.node));
    let then = match of("then") {
        Some(entry) => then::read(reader, &entry.node, &entry.key_span),
        None => {
            let help = "add [rule.then] with run, forward or stop".to_string();
            reader.fault(&node.span, "the rule does nothing", help);
            None
        }
    };
    let Some(name) = of("name") else {
        reader.fault(&node.span, "the rule has no name", "add name = \"..\"".to_string());
        return None;
    };
    let name_span = name.node.span.clone();
    let name = reader.text_value(&name.node, "name")?.trim().to_string();
    check_name(reader, &name, &name_span);
    let then = then.filter(|_| reader.faults.len() == before);
    let rule = then.map(|then| Rule {
        name: name.clone(),
        on: On::Series,
        then,
        selections: vec![Selection {
            name: None,
            conditions: select.unwrap_or_default(),
            require: require.unwrap_or_default(),
            series: Series::All,
        }],
    });
    if let Some(rule) =
        rule.as_ref().filter(|rule| rule.only().conditions.is_empty() && rule.then.run.is_some())
    {
        let message = format!("\"{}\" analyses every image of every series", rule.name);
        reader.warn(&name_span, message, "add conditions under [rule.select]".to_string());
    }
    Some(ReadRule { name, name_span, rule })
}

/// The name goes into each result, as a Long String (PS3.5 6.2, VR LO).
fn check_name(reader: &mut Reader, name: &str, span: &Span) {
    if name.chars().count() > 64 {
        reader.fault(span, "the name is longer than 64 characters", None);
    }
    if name.contains(|c: char| c == '\\' || c.is_control()) {
        let help = "each result holds the name, and DICOM has no place for those".to_string();
        reader.fault(span, "the name holds a backslash or a control character", help);
    }
}

fn read_on(reader: &mut Reader, entry: &Entry) {
    let help = "write on = \"series\"".to_string();
    match reader.text_value(&entry.node, "on") {
        Some("series") | None => {}
        Some(later @ ("instance" | "study")) => {
            let message = format!("rules on = \"{later}\" are not supported in this version");
            reader.fault(&entry.node.span, message, help);
        }
        Some(other) => {
            reader.fault(&entry.node.span, format!("a rule cannot be on \"{other}\""), help);
        }
    }
}

fn unknown(reader: &mut Reader, entry: &Entry) {
    if then::KEYS.contains(&entry.key.as_str()) {
        let help = format!("write `{}` in [rule.then]", entry.key);
        let message = format!("`{}` is of what happens then", entry.key);
        return reader.fault(&entry.key_span, message, help);
    }
    reader.unknown_key(entry, "[[rule]]", &KEYS);
}
