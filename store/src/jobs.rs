//! Work for models: leased, safe to run twice, finished together with what it gives to deliver.

use crate::error::StoreError;
use crate::outbox::NewDelivery;
use crate::reader::Reader;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Stat,
    Routine,
}

/// A job that was leased.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: i64,
    pub series: Uid,
    pub study: Uid,
    pub revision: u32,
    pub rule: String,
    pub rules_digest: String,
    pub model: String,
    pub model_digest: String,
    pub priority: Priority,
    pub shadow: bool,
    pub selected: Vec<Uid>,
    pub send_to: Vec<String>,
    pub send_as: Vec<String>,
    pub decided_at: Moment,
    /// This one included.
    pub attempts: u32,
}

/// What a job has come to.
#[derive(Debug, Clone)]
pub struct FinishedJob {
    pub findings: serde_json::Value,
    /// SOP Instance UIDs of what was composed and kept.
    pub results: Vec<Uid>,
    pub deliveries: Vec<NewDelivery>,
    /// Time that the model ran.
    pub seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    Queued,
    Running,
    Finished,
    Failed,
    /// A later revision of the series was decided before this one began.
    Superseded,
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    pub job: Job,
    pub state: JobState,
    /// Where a running job is: `infer`, `compose`.
    pub station: Option<String>,
    /// Why it failed, or why it is tried again.
    pub reason: Option<String>,
    /// When it may be tried (again).
    pub due_at: Moment,
    pub started_at: Option<Moment>,
    pub finished_at: Option<Moment>,
    pub seconds: Option<f64>,
    pub findings: Option<serde_json::Value>,
    pub results: Vec<Uid>,
}

impl Reader {
    /// Jobs of every revision of the series, oldest first.
    pub async fn jobs(&self, _series: &Uid) -> Result<Vec<JobRow>, StoreError> {
        todo!()
    }
    pub async fn job(&self, _id: i64) -> Result<Option<JobRow>, StoreError> {
        todo!()
    }
    /// When the next queued job is due or the next lease runs out.
    pub async fn next_job_due(&self) -> Result<Option<Moment>, StoreError> {
        todo!()
    }
}

impl Store {
    /// The next job that is due: stat first, then oldest. A job whose lease ran out is due again.
    pub async fn lease_job(
        &self,
        _owner: &str,
        _lease: Duration,
    ) -> Result<Option<Job>, StoreError> {
        todo!()
    }
    /// For `status` only.
    pub async fn set_job_station(&self, _id: i64, _station: &str) -> Result<(), StoreError> {
        todo!()
    }
    /// The job and its deliveries in one transaction. A second time changes nothing.
    pub async fn finish_job(&self, _id: i64, _finished: FinishedJob) -> Result<(), StoreError> {
        todo!()
    }
    /// Without `again_at` the failure is permanent. A finished job stays finished.
    pub async fn fail_job(
        &self,
        _id: i64,
        _reason: &str,
        _again_at: Option<Moment>,
    ) -> Result<(), StoreError> {
        todo!()
    }
}
