//! What a rule looked at and what it found there: the answer to "why did this series (not) run?"

use super::bits::{Bits, WORD};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One condition of a rule, looked at on its own. It is stored and printed, so what identifies a
/// patient is never in it (see `Subject::shows`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConditionTrace {
    pub part: Part,
    /// Whose condition it is, as in `[rule.select.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// The keyword or fact; `any`, `none`, `all`; `group` for several conditions inside of those.
    pub key: Arc<str>,
    /// As the rule has it, without its comments; of a combination how many groups it has.
    pub wanted: Arc<str>,
    /// The most frequent values, at most five.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub found: Arc<[Found]>,
    /// How many further values there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Select: some image matches. Require: the fact holds.
    pub holds: bool,
    /// Select: images that match this condition, whatever the others say. Require: the selected
    /// images if the fact holds, else 0.
    pub matched: usize,
    /// Images that were looked at.
    pub of: usize,
    /// Select: images that are left after this condition and those above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<usize>,
    /// The groups of `any`, `none`, `all`, and the conditions of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<ConditionTrace>,
}

/// A value and how many images have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub value: String,
    pub images: usize,
}

/// What became of one image in one selection of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    Selected,
    /// The first condition that it does not fit, counted from 0 in the order of the rule.
    Condition(u16),
    /// This node made it.
    Made,
    /// A rule with `stop` took it away, or its series.
    Stopped,
    /// It fits, but another series of the study was taken.
    OtherSeries,
    /// It fits, but its series lacks what `[rule.require]` wants.
    Unfit,
    /// It fits, but is a result of an algorithm, and the rule, which runs a model, does not ask for such.
    Result,
}

/// The fates of all images in the order in which they were given, equal neighbours together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fates(Vec<(Fate, u32)>);

impl Fates {
    pub(super) fn of(fates: impl Iterator<Item = Fate>) -> Self {
        let mut all = Self::default();
        fates.for_each(|fate| all.push(fate, 1));
        all
    }

    /// Of so many images: each has the fate of the first set that holds it.
    pub(super) fn by_sets(
        images: usize,
        sets: &[(Bits, Fate)],
        other: impl Fn(usize) -> Fate,
    ) -> Self {
        let mut all = Self::default();
        for start in (0..images).step_by(WORD) {
            let range = start..images.min(start + WORD);
            let first = sets.iter().find_map(|(set, fate)| match set.some_and_all(&range) {
                (false, _) => None,
                (true, holds_all) => Some((*fate, holds_all)),
            });
            if let Some((fate, true)) = first {
                all.push(fate, range.len() as u32);
                continue;
            }
            for at in range {
                let found = sets.iter().find(|(set, _)| set.contains(at));
                all.push(found.map_or_else(|| other(at), |(_, fate)| *fate), 1);
            }
        }
        all
    }

    fn push(&mut self, fate: Fate, images: u32) {
        match self.0.last_mut() {
            Some((last, count)) if *last == fate => *count += images,
            _ => self.0.push((fate, images)),
        }
    }

    /// One for each image.
    pub fn iter(&self) -> impl Iterator<Item = Fate> + '_ {
        self.0.iter().flat_map(|(fate, count)| std::iter::repeat_n(*fate, *count as usize))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Select,
    Require,
}

fn is_empty(found: &[Found]) -> bool {
    found.is_empty()
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl ConditionTrace {
    pub(super) fn select(key: Arc<str>, wanted: Arc<str>, matched: usize, of: usize) -> Self {
        Self {
            part: Part::Select,
            selection: None,
            key,
            wanted,
            found: Arc::default(),
            more: 0,
            holds: matched > 0,
            matched,
            of,
            left: None,
            inner: Vec::new(),
        }
    }

    /// The values found, the most frequent first: `"B70f" in 30, (absent) in 2`.
    pub fn found_text(&self) -> String {
        found_text(&self.found, self.more)
    }
}

pub(super) fn found_text(found: &[Found], more: usize) -> String {
    let mut texts: Vec<String> = match found {
        [] => vec!["nothing".into()],
        [only] => vec![only.value.clone()],
        several => several.iter().map(|f| format!("{} in {}", f.value, f.images)).collect(),
    };
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

impl fmt::Display for ConditionTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: ", self.key, self.wanted)?;
        match (self.part, self.holds) {
            (Part::Select, _) => write!(f, "{} of {}", self.matched, self.of)?,
            (Part::Require, true) => write!(f, "holds")?,
            (Part::Require, false) => write!(f, "fails")?,
        }
        if !self.found.is_empty() {
            write!(f, ", found {}", self.found_text())?;
        }
        for inner in &self.inner {
            write!(f, "\n  {}", inner.to_string().replace('\n', "\n  "))?;
        }
        Ok(())
    }
}
