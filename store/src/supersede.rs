//! A later record of an instance that is in the index: it takes the place, and what was decided on the earlier one is open again.

use crate::bases::Laid;
use crate::events::{self, Event};
use crate::index::Entry;
use crate::jobs;
use crate::outbox;
use crate::reader::Location;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Error, Row};

/// What an entry did to the instance that it is a record of.
pub(crate) enum Superseded {
    /// Nothing: its record is the one in the index, or an earlier one.
    Not,
    /// The same bytes, elsewhere.
    Moved,
    /// Other bytes, or any after it was evicted.
    Changed {
        /// It is of another series or study now than it was.
        moves: bool,
        /// The series that it was of then.
        left: Option<Uid>,
    },
}

/// Of two records of an instance the one that arrived later counts, and of two that arrived at
/// once the one that lies behind the other: so the index comes out the same in whatever order
/// segments are read.
pub(crate) async fn supersede(
    connection: &mut SqliteConnection,
    entry: &Entry,
    laid: &Laid<'_>,
) -> Result<Superseded, Error> {
    let row = sqlx::query(
        "SELECT series, study, calling_ae, arrival, segment, offset, bytes, digest, keeps_earlier,
             evicted_at IS NOT NULL AS evicted
         FROM instances JOIN segments ON segments.number = instances.segment WHERE sop_instance = $1",
    )
    .bind(entry.identity.sop_instance.as_str())
    .fetch_one(&mut *connection)
    .await?;
    let same = row.try_get::<&[u8], _>("digest")? == entry.digest.as_slice();
    let place =
        (row.try_get::<i64, _>("arrival")?, row.try_get("segment")?, row.try_get("offset")?);
    if (entry.identity.arrival.0, i64::from(entry.segment), entry.offset as i64) <= place {
        if !same && (row.try_get("keeps_earlier")? || is_version(connection, entry).await?) {
            add_version(connection, Version::of(entry)).await?;
        }
        return Ok(Superseded::Not);
    }
    // It was evicted and came again: it is new, and there is nothing of it to stay beside it.
    if row.try_get("evicted")? && entry.identity.arrival.0 > place.0 {
        outbox::forget(connection, &entry.identity.sop_instance).await?;
        jobs::forget(connection, &entry.identity.sop_instance).await?;
        return take_place(connection, entry, laid, &row).await;
    }
    if same {
        move_to(connection, entry).await?;
        if entry.identity.arrival.0 > place.0 {
            let text = "its record was damaged; the same bytes came again and are kept";
            tell(connection, entry, "mended", text).await?;
        }
        return Ok(Superseded::Moved);
    }
    change(connection, entry, laid, &row).await
}

async fn change(
    connection: &mut SqliteConnection,
    entry: &Entry,
    laid: &Laid<'_>,
    before: &SqliteRow,
) -> Result<Superseded, Error> {
    let text = match entry.keeps_earlier {
        true => "other bytes came under its UID and count from now on; the earlier stay beside",
        false => "other bytes came under its UID and took the place of the earlier",
    };
    tell(connection, entry, "replaced", text).await?;
    if entry.keeps_earlier {
        add_version(connection, Version::of_row(entry, before)?).await?;
    }
    take_place(connection, entry, laid, before).await
}

async fn take_place(
    connection: &mut SqliteConnection,
    entry: &Entry,
    laid: &Laid<'_>,
    before: &SqliteRow,
) -> Result<Superseded, Error> {
    let series: &str = before.try_get("series")?;
    sqlx::query("DELETE FROM versions WHERE sop_instance = $1 AND digest = $2")
        .bind(entry.identity.sop_instance.as_str())
        .bind(entry.digest.as_slice())
        .execute(&mut *connection)
        .await?;
    move_to(connection, entry).await?;
    let identity = &entry.identity;
    sqlx::query(
        "UPDATE instances SET sop_class = $2, series = $3, study = $4, digest = $5, header = $6,
             keeps_earlier = $7, changed_at = $8, base = $9
         WHERE sop_instance = $1",
    )
    .bind(identity.sop_instance.as_str())
    .bind(identity.sop_class.as_str())
    .bind(identity.series.as_str())
    .bind(identity.study.as_str())
    .bind(entry.digest.as_slice())
    .bind(&*laid.header)
    .bind(entry.keeps_earlier)
    .bind(Moment::now().0)
    .bind(laid.base)
    .execute(&mut *connection)
    .await?;
    let study: &str = before.try_get("study")?;
    let moves = (series, study) != (identity.series.as_str(), identity.study.as_str());
    if moves {
        leave(connection, series, study).await?;
    }
    let left = Uid::parse(series).ok().filter(|_| moves);
    Ok(Superseded::Changed { moves, left })
}

