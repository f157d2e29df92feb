//! From a job to the images that its model takes: those that were read ahead, the others from the store.

use crate::ahead::kept::Kept;
use crate::ahead::wanted;
use crate::job_error::JobError;
use bytes::Bytes;
use gantry_inference::assembly::{Assembly, AssemblyError, ImageSlices, Room};
use gantry_inference::film;
use gantry_inference::manifest::{Input, InputKind};
use gantry_inference::models::Model;
use gantry_inference::pool::Pool;
use gantry_store::decisions::Level;
use gantry_store::jobs::Job;
use gantry_store::reader::Reader;
use gantry_terms::film::Film;
use gantry_terms::header::{Layered, Tag};
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::task::JoinHandle;

const NUMBER_OF_FRAMES: Tag = 0x0028_0008;
const ROWS: Tag = 0x0028_0010;
const COLUMNS: Tag = 0x0028_0011;

/// The images of one job.
pub(crate) struct Reading<'a> {
    pub reader: &'a Reader,
    pub engine: &'a Pool,
    pub ahead: Option<&'a Kept>,
    pub job: &'a Job,
    pub model: &'a Model,
}

type UnderWay = VecDeque<JoinHandle<Result<ImageSlices, AssemblyError>>>;

impl Reading<'_> {
    /// One for each input of the model, in its order, and how many images had been read ahead. What the pool would refuse
    /// for its size is not read.
    pub async fn images(&self) -> Result<(Vec<Images>, usize), JobError> {
        if let Some(why) = self.engine.refusal(&self.model.name, self.numbers().await?) {
            return Err(JobError::Permanent(why));
        }
        let inputs = &self.model.manifest.inputs;
        let (mut images, mut ahead) = (Vec::with_capacity(inputs.len()), 0);
        for input in inputs {
            let selected = self.selected(input)?;
            images.push(match &input.kind {
                InputKind::Volume => self.volume(selected, input, &mut ahead).await?.into(),
                InputKind::Image(_) | InputKind::Frames(_) => {
                    self.film(selected, input).await?.into()
                }
            });
        }
        Ok((images, ahead))
    }

    /// At least so many the model would be given, by what the index has of the images' headers (Rows, Columns and Number of Frames,
    /// PS3.3 C.7.6.3 and C.7.6.6). 0 where that is one image, which is read as soon as asked about.
    async fn numbers(&self) -> Result<usize, JobError> {
        let inputs = &self.model.manifest.inputs;
        if inputs.iter().all(|input| matches!(input.kind, InputKind::Image(_))) {
            return Ok(0);
        }
        let series = match (self.job.level, &self.job.series) {
            (Level::Series, Some(series)) => vec![self.reader.images(series).await?],
            (Level::Study, _) => self.reader.study_images(&self.job.study).await?,
            _ => return Ok(0),
        };
        let images = series.iter().flat_map(|series| series.with_headers());
        let numbers: HashMap<&Uid, usize> = images
            .map(|(image, header)| (&image.identity.sop_instance, numbers_of(header)))
            .collect();
        let selected = inputs.iter().map(|input| self.selected(input));
        let selected = selected.collect::<Result<Vec<_>, _>>()?.concat();
        let each = selected.iter().filter_map(|image| numbers.get(image));
        Ok(each.fold(0, |all, one| all.saturating_add(*one)))
    }

    fn selected(&self, input: &Input) -> Result<&[Uid], JobError> {
        let job = self.job;
        match &job.selections {
            None if self.model.manifest.inputs.len() == 1 => Ok(&job.selected),
            Some(selections) if selections.contains_key(&input.name) => {
                Ok(&selections[&input.name])
            }
            _ => Err(JobError::Permanent(format!(
                "the rule selected nothing for the input {} of the model {}: name its selections as the \
                 model's manifest names its inputs",
                input.name, job.model
            ))),
        }
    }

    /// Reads as many images at a time as there are cores, and takes them in their order.
    async fn volume(
        &self,
        selected: &[Uid],
        input: &Input,
        ahead: &mut usize,
    ) -> Result<Volume, JobError> {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut assembly, mut under_way) = (Assembly::new(input), UnderWay::new());
        let (input, room) = (Arc::new(input.clone()), Arc::new(Room::of_volume()));
        for (at, sop_instance) in selected.iter().enumerate() {
            if under_way.len() == at_once {
                take_first(&mut under_way, &mut assembly).await?;
            }
            if let Some(image) = self.read_ahead(&input, sop_instance).await? {
                while !under_way.is_empty() {
                    take_first(&mut under_way, &mut assembly).await?;
                }
                *ahead += 1;
                add(&mut assembly, image)?;
                continue;
            }
            let (part10, input) = (self.part10_of(sop_instance).await?, input.clone());
            let room = room.clone();
            let read = move || ImageSlices::read(&part10, at + 1, &input, &room);
            under_way.push_back(tokio::task::spawn_blocking(read));
        }
        while !under_way.is_empty() {
            take_first(&mut under_way, &mut assembly).await?;
        }
        tokio::task::spawn_blocking(move || assembly.finish())
            .await
            .map_err(|error| JobError::Permanent(format!("assembling panicked: {error}")))?
            .map_err(|error| JobError::Permanent(error.to_string()))
    }

    /// Nothing where other bytes have taken the place of those that were read.
    async fn read_ahead(
        &self,
        input: &Input,
        sop_instance: &Uid,
    ) -> Result<Option<ImageSlices>, JobError> {
        let Some(kept) = self.ahead else { return Ok(None) };
        let on = match (self.job.level, &self.job.series) {
            (Level::Series, Some(series)) => series,
            (Level::Study, _) => &self.job.study,
            _ => return Ok(None),
        };
        let wanted = wanted(self.model, input, sop_instance);
        if !kept.has(on, &wanted) {
            return Ok(None);
        }
        let digest = self.reader.digest(sop_instance).await?;
        Ok(digest.and_then(|digest| kept.take(on, &wanted, &digest)))
    }

    /// The only image that the rule selected.
    async fn film(&self, selected: &[Uid], input: &Input) -> Result<Film, JobError> {
        let [sop_instance] = selected else {
            let count = selected.len();
            return Err(JobError::Permanent(format!(
                "the model takes one image and the rule selected {count}: let it run on each image \
                 (on = \"instance\"), or select one, by its ViewPosition for instance"
            )));
        };
        let (part10, input) = (self.part10_of(sop_instance).await?, input.clone());
        tokio::task::spawn_blocking(move || film::read(&part10, &input))
            .await
            .map_err(|error| JobError::Permanent(format!("reading an image panicked: {error}")))?
            .map_err(|error| JobError::Permanent(format!("image {sop_instance} {error}")))
    }

    async fn part10_of(&self, sop_instance: &Uid) -> Result<Bytes, JobError> {
        self.reader.object(sop_instance).await?.ok_or_else(|| {
            JobError::Permanent(format!("instance {sop_instance} is no longer in the store"))
        })
    }
}

/// 0 where its header does not say.
fn numbers_of(header: Layered) -> usize {
    // Below its range and above it `as` gives its ends.
    let number = |tag: Tag| header.number(tag).map(|number| number as usize);
    let sides = [number(ROWS), number(COLUMNS)].map(Option::unwrap_or_default);
    let frames = number(NUMBER_OF_FRAMES).unwrap_or(1).max(1);
    sides.into_iter().fold(frames, usize::saturating_mul)
}

async fn take_first(under_way: &mut UnderWay, assembly: &mut Assembly) -> Result<(), JobError> {
    let Some(first) = under_way.pop_front() else { return Ok(()) };
    let read = first
        .await
        .map_err(|error| JobError::Permanent(format!("reading an image panicked: {error}")))?;
    add(assembly, read.map_err(|error| JobError::Permanent(error.to_string()))?)
}

fn add(assembly: &mut Assembly, image: ImageSlices) -> Result<(), JobError> {
    assembly.add_read(image).map_err(|error| JobError::Permanent(error.to_string()))
}
