//! From images to the tensors that a model takes: volumes on the model's grid, films and frames at its size, intensities scaled.

use crate::assembly::MOST_VOXELS;
use crate::cuda::{self, DeviceError, Gpu, OnDevice};
use crate::manifest::{Axes, ImageWanted, Input, InputKind};
use crate::models::Model;
use crate::voxels::block::Block;
use crate::voxels::error::VoxelError;
use crate::voxels::grid::Grid;
use crate::voxels::intensity::put_padding;
use crate::voxels::resample::linear;
use gantry_terms::film::Film;
use gantry_terms::images::Images;
use gantry_terms::volume::Volume;
use std::borrow::Cow;
use std::sync::Arc;

/// The tensors of one run.
#[derive(Debug)]
pub struct Prepared {
    /// Of the leading input; none of a film.
    pub place: Option<Place>,
    /// One for each input, in the manifest's order.
    pub inputs: Vec<PreparedInput>,
}

/// Where a volume lies in the patient; a film, in pixels of its own.
#[derive(Debug)]
pub struct Place {
    /// Its voxels as the graph sees them.
    pub grid: Grid,
    pub images: Grid,
    /// A film is no slice: what is closed in by rows and columns is closed in.
    pub is_film: bool,
}

impl Place {
    /// A film is one slice, with the middle of its first pixel at 0 and a step from pixel to pixel.
    pub fn of_film(wanted: &ImageWanted, [rows, columns]: [usize; 2]) -> Result<Self, VoxelError> {
        let place = wanted.place([rows, columns]);
        let first = |axis: usize| place.on_film(axis, 0.5) - 0.5;
        let lies = |size: [usize; 2], first: [f64; 2], step: [f64; 2]| {
            Grid::new(
                [1, size[0], size[1]],
                [first[1], first[0], 0.0],
                [[0.0, 0.0, 1.0], [0.0, step[0], 0.0], [step[1], 0.0, 0.0]],
            )
        };
        Ok(Self {
            grid: lies(place.size, [first(0), first(1)], place.step)?,
            images: lies([rows, columns], [0.0; 2], [1.0; 2])?,
            is_film: true,
        })
    }

    /// Of a tensor of the whole grid, with one channel where it has channels.
    pub fn shape(&self, axes: Axes) -> Vec<i64> {
        let [slices, rows, columns] = self.grid.size();
        match self.is_film {
            true => [1, 1, rows, columns].map(|side| side as i64).to_vec(),
            false => axes.shape([slices, rows, columns]),
        }
    }
}

#[derive(Debug)]
pub struct PreparedInput {
    pub shape: Vec<i64>,
    /// mm between voxels along the tensor's axes; none of a film.
    pub spacing: Option<[f32; 3]>,
    voxels: Voxels,
}

#[derive(Debug)]
enum Voxels {
    /// As the images have them.
    OfImages(Arc<Volume>),
    Made(Vec<f32>),
    OnDevice(OnDevice),
}

/// Why volumes are not what the model takes. All of them are permanent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unprepared {
    #[error(transparent)]
    Voxels(#[from] VoxelError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("it has {wanted} inputs, and images for {found} were given")]
    Count { wanted: usize, found: usize },
    #[error("its images have not as many values as they say")]
    Values,
    #[error("its {0} frames have more than {MOST_VOXELS} numbers as the model takes them")]
    TooLarge(usize),
    #[error(
        "the images for `{0}` are not of the kind that its manifest names: the node has to be mended"
    )]
    Kind(String),
    #[error(
        "the images for `{input}` have another Frame of Reference than those for `{lead}`: nothing \
         says how they lie to each other"
    )]
    FrameOfReference { input: String, lead: String },
    #[error(
        "the images for `{input}` or those for `{lead}` have no Frame of Reference UID: nothing says how \
         they lie to each other"
    )]
    NoFrameOfReference { input: String, lead: String },
}

impl Prepared {
    /// Of the images for each input, in the manifest's order. Works on all cores for as long as that
    /// takes: not for a thread that others wait for.
    pub fn new(model: &Model, images: &[Images]) -> Result<Self, Unprepared> {
        Self::of(model, images, None)
    }

