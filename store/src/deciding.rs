//! Keeps what was decided, in one transaction with the work that follows from it.

use crate::decisions::{NewDecision, NewDecisions, NewJob, NewStudyDecisions};
use crate::error::StoreError;
use crate::forwards::Forwards;
use crate::jobs::{Role, inputs_of};
use crate::queue;
use crate::rows;
use crate::shadows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteConnection;

/// What is decided, by which rules and when.
struct Subject<'a> {
    study: &'a str,
    /// None: the study as a whole.
    series: Option<&'a str>,
    revision: u32,
    rules_digest: &'a str,
    at: Moment,
}

/// A decision that is kept, with the rule that it is one of.
struct Kept<'a> {
    id: i64,
    decision: &'a NewDecision,
}

impl Store {
    /// Keeps the decisions, their jobs and forwards, and the series as decided, or nothing of it.
    /// False when the series is not complete in this very revision (any more). The same decision
    /// given twice is true twice and kept once. Jobs of earlier revisions that nobody has begun
    /// are superseded, those on an image only when it has other bytes now. The study waits to be
    /// decided from then on.
    pub async fn decide(&self, new: NewDecisions) -> Result<bool, StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let study: Option<String> = sqlx::query_scalar(
            "UPDATE series SET state = 'decided', decided_at = $3
             WHERE uid = $1 AND revision = $2 AND state = 'complete' RETURNING study",
        )
        .bind(new.series.as_str())
        .bind(new.revision)
        .bind(new.at.0)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(study) = study else {
            return was_decided(&mut transaction, &new).await;
        };
        supersede(&mut transaction, &new).await?;
        let subject = Subject {
            study: &study,
            series: Some(new.series.as_str()),
            revision: new.revision,
            rules_digest: &new.rules_digest,
            at: new.at,
        };
        keep(&mut transaction, &subject, &new.rules_text, &new.images, &new.decisions).await?;
        wait_for_decision(&mut transaction, &study).await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(true)
    }

    /// Keeps the decisions on a study as a whole, their jobs and forwards, and the study as
    /// decided, or nothing of it. False when it does not wait in this very revision (any more), or
    /// a series of it is on its way or not decided. The same decision given twice is true twice and
    /// kept once. Jobs of earlier revisions that nobody has begun are superseded.
    ///
    /// Whoever decides series decides studies too, one after the other: a series that is decided
    /// while its study is judged does not show here.
    pub async fn decide_study(&self, new: NewStudyDecisions) -> Result<bool, StoreError> {
        self.settled().await;
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        let decided = sqlx::query(
            "UPDATE studies SET state = 'decided'
             WHERE uid = $1 AND revision = $2 AND state = 'waiting'
                 AND NOT EXISTS (SELECT 1 FROM series WHERE series.study = studies.uid
                                 AND series.state IN ('receiving', 'complete'))",
        )
        .bind(new.study.as_str())
        .bind(new.revision)
        .execute(&mut *transaction)
        .await?;
        if decided.rows_affected() == 0 {
            return study_was_decided(&mut transaction, &new).await;
        }
        supersede_of_study(&mut transaction, &new).await?;
        let subject = Subject {
            study: new.study.as_str(),
            series: None,
            revision: new.revision,
            rules_digest: &new.rules_digest,
            at: new.at,
        };
        keep(&mut transaction, &subject, &new.rules_text, &new.images, &new.decisions).await?;
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

async fn study_was_decided(
    connection: &mut SqliteConnection,
    new: &NewStudyDecisions,
) -> Result<bool, StoreError> {
    let study = sqlx::query_scalar(
        "SELECT count(*) FROM studies WHERE uid = $1 AND revision = $2 AND state = 'decided'
         AND ($4 OR EXISTS (SELECT 1 FROM decisions WHERE study = $1 AND series IS NULL
                            AND revision = $2 AND rules_digest = $3))",
    );
    let decided: i64 = study
        .bind(new.study.as_str())
        .bind(new.revision)
        .bind(&new.rules_digest)
        .bind(new.decisions.is_empty())
        .fetch_one(connection)
        .await?;
    Ok(decided == 1)
}

async fn supersede(
    connection: &mut SqliteConnection,
    new: &NewDecisions,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "UPDATE jobs SET state = 'superseded', finished_at = $3,
             reason = 'a later revision of the series was decided'
         WHERE series = $1 AND revision < $2 AND state = 'queued'
             AND (level = 'series' OR inputs IS NOT ",
        inputs_of!("jobs.selected"),
        ")"
    ))
    .bind(new.series.as_str())
    .bind(new.revision)
    .bind(new.at.0)
    .execute(connection)
    .await?;
    Ok(())
}

