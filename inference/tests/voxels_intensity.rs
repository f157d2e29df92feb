//! Values as a graph wants them, beside numpy.

mod kit;

use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::intensity::*;
use gantry_inference::voxels::quantile::quantiles;
use kit::second_opinion::{Question, Random, assert_near};

/// Above the number at which the work is shared by threads, and a multiple of 3.
const MANY: usize = 200_001;

fn values(nan: bool) -> Vec<f32> {
    let mut random = Random(31);
    let mut values = random.numbers(MANY, -1200.0, 1500.0);
    // As many zeros as a brain with its air cut off has.
    values.iter_mut().filter(|_| random.below(3) == 0).for_each(|value| *value = 0.0);
    if nan {
        values.iter_mut().step_by(1001).for_each(|value| *value = f32::NAN);
    }
    values
}

/// 200 units around water are stretched, what is below -1000 or above 1300 is cut.
const STRETCHED: [[f32; 2]; 4] =
    [[-1000.0, 0.0], [-100.0, 900.0], [100.0, 3100.0], [1300.0, 4300.0]];

#[test]
fn each_operation_gives_what_its_formula_gives_in_numpy() {
    let Some(question) = Question::new() else { return };
    for nan in [false, true] {
        let source = values(nan);
        question.put("a", &source).ask(include_str!("reference/intensity.py"));
        let check = |name: &str, change: &dyn Fn(&mut [f32])| {
            let mut own = source.clone();
            change(&mut own);
            assert_near(&own, &question.answer(name), 1e-6);
        };
        check("window", &|v| window(v, -160.0, 240.0).unwrap());
        check("clip", &|v| clip(v, -100.0, 250.5).unwrap());
        check("min_max", &min_max);
        for (name, over) in
            [("all", Over::All), ("non_zero", Over::NonZero), ("above", Over::Above(50.0))]
        {
            check(&format!("z_{name}"), &|v| z_score(v, over, Applied::ToAll));
            check(&format!("z_there_{name}"), &|v| z_score(v, over, Applied::ToThose));
            check(&format!("quantile_{name}"), &|v| {
                quantile_scale(v, 0.02, 0.98, 1e-3, over).unwrap();
            });
        }
        check("piecewise", &|v| piecewise(v, &STRETCHED).unwrap());
        let (mean, sd) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        check("per_channel", &|v| per_channel(v, &mean, &sd).unwrap());
        check("invert", &|v| invert(v, 0.0, 4095.0).unwrap());
        let mut numbers: Vec<f32> = source.iter().copied().filter(|v| !v.is_nan()).collect();
        let wanted = [0.0, 0.01, 0.25, 0.5, 1.0 / 3.0, 0.999, 1.0];
        let own = quantiles(&mut numbers, &wanted).unwrap();
        let own: Vec<f32> = own.into_iter().map(|v| v.unwrap() as f32).collect();
        assert_near(&own, &question.answer("quantiles"), 1e-6);
    }
}

#[test]
fn values_that_are_all_one_are_not_divided_by_zero() {
    let of = |change: &dyn Fn(&mut [f32])| {
        let mut values = vec![7.0; 5];
        change(&mut values);
        values
    };
    assert_eq!(of(&min_max), [0.0; 5]);
    assert_eq!(of(&|v| z_score(v, Over::All, Applied::ToAll)), [0.0; 5]);
    assert_eq!(of(&|v| quantile_scale(v, 0.1, 0.9, 0.0, Over::All).unwrap()), [0.0; 5]);
    assert_eq!(of(&|v| z_score(v, Over::Above(9.0), Applied::ToAll)), [7.0; 5]);
    assert_eq!(of(&|v| quantile_scale(v, 0.1, 0.9, 0.0, Over::Above(9.0)).unwrap()), [7.0; 5]);
}

#[test]
fn no_values_are_no_fault_and_values_that_are_no_numbers_stay() {
    for source in [Vec::new(), vec![f32::NAN; 3]] {
        let check = |change: &dyn Fn(&mut [f32])| {
            let mut values = source.clone();
            change(&mut values);
            assert!(values.len() == source.len() && values.iter().all(|v| v.is_nan()));
        };
        check(&|v| window(v, 0.0, 1.0).unwrap());
        check(&min_max);
        check(&|v| z_score(v, Over::NonZero, Applied::ToThose));
        check(&|v| quantile_scale(v, 0.1, 0.9, 0.0, Over::All).unwrap());
        check(&|v| piecewise(v, &STRETCHED).unwrap());
        check(&|v| per_channel(v, &[1.0], &[1.0]).unwrap());
    }
    assert_eq!(quantiles(&mut [], &[0.5]), Ok(vec![None]));
}

#[test]
fn what_a_manifest_can_not_mean_is_an_error() {
    let check = |result: Result<(), VoxelError>| {
        let text = result.unwrap_err().to_string();
        assert!(text.ends_with("the model's manifest has to be mended"), "{text}");
    };
    let v = &mut [1.0f32, 2.0][..];
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)] {
        check(window(v, low, high));
        check(clip(v, low, high));
        check(invert(v, low, high));
        check(quantile_scale(v, f64::from(low), f64::from(high), 0.0, Over::All));
    }
    check(quantile_scale(v, -0.1, 0.9, 0.0, Over::All));
    check(quantile_scale(v, 0.1, 0.9, f64::NAN, Over::All));
    check(piecewise(v, &[]));
    check(piecewise(v, &[[1.0, 0.0], [1.0, 2.0]]));
    check(piecewise(v, &[[f32::NAN, 0.0]]));
    check(per_channel(v, &[0.0, 0.0], &[1.0, 0.0]));
    check(per_channel(v, &[], &[]));
    let odd = per_channel(&mut [1.0, 2.0, 3.0], &[0.0, 0.0], &[1.0, 1.0]);
    assert!(matches!(odd, Err(VoxelError::Count { found: 3, expected: 2, .. })), "{odd:?}");
    assert_eq!(v, [1.0, 2.0]);
}
