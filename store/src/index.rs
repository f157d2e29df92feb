//! The SQLite file: opened, and filled with what the segments hold.

use crate::bases::{Bases, Laid};
use crate::claims::Claim;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::header_text::HeaderText;
use crate::incoming::{Identity, Origin};
use crate::studies;
use crate::supersede::{Superseded, supersede};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::slice;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

pub(crate) fn path(store: &Path) -> PathBuf {
    store.join("index.db")
}

/// One record on its way into the index.
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    pub(crate) header: HeaderText,
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    /// Where the record ends.
    pub(crate) end: u64,
    /// Of the Part 10 file.
    pub(crate) bytes: u64,
    pub(crate) digest: Digest,
    /// The record that was there before stays as an earlier version.
    pub(crate) keeps_earlier: bool,
    /// Let go when the row is committed.
    pub(crate) claim: Option<Claim>,
}

/// What a batch did to the index.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Instances that were not there.
    pub(crate) new: u64,
    /// Series that instances went from, to another one.
    pub(crate) left: Vec<Uid>,
}

fn options(store: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path(store))
        .busy_timeout(Duration::from_secs(30))
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
}

/// The one connection that writes. Creates the file and migrates it first.
pub(crate) async fn open_to_write(store: &Path) -> Result<SqlitePool, StoreError> {
    migrate(store).await?;
    let options = options(store)
        .journal_mode(SqliteJournalMode::Wal)
        // UIDs come in no order: the pages that they fall on should be at hand. In KiB; so few that
        // they are soon taken, and memory does not grow for long.
        .pragma("cache_size", "-8192")
        .pragma("wal_autocheckpoint", "4000");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(120))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Each migration is one transaction, so that a crash leaves the index as it was before or behind
/// it. Foreign keys are off, as SQLite drops no table otherwise that others refer to, and nobody can
/// turn them off inside a transaction (sqlite.org/lang_altertable.html, section 7): a migration that
/// makes such a table anew checks them itself.
async fn migrate(store: &Path) -> Result<(), StoreError> {
    let options = options(store)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(false);
    let mut connection = options.connect().await?;
    let migrated = MIGRATIONS.run(&mut connection).await;
    connection.close().await?;
    match migrated {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => {
            Err(StoreError::OtherVersion(path(store)))
        }
        Err(error) => Err(sqlx::Error::from(error).into()),
    }
}

/// At most so many connections that only ask. Refuses an index that this version does not know.
pub(crate) async fn open_to_read(store: &Path, most: u32) -> Result<SqlitePool, StoreError> {
    let pool = open_any_to_read(store, most).await?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    let applied: Result<Option<i64>, _> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&pool).await;
    match applied {
        Ok(applied) if applied == newest => Ok(pool),
        Ok(_) | Err(sqlx::Error::Database(_)) => Err(StoreError::OtherVersion(path(store))),
        Err(error) => Err(error.into()),
    }
}

/// The same, of an index that may have other tables than this version knows.
pub(crate) async fn open_any_to_read(store: &Path, most: u32) -> Result<SqlitePool, StoreError> {
    let options = options(store)
        .create_if_missing(false)
        // What asks and what answers are two threads: with fewer rows they wait for each other.
        .row_buffer_size(1024)
        .pragma("query_only", "ON");
    let pool =
        SqlitePoolOptions::new().max_connections(most).acquire_timeout(Duration::from_secs(120));
    Ok(pool.connect_with(options).await?)
}

/// One connection of another process that writes a row beside the node's own, which waits for it as
/// it waits for the node's: every transaction begins as one that writes.
pub(crate) async fn open_beside(store: &Path) -> Result<SqlitePool, StoreError> {
    open_to_read(store, 1).await?.close().await;
    let pool = SqlitePoolOptions::new().max_connections(1);
    Ok(pool.connect_with(options(store).create_if_missing(false)).await?)
}

/// Puts the entries into the index, in one transaction with how far their segments are in it.
/// A record that is there already stays as it is, and a later one of the same instance takes its
/// place.
///
/// The transaction is not synced by itself: the segments hold all that is in it, and what a power
/// cut takes is replayed at the next start. Whatever is decided from it is synced, and syncs it.
pub(crate) async fn add(
    pool: &SqlitePool,
    bases: &mut Bases,
    entries: &[Entry],
) -> Result<Added, sqlx::Error> {
    let added = unsynced(pool, async |connection| add_rows(connection, bases, entries).await).await;
    if added.is_err() {
        // Some of them may not be in the index.
        bases.forget();
    }
    added
}

/// What is written so is there when this process is killed, and behind a power cut only if something that was synced came
/// after it.
pub(crate) async fn unsynced<T, E: From<sqlx::Error>>(
    pool: &SqlitePool,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> Result<T, E> {
    let mut lent = Lent(Some(pool.acquire().await?));
    let Some(connection) = &mut lent.0 else { return Err(sqlx::Error::PoolClosed.into()) };
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut **connection).await?;
    let done = work(connection).await;
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut **connection).await?;
    lent.0 = None;
    done
}

