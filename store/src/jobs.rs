//! Work for models: safe to run twice, finished together with what it gives to deliver.

use crate::decisions::Level;
use crate::earlier;
use crate::error::StoreError;
use crate::forwards;
use crate::outbox::{self, NewDelivery, NewRows};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::changes::Changes;
use gantry_terms::earlier::Earlier;
use gantry_terms::moment::Moment;
use gantry_terms::region::Regions;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;

/// The digests of the selected images as they are now, in their order.
macro_rules! inputs_of {
    ($selected:literal) => {
        concat!(
            "(SELECT group_concat(ifnull(hex(instances.digest), '-'), ' ' ORDER BY image.key)
              FROM json_each(",
            $selected,
            ") AS image LEFT JOIN instances ON instances.sop_instance = image.value)"
        )
    };
}
pub(crate) use inputs_of;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Stat,
    Routine,
}

/// What a job is to the versions of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    #[default]
    Live,
    /// By the candidate, in the place of the live version.
    Canary,
    /// By the candidate, beside a job of the live version: its findings are kept and nothing is sent.
    Shadow,
}

/// A job that was leased.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: i64,
    pub level: Level,
    pub study: Uid,
    /// None: it reads several series of the study.
    pub series: Option<Uid>,
    /// Of the series, or of the study.
    pub revision: u32,
    pub rule: String,
    pub rules_digest: String,
    pub model: String,
    pub model_digest: String,
    /// As the manifest names it, and the manifest's SHA-256; none where that was not noted yet.
    pub version: Option<String>,
    pub manifest_digest: Option<String>,
    pub role: Role,
    /// Of a shadow: the job that it runs beside.
    pub beside: Option<i64>,
    pub priority: Priority,
    /// By its rule, or by its role: nothing is sent.
    pub shadow: bool,
    pub selected: Vec<Uid>,
    /// The same by the names of the selections; none where the only one has no name.
    pub selections: Option<BTreeMap<String, Vec<Uid>>>,
    pub send_to: Vec<String>,
    pub send_as: Vec<String>,
    /// The profile by which the results go without the patient.
    pub deidentify: Option<String>,
    /// In what the report tells where a finding is.
    pub regions: Regions,
    pub decided_at: Moment,
    /// This one included.
    pub attempts: u32,
    /// How it went through its graph the last time, if its model takes several jobs at once.
    pub batch: Option<Batch>,
    /// Once it composes: what its results take the place of.
    pub earlier: Option<Earlier>,
}

/// Which of how many that went through a graph together; from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub at: u32,
    pub of: u32,
}

/// On what its model ran: other devices and other ONNX Runtimes add up in other orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RanOn {
    /// `cpu`, `cuda:0`, `cuda:0 by TensorRT`.
    pub device: String,
    /// Of ONNX Runtime: version and commit, as far as they are known.
    pub runtime: String,
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
    /// The most bytes that processes of the model have taken so far, if that is known.
    pub peak: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    Queued,
    Running,
    Finished,
    Failed,
    /// A later revision of the series or the study was decided before this one began.
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
    pub peak: Option<u64>,
    /// The last time; none: that was not noted yet.
    pub ran_on: Option<RanOn>,
    /// What the candidate failed with, where the live version runs in its place since.
    pub candidate_failed: Option<String>,
}

impl Role {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Canary => "canary",
            Self::Shadow => "shadow",
        }
    }

    fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        let text: &str = rows::column(row, "role")?;
        let known = [Self::Live, Self::Canary, Self::Shadow];
        known.into_iter().find(|role| role.text() == text).ok_or(StoreError::Unreadable("role"))
    }
}

impl Priority {
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Stat => 0,
            Self::Routine => 1,
        }
    }
}

