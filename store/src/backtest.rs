//! What was decided lately, page by page: for comparing other rules with those that were in force.

use crate::decisions::Level;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::series::{SeriesRow, series_row};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde::Deserialize;
use sqlx::AssertSqlSafe;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A series that was decided at least once. It may have grown since and wait to be decided again.
#[derive(Debug, Clone, PartialEq)]
pub struct DecidedSeries {
    pub series: SeriesRow,
    /// The last time.
    pub decided_at: Moment,
}

/// What one rule asked for when the series was decided last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestDecision {
    pub rule: String,
    pub level: Level,
    /// What follows is told of one that ran alone.
    pub runs: bool,
    pub model: Option<String>,
    /// Peers that get the model's results; none in shadow.
    pub send_to: Vec<String>,
    /// Peers that get images; `None` where that was not noted yet.
    pub forwards: Option<Vec<String>>,
    /// As they were given, as text.
    pub fates: String,
}

/// How long a model took, by its last finished jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelSeconds {
    pub median: f64,
    /// Of the jobs that were looked at.
    pub jobs: u32,
}

impl Reader {
    /// Up to `limit` series that were decided at this moment or later, in the order of their last
    /// decision, behind the one that `after` names. A series that is decided meanwhile comes again.
    pub async fn series_for_backtest(
        &self,
        since: Moment,
        after: Option<(Moment, Uid)>,
        limit: u32,
    ) -> Result<Vec<DecidedSeries>, StoreError> {
        let (at, uid) = match &after {
            Some((at, uid)) => (*at, uid.as_str()),
            None => (since, ""),
        };
        let found = sqlx::query(
            "SELECT * FROM series WHERE (decided_at, uid) > ($1, $2)
             ORDER BY decided_at, uid LIMIT $3",
        )
        .bind(at.0)
        .bind(uid)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let decided = |row| {
            let decided_at = rows::moment(row, "decided_at")?;
            Ok(DecidedSeries { series: series_row(row)?, decided_at })
        };
        found.iter().map(decided).collect()
    }

