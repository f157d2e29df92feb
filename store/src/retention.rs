//! What retention would take away, and what it may not: whole segments, the oldest first.

use crate::disk::Disk;
use crate::error::StoreError;
use crate::held::{self, Needed};
use crate::numbers::Closed;
use crate::reader::{Reader, blocking};
use crate::rows;
use crate::segment;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteRow;
use std::fmt;
use std::time::Duration;

pub use crate::held::{Holding, Need};

/// However full the disk is, what arrived within this time stays.
pub const YOUNG: Duration = Duration::from_secs(3600);
/// What is still needed of a segment is written anew only when it is no more than one part in so many.
const CARRIED_OF: u64 = 2;
/// Larger objects are not read into memory to be written anew.
const MOST_CARRIED: u64 = 64 << 20;

/// When what is kept may go. Without either, never.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Policy {
    /// What arrived longer ago goes.
    pub keep: Option<Duration>,
    /// While more of the disk is used, the oldest goes.
    pub watermark_percent: Option<f64>,
}

/// What a round of retention would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What should go, the oldest first.
    pub wanted: Vec<Wanted>,
    /// Segments that are not old enough, or still grow.
    pub others: u64,
}

/// A segment that should go.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub segment: u32,
    pub bytes: u64,
    pub instances: u64,
    /// When the newest of them arrived.
    pub newest: Moment,
    pub why: Why,
    /// What is still needed of it.
    pub holdings: Vec<Holding>,
    pub verdict: Verdict,
}

/// What retention has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// When the oldest arrived that is kept.
    pub oldest: Option<Moment>,
    /// The segment that went last, and when.
    pub last_evicted: Option<(u32, Moment)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Age,
    Watermark,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Evict,
    /// What is still needed is written anew first. Bytes.
    CarryForward(u64),
    Stay(Stays),
}

/// Why a segment that should go stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// More than half of it is still needed.
    Needed,
    /// An object that is still needed is too large to be written anew.
    TooLarge(Uid),
    /// The record of an object that is still needed is damaged, so that nothing of it is moved.
    Damaged(Uid),
    /// It holds records that are not in the index.
    NotIndexed,
    /// Its file cannot be read, with the reason.
    NotRead(String),
    /// What is still needed could not be written anew, with the reason.
    NotWritten(String),
    /// While it was looked at, something of it was needed again.
    NeededMeanwhile,
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needed => write!(f, "more than half of it is still needed"),
            Self::TooLarge(uid) => write!(f, "{uid} is needed and too large to be moved"),
            Self::Damaged(uid) => {
                write!(f, "the record of {uid} is needed and damaged: see gantry verify")
            }
            Self::NotRead(why) => write!(f, "its file cannot be read: {why}"),
            Self::NotWritten(why) => write!(f, "what is needed cannot be written anew: {why}"),
            Self::NotIndexed => write!(f, "it holds records that are not in the index"),
            Self::NeededMeanwhile => write!(f, "something of it is needed again"),
        }
    }
}

