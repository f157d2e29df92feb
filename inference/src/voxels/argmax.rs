//! Labels from scores.

use super::error::{VoxelError, count};
use super::threads;

/// The class with the highest score of each voxel, of equal ones the first. `scores` is
/// `[class][voxel]`. A NaN is below every number; where all are NaN the class is 0.
pub fn argmax(scores: &[f32], voxels: usize) -> Result<Vec<u16>, VoxelError> {
    let classes = classes(scores.len(), voxels)?;
    let mut labels = vec![0; voxels];
    let part = threads::worth(1);
    threads::in_parts(&mut labels, part, Vec::new, |best: &mut Vec<f32>, first, labels| {
        best.clear();
        best.resize(labels.len(), f32::NEG_INFINITY);
        for class in 0..classes {
            let begin = usize::from(class) * voxels + first;
            raise(best, labels, &scores[begin..begin + labels.len()], class);
        }
    });
    Ok(labels)
}

/// Whether none of them is NaN or infinite.
pub fn all_finite(scores: &[f32]) -> bool {
    let finite = |part: &[f32]| part.iter().fold(true, |all, score| all & score.is_finite());
    !threads::of_parts(scores, finite).contains(&false)
}

/// How many classes `scores` numbers are for so many voxels.
pub(super) fn classes(scores: usize, voxels: usize) -> Result<u16, VoxelError> {
    let classes = scores.checked_div(voxels).unwrap_or(0);
    count("a tensor of scores", scores, classes.max(1).saturating_mul(voxels))?;
    let must = "between 1 and 65535";
    match u16::try_from(classes) {
        Ok(classes) if classes > 0 => Ok(classes),
        _ => Err(VoxelError::asked("the number of classes", classes, must)),
    }
}

/// Where the class scores above the best so far, it is the label.
fn raise(best: &mut [f32], labels: &mut [u16], scores: &[f32], class: u16) {
    for ((best, label), score) in best.iter_mut().zip(labels).zip(scores) {
        if *score > *best {
            (*best, *label) = (*score, class);
        }
    }
}