impl Reader {
    /// Jobs on the series and on its images, of every revision, oldest first.
    pub async fn jobs(&self, series: &Uid) -> Result<Vec<JobRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM jobs WHERE series = $1 ORDER BY id")
            .bind(series.as_str())
            .fetch_all(&self.pool)
            .await?;
        found.iter().map(job_row).collect()
    }

    /// Jobs on the study as a whole, of every revision, oldest first.
    pub async fn study_jobs(&self, study: &Uid) -> Result<Vec<JobRow>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM jobs WHERE study = $1 AND level = 'study' ORDER BY id")
                .bind(study.as_str())
                .fetch_all(&self.pool)
                .await?;
        found.iter().map(job_row).collect()
    }

    /// Finished jobs that made this object, or one that it is an alternate of, oldest first; `study` is that of the object.
    pub async fn jobs_that_made(
        &self,
        study: &Uid,
        result: &Uid,
    ) -> Result<Vec<JobRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM jobs WHERE study = $1 AND state = 'finished'
                 AND EXISTS (SELECT 1 FROM json_each(jobs.results) AS made WHERE made.value =
                     ifnull((SELECT instead_of FROM alternates WHERE alternate = $2), $2))
             ORDER BY id",
        )
        .bind(study.as_str())
        .bind(result.as_str())
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(job_row).collect()
    }

    /// Whether it, or what it stands in the place of, is the report of a job that failed.
    pub async fn is_of_failure(&self, result: &Uid) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'failed'
                 AND EXISTS (SELECT 1 FROM json_each(jobs.results) AS made WHERE made.value =
                     ifnull((SELECT instead_of FROM alternates WHERE alternate = $1), $1)))",
        )
        .bind(result.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }

    /// Finished jobs on a series, or on a study and each of its series, oldest first.
    pub async fn finished_jobs_on(&self, uid: &Uid) -> Result<Vec<JobRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM jobs WHERE (series = $1 OR study = $1) AND state = 'finished' ORDER BY id",
        )
        .bind(uid.as_str())
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(job_row).collect()
    }

    /// Whether an image that the job reads is not there any more, or has other bytes than it had when
    /// the job was made.
    pub async fn inputs_are_others(&self, job: i64) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(concat!(
            "SELECT inputs IS NOT ",
            inputs_of!("jobs.selected"),
            " FROM jobs WHERE id = $1"
        ))
        .bind(job)
        .fetch_one(&self.pool)
        .await?)
    }

    pub async fn job(&self, id: i64) -> Result<Option<JobRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        found.as_ref().map(job_row).transpose()
    }

    /// When the next queued job is due or the next lease runs out; shadows aside.
    pub async fn next_job_due(&self) -> Result<Option<Moment>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT min(due_at) FROM jobs
             WHERE state IN ('queued', 'running') AND role <> 'shadow'",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(due.map(Moment))
    }
}

impl Store {
    /// For `status` only.
    pub async fn set_job_station(&self, id: i64, station: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET station = $2 WHERE id = $1 AND state = 'running'")
            .bind(id)
            .bind(station)
            .execute(&self.shared.write)
            .await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// Kept before what was found is: a second run that takes the same seat finds the same to the last bit.
    pub async fn set_job_batch(&self, id: i64, batch: Batch) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET batch_at = $2, batch_of = $3 WHERE id = $1")
            .bind(id)
            .bind(batch.at)
            .bind(batch.of)
            .execute(&self.shared.write)
            .await?;
        Ok(())
    }

