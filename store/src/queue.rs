//! Which job is next: stat before routine, no job for ever behind newer ones, no model behind the many jobs of another.

use crate::error::StoreError;
use crate::jobs::{Job, Priority, job};
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::time::Duration;

/// A routine job that has waited for so long goes before a stat job that was decided after it. Not two
/// in a row: between them a stat job goes, so that old routine work never holds up all that is urgent.
pub const AGEING: Duration = Duration::from_secs(30 * 60);

/// Of each model its oldest job that is due and was decided by a moment; of these the one whose model
/// is in a row, or else was served least lately. A job whose lease ran out is due again.
const NEXT: &str = "SELECT waiting.id, waiting.decided_at
     FROM turns JOIN jobs AS waiting ON waiting.id =
         (SELECT id FROM jobs
          WHERE state IN ('queued', 'running') AND priority = turns.priority
              AND model = turns.model AND decided_at <= $2 AND due_at <= $3
          ORDER BY decided_at, id LIMIT 1)
     WHERE turns.priority = $1
     ORDER BY turns.model IS NOT $4, turns.turn, waiting.decided_at, waiting.id LIMIT 1";

const LAST_SERVED: &str = "SELECT priority FROM turns WHERE turn > 0 ORDER BY turn DESC LIMIT 1";

const SERVED: &str = "UPDATE turns SET turn = (SELECT max(turn) + 1 FROM turns)
     WHERE priority = $1 AND model = $2";

const ALONG: &str = "UPDATE jobs SET state = 'running', station = NULL, attempts = attempts + 1,
         lease_owner = $1, due_at = $2, started_at = $3
     WHERE id IN (SELECT id FROM jobs
         WHERE state IN ('queued', 'running') AND priority = $4 AND model = $5 AND due_at <= $3
             AND model_digest = $7 AND manifest_digest IS $8
         ORDER BY decided_at, id LIMIT $6)
     RETURNING *";

struct Next {
    id: i64,
    decided_at: Moment,
}

impl Store {
    /// The next job that is due, for so long.
    pub async fn lease_job(&self, owner: &str, lease: Duration) -> Result<Option<Job>, StoreError> {
        self.lease_at_least(Priority::Routine, None, owner, lease).await
    }

