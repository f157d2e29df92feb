//! Non-maximum suppression: of boxes that say the same thing the best one stays.

use super::boxes::VoxelBox;

/// The indices of those that stay, the highest score first. Greedy, as torchvision's `nms`: the best box
/// takes away each other one whose intersection over union with it is above `most_overlap`, then the best one
/// that is left. Of equal scores the one that stands first is the better one; a NaN is the least of all.
pub fn suppressed(boxes: &[VoxelBox], scores: &[f64], most_overlap: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len().min(scores.len())).collect();
    let of = |at: usize| if scores[at].is_nan() { f64::NEG_INFINITY } else { scores[at] };
    // A stable sort: equal ones keep their order.
    order.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
    let mut kept: Vec<usize> = Vec::new();
    for at in order {
        if kept.iter().all(|better| boxes[*better].overlap(&boxes[at]) <= most_overlap) {
            kept.push(at);
        }
    }
    kept
}