async fn supersede_of_study(
    connection: &mut SqliteConnection,
    new: &NewStudyDecisions,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET state = 'superseded', finished_at = $3,
             reason = 'a later revision of the study was decided'
         WHERE study = $1 AND level = 'study' AND revision < $2 AND state = 'queued'",
    )
    .bind(new.study.as_str())
    .bind(new.revision)
    .bind(new.at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The study is open again, in a revision that it was never decided in. One that the index forgot
/// and that came again begins behind what was decided on it before.
async fn wait_for_decision(
    connection: &mut SqliteConnection,
    study: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE studies SET state = 'waiting', revision = CASE state
             WHEN 'waiting' THEN revision
             ELSE 1 + max(revision, ifnull((SELECT max(decided.revision)
                 FROM decided_images AS decided
                 WHERE decided.study = studies.uid AND decided.series IS NULL), 0)) END
         WHERE uid = $1",
    )
    .bind(study)
    .execute(connection)
    .await?;
    Ok(())
}

async fn keep(
    connection: &mut SqliteConnection,
    subject: &Subject<'_>,
    rules_text: &str,
    images: &[Uid],
    decisions: &[NewDecision],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rule_sets (digest, text, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(subject.rules_digest)
    .bind(rules_text)
    .bind(subject.at.0)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO decided_images (study, series, revision, images) VALUES ($1, $2, $3, $4)",
    )
    .bind(subject.study)
    .bind(subject.series)
    .bind(subject.revision)
    .bind(rows::to_json(&images)?)
    .execute(&mut *connection)
    .await?;
    let asked_on = if subject.series.is_some() { "series" } else { "study" };
    let mut forwards = Forwards::new(asked_on, subject.at);
    for (position, decision) in decisions.iter().enumerate() {
        let id = add_decision(connection, subject, position, decision).await?;
        for job in &decision.jobs {
            add_job(connection, subject, &Kept { id, decision }, job).await?;
        }
        for forward in &decision.forward {
            forwards.add(connection, &decision.rule, forward).await?;
        }
    }
    Ok(())
}