async fn move_to(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), Error> {
    let identity = &entry.identity;
    sqlx::query(
        "UPDATE instances SET transfer_syntax = $2, calling_ae = $3, called_ae = $4, arrival = $5,
             segment = $6, offset = $7, bytes = $8
         WHERE sop_instance = $1",
    )
    .bind(identity.sop_instance.as_str())
    .bind(identity.transfer_syntax.as_str())
    .bind(identity.calling_ae.as_str())
    .bind(identity.called_ae.as_str())
    .bind(identity.arrival.0)
    .bind(entry.segment)
    .bind(entry.offset as i64)
    .bind(entry.bytes as i64)
    .execute(connection)
    .await?;
    Ok(())
}

/// The series has one less, and is decided anew, unless the instance was none of the study that it
/// belongs to. It is counted again with the batch.
async fn leave(connection: &mut SqliteConnection, series: &str, study: &str) -> Result<(), Error> {
    sqlx::query(
        "UPDATE series SET
             revision = revision + (state IN ('complete', 'decided')),
             state = CASE state WHEN 'made' THEN state ELSE 'receiving' END
         WHERE uid = $1 AND study = $2",
    )
    .bind(series)
    .bind(study)
    .execute(connection)
    .await?;
    Ok(())
}

/// Earlier bytes that stay.
struct Version<'a> {
    entry: &'a Entry,
    series: &'a str,
    study: &'a str,
    calling_ae: &'a str,
    arrival: i64,
    at: Location,
    bytes: i64,
    digest: &'a [u8],
}

impl<'a> Version<'a> {
    fn of(entry: &'a Entry) -> Self {
        let identity = &entry.identity;
        Self {
            entry,
            series: identity.series.as_str(),
            study: identity.study.as_str(),
            calling_ae: identity.calling_ae.as_str(),
            arrival: identity.arrival.0,
            at: Location { segment: entry.segment, offset: entry.offset },
            bytes: entry.bytes as i64,
            digest: &entry.digest,
        }
    }

    fn of_row(entry: &'a Entry, row: &'a SqliteRow) -> Result<Self, Error> {
        let offset: i64 = row.try_get("offset")?;
        Ok(Self {
            entry,
            series: row.try_get("series")?,
            study: row.try_get("study")?,
            calling_ae: row.try_get("calling_ae")?,
            arrival: row.try_get("arrival")?,
            at: Location { segment: row.try_get("segment")?, offset: offset.unsigned_abs() },
            bytes: row.try_get("bytes")?,
            digest: row.try_get("digest")?,
        })
    }
}

/// Whether the bytes are kept beside those of the instance, so that retention may move them.
async fn is_version(connection: &mut SqliteConnection, entry: &Entry) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM versions WHERE sop_instance = $1 AND digest = $2)",
    )
    .bind(entry.identity.sop_instance.as_str())
    .bind(entry.digest.as_slice())
    .fetch_one(connection)
    .await
}

async fn add_version(connection: &mut SqliteConnection, version: Version<'_>) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO versions (sop_instance, digest, series, study, calling_ae, arrival, segment,
             offset, bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (sop_instance, digest) DO UPDATE SET
             arrival = excluded.arrival, segment = excluded.segment, offset = excluded.offset,
             bytes = excluded.bytes
         WHERE (excluded.arrival, excluded.segment, excluded.offset)
             > (versions.arrival, versions.segment, versions.offset)",
    )
    .bind(version.entry.identity.sop_instance.as_str())
    .bind(version.digest)
    .bind(version.series)
    .bind(version.study)
    .bind(version.calling_ae)
    .bind(version.arrival)
    .bind(version.at.segment)
    .bind(version.at.offset as i64)
    .bind(version.bytes)
    .execute(connection)
    .await?;
    Ok(())
}

/// In the transaction that moves the row, and not again when the segments are replayed.
async fn tell(
    connection: &mut SqliteConnection,
    entry: &Entry,
    kind: &str,
    text: &str,
) -> Result<(), Error> {
    let identity = &entry.identity;
    let told: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM events WHERE kind = $1 AND subject = $2 AND at >= $3)",
    )
    .bind(kind)
    .bind(identity.sop_instance.as_str())
    .bind(identity.arrival.0)
    .fetch_one(&mut *connection)
    .await?;
    if told {
        return Ok(());
    }
    let event = Event {
        station: "keep".into(),
        kind: kind.into(),
        subject: Some(identity.sop_instance.to_string()),
        text: format!("{text} (from {})", identity.calling_ae),
    };
    events::insert(connection, &event).await
}
