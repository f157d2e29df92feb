//! What a manifest says of the images that a model makes.

use super::super::outputs::FigureName;
use super::super::written::{Inputs, Written, WrittenDerived, WrittenInput, WrittenKind};
use super::super::{DerivedOutput, Intensity, ResultKind};
use super::Check;
use gantry_terms::findings::Quantity;
use toml::Spanned;

impl Check<'_> {
    /// Images and the result that they go out as name each other.
    pub(super) fn images(&mut self, written: &Written<Inputs>) {
        let (maps, images): (Vec<&WrittenDerived>, Vec<&WrittenDerived>) =
            written.images.iter().partition(|image| image.quantity.is_some());
        let there = !images.is_empty();
        let text = "derived images are those of an [[image]] without a `quantity`: there is none";
        self.go_out(written, ResultKind::DerivedImages, images.first().copied(), text);
        let text = "a parametric map is that of an [[image]] with a `quantity` and a `unit`: there is none";
        self.go_out(written, ResultKind::ParametricMap, maps.first().copied(), text);
        // Of what was padding no value is known any more that it could go back to.
        let padded = written.input.iter().filter_map(|(_, input)| input.padding.as_ref());
        for padding in padded.filter(|_| there) {
            let text = "an image is not derived of images whose padding is taken out: leave `padding` away";
            self.fault(padding.span(), text);
        }
        let positron = |input: &WrittenInput| input.modality.get_ref().names("PT");
        if written.input.iter().any(|(_, input)| positron(input)) {
            for rescale in written.images.iter().filter_map(|image| image.rescale.as_ref()) {
                let text = "the intercept of PT images is always 0 (PS3.3 C.8.9.4)";
                self.require(rescale.get_ref().intercept == 0.0, rescale.span(), text);
            }
        }
        let displayed = |input: &WrittenInput| *input.intensity.get_ref() == Intensity::Displayed;
        if self.shows_a_volume(written) {
            for image in images {
                let text = "images derived of a volume are in its own unit, which `displayed` does not know: `rescaled`, or \
                            a `quantity`";
                self.fault(image.key.span(), text);
            }
        } else if written.input.iter().any(|(_, input)| displayed(input)) {
            for image in images.iter().filter(|image| image.rescale.is_none()) {
                let text = "what a display shows goes from 0 to 1: say by a `rescale` how it is stored, as \
                            in { slope = 0.000244140625, intercept = 0 }";
                self.fault(image.key.span(), text);
            }
        }
    }

    /// Whether the leading input is a volume as a display shows it, whose numbers measure nothing.
    fn shows_a_volume(&self, written: &Written<Inputs>) -> bool {
        written.input.iter().any(|(_, input)| {
            input.onto.is_none()
                && *input.kind.get_ref() == WrittenKind::Volume
                && *input.intensity.get_ref() == Intensity::Displayed
        })
    }

    /// What a display shows has no unit, and other windows make other numbers of the same tissue.
    pub(super) fn measured(&mut self, written: &Written<Inputs>) {
        if !self.shows_a_volume(written) {
            return;
        }
        for measurement in written.measurements.iter().filter(|m| m.of.is_some()) {
            let figure = measurement.figure.as_ref().map(|figure| *figure.get_ref());
            let fits =
                matches!(figure, Some(FigureName::Volume | FigureName::Area | FigureName::Count));
            let text = "of what a display shows volumes and counts are measured, and no intensities: `hounsfield` or \
                        `rescaled`";
            self.require(fits, measurement.key.span(), text);
        }
    }

    fn go_out(
        &mut self,
        written: &Written<Inputs>,
        kind: ResultKind,
        first: Option<&WrittenDerived>,
        none: &str,
    ) {
        let wanted = written.results.get_ref().contains(&kind);
        self.require(first.is_some() || !wanted, written.results.span(), none);
        if let (Some(image), false) = (first, wanted) {
            let name = kind.name();
            let text = format!("an image goes out as \"{name}\": name it among the results");
            self.fault(image.key.span(), &text);
        }
    }

    /// What its values are of and in, where they are no intensities of the images.
    fn quantity(&mut self, written: &WrittenDerived) -> Option<Quantity> {
        match (&written.quantity, &written.unit) {
            (None, None) => None,
            (Some(concept), Some(unit)) => {
                let ucum = unit.get_ref().scheme == "UCUM";
                self.require(ucum, unit.span(), "a unit is of the scheme UCUM");
                if let Some(rescale) = &written.rescale {
                    let text = "a quantity is stored as it is: leave `rescale` away";
                    self.fault(rescale.span(), text);
                }
                Some(Quantity {
                    concept: self.code(concept.clone()),
                    unit: self.code(unit.clone()),
                })
            }
            (Some(alone), None) | (None, Some(alone)) => {
                self.fault(alone.span(), "`quantity` and `unit` go together");
                None
            }
        }
    }

    pub(super) fn derived(&mut self, written: WrittenDerived) -> DerivedOutput {
        let number = |written: &Option<Spanned<f64>>, usual| {
            written.as_ref().map_or(usual, |number| *number.get_ref())
        };
        let quantity = self.quantity(&written);
        let (scale, offset) = (number(&written.scale, 1.0), number(&written.offset, 0.0));
        if let Some(written) = &written.scale {
            let fits = scale.is_finite() && scale != 0.0;
            self.require(fits, written.span(), "a scale is a number other than 0");
        }
        if let Some(written) = &written.offset {
            self.require(offset.is_finite(), written.span(), "an offset is a finite number");
        }
        let rescale = written.rescale.map(|rescale| {
            let [slope, intercept] = [rescale.get_ref().slope, rescale.get_ref().intercept];
            let fits = slope.is_finite() && slope > 0.0 && intercept.is_finite();
            let text = "stored values times `slope`, above 0, and `intercept` are the values";
            self.require(fits, rescale.span(), text);
            [slope, intercept]
        });
        DerivedOutput {
            quantity,
            key: self.key(&written.key),
            label: self.text("label", &written.label, 48),
            tensor: self.text("tensor", &written.tensor, 255),
            scale,
            offset,
            rescale,
            derivation: self.code(written.derivation),
        }
    }
}
