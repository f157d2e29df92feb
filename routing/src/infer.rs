//! Station infer: leases a job, reads its images into volumes, a film or frames, lets the model find, and hands the findings to compose.

use crate::ahead::kept::Kept;
use crate::compose::{Composer, FAILURE_REPORT};
use crate::job_error::JobError;
use crate::overlap;
use crate::reading::Reading;
use crate::room::Room;
use crate::uses::{Use, Uses};
use crate::versions::{VersionsInForce, candidate};
use crate::wait::{Stop, sleep_until};
use gantry_inference::batch::Seat;
use gantry_inference::engine::InferError;
use gantry_inference::failed::of_failure;
use gantry_inference::models::{Model, called};
use gantry_inference::pool::{Pool, Told, Urgency};
use gantry_inference::ran_on;
use gantry_store::error::StoreError;
use gantry_store::jobs::{Batch, FinishedJob, Job, Priority, RanOn, Role};
use gantry_store::store::Store;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::moment::Moment;
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

/// While one runs on each device, and one is prepared beside each that is no CPU, the next one is read. Each holds its volume in memory, or the films of one
/// batch.
const READ_AHEAD: usize = 1;
/// Beside them, so that a stat job waits for no more than the run that it meets.
const STAT_BESIDE: usize = 1;

/// Works through the jobs.
pub struct Work {
    pub store: Store,
    pub models: VersionsInForce,
    pub engine: Pool,
    pub composer: Composer,
    /// What was read before the job was there.
    pub ahead: Arc<Kept>,
    pub room: Room,
    pub uses: Uses,
}

