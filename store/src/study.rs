//! Studies: asked for, and which of them wait for a decision on the whole.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::series::{SeriesRow, series_row};
use crate::summary::SeriesCounts;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteRow;

#[derive(Debug, Clone, PartialEq)]
pub struct StudyRow {
    pub uid: Uid,
    pub first_arrival: Moment,
    pub state: StudyState,
    /// 0 until a series of it is decided; grows by one whenever that happens to a study that was
    /// decided.
    pub revision: u32,
    /// Of its series that hold something received; without one the first arrival.
    pub last_arrival: Moment,
    pub series: SeriesCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StudyState {
    /// A series was decided since the study was.
    Waiting,
    /// Nothing of it waits for a decision on the whole; nothing may have been decided yet.
    Decided,
}

/// Studies with what their series have come to.
macro_rules! of_studies {
    ($asked:literal) => {
        concat!(
            "SELECT studies.uid AS uid, studies.first_arrival AS first_arrival,
                 studies.state AS state, studies.revision AS revision,
                 ifnull(max(series.last_arrival) FILTER (WHERE series.state <> 'made'),
                     studies.first_arrival) AS last_received,
                 count(*) FILTER (WHERE series.state = 'receiving') AS receiving,
                 count(*) FILTER (WHERE series.state = 'complete') AS complete,
                 count(*) FILTER (WHERE series.state = 'decided') AS decided,
                 count(*) FILTER (WHERE series.state = 'made') AS made
             FROM studies LEFT JOIN series ON series.study = studies.uid ",
            $asked
        )
    };
}

impl Reader {
    pub async fn study(&self, uid: &Uid) -> Result<Option<StudyRow>, StoreError> {
        let found = sqlx::query(of_studies!("WHERE studies.uid = $1 GROUP BY studies.uid"))
            .bind(uid.as_str())
            .fetch_optional(&self.pool)
            .await?;
        found.as_ref().map(study_row).transpose()
    }

    /// Those that this node made too, the one that came first first.
    pub async fn series_of_study(&self, uid: &Uid) -> Result<Vec<SeriesRow>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM series WHERE study = $1 ORDER BY first_arrival, uid")
                .bind(uid.as_str())
                .fetch_all(&self.pool)
                .await?;
        found.iter().map(series_row).collect()
    }

    /// Studies that wait for a decision, of which nothing is on its way or waits to be decided by
    /// itself, and that got nothing after this moment. The one that is quiet for longest first. What
    /// seems to have come in the future came before the clock was set back: it counts as due, rather
    /// than to wait until the clock is there again.
    pub async fn studies_due(&self, quiet_before: Moment) -> Result<Vec<StudyRow>, StoreError> {
        let found = sqlx::query(of_studies!(
            "WHERE studies.state = 'waiting' GROUP BY studies.uid
             HAVING decided > 0 AND receiving = 0 AND complete = 0
                 AND (last_received <= $1 OR last_received > $2)
             ORDER BY last_received, studies.uid"
        ))
        .bind(quiet_before.0)
        .bind(Moment::now().0)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(study_row).collect()
    }

    /// The last arrival of the study that is due next, or is due already: it is when it has been
    /// quiet since then for long enough. The beginning of time for one that came in the future.
    pub async fn next_study_due(&self) -> Result<Option<Moment>, StoreError> {
        let now = Moment::now();
        let found = sqlx::query(of_studies!(
            "WHERE studies.state = 'waiting' GROUP BY studies.uid
             HAVING decided > 0 AND receiving = 0 AND complete = 0
             ORDER BY last_received <= $1, last_received LIMIT 1"
        ))
        .bind(now.0)
        .fetch_optional(&self.pool)
        .await?;
        let last = found.as_ref().map(|row| rows::moment(row, "last_received")).transpose()?;
        Ok(last.map(|last| if last > now { Moment(0) } else { last }))
    }
}

fn study_row(row: &SqliteRow) -> Result<StudyRow, StoreError> {
    Ok(StudyRow {
        uid: rows::uid(row, "uid")?,
        first_arrival: rows::moment(row, "first_arrival")?,
        state: match rows::column(row, "state")? {
            "waiting" => StudyState::Waiting,
            "decided" => StudyState::Decided,
            _ => return Err(StoreError::Unreadable("state")),
        },
        revision: rows::small(row, "revision")?,
        last_arrival: rows::moment(row, "last_received")?,
        series: SeriesCounts {
            receiving: rows::count(row, "receiving")?,
            complete: rows::count(row, "complete")?,
            decided: rows::count(row, "decided")?,
            made: rows::count(row, "made")?,
        },
    })
}
