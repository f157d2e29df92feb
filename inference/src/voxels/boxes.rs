//! Boxes on a grid, from outer face to outer face: how much of two is shared, and what of one lies on the grid.

/// Along each array axis, slowest first, in voxels: 0 is the outer face of the first voxel, so that a box
/// from 2 to 5 holds the voxels 2, 3 and 4. On a film the slowest axis goes from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoxelBox {
    pub low: [f64; 3],
    pub high: [f64; 3],
}

impl VoxelBox {
    /// Finite, and not inside out. Without extent it may be.
    pub fn is_sound(&self) -> bool {
        (0..3).all(|a| {
            self.low[a].is_finite() && self.high[a].is_finite() && self.low[a] <= self.high[a]
        })
    }

    pub fn sides(&self) -> [f64; 3] {
        [0, 1, 2].map(|a| (self.high[a] - self.low[a]).max(0.0))
    }

    pub fn volume(&self) -> f64 {
        self.sides().iter().product()
    }

    /// What both hold; inside out where that is nothing.
    fn shared(&self, other: &Self) -> Self {
        Self {
            low: [0, 1, 2].map(|a| self.low[a].max(other.low[a])),
            high: [0, 1, 2].map(|a| self.high[a].min(other.high[a])),
        }
    }

    /// Intersection over union, from 0 to 1; 0 of boxes without extent.
    pub fn overlap(&self, other: &Self) -> f64 {
        let shared = self.shared(other).volume();
        let all = self.volume() + other.volume() - shared;
        if shared > 0.0 { shared / all } else { 0.0 }
    }

    /// What lies on a block of this size; nothing where that has no extent.
    pub fn on(&self, size: [usize; 3]) -> Option<Self> {
        let whole = Self { low: [0.0; 3], high: size.map(|side| side as f64) };
        let shared = self.shared(&whole);
        shared.sides().iter().all(|side| *side > 0.0).then_some(shared)
    }
}
