//! What came out of a graph, taken off its session: a run leaves nothing behind in the owner thread.

use crate::picked::Picked;
use std::collections::BTreeMap;

/// Tensors by name.
#[derive(Debug, Default)]
pub struct Tensors(pub BTreeMap<String, Tensor>);

#[derive(Debug)]
pub struct Tensor {
    pub shape: Vec<i64>,
    pub elements: Elements,
}

#[derive(Debug)]
pub enum Elements {
    Numbers(Vec<f32>),
    Labels(Vec<u8>),
    Classes(Vec<i64>),
    /// Of scores of which only the highest is asked for, its class; the shape is that of the scores.
    Highest(Vec<u16>),
    /// Of scores what masks read of them; the shape is that of the scores.
    Picked(Picked),
}

impl Tensor {
    /// What one of `count` has, whose rows lie one behind the other along the first side.
    pub fn of_one(&self, at: usize, count: usize) -> Self {
        let shape = std::iter::once(1).chain(self.shape.iter().skip(1).copied()).collect();
        let elements = match &self.elements {
            Elements::Numbers(numbers) => Elements::Numbers(part(numbers, at, count)),
            Elements::Labels(labels) => Elements::Labels(part(labels, at, count)),
            Elements::Highest(classes) => Elements::Highest(part(classes, at, count)),
            Elements::Classes(classes) => Elements::Classes(part(classes, at, count)),
            Elements::Picked(picked) => Elements::Picked(picked.part(at, count)),
        };
        Self { shape, elements }
    }
}

fn part<T: Copy>(all: &[T], at: usize, count: usize) -> Vec<T> {
    let length = all.len() / count.max(1);
    all[at * length..(at + 1) * length].to_vec()
}

/// What is known of scores.
#[derive(Debug, Clone, Copy)]
pub enum Scores<'a> {
    All(&'a [f32]),
    /// The class with the highest of each voxel.
    Highest(&'a [u16]),
    Picked(&'a Picked),
}

impl Tensors {
    /// The shape and the elements of a tensor of numbers.
    pub fn numbers(&self, name: &str) -> Result<(&[i64], &[f32]), String> {
        match self.tensor(name)? {
            Tensor { shape, elements: Elements::Numbers(numbers) } => Ok((shape, numbers)),
            _ => Err(format!("the output `{name}` has whole numbers, float32 is needed")),
        }
    }

    /// The elements of a tensor of one dimension, or of two of which the first is 1, up to this index at least.
    pub fn row(&self, name: &str, index: usize) -> Result<&[f32], String> {
        let (shape, numbers) = self.numbers(name)?;
        if matches!(shape, [_] | [1, _]) && index < numbers.len() {
            return Ok(numbers);
        }
        Err(format!(
            "the output `{name}` has the shape {shape:?}, the manifest means index {index}"
        ))
    }

    /// The shape of a tensor of scores, and what is known of them.
    pub fn scores(&self, name: &str) -> Result<(&[i64], Scores<'_>), String> {
        match self.tensor(name)? {
            Tensor { shape, elements: Elements::Numbers(numbers) } => {
                Ok((shape, Scores::All(numbers)))
            }
            Tensor { shape, elements: Elements::Highest(classes) } => {
                Ok((shape, Scores::Highest(classes)))
            }
            Tensor { shape, elements: Elements::Picked(picked) } => {
                Ok((shape, Scores::Picked(picked)))
            }
            _ => Err(format!("the output `{name}` has labels, numbers are needed")),
        }
    }

    /// The shape and the elements of a tensor of labels.
    pub fn labels(&self, name: &str) -> Result<(&[i64], &[u8]), String> {
        match self.tensor(name)? {
            Tensor { shape, elements: Elements::Labels(labels) } => Ok((shape, labels)),
            _ => Err(format!("the output `{name}` has no labels (uint8), which are needed")),
        }
    }

    /// The shape and the elements of a tensor of classes.
    pub fn classes(&self, name: &str) -> Result<(&[i64], &[i64]), String> {
        match self.tensor(name)? {
            Tensor { shape, elements: Elements::Classes(classes) } => Ok((shape, classes)),
            _ => Err(format!("the output `{name}` has no int32 or int64, which are needed")),
        }
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, String> {
        self.0.get(name).ok_or_else(|| format!("there is no output `{name}`"))
    }
}
