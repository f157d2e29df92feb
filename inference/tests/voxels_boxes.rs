//! Boxes of detectors: overlaps and which are kept, beside torchvision's rule written out in numpy.

mod kit;

use gantry_inference::voxels::boxes::{Detection, Span, not_suppressed};
use kit::second_opinion::{Question, Random, assert_near, assert_same};

fn agree<const N: usize>(question: &Question, random: &mut Random, count: usize) {
    let detections: Vec<Detection<N>> = (0..count)
        .map(|_| {
            let low: [f32; N] = std::array::from_fn(|_| random.between(0.0, 60.0) as f32);
            let high = low.map(|low| low + random.between(5.0, 50.0) as f32);
            let class = random.below(3) as u16;
            // Some scores are equal.
            let score = random.below(200) as f32 / 200.0;
            Detection { span: Span { low, high }, score, class }
        })
        .collect();
    let numbers = |of: &dyn Fn(&Detection<N>) -> Vec<f32>| {
        detections.iter().flat_map(of).collect::<Vec<f32>>()
    };
    question.put("low", &numbers(&|d| d.span.low.to_vec()));
    question.put("high", &numbers(&|d| d.span.high.to_vec()));
    question.put("scores", &numbers(&|d| vec![d.score]));
    question.put("classes", &numbers(&|d| vec![f32::from(d.class)]));
    question.say("shape", [count, N]).say("most", 0.3).ask(include_str!("reference/boxes.py"));
    let own: Vec<f32> =
        detections.iter().map(|d| detections[0].span.overlap(&d.span) as f32).collect();
    assert_near(&own, &question.answer("iou"), 1e-6);
    let kept: Vec<u32> = not_suppressed(&detections, 0.3).into_iter().map(|at| at as u32).collect();
    assert!(kept.len() < count);
    assert_same(&kept, &question.answer("kept"));
}

#[test]
fn overlaps_and_kept_boxes_are_those_of_the_rule() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(51);
    agree::<2>(&question, &mut random, 300);
    agree::<3>(&question, &mut random, 300);
}

#[test]
fn boxes_without_content_overlap_nothing_and_boxes_that_are_no_numbers_go() {
    let made = |low: [f32; 2], high: [f32; 2], score| Detection {
        span: Span { low, high },
        score,
        class: 0,
    };
    let empty = made([1.0, 1.0], [1.0, 5.0], 0.9);
    let turned = made([5.0, 5.0], [1.0, 1.0], 0.8);
    assert_eq!(empty.span.overlap(&empty.span), 0.0);
    assert_eq!(turned.span.content(), 0.0);
    let all = [
        empty,
        empty,
        turned,
        made([0.0, f32::NAN], [1.0, 1.0], 0.7),
        made([0.0, 0.0], [f32::INFINITY, 1.0], 0.7),
        made([0.0, 0.0], [1.0, 1.0], f32::NAN),
        made([0.0, 0.0], [1.0, 1.0], 0.1),
        made([0.0, 0.0], [1.0, 1.0], 0.2),
    ];
    assert_eq!(not_suppressed(&all, 0.5), [0, 1, 2, 7]);
    assert!(not_suppressed::<3>(&[], 0.5).is_empty());
}
