//! Series and their instances: asked for, and moved from receiving to complete.

use crate::error::StoreError;
use crate::images::Image;
use crate::incoming::Identity;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Difference, Header, Layered};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteRow;

#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRow {
    pub uid: Uid,
    pub study: Uid,
    /// Of the first instance.
    pub calling_ae: AeTitle,
    pub called_ae: AeTitle,
    pub instances: u32,
    pub first_arrival: Moment,
    pub last_arrival: Moment,
    pub state: SeriesState,
    /// Begins at 1 and grows by one whenever a late image reopens the series.
    pub revision: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeriesState {
    Receiving,
    Complete,
    Decided,
    /// Holds only what this node made: nothing is ever decided for it.
    Made,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRow {
    pub identity: Identity,
    pub header: Header,
    /// Length of the Part 10 file.
    pub bytes: u64,
}

impl Reader {
    pub async fn series(&self, uid: &Uid) -> Result<Option<SeriesRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM series WHERE uid = $1")
            .bind(uid.as_str())
            .fetch_optional(&self.pool)
            .await?;
        found.as_ref().map(series_row).transpose()
    }

    /// Every series, the one with the latest arrival first.
    pub async fn all_series(&self) -> Result<Vec<SeriesRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM series ORDER BY last_arrival DESC, uid")
            .fetch_all(&self.pool)
            .await?;
        found.iter().map(series_row).collect()
    }

    pub async fn instance(&self, sop_instance: &Uid) -> Result<Option<InstanceRow>, StoreError> {
        let found = sqlx::query(
            "SELECT instances.*, bases.header AS base_header
             FROM instances LEFT JOIN bases ON bases.id = instances.base WHERE sop_instance = $1",
        )
        .bind(sop_instance.as_str())
        .fetch_optional(&self.pool)
        .await?;
        found.as_ref().map(instance_row).transpose()
    }

    /// Whole headers, in the order of arrival: [`Reader::images`] reads a series faster.
    pub async fn instances(&self, series: &Uid) -> Result<Vec<InstanceRow>, StoreError> {
        let images = self.images(series).await?;
        let row = |(image, header): (&Image, Layered)| InstanceRow {
            identity: image.identity.clone(),
            header: header.to_header(),
            bytes: image.bytes,
        };
        Ok(images.with_headers().map(row).collect())
    }

    /// Series that still receive, oldest last arrival first.
    pub async fn series_receiving(&self) -> Result<Vec<SeriesRow>, StoreError> {
        self.series_in("receiving").await
    }

    /// Series that wait for a decision, oldest last arrival first.
    pub async fn series_complete(&self) -> Result<Vec<SeriesRow>, StoreError> {
        self.series_in("complete").await
    }

    async fn series_in(&self, state: &str) -> Result<Vec<SeriesRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM series WHERE state = $1 ORDER BY last_arrival, uid")
            .bind(state)
            .fetch_all(&self.pool)
            .await?;
        found.iter().map(series_row).collect()
    }
}

impl Store {
    /// False when something arrived meanwhile, and then nothing has changed. What was kept before
    /// this call is in the index first, so that it cannot come late.
    pub async fn complete_series(
        &self,
        uid: &Uid,
        revision: u32,
        last_arrival: Moment,
    ) -> Result<bool, StoreError> {
        self.settled().await;
        let done = sqlx::query(
            "UPDATE series SET state = 'complete'
             WHERE uid = $1 AND revision = $2 AND last_arrival = $3 AND state = 'receiving'",
        )
        .bind(uid.as_str())
        .bind(revision)
        .bind(last_arrival.0)
        .execute(&self.shared.write)
        .await?;
        if done.rows_affected() == 1 {
            self.shared.progress.ring();
        }
        Ok(done.rows_affected() == 1)
    }
}

pub(crate) fn series_row(row: &SqliteRow) -> Result<SeriesRow, StoreError> {
    Ok(SeriesRow {
        uid: rows::uid(row, "uid")?,
        study: rows::uid(row, "study")?,
        calling_ae: rows::title(row, "calling_ae")?,
        called_ae: rows::title(row, "called_ae")?,
        instances: rows::small(row, "instances")?,
        first_arrival: rows::moment(row, "first_arrival")?,
        last_arrival: rows::moment(row, "last_arrival")?,
        state: match rows::column(row, "state")? {
            "receiving" => SeriesState::Receiving,
            "complete" => SeriesState::Complete,
            "decided" => SeriesState::Decided,
            "made" => SeriesState::Made,
            _ => return Err(StoreError::Unreadable("state")),
        },
        revision: rows::small(row, "revision")?,
    })
}

pub(crate) fn instance_row(row: &SqliteRow) -> Result<InstanceRow, StoreError> {
    let header = match rows::column::<Option<&str>>(row, "base_header")? {
        None => rows::json(row, "header")?,
        Some(base) => {
            let base = serde_json::from_str(base).map_err(|_| StoreError::Unreadable("header"))?;
            let Difference { own, gone } = rows::json(row, "header")?;
            Layered::over(&base, &own, &gone).to_header()
        }
    };
    Ok(InstanceRow { identity: rows::identity(row)?, header, bytes: rows::count(row, "bytes")? })
}
