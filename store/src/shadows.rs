//! Jobs of a candidate beside the live version: begun when nothing else is to do, given up when something is, and compared.

use crate::decisions::Candidate;
use crate::error::StoreError;
use crate::jobs::{Job, JobRow, job, job_row};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::collections::BTreeMap;
use std::time::Duration;

/// Behind stat and routine: no queue of theirs ever finds it.
const PRIORITY: i64 = 2;

/// A mask over the images of a job, as its runs: how many voxels lie outside, then inside, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMask {
    pub key: String,
    pub voxels: u64,
    pub runs: Vec<u8>,
}

/// A series, or a study, that both versions worked on.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub live: JobRow,
    pub candidate: JobRow,
    /// How far each mask of the candidate is that of the live version (Dice), by its key; none where both
    /// are empty.
    pub overlap: BTreeMap<String, Option<f64>>,
}

/// By the index of what waits, which holds it by priority.
macro_rules! live_work {
    () => {
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE state IN ('queued', 'running')
             AND priority < 2 AND (state = 'running' OR due_at <= $1))"
    };
}

/// Whether the version of the shadow is still tried beside the live one, as far as it is known what is tried.
macro_rules! is_tried {
    ($model:literal, $version:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM model_changes AS last
                 WHERE last.id = (SELECT max(id) FROM model_changes
                                  WHERE model = ",
            $model,
            " AND state = 'taken') AND (last.candidate IS NOT ",
            $version,
            " OR last.share IS NOT NULL))"
        )
    };
}

/// The same images and the same rule as those of the job, by another version. Nothing where its trial ended
/// while that was decided.
pub(crate) async fn add(
    connection: &mut SqliteConnection,
    beside: i64,
    candidate: &Candidate,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "INSERT INTO jobs (decision, level, study, series, revision, last_asked, rule, rules_digest,
             model, model_digest, priority, shadow, selected, selections, send_to, send_as,
             decided_at, state, due_at, inputs, version, manifest_digest, role, beside)
         SELECT decision, level, study, series, revision, last_asked, rule, rules_digest, model, $2,
             $3, 1, selected, selections, '[]', '[]', decided_at, 'queued', due_at, inputs, $4, $5,
             'shadow', id
         FROM jobs WHERE id = $1 AND ",
        is_tried!("jobs.model", "$4")
    ))
    .bind(beside)
    .bind(&candidate.model_digest)
    .bind(PRIORITY)
    .bind(&candidate.version)
    .bind(&candidate.manifest_digest)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those whose trial has ended are not begun any more, and what was kept for them goes, however busy the
