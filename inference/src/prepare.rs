//! From a volume to the tensor that a model takes: brought onto the model's grid, intensities scaled.

use crate::manifest::Input;
use crate::models::Model;
use crate::voxels::block::Block;
use crate::voxels::error::VoxelError;
use crate::voxels::grid::Grid;
use gantry_terms::volume::Volume;
use std::sync::Arc;

/// The input of one run.
#[derive(Debug)]
pub struct Prepared {
    /// Where the tensor's voxels lie.
    pub grid: Grid,
    /// Where the images lie.
    pub images: Grid,
    pub shape: Vec<i64>,
    /// mm between voxels along the tensor's axes.
    pub spacing: [f32; 3],
    voxels: Voxels,
}

#[derive(Debug)]
enum Voxels {
    /// As the images have them.
    OfImages(Arc<Volume>),
    Made(Vec<f32>),
}

impl Prepared {
    /// Works on all cores for as long as that takes: not for a thread that others wait for.
    pub fn new(model: &Model, volume: &Arc<Volume>) -> Result<Self, VoxelError> {
        let input = &model.manifest.input;
        let images = Grid::of(&volume.geometry)?;
        let untouched =
            input.grid.is_none() && input.image_steps.is_empty() && input.steps.is_empty();
        let (grid, voxels) = if untouched {
            (images, Voxels::OfImages(volume.clone()))
        } else {
            let made = made(input, images, volume.voxels.clone())?;
            (*made.grid(), Voxels::Made(made.into_voxels()))
        };
        let shape = input.axes.shape(grid.size());
        Ok(Self { grid, images, shape, spacing: grid.spacing().map(|mm| mm as f32), voxels })
    }

    pub fn voxels(&self) -> &[f32] {
        match &self.voxels {
            Voxels::OfImages(volume) => &volume.voxels,
            Voxels::Made(voxels) => voxels,
        }
    }
}

fn made(input: &Input, images: Grid, mut voxels: Vec<f32>) -> Result<Block, VoxelError> {
    input.image_steps.iter().try_for_each(|step| step.apply(&mut voxels))?;
    let mut block = Block::new(images, voxels)?;
    if let Some(wanted) = &input.grid {
        block = wanted.fill(&block)?;
    }
    input.steps.iter().try_for_each(|step| step.apply(block.voxels_mut()))?;
    Ok(block)
}
