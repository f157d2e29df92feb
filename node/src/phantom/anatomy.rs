//! The phantom's chest in millimetres: which tissue is where, how dense it is, and how much of it there is.
//!
//! x grows to the patient's left, y to the back, z to the head; the origin is the middle of the scan.
//! Everything is told by formulas, so that no file is needed and every scan can be repeated.

use super::{PhantomOptions, Truth};
use gantry_terms::uid::Uid;

/// What a field of view must cover.
pub(super) const WIDTH_MM: f64 = 330.0;
pub(super) const DEPTH_MM: f64 = 250.0;

const BODY: [f64; 2] = [158.0, 112.0];
const LUNG_CENTRE_X: f64 = 74.0;
const LUNG: [f64; 2] = [58.0, 84.0];
/// Fat lies around each lung, as it does in people. It also keeps the edge that a threshold
/// halfway to -1000 HU finds where the edge is: against muscle it would lie half a pixel inside.
const FAT_MM: f64 = 4.0;

/// Densities in HU, before noise.
const AIR: f64 = -1000.0;
const EMPHYSEMA: f64 = -980.0;
const LUNG_TISSUE: f64 = -860.0;
const FAT: f64 = -100.0;
const MUSCLE: f64 = 40.0;
const BLOOD: f64 = 55.0;
const MARROW: f64 = 180.0;
const BONE: f64 = 500.0;
/// Noise lies between plus and minus this, so that it never carries a voxel over -950 HU.
const NOISE: f64 = 18.0;

/// Low attenuation by its definition (LAA-950).
const LOW_ATTENUATION: i16 = -950;

/// A scan: HU values row by row, slice by slice, and what is known about them.
pub(super) struct Voxels {
    hu: Vec<i16>,
    in_slice: usize,
    pub(super) truth: Truth,
}

impl Voxels {
    pub(super) fn slice(&self, slice: u16) -> &[i16] {
        let from = usize::from(slice) * self.in_slice;
        &self.hu[from..from + self.in_slice]
    }
}

/// Image Position (Patient) of a slice: the centre of its first voxel.
pub(super) fn position(options: &PhantomOptions, slice: u16) -> [f64; 3] {
    let middle = |count: u16| f64::from(count - 1) / 2.0;
    [
        -middle(options.columns) * options.pixel_mm,
        -middle(options.rows) * options.pixel_mm,
        (middle(options.slices) - f64::from(slice)) * options.slice_mm,
    ]
}

pub(super) fn scan(seed: &str, options: &PhantomOptions) -> Voxels {
    let mut chance = Chance::new(seed);
    let chest = Chest { height: f64::from(options.slices) * options.slice_mm };
    let grid = Grid::new(options);
    let mut tissue: Vec<f64> = grid.centres().map(|at| chest.density(at)).collect();
    let is_lung: Vec<bool> = tissue.iter().map(|hu| *hu < -500.0 && *hu > AIR).collect();
    destroy(&mut tissue, &is_lung, &grid, options.emphysema_percent, &mut chance);
    let hu: Vec<i16> =
        tissue.iter().map(|hu| (hu + NOISE * chance.around_zero()).round() as i16).collect();
    let truth = count(&hu, &is_lung, options);
    Voxels { hu, in_slice: grid.columns * grid.rows, truth }
}

fn count(hu: &[i16], is_lung: &[bool], options: &PhantomOptions) -> Truth {
    let lung = || hu.iter().zip(is_lung).filter(|(_, lung)| **lung).map(|(hu, _)| *hu);
    let voxels = lung().count() as f64;
    let low = lung().filter(|hu| *hu < LOW_ATTENUATION).count() as f64;
    let sum: f64 = lung().map(f64::from).sum();
    let voxel_ml = options.pixel_mm * options.pixel_mm * options.slice_mm / 1000.0;
    Truth {
        lung_volume_ml: voxels * voxel_ml,
        laa950_percent: 100.0 * low / voxels,
        mean_lung_hu: sum / voxels,
    }
}

/// Turns round patches of lung into emphysema until the share is reached.
fn destroy(tissue: &mut [f64], is_lung: &[bool], grid: &Grid, percent: f64, chance: &mut Chance) {
    let lung: Vec<usize> = (0..is_lung.len()).filter(|at| is_lung[*at]).collect();
    let mut wanted = (lung.len() as f64 * percent / 100.0).round() as usize;
    while wanted > 0 {
        let centre = grid.centre(lung[chance.below(lung.len())]);
        let radius = 4.0 + 6.0 * chance.share();
        for voxel in grid.ball(centre, radius) {
            if wanted > 0 && is_lung[voxel] && tissue[voxel] != EMPHYSEMA {
                tissue[voxel] = EMPHYSEMA;
                wanted -= 1;
            }
        }
    }
}

/// The chest without emphysema and noise.
struct Chest {
    height: f64,
}

impl Chest {
    fn density(&self, [x, y, z]: [f64; 3]) -> f64 {
        let body = ellipse(x, y, BODY);
        if body > 1.0 {
            return AIR;
        }
        let lung = self.outside_lung([x, y, z]);
        if lung <= 0.0 {
            // Blood sinks: the back of a lung is denser than its front.
            return LUNG_TISSUE + 15.0 * y / LUNG[1];
        }
        if let Some(bone) = self.bone([x, y, z]) {
            return bone;
        }
        if lung < FAT_MM {
            return FAT;
        }
        if self.outside_heart([x, y, z]) < 0.0 || (x - 18.0).hypot(y - 38.0) < 13.0 {
            return BLOOD;
        }
        let skin = (1.0 - body) * BODY[1];
        if (2.0..10.0).contains(&skin) { FAT } else { MUSCLE }
    }

