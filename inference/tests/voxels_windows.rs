//! Sliding windows, beside the numbers that MONAI gave (tests/reference/windows.py made them).

mod kit;

use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::slices::with_neighbours;
use gantry_inference::voxels::windows::{Blend, Importance, Join, Windows};
use kit::second_opinion::assert_near;

const MONAI: &str = include_str!("reference/windows.txt");

/// The numbers that windows.py gave to MONAI.
fn block(size: [usize; 3]) -> Vec<f32> {
    let voxels = size.iter().product();
    (0..voxels).map(|i: usize| ((i * 7919 % 1009) as f32) - 500.0).collect()
}

/// What windows.py answers for a window, in two channels.
fn answer(window: &[f32], size: [usize; 3]) -> Vec<f32> {
    let [_, rows, columns] = size;
    let place = |i: usize| (i / (rows * columns) + i / columns % rows + i % columns) as f32;
    let first = window.iter().enumerate().map(|(i, x)| x + place(i));
    let second = window.iter().enumerate().map(|(i, x)| x * 0.5 - place(i));
    first.chain(second).collect()
}

/// The numbers of the next line, behind its word.
fn numbers(line: Option<&str>, word: &str) -> Vec<f64> {
    let line = line.unwrap().strip_prefix(word).unwrap();
    line.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn three(numbers: &[f64]) -> [usize; 3] {
    [0, 1, 2].map(|a| numbers[a] as usize)
}

#[test]
fn windows_lie_and_blend_as_in_monai() {
    let mut lines = MONAI.lines().filter(|line| !line.starts_with('#')).peekable();
    let mut cases = 0;
    while lines.peek().is_some() {
        let case = numbers(lines.next(), "case");
        let (size, window) = (three(&case), three(&case[3..]));
        let importance =
            if case[7] > 0.0 { Importance::Gaussian(case[7]) } else { Importance::Constant };
        let windows = Windows::over(size, window, case[6]).unwrap();
        // MONAI counts from the first voxel of the padding.
        let before = windows.start(0);
        let starts: Vec<f64> = (0..windows.len())
            .flat_map(|number| {
                let start = windows.start(number);
                [0, 1, 2].map(|a| (start[a] - before[a]) as f64)
            })
            .collect();
        assert_eq!(starts, numbers(lines.next(), "starts"));
        let block = block(size);
        let mut blend = Blend::new(&windows, 2, importance).unwrap();
        let mut input = vec![0.0; windows.voxels()];
        for number in 0..windows.len() {
            windows.cut(&block, number, -3.0, &mut input).unwrap();
            blend.add(number, &answer(&input, window)).unwrap();
        }
        let own: Vec<f32> = blend.finish().into_iter().step_by(97).collect();
        assert_near(&own, &numbers(lines.next(), "blended"), 1e-5);
        cases += 1;
    }
    assert_eq!(cases, 8);
}

#[test]
fn windows_that_answer_what_they_were_given_blend_into_the_block() {
    for (size, window) in [([7, 9, 11], [4, 4, 4]), ([3, 20, 2], [8, 5, 8]), ([1, 1, 1], [1, 1, 1])]
    {
        let block = block(size);
        let windows = Windows::over(size, window, 0.5).unwrap();
        let mut blend = Blend::new(&windows, 2, Importance::Gaussian(0.125)).unwrap();
        let mut input = vec![0.0; windows.voxels()];
        for number in (0..windows.len()).rev() {
            windows.cut(&block, number, f32::NAN, &mut input).unwrap();
            blend.add(number, &[&input[..], &input[..]].concat()).unwrap();
        }
        let block = [&block[..], &block[..]].concat();
        let wanted: Vec<f64> = block.iter().map(|v| f64::from(*v)).collect();
        assert_near(&blend.finish(), &wanted, 1e-6);
    }
}

#[test]
fn what_can_not_be_a_window_is_an_error() {
    let over = Windows::over;
    assert!(matches!(over([0, 3, 3], [2, 2, 2], 0.5), Err(VoxelError::Asked { .. })));
    assert!(matches!(over([3, 3, 3], [2, 0, 2], 0.5), Err(VoxelError::Asked { .. })));
    assert!(matches!(over([3, 3, 3], [usize::MAX; 3], 0.5), Err(VoxelError::TooManyVoxels(_))));
    let crossed = over([1 << 20, 1, 1], [1, 1 << 20, 1], 0.5);
    assert!(matches!(crossed, Err(VoxelError::TooManyVoxels(_))));
    for overlap in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(over([3; 3], [2; 3], overlap), Err(VoxelError::Asked { .. })));
    }
    let windows = over([3; 3], [2; 3], 0.0).unwrap();
    assert_eq!(windows.len(), 8);
    let mut input = [0.0; 8];
    assert!(windows.cut(&[0.0; 26], 0, 0.0, &mut input).is_err());
    assert!(windows.cut(&[0.0; 27], 8, 0.0, &mut input).is_err());
    assert!(windows.cut(&[0.0; 27], 7, 0.0, &mut input[1..]).is_err());
    assert!(Join::<u8>::new(&windows, 0).is_err());
    let mut join = Join::<u8>::new(&windows, 1).unwrap();
    assert!(join.add(0, &[0; 7]).is_err() && join.add(8, &[0; 8]).is_err());
    assert!(Blend::new(&windows, 0, Importance::Constant).is_err());
    assert!(Blend::new(&windows, usize::MAX, Importance::Constant).is_err());
    assert!(Blend::new(&windows, 1, Importance::Gaussian(f64::NAN)).is_err());
    let mut blend = Blend::new(&windows, 1, Importance::Gaussian(1e-9)).unwrap();
    assert!(blend.add(0, &[0.0; 7]).is_err());
    assert!(blend.add(8, &[0.0; 8]).is_err());
    blend.add(0, &[1.0; 8]).unwrap();
    let found = blend.finish();
    assert_eq!((found[0], found[26].is_nan()), (1.0, true));
}

