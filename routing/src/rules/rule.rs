//! `[[rule]]`: one rule, read and checked.

use super::arrives;
use super::reader::Reader;
use super::require::{self, Require, Requires};
use super::select::{self, Condition, Select};
use super::then::{self, Then};
use super::tree::{Entry, Node, Span, Toml};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A rule that can be judged by: all that it names exists.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub on: On,
    pub then: Arc<Then>,
    /// Not all that it asks can be told of an image by itself.
    pub(super) asks_the_series: bool,
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
    /// It may keep images from the rules on instances.
    pub(super) fn guards_images(&self) -> bool {
        self.then.stop && self.on != On::Study
    }

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
    let on = of("on").map_or(On::Series, |entry| read_on(reader, entry).unwrap_or_default());
    let select = of("select").map(|entry| select::read(reader, &entry.node, on));
    let select = select.unwrap_or_default();
    let require = of("require").map(|entry| read_require(reader, entry, on, &select));
    let require = require.unwrap_or_default();
    let then = match of("then") {
        Some(entry) => {
            arrives::check(reader, entries, &entry.node, on);
            then::read(reader, &entry.node, &entry.key_span)
        }
        None => {
            let help = "add [rule.then] with run, forward or stop".to_string();
            reader.fault(&node.span, "the rule does nothing", help);
            None
        }
    };
    if let Some(run) = of("then").and_then(|then| run_entry(&then.node)) {
        check_inputs(reader, run, on, &select);
        check_series(reader, entries);
    }
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
        on,
        asks_the_series: arrives::asks_the_series(entries).is_some(),
        selections: selections(select, require, on, then.run.is_some()),
        then: Arc::new(then),
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

fn read_on(reader: &mut Reader, entry: &Entry) -> Option<On> {
    const KNOWN: [(&str, On); 3] =
        [("instance", On::Instance), ("series", On::Series), ("study", On::Study)];
    let text = reader.text_value(&entry.node, "on")?;
    let found = KNOWN.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let known = KNOWN.map(|(word, _)| word.to_string());
        reader.unknown_name(&entry.node.span, text, "a rule cannot be on", &known);
    }
    found.map(|(_, on)| *on)
}

fn read_require(reader: &mut Reader, entry: &Entry, on: On, select: &Select) -> Requires {
    if on == On::Instance {
        let help = "ask the image in [rule.select], or write on = \"series\"".to_string();
        let message = "a rule on = \"instance\" looks at each image by itself: \
            there is no selection that could have facts";
        reader.fault(&entry.key_span, message, help);
        return Requires::default();
    }
    let names: Vec<&str> = select.named.iter().map(|named| named.name.as_str()).collect();
    require::read(reader, &entry.node, on, &names)
}

fn run_entry(then: &Node) -> Option<&Entry> {
    let Toml::Table(entries) = &then.value else { return None };
    entries.iter().find(|entry| entry.key == "run")
}

/// A model gets one selection for each of its inputs. An unknown model is told elsewhere.
fn check_inputs(reader: &mut Reader, run: &Entry, on: On, select: &Select) {
    let Toml::Text(model) = &run.node.value else { return };
    let world = reader.world;
    let Some(model) = world.models.iter().find(|known| known.name == *model) else { return };
    let inputs = &model.inputs;
    if select.named.is_empty() {
        if inputs.len() > 1 {
            let listed = inputs.join("] and [rule.select.");
            let level = if on == On::Study { "" } else { "on = \"study\" and " };
            let help = format!("write {level}[rule.select.{listed}]");
            let (name, count) = (&model.name, inputs.len());
            let message =
                format!("the model \"{name}\" has {count} inputs; the rule has one selection");
            reader.fault(&run.node.span, message, help);
        }
        return;
    }
    for named in select.named.iter().filter(|named| !inputs.contains(&named.name)) {
        let noun = format!("the model \"{}\" has no input", model.name);
        reader.unknown_name(&named.span, &named.name, &noun, inputs);
    }
    for input in inputs.iter().filter(|input| !select.named.iter().any(|n| n.name == **input)) {
        let message =
            format!("the input \"{input}\" of the model \"{}\" has no selection", model.name);
        reader.fault(&run.node.span, message, format!("add [rule.select.{input}]"));
    }
}

/// A model looks at one series for each of its inputs.
fn check_series(reader: &mut Reader, entries: &[Entry]) {
    let Some(require) = entries.iter().find(|entry| entry.key == "require") else { return };
    let Toml::Table(lines) = &require.node.value else { return };
    let inner = lines.iter().filter_map(|line| match &line.node.value {
        Toml::Table(inner) => Some(inner.as_slice()),
        _ => None,
    });
    for line in std::iter::once(lines.as_slice()).chain(inner).flatten() {
        if line.key == "series" && matches!(&line.node.value, Toml::Text(text) if text == "all") {
            let help = "write \"only\", \"first\", \"last\" or \"most-images\"".to_string();
            reader.fault(&line.node.span, "a model analyses the images of one series", help);
        }
    }
}

/// Each selection with what it requires. A model wants one series, so that several are not guessed.
fn selections(select: Select, require: Requires, on: On, runs: bool) -> Vec<Selection> {
    let chosen = |series: Option<Series>| match on {
        On::Study if runs => series.unwrap_or(Series::Only),
        _ => series.unwrap_or(Series::All),
    };
    if select.named.is_empty() {
        let series = chosen(require.plain.series);
        let (conditions, require) = (select.conditions, require.plain);
        return vec![Selection { name: None, conditions, require, series }];
    }
    let mut requires = require.named;
    let selection = |named: select::Named| {
        let at = requires.iter().position(|(name, _)| *name == named.name);
        let require = at.map(|at| requires.swap_remove(at).1).unwrap_or_default();
        let series = chosen(require.series);
        Selection { name: Some(named.name), conditions: named.conditions, require, series }
    };
    select.named.into_iter().map(selection).collect()
}

fn unknown(reader: &mut Reader, entry: &Entry) {
    if then::KEYS.contains(&entry.key.as_str()) {
        let help = format!("write `{}` in [rule.then]", entry.key);
        let message = format!("`{}` is of what happens then", entry.key);
        return reader.fault(&entry.key_span, message, help);
    }
    reader.unknown_key(entry, "[[rule]]", &KEYS);
}
