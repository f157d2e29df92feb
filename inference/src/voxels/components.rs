//! Parts of a mask that hang together: the largest, those above a size, or all of them numbered.

use super::error::{VoxelError, count, voxels};
use std::ops::Range;

/// Which voxels are neighbours. In a single slice the first is the four of an image, the others its eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// 6 voxels.
    Faces,
    /// 18 voxels.
    Edges,
    /// 26 voxels.
    Corners,
}

/// The components of one mask, in the order of their first voxels.
pub struct Components {
    size: [usize; 3],
    runs: Vec<Run>,
    /// Voxels of each component.
    sizes: Vec<usize>,
}

/// Voxels of one row that hang together. Small, as noise makes many of them; a block has few enough voxels
/// for 32 bits.
pub(super) struct Run {
    /// `slice * rows + row`.
    row: u32,
    /// Columns `begin .. end`.
    begin: u32,
    end: u32,
    /// While runs are joined: a run of the same component that comes before, or itself. Afterwards the index
    /// of the component.
    component: u32,
}

impl Run {
    /// `slice * rows + row`.
    pub(super) fn row(&self) -> usize {
        self.row as usize
    }

    pub(super) fn columns(&self) -> Range<usize> {
        self.begin as usize..self.end as usize
    }

    pub(super) fn component(&self) -> usize {
        self.component as usize
    }
}

impl Components {
    /// `mask` has the size `[slices, rows, columns]`.
    pub fn of(mask: &[bool], size: [usize; 3], neighbours: Neighbours) -> Result<Self, VoxelError> {
        count("a mask", mask.len(), voxels(size)?)?;
        Ok(Self::where_is(size, neighbours, |at| mask[at]))
    }

    /// Without copying the mask, for its complement.
    pub(super) fn where_is(
        size: [usize; 3],
        neighbours: Neighbours,
        holds: impl Fn(usize) -> bool,
    ) -> Self {
        let (mut runs, first_of_row) = runs(size, holds);
        let of = |row: usize| first_of_row[row]..first_of_row[row + 1];
        for row in 0..size[0] * size[1] {
            for (other, slack) in before(row, size[1], neighbours) {
                join(&mut runs, of(row), of(other), slack);
            }
        }
        let mut sizes = Vec::new();
        for at in 0..runs.len() {
            // What a run points at came before, and is numbered by now; the first of a component points at itself.
            let before = runs[at].component();
            runs[at].component = if before == at {
                sizes.push(0);
                sizes.len() as u32 - 1
            } else {
                runs[before].component
            };
            sizes[runs[at].component()] += runs[at].columns().len();
        }
        Self { size, runs, sizes }
    }

    /// Voxels of each component.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// 0 outside the mask, else the number of the component from 1 on, as `scipy.ndimage.label` counts them.
    pub fn numbered(&self) -> Vec<u32> {
        let mut out = vec![0; self.size.iter().product()];
        for run in &self.runs {
            out[self.span(run)].fill(run.component + 1);
        }
        out
    }

    /// The component with the most voxels, of equal ones the first; an empty mask of an empty one.
    pub fn largest(&self) -> Vec<bool> {
        let most = self.sizes.iter().max();
        let largest = self.sizes.iter().position(|size| Some(size) == most);
        self.those(|component| Some(component) == largest)
    }

    /// Components of `voxels` or more.
    pub fn at_least(&self, voxels: usize) -> Vec<bool> {
        self.those(|component| self.sizes[component] >= voxels)
    }

    fn those(&self, wanted: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut out = vec![false; self.size.iter().product()];
        for run in self.runs.iter().filter(|run| wanted(run.component())) {
            out[self.span(run)].fill(true);
        }
        out
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub(super) fn span(&self, run: &Run) -> Range<usize> {
        let (first, columns) = (run.row() * self.size[2], run.columns());
        first + columns.start..first + columns.end
    }
}

/// All runs, row by row, and where those of each row begin.
fn runs(size: [usize; 3], holds: impl Fn(usize) -> bool) -> (Vec<Run>, Vec<usize>) {
    let (rows, columns) = (size[0] * size[1], size[2]);
    let mut runs = Vec::new();
    let mut first_of_row = Vec::with_capacity(rows + 1);
    for row in 0..rows {
        first_of_row.push(runs.len());
        let mut at = 0;
        while at < columns {
            if !holds(row * columns + at) {
                at += 1;
                continue;
            }
            let begin = at;
            while at < columns && holds(row * columns + at) {
                at += 1;
            }
            let component = runs.len() as u32;
            let [row, begin, end] = [row, begin, at].map(|number| number as u32);
            runs.push(Run { row, begin, end, component });
        }
    }
    first_of_row.push(runs.len());
    (runs, first_of_row)
}

/// Rows before `row` that have neighbours of it, and by how many columns those may lie beside.
fn before(row: usize, rows: usize, neighbours: Neighbours) -> impl Iterator<Item = (usize, usize)> {
    let reach = match neighbours {
        Neighbours::Faces => 1,
        Neighbours::Edges => 2,
        Neighbours::Corners => 3,
    };
    let (slice, of_slice) = (row / rows, row % rows);
    [(0, 0), (1, 0), (1, 1), (1, 2)].into_iter().filter_map(move |(up, across): (usize, usize)| {
        // `across` is one more than the step from row to row.
        let steps = up + across.abs_diff(1);
        let other = (of_slice + across).checked_sub(1).filter(|other| *other < rows)?;
        let slice = slice.checked_sub(up)?;
        (steps <= reach).then(|| (slice * rows + other, usize::from(reach > steps)))
    })
}

/// Joins the runs of two rows that overlap, or lie within `slack` columns of each other.
fn join(runs: &mut [Run], mut a: Range<usize>, mut b: Range<usize>, slack: usize) {
    while a.start < a.end && b.start < b.end {
        let (one, other) = (runs[a.start].columns(), runs[b.start].columns());
        if one.start < other.end + slack && other.start < one.end + slack {
            let (x, y) = (root(runs, a.start), root(runs, b.start));
            runs[x.max(y)].component = x.min(y) as u32;
        }
        if one.end < other.end {
            a.start += 1;
        } else {
            b.start += 1;
        }
    }
}

/// The first run of the component so far.
fn root(runs: &mut [Run], mut at: usize) -> usize {
    while runs[at].component() != at {
        runs[at].component = runs[runs[at].component()].component;
        at = runs[at].component();
    }
    at
}
