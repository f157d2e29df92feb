//! What a condition says of images: how many fit, and what was found in them.

use super::bits::Bits;
use super::column::Shown;
use super::columns::{Answer, Columns};
use super::dictionary::Kind;
use super::judge::ImageFacts;
use super::select::{Condition, How, Test};
use super::subject::{Held, Subject};
use super::trace::ConditionTrace;
use gantry_terms::header::Layered;

/// Distinct values that a trace shows.
pub(super) const SHOWN: usize = 5;
/// Characters of one value that a trace shows.
pub(super) const SHOWN_CHARACTERS: usize = 64;

impl Condition {
    /// Whether one image fits: what [`Columns::answer`] says of many, said of one at a time. Of an
    /// item in a sequence there is no other way.
    pub(super) fn matches(&self, image: &ImageFacts) -> bool {
        match &self.test {
            Test::Value { subject, wanted } => wanted.matches(&subject.held(image)),
            Test::Item { sequence, conditions } => some_item_fits(sequence, conditions, image),
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
    pub(super) fn trace<'c>(
        &'c self,
        answer: &Answer,
        columns: &Columns<'c>,
        images: &Bits,
    ) -> ConditionTrace {
        let shown = self.found(columns, images);
        let inner = match &self.test {
            Test::Groups { groups, .. } => {
                let both = groups.iter().zip(&answer.groups);
                both.map(|(group, fits)| trace_group(group, fits, columns, images)).collect()
            }
            Test::Value { .. } | Test::Item { .. } => Vec::new(),
        };
        let (matched, of) = (answer.fits.and(images).count(), images.count());
        let (key, wanted) = (self.key.clone(), self.wanted.clone());
        ConditionTrace {
            found: shown.found,
            more: shown.more,
            inner,
            ..ConditionTrace::select(key, wanted, matched, of)
        }
    }

    fn found<'c>(&'c self, columns: &Columns<'c>, images: &Bits) -> Shown {
        match &self.test {
            Test::Value { subject, .. } | Test::Item { sequence: subject, .. } => {
                Shown::clone(&columns.found(subject, images))
            }
            Test::Groups { .. } => Shown::default(),
        }
    }

    /// What was found and what was wanted, for the reason of a verdict.
    pub(super) fn contrast<'c>(&'c self, columns: &Columns<'c>, images: &Bits) -> String {
        let Test::Groups { groups, .. } = &self.test else {
            let wanted = shortened(&self.wanted, 2 * SHOWN_CHARACTERS);
            return format!("found {}, wanted {wanted}", self.found(columns, images).text());
        };
        let mut found: Vec<String> = Vec::new();
        for condition in groups.iter().flatten().filter(|c| !matches!(c.test, Test::Groups { .. }))
        {
            let text = format!("{} {}", condition.key, condition.found(columns, images).text());
            if !found.contains(&text) {
                found.push(text);
            }
        }
        format!("found {}", shortened(&found.join("; "), 4 * SHOWN_CHARACTERS))
    }
}

/// Whether one item of the sequence fits all conditions.
pub(super) fn some_item_fits(
    sequence: &Subject,
    conditions: &[Condition],
    image: &ImageFacts,
) -> bool {
    sequence.some_item(image.header, |item| {
        let inside = ImageFacts { header: Layered::whole(item), ..*image };
        conditions.iter().all(|condition| condition.matches(&inside))
    })
}

/// A group of one condition is that condition.
fn trace_group<'c>(
    group: &'c [Condition],
    fits: &Bits,
    columns: &Columns<'c>,
    images: &Bits,
) -> ConditionTrace {
    let mut inner: Vec<ConditionTrace> =
        group.iter().map(|condition| columns.trace(condition, images)).collect();
    if inner.len() == 1 {
        return inner.remove(0);
    }
    let matched = fits.and(images).count();
    let wanted = format!("all {} conditions", group.len()).into();
    ConditionTrace {
        inner,
        ..ConditionTrace::select("group".into(), wanted, matched, images.count())
    }
}

/// The values of one image as a trace shows them.
pub(super) fn shown(subject: &Subject, held: &[Held]) -> String {
    match held {
        [] => "(absent)".to_string(),
        items if subject.kind() == Kind::Sequence => match items.len() {
            1 => "1 item".to_string(),
            count => format!("{count} items"),
        },
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
