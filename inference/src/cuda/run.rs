//! A run whose tensors stay on the device: prepared voxels go into it, windows are cut, blended and their classes found there.

use super::arithmetic::Blending;
pub use super::driver::Place;
use super::driver::{Gpu, OnDevice};
use super::making::has_kernels;
use crate::answers::{Failure, labels_of, numbers_of};
use crate::manifest::{Axes, Pieces, Reading, TensorKind, WindowsWanted};
use crate::models::Model;
use crate::prepare::{Prepared, PreparedInput};
use crate::tensors::{Elements, Tensor, Tensors};
use crate::voxels::windows::{Importance, Windows, weights};
use ort::memory::Allocator;
use ort::session::{IoBinding, RunOptions, Session, SessionOutputs};
use ort::value::{DynValue, Tensor as OrtTensor, TensorValueType, ValueRef};
use std::ops::Range;

/// One run on one device.
pub struct OnGpu<'a> {
    pub gpu: &'a Gpu,
    pub place: Place,
    pub model: &'a Model,
    pub prepared: &'a Prepared,
}

/// Whether the model is one whose tensors can stay on a device; the others are prepared on the CPU, and
/// ONNX Runtime copies their tensors to the device.
pub fn stays(model: &Model) -> bool {
    let manifest = &model.manifest;
    let in_pieces = manifest.lead().windows.is_some();
    manifest.inputs.iter().all(has_kernels)
        && manifest.given().all(|wanted| match wanted.kind {
            TensorKind::Numbers => true,
            TensorKind::Labels => !in_pieces,
            TensorKind::Classes | TensorKind::Boxes(_) | TensorKind::Scores => false,
        })
}

impl<'a> OnGpu<'a> {
    /// `windows` as the manifest has them, or with a smaller batch.
    pub fn run(
        &self,
        session: &mut Session,
        options: &RunOptions,
        windows: Option<&WindowsWanted>,
    ) -> Result<Tensors, Failure> {
        match windows {
            None => self.whole(session, options),
            Some(windows) => self.pieces(session, options, windows),
        }
    }

    fn whole(&self, session: &mut Session, options: &RunOptions) -> Result<Tensors, Failure> {
        let mut binding = session.create_binding()?;
        self.bind_spacings(&mut binding)?;
        let allocator = Allocator::new(session, self.gpu.place(self.place)?)?;
        for (input, prepared) in self.model.manifest.inputs.iter().zip(&self.prepared.inputs) {
            let tensor = OrtTensor::<f32>::new(&allocator, prepared.shape.clone())?;
            let there = self.gpu.of_tensor(&tensor, self.place)?;
            self.gpu.copy_within(self.block(prepared)?, &there)?;
            binding.bind_input(input.tensor.as_str(), &tensor)?;
        }
        self.bind_outputs(&mut binding)?;
        let outputs = session.run_binding_with_options(&binding, options)?;
        let mut tensors = Tensors::default();
        for (name, way) in self.ways() {
            let tensor = match way {
                Way::Labels => {
                    let (shape, labels) = labels_of(&outputs, name)?;
                    Tensor {
                        shape: shape.to_vec(),
                        elements: Elements::Labels(labels.into_owned()),
                    }
                }
                Way::Numbers => {
                    let (shape, numbers) = numbers_of(&outputs, name)?;
                    Tensor {
                        shape: shape.to_vec(),
                        elements: Elements::Numbers(numbers.into_owned()),
                    }
                }
                Way::Classes => {
                    let scores = scores_of(&outputs, name)?;
                    let shape: Vec<i64> = scores.shape().iter().copied().collect();
                    self.classes(name, shape, &*self.gpu.of_tensor(&scores, self.place)?)?
                }
            };
            tensors.0.insert(name.to_string(), tensor);
        }
        Ok(tensors)
    }

