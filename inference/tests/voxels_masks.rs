//! Labels, masks and their figures, beside scipy and numpy.

mod kit;

use gantry_inference::voxels::argmax::{all_finite, argmax};
use gantry_inference::voxels::block::Block;
use gantry_inference::voxels::components::{Components, Neighbours};
use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::figures::figures;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::holes::fill;
use kit::second_opinion::{Question, Random, assert_near, assert_same};

const UPRIGHT: [[f64; 3]; 3] = [[0.0, 0.0, 2.5], [0.0, 0.7, 0.0], [0.7, 0.0, 0.0]];
const KINDS: [Neighbours; 3] = [Neighbours::Faces, Neighbours::Edges, Neighbours::Corners];

fn as_numbers(mask: &[bool]) -> Vec<u8> {
    mask.iter().map(|holds| u8::from(*holds)).collect()
}

fn agree_with_scipy(question: &Question, at: usize, mask: &[bool], size: [usize; 3]) {
    let answer = |what: &str| question.answer(&format!("{at}_{what}"));
    for (reach, neighbours) in KINDS.into_iter().enumerate() {
        let of = Components::of(mask, size, neighbours).unwrap();
        assert_same(&of.numbered(), &answer(&format!("numbered_{}", reach + 1)));
        let sizes: Vec<u32> = of.sizes().iter().map(|size| *size as u32).collect();
        assert_same(&sizes, &answer(&format!("sizes_{}", reach + 1)));
    }
    let mut filled = mask.to_vec();
    fill(&mut filled, size).unwrap();
    assert_same(&as_numbers(&filled), &answer("filled"));
}

#[test]
fn components_and_holes_are_those_of_scipy() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(41);
    let mut cases = Vec::new();
    for size in [[9, 11, 13], [1, 20, 31], [12, 1, 9], [7, 8, 1], [1, 1, 1], [24, 24, 24]] {
        for part in [0.0, 0.1, 0.35, 0.7, 0.9, 1.0] {
            cases.push((random.mask(size.iter().product(), part), size));
        }
    }
    for (at, (mask, size)) in cases.iter().enumerate() {
        question.put_mask(&format!("{at}_mask"), mask).say(&format!("{at}_size"), size);
    }
    question.say("cases", cases.len()).ask(include_str!("reference/masks.py"));
    for (at, (mask, size)) in cases.iter().enumerate() {
        agree_with_scipy(&question, at, mask, *size);
    }
}

#[test]
fn the_largest_component_or_those_above_a_size_stay() {
    // Two of two voxels, one of three.
    let mask = [true, true, false, true, true, true, false, true, true].to_vec();
    let of = Components::of(&mask, [1, 1, 9], Neighbours::Faces).unwrap();
    assert_eq!(as_numbers(&of.largest()), [0, 0, 0, 1, 1, 1, 0, 0, 0]);
    assert_eq!(as_numbers(&of.at_least(2)), as_numbers(&mask));
    assert_eq!(as_numbers(&of.at_least(3)), [0, 0, 0, 1, 1, 1, 0, 0, 0]);
    assert_eq!(of.at_least(4), [false; 9]);
    let equal = Components::of(&[true, false, true], [1, 1, 3], Neighbours::Faces).unwrap();
    assert_eq!(equal.largest(), [true, false, false]);
    let empty = Components::of(&[false; 8], [2, 2, 2], Neighbours::Corners).unwrap();
    assert_eq!((empty.largest(), empty.at_least(0)), (vec![false; 8], vec![false; 8]));
    let short = Components::of(&mask, [2, 2, 2], Neighbours::Faces).err();
    assert_eq!(short, Some(VoxelError::Count { what: "a mask", found: 9, expected: 8 }));
    assert!(Components::of(&[], [0, 2, 2], Neighbours::Faces).is_err());
    assert!(fill(&mut [true], [usize::MAX, 2, 2]).is_err());
}

