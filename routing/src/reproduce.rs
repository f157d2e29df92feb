//! A kept result made again from the same images by the same model, to be laid beside it. Nothing is kept or sent.

use crate::compose::Composer;
use crate::infer::{infer_error, inputs, summary_of};
use crate::job_error::JobError;
use crate::versions::is_pinned;
use gantry_inference::models::Model;
use gantry_inference::pool::{Pool, Urgency};
use gantry_results::object::ResultObject;
use gantry_store::jobs::Job;
use gantry_store::reader::Reader;
use std::sync::Arc;
use std::time::Duration;

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
    /// In the order of `send_as`.
    pub objects: Vec<ResultObject>,
    /// As a finished job keeps them.
    pub findings: serde_json::Value,
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
        let images = inputs(&self.reader, job, model).await?;
        let found =
            self.engine.infer(&model.name, images.clone(), Urgency::Routine, Duration::ZERO).await;
        let (findings, _) = found.map_err(infer_error)?;
        let objects = self.composer.objects(&self.reader, job, &images, &findings).await?;
        Ok(Again { objects, findings: summary_of(&findings) })
    }
}