    fn pieces(
        &self,
        session: &mut Session,
        options: &RunOptions,
        wanted: &WindowsWanted,
    ) -> Result<Tensors, Failure> {
        let place = self.prepared.place.as_ref();
        let place = place.ok_or_else(|| Failure::Graph("only a volume has pieces".into()))?;
        let size = place.grid.size();
        let windows = wanted.over(size)?;
        let cut = Cut { size, wanted, windows: &windows };
        let blocks = self.prepared.inputs.iter().map(|prepared| self.block(prepared));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let fixed = crate::pieces::batch_is_fixed(session, &self.model.manifest.lead().tensor);
        let allocator = Allocator::new(session, self.gpu.place(self.place)?)?;
        let answer = |(name, way)| Answer { name, way, blending: None };
        let mut answers: Vec<Answer> = self.ways().into_iter().map(answer).collect();
        let batch = wanted.batch.max(1);
        for first in (0..windows.len()).step_by(batch) {
            let pieces = first..(first + batch).min(windows.len());
            let count = if fixed { batch } else { pieces.len() };
            let mut binding = session.create_binding()?;
            self.bind_spacings(&mut binding)?;
            for (input, block) in self.model.manifest.inputs.iter().zip(&blocks) {
                let [slices, rows, columns] = windows.window().map(|side| side as i64);
                let channels = wanted.channels() as i64;
                let shape = input.axes.tensor(count as i64, channels, [slices, rows, columns]);
                let tensor = OrtTensor::<f32>::new(&allocator, shape)?;
                self.fill(&*self.gpu.of_tensor(&tensor, self.place)?, block, &cut, &pieces)?;
                binding.bind_input(input.tensor.as_str(), &tensor)?;
            }
            self.bind_outputs(&mut binding)?;
            let outputs = session.run_binding_with_options(&binding, options)?;
            for answer in &mut answers {
                answer.add(self, &cut, (pieces.clone(), count), &outputs)?;
            }
        }
        let mut tensors = Tensors::default();
        for answer in answers {
            let name = answer.name.to_string();
            if let Some(tensor) = answer.finish(self, size)? {
                tensors.0.insert(name, tensor);
            }
        }
        Ok(tensors)
    }

    /// The pieces one behind the other, and the last of them again up to the end.
    fn fill(
        &self,
        tensor: &OnDevice,
        block: &OnDevice,
        cut: &Cut,
        pieces: &Range<usize>,
    ) -> Result<(), Failure> {
        let Cut { size, wanted, windows } = *cut;
        let of_piece = windows.voxels() * wanted.channels();
        let last = pieces.end.saturating_sub(1);
        for at in 0..tensor.len() / of_piece.max(1) {
            let number = (pieces.start + at).min(last);
            let out = self.gpu.piece(tensor, at, of_piece);
            match wanted.pieces {
                Pieces::Sliding { outside, .. } => {
                    let start = windows.start(number);
                    self.gpu.cut((block, size), start, windows.window(), outside, &out)?;
                }
                Pieces::Slices { neighbours } => {
                    self.gpu.slices((block, size), number, neighbours, &out)?;
                }
            }
        }
        Ok(())
    }

    fn block(&self, prepared: &'a PreparedInput) -> Result<&'a OnDevice, Failure> {
        let elsewhere = || Failure::Graph("its voxels are not on the device".into());
        prepared.on_device().ok_or_else(elsewhere)
    }

    fn bind_spacings(&self, binding: &mut IoBinding) -> Result<(), Failure> {
        for (input, prepared) in self.model.manifest.inputs.iter().zip(&self.prepared.inputs) {
            if let (Some(tensor), Some(spacing)) = (&input.spacing_tensor, &prepared.spacing) {
                let spacing = OrtTensor::from_array(([3usize], spacing.to_vec()))?;
                binding.bind_input(tensor.as_str(), &spacing)?;
            }
        }
        Ok(())
    }

    /// Scores of windows and of classes stay on the device; the rest comes to the host.
    fn bind_outputs(&self, binding: &mut IoBinding) -> Result<(), Failure> {
        let on_device = self.gpu.place(self.place)?;
        let on_host = ort::memory::MemoryInfo::default();
        let in_pieces = self.model.manifest.lead().windows.is_some();
        for (name, way) in self.ways() {
            let stays = way == Way::Classes || in_pieces && way == Way::Numbers;
            binding.bind_output_to_device(name, if stays { &on_device } else { &on_host })?;
        }
        Ok(())
    }

    /// Each tensor that the manifest names, once.
    fn ways(&self) -> Vec<(&'a str, Way)> {
        let mut ways: Vec<(&'a str, Way)> = Vec::new();
        for wanted in self.model.manifest.given() {
            if ways.iter().all(|(name, _)| *name != wanted.name) {
                let labels = matches!(wanted.kind, TensorKind::Labels);
                let way = if labels { Way::Labels } else { Way::Numbers };
                ways.push((wanted.name, way));
            }
        }
        for (name, way) in &mut ways {
            if *way == Way::Numbers && only_classes(self.model, name) {
                *way = Way::Classes;
            }
        }
        ways
    }

    fn classes(&self, name: &str, shape: Vec<i64>, scores: &OnDevice) -> Result<Tensor, Failure> {
        if !self.gpu.all_finite(scores)? {
            let text =
                format!("the output `{name}` has values that are no numbers (NaN or infinite)");
            return Err(Failure::Graph(text));
        }
        let classes = shape.get(1).copied().unwrap_or(1).max(1) as usize;
        let labels = self.gpu.argmax(scores, scores.len() / classes)?;
        Ok(Tensor { shape, elements: Elements::Highest(self.gpu.download(&labels)?) })
    }
}

/// What becomes of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Labels,
    Numbers,
    /// Only the class with the highest score of each voxel is asked for.
    Classes,
}

fn only_classes(model: &Model, tensor: &str) -> bool {
    let manifest = &model.manifest;
    let mut uses =
        manifest.segmentations.iter().filter(|output| output.tensor == tensor).peekable();
    let others = manifest.given().filter(|wanted| wanted.name == tensor).count();
    let masks = uses.clone().count();
    uses.peek().is_some()
        && others == masks
        && uses.all(|output| matches!(output.reading, Reading::HighestScore(_)))
}

fn scores_of<'a>(
    outputs: &'a SessionOutputs,
    name: &str,
) -> Result<ValueRef<'a, TensorValueType<f32>>, Failure> {
    let missing = || Failure::Graph(format!("there is no output `{name}`"));
    let value: &DynValue = outputs.get(name).ok_or_else(missing)?;
    Ok(value.view().downcast::<TensorValueType<f32>>()?)
}

