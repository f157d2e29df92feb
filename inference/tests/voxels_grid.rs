//! Where blocks lie: places in mm, orientations, and the grids that models ask for.

mod kit;

use gantry_inference::assembly::MOST_VOXELS;
use gantry_inference::voxels::block::Block;
use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::orientation::{Orientation, reoriented};
use gantry_inference::voxels::resample::nearest;
use gantry_terms::geometry::Geometry;
use kit::second_opinion::Random;

const UPRIGHT: [[f64; 3]; 3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];

fn indices(grid: &Grid) -> impl Iterator<Item = [f64; 3]> {
    let [_, rows, columns] = grid.size();
    let index = move |i| [i / (rows * columns), i / columns % rows, i % columns];
    (0..grid.voxels()).map(move |i| index(i).map(|i: usize| i as f64))
}

/// A block whose values say where they lie.
fn places(grid: Grid) -> Block {
    let of = |at: [f64; 3]| at[0] + 1000.0 * at[1] + 1e6 * at[2];
    Block::new(grid, indices(&grid).map(|index| of(grid.to_mm(index)) as f32).collect()).unwrap()
}

fn assert_near(a: [f64; 3], b: [f64; 3]) {
    assert!((0..3).all(|i| (a[i] - b[i]).abs() < 1e-9), "{a:?} is not {b:?}");
}

fn code(code: &str) -> Orientation {
    Orientation::parse(code).unwrap()
}

#[test]
fn an_index_and_its_place_in_the_patient_are_one() {
    let mut random = Random(11);
    for oblique in [false, true] {
        let grid = random.grid([3, 1, 5], [4.0, 0.5, 0.7], oblique);
        for index in [[0.0; 3], [2.0, 0.0, 4.0], [-1.5, 7.25, 0.5]] {
            assert_near(grid.to_index(grid.to_mm(index)), index);
        }
        assert_near(grid.spacing(), [4.0, 0.5, 0.7]);
        assert!((grid.voxel_volume() - 1.4).abs() < 1e-12);
        assert_near(grid.centre(), grid.to_mm([1.0, 0.0, 2.0]));
    }
}

#[test]
fn a_stack_of_slices_is_a_grid() {
    let geometry = Geometry {
        slices: 2,
        rows: 3,
        columns: 4,
        origin: [1.0, 2.0, 3.0],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 0.0, -1.0],
        pixel_spacing: [0.5, 0.25],
        slice_step: 2.0,
    };
    let grid = Grid::of(&geometry).unwrap();
    assert_near(grid.to_mm([1.0, 1.0, 1.0]), [1.25, 4.0, 2.5]);
    assert_eq!(Orientation::of(&grid).to_string(), "PIL");
    assert!((grid.voxel_volume() - geometry.voxel_volume()).abs() < 1e-12);
}

#[test]
fn turning_moves_no_value_in_the_patient() {
    let mut random = Random(12);
    let mut codes = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for signs in 0..8 {
            let letter =
                |axis: usize| ["LR", "PA", "SI"][axis].as_bytes()[signs >> axis & 1] as char;
            codes.push(order.map(letter).iter().collect::<String>());
        }
    }
    assert_eq!(codes.len(), 48);
    for size in [[5, 6, 7], [1, 40, 3], [18, 1, 35]] {
        for wanted in &codes {
            // Less than 45 degrees from the patient's axes, so that the nearest are not in doubt.
            let tilt = [0; 9].map(|_| random.between(-0.2, 0.2));
            let steps = [0, 1, 2].map(|a| [0, 1, 2].map(|b| 2.0 * UPRIGHT[a][b] + tilt[3 * a + b]));
            let block = places(Grid::new(size, [-3.0, 4.0, 5.0], steps).unwrap());
            let turned = reoriented(&block, code(wanted)).unwrap();
            assert_eq!(Orientation::of(turned.grid()).to_string(), *wanted);
            // The places that the turned grid says are those that the values name.
            let named = places(*turned.grid());
            let pairs = turned.voxels().iter().zip(named.voxels());
            pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1.0, "{a} is not {b}"));
            let back = reoriented(&turned, Orientation::of(block.grid())).unwrap();
            assert_eq!(back.voxels(), block.voxels());
            assert!(back.grid().is_like(block.grid()));
        }
    }
}

#[test]
fn an_orientation_has_each_pair_of_sides_once() {
    for wrong in ["", "LI", "LIAS", "LRA", "lia", "LIX", "LLL"] {
        let error = Orientation::parse(wrong).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("an orientation is `{wrong}`, it must be three")),
            "{error}"
        );
    }
}

#[test]
fn the_conformed_cube_has_the_centre_of_the_volume() {
    let mut random = Random(13);
    let images = random.grid([30, 512, 511], [5.0, 0.7, 0.7], true);
    let cube = images.conformed(256, 1.0, code("LIA")).unwrap();
    assert_eq!((cube.size(), Orientation::of(&cube).to_string().as_str()), ([256; 3], "LIA"));
    assert_near(cube.centre(), images.centre());
    assert_near(cube.steps()[0], [1.0, 0.0, 0.0]);
    assert_near(cube.steps()[1], [0.0, 0.0, -1.0]);
    assert_near(cube.steps()[2], [0.0, -1.0, 0.0]);
}