    /// For who asks later whether what was found is found again.
    pub async fn set_job_ran_on(&self, id: i64, on: &RanOn) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET ran_on = $2, runtime = $3 WHERE id = $1")
            .bind(id)
            .bind(&on.device)
            .bind(&on.runtime)
            .execute(&self.shared.write)
            .await?;
        Ok(())
    }

    /// The job and its deliveries in one transaction. A second time changes nothing. When an image
    /// that it may have read has other bytes since, it is superseded by the revision that these
    /// opened, and nothing of it is delivered; neither when a later revision composed before it, whose
    /// results do not name those of this one.
    pub async fn finish_job(&self, id: i64, finished: FinishedJob) -> Result<(), StoreError> {
        let now = Moment::now();
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let superseded = sqlx::query(concat!(
            "UPDATE jobs SET state = 'superseded', station = NULL, finished_at = $2,
                 reason = 'an image that it read was replaced meanwhile'
             WHERE id = $1 AND state <> 'finished' AND inputs IS NOT ",
            inputs_of!("jobs.selected")
        ))
        .bind(id)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
        if superseded.rows_affected() == 1 || earlier::is_late(&mut transaction, id, now).await? {
            transaction.commit().await?;
            self.shared.progress.ring();
            return Ok(());
        }
        let done = sqlx::query_scalar::<_, Option<String>>(
            "UPDATE jobs SET state = 'finished', station = NULL, reason = NULL, finished_at = $2,
                 seconds = $3, findings = $4, results = $5, peak = $6
             WHERE id = $1 AND state <> 'finished' RETURNING deidentify",
        )
        .bind(id)
        .bind(now.0)
        .bind(finished.seconds)
        .bind(rows::to_json(&finished.findings)?)
        .bind(rows::to_json(&finished.results)?)
        .bind(finished.peak.and_then(|bytes| i64::try_from(bytes).ok()))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(deidentify) = done else { return Ok(()) };
        let changes = forwards::to_text(&Changes { deidentify, ..Changes::default() })?;
        let deliveries = &finished.deliveries;
        add_deliveries(&mut transaction, id, deliveries, changes.as_deref(), now).await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// For good, with a report that says so, which is kept already. It goes nowhere where the job has ended otherwise, where
    /// an image that it reads has other bytes since, which are decided anew, or where a later revision is decided already.
    pub async fn fail_job_with(
        &self,
        id: i64,
        reason: &str,
        results: &[Uid],
        deliveries: &[NewDelivery],
    ) -> Result<(), StoreError> {
        let now = Moment::now();
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let failed = sqlx::query_as::<_, (Option<String>, bool)>(concat!(
            "UPDATE jobs SET state = 'failed', station = NULL, reason = $2, due_at = $3,
                 finished_at = $3, lease_owner = NULL, results = $4,
                 images_gone = EXISTS (SELECT 1 FROM json_each(jobs.selected) AS image
                     LEFT JOIN instances ON instances.sop_instance = image.value
                     LEFT JOIN segments ON segments.number = instances.segment
                     WHERE instances.sop_instance IS NULL OR segments.evicted_at IS NOT NULL)
             WHERE id = $1 AND state IN ('queued', 'running') RETURNING deidentify, inputs IS ",
            inputs_of!("jobs.selected")
        ))
        .bind(id)
        .bind(reason)
        .bind(now.0)
        .bind(rows::to_json(&results)?)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some((deidentify, true)) = failed
            && !earlier::has_later(&mut transaction, id).await?
        {
            let changes = forwards::to_text(&Changes { deidentify, ..Changes::default() })?;
            add_deliveries(&mut transaction, id, deliveries, changes.as_deref(), now).await?;
        }
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }

    /// Without `again_at` the failure is permanent. A finished job stays finished. It is noted when an
    /// image that it reads was evicted: what is left is of no use to it.
    pub async fn fail_job(
        &self,
        id: i64,
        reason: &str,
        again_at: Option<Moment>,
    ) -> Result<(), StoreError> {
        let now = Moment::now();
        sqlx::query(
            "UPDATE jobs SET state = $2, station = NULL, reason = $3, due_at = $4,
                 finished_at = $5, lease_owner = NULL,
                 images_gone = EXISTS (SELECT 1 FROM json_each(jobs.selected) AS image
                     LEFT JOIN instances ON instances.sop_instance = image.value
                     LEFT JOIN segments ON segments.number = instances.segment
                     WHERE instances.sop_instance IS NULL OR segments.evicted_at IS NOT NULL)
             WHERE id = $1 AND state IN ('queued', 'running')",
        )
        .bind(id)
        .bind(if again_at.is_some() { "queued" } else { "failed" })
        .bind(reason)
        .bind(again_at.unwrap_or(now).0)
        .bind(again_at.is_none().then_some(now.0))
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(())
    }
}