/// How a block goes through the graph.
#[derive(Clone, Copy)]
struct Cut<'a> {
    size: [usize; 3],
    wanted: &'a WindowsWanted,
    windows: &'a Windows,
}

/// One output on its way from pieces to the whole block.
struct Answer<'a> {
    name: &'a str,
    way: Way,
    /// None until the first piece says how many channels there are.
    blending: Option<Blending<'a>>,
}

impl<'a> Answer<'a> {
    fn add(
        &mut self,
        run: &OnGpu<'a>,
        cut: &Cut,
        (pieces, count): (Range<usize>, usize),
        outputs: &SessionOutputs,
    ) -> Result<(), Failure> {
        let answer = scores_of(outputs, self.name)?;
        let axes = run.model.manifest.lead().axes;
        let shape: Vec<i64> = answer.shape().iter().copied().collect();
        let channels = if axes == Axes::SliceRowColumn { Some(&1) } else { shape.get(1) };
        let channels = channels.copied().filter(|channels| *channels > 0).unwrap_or(1);
        let channels = self.blending.as_ref().map_or(channels, |sums| sums.channels() as i64);
        let window = cut.windows.window();
        let expected = axes.tensor(count as i64, channels, window.map(|side| side as i64));
        if shape != expected {
            let text =
                format!("the output `{}` has the shape {shape:?}, not {expected:?}", self.name);
            return Err(Failure::Graph(text));
        }
        let channels = channels as usize;
        let numbers = run.gpu.of_tensor(&answer, run.place)?;
        if !run.gpu.all_finite(&numbers)? {
            let of_piece = channels * cut.windows.voxels();
            for (at, number) in pieces.clone().enumerate() {
                if !run.gpu.all_finite(&run.gpu.piece(&numbers, at, of_piece))? {
                    let (name, start) = (self.name, cut.windows.start(number));
                    return Err(Failure::Graph(crate::pieces::no_numbers(name, start)));
                }
            }
        }
        let sums = match self.blending.take() {
            Some(sums) => sums,
            None => {
                let weights = weights(window, cut.importance())?;
                run.gpu.blending(cut.size, channels, window, &weights)?
            }
        };
        let sums = self.blending.insert(sums);
        let of_piece = channels * cut.windows.voxels();
        for (at, number) in pieces.enumerate() {
            sums.add(cut.windows.start(number), &run.gpu.piece(&numbers, at, of_piece))?;
        }
        Ok(())
    }

    fn finish(self, run: &OnGpu<'a>, size: [usize; 3]) -> Result<Option<Tensor>, Failure> {
        let Some(sums) = self.blending else { return Ok(None) };
        let mut shape = run.model.manifest.lead().axes.shape(size);
        if let [_, channels, _, _, _] = shape.as_mut_slice() {
            *channels = sums.channels() as i64;
        }
        let blended = sums.finish()?;
        if self.way == Way::Classes {
            return run.classes(self.name, shape, &blended).map(Some);
        }
        let elements = Elements::Numbers(run.gpu.download(&blended)?);
        Ok(Some(Tensor { shape, elements }))
    }
}

impl Cut<'_> {
    /// Where no voxel lies in two windows each has the answer as it is.
    fn importance(&self) -> Importance {
        match self.wanted.pieces {
            Pieces::Sliding { importance, .. } if !self.windows.are_apart() => importance,
            _ => Importance::Constant,
        }
    }
}

#[cfg(test)]
mod tests;
