//! Which version of a model is live and which is tried beside it: each change with its moment, who asked for it and why.

use crate::error::StoreError;
use crate::events::{self, Event};
use crate::folder::take_folder;
use crate::index;
use crate::reader::{Reader, blocking};
use crate::rows;
use crate::shadows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::sqlite::SqliteRow;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Promote,
    Shadow,
    Canary,
    Rollback,
}

/// Which versions of a model work, as their manifests name them.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionState {
    pub live: String,
    pub candidate: Option<CandidateState>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CandidateState {
    pub version: String,
    /// Of the series, from 0 to 1, that it gets in the place of the live version; none: it runs beside it.
    pub share: Option<f64>,
}

/// What is asked of the node.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChange {
    /// As rules call it.
    pub model: String,
    pub change: Change,
    /// The version that is live until then, if all that was asked before is taken.
    pub before: String,
    pub after: VersionState,
    pub asked_by: String,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// No node has taken it yet.
    Asked,
    Taken,
    /// The node tried it, and what was before stays.
    Refused,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    pub id: i64,
    pub at: Moment,
    pub change: NewChange,
    pub state: ChangeState,
    /// When it was taken or refused.
    pub ended_at: Option<Moment>,
    /// Why it was refused.
    pub reason: Option<String>,
}

impl Change {
    const ALL: [Self; 4] = [Self::Promote, Self::Shadow, Self::Canary, Self::Rollback];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Rollback => "rollback",
        }
    }
}

impl Reader {
    /// Of one model, or of all, the newest first.
    pub async fn model_changes(&self, model: Option<&str>) -> Result<Vec<ChangeRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM model_changes WHERE $1 IS NULL OR model = $1 ORDER BY id DESC",
        )
        .bind(model)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(change_row).collect()
    }

    pub async fn model_change(&self, id: i64) -> Result<Option<ChangeRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM model_changes WHERE id = $1").bind(id);
        found.fetch_optional(&self.pool).await?.as_ref().map(change_row).transpose()
    }

    /// What no node has taken or refused yet, in the order in which it was asked.
    pub async fn changes_asked(&self) -> Result<Vec<ChangeRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM model_changes WHERE state = 'asked' ORDER BY id");
        found.fetch_all(&self.pool).await?.iter().map(change_row).collect()
    }
}

impl Store {
    /// From now on it holds, whenever the node starts.
    pub async fn change_taken(&self, id: i64, event: Event) -> Result<(), StoreError> {
        self.end_change(id, ChangeState::Taken, None, event).await
    }

    pub async fn change_refused(
        &self,
        id: i64,
        reason: &str,
        event: Event,
    ) -> Result<(), StoreError> {
        self.end_change(id, ChangeState::Refused, Some(reason), event).await
    }

    async fn end_change(
        &self,
        id: i64,
        state: ChangeState,
        reason: Option<&str>,
        event: Event,
    ) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "UPDATE model_changes SET state = $2, reason = $3, ended_at = $4
             WHERE id = $1 AND state = 'asked'",
        )
        .bind(id)
        .bind(state.as_str())
        .bind(reason)
        .bind(Moment::now().0)
        .execute(&mut *transaction)
        .await?;
        // With a trial ends what was still to run for it.
        shadows::end_without_trial(&mut transaction).await?;
        events::insert(&mut transaction, &event).await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }
}

/// All that stand in an index that this version has not migrated yet, the newest first: what a start will
/// find. None where there were no versions then.
pub async fn before_migrating(store: &Path) -> Result<Vec<ChangeRow>, StoreError> {
    let index = index::open_any_to_read(store, 1).await?;
    let found = sqlx::query("SELECT * FROM model_changes ORDER BY id DESC").fetch_all(&index).await;
    index.close().await;
    match found {
        Ok(found) => found.iter().map(change_row).collect(),
        Err(sqlx::Error::Database(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Asks the node of this folder, which may be running: one row, there or not. None when it is not there
/// because another change of the model was asked behind the last one that was `seen`.
pub async fn ask(
    store: &Path,
    new: &NewChange,
    seen: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let index = index::open_beside(store).await?;
    let candidate = new.after.candidate.as_ref();
    let id = sqlx::query_scalar(
        "INSERT INTO model_changes (at, model, change, before, live, candidate, share, asked_by, why)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
         WHERE (SELECT max(id) FROM model_changes WHERE model = $2) IS $10 RETURNING id",
    )
    .bind(Moment::now().0)
    .bind(&new.model)
    .bind(new.change.as_str())
    .bind(&new.before)
    .bind(&new.after.live)
    .bind(candidate.map(|candidate| &candidate.version))
    .bind(candidate.and_then(|candidate| candidate.share))
    .bind(&new.asked_by)
    .bind(&new.why)
    .bind(seen)
    .fetch_optional(&index)
    .await?;
    index.close().await;
    Ok(id)
}

/// Whether a process holds the folder, a node as a rule.
pub async fn is_in_use(store: PathBuf) -> Result<bool, StoreError> {
    blocking(move || match take_folder(&store) {
        Ok(_) => Ok(false),
        Err(StoreError::InUse(_)) => Ok(true),
        Err(error) => Err(error),
    })
    .await
}

impl ChangeState {
    const ALL: [Self; 3] = [Self::Asked, Self::Taken, Self::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

fn change_row(row: &SqliteRow) -> Result<ChangeRow, StoreError> {
    let (change, state): (&str, &str) = (rows::column(row, "change")?, rows::column(row, "state")?);
    let change = Change::ALL.into_iter().find(|known| known.as_str() == change);
    let state = ChangeState::ALL.into_iter().find(|known| known.as_str() == state);
    let share = rows::column(row, "share")?;
    let candidate: Option<String> = rows::column(row, "candidate")?;
    Ok(ChangeRow {
        id: rows::column(row, "id")?,
        at: rows::moment(row, "at")?,
        change: NewChange {
            model: rows::column(row, "model")?,
            change: change.ok_or(StoreError::Unreadable("change"))?,
            before: rows::column(row, "before")?,
            after: VersionState {
                live: rows::column(row, "live")?,
                candidate: candidate.map(|version| CandidateState { version, share }),
            },
            asked_by: rows::column(row, "asked_by")?,
            why: rows::column(row, "why")?,
        },
        state: state.ok_or(StoreError::Unreadable("state"))?,
        ended_at: rows::maybe_moment(row, "ended_at")?,
        reason: rows::column(row, "reason")?,
    })
}