async fn add_deliveries(
    connection: &mut SqliteConnection,
    job: i64,
    deliveries: &[NewDelivery],
    changes: Option<&str>,
    at: Moment,
) -> Result<(), StoreError> {
    for delivery in deliveries {
        let rows = NewRows {
            peer: &delivery.peer,
            sop_instances: &[&delivery.sop_instance],
            priority: delivery.priority,
            job: Some(job),
            at,
            changes,
            asked_on: None,
        };
        outbox::add(connection, rows).await?;
    }
    Ok(())
}

/// An image of it was evicted and is kept as new: jobs on it alone are made again. They depend on no
/// other image.
pub(crate) async fn forget(
    connection: &mut SqliteConnection,
    sop_instance: &Uid,
) -> Result<(), sqlx::Error> {
    let selected = serde_json::json!([sop_instance.as_str()]).to_string();
    sqlx::query("UPDATE jobs SET inputs = NULL WHERE level = 'instance' AND selected = $1")
        .bind(selected)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) fn job(row: &SqliteRow) -> Result<Job, StoreError> {
    let selections = match rows::column::<Option<&str>>(row, "selections")? {
        Some(_) => Some(rows::json(row, "selections")?),
        None => None,
    };
    let batch = match rows::column::<Option<i64>>(row, "batch_of")? {
        Some(_) => {
            Some(Batch { at: rows::small(row, "batch_at")?, of: rows::small(row, "batch_of")? })
        }
        None => None,
    };
    Ok(Job {
        id: rows::column(row, "id")?,
        level: Level::of(row)?,
        study: rows::uid(row, "study")?,
        series: rows::maybe_uid(row, "series")?,
        revision: rows::small(row, "revision")?,
        rule: rows::column(row, "rule")?,
        rules_digest: rows::column(row, "rules_digest")?,
        model: rows::column(row, "model")?,
        model_digest: rows::column(row, "model_digest")?,
        version: rows::column(row, "version")?,
        manifest_digest: rows::column(row, "manifest_digest")?,
        role: Role::of(row)?,
        beside: rows::column(row, "beside")?,
        priority: match rows::column::<i64>(row, "priority")? {
            0 => Priority::Stat,
            _ => Priority::Routine,
        },
        shadow: rows::column(row, "shadow")?,
        selected: rows::json(row, "selected")?,
        selections,
        send_to: rows::json(row, "send_to")?,
        send_as: rows::json(row, "send_as")?,
        deidentify: rows::column(row, "deidentify")?,
        regions: Regions::named(rows::column(row, "regions")?)
            .ok_or(StoreError::Unreadable("regions"))?,
        decided_at: rows::moment(row, "decided_at")?,
        attempts: rows::small(row, "attempts")?,
        batch,
        earlier: earlier::column(row)?,
    })
}

fn ran_on(row: &SqliteRow) -> Result<Option<RanOn>, StoreError> {
    let device = rows::column::<Option<String>>(row, "ran_on")?;
    let runtime = rows::column::<Option<String>>(row, "runtime")?;
    Ok(device.zip(runtime).map(|(device, runtime)| RanOn { device, runtime }))
}

pub(crate) fn job_row(row: &SqliteRow) -> Result<JobRow, StoreError> {
    let findings = match rows::column::<Option<&str>>(row, "findings")? {
        Some(_) => Some(rows::json(row, "findings")?),
        None => None,
    };
    Ok(JobRow {
        job: job(row)?,
        state: match rows::column(row, "state")? {
            "queued" => JobState::Queued,
            "running" => JobState::Running,
            "finished" => JobState::Finished,
            "failed" => JobState::Failed,
            "superseded" => JobState::Superseded,
            _ => return Err(StoreError::Unreadable("state")),
        },
        station: rows::column(row, "station")?,
        reason: rows::column(row, "reason")?,
        due_at: rows::moment(row, "due_at")?,
        started_at: rows::maybe_moment(row, "started_at")?,
        finished_at: rows::maybe_moment(row, "finished_at")?,
        seconds: rows::column(row, "seconds")?,
        findings,
        results: rows::json(row, "results")?,
        peak: rows::column::<Option<i64>>(row, "peak")?.map(i64::unsigned_abs),
        ran_on: ran_on(row)?,
        candidate_failed: rows::column(row, "candidate_failed")?,
    })
}
