//! How a resampling is done, as tables: for the kernels of a device, which do it the same way.

use super::error::VoxelError;
use super::grid::Grid;
use super::resample::{Parallel, Way, places};
use super::taps::Taps;

pub(crate) enum Plan {
    /// Weighted sums along each axis of the source; with the source axis of each target axis.
    Taps([TapTable; 3], [usize; 3]),
    /// The voxel along each axis of the source, below 0 outside.
    Places([Vec<i32>; 3], [usize; 3]),
    /// Where the target begins in the source, and its steps by target axis, then by source axis.
    Oblique([f64; 12]),
}

/// Of one axis of the source.
pub(crate) struct TapTable {
    /// For each target voxel the first voxel of the source and the end of its weights.
    pub(crate) ends: Vec<u32>,
    pub(crate) weights: Vec<f32>,
}

impl TapTable {
    /// Voxels of the target.
    pub(crate) fn count(&self) -> usize {
        self.ends.len() / 2
    }
}

/// As [`super::resample::linear`].
pub(crate) fn linear(from: &Grid, onto: &Grid) -> Plan {
    let way = Way::between(from, onto);
    match way.parallel() {
        Some(parallel) => {
            of_taps(&parallel, [0, 1, 2].map(|a| Taps::linear(parallel.lines[a], from.size()[a])))
        }
        None => Plan::Oblique(way.numbers()),
    }
}

/// As [`super::resample::nearest`].
pub(crate) fn nearest(from: &Grid, onto: &Grid) -> Plan {
    let way = Way::between(from, onto);
    let Some(parallel) = way.parallel() else { return Plan::Oblique(way.numbers()) };
    let at = |place: Option<usize>| place.and_then(|at| i32::try_from(at).ok()).unwrap_or(-1);
    let along = |a: usize| places(parallel.lines[a], from.size()[a]).into_iter().map(at).collect();
    Plan::Places([along(0), along(1), along(2)], parallel.axes)
}

/// As [`super::area::area`].
pub(crate) fn area(from: &Grid, onto: &Grid) -> Result<Plan, VoxelError> {
    let parallel = Way::between(from, onto).parallel().ok_or(VoxelError::Oblique)?;
    let taps = [0, 1, 2].map(|a| Taps::area(parallel.lines[a], from.size()[a]));
    Ok(of_taps(&parallel, taps))
}

fn of_taps(parallel: &Parallel, taps: [Taps; 3]) -> Plan {
    let table = |taps: Taps| {
        let (ends, weights) = taps.table();
        TapTable { ends, weights: weights.to_vec() }
    };
    Plan::Taps(taps.map(table), parallel.axes)
}
