//! What a manifest says of its masks as segments: which results have them, and which group measures which.

use super::super::ResultKind;
use super::super::written::{Inputs, Written};
use super::Check;
use crate::problem::suggestion;

impl Check<'_> {
    /// For each group the mask that it measures: by its `of`, or by that of all its measurements.
    pub(super) fn segments(&mut self, written: &Written<Inputs>) -> Vec<Option<String>> {
        self.segmented_results(written);
        let masks: Vec<&str> =
            written.segmentations.iter().map(|mask| mask.key.get_ref().as_str()).collect();
        let mut segments = Vec::with_capacity(written.groups.len());
        for group in &written.groups {
            let key = group.key.get_ref();
            let of_group = written.measurements.iter().filter(|m| m.group.get_ref() == key);
            let each: Vec<Option<&str>> = of_group
                .map(|measurement| measurement.of.as_ref().map(|of| of.get_ref().as_str()))
                .collect();
            let Some(of) = &group.of else {
                let one = each.first().copied().flatten();
                let all = each.iter().all(|other| *other == one);
                let asked = written.classifications.iter().map(|c| &c.group);
                let mut asked = asked.chain(written.choices.iter().map(|c| &c.group));
                let asked = asked.any(|group| group.get_ref() == key);
                segments.push(one.filter(|_| all && !asked).map(str::to_owned));
                continue;
            };
            let name = of.get_ref().as_str();
            let nearest = suggestion(name, masks.iter().copied());
            let text = format!("there is no segmentation `{name}`{nearest}");
            self.require(masks.contains(&name), of.span(), &text);
            let other = each.iter().flatten().any(|other| *other != name);
            let text = "a measurement of this group is of another segmentation";
            self.require(!other, of.span(), text);
            segments.push(Some(name.to_owned()));
        }
        segments
    }

    fn segmented_results(&mut self, written: &Written<Inputs>) {
        let results = written.results.get_ref();
        let fractional = results.contains(&ResultKind::FractionalSegmentation);
        let whole = [ResultKind::Segmentation, ResultKind::LabelMap];
        if !fractional && !whole.iter().any(|kind| results.contains(kind)) {
            return;
        }
        let text = "there is nothing to put into it: a segment is a [[segmentation]], with its `category` and `property`";
        self.require(!written.segmentations.is_empty(), written.results.span(), text);
        let without = written.segmentations.iter().filter(|mask| mask.at_least.is_none());
        for mask in without.filter(|_| fractional) {
            let text = "a fractional segmentation holds probabilities, and only `at-least` reads some: \
                        results = [\"segmentation\"]";
            self.fault(mask.key.span(), text);
        }
    }
}
