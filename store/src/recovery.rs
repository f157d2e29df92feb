//! What happens at every start: leftovers go, torn tails are cut, and the index is brought up to the last record.

use crate::bases::Bases;
use crate::damage::{self, Damage};
use crate::error::StoreError;
use crate::events::{self, Event};
use crate::evict::evicted_segments;
use crate::header::{self, HeaderError};
use crate::header_text::HeaderText;
use crate::index::{self, Entry};
use crate::part10::{LONGEST_HEAD, read_head};
use crate::rows;
use crate::seal::Seal;
use crate::segment::{self, Found, Scan, Scanned};
use gantry_terms::header::Header;
use sqlx::SqlitePool;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Rows of one transaction while many records are replayed.
const BATCH: usize = 256;
/// Bytes of their headers, so that a start needs no more memory than receiving did.
const BATCH_HEADERS: usize = 16 << 20;

/// What was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) segments: u64,
    pub(crate) records: u64,
    pub(crate) added: u64,
    pub(crate) next_number: u32,
    /// The last segment and where its last record ends, when it may be appended to.
    pub(crate) resume: Option<(u32, u64)>,
    pub(crate) problems: Vec<String>,
    /// What writes that were broken off left behind; nobody was told that it is kept.
    pub(crate) torn: Vec<String>,
    pub(crate) index_lost: bool,
    seal: Option<Seal>,
}

/// Streams that a crash left half-written. Nobody was told that they are kept.
pub(crate) fn remove_leftovers(store: &Path) -> Result<(), StoreError> {
    let folder = segment::folder(store);
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&folder)?;
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    for path in list().map_err(StoreError::file(&folder))? {
        if path.extension().is_some_and(|extension| extension == segment::TEMPORARY) {
            fs::remove_file(&path).map_err(StoreError::file(&path))?;
        }
    }
    Ok(())
}

/// Replays every record behind the last indexed one. What ends a segment and is no whole record is
/// cut off. It is put aside before, unless it shows that it is what a write that was broken off left,
/// of which nobody was ever told that it is kept. When everything is replayed because the index was
/// lost, nobody knows that of any.
pub(crate) async fn replay(
    store: &Path,
    pool: &SqlitePool,
    index_lost: bool,
) -> Result<Recovered, StoreError> {
    let seal = Seal::read(store);
    let mut recovered = Recovered { index_lost, seal, ..Recovered::default() };
    let mut indexed = indexed_bytes(pool).await?;
    let folder = segment::folder(store);
    let numbers = segment::numbers(store).map_err(StoreError::file(&folder))?;
    // A name made durable by nobody yet may vanish with a power cut.
    segment::sync_folder(store).map_err(StoreError::file(&folder))?;
    let newest = numbers.last().copied().max(newest_number(pool).await?);
    recovered.next_number = newest.map_or(1, |newest| newest.saturating_add(1));
    let evicted = evicted_segments(pool).await?;
    for number in numbers.into_iter().filter(|number| !evicted.contains(number)) {
        recovered.segments += 1;
        if let Some((earlier, end)) = recovered.resume.take() {
            damage::give_back(store, earlier, end);
        }
        let from = indexed.remove(&number).unwrap_or(0);
        replay_segment(store, pool, number, from, &mut recovered).await?;
    }
    for (missing, bytes) in indexed {
        if bytes > 0 {
            recovered.problems.push(format!("segment {missing} is gone from the disk"));
        }
    }
    for problem in &recovered.problems {
        tracing::error!(station = "keep", problem, "the segments are not what they were");
        tell(pool, "damage", problem).await?;
    }
    for torn in &recovered.torn {
        tracing::info!(station = "keep", torn, "cut a torn tail");
        tell(pool, "torn tail", torn).await?;
    }
    Ok(recovered)
}

/// Says that a node came up without an index, and what that cost.
pub(crate) async fn tell_lost_index(
    pool: &SqlitePool,
    recovered: &Recovered,
) -> Result<(), StoreError> {
    let segments = recovered.segments;
    // More than were replayed now, when it was begun before.
    let records: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM instances) + (SELECT count(*) FROM versions)",
    )
    .fetch_one(pool)
    .await?;
    let records = recovered.records.max(records.unsigned_abs());
    if records == 0 {
        return Ok(());
    }
    let text = format!(
        "the index was gone and was built again from {records} records in {segments} segments; \
         what was decided and delivered before is forgotten, so that every series is decided anew"
    );
    tracing::error!(station = "keep", records, segments, "the index was gone and was built again");
    tell(pool, "index lost", &text).await
}

async fn tell(pool: &SqlitePool, kind: &str, text: &str) -> Result<(), StoreError> {
    let (station, kind, text) = ("keep".into(), kind.into(), text.into());
    events::add(pool, &Event { station, kind, subject: None, text }).await
}

/// Of every segment that there was, so that no number is used again.
async fn newest_number(pool: &SqlitePool) -> Result<Option<u32>, StoreError> {
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(number) FROM segments").fetch_one(pool).await?;
    Ok(newest.and_then(|newest| u32::try_from(newest).ok()))
}

