//! A run in pieces: windows or slices go through the graph a few at a time, and what it answers becomes one tensor of the whole block.

use crate::answers::{Failure, labels_of, numbers_of};
use crate::given::Taken;
use crate::manifest::{Axes, Pieces, TensorKind, WindowsWanted};
use crate::models::Model;
use crate::prepare::Prepared;
use crate::rows::{Batch, Rows};
use crate::run::spacings;
use crate::tensors::{Elements, Tensor, Tensors};
use crate::voxels::argmax::all_finite;
use crate::voxels::error::VoxelError;
use crate::voxels::slices;
use crate::voxels::windows::{Blend, Importance, Join, Windows};
use ort::session::{RunOptions, Session, SessionOutputs};
use ort::value::ValueType;
use std::ops::Range;

/// Of all pieces only the batch that goes through the graph is held, and one tensor of the whole block
/// for each output.
pub fn run(
    session: &mut Session,
    options: &RunOptions,
    model: &Model,
    prepared: &Prepared,
    wanted: &WindowsWanted,
) -> Result<Tensors, Failure> {
    let place = prepared.place.as_ref();
    let place = place.ok_or_else(|| Failure::Graph("only a volume has pieces".into()))?;
    let block_size = place.grid.size();
    let windows = wanted.over(block_size)?;
    let cut = Cut { model, prepared, block_size, wanted, windows: &windows };
    let (mut answers, mut rows) = (cut.answers(), cut.rows());
    let mut tensors: Vec<_> =
        model.manifest.tensors().map(|(name, inputs)| (name, inputs, Vec::new())).collect();
    // A graph that fixes its batch gets the last piece again where there are too few.
    let fixed = batch_is_fixed(session, &model.manifest.lead().tensor);
    let kinds = Taken::by(session);
    for first in (0..windows.len()).step_by(wanted.batch) {
        let pieces = first..windows.len().min(first + wanted.batch);
        let count = if fixed { wanted.batch } else { pieces.len() };
        let mut given = spacings(&kinds, model, prepared)?;
        for (name, inputs, tensor) in &mut tensors {
            cut.fill(inputs, pieces.clone(), count, tensor)?;
            let axes = model.manifest.inputs[inputs[0]].axes;
            let shape = cut.shape(axes, count, (inputs.len() * wanted.channels()) as i64);
            given.push(((*name).into(), kinds.tensor(name, shape, tensor)?));
        }
        let outputs = session.run_with_options(given, options)?;
        for answer in &mut answers {
            answer.add(&cut, pieces.clone(), count, &outputs)?;
        }
        let starts: Vec<_> = pieces.map(|piece| windows.start(piece)).collect();
        let batch = Batch { starts: &starts, given: count, in_slices: cut.in_slices() };
        rows.iter_mut().try_for_each(|rows| rows.add(&batch, &outputs))?;
    }
    let named =
        answers.into_iter().filter_map(|answer| Some((answer.name.to_string(), answer.whole?)));
    let axes = model.manifest.lead().axes;
    let of_voxels = named.map(|(name, whole)| (name, whole.finish(axes, &cut)));
    let of_boxes =
        rows.into_iter().map(|rows| (rows.name.to_string(), rows.finish(cut.in_slices())));
    Ok(Tensors(of_voxels.chain(of_boxes).collect()))
}

/// Of a piece that begins there, as the graph's author is told.
pub fn no_numbers(output: &str, start: [isize; 3]) -> String {
    format!(
        "the output `{output}` has values that are no numbers (NaN or infinite) in the piece that begins at {start:?}"
    )
}

pub fn batch_is_fixed(session: &Session, tensor: &str) -> bool {
    let input = session.inputs().iter().find(|input| input.name() == tensor);
    let first = input.and_then(|input| match input.dtype() {
        ValueType::Tensor { shape, .. } => shape.first().copied(),
        _ => None,
    });
    first.is_some_and(|side| side >= 0)
}

/// How the block of a run is cut.
struct Cut<'a> {
    model: &'a Model,
    prepared: &'a Prepared,
    /// Of the block.
    block_size: [usize; 3],
    wanted: &'a WindowsWanted,
    windows: &'a Windows,
}

impl<'a> Cut<'a> {
    /// Voxels of a piece along each axis.
    fn size(&self) -> [usize; 3] {
        self.windows.window()
    }

    /// The shape of a tensor of `count` pieces with so many channels.
    fn shape(&self, axes: Axes, count: usize, channels: i64) -> Vec<i64> {
        axes.tensor(count as i64, channels, self.size().map(|side| side as i64))
    }

    /// The pieces of the inputs of one tensor, those of one place one behind the other, and the last of them again up to
    /// `count`.
    fn fill(
        &self,
        inputs: &[usize],
        pieces: Range<usize>,
        count: usize,
        tensor: &mut Vec<f32>,
    ) -> Result<(), VoxelError> {
        let of_input = self.windows.voxels() * self.wanted.channels();
        tensor.resize(of_input * inputs.len() * count, 0.0);
        let last = pieces.end.saturating_sub(1);
        for (at, piece) in tensor.chunks_mut(of_input).enumerate() {
            let number = (pieces.start + at / inputs.len()).min(last);
            let block = self.prepared.inputs[inputs[at % inputs.len()]].voxels();
            match self.wanted.pieces {
                Pieces::Sliding { outside, .. } => {
                    self.windows.cut(block, number, outside, piece)?;
                }
                Pieces::Slices { neighbours } => {
                    slices::with_neighbours(block, self.block_size, number, neighbours, piece)?;
                }
            }
        }
        Ok(())
    }

