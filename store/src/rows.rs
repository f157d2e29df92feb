//! Columns of the index as the types that they were written from.

use crate::error::StoreError;
use crate::incoming::{Identity, Origin};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

pub(crate) fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    name: &'static str,
) -> Result<T, StoreError> {
    Ok(row.try_get(name)?)
}

pub(crate) fn uid(row: &SqliteRow, name: &'static str) -> Result<Uid, StoreError> {
    Uid::parse(column(row, name)?).map_err(|_| StoreError::Unreadable(name))
}

pub(crate) fn maybe_uid(row: &SqliteRow, name: &'static str) -> Result<Option<Uid>, StoreError> {
    let text: Option<&str> = column(row, name)?;
    text.map(|text| Uid::parse(text).map_err(|_| StoreError::Unreadable(name))).transpose()
}

pub(crate) fn title(row: &SqliteRow, name: &'static str) -> Result<AeTitle, StoreError> {
    AeTitle::parse(column(row, name)?).map_err(|_| StoreError::Unreadable(name))
}

pub(crate) fn moment(row: &SqliteRow, name: &'static str) -> Result<Moment, StoreError> {
    Ok(Moment(column(row, name)?))
}

pub(crate) fn maybe_moment(
    row: &SqliteRow,
    name: &'static str,
) -> Result<Option<Moment>, StoreError> {
    Ok(column::<Option<i64>>(row, name)?.map(Moment))
}

pub(crate) fn count(row: &SqliteRow, name: &'static str) -> Result<u64, StoreError> {
    u64::try_from(column::<i64>(row, name)?).map_err(|_| StoreError::Unreadable(name))
}

pub(crate) fn small(row: &SqliteRow, name: &'static str) -> Result<u32, StoreError> {
    u32::try_from(column::<i64>(row, name)?).map_err(|_| StoreError::Unreadable(name))
}

pub(crate) fn json<T: DeserializeOwned>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(column(row, name)?).map_err(|_| StoreError::Unreadable(name))
}

/// Lists of UIDs and names, and what rules and models said: always text as JSON.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

pub(crate) fn identity(row: &SqliteRow) -> Result<Identity, StoreError> {
    Ok(Identity {
        sop_class: uid(row, "sop_class")?,
        sop_instance: uid(row, "sop_instance")?,
        series: uid(row, "series")?,
        study: uid(row, "study")?,
        transfer_syntax: uid(row, "transfer_syntax")?,
        calling_ae: title(row, "calling_ae")?,
        called_ae: title(row, "called_ae")?,
        arrival: moment(row, "arrival")?,
        origin: origin(column(row, "origin")?)?,
    })
}

pub(crate) fn origin(text: &str) -> Result<Origin, StoreError> {
    match text {
        "received" => Ok(Origin::Received),
        "made" => Ok(Origin::Made),
        _ => Err(StoreError::Unreadable("origin")),
    }
}