impl Work {
    /// Until `stop`, and until what is in hand then has ended.
    pub async fn run(self, mut stop: Stop) {
        let work = Arc::new(self);
        let mut in_hand = JoinSet::new();
        while !stop.is_stopped() {
            let mut bell = work.store.bell();
            bell.borrow_and_update();
            if let Some(jobs) = work.lease(in_hand.len()).await {
                in_hand.spawn(work.clone().in_hand(jobs));
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

    /// All of them, which are of one model.
    async fn in_hand(self: Arc<Self>, jobs: Vec<Job>) {
        let mut all = JoinSet::new();
        for job in jobs {
            all.spawn(self.clone().guarded(job));
        }
        all.join_all().await;
    }

    /// A defect of this node costs the job, and no other one: it fails with a reason.
    async fn guarded(self: Arc<Self>, job: Job) {
        let (work, of) = (self.clone(), job.clone());
        if tokio::spawn(async move { work.work_on(of).await }).await.is_err() {
            let why = "the node panicked while it worked on this job: its log says where";
            self.fail(&job, JobError::Permanent(why.into())).await;
        }
    }

    /// So many jobs that are not stat are in hand at the most.
    fn at_once(&self) -> usize {
        self.engine.at_once() + READ_AHEAD
    }

    /// The next job, if there is one that may begin beside so many, and those that go with it.
    async fn lease(&self, in_hand: usize) -> Option<Vec<Job>> {
        self.try_lease(in_hand).await.unwrap_or_else(|error| {
            tracing::error!(station = "infer", %error, "cannot lease a job");
            None
        })
    }

    async fn try_lease(&self, in_hand: usize) -> Result<Option<Vec<Job>>, StoreError> {
        let leased = match in_hand {
            _ if in_hand < self.at_once() => {
                let row = self.engine.row();
                let row = row.as_deref().map(called);
                self.store.lease_job_in_row(row, "engine", LEASE).await?
            }
            _ if in_hand < self.at_once() + STAT_BESIDE => {
                self.store.lease_stat_job("engine", LEASE).await?
            }
            _ => None,
        };
        let Some(first) = leased else { return Ok(None) };
        let along = match self.most_together(&first) {
            0 | 1 => Vec::new(),
            // Without them it goes alone.
            most => {
                let along = self.store.lease_along(&first, most - 1, "engine", LEASE).await;
                along.unwrap_or_else(|error| {
                    tracing::error!(station = "infer", %error, "cannot lease further jobs");
                    Vec::new()
                })
            }
        };
        Ok(Some(std::iter::once(first).chain(along).collect()))
    }

    fn most_together(&self, job: &Job) -> usize {
        let versions = self.models.now();
        let batching = versions.pinned(job).ok().and_then(|model| model.manifest.batching);
        batching.map_or(1, |batching| batching.most)
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
        let versions = self.models.now();
        let model = versions.pinned(job)?;
        let started = Instant::now();
        self.store.set_job_station(job.id, "infer").await?;
        let reading = Reading {
            reader: &self.store,
            engine: &self.engine,
            ahead: Some(&self.ahead),
            job,
            model,
        };
        let ((images, ahead), _place) = match self.most_together(job) {
            1 => (reading.images().await?, None),
            _ => {
                let films = async { reading.images().await.map(|(images, _)| images) };
                let (images, place) = self.room.read(job.priority, films).await?;
                ((images, 0), place)
            }
        };
        let assembled = started.elapsed();
        let used = Use::read(&job.study, &model.name, &images);
        used.iter().for_each(|used| (self.uses)(used.clone()));
        let found = self.find(job, model, &images).await.map_err(infer_error)?;
        let Told { findings, took: ran, seat, on } = found;
        self.store.set_job_ran_on(job.id, &noted(&on)).await?;
        if self.most_together(job) > 1 {
            self.store.set_job_batch(job.id, batch_of(seat)).await?;
        }
        let waited = started.elapsed().saturating_sub(assembled + ran);
        tracing::info!(ahead, ?assembled, ?waited, model = ?ran, together = seat.of, "inferred");
        self.store.set_job_station(job.id, "compose").await?;
        let results = self.composer.compose(&self.store, job, &images, &findings).await?;
        let made = [results.instances.as_slice(), &results.alternates].concat();
        used.iter().for_each(|used| (self.uses)(used.made(&made)));
        self.keep_masks(job, &findings).await?;
        let finished = FinishedJob {
            findings: summary_of(&findings),
            deliveries: results.deliveries,
            results: results.instances,
            seconds: ran.as_secs_f64(),
            peak: self.engine.peak(&model.name),
        };
        Ok(self.store.finish_job(job.id, finished).await?)
    }

    /// Runs the model. What was found once may have been kept: then it is found again as it was.
    async fn find(&self, job: &Job, model: &Model, images: &[Images]) -> Result<Told, InferError> {
        let urgency = match job.priority {
            Priority::Stat => Urgency::Stat,
            Priority::Routine => Urgency::Routine,
        };
        tracing::info!(?urgency, "waits for its turn");
        let images = images.to_vec();
        if let Some(batch) = job.batch.filter(|_| model.manifest.batching.is_some()) {
            let (began, seat) = (Instant::now(), seat_of(batch));
            let told = self.engine.infer_again(&model.name, images, urgency, seat).await?;
            return Ok(Told { took: began.elapsed(), seat, ..told });
        }
        let waited = Moment::now().since(job.decided_at);
        self.engine.infer_together(&model.name, images, urgency, waited).await
    }

    /// For the candidate that runs on the same images when there is time.
    async fn keep_masks(&self, job: &Job, findings: &Findings) -> Result<(), StoreError> {
        if findings.masks.is_empty() || !self.store.is_shadowed(job.id).await? {
            return Ok(());
        }
        let masks = findings.masks.clone();
        let kept = move || masks.iter().filter_map(overlap::kept).collect::<Vec<_>>();
        // Without them the overlap is not told, and nothing else is missing.
        let kept = tokio::task::spawn_blocking(kept).await.unwrap_or_default();
        self.store.keep_masks(job.id, &kept).await
    }

    /// Whether the live version has the job now: a candidate that fails costs no result.
    async fn is_given_to_live(&self, job: &Job, error: &JobError) -> bool {
        if job.role != Role::Canary {
            return false;
        }
        let versions = self.models.now();
        let Some(chosen) = versions.chosen(&job.model) else { return false };
        let live = candidate(&chosen.live);
        let given = self.store.give_to_live(job.id, &live, &error.to_string()).await;
        if let Err(error) = &given {
            tracing::error!(%error, "a job could not be given to the live version");
        }
        given.unwrap_or(false)
    }

    /// Whether a report says so, where the rule asks for one. What stands in its way is in the log, and the job fails without.
    async fn is_told_of(&self, job: &Job, error: &JobError) -> bool {
        let asked = job.send_as.iter().any(|kind| kind == FAILURE_REPORT) && !job.shadow;
        let versions = self.models.now();
        let Some(model) = versions.pinned(job).ok().filter(|_| asked) else { return false };
        let why = error.to_string();
        let told = async {
            let findings = of_failure(model);
            let made =
                self.composer.compose_failure(&self.store, job, findings, why.clone()).await?;
            let failed = self.store.fail_job_with(job.id, &why, &made.instances, &made.deliveries);
            failed.await.map_err(JobError::from)
        };
        let told = told.await;
        if let Err(error) = &told {
            tracing::error!(%error, "no report of the failure could be made");
        }
        told.is_ok()
    }

    async fn fail(&self, job: &Job, error: JobError) {
        if self.is_given_to_live(job, &error).await {
            tracing::warn!(%error, version = job.version, "the candidate failed, the live version runs");
            return;
        }
        let pause = Duration::from_secs(10 * u64::from(job.attempts.min(MOST_ATTEMPTS)).pow(2));
        let again = match &error {
            JobError::Transient(_) if job.attempts < MOST_ATTEMPTS => {
                Some(Moment::now().plus(pause))
            }
            _ => None,
        };
        tracing::warn!(%error, again = again.is_some(), "job failed");
        if again.is_none() && self.is_told_of(job, &error).await {
            return;
        }
        if let Err(error) = self.store.fail_job(job.id, &error.to_string(), again).await {
            tracing::error!(%error, "the failure could not be kept; the job's lease will run out");
        }
    }
}

fn batch_of(Seat { at, of }: Seat) -> Batch {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Batch { at: small(at), of: small(of) }
}

pub(crate) fn seat_of(Batch { at, of }: Batch) -> Seat {
    Seat { at: at as usize, of: of as usize }
}

/// As it is kept with a job.
pub(crate) fn noted(on: &ran_on::RanOn) -> RanOn {
    RanOn { device: on.to_string(), runtime: on.runtime.clone() }
}

pub(crate) fn infer_error(error: InferError) -> JobError {
    match error {
        InferError::Transient(why) => JobError::Transient(why),
        InferError::Permanent(why) => JobError::Permanent(why),
    }
}

/// Of a cine the same is said of each frame.
fn of_frame(frame: Option<u32>, mut said: serde_json::Value) -> serde_json::Value {
    if let Some(frame) = frame {
        said["frame"] = frame.into();
    }
    said
}

/// What `explain` and `status` show of the findings: whether each is there, what answers a question, and key, number and unit.
pub(crate) fn summary_of(findings: &Findings) -> serde_json::Value {
    let answers = findings.groups.iter().filter_map(|group| {
        let (finding, presence) = (group.finding.as_ref()?, group.presence?);
        Some(serde_json::json!({
            "key": group.label,
            "concept": finding.meaning,
            "presence": presence,
        }))
    });
    let chosen = findings.groups.iter().flat_map(|group| {
        group.answers.iter().map(|answer| {
            let value = answer.value.as_ref().map_or("undetermined", |value| &value.meaning);
            let said = serde_json::json!({
                "key": answer.key,
                "concept": answer.question.meaning,
                "answer": value,
            });
            of_frame(group.frame, said)
        })
    });
    let shown = findings.groups.iter().flat_map(|group| {
        group.measurements.iter().map(|m| {
            let derived = m.derivation.as_ref().map(|how| format!("{} of ", how.meaning));
            let said = serde_json::json!({
                "key": m.key,
                "concept": format!("{}{}", derived.unwrap_or_default(), m.concept.meaning),
                "value": m.value.ok(),
                "unit": m.unit.value,
            });
            of_frame(group.frame, said)
        })
    });
    serde_json::Value::Array(answers.chain(chosen).chain(shown).collect())
}
