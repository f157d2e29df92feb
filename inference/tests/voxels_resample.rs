//! Volumes on other grids: as SimpleITK and numpy put them there, and back.

mod kit;

use gantry_inference::voxels::area::area;
use gantry_inference::voxels::block::Block;
use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::orientation::{Orientation, reoriented};
use gantry_inference::voxels::resample::{linear, nearest};
use kit::second_opinion::{Question, Random, assert_near, assert_same};

const RESAMPLE: &str = include_str!("reference/resample.py");
const AREA: &str = include_str!("reference/area.py");

fn random_block(random: &mut Random, grid: Grid) -> Block {
    Block::new(grid, random.numbers(grid.voxels(), -1024.0, 3000.0)).unwrap()
}

/// The same, but for voxels whose centre lies on a border of two source voxels: there rounding decides.
fn assert_nearest(from: &Grid, own: &Block, other: &[f64]) {
    let [_, rows, columns] = own.grid().size();
    let on_a_border = |i: usize| {
        let at = [i / (rows * columns), i / columns % rows, i % columns].map(|i| i as f64);
        let index = from.to_index(own.grid().to_mm(at));
        index.iter().any(|i| (i - i.floor() - 0.5).abs() < 1e-5)
    };
    let (own, other): (Vec<f64>, Vec<f64>) = own
        .voxels()
        .iter()
        .zip(other)
        .enumerate()
        .filter(|(i, (own, other))| f64::from(**own) == **other || !on_a_border(*i))
        .map(|(_, (own, other))| (f64::from(*own), *other))
        .unzip();
    assert!(own.len() > 1);
    assert_same(&own, &other);
}

/// Size, and spacing in mm.
type Shape = ([usize; 3], [f64; 3]);

/// A source and a target.
const CASES: [(Shape, Shape); 6] = [
    (([17, 23, 31], [2.5, 0.7, 0.9]), ([20, 20, 20], [1.3, 1.3, 1.3])),
    (([9, 40, 12], [5.0, 0.5, 3.1]), ([33, 11, 29], [0.8, 2.2, 1.1])),
    (([1, 19, 23], [5.0, 0.9, 0.7]), ([7, 12, 15], [1.0, 1.0, 1.0])),
    (([13, 1, 8], [1.0, 30.0, 2.0]), ([16, 16, 1], [1.0, 1.0, 5.0])),
    (([6, 7, 1], [3.0, 2.0, 9.0]), ([1, 1, 40], [1.0, 1.0, 0.5])),
    (([30, 31, 29], [1.0, 1.0, 1.0]), ([64, 63, 65], [0.4, 0.6, 0.5])),
];

#[test]
fn any_grid_goes_onto_any_other_as_in_simple_itk() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(1);
    let mut cases = Vec::new();
    for ((size, spacing), (onto_size, onto_spacing)) in CASES {
        for (oblique, onto_oblique) in [(false, false), (true, false), (true, true)] {
            let grid = random.grid(size, spacing, oblique);
            let onto = random.grid(onto_size, onto_spacing, onto_oblique);
            cases.push((random_block(&mut random, grid), onto));
        }
    }
    // An oblique grid, and another one along the same axes.
    let oblique = random.grid([19, 24, 30], [2.0, 0.8, 1.1], true);
    let along = oblique.with_spacing([1.5, 1.5, 1.5]).unwrap();
    let along = along.reoriented(Orientation::parse("LIA").unwrap());
    cases.push((random_block(&mut random, oblique), along));
    for (at, (block, onto)) in cases.iter().enumerate() {
        question.put(&format!("{at}_a"), block.voxels());
        question
            .say_grid(&format!("{at}_from"), block.grid())
            .say_grid(&format!("{at}_onto"), onto);
    }
    question.say("cases", cases.len()).say("outside", -2000.0).ask(RESAMPLE);
    for (at, (block, onto)) in cases.iter().enumerate() {
        let own = linear(block, onto, -2000.0).unwrap();
        assert_near(own.voxels(), &question.answer(&format!("{at}_linear")), 1e-4);
        let own = nearest(block, onto, -2000.0).unwrap();
        assert_nearest(block.grid(), &own, &question.answer(&format!("{at}_nearest")));
    }
}

#[test]
fn a_coarse_voxel_is_the_mean_of_what_it_covers() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(3);
    for (size, spacing, onto_size, onto_spacing) in [
        ([40, 41, 43], [1.0, 0.7, 0.7], [12, 13, 11], [3.3, 2.9, 3.1]),
        ([40, 20, 17], [0.5, 2.0, 1.0], [9, 25, 6], [2.1, 1.2, 2.7]),
        ([1, 33, 35], [5.0, 0.9, 0.8], [3, 9, 9], [4.0, 4.0, 4.0]),
        ([8, 8, 8], [1.0, 1.0, 1.0], [4, 4, 4], [2.0, 2.0, 2.0]),
        ([5, 6, 7], [1.0, 1.0, 1.0], [1, 1, 1], [90.0, 90.0, 90.0]),
    ] {
        let grid = random.grid(size, spacing, false);
        let block = random_block(&mut random, grid);
        let onto = random.grid(onto_size, onto_spacing, false);
        question.put("a", block.voxels()).say_grid("from", &grid).say_grid("onto", &onto);
        question.say("outside", -3000.0).ask(AREA);
        let own = area(&block, &onto, -3000.0).unwrap();
        assert_near(own.voxels(), &question.answer("area"), 1e-4);
    }
    let upright = random.grid([4, 4, 4], [1.0; 3], false);
    let oblique = random.grid([4, 4, 4], [1.0; 3], true);
    let block = random_block(&mut random, upright);
    assert_eq!(area(&block, &oblique, 0.0), Err(VoxelError::Oblique));
}

