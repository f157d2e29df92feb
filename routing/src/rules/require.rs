//! `[rule.require]`: facts that the selected images must have together.

use super::bits::Bits;
use super::columns::Columns;
use super::dictionary;
use super::even::{lies_within, millimetres};
use super::reader::Reader;
use super::rule::Series;
use super::subject::{FACTS, SELECTION_FACTS};
use super::trace::{ConditionTrace, Found, Part};
use super::tree::{Entry, Node, Toml};

#[derive(Debug, Clone, Default)]
pub(super) struct Require {
    pub(super) images: Option<Images>,
    /// In this order they are looked at: `spacing`, then `spacing-mm`.
    pub(super) facts: Vec<SpaceFact>,
}

/// How many images must be selected.
#[derive(Debug, Clone)]
pub(super) struct Images {
    pub(super) min: usize,
    pub(super) max: usize,
    wanted: String,
}

/// A fact of how the selected images lie.
#[derive(Debug, Clone)]
pub(super) struct SpaceFact {
    pub(super) key: &'static str,
    wanted: String,
    test: SpaceTest,
}

#[derive(Debug, Clone, Copy)]
enum SpaceTest {
    Even,
    Step { min: f64, max: f64 },
}

pub(super) fn read(reader: &mut Reader, node: &Node) -> Require {
    let mut require = Require::default();
    for entry in reader.table(node, "require").unwrap_or_default() {
        match entry.key.as_str() {
            "images" => require.images = images(reader, entry),
            "spacing" => require.facts.extend(spacing(reader, entry)),
            "spacing-mm" => require.facts.extend(spacing_mm(reader, entry)),
            _ => unknown(reader, entry),
        }
    }
    require.facts.sort_by_key(|fact| fact.key);
    require
}

impl Images {
    pub(super) fn trace(&self, selected: usize) -> ConditionTrace {
        let holds = (self.min..=self.max).contains(&selected);
        trace("images", &self.wanted, selected.to_string(), holds, selected)
    }
}

impl SpaceFact {
    /// Whether the fact holds, and what was found. Without images there is nothing to find.
    pub(super) fn check(&self, columns: &Columns, images: &Bits) -> Result<String, String> {
        if images.is_empty() {
            return Err("no image is selected".to_string());
        }
        let stack = columns.stack(images)?;
        match self.test {
            SpaceTest::Even => Ok(match stack.even()? {
                Some(step) => format!("steps of {} mm", millimetres(step)),
                None => "one image".to_string(),
            }),
            SpaceTest::Step { min, max } => {
                let (least, most) = stack.extremes().ok_or("one image has no spacing")?;
                let found = match (millimetres(least), millimetres(most)) {
                    (least, most) if least == most => format!("steps of {least} mm"),
                    (least, most) => format!("steps of {least} to {most} mm"),
                };
                let holds = lies_within(least, min, max) && lies_within(most, min, max);
                if holds { Ok(found) } else { Err(format!("{found}, wanted {}", self.wanted)) }
            }
        }
    }

    pub(super) fn trace(
        &self,
        checked: &Result<String, String>,
        selected: usize,
    ) -> ConditionTrace {
        let (Ok(found) | Err(found)) = checked;
        let trace = trace(self.key, &self.wanted, found.clone(), checked.is_ok(), selected);
        let found = if selected == 0 { Vec::new() } else { trace.found };
        ConditionTrace { found, ..trace }
    }
}

impl Series {
    /// How many series fit, and how many images the one has that was taken.
    pub(super) fn trace(self, fitting: usize, taken: Option<usize>) -> ConditionTrace {
        let found = format!("{fitting} that {}", if fitting == 1 { "fits" } else { "fit" });
        trace("series", &format!("\"{}\"", self.word()), found, taken.is_some(), taken.unwrap_or(0))
    }
}

fn trace(key: &str, wanted: &str, found: String, holds: bool, selected: usize) -> ConditionTrace {
    ConditionTrace {
        part: Part::Require,
        selection: None,
        key: key.to_string(),
        wanted: wanted.to_string(),
        found: vec![Found { value: found, images: selected }],
        more: 0,
        holds,
        matched: if holds { selected } else { 0 },
        of: selected,
        left: None,
        inner: Vec::new(),
    }
}

fn images(reader: &mut Reader, entry: &Entry) -> Option<Images> {
    let wanted = entry.node.to_string();
    if let Toml::Integer(_) = entry.node.value {
        let exactly = reader.count(&entry.node, "images")?;
        return Some(Images { min: exactly, max: exactly, wanted });
    }
    let (min, max) = ends(reader, entry, Reader::count)?;
    let (min, max) = (min.unwrap_or(1), max.unwrap_or(usize::MAX));
    check_order(reader, entry, min > max)?;
    Some(Images { min, max, wanted })
}

fn spacing_mm(reader: &mut Reader, entry: &Entry) -> Option<SpaceFact> {
    let (min, max) = ends(reader, entry, Reader::number)?;
    let (min, max) = (min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY));
    check_order(reader, entry, min > max)?;
    if max <= 0.0 {
        reader.fault(&entry.node.span, "no step is 0 mm or less", None);
        return None;
    }
    let wanted = entry.node.to_string();
    Some(SpaceFact { key: "spacing-mm", wanted, test: SpaceTest::Step { min, max } })
}

fn spacing(reader: &mut Reader, entry: &Entry) -> Option<SpaceFact> {
    let text = reader.text_value(&entry.node, "spacing")?;
    if text != "even" {
        let help = "write spacing = \"even\"; for millimetres spacing-mm = { max = 2.5 }";
        reader.fault(&entry.node.span, format!("unknown spacing \"{text}\""), help.to_string());
        return None;
    }
    let wanted = entry.node.to_string();
    Some(SpaceFact { key: "spacing", wanted, test: SpaceTest::Even })
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
