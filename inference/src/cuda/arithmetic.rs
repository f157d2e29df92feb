//! The twins of `voxels/` on a device: which kernels are put on the stream, with which tables. Alone it launches kernels.

use super::driver::Arg::{Doubles, Float, Floats, Index, Int, Ints, Labels, Unsigned};
use super::driver::{Borrowed, DeviceError, Gpu, OnDevice};
use crate::device::Fault;
use crate::voxels::grid::Grid;
use crate::voxels::intensity::{Applied, Over, check_knots, check_order};
use crate::voxels::plan::{self, Plan};

/// Threads that go through all values together; then so many through what those found, and so on to one. Each goes
/// through 64 of them.
const MANY: usize = 1 << 18;
const FEWER: [usize; 3] = [1 << 12, 1 << 6, 1];

/// Values that a thread changes which changes values in place: `SPAN` of the kernels.
const SPAN: usize = 4;

impl Gpu {
    /// As `voxels::intensity::window`.
    pub fn window(&self, values: &OnDevice, low: f32, high: f32) -> Result<(), DeviceError> {
        check_order("the ends of a window", low, high)?;
        let args = [Floats(values), Index(values.len() as i64), Float(low), Float(high - low)];
        self.launch("window", values.len().div_ceil(SPAN), &args)
    }

    pub fn clip(&self, values: &OnDevice, low: f32, high: f32) -> Result<(), DeviceError> {
        check_order("the ends of a range", low, high)?;
        let args = [Floats(values), Index(values.len() as i64), Float(low), Float(high)];
        self.launch("clip", values.len().div_ceil(SPAN), &args)
    }

    pub fn piecewise(&self, values: &OnDevice, knots: &[[f32; 2]]) -> Result<(), DeviceError> {
        check_knots(knots)?;
        let table = self.table(knots.as_flattened())?;
        let count = Index(values.len() as i64);
        let args = [Floats(values), count, Floats(&table), int(knots.len())?];
        self.launch("piecewise", values.len(), &args)
    }

    pub fn min_max(&self, values: &OnDevice) -> Result<(), DeviceError> {
        let ends = self.ends(values)?;
        let args = [Floats(values), Index(values.len() as i64), Floats(&ends)];
        self.launch("min_max", values.len().div_ceil(SPAN), &args)
    }

    /// The least number; infinite where there is none.
    pub fn least(&self, values: &OnDevice) -> Result<f32, DeviceError> {
        let ends = self.download(&self.ends(values)?)?;
        Ok(ends.first().copied().unwrap_or(f32::INFINITY))
    }

    fn ends(&self, values: &OnDevice) -> Result<OnDevice, DeviceError> {
        let many = values.len().clamp(1, MANY);
        let (count, of_many) = (Index(values.len() as i64), self.room(2 * many)?);
        self.launch("ends_of", many, &[Floats(values), count, Floats(&of_many), int(many)?])?;
        let fold = |from: &OnDevice, number: usize, fewer: usize| {
            let folded = self.room(2 * fewer)?;
            let args = [Floats(from), int(number)?, Floats(&folded), int(fewer)?];
            self.launch("fold_ends", fewer, &args)?;
            Ok::<_, DeviceError>(folded)
        };
        let [first, second, last] = FEWER;
        fold(&fold(&fold(&of_many, many, first)?, first, second)?, second, last)
    }

    /// As its twin but for the order of the sums, which are in float64: the mean differs by some 1e-15 of it.
    pub fn z_score(&self, values: &OnDevice, over: Over, to: Applied) -> Result<(), DeviceError> {
        let (over, least) = match over {
            Over::All => (Int(0), Float(0.0)),
            Over::NonZero => (Int(1), Float(0.0)),
            Over::Above(least) => (Int(2), Float(least)),
        };
        let many = values.len().clamp(1, MANY);
        let (count, of_many) = (Index(values.len() as i64), self.room::<f64>(2 * many)?);
        let args = [Floats(values), count, over, least, Doubles(&of_many), int(many)?];
        self.launch("sums_of", many, &args)?;
        let totals = self.folded(&of_many, many)?;
        let [totals_in, sums] = [Doubles(&totals), Doubles(&of_many)];
        let args = [Floats(values), count, over, least, totals_in, sums, int(many)?];
        self.launch("squares_of", many, &args)?;
        let (squares, found) = (self.folded(&of_many, many)?, self.room::<f64>(3)?);
        let args = [totals_in, Doubles(&squares), Doubles(&found)];
        self.launch("mean_and_deviation", 1, &args)?;
        let those = Int(i32::from(to == Applied::ToThose));
        let args = [Floats(values), count, over, least, those, Doubles(&found)];
        self.launch("z_score", values.len().div_ceil(SPAN), &args)
    }

