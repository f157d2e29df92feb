//! Sliding windows, beside the numbers that MONAI gave (tests/reference/windows.py made them).

mod kit;

use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::windows::{Blend, Importance, Windows};
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
        let mut input = Vec::new();
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
        let block = [block(size), block(size)].concat();
        let windows = Windows::over(size, window, 0.5).unwrap();
        let mut blend = Blend::new(&windows, 2, Importance::Gaussian(0.125)).unwrap();
        let mut input = Vec::new();
        for number in (0..windows.len()).rev() {
            windows.cut(&block, number, f32::NAN, &mut input).unwrap();
            blend.add(number, &input).unwrap();
        }
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
    let mut input = Vec::new();
    assert!(windows.cut(&[0.0; 26], 0, 0.0, &mut input).is_err());
    assert!(windows.cut(&[0.0; 27], 8, 0.0, &mut input).is_err());
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