    /// The same on a device, for a model whose tensors stay there.
    pub fn on(gpu: &Gpu, model: &Model, images: &[Images]) -> Result<Self, Unprepared> {
        Self::of(model, images, Some(gpu))
    }

    fn of(model: &Model, images: &[Images], gpu: Option<&Gpu>) -> Result<Self, Unprepared> {
        let inputs = &model.manifest.inputs;
        if images.len() != inputs.len() {
            return Err(Unprepared::Count { wanted: inputs.len(), found: images.len() });
        }
        if let ([input], [Images::Film(film)]) = (inputs.as_slice(), images) {
            let prepared = PreparedInput::of_film(input, film)?;
            return Ok(Self { place: None, inputs: vec![prepared] });
        }
        let volumes =
            inputs.iter().zip(images).map(|(input, images)| match (&input.kind, images) {
                (InputKind::Volume, Images::Volume(volume)) => Ok(volume),
                _ => Err(Unprepared::Kind(input.name.clone())),
            });
        Self::of_volumes(inputs, &volumes.collect::<Result<Vec<_>, _>>()?, gpu)
    }

    /// The shape and the numbers of the tensor whose channels these inputs are.
    pub fn channels(&self, places: &[usize]) -> (Vec<i64>, Cow<'_, [f32]>) {
        let inputs: Vec<_> = places.iter().filter_map(|at| self.inputs.get(*at)).collect();
        if let [alone] = inputs.as_slice() {
            return (alone.shape.clone(), alone.voxels().into());
        }
        let mut shape = inputs.first().map_or(Vec::new(), |first| first.shape.clone());
        if let Some(channels) = shape.get_mut(1) {
            *channels = inputs.len() as i64;
        }
        (shape, inputs.iter().flat_map(|input| input.voxels()).copied().collect())
    }

    fn of_volumes(
        inputs: &[Input],
        volumes: &[&Arc<Volume>],
        gpu: Option<&Gpu>,
    ) -> Result<Self, Unprepared> {
        let wanted = inputs.len();
        let [lead, ..] = volumes else { return Err(Unprepared::Count { wanted, found: 0 }) };
        let mut prepared: Vec<PreparedInput> = Vec::with_capacity(wanted);
        let images = Grid::of(&lead.geometry)?;
        let mut grid = images;
        for (input, volume) in inputs.iter().zip(volumes) {
            let onto = (!prepared.is_empty()).then_some(grid);
            if onto.is_some() {
                let names = (input.name.clone(), inputs[0].name.clone());
                lie_together(volume, lead, names)?;
            }
            let (own, of_input) = match gpu {
                Some(gpu) => PreparedInput::on(gpu, input, volume, onto)?,
                None => PreparedInput::new(input, volume, onto)?,
            };
            grid = if prepared.is_empty() { own } else { grid };
            prepared.push(of_input);
        }
        Ok(Self { place: Some(Place { grid, images, is_film: false }), inputs: prepared })
    }
}

fn lie_together(
    volume: &Volume,
    lead_volume: &Volume,
    (input, lead): (String, String),
) -> Result<(), Unprepared> {
    match (&volume.frame_of_reference, &lead_volume.frame_of_reference) {
        (Some(one), Some(other)) if one == other => Ok(()),
        (Some(_), Some(_)) => Err(Unprepared::FrameOfReference { input, lead }),
        _ => Err(Unprepared::NoFrameOfReference { input, lead }),
    }
}

impl PreparedInput {
    fn of_film(input: &Input, film: &Film) -> Result<Self, Unprepared> {
        let wanted = match (&input.kind, film.frames) {
            (InputKind::Image(wanted), 1) => wanted,
            (InputKind::Frames(frames), 1..) => &frames.image,
            _ => return Err(Unprepared::Kind(input.name.clone())),
        };
        let (shape, pixels) = frames_of(input, wanted, film)?;
        Ok(Self::made(shape, pixels))
    }

    /// Of films.
    pub fn made(shape: Vec<i64>, pixels: Vec<f32>) -> Self {
        Self { shape, spacing: None, voxels: Voxels::Made(pixels) }
    }