#[test]
fn windows_that_are_apart_are_put_together_as_they_were_cut() {
    for (size, window, apart) in [
        ([4, 6, 8], [2, 3, 4], true),
        ([4, 6, 8], [5, 6, 9], true), // one window, with padding around the block
        ([4, 6, 8], [1, 6, 8], true), // slice by slice
        ([4, 6, 9], [2, 3, 4], false), // the last one is moved back to end with the block
    ] {
        let block = block(size);
        let windows = Windows::over(size, window, 0.0).unwrap();
        assert_eq!(windows.are_apart(), apart, "{size:?} in {window:?}");
        let mut join = Join::new(&windows, 2).unwrap();
        let mut input = vec![0.0; windows.voxels()];
        for number in 0..windows.len() {
            windows.cut(&block, number, 7777.0, &mut input).unwrap();
            let negative: Vec<f32> = input.iter().map(|voxel| -voxel).collect();
            join.add(number, &[&input[..], &negative[..]].concat()).unwrap();
        }
        let negative: Vec<f32> = block.iter().map(|voxel| -voxel).collect();
        assert_eq!(join.finish(), [block, negative].concat());
    }
}

#[test]
fn a_slice_comes_with_its_neighbours_and_at_the_ends_with_the_outermost_again() {
    let block: Vec<f32> = (0..8).map(|at| at as f32).collect();
    let taken = |at, neighbours: usize| {
        let mut out = vec![9.0; 2 * (2 * neighbours + 1)];
        with_neighbours(&block, [4, 1, 2], at, neighbours, &mut out).map(|()| out)
    };
    assert_eq!(taken(1, 0).unwrap(), [2.0, 3.0]);
    assert_eq!(taken(1, 1).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(taken(0, 1).unwrap(), [0.0, 1.0, 0.0, 1.0, 2.0, 3.0]);
    let ends = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 6.0, 7.0];
    assert_eq!(taken(2, 2).unwrap(), ends);
    assert!(taken(4, 0).is_err());
    assert!(with_neighbours(&block, [4, 1, 2], 0, 1, &mut [0.0; 5]).is_err());
    assert!(with_neighbours(&block, [4, 1, 3], 0, 0, &mut [0.0; 3]).is_err());
}

#[test]
fn a_window_that_is_longer_than_the_block_by_one_voxel_is_padded_too() {
    let windows = Windows::over([1, 2, 3], [1, 2, 4], 0.5).unwrap();
    let mut window = vec![7.0; 8];
    windows.cut(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0, -3.0, &mut window).unwrap();
    assert_eq!(window, [1.0, 2.0, 3.0, -3.0, 4.0, 5.0, 6.0, -3.0]);
}