/// A connection that does not sync. It is not used again if it is dropped so: nothing else may be written unsynced.
struct Lent(Option<PoolConnection<Sqlite>>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(PoolConnection::close_on_drop);
    }
}

async fn add_rows(
    connection: &mut SqliteConnection,
    bases: &mut Bases,
    entries: &[Entry],
) -> Result<Added, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut segments: BTreeMap<u32, Advance> = BTreeMap::new();
    for entry in entries {
        let arrival = entry.identity.arrival;
        let begin = Advance { end: 0, oldest: arrival, newest: arrival };
        let to = segments.entry(entry.segment).or_insert(begin);
        to.end = to.end.max(entry.end);
        to.oldest = to.oldest.min(arrival);
        to.newest = to.newest.max(arrival);
    }
    for (segment, to) in segments {
        advance(&mut transaction, segment, to).await?;
    }
    let mut arrivals: BTreeMap<&str, Arrivals> = BTreeMap::new();
    let mut studies = studies::of_series(&mut transaction, entries).await?;
    let alone = alone(entries, &studies);
    let mut untidy: BTreeSet<Uid> = BTreeSet::new();
    let mut unsettled: BTreeSet<String> = BTreeSet::new();
    let mut added = Added::default();
    let mut rest = entries;
    while !rest.is_empty() {
        // Few lengths, so that the statements stay prepared.
        let length = [64, 8, 1].into_iter().find(|length| *length <= rest.len()).unwrap_or(1);
        let (now, later) = rest.split_at(length);
        let mut laid = Vec::with_capacity(now.len());
        for entry in now {
            let alone = alone.contains(entry.identity.series.as_str());
            laid.push(bases.lay(&mut transaction, entry, alone).await?);
        }
        for (Entry { identity, .. }, came) in add_instances(&mut transaction, now, &laid).await? {
            if let Came::Over(_) = came {
                untidy.insert(identity.series.clone());
            }
            let (is_new, joins, left) = match came {
                Came::New => (true, true, None),
                Came::Over(Superseded::Changed { moves, left }) => (false, moves, left),
                Came::Over(Superseded::Not | Superseded::Moved) => continue,
            };
            untidy.extend(left.clone());
            added.new += u64::from(is_new);
            unsettled.extend(left.iter().map(|left| left.as_str().to_owned()));
            added.left.extend(left);
            let (series, study) = (identity.series.as_str(), identity.study.as_str());
            if *studies.entry(series).or_insert_with(|| study.into()) != study {
                unsettled.insert(series.to_owned());
                continue;
            }
            let series = arrivals.entry(series).or_insert_with(|| Arrivals::begin(identity));
            series.count(identity, joins);
        }
        rest = later;
    }
    for series in arrivals.values() {
        add_to_series(&mut transaction, series).await?;
    }
    for series in unsettled {
        studies::settle(&mut transaction, &series).await?;
    }
    bases.tidy(&mut transaction, &untidy).await?;
    transaction.commit().await?;
    Ok(added)
}

/// New series of which one image came so far.
fn alone<'a>(entries: &'a [Entry], known: &BTreeMap<&str, String>) -> BTreeSet<&'a str> {
    let mut images: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in entries {
        *images.entry(entry.identity.series.as_str()).or_default() += 1;
    }
    let alone =
        images.into_iter().filter(|(series, images)| *images == 1 && !known.contains_key(series));
    alone.map(|(series, _)| series).collect()
}

/// What a batch adds to one series.
struct Arrivals<'a> {
    first: &'a Identity,
    instances: i64,
    received: bool,
    first_arrival: Moment,
    last_arrival: Moment,
}

impl<'a> Arrivals<'a> {
    fn begin(first: &'a Identity) -> Self {
        let (instances, received) = (0, false);
        Self {
            first,
            instances,
            received,
            first_arrival: first.arrival,
            last_arrival: first.arrival,
        }
    }

    fn count(&mut self, identity: &Identity, joins: bool) {
        self.instances += i64::from(joins);
        self.received |= identity.origin == Origin::Received;
        self.first_arrival = self.first_arrival.min(identity.arrival);
        self.last_arrival = self.last_arrival.max(identity.arrival);
    }
}

/// How far a batch brings a segment, and how old what it adds is.
struct Advance {
    end: u64,
    oldest: Moment,
    newest: Moment,
}

