//! What a condition says of images: whether each fits, and what it found in them.

use super::judge::ImageFacts;
use super::select::{Condition, How, Test};
use super::subject::Subject;
use super::trace::{ConditionTrace, Found};
use std::collections::BTreeMap;

/// Distinct values that a trace shows.
const SHOWN: usize = 5;
/// Characters of one value that a trace shows.
pub(super) const SHOWN_CHARACTERS: usize = 64;

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

pub(super) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_string(),
    }
}