    fn folded(&self, sums: &OnDevice<f64>, many: usize) -> Result<OnDevice<f64>, DeviceError> {
        let fold = |from: &OnDevice<f64>, number: usize, fewer: usize| {
            let folded = self.room(2 * fewer)?;
            let args = [Doubles(from), int(number)?, Doubles(&folded), int(fewer)?];
            self.launch("fold_sums", fewer, &args)?;
            Ok::<_, DeviceError>(folded)
        };
        let [first, second, last] = FEWER;
        fold(&fold(&fold(sums, many, first)?, first, second)?, second, last)
    }

    /// As `voxels::resample::linear`.
    pub fn linear(
        &self,
        voxels: &OnDevice,
        from: &Grid,
        onto: &Grid,
        outside: f32,
    ) -> Result<OnDevice, DeviceError> {
        self.resampled(voxels, from, onto, outside, plan::linear(from, onto), false)
    }

    /// As `voxels::resample::nearest`.
    pub fn nearest(
        &self,
        voxels: &OnDevice,
        from: &Grid,
        onto: &Grid,
        outside: f32,
    ) -> Result<OnDevice, DeviceError> {
        self.resampled(voxels, from, onto, outside, plan::nearest(from, onto), true)
    }

    /// As `voxels::area::area`.
    pub fn area(
        &self,
        voxels: &OnDevice,
        from: &Grid,
        onto: &Grid,
        outside: f32,
    ) -> Result<OnDevice, DeviceError> {
        let plan = plan::area(from, onto);
        self.resampled(voxels, from, onto, outside, plan?, false)
    }

    fn resampled(
        &self,
        voxels: &OnDevice,
        from: &Grid,
        onto: &Grid,
        outside: f32,
        plan: Plan,
        nearest: bool,
    ) -> Result<OnDevice, DeviceError> {
        counted("a block", voxels.len(), from.voxels())?;
        let [slices, rows, columns] = ints(from.size())?;
        let [nz, ny, nx] = ints(onto.size())?;
        let count = onto.voxels();
        let out = self.room(count)?;
        match plan {
            Plan::Taps(taps, axes) => {
                // An empty table has no place on a device.
                let weights = |a: usize| match taps[a].weights.as_slice() {
                    [] => self.table(&[0.0]),
                    weights => self.table(weights),
                };
                let ends = |a: usize| self.table(&taps[a].ends);
                let [n0, n1, n2] = ints([0, 1, 2].map(|a| taps[a].count()))?;
                let [a0, a1, a2] = ints(axes)?;
                let (e0, e1, e2) = (ends(0)?, ends(1)?, ends(2)?);
                let (w0, w1, w2) = (weights(0)?, weights(1)?, weights(2)?);
                let tables = [(&e0, &w0), (&e1, &w1), (&e2, &w2)];
                let tables = tables.into_iter().flat_map(|(e, w)| [Unsigned(e), Floats(w)]);
                let mut args = vec![Floats(voxels), rows, columns];
                args.extend(tables);
                args.extend([n0, n1, n2, a0, a1, a2, Float(outside), Floats(&out)]);
                self.launch("resample_taps", count, &args)?;
            }
            Plan::Places(places, axes) => {
                let [n0, n1, n2] = ints([0, 1, 2].map(|a| places[a].len()))?;
                let [a0, a1, a2] = ints(axes)?;
                let [z, y, x] = &places;
                let (z, y, x) = (self.table(z)?, self.table(y)?, self.table(x)?);
                let places = [Ints(&z), Ints(&y), Ints(&x)];
                let mut args = vec![Floats(voxels), rows, columns];
                args.extend(places);
                args.extend([n0, n1, n2, a0, a1, a2, Float(outside), Floats(&out)]);
                self.launch("resample_places", count, &args)?;
            }
            Plan::Oblique(way) => {
                let way = self.table(&way)?;
                let source = [Floats(voxels), slices, rows, columns, Doubles(&way)];
                let end = [nz, ny, nx, Float(outside), Floats(&out)];
                if nearest {
                    self.launch("nearest_oblique", count, &[&source[..], &end].concat())?;
                } else {
                    let in_rows = onto.size()[0] * onto.size()[1];
                    let ranges = self.room(4 * in_rows)?;
                    let sides = [nz, ny, nx, Ints(&ranges)];
                    self.launch("oblique_rows", in_rows, &[&source[1..], &sides].concat())?;
                    let args = [&source[..], &[Ints(&ranges)], &end].concat();
                    self.launch("linear_oblique", count, &args)?;
                }
            }
        }
        Ok(out)
    }

    /// The class with the highest score of each voxel, as `voxels::argmax::argmax`.
    pub fn argmax(&self, scores: &OnDevice, voxels: usize) -> Result<OnDevice<u16>, DeviceError> {
        let classes = scores.len().checked_div(voxels).unwrap_or(0);
        counted("a tensor of scores", scores.len(), classes.clamp(1, 65535) * voxels)?;
        let labels = self.room(voxels)?;
        let args = [Floats(scores), int(classes)?, Index(voxels as i64), Labels(&labels)];
        self.launch("argmax", voxels, &args)?;
        Ok(labels)
    }

