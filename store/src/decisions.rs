//! What the rules said about a series, kept in one transaction with the work that follows from it.

use crate::error::StoreError;
use crate::jobs::Priority;
use crate::outbox::{self, NewRow};
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// The verdicts of one set of rules on one revision of a series.
#[derive(Debug, Clone)]
pub struct NewDecisions {
    pub series: Uid,
    pub revision: u32,
    pub rules_digest: String,
    pub rules_text: String,
    pub at: Moment,
    pub decisions: Vec<NewDecision>,
}

/// One rule's verdict, skips too.
#[derive(Debug, Clone)]
pub struct NewDecision {
    pub rule: String,
    pub runs: bool,
    pub reason: String,
    pub trace: serde_json::Value,
    pub job: Option<NewJob>,
    pub forward: Vec<NewForward>,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub model: String,
    pub model_digest: String,
    pub priority: Priority,
    pub shadow: bool,
    pub selected: Vec<Uid>,
    pub send_to: Vec<String>,
    pub send_as: Vec<String>,
}

/// Instances that go to a peer as they are.
#[derive(Debug, Clone)]
pub struct NewForward {
    pub peer: String,
    pub instances: Vec<Uid>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    pub series: Uid,
    pub revision: u32,
    pub rules_digest: String,
    pub rule: String,
    pub runs: bool,
    pub reason: String,
    pub trace: serde_json::Value,
    pub at: Moment,
}

impl Reader {
    /// Every revision's decisions, oldest first, in the order of the rules.
    pub async fn decisions(&self, series: &Uid) -> Result<Vec<DecisionRow>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM decisions WHERE series = $1 ORDER BY revision, position")
                .bind(series.as_str())
                .fetch_all(&self.pool)
                .await?;
        found.iter().map(decision_row).collect()
    }

    /// The text of the rules that were in force when something was decided by them.
    pub async fn rule_set(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let text = sqlx::query_scalar("SELECT text FROM rule_sets WHERE digest = $1");
        Ok(text.bind(digest).fetch_optional(&self.pool).await?)
    }
}

impl Store {
    /// Keeps the decisions, their jobs and forwards, and the series as decided, or nothing of it.
    /// False when the series is not complete in this very revision (any more). The same decision
    /// given twice is true twice and kept once. Jobs of earlier revisions that nobody has begun
    /// are superseded.
    pub async fn decide(&self, new: NewDecisions) -> Result<bool, StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let study: Option<String> = sqlx::query_scalar(
            "UPDATE series SET state = 'decided'
             WHERE uid = $1 AND revision = $2 AND state = 'complete' RETURNING study",
        )
        .bind(new.series.as_str())
        .bind(new.revision)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(study) = study else {
            return was_decided(&mut transaction, &new).await;
        };
        sqlx::query(
            "INSERT INTO rule_sets (digest, text, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(&new.rules_digest)
        .bind(&new.rules_text)
        .bind(new.at.0)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE jobs SET state = 'superseded', finished_at = $3,
                 reason = 'a later revision of the series was decided'
             WHERE series = $1 AND revision < $2 AND state = 'queued'",
        )
        .bind(new.series.as_str())
        .bind(new.revision)
        .bind(new.at.0)
        .execute(&mut *transaction)
        .await?;
        for (position, decision) in new.decisions.iter().enumerate() {
            let id = add_decision(&mut transaction, &new, position, decision).await?;
            if let Some(job) = &decision.job {
                add_job(&mut transaction, &new, &study, &decision.rule, id, job).await?;
            }
            for forward in &decision.forward {
                add_forward(&mut transaction, forward, new.at).await?;
            }
        }
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(true)
    }
}

/// Whether this very decision was taken before, by a caller that did not learn of it.
async fn was_decided(
    connection: &mut SqliteConnection,
    new: &NewDecisions,
) -> Result<bool, StoreError> {
    let series = sqlx::query_scalar(
        "SELECT count(*) FROM series WHERE uid = $1 AND revision = $2 AND state = 'decided'
         AND ($4 OR EXISTS (SELECT 1 FROM decisions WHERE series = $1 AND revision = $2
                            AND rules_digest = $3))",
    );
    let decided: i64 = series
        .bind(new.series.as_str())
        .bind(new.revision)
        .bind(&new.rules_digest)
        .bind(new.decisions.is_empty())
        .fetch_one(connection)
        .await?;
    Ok(decided == 1)
}

async fn add_decision(
    connection: &mut SqliteConnection,
    new: &NewDecisions,
    position: usize,
    decision: &NewDecision,
) -> Result<i64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO decisions (series, revision, position, rules_digest, rule, runs, reason,
             trace, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.series.as_str())
    .bind(new.revision)
    .bind(position as i64)
    .bind(&new.rules_digest)
    .bind(&decision.rule)
    .bind(decision.runs)
    .bind(&decision.reason)
    .bind(rows::to_json(&decision.trace)?)
    .bind(new.at.0)
    .execute(connection)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn add_job(
    connection: &mut SqliteConnection,
    new: &NewDecisions,
    study: &str,
    rule: &str,
    decision: i64,
    job: &NewJob,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO jobs (decision, series, study, revision, rule, rules_digest, model,
             model_digest, priority, shadow, selected, send_to, send_as, decided_at, state, due_at,
             inputs)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'queued', $14,
             (SELECT group_concat(ifnull(hex(instances.digest), '-'), ' ' ORDER BY image.key)
              FROM json_each($11) AS image
              LEFT JOIN instances ON instances.sop_instance = image.value))",
    )
    .bind(decision)
    .bind(new.series.as_str())
    .bind(study)
    .bind(new.revision)
    .bind(rule)
    .bind(&new.rules_digest)
    .bind(&job.model)
    .bind(&job.model_digest)
    .bind(job.priority.number())
    .bind(job.shadow)
    .bind(rows::to_json(&job.selected)?)
    .bind(rows::to_json(&job.send_to)?)
    .bind(rows::to_json(&job.send_as)?)
    .bind(new.at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// An instance that is on its way to the peer already stays so.
async fn add_forward(
    connection: &mut SqliteConnection,
    forward: &NewForward,
    at: Moment,
) -> Result<(), StoreError> {
    for sop_instance in &forward.instances {
        let row = NewRow {
            peer: &forward.peer,
            sop_instance,
            priority: Priority::Routine,
            job: None,
            at,
        };
        outbox::add(connection, row).await?;
    }
    Ok(())
}

fn decision_row(row: &SqliteRow) -> Result<DecisionRow, StoreError> {
    Ok(DecisionRow {
        series: rows::uid(row, "series")?,
        revision: rows::small(row, "revision")?,
        rules_digest: rows::column(row, "rules_digest")?,
        rule: rows::column(row, "rule")?,
        runs: rows::column(row, "runs")?,
        reason: rows::column(row, "reason")?,
        trace: rows::json(row, "trace")?,
        at: rows::moment(row, "at")?,
    })
}