    /// The same; of routine jobs rather one of the model that is in a row: it was loaded for the job
    /// before, and its turn goes on.
    pub async fn lease_job_in_row(
        &self,
        row: Option<&str>,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Job>, StoreError> {
        self.lease_at_least(Priority::Routine, row, owner, lease).await
    }

    /// The same, but only of priority stat.
    pub async fn lease_stat_job(
        &self,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Job>, StoreError> {
        self.lease_at_least(Priority::Stat, None, owner, lease).await
    }

    /// Up to so many of the jobs that follow this one in the order of its model and priority: they belong
    /// to the same turn. Of the same version, so that they can be one run.
    pub async fn lease_along(
        &self,
        first: &Job,
        most: usize,
        owner: &str,
        lease: Duration,
    ) -> Result<Vec<Job>, StoreError> {
        let now = Moment::now();
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let leased = sqlx::query(ALONG)
            .bind(owner)
            .bind(now.plus(lease).0)
            .bind(now.0)
            .bind(first.priority.number())
            .bind(&first.model)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(&first.model_digest)
            .bind(&first.manifest_digest)
            .fetch_all(&mut *transaction)
            .await?;
        let mut jobs = Vec::with_capacity(leased.len());
        for row in &leased {
            jobs.extend(readable(&mut transaction, row).await?);
        }
        transaction.commit().await?;
        jobs.sort_by_key(|job| (job.decided_at, job.id));
        if !jobs.is_empty() {
            self.shared.progress.ring();
        }
        Ok(jobs)
    }

    async fn lease_at_least(
        &self,
        priority: Priority,
        row: Option<&str>,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Job>, StoreError> {
        let now = Moment::now();
        let wanted = Wanted { least: priority, row, now };
        // Most looks find nothing: they do not wait for who writes, nor keep him waiting.
        let mut looking = self.shared.reader.pool.acquire().await?;
        if wanted.next(&mut looking).await?.is_none() {
            return Ok(None);
        }
        drop(looking);
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let job = loop {
            let Some(next) = wanted.next(&mut transaction).await? else {
                // Those that can not be read are failed nevertheless.
                transaction.commit().await?;
                return Ok(None);
            };
            let leased = sqlx::query(
                "UPDATE jobs SET state = 'running', station = NULL, attempts = attempts + 1,
                     lease_owner = $1, due_at = $2, started_at = $3
                 WHERE id = $4 RETURNING *",
            )
            .bind(owner)
            .bind(now.plus(lease).0)
            .bind(now.0)
            .bind(next.id)
            .fetch_one(&mut *transaction)
            .await?;
            if let Some(job) = readable(&mut transaction, &leased).await? {
                break job;
            }
        };
        sqlx::query(SERVED)
            .bind(job.priority.number())
            .bind(&job.model)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(Some(job))
    }
}

/// The job, or none where its row can not be read: it has failed with that reason then, before it counts as leased, since
/// nobody would work on it and those behind it would wait.
async fn readable(
    connection: &mut SqliteConnection,
    leased: &SqliteRow,
) -> Result<Option<Job>, StoreError> {
    let error = match job(leased) {
        Ok(job) => return Ok(Some(job)),
        Err(error) => error,
    };
    let id: i64 = rows::column(leased, "id")?;
    tracing::error!(job = id, %error, "a job of the index can not be read, and has failed");
    sqlx::query(
        "UPDATE jobs SET state = 'failed', reason = $2, finished_at = $3, lease_owner = NULL
         WHERE id = $1",
    )
    .bind(id)
    .bind(format!("the index can not be read here: {error}; `gantry reindex` makes it anew"))
    .bind(Moment::now().0)
    .execute(connection)
    .await?;
    Ok(None)
}

/// A model that waits with this priority has a turn, though it was never served.
pub(crate) async fn has_turn(
    connection: &mut SqliteConnection,
    priority: Priority,
    model: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO turns (priority, model) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(priority.number())
        .bind(model)
        .execute(connection)
        .await?;
    Ok(())
}

/// What is leased.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    least: Priority,
    /// A model.
    row: Option<&'a str>,
    now: Moment,
}

impl Wanted<'_> {
    async fn next(self, connection: &mut SqliteConnection) -> Result<Option<Next>, StoreError> {
        let Some(stat) = self.next_of(connection, Priority::Stat, self.now).await? else {
            return match self.least {
                Priority::Stat => Ok(None),
                Priority::Routine => {
                    self.next_of(connection, Priority::Routine, Moment(i64::MAX)).await
                }
            };
        };
        if self.least == Priority::Stat || !stat_was_last(connection).await? {
            return Ok(Some(stat));
        }
        let by = self.now.minus(AGEING).min(stat.decided_at);
        let aged = self.next_of(connection, Priority::Routine, by).await?;
        Ok(Some(aged.unwrap_or(stat)))
    }

    async fn next_of(
        self,
        connection: &mut SqliteConnection,
        priority: Priority,
        decided_by: Moment,
    ) -> Result<Option<Next>, StoreError> {
        // Of those who are urgent no one waits for a row.
        let row = self.row.filter(|_| priority == Priority::Routine);
        let found: Option<(i64, i64)> = sqlx::query_as(NEXT)
            .bind(priority.number())
            .bind(decided_by.0)
            .bind(self.now.0)
            .bind(row)
            .fetch_optional(connection)
            .await?;
        Ok(found.map(|(id, decided_at)| Next { id, decided_at: Moment(decided_at) }))
    }
}

async fn stat_was_last(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let last: Option<i64> = sqlx::query_scalar(LAST_SERVED).fetch_optional(connection).await?;
    Ok(last == Some(Priority::Stat.number()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;
    use sqlx::Row;

    /// However many jobs wait: one step of the index for each model that ever had one.
    #[tokio::test]
    async fn the_next_job_is_found_by_an_index_and_jobs_are_not_sorted() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = index::open_to_write(folder.path()).await.expect("an index");
        let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {NEXT}"));
        let plan = sqlx::query(asked).fetch_all(&index).await.expect("a plan");
        let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
        let waiting =
            "SEARCH jobs USING INDEX jobs_waiting (priority=? AND model=? AND decided_at<?)";
        assert!(steps.iter().any(|step| step == waiting), "{steps:#?}");
        assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{steps:#?}");
        // Of the models, which are few.
        let sorted = steps.iter().filter(|step| step.contains("TEMP B-TREE")).count();
        assert_eq!(sorted, 1, "{steps:#?}");
    }
}