/// Of the segments that were not evicted.
pub(crate) async fn indexed_bytes(pool: &SqlitePool) -> Result<BTreeMap<u32, u64>, StoreError> {
    let found = sqlx::query("SELECT number, indexed_bytes FROM segments WHERE evicted_at IS NULL")
        .fetch_all(pool)
        .await?;
    found
        .iter()
        .map(|row| Ok((rows::small(row, "number")?, rows::count(row, "indexed_bytes")?)))
        .collect()
}

async fn replay_segment(
    store: &Path,
    pool: &SqlitePool,
    number: u32,
    from: u64,
    recovered: &mut Recovered,
) -> Result<(), StoreError> {
    let path = segment::path(store, number);
    let failed = || StoreError::file(&path);
    let length = fs::metadata(&path).map_err(failed())?.len();
    if length < from {
        let lost = from - length;
        let whose = cut_off(pool, &path, number, length).await?;
        recovered
            .problems
            .push(format!("segment {number} has lost its last {lost} bytes, at {length}{whose}"));
        return Ok(());
    }
    if length > from {
        // What a killed node wrote may still be in the page cache alone.
        File::open(&path).and_then(|file| file.sync_all()).map_err(failed())?;
    }
    let scan = Scan::of(&path, from, length).map_err(failed())?;
    let mut scan = scan.sealed(recovered.seal, number);
    let (mut batch, mut headers, mut sound, mut end) = (Vec::new(), 0, true, from);
    let mut bases = Bases::default();
    loop {
        match scan.next().map_err(failed())? {
            Scanned::End => break,
            Scanned::Record(found) => {
                recovered.records += 1;
                end = found.offset + found.head.length();
                let entry = entry(&path, number, found, &mut recovered.problems);
                headers += entry.header.as_str().len();
                batch.push(entry);
            }
            Scanned::Damage { offset, next: Some(next) } => {
                sound = false;
                if damage::is_hole(pool, number, offset, next).await? {
                    continue;
                }
                let found = Damage::look(&path, offset, recovered).map_err(failed())?;
                if found.is_torn {
                    damage::add_hole(pool, number, offset, next).await?;
                }
                found.tell_amid(number, offset, next - offset, recovered);
            }
            Scanned::Damage { offset, next: None } => {
                let found = Damage::look(&path, offset, recovered).map_err(failed())?;
                let cuts = found.tell_at_the_end(store, number, offset, recovered);
                sound = sound && cuts;
                if cuts {
                    damage::cut(&path, offset).map_err(failed())?;
                }
            }
        }
        if batch.len() >= BATCH || headers >= BATCH_HEADERS {
            recovered.added += index::add(pool, &mut bases, &batch).await?.new;
            (batch, headers) = (Vec::new(), 0);
        }
    }
    recovered.added += index::add(pool, &mut bases, &batch).await?.new;
    recovered.resume = sound.then_some((number, end));
    Ok(())
}

/// Words that name the instances whose records end behind the end of their segment.
async fn cut_off(
    pool: &SqlitePool,
    path: &Path,
    segment: u32,
    length: u64,
) -> Result<String, StoreError> {
    const NAMED: usize = 5;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT sop_instance, offset FROM instances WHERE segment = $1 AND offset >=
             (SELECT ifnull(max(offset), 0) FROM instances WHERE segment = $1 AND offset < $2)
         ORDER BY offset",
    )
    .bind(segment)
    .bind(length as i64)
    .fetch_all(pool)
    .await?;
    let file = File::open(path).map_err(StoreError::file(path))?;
    let mut lost = Vec::new();
    for (instance, offset) in rows {
        let front = segment::read_front(&file, offset.unsigned_abs());
        let front = front.map_err(StoreError::file(path))?;
        if front.is_none_or(|(head, _)| offset.unsigned_abs() + head.length() > length) {
            lost.push(instance);
        }
    }
    let named = lost[..lost.len().min(NAMED)].join(", ");
    Ok(match lost.len() {
        0 => String::new(),
        few if few <= NAMED => format!(", and with them {named}"),
        many => format!(", and with them {named} and {} more", many - NAMED),
    })
}

fn entry(path: &Path, segment: u32, found: Found, problems: &mut Vec<String>) -> Entry {
    let Found { offset, head, identity, keeps_earlier } = found;
    let begin = offset + u64::from(head.payload_offset);
    let header = read_header_at(path, begin, head.payload).unwrap_or_else(|error| {
        problems.push(format!("the header of {} cannot be read: {error}", identity.sop_instance));
        Header::default()
    });
    Entry {
        identity,
        header: HeaderText::of(&header),
        segment,
        offset,
        end: offset + head.length(),
        bytes: head.payload,
        digest: head.digest,
        keeps_earlier,
        claim: None,
    }
}

/// The header of a Part 10 file inside a file, in memory that does not grow with it.
pub(crate) fn read_header_at(path: &Path, begin: u64, length: u64) -> io::Result<Header> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(begin))?;
    let mut front = Vec::new();
    file.by_ref().take(length.min(LONGEST_HEAD as u64)).read_to_end(&mut front)?;
    let unreadable = |error: HeaderError| io::Error::new(io::ErrorKind::InvalidData, error);
    let head = read_head(&front).map_err(unreadable)?;
    let syntax = head.transfer_syntax.ok_or(io::ErrorKind::InvalidData)?;
    file.seek(SeekFrom::Start(begin + head.data_set as u64))?;
    header::read_file(file, length - head.data_set as u64, &syntax).map_err(unreadable)
}