    /// About how many millimetres a point lies outside the lungs; nothing or less inside.
    fn outside_lung(&self, [x, y, z]: [f64; 3]) -> f64 {
        let aside = x.abs() - LUNG_CENTRE_X;
        // From 0 at the apex to 1 at the base; the first and last slices lie above and below.
        let down = 0.5 - z / (0.86 * self.height);
        if !(0.0..1.0).contains(&down) {
            return f64::INFINITY;
        }
        let apex = ((0.4 - down) / 0.4).max(0.0);
        let [width, depth] = LUNG.map(|axis| axis * (1.0 - apex * apex).sqrt());
        let wall = (ellipse(aside, y, [width, depth]) - 1.0) * width;
        // The dome of the diaphragm rises from below; the heart lies between the lungs.
        let dome_height = 0.26 * self.height;
        let above_dome = ellipsoid(
            [aside, y + 8.0, z + 0.43 * self.height],
            [LUNG[0] * 1.02, LUNG[1] * 0.98, dome_height],
        );
        let dome = (1.0 - above_dome) * LUNG[0];
        wall.max(dome).max(-self.outside_heart([x, y, z]))
    }

    fn outside_heart(&self, [x, y, z]: [f64; 3]) -> f64 {
        let axes = [58.0, 50.0, 0.2 * self.height];
        let at = [x - 22.0, y + 28.0, z + 0.22 * self.height];
        (ellipsoid(at, axes) - 1.0) * axes[1]
    }

    /// Vertebrae with discs between them, a sternum, and ribs that slope forward.
    fn bone(&self, [x, y, z]: [f64; 3]) -> Option<f64> {
        let vertebra = ellipse(x, y - 66.0, [19.0, 15.0]);
        let disc = (z / 28.0).rem_euclid(1.0) < 0.2;
        if vertebra < 1.0 && !disc {
            return Some(if vertebra < 0.85 { MARROW } else { BONE });
        }
        if ellipse(x, y - 92.0, [5.0, 9.0]) < 1.0 || ellipse(x, y + 97.0, [17.0, 6.0]) < 1.0 {
            return Some(BONE);
        }
        let ring = ellipse(x, y, [BODY[0] - 17.0, BODY[1] - 14.0]);
        let rib = ((z - 0.35 * y) / 26.0).rem_euclid(1.0) < 0.4;
        (rib && (0.97..1.03).contains(&ring)).then_some(BONE)
    }
}

/// 1 on the ellipse, less inside, growing in proportion to the distance from its centre.
fn ellipse(x: f64, y: f64, [a, b]: [f64; 2]) -> f64 {
    (x / a).hypot(y / b)
}

fn ellipsoid([x, y, z]: [f64; 3], [a, b, c]: [f64; 3]) -> f64 {
    (x / a).hypot(y / b).hypot(z / c)
}

/// Where the voxels are.
struct Grid {
    columns: usize,
    rows: usize,
    slices: usize,
    first: [f64; 3],
    step: [f64; 3],
}

impl Grid {
    fn new(options: &PhantomOptions) -> Self {
        Self {
            columns: options.columns.into(),
            rows: options.rows.into(),
            slices: options.slices.into(),
            first: position(options, 0),
            step: [options.pixel_mm, options.pixel_mm, -options.slice_mm],
        }
    }

    fn centres(&self) -> impl Iterator<Item = [f64; 3]> + '_ {
        (0..self.columns * self.rows * self.slices).map(|voxel| self.centre(voxel))
    }

    fn centre(&self, voxel: usize) -> [f64; 3] {
        let place = [
            voxel % self.columns,
            voxel / self.columns % self.rows,
            voxel / self.columns / self.rows,
        ];
        std::array::from_fn(|axis| self.first[axis] + self.step[axis] * place[axis] as f64)
    }

    /// The voxels whose centres lie within a ball.
    fn ball(&self, centre: [f64; 3], radius: f64) -> Vec<usize> {
        let counts = [self.columns, self.rows, self.slices];
        let range = |axis: usize| {
            let middle = (centre[axis] - self.first[axis]) / self.step[axis];
            let reach = radius / self.step[axis].abs();
            let last = (middle + reach).floor().min(counts[axis] as f64 - 1.0);
            (middle - reach).ceil().max(0.0) as usize..=last as usize
        };
        let mut inside = Vec::new();
        for slice in range(2) {
            for row in range(1) {
                for column in range(0) {
                    let voxel = (slice * self.rows + row) * self.columns + column;
                    let at = self.centre(voxel);
                    let away = [at[0] - centre[0], at[1] - centre[1], at[2] - centre[2]];
                    if ellipsoid(away, [radius; 3]) <= 1.0 {
                        inside.push(voxel);
                    }
                }
            }
        }
        inside
    }
}

/// Numbers that look like chance and depend on the seed alone (splitmix64).
struct Chance(u64);

impl Chance {
    fn new(seed: &str) -> Self {
        let digest = Uid::derived(&["phantom chance", seed]);
        // FNV-1a: only spreads the digits, which are random already.
        let spread = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        Self(digest.as_str().bytes().fold(0xCBF2_9CE4_8422_2325, spread))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From -1 to 1, zero most often.
    fn around_zero(&mut self) -> f64 {
        self.share() - self.share()
    }

    fn below(&mut self, count: usize) -> usize {
        (self.share() * count as f64) as usize
    }
}
