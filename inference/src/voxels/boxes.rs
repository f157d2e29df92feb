//! Boxes that a detector gives, in two or three dimensions: how much two overlap, and which of many to keep.

/// From `low` to `high` along each axis, in any unit, for example `[x, y]` in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<const N: usize> {
    pub low: [f32; N],
    pub high: [f32; N],
}

/// One box with its score and its class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection<const N: usize> {
    pub span: Span<N>,
    pub score: f32,
    pub class: u16,
}

impl<const N: usize> Span<N> {
    /// Area or volume; 0 where `high` is not above `low`.
    pub fn content(&self) -> f64 {
        (0..N).map(|a| (f64::from(self.high[a]) - f64::from(self.low[a])).max(0.0)).product()
    }

    /// Content of what both cover by that of what one of them covers, from 0 to 1: 0 of two boxes without content.
    pub fn overlap(&self, other: &Self) -> f64 {
        let low = std::array::from_fn(|a| self.low[a].max(other.low[a]));
        let high = std::array::from_fn(|a| self.high[a].min(other.high[a]));
        let both = Self { low, high }.content();
        let either = self.content() + other.content() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }

    fn is_finite(&self) -> bool {
        self.low.iter().chain(&self.high).all(|number| number.is_finite())
    }
}

/// Indices of the boxes to keep, highest score first, of equal scores in their order: a box goes when it
/// overlaps a kept one of its class by more than `most` (as torchvision's `batched_nms`; with one class its
/// `nms`). Boxes and scores that are no finite numbers go too.
pub fn not_suppressed<const N: usize>(detections: &[Detection<N>], most: f64) -> Vec<usize> {
    let sound = |at: &usize| detections[*at].span.is_finite() && detections[*at].score.is_finite();
    let mut order: Vec<usize> = (0..detections.len()).filter(sound).collect();
    order.sort_by(|a, b| detections[*b].score.total_cmp(&detections[*a].score));
    let mut kept: Vec<usize> = Vec::new();
    for at in order {
        let own = &detections[at];
        let covers = |kept: &usize| {
            let other = &detections[*kept];
            other.class == own.class && other.span.overlap(&own.span) > most
        };
        if !kept.iter().any(covers) {
            kept.push(at);
        }
    }
    kept
}