    /// Of each of the series the decisions of the last revision that was decided, in the order of
    /// the rules, those on its images among them.
    pub async fn latest_decisions(
        &self,
        series: &[Uid],
    ) -> Result<BTreeMap<Uid, Vec<LatestDecision>>, StoreError> {
        self.latest(
            "SELECT series.uid, (SELECT json_group_array({decision} ORDER BY position)
                     FROM decisions WHERE decisions.series = series.uid AND decisions.revision =
                         CASE series.state WHEN 'decided' THEN series.revision ELSE
                             (SELECT max(revision) FROM decisions AS other
                              WHERE other.series = series.uid) END) AS latest
                 FROM json_each($1) AS named CROSS JOIN series ON series.uid = named.value",
            series,
        )
        .await
    }

    /// Of each of the studies the decisions on it as a whole, of the last revision.
    pub async fn latest_study_decisions(
        &self,
        studies: &[Uid],
    ) -> Result<BTreeMap<Uid, Vec<LatestDecision>>, StoreError> {
        self.latest(
            "SELECT named.value AS uid, (SELECT json_group_array({decision} ORDER BY position)
                     FROM decisions WHERE decisions.study = named.value AND decisions.series IS NULL
                         AND decisions.revision = (SELECT max(revision) FROM decisions AS other
                             WHERE other.study = named.value AND other.series IS NULL)) AS latest
                 FROM json_each($1) AS named",
            studies,
        )
        .await
    }

    /// One row for each that was asked for: its UID, and its decisions as one text.
    async fn latest(
        &self,
        sql: &str,
        asked: &[Uid],
    ) -> Result<BTreeMap<Uid, Vec<LatestDecision>>, StoreError> {
        let found = sqlx::query(AssertSqlSafe(sql.replace("{decision}", DECISION)))
            .bind(rows::to_json(&asked)?)
            .fetch_all(&self.pool)
            .await?;
        let mut latest = BTreeMap::new();
        for row in &found {
            let decisions: Vec<Told<'_>> = serde_json::from_str(rows::column(row, "latest")?)
                .map_err(|_| StoreError::Unreadable("decisions"))?;
            if !decisions.is_empty() {
                let decisions = decisions.into_iter().map(LatestDecision::try_from);
                latest.insert(rows::uid(row, "uid")?, decisions.collect::<Result<_, _>>()?);
            }
        }
        Ok(latest)
    }

    /// Those of the studies that were decided as they are now.
    pub async fn studies_decided(&self, studies: &[Uid]) -> Result<Vec<Uid>, StoreError> {
        let found = sqlx::query(
            "SELECT uid FROM json_each($1) AS named CROSS JOIN studies ON studies.uid = named.value
             WHERE state = 'decided' ORDER BY named.key",
        )
        .bind(rows::to_json(&studies)?)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(|row| rows::uid(row, "uid")).collect()
    }

    /// Whether any rule was ever asked of a study as a whole.
    pub async fn has_study_decisions(&self) -> Result<bool, StoreError> {
        let found =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM decisions WHERE series IS NULL)");
        Ok(found.fetch_one(&self.pool).await?)
    }

    /// How many series a backtest from this moment on would read.
    pub async fn count_for_backtest(&self, since: Moment) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM series WHERE decided_at >= $1")
            .bind(since.0)
            .fetch_one(&self.pool)
            .await?;
        Ok(count as u64)
    }

    /// By model, of the last 200 jobs that it finished.
    pub async fn model_seconds(&self) -> Result<BTreeMap<String, ModelSeconds>, StoreError> {
        let found = sqlx::query(
            "SELECT model,
                 (SELECT json_group_array(seconds) FROM
                      (SELECT seconds FROM jobs WHERE jobs.model = models.model
                           AND state = 'finished' AND role <> 'shadow'
                           AND seconds IS NOT NULL
                       ORDER BY finished_at DESC LIMIT 200)) AS seconds
             FROM (SELECT DISTINCT model FROM jobs WHERE state = 'finished') AS models",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut models = BTreeMap::new();
        for row in &found {
            if let Some(taken) = median(rows::json(row, "seconds")?) {
                models.insert(rows::column(row, "model")?, taken);
            }
        }
        Ok(models)
    }
}

fn median(mut seconds: Vec<f64>) -> Option<ModelSeconds> {
    seconds.sort_by(f64::total_cmp);
    let (low, high) = (seconds.len().checked_sub(1)? / 2, seconds.len() / 2);
    let median = (seconds.get(low)? + seconds.get(high)?) / 2.0;
    Some(ModelSeconds { median, jobs: u32::try_from(seconds.len()).unwrap_or(u32::MAX) })
}

/// What lies behind the trace, which is long, is only read of a decision that ran.
const DECISION: &str = "json_array(rule, level, runs, CASE WHEN runs THEN
    json_object('model', model, 'send_to', json(send_to), 'forwards', json(forwards), 'fates', fates) END)";

/// As [`DECISION`] writes it.
#[derive(Deserialize)]
struct Told<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>, u8, Option<Asked>);

#[derive(Deserialize)]
struct Asked {
    model: Option<String>,
    send_to: Vec<String>,
    forwards: Option<Vec<String>>,
    fates: String,
}

impl TryFrom<Told<'_>> for LatestDecision {
    type Error = StoreError;

    fn try_from(Told(rule, level, runs, asked): Told<'_>) -> Result<Self, StoreError> {
        let nothing =
            || Asked { model: None, send_to: Vec::new(), forwards: None, fates: "[]".into() };
        let Asked { model, send_to, forwards, fates } = asked.unwrap_or_else(nothing);
        let level = Level::read(&level)?;
        Ok(Self {
            rule: rule.into_owned(),
            level,
            runs: runs != 0,
            model,
            send_to,
            forwards,
            fates,
        })
    }
}
