//! What a graph answers on batches of frames, on its way to one tensor of all frames.

use crate::answers::{Failure, labels_of, numbers_of};
use crate::manifest::{AtLeast, Manifest, Reading, TensorKind, TensorWanted};
use crate::picked::Picked;
use crate::rows::{Batch, Rows};
use crate::tensors::{Elements, Tensor, Tensors};
use crate::voxels::argmax::all_finite;
use ort::session::SessionOutputs;
use std::ops::Range;

/// What is gathered of a pixel of the model's grid is a label, a class, or a number for each mask that reads another one, however many
/// classes have scores.
pub struct Gathered<'a> {
    each: Vec<OfEach<'a>>,
    boxes: Vec<Rows<'a>>,
}

/// One output that says so much of each frame.
struct OfEach<'a> {
    name: &'a str,
    place: Place,
    /// Of a frame, once the first has come.
    shape: Vec<i64>,
    elements: Elements,
}

/// Where its elements lie.
#[derive(Clone, Copy)]
enum Place {
    /// In a row, nowhere in the image.
    Nowhere,
    /// On the model's grid of so many rows and columns, once or for each class.
    Grid { size: [i64; 2], classes: bool },
}

impl<'a> Gathered<'a> {
    /// `given` is the shape of what goes in.
    pub fn new(manifest: &'a Manifest, given: &[i64]) -> Self {
        let size = [2, 3].map(|side| given.get(side).copied().unwrap_or_default());
        let mut gathered = Self { each: Vec::new(), boxes: Vec::new() };
        for wanted in of_each(manifest) {
            if gathered.each.iter().all(|of| of.name != wanted.name) {
                gathered.each.push(OfEach::new(manifest, &wanted, size));
            }
        }
        for rows in manifest.given().filter_map(|wanted| Rows::new(&wanted)) {
            if gathered.boxes.iter().all(|other| other.name != rows.name) {
                gathered.boxes.push(rows);
            }
        }
        gathered
    }

    /// The answers to these frames, which come first in what the graph was given.
    pub fn take(
        &mut self,
        outputs: &SessionOutputs,
        frames: Range<usize>,
        given: usize,
    ) -> Result<(), Failure> {
        let asked = frames.len();
        self.each.iter_mut().try_for_each(|of| of.take(outputs, [asked, given]))?;
        let starts: Vec<[isize; 3]> = frames.map(|frame| [frame as isize, 0, 0]).collect();
        let batch = Batch { starts: &starts, given, in_slices: true };
        self.boxes.iter_mut().try_for_each(|rows| rows.add(&batch, outputs))
    }

    pub fn finish(self, frames: usize) -> Tensors {
        let each = self.each.into_iter().map(|OfEach { name, shape, elements, .. }| {
            let shape = std::iter::once(frames as i64).chain(shape).collect();
            (name.to_string(), Tensor { shape, elements })
        });
        let boxes = self.boxes.into_iter().map(|rows| (rows.name.to_string(), rows.finish(true)));
        Tensors(each.chain(boxes).collect())
    }
}

/// The outputs that say as much of each frame.
pub fn of_each(manifest: &Manifest) -> impl Iterator<Item = TensorWanted<'_>> {
    manifest
        .given()
        .filter(|wanted| matches!(wanted.kind, TensorKind::Numbers | TensorKind::Labels))
}

impl<'a> OfEach<'a> {
    fn new(manifest: &Manifest, wanted: &TensorWanted<'a>, size: [i64; 2]) -> Self {
        let masks = manifest.segmentations.iter().filter(|mask| mask.tensor == wanted.name);
        let readings: Vec<Reading> = masks.map(|mask| mask.reading).collect();
        let is_mask = !readings.is_empty();
        let is_image = manifest.derived.iter().any(|image| image.tensor == wanted.name);
        let classes = readings.iter().any(|it| {
            matches!(
                it,
                Reading::HighestScore(_) | Reading::AtLeast(AtLeast { class: Some(_), .. })
            )
        });
        let place =
            if is_mask || is_image { Place::Grid { size, classes } } else { Place::Nowhere };
        let picked = Picked::of(&readings).filter(|_| !is_image);
        let elements = match (wanted.kind, picked) {
            (TensorKind::Labels, _) => Elements::Labels(Vec::new()),
            (_, Some(picked)) => Elements::Picked(picked),
            _ => Elements::Numbers(Vec::new()),
        };
        Self { name: wanted.name, place, shape: Vec::new(), elements }
    }

    fn take(
        &mut self,
        outputs: &SessionOutputs,
        [asked, given]: [usize; 2],
    ) -> Result<(), Failure> {
        let cut = |name: &str| Failure::Graph(format!("the output `{name}` is cut"));
        if let Elements::Labels(_) = self.elements {
            let (shape, labels) = labels_of(outputs, self.name)?;
            let of_frame = self.of_frame(shape, given)?;
            let taken = labels.get(..of_frame * asked).ok_or_else(|| cut(self.name))?;
            if let Elements::Labels(all) = &mut self.elements {
                all.extend_from_slice(taken);
            }
            return Ok(());
        }
        let (shape, numbers) = numbers_of(outputs, self.name)?;
        let of_frame = self.of_frame(shape, given)?;
        let taken = numbers.get(..of_frame * asked).ok_or_else(|| cut(self.name))?;
        if let Elements::Numbers(all) = &mut self.elements {
            all.extend_from_slice(taken);
            return Ok(());
        }
        let Place::Grid { size: [rows, columns], .. } = self.place else { return Ok(()) };
        for scores in taken.chunks(of_frame.max(1)) {
            if !all_finite(scores) {
                let name = self.name;
                let text =
                    format!("the output `{name}` has values that are no numbers (NaN or infinite)");
                return Err(Failure::Graph(text));
            }
            if let Elements::Picked(picked) = &mut self.elements {
                picked.add(scores, rows as usize * columns as usize)?;
            }
        }
        Ok(())
    }

    /// How many elements there are of a frame in an answer of this shape.
    fn of_frame(&mut self, shape: &[i64], given: usize) -> Result<usize, Failure> {
        let of_one = match (self.place, shape) {
            (Place::Nowhere, [_]) if given == 1 => Some(shape),
            (Place::Nowhere, [batch, rest @ ..]) if rest.len() == 1 && *batch == given as i64 => {
                Some(rest)
            }
            (Place::Grid { size, classes }, [batch, rest @ ..])
                if rest.len() == 3 && *batch == given as i64 && rest[1..] == size =>
            {
                Some(rest).filter(|rest| classes || rest[0] == 1)
            }
            _ => None,
        };
        let of_one = of_one.filter(|own| self.shape.is_empty() || self.shape == *own);
        let Some(own) = of_one else {
            let expected = match self.place {
                Place::Nowhere => format!("[{given}, n]"),
                Place::Grid { size: [rows, columns], classes } => {
                    let channels = if classes { "classes" } else { "1" };
                    format!("[{given}, {channels}, {rows}, {columns}]")
                }
            };
            let name = self.name;
            let text = format!("the output `{name}` has the shape {shape:?}, not {expected}");
            return Err(Failure::Graph(text));
        };
        if self.shape.is_empty() {
            self.shape = own.to_vec();
        }
        Ok(own.iter().map(|side| usize::try_from(*side).unwrap_or(0)).product())
    }
}
