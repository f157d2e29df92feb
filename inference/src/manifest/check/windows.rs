//! What a manifest says of the pieces of its input, and which outputs pieces can have.

use super::super::grid::Multiple;
use super::super::written::{
    Inputs, Written, WrittenInput, WrittenKind, WrittenSegmentation, WrittenWindows,
};
use super::super::{Axes, Blending, Pieces, WindowsWanted};
use super::Check;
use crate::assembly::MOST_VOXELS;
use std::ops::Range;
use toml::Spanned;

/// Pieces at a time and slices beside a slice: a node has so much memory and no more.
const MOST_AT_A_TIME: usize = 64;

/// As MONAI's.
const OVERLAP: f64 = 0.25;

impl Check<'_> {
    pub(super) fn windows(&mut self, written: Spanned<WrittenWindows>) -> WindowsWanted {
        let span = written.span();
        let written = written.into_inner();
        let batch = written.batch.as_ref().map_or(1, |batch| *batch.get_ref());
        if let Some(written) = &written.batch {
            let fits = (1..=MOST_AT_A_TIME).contains(&batch);
            let text = format!("a batch is 1 to {MOST_AT_A_TIME} pieces at a time");
            self.require(fits, written.span(), &text);
        }
        let pieces = match (&written.size, &written.each) {
            (Some(size), None) => self.sliding(size, &written, batch),
            (None, Some(_)) => self.slices(&written),
            _ => {
                let text = "windows have either a `size`, or each = \"slice\"";
                self.fault(span, text);
                Pieces::Slices { neighbours: 0 }
            }
        };
        WindowsWanted { pieces, batch }
    }

    fn sliding(
        &mut self,
        size: &Spanned<[usize; 3]>,
        written: &WrittenWindows,
        batch: usize,
    ) -> Pieces {
        let mut sides = size.get_ref().iter();
        let voxels = sides.try_fold(batch, |all, side| all.checked_mul(*side));
        let fits = voxels.is_some_and(|voxels| (1..=MOST_VOXELS).contains(&voxels));
        let text = format!(
            "the size of a window is three numbers above 0, at most {MOST_VOXELS} voxels in a batch"
        );
        self.require(fits, size.span(), &text);
        if let Some(neighbours) = &written.neighbours {
            self.fault(neighbours.span(), "neighbours are those of a slice: each = \"slice\"");
        }
        let overlap = written.overlap.as_ref().map_or(OVERLAP, |overlap| *overlap.get_ref());
        if let Some(written) = &written.overlap {
            let fits = (0.0..1.0).contains(&overlap);
            let text = "an overlap is the part of a window that the next one covers too, from 0 to \
                        below 1";
            self.require(fits, written.span(), text);
        }
        let outside = written.outside.as_ref().map_or(0.0, |outside| *outside.get_ref());
        if let Some(written) = &written.outside {
            self.require(outside.is_finite(), written.span(), "`outside` is a finite number");
        }
        let blending = written.blending.as_ref().map_or(Blending::default(), |b| *b.get_ref());
        Pieces::Sliding {
            size: *size.get_ref(),
            overlap,
            importance: blending.importance(),
            outside,
        }
    }

    fn slices(&mut self, written: &WrittenWindows) -> Pieces {
        let of_blocks = [
            written.overlap.as_ref().map(Spanned::span),
            written.blending.as_ref().map(Spanned::span),
            written.outside.as_ref().map(Spanned::span),
        ];
        for span in of_blocks.into_iter().flatten() {
            self.fault(span, "this is for windows with a `size`: slices do not overlap");
        }
        let neighbours = written.neighbours.as_ref().map_or(0, |neighbours| *neighbours.get_ref());
        if let Some(written) = &written.neighbours {
            let fits = neighbours <= MOST_AT_A_TIME;
            let text = format!("a slice has at most {MOST_AT_A_TIME} neighbours on either side");
            self.require(fits, written.span(), &text);
        }
        Pieces::Slices { neighbours }
    }

    /// What the pieces of a volume ask of the rest of the manifest.
    pub(super) fn pieces(&mut self, written: &Written<Inputs>) {
        let lead = written.input.iter().map(|(_, input)| input).find(|input| input.onto.is_none());
        let windows = lead.and_then(|input| input.windows.as_ref());
        for (_, input) in &written.input {
            if let (Some(windows), Some(_)) = (&input.windows, &input.onto) {
                self.fault(windows.span(), "the windows are those of the leading input");
            }
            self.axes_of_pieces(input, windows);
        }
        let (Some(lead), Some(windows)) = (lead, windows) else { return };
        let measured = written.measurements.iter().filter_map(|m| m.tensor.as_ref());
        let asked = written.classifications.iter().map(|c| &c.tensor);
        let asked = asked.chain(written.choices.iter().map(|c| &c.tensor));
        for tensor in measured.chain(asked) {
            let text = "the graph sees a piece at a time, and says a number of each: measure a \
                        segmentation (`of`), or leave [input.windows] away";
            self.fault(tensor.span(), text);
        }
        let labels = |s: &&WrittenSegmentation| s.class.is_none() && s.at_least.is_none();
        if windows.get_ref().each.is_none() && !each_voxel_once(lead, windows.get_ref()) {
            for segmentation in written.segmentations.iter().filter(labels) {
                let text = "labels of windows that overlap can not be blended: let the graph give scores \
                            (`class`) or probabilities (`at-least`), or say overlap = 0 and, in \
                            [input.grid], multiple-of = the size of the windows";
                self.fault(segmentation.key.span(), text);
            }
        }
    }

    fn axes_of_pieces(&mut self, input: &WrittenInput, windows: Option<&Spanned<WrittenWindows>>) {
        let span: Range<usize> = input.tensor.span();
        let slices = windows.is_some_and(|windows| windows.get_ref().each.is_some());
        let flat = *input.axes.get_ref() == Axes::BatchChannelRowColumn;
        if slices != flat && *input.kind.get_ref() == WrittenKind::Volume {
            let text = "axes = \"batch-channel-row-column\" and [input.windows] each = \"slice\" go \
                        together";
            self.fault(span.clone(), text);
        }
        let batch = windows.and_then(|windows| windows.get_ref().batch.as_ref());
        if let (Some(batch), Axes::SliceRowColumn) = (batch, *input.axes.get_ref()) {
            let text = "a batch needs axes = \"batch-channel-slice-row-column\"";
            self.require(*batch.get_ref() <= 1, batch.span(), text);
        }
    }
}

/// Whether no voxel is in two windows, whatever the images are.
fn each_voxel_once(lead: &WrittenInput, windows: &WrittenWindows) -> bool {
    let Some(grid) = &lead.grid else { return false };
    let (Some(window), Some(overlap)) = (&windows.size, &windows.overlap) else { return false };
    let grid_size = grid.get_ref().size.as_ref().or(grid.get_ref().crop_or_pad.as_ref());
    let size = grid_size.map(|size| *size.get_ref());
    let multiple = grid.get_ref().multiple_of.as_ref().map(|m| m.get_ref());
    let sides = size.or(multiple.copied().map(Multiple::of_each));
    let divides = |sides: [usize; 3]| {
        sides.iter().zip(window.get_ref()).all(|(side, of)| *of > 0 && side % of == 0)
    };
    *overlap.get_ref() == 0.0 && sides.is_some_and(divides)
}
