//! Boxes out of a graph's tensors: scored, thinned out on the model's grid, and brought back onto the film or into the patient.

use crate::classes::probability;
use crate::manifest::{DetectionOutput, FilmPlace, Input, InputKind, Pieces};
use crate::prepare::{Place as Grids, Prepared};
use crate::tensors::Tensors;
use crate::voxels::boxes::VoxelBox;
use crate::voxels::nms::suppressed;
use gantry_terms::findings::{Measurement, MeasurementGroup, Presence};
use gantry_terms::images::Images;
use gantry_terms::region::{Parallelepiped, Place, Rectangle, Region};
use std::collections::BTreeMap;

/// Each is compared with each of its image or frame: more of them are no findings.
const MOST_CANDIDATES: usize = 10_000;

/// What was found, the most probable first.
pub struct Detected {
    found: Vec<Found>,
    /// With those that are too many to tell.
    total: usize,
}

struct Found {
    score: f64,
    /// Of a cine, counted from 1.
    frame: Option<u32>,
    place: Place,
}

impl Detected {
    /// An error is a graph that does not keep its manifest.
    pub fn new(
        output: &DetectionOutput,
        input: &Input,
        images: &Images,
        prepared: &Prepared,
        tensors: &Tensors,
    ) -> Result<Self, String> {
        let way = Way::new(input, images, prepared)?;
        let mut by_frame: BTreeMap<Option<u32>, Vec<(VoxelBox, f64)>> = BTreeMap::new();
        for candidate in candidates(output, input, tensors, way.size())? {
            by_frame.entry(way.frame(&candidate.0)).or_default().push(candidate);
        }
        let mut found = Vec::new();
        for (frame, candidates) in by_frame {
            are_few(output, candidates.len())?;
            let (boxes, scores): (Vec<VoxelBox>, Vec<f64>) = candidates.into_iter().unzip();
            let kept = suppressed(&boxes, &scores, output.overlap_at_most);
            found.extend(kept.into_iter().filter_map(|at| {
                Some(Found { score: scores[at], frame, place: way.back(&boxes[at])? })
            }));
        }
        // Stable: of equal ones that of the earlier frame comes first.
        found.sort_by(|one, other| other.score.total_cmp(&one.score));
        let total = found.len();
        found.truncate(output.most_boxes);
        Ok(Self { found, total })
    }

    /// Whether some are not told.
    pub fn remark(&self, output: &DetectionOutput) -> Option<String> {
        let (told, total) = (self.found.len(), self.total);
        (told < total).then(|| format!("{}: the best {told} of {total} boxes", output.key))
    }

    /// One for each box; where there is none, that there is none.
    pub fn groups(self, output: &DetectionOutput) -> Vec<MeasurementGroup> {
        let group = |label: String| MeasurementGroup {
            label,
            finding: Some(output.finding.clone()),
            site: output.site.clone(),
            method: output.method.clone(),
            measurements: Vec::new(),
            presence: None,
            answers: Vec::new(),
            frame: None,
            region: None,
            segment: None,
        };
        if self.found.is_empty() {
            let presence = Some(Presence::Absent);
            return vec![MeasurementGroup { presence, ..group(output.label.clone()) }];
        }
        let label = |number: usize, frame: Option<u32>| match frame {
            Some(frame) => format!("{} {number} (frame {frame})", output.label),
            None => format!("{} {number}", output.label),
        };
        let of_box = |(at, Found { score, frame, place }): (usize, Found)| MeasurementGroup {
            measurements: vec![Measurement {
                key: format!("{}-{}", output.key, at + 1),
                concept: output.concept.clone(),
                derivation: None,
                unit: output.unit.clone(),
                value: Ok(score * output.scale),
            }],
            frame,
            region: Some(Region { colour: output.colour, place }),
            ..group(label(at + 1, frame))
        };
        self.found.into_iter().enumerate().map(of_box).collect()
    }
}

fn are_few(output: &DetectionOutput, found: usize) -> Result<(), String> {
    let key = &output.key;
    match found > MOST_CANDIDATES {
        true => Err(format!(
            "`{key}` has {found} boxes that reach `score-at-least`, more than {MOST_CANDIDATES}"
        )),
        false => Ok(()),
    }
}

/// The boxes of the class that are probable enough, as far as they lie on the model's grid.
fn candidates(
    output: &DetectionOutput,
    input: &Input,
    tensors: &Tensors,
    size: [usize; 3],
) -> Result<Vec<(VoxelBox, f64)>, String> {
    let tensor = &output.boxes.tensor;
    let in_slices = matches!(input.kind, InputKind::Frames(_))
        || input.windows.as_ref().is_some_and(|w| matches!(w.pieces, Pieces::Slices { .. }));
    let columns = output.boxes.placed_columns(in_slices);
    let (shape, numbers) = tensors.numbers(tensor)?;
    let rows = match shape {
        [rows, width] | [1, rows, width] if *width == columns.len() as i64 => *rows as usize,
        _ => {
            let width = columns.len();
            return Err(format!("the output `{tensor}` has the shape {shape:?}, not [n, {width}]"));
        }
    };
    let scores = scores(output, tensors, rows)?;
    let mut found = Vec::new();
    for (row, score) in numbers.chunks(columns.len()).zip(scores) {
        let Some(score) = score.filter(|score| *score >= output.score_at_least) else { continue };
        let voxel_box = output.boxes.voxel_box(&columns, row);
        if !voxel_box.is_sound() {
            return Err(format!(
                "the output `{tensor}` has a box {row:?} that is inside out or no number: do the \
                 manifest's `columns` name its numbers in their order?"
            ));
        }
        found.extend(voxel_box.on(size).map(|on| (on, score)));
    }
    Ok(found)
}

