//! Runs candidates beside the live versions, on the same images, while nobody waits for anything; keeps and sends nothing but figures.

use crate::infer::{infer_error, noted, summary_of};
use crate::job_error::JobError;
use crate::overlap;
use crate::reading::Reading;
use crate::uses::{Use, Uses};
use crate::versions::VersionsInForce;
use crate::wait::{Stop, sleep_until};
use gantry_inference::pool::{Pool, Told, Urgency};
use gantry_store::error::StoreError;
use gantry_store::jobs::{FinishedJob, Job};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::Instrument;

/// As long as any lease of a job: it ends with its node.
const LEASE: Duration = Duration::from_secs(24 * 3600);
/// How often a look is taken whether there is time for one.
const LOOK: Duration = Duration::from_secs(1);
/// Of a shadow that failed in passing. Nobody waits for it, and a candidate that fails often is no good.
const MOST_ATTEMPTS: u32 = 2;

/// Works through the shadows, one at a time.
pub struct Shadows {
    pub store: Store,
    pub models: VersionsInForce,
    pub engine: Pool,
    pub uses: Uses,
}

/// How one went.
enum Ended {
    Done,
    Failed(JobError),
    /// Something came that somebody waits for, or the node stops.
    GivenUp,
}

impl Shadows {
    pub async fn run(self, mut stop: Stop) {
        while !stop.is_stopped() {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            match self.lease().await {
                Ok(Some(job)) => self.work_on(&job, &mut stop).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(station = "infer", %error, "cannot lease a shadow");
                }
            }
            let next = self.store.next_shadow_due().await.ok().flatten();
            let next = next.map(|due| due.max(Moment::now().plus(LOOK)));
            tokio::select! {
                () = stop.stopped() => {}
                _ = bell.changed() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Asks before it writes: the bell rings often while images arrive.
    async fn lease(&self) -> Result<Option<Job>, StoreError> {
        let is_due = self.store.next_shadow_due().await?.is_some_and(|due| due <= Moment::now());
        if !is_due || self.store.live_work_waits().await? {
            return Ok(None);
        }
        self.store.lease_shadow(LEASE).await
    }

    async fn work_on(&self, job: &Job, stop: &mut Stop) {
        let version = job.version.as_deref().unwrap_or_default();
        let span = tracing::info_span!(
            "shadow",
            job = job.id,
            study = %job.study,
            model = job.model,
            version
        );
        async {
            let ended = tokio::select! {
                done = self.attempt(job) => done.map_or_else(Ended::Failed, |()| Ended::Done),
                () = self.somebody_waits() => Ended::GivenUp,
                () = stop.stopped() => Ended::GivenUp,
            };
            if let Err(error) = self.keep(job, ended).await {
                tracing::error!(%error, "what became of a shadow could not be kept");
            }
        }
        .instrument(span)
        .await;
    }

    /// Comes back when there is a job that is not a shadow.
    async fn somebody_waits(&self) {
        loop {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            if self.store.live_work_waits().await.unwrap_or(false) {
                return;
            }
            tokio::select! {
                _ = bell.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Dropping it ends the run, and the process of the candidate with it.
    async fn attempt(&self, job: &Job) -> Result<(), JobError> {
        let versions = self.models.now();
        let model = versions.pinned(job)?;
        let reading =
            Reading { reader: &self.store, engine: &self.engine, ahead: None, job, model };
        let (images, _) = reading.images().await?;
        Use::read(&job.study, &model.name, &images).into_iter().for_each(|used| (self.uses)(used));
        let found =
            self.engine.infer_told(&model.name, images, Urgency::Routine, Duration::ZERO).await;
        let Told { findings, took: ran, on, .. } = found.map_err(infer_error)?;
        self.store.set_job_ran_on(job.id, &noted(&on)).await?;
        let overlap = match job.beside {
            Some(live) => {
                let kept = self.store.kept_masks(live).await?;
                let masks = findings.masks.clone();
                tokio::task::spawn_blocking(move || overlap::of(&kept, &masks))
                    .await
                    .map_err(|_| JobError::Permanent("comparing masks panicked".into()))?
            }
            None => BTreeMap::new(),
        };
        self.store.keep_overlap(job.id, &overlap).await?;
        let finished = FinishedJob {
            findings: summary_of(&findings),
            deliveries: Vec::new(),
            results: Vec::new(),
            seconds: ran.as_secs_f64(),
            peak: self.engine.peak(&model.name),
        };
        Ok(self.store.finish_job(job.id, finished).await?)
    }

    async fn keep(&self, job: &Job, ended: Ended) -> Result<(), StoreError> {
        match ended {
            Ended::Done => {
                tracing::info!("shadow done");
                Ok(())
            }
            Ended::GivenUp => {
                tracing::info!("shadow given up: somebody waits");
                self.store.put_back_shadow(job.id).await
            }
            Ended::Failed(error) => {
                let again = matches!(error, JobError::Transient(_)) && job.attempts < MOST_ATTEMPTS;
                let again = again.then(|| Moment::now().plus(LOOK));
                tracing::warn!(%error, again = again.is_some(), "shadow failed");
                self.store.fail_shadow(job.id, &error.to_string(), again).await
            }
        }
    }
}
