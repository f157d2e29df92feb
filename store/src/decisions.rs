//! What the rules said about a series or a study, and about which images.

use crate::error::StoreError;
use crate::jobs::{Priority, Role};
use crate::reader::Reader;
use crate::rows;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::region::Regions;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

pub use crate::level::Level;

/// The verdicts of one set of rules on one revision of a series and on each of its images.
#[derive(Debug, Clone)]
pub struct NewDecisions {
    pub series: Uid,
    pub revision: u32,
    pub rules_digest: String,
    pub rules_text: String,
    pub at: Moment,
    /// All that were judged, in the order in which they were.
    pub images: Vec<Uid>,
    /// None on the level of the study.
    pub decisions: Vec<NewDecision>,
}

/// The verdicts of one set of rules on one revision of a study.
#[derive(Debug, Clone)]
pub struct NewStudyDecisions {
    pub study: Uid,
    pub revision: u32,
    pub rules_digest: String,
    pub rules_text: String,
    pub at: Moment,
    /// All that were judged, in the order in which they were.
    pub images: Vec<Uid>,
    /// Each on the level of the study.
    pub decisions: Vec<NewDecision>,
}

/// One rule's verdict, skips too.
#[derive(Debug, Clone)]
pub struct NewDecision {
    pub rule: String,
    pub level: Level,
    pub runs: bool,
    pub reason: String,
    pub trace: serde_json::Value,
    /// What became of each image, by its place among the images that were judged.
    pub fates: serde_json::Value,
    /// On the level of images one for each.
    pub jobs: Vec<NewJob>,
    pub forward: Vec<NewForward>,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub model: String,
    pub model_digest: String,
    pub priority: Priority,
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
    /// On the level of images: not made again where one of the same rule, model digest and bytes
    /// waits, runs or has finished, so that a late image costs no other one a second run.
    pub once: bool,
    /// Beside the graph's digest.
    pub pinned: Pinned,
}

/// Which version of its model a job runs, and whether another one runs beside it.
#[derive(Debug, Clone, Default)]
pub struct Pinned {
    /// As the manifest names it.
    pub version: String,
    /// SHA-256 of the manifest, lower-case hexadecimal; empty where it is not known.
    pub manifest_digest: String,
    /// Live or canary.
    pub role: Role,
    /// The candidate that runs on the same images afterwards.
    pub beside: Option<Candidate>,
}

/// A version of a model that is tried.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub version: String,
    pub model_digest: String,
    pub manifest_digest: String,
}

/// Instances that go to a peer, as they came or with changes.
#[derive(Debug, Clone)]
pub struct NewForward {
    pub peer: String,
    pub instances: Vec<Uid>,
    pub changes: Changes,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    pub id: i64,
    pub level: Level,
    /// None where the series left the index before this was noted.
    pub study: Option<Uid>,
    /// None on the level of the study.
    pub series: Option<Uid>,
    /// Of the series; on the level of the study, of the study.
    pub revision: u32,
    pub rules_digest: String,
    pub rule: String,
    pub runs: bool,
    pub reason: String,
    pub trace: serde_json::Value,
    /// As they were given; an empty list where they were not noted yet.
    pub fates: serde_json::Value,
    pub at: Moment,
}

impl Reader {
    /// Every revision's decisions on the series and on its images, oldest first, in the order of
    /// the rules.
    pub async fn decisions(&self, series: &Uid) -> Result<Vec<DecisionRow>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM decisions WHERE series = $1 ORDER BY revision, position")
                .bind(series.as_str())
                .fetch_all(&self.pool)
                .await?;
        found.iter().map(decision_row).collect()
    }

    /// Every revision's decisions on the study as a whole.
    pub async fn study_decisions(&self, study: &Uid) -> Result<Vec<DecisionRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM decisions WHERE study = $1 AND series IS NULL
             ORDER BY revision, position",
        )
        .bind(study.as_str())
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(decision_row).collect()
    }

    /// The images that a revision of the series was decided on, in the order in which they were
    /// judged; none where that was not noted yet.
    pub async fn decided_images(
        &self,
        series: &Uid,
        revision: u32,
    ) -> Result<Option<Vec<Uid>>, StoreError> {
        let found =
            sqlx::query("SELECT images FROM decided_images WHERE series = $1 AND revision = $2")
                .bind(series.as_str())
                .bind(revision)
                .fetch_optional(&self.pool)
                .await?;
        found.as_ref().map(|row| rows::json(row, "images")).transpose()
    }

    /// The images that a revision of the study was decided on, in the order in which they were
    /// judged.
    pub async fn study_decided_images(
        &self,
        study: &Uid,
        revision: u32,
    ) -> Result<Option<Vec<Uid>>, StoreError> {
        let found = sqlx::query(
            "SELECT images FROM decided_images
             WHERE study = $1 AND series IS NULL AND revision = $2",
        )
        .bind(study.as_str())
        .bind(revision)
        .fetch_optional(&self.pool)
        .await?;
        found.as_ref().map(|row| rows::json(row, "images")).transpose()
    }
}

fn decision_row(row: &SqliteRow) -> Result<DecisionRow, StoreError> {
    Ok(DecisionRow {
        id: rows::column(row, "id")?,
        level: Level::of(row)?,
        study: rows::maybe_uid(row, "study")?,
        series: rows::maybe_uid(row, "series")?,
        revision: rows::small(row, "revision")?,
        rules_digest: rows::column(row, "rules_digest")?,
        rule: rows::column(row, "rule")?,
        runs: rows::column(row, "runs")?,
        reason: rows::column(row, "reason")?,
        trace: rows::json(row, "trace")?,
        fates: rows::json(row, "fates")?,
        at: rows::moment(row, "at")?,
    })
}