async fn add_decision(
    connection: &mut SqliteConnection,
    subject: &Subject<'_>,
    position: usize,
    decision: &NewDecision,
) -> Result<i64, StoreError> {
    // The jobs of a decision differ in their images alone.
    let job = decision.jobs.first();
    let send_to = job.filter(|job| !job.shadow).map_or(&[][..], |job| &job.send_to);
    let forwards: Vec<&str> = decision.forward.iter().map(|to| to.peer.as_str()).collect();
    let done = sqlx::query(
        "INSERT INTO decisions (level, study, series, revision, position, rules_digest, rule, runs,
             reason, trace, fates, model, send_to, forwards, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(decision.level.text())
    .bind(subject.study)
    .bind(subject.series)
    .bind(subject.revision)
    .bind(position as i64)
    .bind(subject.rules_digest)
    .bind(&decision.rule)
    .bind(decision.runs)
    .bind(&decision.reason)
    .bind(rows::to_json(&decision.trace)?)
    .bind(rows::to_json(&decision.fates)?)
    .bind(job.map(|job| &job.model))
    .bind(rows::to_json(&send_to)?)
    .bind(rows::to_json(&forwards)?)
    .bind(subject.at.0)
    .execute(connection)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn add_job(
    connection: &mut SqliteConnection,
    subject: &Subject<'_>,
    kept: &Kept<'_>,
    job: &NewJob,
) -> Result<(), StoreError> {
    if job.once && is_made(connection, subject, kept, job).await? {
        return Ok(());
    }
    let id: i64 = sqlx::query_scalar(concat!(
        "INSERT INTO jobs (decision, level, study, series, revision, last_asked, rule,
             rules_digest, model, model_digest, priority, shadow, selected, selections, send_to,
             send_as, deidentify, decided_at, state, due_at, version, manifest_digest, role, regions, inputs)
         VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $20, $16,
             'queued', $16, nullif($17, ''), nullif($18, ''), $19, $21, ",
        inputs_of!("$12"),
        ") RETURNING id"
    ))
    .bind(kept.id)
    .bind(kept.decision.level.text())
    .bind(subject.study)
    .bind(subject.series)
    .bind(subject.revision)
    .bind(&kept.decision.rule)
    .bind(subject.rules_digest)
    .bind(&job.model)
    .bind(&job.model_digest)
    .bind(job.priority.number())
    .bind(job.shadow)
    .bind(rows::to_json(&job.selected)?)
    .bind(job.selections.as_ref().map(rows::to_json).transpose()?)
    .bind(rows::to_json(&job.send_to)?)
    .bind(rows::to_json(&job.send_as)?)
    .bind(subject.at.0)
    .bind(&job.pinned.version)
    .bind(&job.pinned.manifest_digest)
    .bind(job.pinned.role.text())
    .bind(&job.deidentify)
    .bind(job.regions.name())
    .fetch_one(&mut *connection)
    .await?;
    if let Some(candidate) = &job.pinned.beside {
        shadows::add(connection, id, candidate).await?;
    }
    Ok(queue::has_turn(connection, job.priority, &job.model).await?)
}

/// Whether an earlier revision made the very job; then this one asks for it too. That the candidate failed
/// with it and the live version did it makes it no other job. One that nobody has begun, and whose rule asks
/// for something else of the image now, is superseded.
async fn is_made(
    connection: &mut SqliteConnection,
    subject: &Subject<'_>,
    kept: &Kept<'_>,
    job: &NewJob,
) -> Result<bool, StoreError> {
    let asked = sqlx::query(concat!(
        "UPDATE jobs SET last_asked = $5
         WHERE level = 'instance' AND selected = $1 AND series = $2 AND rule = $3
             AND (model_digest = $4 AND ifnull(manifest_digest, $9) = $9 OR $10
                 AND substr(candidate_failed, 1, length($11) + 2) = $11 || ': ')
             AND role <> 'shadow' AND state IN ('queued', 'running', 'finished')
             AND shadow = $6 AND send_to = $7 AND send_as = $8
             AND deidentify IS $12 AND regions = $13 AND inputs IS ",
        inputs_of!("$1")
    ))
    .bind(rows::to_json(&job.selected)?)
    .bind(subject.series)
    .bind(&kept.decision.rule)
    .bind(&job.model_digest)
    .bind(subject.revision)
    .bind(job.shadow)
    .bind(rows::to_json(&job.send_to)?)
    .bind(rows::to_json(&job.send_as)?)
    .bind(&job.pinned.manifest_digest)
    .bind(job.pinned.role == Role::Canary)
    .bind(&job.pinned.version)
    .bind(&job.deidentify)
    .bind(job.regions.name())
    .execute(&mut *connection)
    .await?;
    if asked.rows_affected() > 0 {
        return Ok(true);
    }
    sqlx::query(
        "UPDATE jobs SET state = 'superseded', finished_at = $5,
             reason = 'its rule asks for something else of the image now'
         WHERE level = 'instance' AND selected = $1 AND series = $2 AND rule = $3
             AND revision < $4 AND state = 'queued' AND role <> 'shadow'",
    )
    .bind(rows::to_json(&job.selected)?)
    .bind(subject.series)
    .bind(&kept.decision.rule)
    .bind(subject.revision)
    .bind(subject.at.0)
    .execute(connection)
    .await?;
    Ok(false)
}
