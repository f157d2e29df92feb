//! What a manifest says of its outputs: numbers, masks, and that they name each other.

use super::super::outputs::FigureName;
use super::super::written::{
    Inputs, Written, WrittenInput, WrittenMeasurement, WrittenSegmentation,
};
use super::super::{
    Activation, AtLeast, Axes, Back, Cleaning, Figure, MeasurementOutput, MeasurementSource,
    Reading, SegmentationOutput,
};
use super::Check;
use crate::problem::{ModelProblem, suggestion};
use std::collections::BTreeSet;
/// Units of volume, and what a mm3 is in them.
const VOLUMES: [(&str, f64); 4] = [("mL", 1e-3), ("cm3", 1e-3), ("mm3", 1.0), ("uL", 1.0)];

/// Units of area, and what a mm2 is in them; none: in pixels.
const AREAS: [(&str, Option<f64>); 3] =
    [("cm2", Some(1e-2)), ("mm2", Some(1.0)), ("{pixels}", None)];

impl Check<'_> {
    /// What one part says about another: keys occur once, groups exist and are used.
    pub(super) fn references(&mut self, written: &Written<Inputs>) {
        let mut groups = BTreeSet::new();
        for group in &written.groups {
            let first = groups.insert(group.key.get_ref().as_str());
            self.require(first, group.key.span(), "this key is taken by a group above");
        }
        let mut outputs = BTreeSet::new();
        let measurements = written.measurements.iter().map(|m| &m.key);
        let classifications = written.classifications.iter().map(|c| &c.key);
        let choices = written.choices.iter().map(|c| &c.key);
        let masks = written.segmentations.iter().map(|s| &s.key);
        let boxes = written.detections.iter().map(|d| &d.key);
        let images = written.images.iter().map(|image| &image.key);
        let numbers = measurements.chain(classifications).chain(choices);
        for key in numbers.chain(masks).chain(boxes).chain(images) {
            let first = outputs.insert(key.get_ref().as_str());
            self.require(first, key.span(), "this key is taken by an output above");
        }
        let measured = written.measurements.iter().map(|m| &m.group);
        let chosen = written.choices.iter().map(|c| &c.group);
        let asked = written.classifications.iter().map(|c| &c.group).chain(chosen);
        let named = || measured.clone().chain(asked.clone());
        for written in named() {
            let group = written.get_ref().as_str();
            if !groups.contains(group) {
                let nearest = suggestion(group, groups.iter().copied());
                self.fault(written.span(), &format!("there is no group `{group}`{nearest}"));
            }
        }
        self.answers(written);
        self.questions(written);
        self.boxes(written);
        self.images(written);
        self.measured(written);
        let masks: BTreeSet<&str> =
            written.segmentations.iter().map(|s| s.key.get_ref().as_str()).collect();
        for of in written.measurements.iter().filter_map(|m| m.of.as_ref()) {
            let key = of.get_ref().as_str();
            let nearest = suggestion(key, masks.iter().copied());
            let text = format!("there is no segmentation `{key}`{nearest}");
            self.require(masks.contains(key), of.span(), &text);
        }
        let three = |(_, input): &(_, WrittenInput)| *input.axes.get_ref() == Axes::SliceRowColumn;
        if written.input.iter().any(three) {
            for class in written.segmentations.iter().filter_map(|s| s.class.as_ref()) {
                let text = "scores of classes need axes = \"batch-channel-slice-row-column\"";
                self.fault(class.span(), text);
            }
        }
        for group in &written.groups {
            let used = named().any(|named| named.get_ref() == group.key.get_ref());
            self.require(
                used,
                group.key.span(),
                "no measurement, classification or choice is in this group",
            );
        }
        if outputs.is_empty() {
            let text = "a model gives at least one [[measurement]], [[classification]], [[choice]], \
                        [[segmentation]], [[detection]] or [[image]]";
            self.problems.push(ModelProblem::of_file(self.file, text));
        }
    }

    pub(super) fn measurement(&mut self, written: WrittenMeasurement) -> MeasurementOutput {
        let ucum = written.unit.get_ref().scheme == "UCUM";
        self.require(ucum, written.unit.span(), "a unit is of the scheme UCUM");
        let scale = written.scale.as_ref().map_or(1.0, |scale| *scale.get_ref());
        if let Some(written) = &written.scale {
            let fits = scale.is_finite() && scale != 0.0;
            self.require(fits, written.span(), "a scale is a number other than 0");
        }
        MeasurementOutput {
            source: self.source(&written),
            key: self.key(&written.key),
            group: written.group.into_inner(),
            concept: self.code(written.concept),
            derivation: written.derivation.map(|code| self.code(code)),
            unit: self.code(written.unit),
            scale,
        }
    }

    /// Either an element of a tensor, or a figure of a mask.
    fn source(&mut self, written: &WrittenMeasurement) -> MeasurementSource {
        let nothing = MeasurementSource::Tensor { tensor: String::new(), index: 0 };
        let figure = match (&written.figure, &written.percentile) {
            (Some(figure), None) => self.figure(*figure.get_ref(), written),
            (None, Some(percent)) => {
                let fits = (0.0..=100.0).contains(percent.get_ref());
                self.require(fits, percent.span(), "a percentile is a number from 0 to 100");
                Some(Figure::Percentile(*percent.get_ref()))
            }
            _ => None,
        };
        match (&written.tensor, &written.index, &written.of, figure) {
            (Some(tensor), Some(index), None, None) => MeasurementSource::Tensor {
                tensor: self.text("tensor", tensor, 255),
                index: *index.get_ref(),
            },
            (None, None, Some(of), Some(figure)) => {
                MeasurementSource::Mask { segmentation: of.get_ref().clone(), figure }
            }
            _ => {
                let text = "a measurement has `tensor` and `index`, or `of`, the key of a \
                            segmentation, and `figure` or `percentile`";
                self.fault(written.key.span(), text);
                nothing
            }
        }
    }

    fn figure(&mut self, name: FigureName, written: &WrittenMeasurement) -> Option<Figure> {
        Some(match name {
            FigureName::Mean => Figure::Mean,
            FigureName::StandardDeviation => Figure::StandardDeviation,
            FigureName::Minimum => Figure::Minimum,
            FigureName::Maximum => Figure::Maximum,
            FigureName::Sum => Figure::Sum,
            FigureName::Count => {
                let unit = &written.unit.get_ref().value;
                let counts = unit == "1" || unit.starts_with('{');
                let text = "a count is in 1, or in what is counted, as in {nodules}";
                self.require(counts, written.unit.span(), text);
                Figure::Count
            }
            FigureName::Area => {
                let unit = &written.unit.get_ref().value;
                let known = AREAS.iter().find(|(name, _)| name == unit);
                let text = "an area is in cm2, mm2 or {pixels}";
                self.require(known.is_some(), written.unit.span(), text);
                Figure::Area(known.and_then(|(_, of_mm2)| *of_mm2))
            }
            FigureName::Volume => {
                let unit = &written.unit.get_ref().value;
                let known = VOLUMES.iter().find(|(name, _)| name == unit);
                let text = "a volume is in mL, cm3, mm3 or uL";
                self.require(known.is_some(), written.unit.span(), text);
                Figure::Volume(known.map_or(1.0, |(_, of_mm3)| *of_mm3))
            }
        })
    }

    /// One of three ways to read a tensor as a mask.
    fn reading(&mut self, written: &WrittenSegmentation) -> Reading {
        self.activation(written);
        match (&written.value, &written.class, &written.at_least) {
            (value, None, None) => {
                Reading::Label(value.as_ref().map_or(1, |value| *value.get_ref()))
            }
            (None, Some(class), None) => Reading::HighestScore(*class.get_ref()),
            (None, class, Some(least)) => {
                let finite = least.get_ref().is_finite();
                self.require(finite, least.span(), "`at-least` is a finite number");
                Reading::AtLeast(AtLeast {
                    least: *least.get_ref(),
                    class: class.as_ref().map(|class| *class.get_ref()),
                    activation: written.activation.as_ref().map(|of| *of.get_ref()),
                })
            }
            _ => {
                let text = "a segmentation has `value` (of labels), `class` (of scores), `at-least` (of \
                            probabilities), or both of the last two";
                self.fault(written.key.span(), text);
                Reading::Label(1)
            }
        }
    }

    /// Of what a limit is, and of several classes where it is over them.
    fn activation(&mut self, written: &WrittenSegmentation) {
        let Some(activation) = &written.activation else { return };
        let Some(least) = &written.at_least else {
            let text = "an activation makes the probabilities that `at-least` reads: labels and the highest \
                        score need none";
            return self.fault(activation.span(), text);
        };
        let fits = (0.0..=1.0).contains(least.get_ref());
        self.require(fits, least.span(), "a probability is from 0 to 1");
        let alone = *activation.get_ref() == Activation::Softmax && written.class.is_none();
        let text = "\"softmax\" is over the classes of a tensor: say which one is meant by `class`";
        self.require(!alone, activation.span(), text);
    }

    fn back(&mut self, written: &WrittenSegmentation) -> Back {
        let Some(back) = &written.back else { return Back::default() };
        let fits = *back.get_ref() == Back::Mask || written.at_least.is_some();
        let text = "probabilities are what `at-least` reads: labels and classes come back as masks";
        self.require(fits, back.span(), text);
        *back.get_ref()
    }

    fn cleaning(&mut self, written: &WrittenSegmentation) -> Cleaning {
        if let Some(least) = written.least_voxels.as_ref() {
            self.require(*least.get_ref() > 0, least.span(), "`least-voxels` is a number above 0");
        }
        Cleaning {
            least_voxels: written.least_voxels.as_ref().map(|least| *least.get_ref()),
            largest_component: written.largest_component,
            fill_holes: written.fill_holes,
        }
    }

    pub(super) fn segmentation(&mut self, written: WrittenSegmentation) -> SegmentationOutput {
        let colour = colour(written.colour.get_ref());
        self.require(colour.is_some(), written.colour.span(), "a colour is #rrggbb");
        SegmentationOutput {
            key: self.key(&written.key),
            label: self.text("label", &written.label, 64),
            tensor: self.text("tensor", &written.tensor, 255),
            reading: self.reading(&written),
            back: self.back(&written),
            cleaning: self.cleaning(&written),
            category: self.code(written.category),
            property: self.code(written.property),
            colour: colour.unwrap_or_default(),
        }
    }
}

/// `#rrggbb`.
pub(super) fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some([byte(0)?, byte(2)?, byte(4)?])
}