    fn on(
        gpu: &Gpu,
        input: &Input,
        volume: &Volume,
        onto: Option<Grid>,
    ) -> Result<(Grid, Self), Unprepared> {
        let images = Grid::of(&volume.geometry)?;
        let (grid, voxels) = match lies_ready(input, &images, onto) {
            true => (images, gpu.upload(&volume.voxels)?),
            false => cuda::made(gpu, input, images, &volume.voxels, onto)?,
        };
        let shape = input.axes.shape(grid.size());
        let spacing = Some(grid.spacing().map(|mm| mm as f32));
        Ok((grid, Self { shape, spacing, voxels: Voxels::OnDevice(voxels) }))
    }

    /// With the grid that its voxels lie on: `onto`, or what the input wants.
    fn new(
        input: &Input,
        volume: &Arc<Volume>,
        onto: Option<Grid>,
    ) -> Result<(Grid, Self), VoxelError> {
        let images = Grid::of(&volume.geometry)?;
        let (grid, voxels) = if lies_ready(input, &images, onto) {
            (images, Voxels::OfImages(volume.clone()))
        } else {
            let made = made(input, images, volume.voxels.clone(), onto)?;
            (*made.grid(), Voxels::Made(made.into_voxels()))
        };
        let shape = input.axes.shape(grid.size());
        let spacing = Some(grid.spacing().map(|mm| mm as f32));
        Ok((grid, Self { shape, spacing, voxels }))
    }

    /// On the host: none where they lie on a device.
    pub fn voxels(&self) -> &[f32] {
        match &self.voxels {
            Voxels::OfImages(volume) => &volume.voxels,
            Voxels::Made(voxels) => voxels,
            Voxels::OnDevice(_) => &[],
        }
    }

    /// Those that were made on a device, and are nowhere else.
    pub fn on_device(&self) -> Option<&OnDevice> {
        match &self.voxels {
            Voxels::OnDevice(voxels) => Some(voxels),
            _ => None,
        }
    }
}

/// Whether the voxels of the images are what the input wants as they are.
fn lies_ready(input: &Input, images: &Grid, onto: Option<Grid>) -> bool {
    let stays = input.image_steps.is_empty() && input.steps.is_empty() && input.padding.is_none();
    stays && onto.map_or(input.grid.is_none(), |onto| onto.is_like(images))
}

/// The shape and the numbers of the tensor of all frames, one behind the other.
fn frames_of(
    input: &Input,
    wanted: &ImageWanted,
    film: &Film,
) -> Result<(Vec<i64>, Vec<f32>), Unprepared> {
    let size = [film.rows, film.columns];
    let [rows, columns] = wanted.size_of(size);
    let sides = [film.frames, film.channels, film.rows, film.columns];
    let values = sides.iter().try_fold(1usize, |all, side| all.checked_mul(*side));
    if values != Some(film.pixels.len()) {
        return Err(Unprepared::Values);
    }
    let shape = [film.frames, wanted.channels, rows, columns];
    let count = shape.iter().try_fold(1usize, |all, side| all.checked_mul(*side));
    let count = count.filter(|count| *count <= MOST_VOXELS);
    let mut tensor = Vec::with_capacity(count.ok_or(Unprepared::TooLarge(film.frames))?);
    let steps: [&[_]; 2] = [&input.image_steps, &input.steps];
    for at in 0..film.frames {
        tensor.extend(wanted.fill(size, film.frame(at), steps, input.padding)?);
    }
    Ok((shape.map(|side| side as i64).to_vec(), tensor))
}

/// Beyond its images an input that goes onto another one is as it is at its darkest.
fn made(
    input: &Input,
    images: Grid,
    mut voxels: Vec<f32>,
    onto: Option<Grid>,
) -> Result<Block, VoxelError> {
    input.image_steps.iter().try_for_each(|step| step.apply(&mut voxels))?;
    let mut block = Block::new(images, voxels)?;
    if let Some(onto) = onto {
        let least = block.voxels().iter().copied().fold(f32::INFINITY, f32::min);
        block = linear(&block, &onto, if least.is_finite() { least } else { 0.0 })?;
    } else if let Some(wanted) = &input.grid {
        block = wanted.fill(&block)?;
    }
    input.steps.iter().try_for_each(|step| step.apply(block.voxels_mut()))?;
    if let Some(value) = input.padding {
        put_padding(block.voxels_mut(), value);
    }
    Ok(block)
}