#[test]
fn the_label_is_the_first_class_with_the_highest_score() {
    let nan = f32::NAN;
    let scores = [[0.1, 0.5, nan, nan], [0.7, 0.5, 0.1, nan], [0.2, 0.4, nan, nan]].concat();
    assert_eq!(argmax(&scores, 4).unwrap(), [1, 0, 1, 0]);
    // More voxels than one thread takes at a time.
    let mut random = Random(42);
    let voxels = 150_000;
    let scores = random.numbers(3 * voxels, -5.0, 5.0);
    let labels = argmax(&scores, voxels).unwrap();
    for (at, label) in labels.iter().enumerate() {
        let score = |class: usize| scores[class * voxels + at];
        assert!((0..3).all(|class| score(class) <= score(usize::from(*label))));
    }
    assert!(matches!(argmax(&scores, 7), Err(VoxelError::Count { .. })));
    assert!(matches!(argmax(&[], 7), Err(VoxelError::Count { .. })));
    assert!(matches!(argmax(&scores, 0), Err(VoxelError::Count { .. })));
    assert!(matches!(argmax(&scores, 1), Err(VoxelError::Asked { .. })));
    assert!(all_finite(&scores) && all_finite(&[]) && all_finite(&[f32::MAX, f32::MIN]));
    for no_number in [nan, f32::INFINITY, f32::NEG_INFINITY] {
        let mut scores = scores.clone();
        scores[voxels + 7] = no_number;
        assert!(!all_finite(&scores), "{no_number}");
    }
}

#[test]
fn figures_of_each_label_are_those_of_numpy() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(43);
    let grid = random.grid([9, 21, 23], [2.5, 0.7, 0.7], true);
    let labels: Vec<u16> = (0..grid.voxels()).map(|_| [0, 0, 1, 3, 700][random.below(5)]).collect();
    let mut values = random.numbers(grid.voxels(), -1024.0, 300.0);
    values.iter_mut().step_by(50).for_each(|value| *value = f32::NAN);
    let (wanted, percentiles) = ([3, 1, 700, 0], [0.0, 5.0, 15.0, 50.0, 97.5, 100.0]);
    question.put_labels("labels", &labels).put("values", &values).say_grid("grid", &grid);
    question.say("wanted", wanted).say("percentiles", percentiles);
    question.ask(include_str!("reference/figures.py"));
    let labels = Block::new(grid, labels).unwrap();
    let values = Block::new(grid, values).unwrap();
    let own: Vec<f32> = figures(&labels, &values, &wanted, &percentiles)
        .unwrap()
        .into_iter()
        .flat_map(|of| {
            let under = of.values.unwrap();
            let spread = [under.mean, under.standard_deviation].map(|number| number as f32);
            let amount = [of.voxels as f32, of.millilitres as f32];
            let percentiles = under.percentiles.into_iter().map(|number| number as f32);
            let ends = [under.least, under.most];
            amount.into_iter().chain(spread).chain(ends).chain(percentiles).collect::<Vec<_>>()
        })
        .collect();
    assert_near(&own, &question.answer("figures"), 1e-6);
}

#[test]
fn a_label_that_is_nowhere_is_none_of_it_and_not_a_fault() {
    let grid = Grid::new([1, 2, 2], [0.0; 3], UPRIGHT).unwrap();
    let labels = Block::new(grid, vec![0, 1, 1, 2]).unwrap();
    let values = Block::new(grid, vec![1.0, 2.0, 4.0, f32::NAN]).unwrap();
    let of = figures(&labels, &values, &[5, 2, 1, 1], &[50.0]).unwrap();
    assert_eq!((of[0].voxels, of[0].millilitres, &of[0].values), (0, 0.0, &None));
    assert_eq!((of[1].voxels, &of[1].values), (1, &None));
    assert_eq!(of[2].values.as_ref().map(|under| under.percentiles[0]), Some(3.0));
    assert_eq!(of[2].voxels, of[3].voxels);
    assert_eq!(figures(&labels, &values, &[], &[]), Ok(Vec::new()));
    assert!(figures(&labels, &values, &[1], &[101.0]).is_err());
    assert!(figures(&labels, &values, &[1], &[f64::NAN]).is_err());
    let beside = Grid::new([1, 2, 2], [0.0, 0.1, 0.0], UPRIGHT).unwrap();
    let moved = Block::new(beside, vec![0.0; 4]).unwrap();
    assert!(figures(&labels, &moved, &[1], &[]).is_err());
}
