//! Outputs that have a row for each box, gathered over pieces: boxes are moved to where their piece lies in the block.

use crate::answers::{Failure, classes_of, numbers_of};
use crate::manifest::{Column, Part, TensorKind, TensorWanted};
use crate::tensors::{Elements, Tensor};
use ort::session::SessionOutputs;

/// Of all pieces together: more are no boxes that somebody could look at.
const MOST_ROWS: usize = 1 << 22;

/// One output on its way from pieces to the whole block.
pub struct Rows<'a> {
    pub name: &'a str,
    kind: TensorKind<'a>,
    /// Dimensions of the tensor of one piece.
    rank: usize,
    /// Numbers of a row as the graph gives it.
    width: usize,
    count: usize,
    numbers: Vec<f32>,
    classes: Vec<i64>,
}

/// The pieces of one batch: where each of them begins.
pub struct Batch<'a> {
    pub starts: &'a [[isize; 3]],
    /// How many the graph got: more than there are where it fixes their number.
    pub given: usize,
    /// One slice each.
    pub in_slices: bool,
}

impl<'a> Rows<'a> {
    /// Nothing for an output that has a number for each voxel.
    pub fn new(wanted: &TensorWanted<'a>) -> Option<Self> {
        let TensorWanted { name, kind, sides, .. } = wanted;
        match kind {
            TensorKind::Numbers | TensorKind::Labels => None,
            TensorKind::Boxes(_) | TensorKind::Scores | TensorKind::Classes => Some(Self {
                name,
                kind: *kind,
                rank: sides.len(),
                width: 1,
                count: 0,
                numbers: Vec::new(),
                classes: Vec::new(),
            }),
        }
    }

    pub fn add(&mut self, batch: &Batch, outputs: &SessionOutputs) -> Result<(), Failure> {
        if self.kind == TensorKind::Classes {
            let (shape, classes) = classes_of(outputs, self.name)?;
            let of_piece = self.rows_of(shape, batch.given)?;
            self.classes.extend(classes.iter().take(of_piece * batch.starts.len()));
            return Ok(());
        }
        let (shape, numbers) = numbers_of(outputs, self.name)?;
        let of_piece = self.rows_of(shape, batch.given)? * self.width;
        for (start, piece) in batch.starts.iter().zip(numbers.chunks(of_piece.max(1))) {
            match self.kind {
                TensorKind::Boxes(boxes) => {
                    let columns = boxes.placed_columns(batch.in_slices);
                    for row in piece.chunks(self.width.max(1)) {
                        let placed = |(at, column): (usize, &Column)| {
                            placed(*column, row.get(at).copied(), *start, boxes.zero_at())
                        };
                        self.numbers.extend(columns.iter().enumerate().map(placed));
                    }
                }
                _ => self.numbers.extend(piece),
            }
        }
        Ok(())
    }

    /// How many of each piece an answer of this shape has.
    fn rows_of(&mut self, shape: &[i64], given: usize) -> Result<usize, Failure> {
        let of_piece = match shape {
            [batch, rest @ ..] if rest.len() == self.rank && *batch == given as i64 => rest,
            shape if shape.len() == self.rank && given == 1 => shape,
            _ => {
                let text = format!(
                    "the output `{}` has the shape {shape:?}: {} dimensions for each of {given} pieces \
                     were expected",
                    self.name, self.rank
                );
                return Err(Failure::Graph(text));
            }
        };
        let side =
            |at: usize| of_piece.get(at).map_or(1, |side| usize::try_from(*side).unwrap_or(0));
        self.width = side(1);
        if let TensorKind::Boxes(boxes) = self.kind
            && self.width != boxes.columns.len()
        {
            let (name, wanted) = (self.name, boxes.columns.len());
            let text =
                format!("the output `{name}` has the shape {shape:?}, not {wanted} numbers a box");
            return Err(Failure::Graph(text));
        }
        self.count = self.count.saturating_add(side(0).saturating_mul(given));
        if self.count > MOST_ROWS {
            let text = format!("the output `{}` has more than {MOST_ROWS} boxes", self.name);
            return Err(Failure::Graph(text));
        }
        Ok(side(0))
    }

    pub fn finish(self, in_slices: bool) -> Tensor {
        let width = match self.kind {
            TensorKind::Boxes(boxes) => boxes.placed_columns(in_slices).len(),
            _ => self.width,
        };
        let (rows, elements) = match self.kind {
            TensorKind::Classes => (self.classes.len(), Elements::Classes(self.classes)),
            _ => (self.numbers.len() / width.max(1), Elements::Numbers(self.numbers)),
        };
        let mut shape = vec![rows as i64];
        shape.extend((self.rank > 1).then_some(width as i64));
        Tensor { shape, elements }
    }
}

/// A size stays what it is; of a slice that the graph does not tell both faces follow from its piece.
fn placed(column: Column, number: Option<f32>, start: [isize; 3], zero: f64) -> f32 {
    let start = start[column.axis] as f64;
    match (number, column.part) {
        (Some(size), Part::Size) => size,
        (Some(number), _) => (f64::from(number) + start) as f32,
        (None, Part::High) => (start + 1.0 - zero) as f32,
        (None, _) => (start - zero) as f32,
    }
}
