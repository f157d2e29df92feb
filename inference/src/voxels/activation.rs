//! Probabilities from the numbers that classes are scored by (logits), in float32.

use super::argmax::classes;
use super::error::VoxelError;
use super::threads;

/// 1 / (1 + exp(-x)) of each.
pub fn sigmoid(numbers: &[f32]) -> Vec<f32> {
    let mut all = vec![0.0; numbers.len()];
    let none = || ();
    threads::in_parts(&mut all, threads::worth(1), none, |(), first, all| {
        for (found, number) in all.iter_mut().zip(&numbers[first..]) {
            *found = 1.0 / (1.0 + (-number).exp());
        }
    });
    all
}

/// exp(x) of one class beside the sum over all, for each voxel. `scores` is `[class][voxel]`, of finite numbers.
pub fn softmax(scores: &[f32], voxels: usize, class: u16) -> Result<Vec<f32>, VoxelError> {
    let classes = classes(scores.len(), voxels)?;
    if class >= classes {
        return Err(VoxelError::asked("a class", class, "one of those that are scored"));
    }
    let mut all = vec![0.0; voxels];
    let two: fn() -> [Vec<f32>; 2] = Default::default;
    threads::in_parts(&mut all, threads::worth(1), two, |[highest, sums], first, all| {
        let of = |class: u16| {
            let begin = usize::from(class) * voxels + first;
            &scores[begin..begin + all.len()]
        };
        highest.clear();
        highest.extend_from_slice(of(0));
        for class in 1..classes {
            highest.iter_mut().zip(of(class)).for_each(|(most, score)| *most = most.max(*score));
        }
        sums.clear();
        sums.resize(all.len(), 0.0);
        for class in 0..classes {
            let scores = sums.iter_mut().zip(of(class)).zip(highest.iter());
            // Nothing overflows where the highest one is taken off.
            scores.for_each(|((sum, score), most)| *sum += (score - most).exp());
        }
        let own: Vec<f32> = of(class)
            .iter()
            .zip(highest.iter())
            .map(|(score, most)| (score - most).exp())
            .collect();
        let found = all.iter_mut().zip(own).zip(sums.iter());
        found.for_each(|((found, own), sum)| *found = own / sum);
    });
    Ok(all)
}
