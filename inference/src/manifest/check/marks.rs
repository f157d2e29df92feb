//! Whether a manifest finds anything that images can be flagged for.

use super::super::ResultKind;
use super::super::written::{Inputs, Written};
use super::Check;
use gantry_terms::findings::is_abnormal;

impl Check<'_> {
    pub(super) fn marks(&mut self, written: &Written<Inputs>) {
        if !written.results.get_ref().contains(&ResultKind::KeyObjects) {
            return;
        }
        let abnormal =
            written.segmentations.iter().any(|mask| is_abnormal(mask.category.get_ref()));
        let found = !written.detections.is_empty() || !written.classifications.is_empty();
        let text = "there is nothing to flag images for: key objects show a [[detection]], a \
                    [[classification]], or a [[segmentation]] whose category is (49755003, SCT)";
        self.require(found || abnormal, written.results.span(), text);
    }
}
