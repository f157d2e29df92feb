//! Takes segments away: first out of the index, in one transaction with the last look at what is needed, then off the disk.

use crate::disk::Disk;
use crate::error::StoreError;
use crate::events::{self, Event};
use crate::held;
use crate::reader::blocking;
use crate::retention::{Policy, Stays, Verdict, Wanted, plan};
use crate::segment::{self, Scan, Scanned};
use crate::store::Store;
use gantry_terms::moment::Moment;
use sqlx::SqlitePool;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// What a round of retention did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    pub evicted: Vec<Evicted>,
    /// What should go and may not.
    pub stays: Vec<Wanted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    pub segment: u32,
    /// That went with it.
    pub instances: u64,
    pub bytes: u64,
    /// When the newest of them arrived.
    pub newest: Moment,
    /// Records that were still needed, and lie in another segment now.
    pub carried: u64,
}

impl Store {
    /// One round: evicts what the policy wants gone and nothing needs. Nothing is done while the
    /// index cannot follow, because then nobody knows what is needed.
    pub async fn retain(
        &self,
        policy: &Policy,
        disk: Disk,
        now: Moment,
    ) -> Result<Round, StoreError> {
        let (shared, mut round) = (&self.shared, Round::default());
        if shared.progress.fault().is_some() {
            return Ok(round);
        }
        remove_evicted(&shared.options.folder, &shared.write).await?;
        // In this order: what was appended to a segment before it was closed is in the index then.
        let closed = shared.numbers.closed();
        self.settled().await;
        for wanted in plan(&shared.reader, closed, policy, disk, now).await?.wanted {
            match self.take_away(&wanted, now).await? {
                Ok(evicted) => round.evicted.push(evicted),
                Err(why) => round.stays.push(Wanted { verdict: Verdict::Stay(why), ..wanted }),
            }
        }
        Ok(round)
    }

    async fn take_away(
        &self,
        wanted: &Wanted,
        now: Moment,
    ) -> Result<Result<Evicted, Stays>, StoreError> {
        let folder = self.shared.options.folder.clone();
        let (path, indexed) = (segment::path(&folder, wanted.segment), wanted.bytes);
        if let Verdict::Stay(why) = &wanted.verdict {
            return Ok(Err(why.clone()));
        }
        match blocking(move || Ok(ends_with_records(&path, indexed))).await? {
            Ok(false) => {}
            Ok(true) => return Ok(Err(Stays::NotIndexed)),
            Err(error) => return Ok(Err(Stays::NotRead(error.to_string()))),
        }
        let held = match wanted.verdict {
            Verdict::CarryForward(_) => {
                held::held(&self.shared.reader.pool, wanted.segment).await?
            }
            _ => Vec::new(),
        };
        if let Err(why) = self.carry_forward(wanted.segment, &held).await? {
            return Ok(Err(why));
        }
        let marked = self.mark(wanted, held.len() as u64, now).await?;
        if marked.is_ok() {
            self.shared.progress.ring();
            remove(&folder, BTreeSet::from([wanted.segment])).await?;
        }
        Ok(marked)
    }

    /// From here on it is evicted, whatever happens to the process.
    async fn mark(
        &self,
        wanted: &Wanted,
        carried: u64,
        now: Moment,
    ) -> Result<Result<Evicted, Stays>, StoreError> {
        let Wanted { segment, bytes, newest, .. } = *wanted;
        // The connection syncs what it commits, and with it the rows that were moved before.
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        if held::is_needed(&mut *transaction, segment).await? {
            return Ok(Err(Stays::NeededMeanwhile));
        }
        let instances: i64 =
            sqlx::query_scalar("SELECT count(*) FROM instances WHERE segment = $1")
                .bind(segment)
                .fetch_one(&mut *transaction)
                .await?;
        sqlx::query("UPDATE segments SET evicted_at = $2 WHERE number = $1")
            .bind(segment)
            .bind(now.0)
            .execute(&mut *transaction)
            .await?;
        let evicted =
            Evicted { segment, instances: instances.unsigned_abs(), bytes, newest, carried };
        events::insert(&mut transaction, &evicted.event(now)).await?;
        transaction.commit().await?;
        Ok(Ok(evicted))
    }
}

impl Evicted {
    fn event(&self, now: Moment) -> Event {
        let Self { segment, instances, bytes, newest, carried } = self;
        let (megabytes, hours) = (*bytes as f64 / 1e6, now.since(*newest).as_secs() / 3600);
        tracing::info!(
            station = "retain",
            segment,
            instances,
            bytes,
            hours,
            carried,
            "a segment is evicted"
        );
        let carried = match carried {
            0 => String::new(),
            carried => format!("; {carried} that are needed were written anew before"),
        };
        let text = format!(
            "segment {segment} is evicted: {instances} instances, {megabytes:.1} MB, the newest \
             {hours} h old{carried}"
        );
        Event { station: "retain".into(), kind: "evicted".into(), subject: None, text }
    }
}

/// Whether whole records lie behind what is indexed.
fn ends_with_records(path: &Path, indexed: u64) -> io::Result<bool> {
    let mut scan = Scan::of(path, indexed, u64::MAX)?;
    loop {
        match scan.next()? {
            Scanned::Record(_) => return Ok(true),
            Scanned::Damage { .. } => {}
            Scanned::End => return Ok(false),
        }
    }
}

/// The segments that were taken away; a crash may have left their files.
pub(crate) async fn evicted_segments(pool: &SqlitePool) -> Result<BTreeSet<u32>, StoreError> {
    let numbers: Vec<i64> =
        sqlx::query_scalar("SELECT number FROM segments WHERE evicted_at IS NOT NULL")
            .fetch_all(pool)
            .await?;
    Ok(numbers.into_iter().filter_map(|number| u32::try_from(number).ok()).collect())
}

/// Removes the files of segments that were evicted, where any are left.
pub(crate) async fn remove_evicted(store: &Path, pool: &SqlitePool) -> Result<(), StoreError> {
    let evicted = evicted_segments(pool).await?;
    if evicted.is_empty() {
        return Ok(());
    }
    let folder = store.to_owned();
    let there = move || segment::numbers(&folder).map_err(StoreError::file(folder));
    let there: BTreeSet<u32> = blocking(there).await?.into_iter().collect();
    remove(store, &evicted & &there).await
}

async fn remove(store: &Path, segments: BTreeSet<u32>) -> Result<(), StoreError> {
    let folder = store.to_owned();
    blocking(move || {
        for number in &segments {
            let path = segment::path(&folder, *number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(StoreError::file(path))?,
            }
        }
        match segments.is_empty() {
            true => Ok(()),
            false => segment::sync_folder(&folder).map_err(StoreError::file(folder)),
        }
    })
    .await
}
