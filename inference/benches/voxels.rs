//! How long the arithmetic around a graph takes on volumes of full size, beside SimpleITK, scipy, numpy and Pillow in the same run.

use gantry_inference::voxels::area::area;
use gantry_inference::voxels::argmax::argmax;
use gantry_inference::voxels::block::Block;
use gantry_inference::voxels::components::{Components, Neighbours};
use gantry_inference::voxels::figures::figures;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::holes::fill;
use gantry_inference::voxels::image::{Image, Kernel};
use gantry_inference::voxels::intensity::{self, Applied, Over};
use gantry_inference::voxels::orientation::{Orientation, reoriented};
use gantry_inference::voxels::resample::{linear, nearest};
use gantry_inference::voxels::windows::{Blend, Importance, Windows};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const ROUNDS: usize = 7;
/// A chest CT of 1.5 mm: slices, rows, columns.
const IMAGES: [usize; 3] = [200, 512, 512];

/// 200 units around water are stretched, what is below -1000 or above 1300 is cut.
const STRETCHED: [[f32; 2]; 4] =
    [[-1000.0, 0.0], [-100.0, 900.0], [100.0, 3100.0], [1300.0, 4300.0]];

/// Median of some rounds in ms. What is made anew for each round is not counted.
fn time<S, T>(made: impl Fn() -> S, work: impl Fn(S) -> T) -> f64 {
    let round = || {
        let given = made();
        let begin = Instant::now();
        black_box(work(given));
        begin.elapsed().as_secs_f64() * 1e3
    };
    round();
    let mut taken: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    taken.sort_by(f64::total_cmp);
    taken[ROUNDS / 2]
}

/// Smooth, with some noise: no part of the work is easier than on a scan.
fn scan() -> Vec<f32> {
    let [slices, rows, columns] = IMAGES;
    let mut state = 1u32;
    let mut voxels = Vec::with_capacity(slices * rows * columns);
    for (z, y) in (0..slices).flat_map(|z| (0..rows).map(move |y| (z, y))) {
        let wave = (z as f32 * 0.11).sin() + (y as f32 * 0.023).cos();
        voxels.extend((0..columns).map(|x| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            400.0 * (wave + (x as f32 * 0.031).sin()) + (state >> 24) as f32
        }));
    }
    voxels
}

