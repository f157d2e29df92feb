//! What a manifest says of its classifications: a group with a finding each, and probabilities.

use super::super::ClassificationOutput;
use super::super::written::{Inputs, Written, WrittenClassification};
use super::Check;
use gantry_terms::code::Code;
use std::collections::BTreeSet;
use toml::Spanned;

/// Units of a probability, and what 1 is in them.
const UNITS: [(&str, f64); 2] = [("1", 1.0), ("%", 100.0)];

impl Check<'_> {
    /// What classifications say about their groups.
    pub(super) fn answers(&mut self, written: &Written<Inputs>) {
        let mut answered = BTreeSet::new();
        for classification in &written.classifications {
            let name = &classification.group;
            let mut groups = written.groups.iter();
            let group = groups.find(|group| group.key.get_ref() == name.get_ref());
            let has_finding = group.is_none_or(|group| group.finding.is_some());
            let text = "this group has no `finding`: a classification says whether one is there";
            self.require(has_finding, name.span(), text);
            let first = answered.insert(name.get_ref().as_str());
            let text =
                "a classification above answers for this group already: one finding, one group";
            self.require(first, name.span(), text);
        }
    }

    /// What 1 is in the unit of a probability.
    pub(super) fn scale_of(&mut self, unit: &Spanned<Code>) -> f64 {
        let code = unit.get_ref();
        let known = UNITS.iter().find(|(value, _)| code.scheme == "UCUM" && code.value == *value);
        let text = "the unit of a probability is `1` or `%`, of the scheme UCUM";
        self.require(known.is_some(), unit.span(), text);
        known.map_or(1.0, |(_, scale)| *scale)
    }

    pub(super) fn classification(
        &mut self,
        written: WrittenClassification,
    ) -> ClassificationOutput {
        let scale = self.scale_of(&written.unit);
        let present_at_least = *written.present_at_least.get_ref();
        let absent = written.absent_below.as_ref();
        let absent_below = absent.map_or(present_at_least, |below| *below.get_ref());
        for limit in [Some(&written.present_at_least), absent].into_iter().flatten() {
            let fits = (0.0..=1.0).contains(limit.get_ref());
            self.require(fits, limit.span(), "a probability is from 0 to 1");
        }
        let span = absent.map_or_else(|| written.present_at_least.span(), Spanned::span);
        let text = "`absent-below` is not above `present-at-least`";
        self.require(absent_below <= present_at_least, span, text);
        ClassificationOutput {
            key: self.key(&written.key),
            group: written.group.into_inner(),
            tensor: self.text("tensor", &written.tensor, 255),
            class: *written.class.get_ref(),
            activation: written.activation,
            present_at_least,
            absent_below,
            concept: self.code(written.concept),
            unit: self.code(written.unit),
            scale,
        }
    }
}
