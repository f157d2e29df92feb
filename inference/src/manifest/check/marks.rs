//! Whether a manifest finds anything that images can be flagged for, or that can be drawn over them.

use super::super::ResultKind;
use super::super::image::Colour;
use super::super::written::{Inputs, Written};
use super::Check;
use gantry_terms::findings::is_abnormal;

impl Check<'_> {
    pub(super) fn marks(&mut self, written: &Written<Inputs>) {
        let asks_for = |kind| written.results.get_ref().contains(&kind);
        if asks_for(ResultKind::KeyObjects) {
            self.flagged(written);
        }
        if asks_for(ResultKind::PresentationState) {
            self.drawn(written);
        }
    }

    fn flagged(&mut self, written: &Written<Inputs>) {
        let mut masks = written.segmentations.iter();
        let abnormal = masks.any(|mask| is_abnormal(mask.category.get_ref()));
        let found = !written.detections.is_empty() || !written.classifications.is_empty();
        let text = "there is nothing to flag images for: key objects show a [[detection]], a \
                    [[classification]], or a [[segmentation]] whose category is (49755003, SCT)";
        self.require(found || abnormal, written.results.span(), text);
    }

    fn drawn(&mut self, written: &Written<Inputs>) {
        let outlines = !written.detections.is_empty() || !written.segmentations.is_empty();
        let text = "there is nothing to draw: a presentation state outlines a [[detection]] or a [[segmentation]]";
        self.require(outlines, written.results.span(), text);
        let images = written.input.iter().filter_map(|(_, input)| input.image.as_ref());
        let coloured = images.filter(|image| image.get_ref().colour != Colour::Grey).count();
        let text = "a presentation state is of grey images: colour = \"grey\"";
        self.require(coloured == 0, written.results.span(), text);
    }
}
