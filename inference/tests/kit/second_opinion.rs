//! Others who do the same arithmetic: a Python with numpy, scipy, SimpleITK and Pillow, and random numbers to ask it about.

use super::{python, run_python};
use gantry_inference::voxels::grid::Grid;
use std::path::PathBuf;
use tempfile::TempDir;

/// What every script begins with: `f32("a", size)` reads what was put as `a`, `save("b", array)` is read back by name.
const PRELUDE: &str = include_str!("../reference/prelude.py");

/// One question: numbers are put into files, a script reads them and writes others.
pub struct Question {
    folder: TempDir,
    python: PathBuf,
}

impl Question {
    /// Nothing, with a word, when there is no Python.
    pub fn new() -> Option<Self> {
        Some(Self { python: python()?, folder: tempfile::tempdir().unwrap() })
    }

    pub fn put(&self, name: &str, numbers: &[f32]) -> &Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        self
    }

    /// Any file.
    pub fn lay(&self, name: &str, bytes: &[u8]) -> &Self {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        self
    }

    /// A file that a script wrote.
    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    pub fn put_mask(&self, name: &str, mask: &[bool]) -> &Self {
        self.put(name, &mask.iter().map(|holds| f32::from(u8::from(*holds))).collect::<Vec<_>>())
    }

    pub fn put_labels(&self, name: &str, labels: &[u16]) -> &Self {
        self.put(name, &labels.iter().map(|label| f32::from(*label)).collect::<Vec<_>>())
    }

    /// Anything whose debug text is JSON: numbers, and arrays of them.
    pub fn say(&self, name: &str, value: impl std::fmt::Debug) -> &Self {
        std::fs::write(self.folder.path().join(name), format!("{value:?}")).unwrap();
        self
    }

    /// `[size, origin, steps]` under this name.
    pub fn say_grid(&self, name: &str, grid: &Grid) -> &Self {
        let (size, origin, steps) = (grid.size(), grid.origin(), grid.steps());
        let text = format!("[{size:?}, {origin:?}, {steps:?}]");
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub fn ask(&self, script: &str) -> &Self {
        run_python(&self.python, &format!("{PRELUDE}\n{script}"), &[self.folder.path()]);
        self
    }

    pub fn answer(&self, name: &str) -> Vec<f64> {
        let bytes = std::fs::read(self.folder.path().join(name)).unwrap();
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().unwrap());
        bytes.chunks(8).map(number).collect()
    }
}

/// Each number within `relative` of its size, or of the largest of all; NaN where NaN is.
pub fn assert_near(own: &[f32], other: &[f64], relative: f64) {
    assert_eq!(own.len(), other.len());
    let most = other.iter().filter(|v| v.is_finite()).fold(0.0, |most: f64, v| most.max(v.abs()));
    for (at, (own, other)) in own.iter().zip(other).enumerate() {
        let own = f64::from(*own);
        let near = (own - other).abs() <= relative * most.max(1e-9);
        assert!(
            near || own == *other || (own.is_nan() && other.is_nan()),
            "{at}: {own}, not {other}"
        );
    }
}

pub fn assert_same<T: Copy + Into<f64>>(own: &[T], other: &[f64]) {
    assert_eq!(own.len(), other.len());
    for (at, (own, other)) in own.iter().zip(other).enumerate() {
        assert!((*own).into() == *other, "{at}: {}, not {other}", (*own).into());
    }
}

/// Random numbers, the same in every run.
pub struct Random(pub u64);

impl Random {
    /// SplitMix64.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    pub fn numbers(&mut self, count: usize, low: f64, high: f64) -> Vec<f32> {
        (0..count).map(|_| self.between(low, high) as f32).collect()
    }

    pub fn mask(&mut self, count: usize, part: f64) -> Vec<bool> {
        (0..count).map(|_| self.between(0.0, 1.0) < part).collect()
    }

    /// A grid around the origin, turned any way when `oblique`, else along the patient's axes in any order.
    pub fn grid(&mut self, size: [usize; 3], spacing: [f64; 3], oblique: bool) -> Grid {
        let axes = if oblique { self.rotation() } else { self.upright() };
        let steps = [0, 1, 2].map(|a| axes[a].map(|part| part * spacing[a]));
        let centre = [0; 3].map(|_| self.between(-4.0, 4.0));
        let grid = Grid::new(size, [0.0; 3], steps).unwrap();
        let own = grid.centre();
        Grid::new(size, [0, 1, 2].map(|a| centre[a] - own[a]), steps).unwrap()
    }

    fn upright(&mut self) -> [[f64; 3]; 3] {
        let mut order = [0, 1, 2];
        order.swap(0, self.below(3));
        order.swap(1, 1 + self.below(2));
        order.map(|axis| {
            let sign = if self.below(2) == 0 { 1.0 } else { -1.0 };
            std::array::from_fn(|a| if a == axis { sign } else { 0.0 })
        })
    }

    /// Rows of the matrix of a random unit quaternion.
    fn rotation(&mut self) -> [[f64; 3]; 3] {
        let parts = [0; 4].map(|_| self.between(-1.0, 1.0));
        let length = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
        let [w, x, y, z] = parts.map(|part| part / length);
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    }
}
