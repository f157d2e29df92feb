//! What a manifest says of its input: grid, steps and limits.

use super::super::written::{
    Inputs, Modalities, WrittenGrid, WrittenInput, WrittenKind, WrittenRange,
};
use super::super::{
    Along, Axes, GridWanted, INPUT, Input, InputKind, Interpolation, Limit, Limits, Step,
};
use super::Check;
use crate::assembly::MOST_VOXELS;
use crate::voxels::orientation::Orientation;
use std::collections::BTreeSet;
use toml::Spanned;

impl Check<'_> {
    /// The leading one first, the others by their names.
    pub(super) fn inputs(&mut self, written: Inputs) -> Vec<Input> {
        let several = written.len() > 1;
        let leads: Vec<String> = written
            .iter()
            .filter(|(_, input)| input.onto.is_none())
            .map(|(name, _)| name.as_ref().map_or(INPUT, |name| name.get_ref()).to_string())
            .collect();
        for (name, input) in &written {
            self.onto(name.as_ref(), input, &leads);
        }
        let channels = self.channels(&written);
        let mut inputs: Vec<Input> = (written.into_iter().zip(channels))
            .map(|((name, input), channel)| self.input(name, input, channel))
            .collect();
        inputs.sort_by_key(|input| several && input.onto_lead);
        inputs
    }

    /// For each input its place among those of the same tensor, in the order in which they stand in the file.
    fn channels(&mut self, written: &Inputs) -> Vec<usize> {
        let mut taken = BTreeSet::new();
        for tensor in written.iter().filter_map(|(_, input)| input.spacing_tensor.as_ref()) {
            let others =
                written.iter().any(|(_, input)| input.tensor.get_ref() == tensor.get_ref());
            let first = taken.insert(tensor.get_ref().as_str()) && !others;
            self.require(first, tensor.span(), "something goes into this tensor already");
        }
        let begins = |(name, _): &(Option<Spanned<String>>, WrittenInput)| {
            name.as_ref().map_or(0, |name| name.span().start)
        };
        let mut channels = Vec::with_capacity(written.len());
        for one in written {
            let tensor = &one.1.tensor;
            let others: Vec<_> = (written.iter())
                .filter(|other| other.1.tensor.get_ref() == tensor.get_ref())
                .filter(|other| begins(other) < begins(one))
                .collect();
            let alike = others.iter().all(|other| {
                let volumes = [&other.1, &one.1].map(|input| *input.kind.get_ref());
                other.1.axes.get_ref() == one.1.axes.get_ref()
                    && *one.1.axes.get_ref() != Axes::SliceRowColumn
                    && volumes == [WrittenKind::Volume; 2]
            });
            let text = "inputs of one tensor are its channels: volumes of the same `axes`, which have a channel";
            self.require(alike, tensor.span(), text);
            channels.push(others.len());
        }
        channels
    }

    /// One input leads; every other one says that it goes onto it.
    fn onto(&mut self, name: Option<&Spanned<String>>, input: &WrittenInput, leads: &[String]) {
        match (&input.onto, name, leads) {
            (Some(onto), Some(_), [lead]) => {
                let text = format!("the leading input is `{lead}`: onto = \"{lead}\"");
                self.require(onto.get_ref() == lead, onto.span(), &text);
                self.require(
                    input.grid.is_none(),
                    onto.span(),
                    "the grid is that of the leading input",
                );
            }
            (Some(onto), Some(_), _) => {
                self.fault(onto.span(), "one input leads, and says nothing of `onto`");
            }
            (Some(onto), None, _) => self.fault(onto.span(), "there is no other input"),
            (None, Some(name), [_, _, ..]) => {
                let text = "one input leads, over which masks lie; every other one says which it is: \
                            onto = \"NAME\"";
                self.fault(name.span(), text);
            }
            (None, _, _) => {}
        }
    }

    fn input(
        &mut self,
        name: Option<Spanned<String>>,
        written: WrittenInput,
        channel: usize,
    ) -> Input {
        let grid = written.grid.map(|grid| self.grid(grid));
        let kind = match written.kind.get_ref() {
            WrittenKind::Volume => InputKind::Volume,
            WrittenKind::Image => InputKind::Image(self.image(written.image)),
            WrittenKind::Frames => {
                let image = self.image(written.image);
                InputKind::Frames(self.frames(written.frames, image))
            }
        };
        Input {
            name: name.map_or_else(|| INPUT.to_string(), |name| self.key(&name)),
            onto_lead: written.onto.is_some(),
            kind,
            modalities: self.modalities(written.modality),
            tensor: self.text("tensor", &written.tensor, 255),
            channel,
            intensity: written.intensity.into_inner(),
            padding: written.padding.map(|padding| {
                let text = "`padding` is a finite number";
                self.require(padding.get_ref().is_finite(), padding.span(), text);
                padding.into_inner()
            }),
            axes: written.axes.into_inner(),
            slice_order: written.slice_order.map(Spanned::into_inner),
            grid,
            windows: written.windows.map(|windows| self.windows(windows)),
            image_steps: written.image_steps.into_iter().map(|step| self.step(step)).collect(),
            steps: written.steps.into_iter().map(|step| self.step(step)).collect(),
            spacing_tensor: written.spacing_tensor.map(|s| self.text("spacing-tensor", &s, 255)),
            limits: Limits {
                pixel_spacing: self.limit(written.limits.pixel_spacing),
                slice_step: self.limit(written.limits.slice_step),
                slices: self.limit(written.limits.slices),
                degrees_from_axial: self.limit(written.limits.degrees_from_axial),
                degrees_from_coronal: self.limit(written.limits.degrees_from_coronal),
                degrees_from_sagittal: self.limit(written.limits.degrees_from_sagittal),
                frames: self.limit(written.limits.frames),
                lossless: written.limits.lossy == Some(false),
            },
        }
    }

    fn modalities(&mut self, written: Spanned<Modalities>) -> Vec<String> {
        let span = written.span();
        let modalities = match written.into_inner() {
            Modalities::One(modality) => vec![modality],
            Modalities::Several(modalities) => modalities,
        };
        self.require(!modalities.is_empty(), span.clone(), "name at least one modality");
        for modality in &modalities {
            self.plain("modality", modality, 16, span.clone());
        }
        modalities
    }

    fn grid(&mut self, written: Spanned<WrittenGrid>) -> GridWanted {
        let span = written.span();
        let written = written.into_inner();
        let orientation = written.orientation.and_then(|code| {
            let orientation = Orientation::parse(code.get_ref());
            let text = "three letters, one of L and R, one of P and A, one of S and I: the sides \
                        toward which the tensor's axes grow, the slowest first";
            self.require(orientation.is_ok(), code.span(), text);
            orientation.ok()
        });
        if let Some(spacing) = &written.spacing {
            let fits = spacing.get_ref().iter().all(|mm| mm.is_finite() && *mm > 0.0);
            self.require(fits, spacing.span(), "a spacing is three numbers of mm above 0");
        }
        for size in [&written.size, &written.crop_or_pad].into_iter().flatten() {
            let voxels = size.get_ref().iter().try_fold(1usize, |all, side| all.checked_mul(*side));
            let fits = voxels.is_some_and(|voxels| (1..=MOST_VOXELS).contains(&voxels));
            let text =
                format!("a size is three numbers above 0, at most {MOST_VOXELS} voxels in all");
            self.require(fits, size.span(), &text);
        }
        if let Some(size) = &written.crop_or_pad {
            let alone = written.spacing.is_none()
                && written.size.is_none()
                && written.multiple_of.is_none()
                && written.along == Along::Images;
            let text = "`crop-or-pad` keeps the voxels of the images: without `spacing`, `size`, \
                        `multiple-of` and along = \"patient\"";
            self.require(alone, size.span(), text);
        }
        let multiple_of = written.multiple_of.as_ref().map(|multiple| {
            let each = multiple.get_ref().of_each();
            let fits = each.iter().all(|side| (1..=MOST_VOXELS).contains(side));
            self.require(fits, multiple.span(), "a multiple is a number above 0");
            let text = "a `size` says already how many voxels there are";
            self.require(written.size.is_none(), multiple.span(), text);
            each
        });
        let grid = GridWanted {
            along: written.along,
            orientation,
            spacing: written.spacing.map(Spanned::into_inner),
            size: written.size.map(Spanned::into_inner),
            crop_or_pad: written.crop_or_pad.map(Spanned::into_inner),
            multiple_of,
            interpolation: written.interpolation,
            outside: written.outside,
        };
        self.require(grid.outside.is_finite(), span.clone(), "`outside` is a finite number");
        let upright = grid.along == Along::Patient;
        let same = |three: [f64; 3]| three[1..].iter().all(|other| *other == three[0]);
        let cube = grid.orientation.is_some()
            && grid.spacing.is_some_and(same)
            && grid.size.is_some_and(|size| same(size.map(|side| side as f64)));
        let text =
            "along = \"patient\" needs an orientation, one spacing for all axes and a cube as size";
        self.require(!upright || cube, span.clone(), text);
        let text = "`area` is for grids along the images";
        self.require(!upright || grid.interpolation != Interpolation::Area, span, text);
        grid
    }

    /// The arithmetic itself knows which numbers it can work with.
    fn step(&mut self, written: Spanned<Step>) -> Step {
        if let Err(error) = written.get_ref().apply(&mut []) {
            self.fault(written.span(), &error.to_string());
        }
        written.into_inner()
    }

    fn limit(&mut self, written: Option<Spanned<WrittenRange>>) -> Limit {
        let Some(written) = written else { return Limit::default() };
        let WrittenRange { min, max } = *written.get_ref();
        let numbers = [min, max].into_iter().flatten().all(|end| end.is_finite() && end >= 0.0);
        let ordered = min.zip(max).is_none_or(|(min, max)| min <= max);
        let said = min.is_some() || max.is_some();
        let text = "a limit has `min` or `max` or both, 0 or above, the smaller one first";
        self.require(numbers && ordered && said, written.span(), text);
        Limit { min, max }
    }
}
