//! What a manifest says of a film or of frames, and which keys are for volumes only.

use super::super::outputs::FigureName;
use super::super::written::{
    Inputs, Written, WrittenFrames, WrittenImage, WrittenInput, WrittenKind,
};
use super::super::{
    Axes, Colour, FramesWanted, ImageWanted, Intensity, Resizing, ResultKind, Tell,
};
use super::Check;
use crate::decode::MOST_PIXELS;
use crate::voxels::intensity::per_channel;
use std::ops::Range;
use toml::Spanned;

/// Grey once, or as red, green and blue.
const CHANNELS: [usize; 2] = [1, 3];

/// Frames at a time.
const MOST_AT_A_TIME: usize = 64;

impl Check<'_> {
    pub(super) fn image(&mut self, written: Option<Spanned<WrittenImage>>) -> ImageWanted {
        let written = written.map(Spanned::into_inner).unwrap_or_default();
        if let Some(size) = &written.size {
            let [rows, columns] = *size.get_ref();
            let pixels = rows.checked_mul(columns);
            let fits = pixels.is_some_and(|pixels| (1..=MOST_PIXELS).contains(&pixels));
            let text = format!("a size is rows and columns above 0, at most {MOST_PIXELS} pixels");
            self.require(fits, size.span(), &text);
        }
        if let Some(interpolation) = &written.interpolation {
            let text = "there is no `size` to interpolate for";
            self.require(written.size.is_some(), interpolation.span(), text);
        }
        let usual = if written.colour == Colour::Grey { 1 } else { 3 };
        let channels = written.channels.as_ref().map_or(usual, |channels| *channels.get_ref());
        if let Some(written) = &written.channels {
            let text = "a film goes in as 1 channel, or as 3 that are the same";
            self.require(CHANNELS.contains(&channels), written.span(), text);
        }
        if let (Some(one), 3) = (&written.channels, usual) {
            let text = "red, green and blue are 3 channels";
            self.require(channels == 3, one.span(), text);
        }
        let interpolation = written.interpolation.as_ref();
        ImageWanted {
            crop: written.crop,
            colour: written.colour,
            size: written.size.as_ref().map(|size| *size.get_ref()),
            interpolation: interpolation.map_or(Resizing::default(), |how| *how.get_ref()),
            channels: channels.clamp(1, 3),
            normalised: self.normalised(written, channels),
        }
    }

    pub(super) fn frames(
        &mut self,
        written: Option<Spanned<WrittenFrames>>,
        image: ImageWanted,
    ) -> FramesWanted {
        let written = written.map(Spanned::into_inner);
        let tell = written.as_ref().map_or(Tell::Each, |written| written.tell);
        let batch = written.and_then(|written| written.batch).map_or(1, |batch| {
            let fits = (1..=MOST_AT_A_TIME).contains(batch.get_ref());
            let text = format!("a batch is 1 to {MOST_AT_A_TIME} frames at a time");
            self.require(fits, batch.span(), &text);
            (*batch.get_ref()).clamp(1, MOST_AT_A_TIME)
        });
        FramesWanted { image, tell, batch }
    }

    /// The arithmetic itself knows which numbers it can work with.
    fn normalised(
        &mut self,
        written: WrittenImage,
        channels: usize,
    ) -> Option<(Vec<f32>, Vec<f32>)> {
        let (mean, sd) = match (written.mean, written.sd) {
            (None, None) => return None,
            (Some(mean), Some(sd)) => (mean, sd),
            (Some(alone), None) | (None, Some(alone)) => {
                self.fault(alone.span(), "`mean` and `sd` go together");
                return None;
            }
        };
        for list in [&mean, &sd] {
            let fits = list.get_ref().len() == channels;
            self.require(fits, list.span(), "one number for each of the `channels`");
        }
        if let Err(error) = per_channel(&mut [], mean.get_ref(), sd.get_ref()) {
            self.fault(sd.span(), &error.to_string());
        }
        Some((mean.into_inner(), sd.into_inner()))
    }

    /// What the kinds of the inputs ask of the rest of the manifest.
    pub(super) fn films(&mut self, written: &Written<Inputs>) {
        let is_film = |input: &WrittenInput| *input.kind.get_ref() != WrittenKind::Volume;
        for (_, input) in &written.input {
            match is_film(input) {
                true => self.film(input, written.input.len()),
                false => self.volume(input),
            }
        }
        let films = written.input.iter().any(|(_, input)| is_film(input));
        self.sizes_of_masks(written, films);
        if !films {
            return;
        }
        let mapped = written.results.get_ref().contains(&ResultKind::ParametricMap);
        let text = "of a film there is no parametric map: results = [\"derived-images\"]";
        self.require(!mapped, written.results.span(), text);
        self.of_coloured(written);
    }

    /// A volume has a volume, a film an area.
    fn sizes_of_masks(&mut self, written: &Written<Inputs>, films: bool) {
        for figure in written.measurements.iter().filter_map(|m| m.figure.as_ref()) {
            let text = match (figure.get_ref(), films) {
                (FigureName::Volume, true) => "a film has no volume: figure = \"area\"",
                (FigureName::Area, false) => "an area is that of a film: figure = \"volume\"",
                _ => continue,
            };
            self.fault(figure.span(), text);
        }
    }

    /// What a number of a pixel is, is known of grey films and frames.
    fn of_coloured(&mut self, written: &Written<Inputs>) {
        let image =
            |(_, input): &(_, WrittenInput)| input.image.as_ref().map(|i| i.get_ref().colour);
        let coloured = written.input.iter().filter_map(image).any(|colour| colour != Colour::Grey);
        if coloured {
            let text = "an image is derived of grey films and frames: colour = \"grey\"";
            written.images.iter().for_each(|image| self.fault(image.key.span(), text));
            self.intensities_of_colours(written);
        }
    }

    fn intensities_of_colours(&mut self, written: &Written<Inputs>) {
        let is_of_place = |name: FigureName| matches!(name, FigureName::Area | FigureName::Count);
        for measurement in written.measurements.iter().filter(|m| m.of.is_some()) {
            let figure = measurement.figure.as_ref();
            let fits = figure.is_some_and(|figure| is_of_place(*figure.get_ref()));
            let text = "of colours an area and a count are measured, and no intensities: colour = \"grey\"";
            self.require(fits, measurement.key.span(), text);
        }
    }

    fn film(&mut self, input: &WrittenInput, inputs: usize) {
        let text = "a film is the only input of its model";
        self.require(inputs == 1, input.kind.span(), text);
        let flat = *input.axes.get_ref() == Axes::BatchChannelRowColumn;
        let text = "a film goes in with axes = \"batch-channel-row-column\"";
        self.require(flat, input.axes.span(), text);
        let hounsfield = *input.intensity.get_ref() == Intensity::Hounsfield;
        let text = "a film has no Hounsfield units: `displayed` or `rescaled`";
        self.require(!hounsfield, input.intensity.span(), text);
        self.of_frames(input);
        for (key, span) in of_volumes(input) {
            let text =
                format!("`{key}` is for volumes, a film has rows and columns: [input.image]");
            self.fault(span, &text);
        }
    }

    /// One of the two kinds of films has what the other has not.
    fn of_frames(&mut self, input: &WrittenInput) {
        let are_frames = *input.kind.get_ref() == WrittenKind::Frames;
        let keys = [
            input.frames.as_ref().map(Spanned::span),
            input.limits.frames.as_ref().map(Spanned::span),
        ];
        if are_frames && input.frames.is_none() {
            let text = "[input.frames] is missing: it says what is told of the frames, tell = \"each\", \
                        \"mean\" or \"max\"";
            self.fault(input.kind.span(), text);
        }
        for span in keys.into_iter().flatten().filter(|_| !are_frames) {
            self.fault(span, "this is for the frames of a cine: kind = \"frames\"");
        }
    }

    fn volume(&mut self, input: &WrittenInput) {
        self.of_frames(input);
        let text = "the key `slice-order` is missing";
        self.require(input.slice_order.is_some(), input.kind.span(), text);
        if let Some(image) = &input.image {
            self.fault(image.span(), "this is for a film: kind = \"image\"");
        }
    }
}

/// The keys of an input that mean nothing without slices, as far as they are there.
fn of_volumes(input: &WrittenInput) -> impl Iterator<Item = (&'static str, Range<usize>)> {
    let limits = &input.limits;
    [
        ("grid", input.grid.as_ref().map(Spanned::span)),
        ("windows", input.windows.as_ref().map(Spanned::span)),
        ("slice-order", input.slice_order.as_ref().map(Spanned::span)),
        ("spacing-tensor", input.spacing_tensor.as_ref().map(Spanned::span)),
        ("pixel-spacing", limits.pixel_spacing.as_ref().map(Spanned::span)),
        ("slice-step", limits.slice_step.as_ref().map(Spanned::span)),
        ("slices", limits.slices.as_ref().map(Spanned::span)),
        ("degrees-from-axial", limits.degrees_from_axial.as_ref().map(Spanned::span)),
        ("degrees-from-coronal", limits.degrees_from_coronal.as_ref().map(Spanned::span)),
        ("degrees-from-sagittal", limits.degrees_from_sagittal.as_ref().map(Spanned::span)),
    ]
    .into_iter()
    .filter_map(|(key, span)| Some((key, span?)))
}