fn resampling(of: &mut Vec<(&'static str, f64)>, images: &Block, cube: &Block) {
    let grid = *cube.grid();
    let mut time_of = |name, onto: &Grid, work: &dyn Fn(&Grid) -> Block| {
        of.push((name, time(|| (), |()| work(onto))));
    };
    let upright = images.grid().with_size([256; 3]).expect("a grid");
    let conformed = images.grid().conformed(256, 1.0, code("LIA")).expect("a grid");
    // 20 degrees about one axis, 10 about another.
    let oblique = [[0.0, -0.3420, 0.9397], [0.1736, 0.9254, 0.3368], [0.9848, -0.1632, -0.0594]];
    let oblique = Grid::new([256; 3], [-100.0, -120.0, -90.0], oblique).expect("a grid");
    time_of("trilinear, 256^3 onto 256^3", &shifted(&grid), &|onto| {
        linear(cube, onto, 0.0).expect("done")
    });
    time_of("trilinear, 256^3 onto 256^3, oblique", &oblique, &|onto| {
        linear(cube, onto, 0.0).expect("done")
    });
    time_of("trilinear, scan onto 256^3", &upright, &|onto| {
        linear(images, onto, 0.0).expect("done")
    });
    time_of("trilinear, scan conformed to 256^3 LIA", &conformed, &|onto| {
        linear(images, onto, 0.0).expect("done")
    });
    time_of("nearest, 256^3 onto scan", images.grid(), &|onto| {
        nearest(cube, onto, 0.0).expect("done")
    });
    time_of(
        "mean over footprints, scan onto 128^3",
        &images.grid().with_size([128; 3]).expect("a grid"),
        &|onto| area(images, onto, 0.0).expect("done"),
    );
}

fn code(code: &str) -> Orientation {
    Orientation::parse(code).expect("an orientation")
}

fn shifted(grid: &Grid) -> Grid {
    Grid::new(grid.size(), grid.to_mm([0.3, 0.4, 0.6]), grid.steps()).expect("a grid")
}

fn values(of: &mut Vec<(&'static str, f64)>, cube: &Block) {
    let made = || cube.voxels().to_vec();
    let mut time_of = |name, work: &dyn Fn(Vec<f32>) -> Vec<f32>| of.push((name, time(made, work)));
    time_of("window, 256^3", &|mut v| {
        intensity::window(&mut v, -160.0, 240.0).expect("done");
        v
    });
    time_of("z-score, 256^3", &|mut v| {
        intensity::z_score(&mut v, Over::All, Applied::ToAll);
        v
    });
    time_of("quantiles 0.02 and 0.98, 256^3", &|mut v| {
        intensity::quantile_scale(&mut v, 0.02, 0.98, 1e-3, Over::All).expect("done");
        v
    });
    time_of("piecewise map, 256^3", &|mut v| {
        intensity::piecewise(&mut v, &STRETCHED).expect("done");
        v
    });
    of.push(("turned to LIA, 256^3", time(|| (), |()| reoriented(cube, code("LIA")))));
}

fn masks(of: &mut Vec<(&'static str, f64)>, cube: &Block) {
    let size = cube.grid().size();
    let mask: Vec<bool> = cube.voxels().iter().map(|v| *v > 300.0).collect();
    let labels =
        Block::new(*cube.grid(), mask.iter().map(|m| u16::from(*m)).collect()).expect("labels");
    let neighbours = Neighbours::Corners;
    let numbered = || Components::of(&mask, size, neighbours).map(|of| of.numbered());
    of.push(("components, 26 neighbours, 256^3", time(|| (), |()| numbered())));
    let filled = |mut mask: Vec<bool>| fill(&mut mask, size).map(|()| mask);
    of.push(("holes filled, 256^3", time(|| mask.clone(), filled)));
    let measured = || figures(&labels, cube, &[1], &[5.0, 50.0, 95.0]);
    of.push(("figures of a label, 256^3", time(|| (), |()| measured())));
    let scores = [cube.voxels(), &cube.voxels()[1..], &cube.voxels()[..1]].concat();
    of.push(("argmax of 2 classes, 256^3", time(|| (), |()| argmax(&scores, cube.voxels().len()))));
}

fn windows(of: &mut Vec<(&'static str, f64)>, cube: &Block) {
    let over = Windows::over(cube.grid().size(), [96; 3], 0.5).expect("windows");
    let answer = vec![0.5; 2 * over.voxels()];
    let blended = || {
        let mut blend = Blend::new(&over, 2, Importance::Gaussian(0.125)).expect("a blend");
        let mut window = vec![0.0; over.voxels()];
        for number in 0..over.len() {
            over.cut(cube.voxels(), number, 0.0, &mut window).expect("a window");
            blend.add(number, &answer).expect("added");
        }
        blend.finish()
    };
    of.push(("125 windows of 96^3 in 2 channels, 256^3", time(|| (), |()| blended())));
}

fn image(of: &mut Vec<(&'static str, f64)>, scan: &[f32]) {
    let image = Image::new([512, 512], scan[..512 * 512].to_vec()).expect("an image");
    let resized = |kernel| time(|| (), |()| image.resized([224, 224], kernel));
    of.push(("image of 512^2 to 224^2, bicubic", resized(Kernel::Bicubic)));
    of.push(("image of 512^2 to 224^2, bilinear", resized(Kernel::Bilinear)));
}

/// Median ms by name, of the same work.
fn of_others(scan: &[f32], cube: &Block) -> BTreeMap<String, String> {
    let Some(python) = std::env::var_os("GANTRY_PYTHON") else {
        println!("skipped: GANTRY_PYTHON names no Python with SimpleITK and scipy");
        return BTreeMap::new();
    };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, numbers: &[f32]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(folder.path().join(name), bytes).expect("written");
    };
    write("scan", scan);
    write("cube", cube.voxels());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/others.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("a Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let pair = |line: &str| line.split_once('\t').map(|(name, ms)| (name.into(), ms.into()));
    said.lines().filter_map(pair).collect()
}

fn main() {
    let axial = [[0.0, 0.0, 1.5], [0.0, 0.7, 0.0], [0.7, 0.0, 0.0]];
    let grid = Grid::new(IMAGES, [-179.0, -179.0, -150.0], axial).expect("a grid");
    let images = Block::new(grid, scan()).expect("a scan");
    let onto = grid.with_size([256; 3]).expect("a grid");
    let cube = linear(&images, &onto, 0.0).expect("a cube");
    let mut own = Vec::new();
    resampling(&mut own, &images, &cube);
    values(&mut own, &cube);
    masks(&mut own, &cube);
    windows(&mut own, &cube);
    image(&mut own, images.voxels());
    let others = of_others(images.voxels(), &cube);
    println!("medians of {ROUNDS} in ms; the scan is {IMAGES:?}");
    for (name, ms) in own {
        let other = others.get(name).map_or("-", String::as_str);
        println!("{name}: {ms:.1} | {other}");
    }
}
