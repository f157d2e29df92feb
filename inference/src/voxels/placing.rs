//! The grids that a model asks for, laid over the grid of the images: `resample` then fills them.

use super::error::{VoxelError, voxels};
use super::grid::Grid;
use super::orientation::Orientation;

impl Grid {
    /// A cube of `side` voxels along each axis, `spacing` mm apart, along the patient's own axes. Its centre
    /// is that of this grid. With 256, 1.0 and `LIA` it is what FreeSurfer's `mri_convert --conform` calls
    /// conformed (which puts index 128 of the cube onto index `size / 2`, up to half a voxel beside the centre).
    pub fn conformed(
        &self,
        side: usize,
        spacing: f64,
        orientation: Orientation,
    ) -> Result<Self, VoxelError> {
        check_spacing(spacing)?;
        let unit = |a: usize| std::array::from_fn(|b| if a == b { spacing } else { 0.0 });
        let upright = Self::new([side; 3], [0.0; 3], [unit(2), unit(1), unit(0)])?;
        upright.reoriented(orientation).centred(self)
    }

    /// The same block with another distance of voxels in mm: `round(size * old / new)` voxels along each
    /// axis, one at least. The centre stays.
    pub fn with_spacing(&self, spacing: [f64; 3]) -> Result<Self, VoxelError> {
        spacing.into_iter().try_for_each(check_spacing)?;
        let own = self.spacing();
        // A float as an integer stops at the largest; that is refused as too many voxels.
        let size = [0, 1, 2]
            .map(|a| ((self.size()[a] as f64 * own[a] / spacing[a]).round() as usize).max(1));
        self.scaled(size, [0, 1, 2].map(|a| spacing[a] / own[a]))
    }

    /// As [`Self::with_spacing`] and then [`Self::centre_crop_or_pad`], for which the block between the two may
    /// be as large as it likes.
    pub fn with_spacing_and_size(
        &self,
        spacing: [f64; 3],
        size: [usize; 3],
    ) -> Result<Self, VoxelError> {
        spacing.into_iter().try_for_each(check_spacing)?;
        voxels(size)?;
        let (own, steps) = (self.spacing(), self.steps());
        let steps = [0, 1, 2].map(|a| steps[a].map(|mm| mm * (spacing[a] / own[a])));
        let mut origin = self.centre();
        for a in 0..3 {
            let old = (self.size()[a] as f64 * own[a] / spacing[a]).round().max(1.0);
            let new = size[a] as f64;
            let first = match new < old {
                true => (old / 2.0).floor() - (new / 2.0).floor(),
                false => -((new - old) / 2.0).floor(),
            };
            let from_centre = first - (old - 1.0) / 2.0;
            origin.iter_mut().zip(steps[a]).for_each(|(mm, step)| *mm += from_centre * step);
        }
        Self::new(size, origin, steps)
    }

    /// The same block, from outer face to outer face, with another number of voxels.
    pub fn with_size(&self, size: [usize; 3]) -> Result<Self, VoxelError> {
        voxels(size)?;
        self.scaled(size, [0, 1, 2].map(|a| self.size()[a] as f64 / size[a] as f64))
    }

    /// The same voxels, cut or padded to `size`. Cut: from `size / 2 - new / 2` on, as MONAI's
    /// `CenterSpatialCrop`. Padded: `(new - size) / 2` in front, the rest behind, as its `SpatialPad`.
    pub fn centre_crop_or_pad(&self, size: [usize; 3]) -> Result<Self, VoxelError> {
        voxels(size)?;
        let first = |a: usize| match (self.size()[a], size[a]) {
            (old, new) if new < old => (old / 2 - new / 2) as f64,
            (old, new) => -(((new - old) / 2) as f64),
        };
        Self::new(size, self.to_mm([0, 1, 2].map(first)), self.steps())
    }

    /// The same voxels, padded so that `multiple` divides the size along each axis, as MONAI's
    /// `DivisiblePad`: half in front, rounded down, the rest behind.
    pub fn pad_to_multiple(&self, multiple: [usize; 3]) -> Result<Self, VoxelError> {
        if multiple.contains(&0) {
            let must = "1 or more along each axis";
            return Err(VoxelError::asked("the multiple to pad to", format!("{multiple:?}"), must));
        }
        let next = |a: usize| self.size()[a].checked_next_multiple_of(multiple[a]);
        self.centre_crop_or_pad([0, 1, 2].map(|a| next(a).unwrap_or(usize::MAX)))
    }

    fn scaled(&self, size: [usize; 3], by: [f64; 3]) -> Result<Self, VoxelError> {
        let steps = self.steps();
        let step = |a: usize| steps[a].map(|mm| mm * by[a]);
        Self::new(size, self.origin(), [0, 1, 2].map(step))?.centred(self)
    }

    /// Moved so that its centre is that of `other`.
    fn centred(&self, other: &Self) -> Result<Self, VoxelError> {
        let (own, wanted, origin) = (self.centre(), other.centre(), self.origin());
        let moved = [0, 1, 2].map(|a| origin[a] + wanted[a] - own[a]);
        Self::new(self.size(), moved, self.steps())
    }
}

fn check_spacing(mm: f64) -> Result<(), VoxelError> {
    if mm.is_finite() && mm > 0.0 {
        return Ok(());
    }
    Err(VoxelError::asked("a spacing", format!("{mm} mm"), "above 0 mm"))
}