/// node is.
pub(crate) async fn end_without_trial(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "UPDATE jobs SET state = 'superseded', finished_at = $1,
             reason = 'the trial that it is of has ended'
         WHERE state IN ('queued', 'running') AND priority = $2 AND state = 'queued' AND NOT (",
        is_tried!("jobs.model", "jobs.version"),
        ")"
    ))
    .bind(Moment::now().0)
    .bind(PRIORITY)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM kept_masks WHERE NOT EXISTS (SELECT 1 FROM jobs
             WHERE jobs.beside = kept_masks.job AND jobs.state IN ('queued', 'running'))",
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Reader {
    /// Whether a job that somebody waits for is queued or runs.
    pub async fn live_work_waits(&self) -> Result<bool, StoreError> {
        let asked = sqlx::query_scalar(live_work!()).bind(Moment::now().0);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// When the next shadow is due; none where none is queued.
    pub async fn next_shadow_due(&self) -> Result<Option<Moment>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT min(due_at) FROM jobs WHERE state IN ('queued', 'running') AND priority = $1
                 AND state = 'queued'",
        )
        .bind(PRIORITY)
        .fetch_one(&self.pool)
        .await?;
        Ok(due.map(Moment))
    }

    /// Whether a candidate is to be compared with what this job finds.
    pub async fn is_shadowed(&self, job: i64) -> Result<bool, StoreError> {
        let asked = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE beside = $1 AND state = 'queued')",
        );
        Ok(asked.bind(job).fetch_one(&self.pool).await?)
    }

    /// The masks of a job that were kept for its shadow.
    pub async fn kept_masks(&self, job: i64) -> Result<Vec<KeptMask>, StoreError> {
        let found = sqlx::query("SELECT key, voxels, runs FROM kept_masks WHERE job = $1")
            .bind(job)
            .fetch_all(&self.pool)
            .await?;
        let kept = |row: &SqliteRow| {
            Ok(KeptMask {
                key: rows::column(row, "key")?,
                voxels: rows::count(row, "voxels")?,
                runs: rows::column(row, "runs")?,
            })
        };
        found.iter().map(kept).collect()
    }

    /// What a candidate and the version that was live then have both ended, oldest first.
    pub async fn pairs(&self, model: &str, candidate: &str) -> Result<Vec<Pair>, StoreError> {
        let shadows = sqlx::query(
            "SELECT * FROM jobs WHERE model = $1 AND version = $2 AND role = 'shadow'
                 AND state IN ('finished', 'failed') ORDER BY id",
        )
        .bind(model)
        .bind(candidate)
        .fetch_all(&self.pool)
        .await?;
        let mut pairs = Vec::with_capacity(shadows.len());
        for shadow in &shadows {
            let beside: i64 = rows::column(shadow, "beside")?;
            let Some(live) = self.job(beside).await? else { continue };
            let overlap = match rows::column::<Option<&str>>(shadow, "overlap")? {
                Some(_) => rows::json(shadow, "overlap")?,
                None => BTreeMap::new(),
            };
            pairs.push(Pair { live, candidate: job_row(shadow)?, overlap });
        }
        Ok(pairs)
    }

    /// Jobs that a candidate did in the place of the live version, and what it failed with where the live
    /// version had to do them after all.
    pub async fn canaries(&self, model: &str, candidate: &str) -> Result<Vec<JobRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM jobs WHERE model = $1 AND (version = $2 AND role = 'canary'
                 OR candidate_failed LIKE $2 || ': %') ORDER BY id",
        )
        .bind(model)
        .bind(candidate)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(job_row).collect()
    }

    /// Jobs that wait or run, by version. Shadows aside: nobody waits for them.
    pub async fn waiting_by_version(
        &self,
        model: &str,
    ) -> Result<BTreeMap<Option<String>, u64>, StoreError> {
        let found = sqlx::query(
            "SELECT version, count(*) AS jobs FROM jobs WHERE model = $1
                 AND state IN ('queued', 'running') AND role <> 'shadow' GROUP BY version",
        )
        .bind(model)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(|row| Ok((row.try_get("version")?, rows::count(row, "jobs")?))).collect()
    }
}

impl Store {
    /// The oldest shadow whose live job has ended, if there is nothing else to do.
    pub async fn lease_shadow(&self, lease: Duration) -> Result<Option<Job>, StoreError> {
        let now = Moment::now();
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let live: bool =
            sqlx::query_scalar(live_work!()).bind(now.0).fetch_one(&mut *transaction).await?;
        if live {
            return Ok(None);
        }
        sqlx::query(
            "UPDATE jobs SET state = 'superseded', finished_at = $1,
                 reason = 'the job that it runs beside was overtaken'
             WHERE state IN ('queued', 'running') AND priority = $2 AND state = 'queued'
                 AND (SELECT state FROM jobs AS live WHERE live.id = jobs.beside) = 'superseded'",
        )
        .bind(now.0)
        .bind(PRIORITY)
        .execute(&mut *transaction)
        .await?;
        let leased = sqlx::query(
            "UPDATE jobs SET state = 'running', station = 'infer', attempts = attempts + 1,
                 lease_owner = 'shadow', due_at = $1, started_at = $2
             WHERE id = (SELECT id FROM jobs WHERE state IN ('queued', 'running')
                     AND priority = $3 AND state = 'queued' AND due_at <= $2
                     AND (SELECT state FROM jobs AS live WHERE live.id = jobs.beside)
                         IN ('finished', 'failed')
                 ORDER BY decided_at, id LIMIT 1)
             RETURNING *",
        )
        .bind(now.plus(lease).0)
        .bind(now.0)
        .bind(PRIORITY)
        .fetch_optional(&mut *transaction)
        .await?;
        let leased = leased.as_ref().map(job).transpose()?;
        transaction.commit().await?;
        Ok(leased)
    }

