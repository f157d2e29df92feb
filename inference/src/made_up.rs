//! Images of nobody, of the size that a model wants: to warm a model up, and to measure how long it takes.

use crate::assembly::MOST_VOXELS;
use crate::manifest::{Colour, FramesWanted, GridWanted, Input, InputKind, Intensity, Limit};
use crate::models::Model;
use gantry_terms::film::Film;
use gantry_terms::geometry::Geometry;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};

/// Where the manifest leaves the size open.
const SIZE: [usize; 3] = [64, 128, 128];
const FILM: [usize; 2] = [512, 512];
/// CT Image Storage and Digital X-Ray Image Storage - For Presentation (PS3.4 B.5).
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const FILMED: &str = "1.2.840.10008.5.1.4.1.1.1.1";

/// One for each input, within the limits of the manifest; always the same. None where the manifest asks for
/// more voxels than a volume may have.
pub fn images(model: &Model) -> Option<Vec<Images>> {
    model.manifest.inputs.iter().map(of_input).collect()
}

fn of_input(input: &Input) -> Option<Images> {
    Some(match &input.kind {
        InputKind::Volume => volume(input)?.into(),
        InputKind::Image(image) | InputKind::Frames(FramesWanted { image, .. }) => {
            let [rows, columns] = image.size.unwrap_or(FILM);
            let scale = if input.intensity == Intensity::Displayed { 1.0 } else { 4095.0 };
            let pixel = |at: usize| {
                let (row, column) = (at / columns, at % columns);
                scale * blob([row as f64 / rows as f64, column as f64 / columns as f64, 0.5])
            };
            let plane = (0..rows * columns).map(pixel).collect::<Vec<f32>>();
            let channels = if image.colour == Colour::Rgb { 3 } else { 1 };
            Film {
                frames: 1,
                channels,
                rows,
                columns,
                pixels: plane.repeat(channels),
                sop_class: uid(FILMED),
                sop_instance: Uid::derived(&["made up", &input.name]),
                pixel_spacing: Some([0.2; 2]),
                patient_spacing: Some([0.2; 2]),
            }
            .into()
        }
    })
}

fn volume(input: &Input) -> Option<Volume> {
    let grid = input.grid.as_ref();
    let multiple = grid.and_then(|grid| grid.multiple_of).unwrap_or([1; 3]);
    let wanted = grid.and_then(GridWanted::fixed_size).unwrap_or(SIZE);
    let rounded = |axis: usize| wanted[axis].next_multiple_of(multiple[axis].max(1));
    let slices = within(rounded(0) as f64, input.limits.slices).round().max(1.0) as usize;
    let spacing = grid.and_then(|grid| grid.spacing).unwrap_or([1.0; 3]);
    let geometry = Geometry {
        slices,
        rows: rounded(1),
        columns: rounded(2),
        origin: [0.0; 3],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [
            within(spacing[1], input.limits.pixel_spacing),
            within(spacing[2], input.limits.pixel_spacing),
        ],
        slice_step: within(spacing[0], input.limits.slice_step),
    };
    let sides = [geometry.slices, geometry.rows, geometry.columns];
    let voxels = sides.iter().try_fold(1usize, |all, side| all.checked_mul(*side));
    voxels.filter(|voxels| *voxels <= MOST_VOXELS)?;
    let sides = sides.map(|side| side as f64);
    let displayed = input.intensity == Intensity::Displayed;
    let plane = geometry.rows * geometry.columns;
    let voxel = |at: usize| {
        let place = [at / plane, at % plane / geometry.columns, at % geometry.columns];
        let part = [0, 1, 2].map(|axis| (place[axis] as f64 + 0.5) / sides[axis]);
        match displayed {
            true => blob(part),
            // From air, as CT has it, to soft tissue and a little beyond.
            false => blob(part) * 1300.0 - 1000.0,
        }
    };
    let source = |slice: usize| SliceSource {
        sop_class: uid(CT),
        sop_instance: Uid::derived(&["made up", &input.name, &slice.to_string()]),
        position: [0.0, 0.0, slice as f64 * geometry.slice_step],
        frame: None,
    };
    Some(Volume {
        voxels: (0..geometry.voxels()).map(voxel).collect(),
        slices: (0..slices).map(source).collect(),
        frame_of_reference: None,
        displayed,
        geometry,
    })
}

/// From 0 outside to 1 in the middle, with two darker hollows: nothing is constant.
fn blob(part: [f64; 3]) -> f32 {
    let from = |centre: [f64; 3], radius: f64| {
        let square: f64 = (0..3).map(|axis| (part[axis] - centre[axis]).powi(2)).sum();
        (1.0 - square.sqrt() / radius).max(0.0)
    };
    let body = from([0.5; 3], 0.48).powf(0.25);
    let hollows = from([0.5, 0.5, 0.32], 0.13) + from([0.5, 0.5, 0.68], 0.13);
    (body - hollows.powf(0.25)).max(0.02 * body) as f32
}

fn within(value: f64, limit: Limit) -> f64 {
    value.max(limit.min.unwrap_or(value)).min(limit.max.unwrap_or(f64::INFINITY))
}

fn uid(text: &str) -> Uid {
    // Always one: the words above are of the standard.
    Uid::parse(text).unwrap_or_else(|_| Uid::derived(&[text]))
}
