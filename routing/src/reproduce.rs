//! A kept result made again from the same images by the same model, to be laid beside it. Nothing is kept or sent.

use crate::compose::Composer;
use crate::infer::{infer_error, noted, seat_of, summary_of};
use crate::job_error::JobError;
use crate::reading::Reading;
use crate::versions::is_pinned;
use gantry_inference::batch::Seat;
use gantry_inference::models::Model;
use gantry_inference::pool::{Pool, Told, Urgency};
use gantry_results::object::ResultObject;
use gantry_store::jobs::{Job, RanOn};
use gantry_store::reader::Reader;
use std::sync::Arc;

/// Works as the stations do, beside them.
pub struct Reproduce {
    pub reader: Reader,
    /// The version that the job names.
    pub model: Arc<Model>,
    pub engine: Pool,
    pub composer: Composer,
}

/// What a job makes when it runs again.
pub struct Again {
    /// In the order of `send_as`, each before its alternates.
    pub objects: Vec<ResultObject>,
    /// As a finished job keeps them.
    pub findings: serde_json::Value,
    /// On what it was found this time.
    pub ran_on: RanOn,
}

impl Reproduce {
    /// Refuses when the model is not the one that was decided for. That the images are those of then is
    /// for the caller to ask.
    pub async fn run(&self, job: &Job) -> Result<Again, JobError> {
        let model = &self.model;
        if !is_pinned(model, job) {
            return Err(JobError::Permanent(format!(
                "the model {} is not the version that made it",
                model.name
            )));
        }
        let reading =
            Reading { reader: &self.reader, engine: &self.engine, ahead: None, job, model };
        let (images, _) = reading.images().await?;
        // In a batch of another size the last digits could be others.
        let seat = job.batch.map_or(Seat::ALONE, seat_of);
        let told = self.engine.infer_again(&model.name, images.clone(), Urgency::Routine, seat);
        let Told { findings, on, .. } = told.await.map_err(infer_error)?;
        let made = self.composer.objects(&self.reader, job, &images, &findings).await?;
        let all =
            made.into_iter().flat_map(|made| std::iter::once(made.object).chain(made.alternates));
        let objects = all.collect();
        Ok(Again { objects, findings: summary_of(&findings), ran_on: noted(&on) })
    }
}