#[test]
fn a_block_on_its_own_grid_is_itself_with_its_nan_and_infinities() {
    let mut random = Random(4);
    for oblique in [false, true] {
        let grid = random.grid([5, 6, 7], [2.3, 0.7, 1.9], oblique);
        let mut block = random_block(&mut random, grid);
        block.voxels_mut()[40] = f32::NAN;
        block.voxels_mut()[99] = f32::INFINITY;
        let same = |other: &Block| {
            let pairs = block.voxels().iter().zip(other.voxels());
            pairs.into_iter().all(|(a, b)| a.to_bits() == b.to_bits())
        };
        assert!(same(&linear(&block, &grid, 0.0).unwrap()));
        assert!(same(&nearest(&block, &grid, 0.0).unwrap()));
        assert!(same(&area(&block, &grid, 0.0).unwrap()));
        let turned = reoriented(&block, Orientation::parse("RSA").unwrap()).unwrap();
        assert!(same(&linear(&turned, &grid, 0.0).unwrap()));
        assert!(same(&nearest(&turned, &grid, 0.0).unwrap()));
    }
}

#[test]
fn a_nan_spoils_what_lies_between_it_and_its_neighbours_and_nothing_else() {
    let line = |count: usize, step: f64, first: f64| {
        let steps = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [step, 0.0, 0.0]];
        Grid::new([1, 1, count], [first, 0.0, 0.0], steps).unwrap()
    };
    let block = Block::new(line(5, 1.0, 0.0), vec![0.0, 1.0, f32::NAN, 3.0, 4.0]).unwrap();
    let nan = |block: Block| block.voxels().iter().map(|v| v.is_nan()).collect::<Vec<_>>();
    let fine = linear(&block, &line(9, 0.5, 0.0), 0.0).unwrap();
    assert_eq!(nan(fine), [false, false, false, true, true, true, false, false, false]);
    let coarse = area(&block, &line(2, 2.0, 0.5), 0.0).unwrap();
    assert_eq!(nan(coarse), [false, true]);
}

#[test]
fn labels_come_back_onto_the_grid_of_the_images() {
    let mut random = Random(5);
    let images = random.grid([14, 40, 40], [5.0, 1.1, 1.1], true);
    let lia = Orientation::parse("LIA").unwrap();
    let cube = images.conformed(64, 1.5, lia).unwrap();
    // A ball of label 3, whose border no voxel touches.
    let ball = |grid: &Grid| {
        let [slices, rows, columns] = grid.size();
        let inside = |z: usize, y: usize, x: usize| {
            let at = grid.to_mm([z as f64, y as f64, x as f64]);
            let from = [0, 1, 2].map(|a| at[a] - images.centre()[a]);
            from.iter().map(|mm| mm * mm).sum::<f64>().sqrt() < 17.0
        };
        let voxels = (0..slices * rows * columns)
            .map(|i| u16::from(inside(i / (rows * columns), i / columns % rows, i % columns)) * 3)
            .collect();
        Block::new(*grid, voxels).unwrap()
    };
    let back = nearest(&ball(&cube), &images, 0).unwrap();
    let wanted = ball(&images);
    let pairs = back.voxels().iter().zip(wanted.voxels());
    let (both, either) = pairs.fold((0, 0), |(both, either), (a, b)| {
        (both + usize::from(*a + *b == 6), either + usize::from(*a + *b > 0))
    });
    assert!(both as f64 / either as f64 > 0.9, "{both} of {either}");
}

#[test]
fn columns_that_a_tilted_gantry_shares_are_not_mixed() {
    let mut random = Random(7);
    let upright = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
    let grid = Grid::new([20, 20, 20], [0.0; 3], upright).unwrap();
    let mut block = random_block(&mut random, grid);
    block.voxels_mut().iter_mut().skip(7).step_by(20).for_each(|voxel| *voxel = f32::NAN);
    let (sin, cos) = 20f64.to_radians().sin_cos();
    let tilted = [[0.0, sin, cos], [0.0, cos, -sin], [1.0, 0.0, 0.0]];
    let onto = Grid::new([20, 20, 20], [0.0, 1.0, 1.0], tilted).unwrap();
    let own = linear(&block, &onto, -5000.0).unwrap();
    for (at, value) in own.voxels().iter().enumerate() {
        assert!(!value.is_nan() || at % 20 == 7, "{at}");
    }
    assert!(own.voxels().iter().filter(|value| value.is_nan()).count() > 100);
}

#[test]
fn a_grid_that_lies_elsewhere_or_is_out_of_all_measure_finds_nothing() {
    let mut random = Random(8);
    for oblique in [false, true] {
        let block = {
            let grid = random.grid([6, 7, 8], [1.0, 2.0, 3.0], oblique);
            random_block(&mut random, grid)
        };
        for (first, by) in [(1e4, 1.0), (-1e18, 1.0), (1e300, 1.0), (1e4, 1e60), (1e3, 1e-60)] {
            let other = random.grid([5, 4, 3], [1.5; 3], true);
            let steps = other.steps().map(|step| step.map(|mm| mm * by));
            let onto = Grid::new([5, 4, 3], [first; 3], steps).unwrap();
            assert!(linear(&block, &onto, 9.0).unwrap().voxels().iter().all(|v| *v == 9.0));
            assert!(nearest(&block, &onto, 9.0).unwrap().voxels().iter().all(|v| *v == 9.0));
        }
    }
}