async fn advance(
    connection: &mut SqliteConnection,
    segment: u32,
    to: Advance,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO segments (number, indexed_bytes, oldest_arrival, newest_arrival)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (number) DO UPDATE SET
             indexed_bytes = max(indexed_bytes, excluded.indexed_bytes),
             oldest_arrival = min(ifnull(oldest_arrival, excluded.oldest_arrival),
                 excluded.oldest_arrival),
             newest_arrival = max(ifnull(newest_arrival, 0), excluded.newest_arrival)",
    )
    .bind(segment)
    .bind(to.end as i64)
    .bind(to.oldest.0)
    .bind(to.newest.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// How an entry came into the index.
enum Came {
    New,
    Over(Superseded),
}

/// All at once if none is there, which is the rule; else one after the other.
async fn add_instances<'a>(
    connection: &mut SqliteConnection,
    entries: &'a [Entry],
    laid: &[Laid<'_>],
) -> Result<Vec<(&'a Entry, Came)>, sqlx::Error> {
    match insert(connection, entries, laid, "").await {
        Ok(_) => Ok(entries.iter().map(|entry| (entry, Came::New)).collect()),
        Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => {
            let mut came = Vec::new();
            for (entry, laid) in entries.iter().zip(laid) {
                let (one, its) = (slice::from_ref(entry), slice::from_ref(laid));
                let on_conflict = " ON CONFLICT (sop_instance) DO NOTHING";
                came.push(match insert(connection, one, its, on_conflict).await? {
                    1 => (entry, Came::New),
                    _ => (entry, Came::Over(supersede(connection, entry, laid).await?)),
                });
            }
            Ok(came)
        }
        Err(error) => Err(error),
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    entries: &[Entry],
    laid: &[Laid<'_>],
    on_conflict: &str,
) -> Result<u64, sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO instances (sop_instance, sop_class, series, study, transfer_syntax,
             calling_ae, called_ae, arrival, origin, segment, offset, bytes, digest, header,
             keeps_earlier, base) ",
    );
    query.push_values(entries.iter().zip(laid), |mut row, (entry, laid)| {
        let identity = &entry.identity;
        row.push_bind(identity.sop_instance.as_str())
            .push_bind(identity.sop_class.as_str())
            .push_bind(identity.series.as_str())
            .push_bind(identity.study.as_str())
            .push_bind(identity.transfer_syntax.as_str())
            .push_bind(identity.calling_ae.as_str())
            .push_bind(identity.called_ae.as_str())
            .push_bind(identity.arrival.0)
            .push_bind(match identity.origin {
                Origin::Received => "received",
                Origin::Made => "made",
            })
            .push_bind(entry.segment)
            .push_bind(entry.offset as i64)
            .push_bind(entry.bytes as i64)
            .push_bind(entry.digest.as_slice())
            .push_bind(&*laid.header)
            .push_bind(entry.keeps_earlier)
            .push_bind(laid.base);
    });
    query.push(on_conflict);
    Ok(query.build().execute(connection).await?.rows_affected())
}

/// A late image reopens its series, and so does one with other bytes than before; what this node
/// made does not. A series that the index forgot and that came again begins behind what was decided
/// on it before.
async fn add_to_series(
    connection: &mut SqliteConnection,
    series: &Arrivals<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO studies (uid, first_arrival) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(series.first.study.as_str())
        .bind(series.first_arrival.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO series (uid, study, calling_ae, called_ae, instances, first_arrival,
             last_arrival, state, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1 + max(
             ifnull((SELECT max(revision) FROM decisions WHERE series = $1), 0),
             ifnull((SELECT max(revision) FROM decided_images WHERE series = $1), 0)))
         ON CONFLICT (uid) DO UPDATE SET
             instances = series.instances + excluded.instances,
             first_arrival = min(series.first_arrival, excluded.first_arrival),
             last_arrival = max(series.last_arrival, excluded.last_arrival),
             revision = series.revision
                 + (excluded.state = 'receiving' AND series.state IN ('complete', 'decided')),
             state = CASE excluded.state WHEN 'made' THEN series.state ELSE 'receiving' END",
    )
    .bind(series.first.series.as_str())
    .bind(series.first.study.as_str())
    .bind(series.first.calling_ae.as_str())
    .bind(series.first.called_ae.as_str())
    .bind(series.instances)
    .bind(series.first_arrival.0)
    .bind(series.last_arrival.0)
    .bind(if series.received { "receiving" } else { "made" })
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::timeout;

    const FULL: i64 = 2;
    const NORMAL: i64 = 1;

    async fn synchronous(connection: impl sqlx::SqliteExecutor<'_>) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await
    }

    #[tokio::test]
    async fn nothing_else_is_written_unsynced_whether_the_work_ends_fails_or_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = open_to_write(folder.path()).await.expect("an index");
        let within = unsynced(&pool, async |connection| synchronous(connection).await).await;
        assert_eq!(within.expect("it is asked"), NORMAL);
        assert_eq!(synchronous(&pool).await.expect("it is asked"), FULL);
        let failed = unsynced(&pool, async |_| Err::<(), _>(sqlx::Error::RowNotFound)).await;
        assert!(failed.is_err());
        assert_eq!(synchronous(&pool).await.expect("it is asked"), FULL);
        let endless = unsynced(&pool, async |_| pending::<Result<(), sqlx::Error>>().await);
        assert!(timeout(Duration::from_millis(50), endless).await.is_err(), "it was dropped");
        assert_eq!(synchronous(&pool).await.expect("it is asked"), FULL);
    }
}