#[test]
fn spacing_and_size_change_about_the_centre() {
    let mut random = Random(14);
    let grid = random.grid([30, 200, 151], [5.0, 0.7, 0.8], true);
    let fine = grid.with_spacing([1.5, 1.5, 1.5]).unwrap();
    assert_eq!(fine.size(), [100, 93, 81]);
    assert_near(fine.spacing(), [1.5; 3]);
    assert_near(fine.centre(), grid.centre());
    assert_eq!(grid.with_spacing([1e9; 3]).unwrap().size(), [1, 1, 1]);
    let sized = grid.with_size([60, 100, 151]).unwrap();
    assert_near(sized.spacing(), [2.5, 1.4, 0.8]);
    assert_near(sized.to_mm([-0.5; 3]), grid.to_mm([-0.5; 3]));
}

#[test]
fn cutting_and_padding_move_whole_voxels_and_come_back() {
    let mut random = Random(15);
    let block = places(random.grid([4, 9, 6], [2.0, 0.7, 0.8], true));
    let check = |onto: Result<Grid, VoxelError>, size: [usize; 3], first: [f64; 3]| {
        let onto = onto.unwrap();
        assert_eq!(onto.size(), size);
        assert_near(block.grid().to_index(onto.origin()), first);
        let there = nearest(&block, &onto, f32::NAN).unwrap();
        for (index, value) in indices(&onto).zip(there.voxels()) {
            let at = block.grid().to_index(onto.to_mm(index)).map(|i| i.round() as isize);
            let [z, y, x] = at;
            let inside = (0..3).all(|a| (0..block.grid().size()[a] as isize).contains(&at[a]));
            let wanted = inside.then(|| block.voxels()[((z * 9 + y) * 6 + x) as usize]);
            assert_eq!((!value.is_nan()).then_some(*value), wanted);
        }
    };
    check(block.grid().centre_crop_or_pad([7, 4, 6]), [7, 4, 6], [-1.0, 2.0, 0.0]);
    check(block.grid().centre_crop_or_pad([1, 1, 1]), [1, 1, 1], [2.0, 4.0, 3.0]);
    check(block.grid().pad_to_multiple([16, 3, 4]), [16, 9, 8], [-6.0, 0.0, -1.0]);
}

#[test]
fn what_is_no_grid_is_an_error_that_says_who_must_act() {
    let check = |grid: Result<Grid, VoxelError>, expected: &str| {
        let error = grid.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let flat = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let huge = [[1e200, 0.0, 0.0], [0.0, 1e200, 0.0], [0.0, 0.0, 1e200]];
    let tiny = huge.map(|step| step.map(|mm| mm / 1e300 / 1e100));
    let nan = [[f64::NAN, 0.0, 0.0], UPRIGHT[1], UPRIGHT[2]];
    check(Grid::new([3, 3, 3], [0.0; 3], flat), "the rule has to select other images");
    check(Grid::new([3, 3, 3], [0.0; 3], [[0.0; 3]; 3]), "no place in the patient");
    check(Grid::new([3, 3, 3], [0.0; 3], huge), "no place in the patient");
    check(Grid::new([3, 3, 3], [0.0; 3], tiny), "no place in the patient");
    check(Grid::new([3, 3, 3], [0.0; 3], nan), "not a finite number");
    check(Grid::new([3, 3, 3], [f64::INFINITY, 0.0, 0.0], UPRIGHT), "not a finite number");
    check(Grid::new([3, 0, 3], [0.0; 3], UPRIGHT), "1 or more along each axis");
    check(Grid::new([usize::MAX; 3], [0.0; 3], UPRIGHT), "above the limit");
    check(Grid::new([MOST_VOXELS + 1, 1, 1], [0.0; 3], UPRIGHT), "above the limit");
    let grid = Grid::new([10, 10, 10], [0.0; 3], UPRIGHT).unwrap();
    for mm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        check(grid.with_spacing([1.0, mm, 1.0]), "the model's manifest has to be mended");
        check(grid.conformed(256, mm, code("LIA")), "above 0 mm");
    }
    check(grid.with_spacing([1e-9; 3]), "above the limit");
    check(grid.with_spacing([1e-300; 3]), "above the limit");
    check(grid.with_size([0, 1, 1]), "1 or more along each axis");
    check(grid.with_size([1 << 40, 1 << 40, 1]), "above the limit");
    check(grid.conformed(1 << 20, 1.0, code("LIA")), "above the limit");
    check(grid.conformed(0, 1.0, code("LIA")), "1 or more along each axis");
    check(grid.pad_to_multiple([0, 1, 1]), "1 or more along each axis");
    check(grid.pad_to_multiple([usize::MAX, 2, 2]), "above the limit");
    check(grid.centre_crop_or_pad([usize::MAX, 2, 2]), "above the limit");
    let short = Block::new(grid, vec![0.0; 999]).unwrap_err();
    assert_eq!(short, VoxelError::Count { what: "a block", found: 999, expected: 1000 });
}
