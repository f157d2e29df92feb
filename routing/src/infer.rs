//! Station infer: leases a job, reads its images into volumes or a film, lets the model find, and hands the findings to compose.

use crate::compose::Composer;
use crate::job_error::JobError;
use crate::wait::{Stop, sleep_until};
use bytes::Bytes;
use gantry_inference::assembly::Assembly;
use gantry_inference::engine::InferError;
use gantry_inference::film;
use gantry_inference::manifest::{Input, InputKind};
use gantry_inference::models::{Model, Models};
use gantry_inference::pool::{Pool, Urgency};
use gantry_store::jobs::{FinishedJob, Job, Priority};
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use gantry_terms::film::Film;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tracing::Instrument;

/// A job that failed transiently so often has failed.
const MOST_ATTEMPTS: u32 = 5;
/// A job whose node ended so often while it ran is not tried again: it may be what ends the node.
const MOST_CRASHES: u32 = 30;
/// Longer than any job and its wait for others, each of which may take an hour: a lease only runs out
/// when its node is gone, and the next start takes it back at once.
const LEASE: Duration = Duration::from_secs(24 * 3600);
/// How often a look is taken whether a stat job that was put off is due.
const LOOK: Duration = Duration::from_secs(1);

/// While one runs on each device the next one is read. Each holds its volume in memory.
const READ_AHEAD: usize = 1;
/// Beside them, so that a stat job waits for no more than the run that it meets.
const STAT_BESIDE: usize = 1;

/// Works through the jobs.
pub struct Work {
    pub store: Store,
    pub models: Arc<Models>,
    pub engine: Pool,
    pub composer: Composer,
}

impl Work {
    /// Until `stop`, and until what is in hand then has ended.
    pub async fn run(self, mut stop: Stop) {
        let work = Arc::new(self);
        let mut in_hand = JoinSet::new();
        while !stop.is_stopped() {
            let mut bell = work.store.bell();
            bell.borrow_and_update();
            if let Some(job) = work.lease(in_hand.len()).await {
                in_hand.spawn(work.clone().in_hand(job));
                continue;
            }
            // Jobs that were put off come due without a ring; with full hands their time is not come.
            let next = match in_hand.len() < work.at_once() {
                true => work.store.next_job_due().await.ok().flatten(),
                false => Some(Moment::now().plus(LOOK)),
            };
            tokio::select! {
                () = stop.stopped() => {}
                _ = bell.changed() => {}
                () = sleep_until(next) => {}
                Some(_) = in_hand.join_next() => {}
            }
        }
        in_hand.join_all().await;
    }

    /// A defect of this node costs the job, and no other one: it fails with a reason.
    async fn in_hand(self: Arc<Self>, job: Job) {
        let (work, of) = (self.clone(), job.clone());
        if tokio::spawn(async move { work.work_on(of).await }).await.is_err() {
            let why = "the node panicked while it worked on this job: its log says where";
            self.fail(&job, JobError::Permanent(why.into())).await;
        }
    }

    /// So many jobs that are not stat are in hand at the most.
    fn at_once(&self) -> usize {
        self.engine.devices() + READ_AHEAD
    }

    /// The next job, if there is one that may begin beside so many.
    async fn lease(&self, in_hand: usize) -> Option<Job> {
        let leased = match in_hand {
            _ if in_hand < self.at_once() => self.store.lease_job("engine", LEASE).await,
            _ if in_hand < self.at_once() + STAT_BESIDE => {
                self.store.lease_stat_job("engine", LEASE).await
            }
            _ => return None,
        };
        leased.unwrap_or_else(|error| {
            tracing::error!(station = "infer", %error, "cannot lease a job");
            None
        })
    }

    async fn work_on(&self, job: Job) {
        let series = job.series.as_ref().map(tracing::field::display);
        let span = tracing::info_span!(
            "infer",
            job = job.id,
            study = %job.study,
            series,
            model = job.model
        );
        async {
            match self.attempt(&job).await {
                Ok(()) => tracing::info!("job done"),
                Err(error) => self.fail(&job, error).await,
            }
        }
        .instrument(span)
        .await;
    }

    async fn attempt(&self, job: &Job) -> Result<(), JobError> {
        if job.attempts > MOST_CRASHES {
            return Err(JobError::Permanent(format!(
                "the node ended {MOST_CRASHES} times while this job ran; see its log"
            )));
        }
        let model = model_of(&self.models, job)?;
        let started = Instant::now();
        self.store.set_job_station(job.id, "infer").await?;
        let images = inputs(&self.store, job, model).await?;
        let assembled = started.elapsed();
        let urgency = match job.priority {
            Priority::Stat => Urgency::Stat,
            Priority::Routine => Urgency::Routine,
        };
        tracing::info!(?urgency, "waits for its turn");
        let waited = Moment::now().since(job.decided_at);
        let findings = self.engine.infer(&job.model, images.clone(), urgency, waited).await;
        let (findings, ran) = findings.map_err(infer_error)?;
        let waited = started.elapsed().saturating_sub(assembled + ran);
        tracing::info!(?assembled, ?waited, model = ?ran, "inferred");
        self.store.set_job_station(job.id, "compose").await?;
        let results = self.composer.compose(&self.store, job, &images, &findings).await?;
        let finished = FinishedJob {
            findings: summary_of(&findings),
            deliveries: results.deliveries,
            results: results.instances,
            seconds: ran.as_secs_f64(),
        };
        Ok(self.store.finish_job(job.id, finished).await?)
    }

