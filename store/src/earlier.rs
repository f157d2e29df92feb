//! What the results of a job take the place of: those of the last revision before it that made some, and reports of failures behind it; noted once, before
//! anything is composed.

use crate::error::StoreError;
use crate::jobs::Job;
use crate::rows;
use crate::store::Store;
use gantry_terms::earlier::{Document, Earlier};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// The same rule and model on the same subject, in what is not a trial. `other` and `job` are two rows of jobs.
macro_rules! same_subject {
    ($other:literal, $job:literal) => {
        concat!(
            $other,
            ".study = ",
            $job,
            ".study AND ",
            $other,
            ".series IS ",
            $job,
            ".series AND ",
            $other,
            ".level = ",
            $job,
            ".level AND ",
            $other,
            ".rule = ",
            $job,
            ".rule AND ",
            $other,
            ".model = ",
            $job,
            ".model AND NOT ",
            $other,
            ".shadow AND NOT ",
            $job,
            ".shadow AND ",
            $other,
            ".role <> 'shadow' AND ",
            $job,
            ".role <> 'shadow' AND (",
            $job,
            ".level <> 'instance' OR ",
            $other,
            ".selected = ",
            $job,
            ".selected)"
        )
    };
}

impl Store {
    /// The revision that the results of this job take the place of, with its documents of these SOP classes. It is noted
    /// with the job, so that each repeat names the same.
    pub async fn note_earlier(
        &self,
        job: &Job,
        documents: &[&str],
    ) -> Result<Option<Earlier>, StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let noted: Option<String> = sqlx::query_scalar("SELECT earlier FROM jobs WHERE id = $1")
            .bind(job.id)
            .fetch_one(&mut *transaction)
            .await?;
        if let Some(noted) = noted {
            return read(&noted);
        }
        let earlier = find(&mut transaction, job.id, documents).await?;
        sqlx::query("UPDATE jobs SET earlier = $2 WHERE id = $1")
            .bind(job.id)
            .bind(rows::to_json(&earlier)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(earlier)
    }
}

async fn find(
    connection: &mut SqliteConnection,
    job: i64,
    documents: &[&str],
) -> Result<Option<Earlier>, StoreError> {
    let found = sqlx::query(concat!(
        "SELECT earlier.revision, earlier.results, earlier.state = 'finished' AS is_finished
         FROM jobs AS job JOIN jobs AS earlier ON earlier.id < job.id
             AND earlier.results <> '[]' AND (earlier.state = 'finished' OR (earlier.state = 'failed'
                 AND EXISTS (SELECT 1 FROM outbox WHERE outbox.job = earlier.id))) AND ",
        same_subject!("earlier", "job"),
        " WHERE job.id = $1 ORDER BY earlier.id DESC"
    ))
    .bind(job)
    .fetch_all(&mut *connection)
    .await?;
    // Reports that later ones failed take no result's place, and are out of date now, too, where they went anywhere.
    let last = found.iter().position(|row| rows::column(row, "is_finished").unwrap_or(false));
    let found = &found[..last.map_or(found.len(), |last| last + 1)];
    let Some(last) = found.last().filter(|_| last.is_some()).or(found.first()) else {
        return Ok(None);
    };
    let results = found.iter().map(|row| rows::json::<Vec<Uid>>(row, "results"));
    let results: Vec<Uid> = results.collect::<Result<Vec<_>, _>>()?.concat();
    let named = sqlx::query(
        "SELECT study, series, sop_class, sop_instance FROM instances
         WHERE sop_class IN (SELECT value FROM json_each($2)) AND sop_instance IN (
             SELECT value FROM json_each($1)
             UNION SELECT alternate FROM alternates JOIN json_each($1) ON instead_of = value)
         ORDER BY sop_instance",
    )
    .bind(rows::to_json(&results)?)
    .bind(rows::to_json(&documents)?)
    .fetch_all(connection)
    .await?;
    let document = |row: &SqliteRow| {
        Ok(Document {
            study: rows::uid(row, "study")?,
            series: rows::uid(row, "series")?,
            sop_class: rows::uid(row, "sop_class")?,
            sop_instance: rows::uid(row, "sop_instance")?,
        })
    };
    let documents = named.iter().map(document).collect::<Result<_, StoreError>>()?;
    Ok(Some(Earlier { revision: rows::small(last, "revision")?, documents }))
}

/// Whether a later revision composed while this job ran: its results say what they take the place of, and those of this
/// one are not there. Then the job is superseded.
pub(crate) async fn is_late(
    connection: &mut SqliteConnection,
    job: i64,
    now: Moment,
) -> Result<bool, StoreError> {
    let superseded = sqlx::query(concat!(
        "UPDATE jobs SET state = 'superseded', station = NULL, finished_at = $2,
             reason = 'a later revision was composed before it'
         WHERE id = $1 AND state <> 'finished' AND EXISTS (SELECT 1 FROM jobs AS later
             WHERE later.id > jobs.id AND later.earlier IS NOT NULL
                 AND later.state IN ('queued', 'running', 'finished') AND ",
        same_subject!("later", "jobs"),
        ")"
    ))
    .bind(job)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(superseded.rows_affected() == 1)
}

/// Whether the same is decided again in a later revision: what this job has to say is about to be said anew.
pub(crate) async fn has_later(
    connection: &mut SqliteConnection,
    job: i64,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(concat!(
        "SELECT EXISTS (SELECT 1 FROM jobs JOIN jobs AS later ON later.id > jobs.id
             AND later.state IN ('queued', 'running', 'finished') AND ",
        same_subject!("later", "jobs"),
        " WHERE jobs.id = $1)"
    ))
    .bind(job)
    .fetch_one(connection)
    .await?)
}

pub(crate) fn column(row: &SqliteRow) -> Result<Option<Earlier>, StoreError> {
    rows::column::<Option<&str>>(row, "earlier")?.map_or(Ok(None), read)
}

fn read(noted: &str) -> Result<Option<Earlier>, StoreError> {
    serde_json::from_str(noted).map_err(|_| StoreError::Unreadable("earlier"))
}
