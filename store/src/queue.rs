//! Which job is next: stat before routine, no job for ever behind newer ones, no model behind the many jobs of another.

use crate::error::StoreError;
use crate::jobs::{Job, Priority, job};
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;

/// A routine job that has waited for so long goes before a stat job that was decided after it. Not two
/// in a row: between them a stat job goes, so that old routine work never holds up all that is urgent.
pub const AGEING: Duration = Duration::from_secs(30 * 60);

/// Of each model its oldest job that is due and was decided by a moment; of these the one whose model
/// was served least lately. A job whose lease ran out is due again.
const NEXT: &str = "SELECT waiting.id, waiting.decided_at
     FROM turns JOIN jobs AS waiting ON waiting.id =
         (SELECT id FROM jobs
          WHERE state IN ('queued', 'running') AND priority = turns.priority
              AND model = turns.model AND decided_at <= $2 AND due_at <= $3
          ORDER BY decided_at, id LIMIT 1)
     WHERE turns.priority = $1
     ORDER BY turns.turn, waiting.decided_at, waiting.id LIMIT 1";

const LAST_SERVED: &str = "SELECT priority FROM turns WHERE turn > 0 ORDER BY turn DESC LIMIT 1";

const SERVED: &str = "UPDATE turns SET turn = (SELECT max(turn) + 1 FROM turns)
     WHERE priority = $1 AND model = $2";

struct Next {
    id: i64,
    decided_at: Moment,
}

impl Store {
    /// The next job that is due, for so long.
    pub async fn lease_job(&self, owner: &str, lease: Duration) -> Result<Option<Job>, StoreError> {
        self.lease_at_least(Priority::Routine, owner, lease).await
    }

    /// The same, but only of priority stat.
    pub async fn lease_stat_job(
        &self,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Job>, StoreError> {
        self.lease_at_least(Priority::Stat, owner, lease).await
    }

    async fn lease_at_least(
        &self,
        priority: Priority,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Job>, StoreError> {
        let now = Moment::now();
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let Some(next) = next(&mut transaction, priority, now).await? else { return Ok(None) };
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
        let job = job(&leased)?;
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

async fn next(
    connection: &mut SqliteConnection,
    least: Priority,
    now: Moment,
) -> Result<Option<Next>, StoreError> {
    let stat = next_of(connection, Priority::Stat, now, now).await?;
    let Some(stat) = stat else {
        return match least {
            Priority::Stat => Ok(None),
            Priority::Routine => {
                next_of(connection, Priority::Routine, Moment(i64::MAX), now).await
            }
        };
    };
    if least == Priority::Stat || !stat_was_last(connection).await? {
        return Ok(Some(stat));
    }
    let by = now.minus(AGEING).min(stat.decided_at);
    let aged = next_of(connection, Priority::Routine, by, now).await?;
    Ok(Some(aged.unwrap_or(stat)))
}

async fn next_of(
    connection: &mut SqliteConnection,
    priority: Priority,
    decided_by: Moment,
    now: Moment,
) -> Result<Option<Next>, StoreError> {
    let found: Option<(i64, i64)> = sqlx::query_as(NEXT)
        .bind(priority.number())
        .bind(decided_by.0)
        .bind(now.0)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(id, decided_at)| Next { id, decided_at: Moment(decided_at) }))
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