    /// It was given up for something that somebody waits for, and that counts as no attempt.
    pub async fn put_back_shadow(&self, id: i64) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "UPDATE jobs SET state = 'queued', station = NULL, lease_owner = NULL, due_at = $2,
                 attempts = attempts - 1
             WHERE id = $1 AND role = 'shadow' AND state = 'running'",
        )
        .bind(id)
        .bind(Moment::now().0)
        .execute(&mut *transaction)
        .await?;
        end_without_trial(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// It failed, and is begun again then if its trial goes on; without `again_at` it has failed for good.
    /// Masks that are kept for it go with it.
    pub async fn fail_shadow(
        &self,
        id: i64,
        reason: &str,
        again_at: Option<Moment>,
    ) -> Result<(), StoreError> {
        self.fail_job(id, reason, again_at).await?;
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        end_without_trial(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Until its shadow has been compared with them, if one waits. A second time they take the place of the
    /// first.
    pub async fn keep_masks(&self, job: i64, masks: &[KeptMask]) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        for mask in masks {
            sqlx::query(
                "INSERT OR REPLACE INTO kept_masks SELECT $1, $2, $3, $4
                 WHERE EXISTS (SELECT 1 FROM jobs
                               WHERE beside = $1 AND state IN ('queued', 'running'))",
            )
            .bind(job)
            .bind(&mask.key)
            .bind(mask.voxels as i64)
            .bind(&mask.runs)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// How far the masks of a shadow are those of the live version. Those that no shadow waits for go.
    pub async fn keep_overlap(
        &self,
        shadow: i64,
        overlap: &BTreeMap<String, Option<f64>>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("UPDATE jobs SET overlap = $2 WHERE id = $1")
            .bind(shadow)
            .bind(rows::to_json(overlap)?)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM kept_masks WHERE NOT EXISTS (SELECT 1 FROM jobs
                 WHERE jobs.beside = kept_masks.job AND jobs.id <> $1
                     AND jobs.state IN ('queued', 'running'))",
        )
        .bind(shadow)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The candidate failed with a job that it did in the place of the live version: that one does it now.
    /// False when the job has ended.
    pub async fn give_to_live(
        &self,
        id: i64,
        live: &Candidate,
        failed: &str,
    ) -> Result<bool, StoreError> {
        let given = sqlx::query(
            "UPDATE jobs SET state = 'queued', station = NULL, lease_owner = NULL, due_at = $2,
                 attempts = 0, role = 'live', reason = 'the candidate ' || version ||
                     ' failed, the live version runs in its place: ' || $6,
                 candidate_failed = version || ': ' || $6, version = $3, model_digest = $4,
                 manifest_digest = $5, batch_at = NULL, batch_of = NULL,
                 ran_on = NULL, runtime = NULL
             WHERE id = $1 AND role = 'canary' AND state IN ('queued', 'running')",
        )
        .bind(id)
        .bind(Moment::now().0)
        .bind(&live.version)
        .bind(&live.model_digest)
        .bind(&live.manifest_digest)
        .bind(failed)
        .execute(&self.shared.write)
        .await?;
        self.shared.progress.ring();
        Ok(given.rows_affected() == 1)
    }
}
