//! `[rule.require]`: facts that the selected images must have together.

use super::bits::Bits;
use super::columns::Columns;
use super::dictionary::{self, Words, nearest};
use super::even::{lies_within, millimetres};
use super::fact::FACTS;
use super::reader::Reader;
use super::rule::{On, Series};
use super::subject::SELECTION_FACTS;
use super::trace::{ConditionTrace, Found, Part};
use super::tree::{Entry, Node, Toml};
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub(super) struct Require {
    pub(super) images: Option<Images>,
    /// They are looked at in this order: that of the alphabet.
    pub(super) facts: Vec<SelectionFact>,
    /// Of which series of the study; none when the rule leaves that open.
    pub(super) series: Option<Series>,
}

/// What `[rule.require]` holds, and `[rule.require.NAME]` for selections with a name.
#[derive(Debug, Default)]
pub(super) struct Requires {
    pub(super) plain: Require,
    pub(super) named: Vec<(String, Require)>,
}

/// How many images must be selected.
#[derive(Debug, Clone)]
pub(super) struct Images {
    pub(super) min: usize,
    pub(super) max: usize,
    wanted: Arc<str>,
}

/// A fact of the selected images together.
#[derive(Debug, Clone)]
pub(super) struct SelectionFact {
    pub(super) key: &'static str,
    wanted: Arc<str>,
    test: FactTest,
}

#[derive(Debug, Clone)]
enum FactTest {
    Even,
    Step { min: f64, max: f64 },
    Gaps { min: usize, max: usize },
    Planes(Vec<&'static str>),
    Frames { min: usize, max: usize },
}

/// Reads the table of a rule whose selections have these names.
pub(super) fn read(reader: &mut Reader, node: &Node, on: On, names: &[&str]) -> Requires {
    let mut requires = Requires::default();
    for entry in reader.table(node, "require").unwrap_or_default() {
        let inner = match &entry.node.value {
            Toml::Table(inner) if !SELECTION_FACTS.contains(&entry.key.as_str()) => Some(inner),
            _ => None,
        };
        let is_fact = |line: &Entry| SELECTION_FACTS.contains(&line.key.as_str());
        match inner {
            Some(inner) if names.contains(&entry.key.as_str()) => {
                let mut require = Require::default();
                for line in inner {
                    fact(reader, line, on, &mut require);
                }
                require.facts.sort_by_key(|fact| fact.key);
                requires.named.push((entry.key.clone(), require));
            }
            Some(inner) if inner.is_empty() || inner.iter().any(is_fact) => {
                without_selection(reader, entry, names);
            }
            _ if names.is_empty() || !is_fact(entry) => {
                fact(reader, entry, on, &mut requires.plain);
            }
            _ => {
                let message = format!("it is not said of which selection `{}` is", entry.key);
                let help =
                    format!("write it in [rule.require.{}]", names.join("] or [rule.require."));
                reader.fault(&entry.key_span, message, help);
            }
        }
    }
    requires.plain.facts.sort_by_key(|fact| fact.key);
    requires
}

/// `[rule.require.NAME]` without `[rule.select.NAME]`.
fn without_selection(reader: &mut Reader, entry: &Entry, names: &[&str]) {
    let help = match nearest(&entry.key, names.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if names.is_empty() => format!("add [rule.select.{}]", entry.key),
        None => format!("known: {}", names.join(", ")),
    };
    let message = format!("there is no selection \"{}\"", entry.key);
    reader.fault(&entry.key_span, message, help);
}

fn fact(reader: &mut Reader, entry: &Entry, on: On, require: &mut Require) {
    match entry.key.as_str() {
        "images" => require.images = images(reader, entry),
        "series" => require.series = series(reader, entry, on),
        "spacing" => require.facts.extend(spacing(reader, entry)),
        "spacing-mm" => require.facts.extend(spacing_mm(reader, entry)),
        "gaps" => require.facts.extend(gaps(reader, entry)),
        "orientation" => require.facts.extend(orientation(reader, entry)),
        "frames" => require.facts.extend(frames(reader, entry)),
        _ => unknown(reader, entry),
    }
}

impl Images {
    pub(super) fn trace(&self, selected: usize) -> ConditionTrace {
        let holds = (self.min..=self.max).contains(&selected);
        trace("images", &self.wanted, selected.to_string(), holds, selected)
    }
}

impl SelectionFact {
    /// Whether the fact holds, and what was found. Without images there is nothing to find.
    pub(super) fn check(&self, columns: &Columns, images: &Bits) -> Result<String, String> {
        if images.is_empty() {
            return Err("no image is selected".to_string());
        }
        match &self.test {
            FactTest::Even => Ok(match columns.stack(images)?.even()? {
                Some(step) => format!("steps of {} mm", millimetres(step)),
                None => "one image".to_string(),
            }),
            FactTest::Step { min, max } => {
                let (least, most) =
                    columns.stack(images)?.extremes().ok_or("one image has no spacing")?;
                let found = match (millimetres(least), millimetres(most)) {
                    (least, most) if least == most => format!("steps of {least} mm"),
                    (least, most) => format!("steps of {least} to {most} mm"),
                };
                self.said(found, lies_within(least, *min, *max) && lies_within(most, *min, *max))
            }
            FactTest::Gaps { min, max } => {
                let gaps = columns.stack(images)?.gaps();
                self.said(counted(gaps, "gap"), (min..=max).contains(&&gaps))
            }
            FactTest::Planes(wanted) => self.planes(columns, images, wanted),
            FactTest::Frames { min, max } => {
                let frames = images.iter().map(|at| columns.frames()[at] as usize).sum();
                self.said(counted(frames, "frame"), (min..=max).contains(&&frames))
            }
        }
    }

