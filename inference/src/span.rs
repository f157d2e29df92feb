//! Grey films that say nothing of how they are shown: from dark to bright over the span of their values.

use crate::voxels::error::VoxelError;
use crate::voxels::intensity::window;

/// More values than this say no more of the span.
const SAMPLE: usize = 100_000;

/// From 0 (dark) to 1, without the outermost hundredth on either side where that leaves a span. What is no number, padding for instance,
/// counts for nothing and is dark. Over all frames alike.
pub fn stretch(values: &mut [f32]) -> Result<(), VoxelError> {
    if let Some([dark, bright]) = ends(values) {
        window(values, dark, bright)?;
    }
    values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
    Ok(())
}

/// None where all values are the same.
fn ends(values: &[f32]) -> Option<[f32; 2]> {
    let step = values.len().div_ceil(SAMPLE).max(1);
    let finite = values.iter().step_by(step).copied().filter(|value| value.is_finite());
    let mut sample: Vec<f32> = finite.collect();
    sample.sort_by(f32::total_cmp);
    let out = sample.len() / 100;
    let last = sample.len().checked_sub(1)?;
    let [inner, all] = [[out, last - out], [0, last]].map(|ends| ends.map(|at| sample[at]));
    [inner, all].into_iter().find(|[dark, bright]| dark < bright)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretched(mut values: Vec<f32>) -> Vec<f32> {
        stretch(&mut values).unwrap();
        values
    }

    #[test]
    fn the_span_is_that_of_the_values_without_what_lies_far_out() {
        let mut values: Vec<f32> = (0..1000).map(|at| at as f32 / 4000.0).collect();
        values[999] = 1.0;
        let shown = stretched(values);
        assert_eq!([shown[0], shown[10], shown[989], shown[999]], [0.0, 0.0, 1.0, 1.0]);
        assert!((shown[500] - 0.5).abs() < 0.01, "{}", shown[500]);
    }

    #[test]
    fn what_is_rare_is_shown_where_all_else_is_the_same() {
        let mut values = vec![0.25; 1000];
        values[3] = 0.5;
        assert_eq!(stretched(values)[..4], [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(stretched(vec![0.25; 9]), [0.25; 9]);
        assert_eq!(stretched(Vec::new()), Vec::<f32>::new());
    }

    #[test]
    fn padding_is_dark_and_counts_for_nothing() {
        let shown = stretched(vec![f32::NAN, 0.5, 0.75, f32::NAN, 1.0]);
        assert_eq!(shown, [0.0, 0.0, 0.5, 0.0, 1.0]);
    }
}