/// For each row the probability of the class; none for a box of another class.
fn scores(
    output: &DetectionOutput,
    tensors: &Tensors,
    rows: usize,
) -> Result<Vec<Option<f64>>, String> {
    let tensor = &output.scores;
    let (shape, numbers) = tensors.numbers(tensor)?;
    let by_class = output.class.filter(|_| output.labels.is_none());
    let (width, class) = match (shape, by_class) {
        ([n] | [1, n], None) if *n as usize == rows => (1, 0),
        ([n, width] | [1, n, width], Some(class))
            if *n as usize == rows && *width > class as i64 =>
        {
            (*width as usize, class)
        }
        _ => {
            return Err(format!(
                "the output `{tensor}` has the shape {shape:?}, not a score for each of {rows} boxes"
            ));
        }
    };
    let of_row = |row: &[f32]| match probability(tensor, output.activation, class, row)? {
        Some(probability) => Ok(probability),
        None => {
            Err(format!("the output `{tensor}` has values that are no numbers (NaN or infinite)"))
        }
    };
    let all = numbers.chunks(width).map(of_row).collect::<Result<Vec<f64>, String>>()?;
    let (Some(labels), Some(class)) = (&output.labels, output.class) else {
        return Ok(all.into_iter().map(Some).collect());
    };
    let (shape, classes) = tensors.classes(labels)?;
    if !matches!(shape, [_] | [1, _]) || classes.len() != rows {
        return Err(format!(
            "the output `{labels}` has the shape {shape:?}, not a class for each of {rows} boxes"
        ));
    }
    let of_class = |(score, found): (f64, &i64)| (*found == class as i64).then_some(score);
    Ok(all.into_iter().zip(classes).map(of_class).collect())
}

/// From the model's grid to where the images lie.
enum Way<'a> {
    /// Of so many frames, or of one film.
    Film {
        frames: Option<usize>,
        size: [usize; 2],
        place: FilmPlace,
    },
    Volume(&'a gantry_terms::volume::Volume, &'a Grids),
}

impl<'a> Way<'a> {
    fn new(input: &Input, images: &'a Images, prepared: &'a Prepared) -> Result<Self, String> {
        match (images, input.kind.image(), &prepared.place) {
            (Images::Film(film), Some(wanted), _) => {
                let size = [film.rows, film.columns];
                let frames = matches!(input.kind, InputKind::Frames(_)).then_some(film.frames);
                Ok(Self::Film { frames, size, place: wanted.place(size) })
            }
            (Images::Volume(volume), _, Some(place)) => Ok(Self::Volume(volume, place)),
            _ => Err("boxes lie on a film or in a volume, and there is none".into()),
        }
    }

    fn size(&self) -> [usize; 3] {
        match self {
            Self::Film { frames, place, .. } => [frames.unwrap_or(1), place.size[0], place.size[1]],
            Self::Volume(_, grids) => grids.grid.size(),
        }
    }

    /// That of a cine on which a box lies.
    fn frame(&self, found: &VoxelBox) -> Option<u32> {
        let of_cine = matches!(self, Self::Film { frames: Some(_), .. });
        of_cine.then_some(found.low[0] as u32 + 1)
    }

    /// Nothing for a box that lies beside all images: in what was padded.
    fn back(&self, found: &VoxelBox) -> Option<Place> {
        match self {
            Self::Film { size, place, .. } => {
                let on =
                    |axis: usize, at: f64| place.on_film(axis, at).clamp(0.0, size[axis] as f64);
                Some(Place::Film(Rectangle {
                    top: on(0, found.low[1]),
                    left: on(1, found.low[2]),
                    bottom: on(0, found.high[1]),
                    right: on(1, found.high[2]),
                }))
            }
            Self::Volume(volume, grids) => {
                let (steps, sides) = (grids.grid.steps(), found.sides());
                // Index 0 is the middle of the first voxel, half a voxel behind its face.
                let corner = grids.grid.to_mm(found.low.map(|at| at - 0.5));
                let edges = [0, 1, 2].map(|a| steps[a].map(|mm| mm * sides[a]));
                let found = Parallelepiped { corner, edges };
                found.is_on(&volume.geometry).then_some(Place::Patient(found))
            }
        }
    }
}
