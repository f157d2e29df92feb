//! What a manifest says of its boxes: the numbers of one, its score, its class, and how many count.

use super::super::written::{Inputs, Written, WrittenDetection, WrittenKind};
use super::super::{Activation, BoxTensor, Column, DetectionOutput, Part};
use super::Check;
use super::outputs::colour;

/// Each is a group of the report, with its outline on each slice.
const MOST_BOXES: usize = 1000;

impl Check<'_> {
    /// What boxes ask of the input.
    pub(super) fn boxes(&mut self, written: &Written<Inputs>) {
        let lead = written.input.iter().map(|(_, input)| input).find(|input| input.onto.is_none());
        let Some(lead) = lead else { return };
        let film = *lead.kind.get_ref() != WrittenKind::Volume;
        let windows = lead.windows.as_ref();
        let slices = windows.is_some_and(|windows| windows.get_ref().each.is_some());
        for (at, detection) in written.detections.iter().enumerate() {
            let flat = detection.columns.get_ref().iter().all(|column| column.axis != 0);
            let (fits, text) = match film || slices {
                true => (flat, "an image has boxes of rows and columns: four numbers each"),
                false => {
                    (!flat, "a volume has boxes of slices, rows and columns: six numbers each")
                }
            };
            self.require(fits, detection.columns.span(), text);
            let same = |other: &&WrittenDetection| {
                other.boxes.get_ref() == detection.boxes.get_ref()
                    && (other.columns.get_ref(), other.zero)
                        != (detection.columns.get_ref(), detection.zero)
            };
            let once = !written.detections[..at].iter().any(|other| same(&other));
            let text = "a detection above reads these boxes with other `columns` or another `zero`";
            self.require(once, detection.boxes.span(), text);
        }
    }

    pub(super) fn detection(&mut self, written: WrittenDetection) -> DetectionOutput {
        self.numbers_of_a_box(&written);
        let by_class = written.labels.is_none() && written.class.is_some();
        let softmax = *written.activation.get_ref() == Activation::Softmax;
        let text = "a softmax is over classes: name the `class` of these scores, without `labels`";
        self.require(by_class || !softmax, written.activation.span(), text);
        if let (Some(labels), None) = (&written.labels, &written.class) {
            self.fault(labels.span(), "say which `class` of these labels is meant");
        }
        for limit in [&written.score_at_least, &written.overlap_at_most] {
            let fits = (0.0..=1.0).contains(limit.get_ref());
            self.require(fits, limit.span(), "this is a number from 0 to 1");
        }
        let most = *written.most_boxes.get_ref();
        let text = format!("there are 1 to {MOST_BOXES} boxes in a report");
        self.require((1..=MOST_BOXES).contains(&most), written.most_boxes.span(), &text);
        let colour = colour(written.colour.get_ref());
        self.require(colour.is_some(), written.colour.span(), "a colour is #rrggbb");
        DetectionOutput {
            key: self.key(&written.key),
            // Room for the number of a box behind it.
            label: self.text("label", &written.label, 56),
            boxes: BoxTensor {
                tensor: self.text("boxes", &written.boxes, 255),
                columns: written.columns.into_inner(),
                zero: written.zero,
            },
            scores: self.text("scores", &written.scores, 255),
            labels: written.labels.map(|labels| self.text("labels", &labels, 255)),
            class: written.class.map(|class| *class.get_ref()),
            activation: *written.activation.get_ref(),
            score_at_least: *written.score_at_least.get_ref(),
            overlap_at_most: *written.overlap_at_most.get_ref(),
            most_boxes: most,
            scale: self.scale_of(&written.unit),
            finding: self.code(written.finding),
            site: written.site.map(|code| self.code(code)),
            method: written.method.map(|code| self.code(code)),
            concept: self.code(written.concept),
            unit: self.code(written.unit),
            colour: colour.unwrap_or_default(),
        }
    }

    /// Of each axis both ends, or the centre and the size, and nothing twice.
    fn numbers_of_a_box(&mut self, written: &WrittenDetection) {
        let columns = written.columns.get_ref();
        let has = |axis, part| columns.contains(&Column { axis, part });
        let told = |axis| match columns.iter().filter(|column| column.axis == axis).count() {
            0 => axis == 0,
            2 => {
                (has(axis, Part::Low) && has(axis, Part::High))
                    || (has(axis, Part::Centre) && has(axis, Part::Size))
            }
            _ => false,
        };
        let text = "a box has of each axis `low` and `high`, or `centre` and `size`, each once";
        self.require((0..3).all(told), written.columns.span(), text);
    }
}