    async fn fail(&self, job: &Job, error: JobError) {
        let pause = Duration::from_secs(10 * u64::from(job.attempts.min(MOST_ATTEMPTS)).pow(2));
        let again = match &error {
            JobError::Transient(_) if job.attempts < MOST_ATTEMPTS => {
                Some(Moment::now().plus(pause))
            }
            _ => None,
        };
        tracing::warn!(%error, again = again.is_some(), "job failed");
        if let Err(error) = self.store.fail_job(job.id, &error.to_string(), again).await {
            tracing::error!(%error, "the failure could not be kept; the job's lease will run out");
        }
    }
}

pub(crate) fn infer_error(error: InferError) -> JobError {
    match error {
        InferError::Transient(why) => JobError::Transient(why),
        InferError::Permanent(why) => JobError::Permanent(why),
    }
}

/// The decision names a digest: another graph under the same name is another model.
pub(crate) fn model_of<'m>(models: &'m Models, job: &Job) -> Result<&'m Arc<Model>, JobError> {
    let model = models.model(&job.model).ok_or_else(|| {
        JobError::Permanent(format!("model {} is no longer in the models folder", job.model))
    })?;
    if model.digest != job.model_digest {
        return Err(JobError::Permanent(format!(
            "model {} was replaced after this decision, so the result would not be what was decided",
            job.model
        )));
    }
    Ok(model)
}

/// One for each input of the model, in its order.
pub(crate) async fn inputs(
    reader: &Reader,
    job: &Job,
    model: &Model,
) -> Result<Vec<Images>, JobError> {
    let inputs = &model.manifest.inputs;
    let mut images = Vec::with_capacity(inputs.len());
    for input in inputs {
        let selected = match &job.selections {
            None if inputs.len() == 1 => &job.selected,
            Some(selections) if selections.contains_key(&input.name) => &selections[&input.name],
            _ => {
                return Err(JobError::Permanent(format!(
                    "the rule selected nothing for the input {} of the model {}: name its \
                     selections as the model's manifest names its inputs",
                    input.name, job.model
                )));
            }
        };
        images.push(match &input.kind {
            InputKind::Volume => assemble(reader, selected, input).await?.into(),
            InputKind::Image(_) => film(reader, selected, input).await?.into(),
        });
    }
    Ok(images)
}

/// Reads the selected images one after the other, so that only one file is in memory beside the volume.
async fn assemble(reader: &Reader, selected: &[Uid], input: &Input) -> Result<Volume, JobError> {
    let mut assembly = Assembly::new(input);
    for sop_instance in selected {
        let part10 = part10_of(reader, sop_instance).await?;
        let (back, added) = tokio::task::spawn_blocking(move || {
            let added = assembly.add(&part10);
            (assembly, added)
        })
        .await
        .map_err(|error| JobError::Permanent(format!("reading an image panicked: {error}")))?;
        assembly = back;
        added.map_err(|error| JobError::Permanent(error.to_string()))?;
    }
    tokio::task::spawn_blocking(move || assembly.finish())
        .await
        .map_err(|error| JobError::Permanent(format!("assembling panicked: {error}")))?
        .map_err(|error| JobError::Permanent(error.to_string()))
}

/// The only image that the rule selected.
async fn film(reader: &Reader, selected: &[Uid], input: &Input) -> Result<Film, JobError> {
    let [sop_instance] = selected else {
        let count = selected.len();
        return Err(JobError::Permanent(format!(
            "the model takes one image and the rule selected {count}: let it run on each image \
             (on = \"instance\"), or select one, by its ViewPosition for instance"
        )));
    };
    let (part10, input) = (part10_of(reader, sop_instance).await?, input.clone());
    tokio::task::spawn_blocking(move || film::read(&part10, &input))
        .await
        .map_err(|error| JobError::Permanent(format!("reading an image panicked: {error}")))?
        .map_err(|error| JobError::Permanent(format!("image {sop_instance} {error}")))
}

async fn part10_of(reader: &Reader, sop_instance: &Uid) -> Result<Bytes, JobError> {
    reader.object(sop_instance).await?.ok_or_else(|| {
        JobError::Permanent(format!("instance {sop_instance} is no longer in the store"))
    })
}

/// What `explain` and `status` show of the findings: whether each is there, and key, number and unit.
pub(crate) fn summary_of(findings: &Findings) -> serde_json::Value {
    let answers = findings.groups.iter().filter_map(|group| {
        let (finding, presence) = (group.finding.as_ref()?, group.presence?);
        Some(serde_json::json!({
            "key": group.label,
            "concept": finding.meaning,
            "presence": presence,
        }))
    });
    let measurements = findings.groups.iter().flat_map(|group| &group.measurements);
    let shown = measurements.map(|m| {
        let derived = m.derivation.as_ref().map(|how| format!("{} of ", how.meaning));
        serde_json::json!({
            "key": m.key,
            "concept": format!("{}{}", derived.unwrap_or_default(), m.concept.meaning),
            "value": m.value.ok(),
            "unit": m.unit.value,
        })
    });
    serde_json::Value::Array(answers.chain(shown).collect())
}