    /// Whether none is NaN or infinite, as `voxels::argmax::all_finite`.
    pub fn all_finite(&self, values: &OnDevice) -> Result<bool, DeviceError> {
        let found = self.zeros::<i32>(1)?;
        let args = [Floats(values), Index(values.len() as i64), Ints(&found)];
        self.launch("any_not_finite", values.len(), &args)?;
        Ok(self.download(&found)? == [0])
    }

    /// A window of a block that begins at `start`, laid into `out`, as `voxels::windows::Windows::cut`.
    pub fn cut(
        &self,
        (block, size): (&OnDevice, [usize; 3]),
        start: [isize; 3],
        window: [usize; 3],
        padding: f32,
        out: &OnDevice,
    ) -> Result<(), DeviceError> {
        counted("a block", block.len(), size.iter().product())?;
        let voxels = window.iter().product();
        counted("room for a window", out.len(), voxels)?;
        let place = [ints(size)?, starts(start)?, ints(window)?].concat();
        let args = [&[Floats(block)], &place[..], &[Float(padding), Floats(out)]].concat();
        self.launch("cut", voxels, &args)
    }

    /// As `voxels::slices::with_neighbours`.
    pub fn slices(
        &self,
        (block, size): (&OnDevice, [usize; 3]),
        at: usize,
        neighbours: usize,
        out: &OnDevice,
    ) -> Result<(), DeviceError> {
        let plane = size[1] * size[2];
        counted("a block", block.len(), size[0] * plane)?;
        let voxels = plane * (2 * neighbours + 1);
        counted("room for a slice and its neighbours", out.len(), voxels)?;
        let place = [int(size[0])?, int(plane)?, int(at)?, int(neighbours)?];
        self.launch("slices_of", voxels, &[&[Floats(block)], &place[..], &[Floats(out)]].concat())
    }

    /// Sums over a block of this size, of so many channels, for answers weighted like this.
    pub fn blending(
        &self,
        size: [usize; 3],
        channels: usize,
        window: [usize; 3],
        weights: &[f32],
    ) -> Result<Blending<'_>, DeviceError> {
        counted("the weights of a window", weights.len(), window.iter().product())?;
        let sums = self.zeros((channels + 1) * size.iter().product::<usize>())?;
        let weights = self.upload(weights)?;
        Ok(Blending { gpu: self, size, channels, window, weights, sums })
    }
}

/// As `voxels::windows::Blend`.
#[derive(Debug)]
pub struct Blending<'a> {
    gpu: &'a Gpu,
    size: [usize; 3],
    channels: usize,
    window: [usize; 3],
    weights: OnDevice,
    /// Of each channel, and behind them the sums of weights.
    sums: OnDevice,
}

impl Blending<'_> {
    /// The answer to a window that begins at `start`, `[channel][z][y][x]`.
    pub fn add(&mut self, start: [isize; 3], answer: &OnDevice) -> Result<(), DeviceError> {
        let of_window: usize = self.window.iter().product();
        counted("the answer to a window", answer.len(), self.channels * of_window)?;
        let place = [ints(self.size)?, starts(start)?, ints(self.window)?].concat();
        let begin = [Floats(answer), Floats(&self.weights), int(self.channels)?];
        let args = [&begin[..], &place, &[Floats(&self.sums)]].concat();
        self.gpu.launch("blend", of_window, &args)
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The blended block, `[channel][z][y][x]`.
    pub fn finish(&self) -> Result<Borrowed<'_>, DeviceError> {
        let of_block: usize = self.size.iter().product();
        let args = [Floats(&self.sums), int(self.channels)?, Index(of_block as i64)];
        self.gpu.launch("divide", of_block, &args)?;
        // Behind the channels stand the sums of weights.
        Ok(self.gpu.piece(&self.sums, 0, self.channels * of_block))
    }
}

fn counted(what: &str, found: usize, expected: usize) -> Result<(), DeviceError> {
    if found == expected {
        return Ok(());
    }
    Err(DeviceError::new(Fault::Graph, format!("{what} has {found} numbers, not {expected}")))
}

fn int(number: usize) -> Result<super::driver::Arg<'static>, DeviceError> {
    let text = || DeviceError::new(Fault::Graph, format!("{number} is too large for a device"));
    i32::try_from(number).map(Int).map_err(|_| text())
}

fn ints(numbers: [usize; 3]) -> Result<[super::driver::Arg<'static>; 3], DeviceError> {
    let [a, b, c] = numbers.map(int);
    Ok([a?, b?, c?])
}

fn starts(start: [isize; 3]) -> Result<[super::driver::Arg<'static>; 3], DeviceError> {
    let one = |at: isize| {
        let text = || DeviceError::new(Fault::Graph, format!("{at} is too far for a device"));
        i32::try_from(at).map(Int).map_err(|_| text())
    };
    let [a, b, c] = start.map(one);
    Ok([a?, b?, c?])
}