/// Says what stays and what for: numbers, UIDs and titles only.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, instances, bytes, .. } = self;
        write!(f, "segment {segment} ({instances} instances, {:.1} MB)", *bytes as f64 / 1e6)?;
        match &self.verdict {
            Verdict::Evict => write!(f, " goes")?,
            Verdict::CarryForward(bytes) => {
                let megabytes = *bytes as f64 / 1e6;
                write!(f, " goes when {megabytes:.1} MB of it that are needed were written anew")?;
            }
            Verdict::Stay(why) => write!(f, " stays: {why}")?,
        }
        for (number, holding) in self.holdings.iter().enumerate() {
            write!(f, "{} {holding}", if number == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

impl Reader {
    /// What retention would do now. Beside a running node it may take a segment that has just been
    /// closed for one that grows.
    pub async fn retention_plan(
        &self,
        policy: &Policy,
        disk: Disk,
        now: Moment,
    ) -> Result<Plan, StoreError> {
        let last: Option<i64> =
            sqlx::query_scalar("SELECT max(number) FROM segments").fetch_one(&self.pool).await?;
        let below = last.and_then(|last| u32::try_from(last).ok()).unwrap_or(0);
        let folder = self.folder.clone();
        let growing = blocking(move || Ok(segment::told_growing(&folder))).await?;
        plan(self, Closed { below, growing }, policy, disk, now).await
    }

    /// How old what is kept is, and what went last.
    pub async fn retained(&self) -> Result<Retained, StoreError> {
        let oldest: Option<i64> =
            sqlx::query_scalar("SELECT min(oldest_arrival) FROM segments WHERE evicted_at IS NULL")
                .fetch_one(&self.pool)
                .await?;
        let last = sqlx::query(
            "SELECT number, evicted_at FROM segments WHERE evicted_at IS NOT NULL
             ORDER BY evicted_at DESC, number DESC LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        let last_evicted = match &last {
            Some(row) => Some((rows::small(row, "number")?, rows::moment(row, "evicted_at")?)),
            None => None,
        };
        Ok(Retained { oldest: oldest.map(Moment), last_evicted })
    }

    /// Of the disk that holds the segments.
    pub async fn disk(&self) -> Result<Disk, StoreError> {
        let folder = segment::folder(&self.folder);
        blocking(move || Disk::of(&folder).map_err(StoreError::file(folder))).await
    }
}

pub(crate) async fn plan(
    reader: &Reader,
    closed: Closed,
    policy: &Policy,
    disk: Disk,
    now: Moment,
) -> Result<Plan, StoreError> {
    let found = sqlx::query(
        "SELECT number, indexed_bytes, ifnull(newest_arrival, 0) AS newest FROM segments
         WHERE evicted_at IS NULL ORDER BY number",
    )
    .fetch_all(&reader.pool)
    .await?;
    let mut too_much = too_much(policy, disk);
    let mut planned = Plan { wanted: Vec::new(), others: 0 };
    for row in &found {
        let kept = Kept::of(row)?;
        let why = kept.why(policy, too_much, now).filter(|_| closed.holds(kept.number));
        let Some(why) = why else {
            planned.others += 1;
            continue;
        };
        let wanted = look(reader, kept, why).await?;
        too_much = too_much.saturating_sub(wanted.frees());
        planned.wanted.push(wanted);
    }
    Ok(planned)
}

/// How much more is used than should be.
fn too_much(policy: &Policy, disk: Disk) -> u64 {
    let most = policy.watermark_percent.map(|percent| disk.size() as f64 * percent / 100.0);
    most.map_or(0, |most| disk.used.saturating_sub(most as u64))
}

/// A segment that is there.
struct Kept {
    number: u32,
    bytes: u64,
    newest: Moment,
}

impl Kept {
    fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: rows::small(row, "number")?,
            bytes: rows::count(row, "indexed_bytes")?,
            newest: rows::moment(row, "newest")?,
        })
    }

    /// Why it should go, if it should.
    fn why(&self, policy: &Policy, too_much: u64, now: Moment) -> Option<Why> {
        let age = now.since(self.newest);
        if policy.keep.is_some_and(|keep| age > keep) {
            return Some(Why::Age);
        }
        (too_much > 0 && age > YOUNG).then_some(Why::Watermark)
    }
}

async fn look(reader: &Reader, kept: Kept, why: Why) -> Result<Wanted, StoreError> {
    let Kept { number, bytes, newest } = kept;
    let instances: i64 = sqlx::query_scalar("SELECT count(*) FROM instances WHERE segment = $1")
        .bind(number)
        .fetch_one(&reader.pool)
        .await?;
    let needed = held::needed(&reader.pool, number).await?;
    Ok(Wanted {
        segment: number,
        bytes,
        instances: instances.unsigned_abs(),
        newest,
        why,
        verdict: verdict(bytes, &needed),
        holdings: needed.holdings,
    })
}

fn verdict(bytes: u64, needed: &Needed) -> Verdict {
    match &needed.largest {
        None => Verdict::Evict,
        _ if needed.bytes > bytes / CARRIED_OF => Verdict::Stay(Stays::Needed),
        Some((large, uid)) if *large > MOST_CARRIED => Verdict::Stay(Stays::TooLarge(uid.clone())),
        Some(_) => Verdict::CarryForward(needed.bytes),
    }
}

impl Wanted {
    /// What there is more room when this was done.
    fn frees(&self) -> u64 {
        match self.verdict {
            Verdict::Evict => self.bytes,
            Verdict::CarryForward(needed) => self.bytes.saturating_sub(needed),
            Verdict::Stay(_) => 0,
        }
    }
}
