//! Which images a rule sees: those that were received, less those that rules with `stop` took away.

use super::bits::Bits;
use super::columns::Columns;

#[derive(Debug, Clone)]
pub(super) struct Seen<'c> {
    pub(super) images: Bits,
    /// The rules with `stop` and what each of them took, in their order.
    stopped: Vec<(&'c str, Bits)>,
}

/// Rules with `stop` that a reason names.
const NAMED: usize = 3;

impl<'c> Seen<'c> {
    /// Everything but what this node made itself.
    pub(super) fn received(columns: &Columns<'c>) -> Self {
        Self {
            images: Bits::of(columns.images().iter().map(|image| !image.made_here)),
            stopped: Vec::new(),
        }
    }

    /// These images of it alone.
    pub(super) fn part(&self, images: &Bits) -> Self {
        Self { images: self.images.and(images), stopped: Vec::new() }
    }

    /// Takes images away. One that is gone already stays with the rule that took it first.
    pub(super) fn stop(&mut self, by: &'c str, images: &Bits) {
        let taken = self.images.and(images);
        if taken.is_empty() {
            return;
        }
        self.images = self.images.minus(&taken);
        match self.stopped.iter_mut().find(|(rule, _)| *rule == by) {
            Some((_, all)) => *all = all.or(&taken),
            None => self.stopped.push((by, taken)),
        }
    }

    /// Whether rules with `stop` have left nothing of what was received.
    pub(super) fn is_stopped(&self) -> bool {
        self.images.is_empty() && !self.stopped.is_empty()
    }

    /// `"phantoms", "screen shots"`.
    pub(super) fn stoppers(&self) -> String {
        self.told(|rule, _| format!("\"{rule}\""))
    }

    /// `3 stopped by "phantoms", 1 by "screen shots"`, as the rest of a sentence.
    pub(super) fn told_stops(&self) -> String {
        if self.stopped.is_empty() {
            return String::new();
        }
        format!("; stopped: {}", self.told(|rule, images| format!("{images} by \"{rule}\"")))
    }

    fn told(&self, tell: impl Fn(&str, usize) -> String) -> String {
        let named = self.stopped.iter().take(NAMED);
        let mut texts: Vec<String> =
            named.map(|(rule, images)| tell(rule, images.count())).collect();
        if let Some(more) = self.stopped.len().checked_sub(NAMED).filter(|more| *more > 0) {
            texts.push(format!("and {more} more"));
        }
        texts.join(", ")
    }
}