    /// One for each tensor of voxels that the manifest names, none of them begun.
    fn answers(&self) -> Vec<Answer<'a>> {
        let mut answers: Vec<Answer> = Vec::new();
        for wanted in self.model.manifest.given() {
            let labels = match wanted.kind {
                TensorKind::Numbers => false,
                TensorKind::Labels => true,
                TensorKind::Boxes(_) | TensorKind::Scores | TensorKind::Classes => continue,
            };
            if answers.iter().all(|answer| answer.name != wanted.name) {
                answers.push(Answer { name: wanted.name, labels, whole: None });
            }
        }
        answers
    }

    /// One for each tensor of boxes, and of what is told of each box.
    fn rows(&self) -> Vec<Rows<'a>> {
        let mut all: Vec<Rows> = Vec::new();
        for rows in self.model.manifest.given().filter_map(|wanted| Rows::new(&wanted)) {
            if all.iter().all(|other| other.name != rows.name) {
                all.push(rows);
            }
        }
        all
    }

    fn in_slices(&self) -> bool {
        matches!(self.wanted.pieces, Pieces::Slices { .. })
    }

    fn importance(&self) -> Importance {
        match self.wanted.pieces {
            Pieces::Sliding { importance, .. } => importance,
            Pieces::Slices { .. } => Importance::Constant,
        }
    }
}

/// One output on its way from pieces to the whole block.
struct Answer<'a> {
    name: &'a str,
    labels: bool,
    /// None until the first piece says how many channels there are.
    whole: Option<Whole<'a>>,
}

/// With the number of channels.
enum Whole<'a> {
    Blended(usize, Blend<'a>),
    Joined(usize, Join<'a, f32>),
    Labels(Join<'a, u8>),
}

impl<'a> Answer<'a> {
    fn add(
        &mut self,
        cut: &Cut<'a>,
        pieces: Range<usize>,
        count: usize,
        outputs: &SessionOutputs,
    ) -> Result<(), Failure> {
        if self.labels {
            let (shape, labels) = labels_of(outputs, self.name)?;
            self.channels(cut, count, shape, true)?;
            for (number, answer) in pieces.zip(labels.chunks(cut.windows.voxels())) {
                if let Whole::Labels(join) = self.begun(cut, 1)? {
                    join.add(number, answer)?;
                }
            }
            return Ok(());
        }
        let (shape, numbers) = numbers_of(outputs, self.name)?;
        let channels = self.channels(cut, count, shape, false)?;
        for (number, answer) in pieces.zip(numbers.chunks(channels * cut.windows.voxels())) {
            if !all_finite(answer) {
                return Err(Failure::Graph(no_numbers(self.name, cut.windows.start(number))));
            }
            match self.begun(cut, channels)? {
                Whole::Blended(_, blend) => blend.add(number, answer)?,
                Whole::Joined(_, join) => join.add(number, answer)?,
                Whole::Labels(_) => {}
            }
        }
        Ok(())
    }

    /// How many there are in an answer of this shape.
    fn channels(
        &self,
        cut: &Cut,
        count: usize,
        shape: &[i64],
        labels: bool,
    ) -> Result<usize, Failure> {
        let axes = cut.model.manifest.lead().axes;
        let channels = if axes == Axes::SliceRowColumn || labels { Some(&1) } else { shape.get(1) };
        let channels = channels.copied().filter(|channels| *channels > 0).unwrap_or(1);
        let before = match self.whole {
            Some(Whole::Blended(before, _) | Whole::Joined(before, _)) => before as i64,
            _ => channels,
        };
        let expected = cut.shape(axes, count, before);
        if shape == expected {
            return Ok(before as usize);
        }
        let name = self.name;
        Err(Failure::Graph(format!(
            "the output `{name}` has the shape {shape:?}, not {expected:?}"
        )))
    }

    fn begun(&mut self, cut: &Cut<'a>, channels: usize) -> Result<&mut Whole<'a>, VoxelError> {
        let whole = match self.whole.take() {
            Some(whole) => whole,
            None if self.labels => Whole::Labels(Join::new(cut.windows, 1)?),
            None if cut.windows.are_apart() => {
                Whole::Joined(channels, Join::new(cut.windows, channels)?)
            }
            None => Whole::Blended(channels, Blend::new(cut.windows, channels, cut.importance())?),
        };
        Ok(self.whole.insert(whole))
    }
}

impl Whole<'_> {
    fn finish(self, axes: Axes, cut: &Cut) -> Tensor {
        let (channels, elements) = match self {
            Self::Blended(channels, blend) => (channels, Elements::Numbers(blend.finish())),
            Self::Joined(channels, join) => (channels, Elements::Numbers(join.finish())),
            Self::Labels(join) => (1, Elements::Labels(join.finish())),
        };
        let mut shape = axes.shape(cut.block_size);
        if let [_, of_channels, _, _, _] = shape.as_mut_slice() {
            *of_channels = channels as i64;
        }
        Tensor { shape, elements }
    }
}