    /// One that is not wanted is told, rather than all that are.
    fn planes(&self, columns: &Columns, images: &Bits, wanted: &[&str]) -> Result<String, String> {
        let mut found = "";
        for at in images.iter() {
            match columns.planes()[at] {
                None => return Err("an image does not say how it lies".to_string()),
                Some(plane) if wanted.contains(&plane) => found = plane,
                Some(plane) => return self.said(plane.to_string(), false),
            }
        }
        Ok(found.to_string())
    }

    fn said(&self, found: String, holds: bool) -> Result<String, String> {
        if holds { Ok(found) } else { Err(format!("{found}, wanted {}", self.wanted)) }
    }

    pub(super) fn trace(
        &self,
        checked: &Result<String, String>,
        selected: usize,
    ) -> ConditionTrace {
        let (Ok(found) | Err(found)) = checked;
        let trace = trace(self.key, &self.wanted, found.clone(), checked.is_ok(), selected);
        let found = if selected == 0 { Arc::default() } else { trace.found };
        ConditionTrace { found, ..trace }
    }
}

impl Series {
    /// How many series fit, and how many images the one has that was taken.
    pub(super) fn trace(self, fitting: usize, taken: Option<usize>) -> ConditionTrace {
        let found = format!("{fitting} that {}", if fitting == 1 { "fits" } else { "fit" });
        let wanted = format!("\"{}\"", self.word()).into();
        trace("series", &wanted, found, taken.is_some(), taken.unwrap_or(0))
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn trace(
    key: &str,
    wanted: &Arc<str>,
    found: String,
    holds: bool,
    selected: usize,
) -> ConditionTrace {
    ConditionTrace {
        part: Part::Require,
        selection: None,
        key: key.into(),
        wanted: wanted.clone(),
        found: Arc::new([Found { value: found, images: selected }]),
        more: 0,
        holds,
        matched: if holds { selected } else { 0 },
        of: selected,
        left: None,
        inner: Vec::new(),
    }
}

fn images(reader: &mut Reader, entry: &Entry) -> Option<Images> {
    let (min, max) = counts(reader, entry, Reader::count, 1)?;
    Some(Images { min, max, wanted: entry.node.to_string().into() })
}

fn frames(reader: &mut Reader, entry: &Entry) -> Option<SelectionFact> {
    let (min, max) = counts(reader, entry, Reader::count, 1)?;
    let wanted = entry.node.to_string().into();
    Some(SelectionFact { key: "frames", wanted, test: FactTest::Frames { min, max } })
}

fn gaps(reader: &mut Reader, entry: &Entry) -> Option<SelectionFact> {
    let (min, max) = counts(reader, entry, Reader::whole, 0)?;
    let wanted = entry.node.to_string().into();
    Some(SelectionFact { key: "gaps", wanted, test: FactTest::Gaps { min, max } })
}

/// Reads a number, or a table of `min` and `max`.
fn counts<'r>(
    reader: &mut Reader<'r>,
    entry: &Entry,
    number: fn(&mut Reader<'r>, &Node, &str) -> Option<usize>,
    least: usize,
) -> Option<(usize, usize)> {
    if let Toml::Integer(_) = entry.node.value {
        let exactly = number(reader, &entry.node, &entry.key)?;
        return Some((exactly, exactly));
    }
    let (min, max) = ends(reader, entry, number)?;
    let (min, max) = (min.unwrap_or(least), max.unwrap_or(usize::MAX));
    check_order(reader, entry, min > max)?;
    Some((min, max))
}

fn orientation(reader: &mut Reader, entry: &Entry) -> Option<SelectionFact> {
    let nodes = match entry.node.value {
        Toml::Array(_) => reader.list(&entry.node, "orientation")?,
        _ => std::slice::from_ref(&entry.node),
    };
    let known: Vec<String> = Words::ORIENTATIONS.iter().map(|word| word.to_string()).collect();
    let mut planes = Vec::new();
    for node in nodes {
        let text = reader.text_value(node, "orientation")?;
        match Words::ORIENTATIONS.iter().find(|word| **word == text) {
            Some(plane) => planes.push(*plane),
            None => {
                reader.unknown_name(&node.span, text, "`orientation` is never", &known);
                return None;
            }
        }
    }
    let wanted = entry.node.to_string().into();
    Some(SelectionFact { key: "orientation", wanted, test: FactTest::Planes(planes) })
}

fn series(reader: &mut Reader, entry: &Entry, on: On) -> Option<Series> {
    const KNOWN: [(&str, Series); 5] = [
        ("only", Series::Only),
        ("first", Series::First),
        ("last", Series::Last),
        ("most-images", Series::MostImages),
        ("all", Series::All),
    ];
    if on != On::Study {
        let help = "write on = \"study\", or leave it out".to_string();
        let message = "`series` chooses among the series of a study; this rule looks at one series";
        reader.fault(&entry.key_span, message, help);
        return None;
    }
    let text = reader.text_value(&entry.node, "series")?;
    let found = KNOWN.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let known = KNOWN.map(|(word, _)| word.to_string());
        reader.unknown_name(&entry.node.span, text, "`series` is never", &known);
    }
    found.map(|(_, series)| *series)
}

fn spacing_mm(reader: &mut Reader, entry: &Entry) -> Option<SelectionFact> {
    let (min, max) = ends(reader, entry, Reader::number)?;
    let (min, max) = (min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY));
    check_order(reader, entry, min > max)?;
    if max <= 0.0 {
        reader.fault(&entry.node.span, "no step is 0 mm or less", None);
        return None;
    }
    let wanted = entry.node.to_string().into();
    Some(SelectionFact { key: "spacing-mm", wanted, test: FactTest::Step { min, max } })
}

fn spacing(reader: &mut Reader, entry: &Entry) -> Option<SelectionFact> {
    let text = reader.text_value(&entry.node, "spacing")?;
    if text != "even" {
        let help = "write spacing = \"even\"; for millimetres spacing-mm = { max = 2.5 }";
        reader.fault(&entry.node.span, format!("unknown spacing \"{text}\""), help.to_string());
        return None;
    }
    let wanted = entry.node.to_string().into();
    Some(SelectionFact { key: "spacing", wanted, test: FactTest::Even })
}

/// Reads `{ min = .., max = .. }`, one of which may be left out.
fn ends<'r, T>(
    reader: &mut Reader<'r>,
    entry: &Entry,
    number: fn(&mut Reader<'r>, &Node, &str) -> Option<T>,
) -> Option<(Option<T>, Option<T>)> {
    let before = reader.faults.len();
    let Toml::Table(entries) = &entry.node.value else {
        let help = format!("write {} = {{ min = .., max = .. }}", entry.key);
        let message = format!("`{}` must be a table, not {}", entry.key, reader.shown(&entry.node));
        reader.fault(&entry.node.span, message, help);
        return None;
    };
    if entries.is_empty() {
        reader.fault(&entry.node.span, format!("`{}` says nothing", entry.key), None);
    }
    let (mut min, mut max) = (None, None);
    for end in entries {
        match end.key.as_str() {
            "min" => min = number(reader, &end.node, "min"),
            "max" => max = number(reader, &end.node, "max"),
            _ => reader.unknown_key(end, &format!("`{}`", entry.key), &["min", "max"]),
        }
    }
    (reader.faults.len() == before).then_some((min, max))
}

fn check_order(reader: &mut Reader, entry: &Entry, wrong: bool) -> Option<()> {
    if wrong {
        let message = format!("`min` of {} is above its `max`", entry.key);
        reader.fault(&entry.node.span, message, "nothing lies between them".to_string());
        return None;
    }
    Some(())
}

fn unknown(reader: &mut Reader, entry: &Entry) {
    let of_an_image = FACTS.iter().any(|(name, _)| *name == entry.key)
        || dictionary::keyword(&entry.key).is_ok()
        || ["any", "none", "all"].contains(&entry.key.as_str());
    if of_an_image {
        let help = format!("write `{}` in [rule.select]", entry.key);
        let message = format!("`{}` is of one image, not of the selection", entry.key);
        return reader.fault(&entry.key_span, message, help);
    }
    reader.unknown_key(entry, "[rule.require]", &SELECTION_FACTS);
}
