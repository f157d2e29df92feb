//! Checks every record's checksum and digest, and that index and segments say the same.

use crate::damage;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::evict::evicted_segments;
use crate::export::Selector;
use crate::incoming::Identity;
use crate::reader::{Reader, blocking};
use crate::recovery;
use crate::rows;
use crate::seal::Seal;
use crate::segment::{self, Scan, Scanned};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    pub segments: u64,
    pub records: u64,
    pub instances: u64,
    pub bytes: u64,
    /// Whole records behind what is indexed: a running node is about to index them, and the next
    /// start of one that was killed does.
    pub not_yet_indexed: u64,
    /// Instances that retention took away: nothing of them is left to check.
    pub evicted: u64,
    /// Records whose bytes were replaced by later ones; retention takes them away.
    pub superseded: u64,
    /// What was found wrong, in words; empty when all is well.
    pub problems: Vec<String>,
}

/// Reads every byte of every segment as far as it is indexed; beside a running node, what is being
/// kept right now is only counted.
pub async fn verify(reader: &Reader) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let mut segments = recovery::indexed_bytes(&reader.pool).await?;
    let evicted = evicted_segments(&reader.pool).await?;
    let (folder, seal) = (reader.folder.clone(), Seal::read(&reader.folder));
    let there =
        move || segment::numbers(&folder).map_err(StoreError::file(segment::folder(&folder)));
    for number in blocking(there).await?.into_iter().filter(|one| !evicted.contains(one)) {
        segments.entry(number).or_insert(0);
    }
    for (number, indexed) in segments {
        let rows = rows_of(reader, number, indexed).await?;
        let instances = rows.len() as u64;
        let holes = damage::holes(&reader.pool, number).await?;
        let path = segment::path(&reader.folder, number);
        let segment = Segment { path, number, indexed, seal, rows, holes };
        let found = blocking(move || Ok(check(&segment))).await?;
        if found.is_gone && reader.evicted_at(number).await?.is_some() {
            continue;
        }
        verified.segments += 1;
        verified.records += found.records;
        verified.bytes += found.bytes;
        verified.not_yet_indexed += found.not_yet_indexed;
        verified.instances += instances - found.missing;
        verified.problems.extend(found.problems);
        for record in found.elsewhere {
            check_elsewhere(reader, number, record, &mut verified).await?;
        }
    }
    check_bases(reader, &mut verified).await?;
    (verified.evicted, _) = reader.evicted(&Selector::All).await?;
    Ok(verified)
}

/// Without its base a header cannot be read, and its series not be decided.
async fn check_bases(reader: &Reader, verified: &mut Verified) -> Result<(), StoreError> {
    let without: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM instances
         WHERE base IS NOT NULL AND NOT EXISTS (SELECT 1 FROM bases WHERE id = instances.base)",
    )
    .fetch_one(&reader.pool)
    .await?;
    if without > 0 {
        verified.problems.push(format!(
            "what {without} headers share with others is not in the index; gantry reindex builds it anew"
        ));
    }
    Ok(())
}

/// By where their records begin: whose they are and what they hold.
type Rows = BTreeMap<u64, (String, Vec<u8>)>;

/// Up to where the segment was indexed when that was asked: a running node adds rows meanwhile.
async fn rows_of(reader: &Reader, segment: u32, indexed: u64) -> Result<Rows, StoreError> {
    let found = sqlx::query(
        "SELECT offset, sop_instance, digest FROM instances WHERE segment = $1 AND offset < $2
         UNION ALL
         SELECT offset, sop_instance, digest FROM versions WHERE segment = $1 AND offset < $2",
    )
    .bind(segment)
    .bind(indexed as i64)
    .fetch_all(&reader.pool)
    .await?;
    let row = |row| {
        let instance = (rows::column(row, "sop_instance")?, rows::column(row, "digest")?);
        Ok((rows::count(row, "offset")?, instance))
    };
    found.iter().map(row).collect()
}

#[derive(Default)]
struct Checked {
    records: u64,
    bytes: u64,
    not_yet_indexed: u64,
    /// There is no such file (any more).
    is_gone: bool,
    /// Rows without a record.
    missing: u64,
    /// Records without a row here.
    elsewhere: Vec<Elsewhere>,
    problems: Vec<String>,
}

struct Elsewhere {
    sop_instance: Uid,
    digest: Digest,
    arrival: Moment,
}

/// What the index says of a segment.
struct Segment {
    path: PathBuf,
    number: u32,
    indexed: u64,
    seal: Option<Seal>,
    rows: Rows,
    /// Where no record is missing, though none is there.
    holes: BTreeMap<u64, u64>,
}

fn check(segment: &Segment) -> Checked {
    let Segment { number, rows, .. } = segment;
    let mut checked = Checked::default();
    let mut seen = BTreeSet::new();
    let read = scan(segment, &mut checked, &mut seen);
    if let Err(error) = read.and_then(|()| count_behind(segment, &mut checked)) {
        checked.is_gone = error.kind() == io::ErrorKind::NotFound;
        checked.problems.push(format!("segment {number} cannot be read: {error}"));
    }
    for (offset, (sop_instance, _)) in rows.iter().filter(|(offset, _)| !seen.contains(*offset)) {
        checked.missing += 1;
        checked.problems.push(format!(
            "the record of {sop_instance} in segment {number} at {offset} is damaged or gone"
        ));
    }
    checked
}

fn scan(segment: &Segment, checked: &mut Checked, seen: &mut BTreeSet<u64>) -> io::Result<()> {
    let Segment { path, number, indexed, seal, rows, holes } = segment;
    let mut scan = Scan::of(path, 0, *indexed)?.sealed(*seal, *number);
    loop {
        match scan.next()? {
            Scanned::End => return Ok(()),
            Scanned::Damage { offset, next: Some(next) } if holes.get(&offset) == Some(&next) => {}
            Scanned::Damage { offset, next } => {
                let end = next.unwrap_or(*indexed);
                let problem = format!("segment {number} is damaged at {offset}, up to {end}");
                checked.problems.push(problem);
            }
            Scanned::Record(found) => {
                checked.records += 1;
                checked.bytes += found.head.length();
                let Identity { sop_instance, arrival, .. } = found.identity;
                match rows.get(&found.offset) {
                    Some((uid, digest)) if *uid == sop_instance.as_str() => {
                        seen.insert(found.offset);
                        if *digest != found.head.digest {
                            let problem = format!("the index has another digest of {uid}");
                            checked.problems.push(problem);
                        }
                    }
                    _ => {
                        let digest = found.head.digest;
                        checked.elsewhere.push(Elsewhere { sop_instance, digest, arrival });
                    }
                }
            }
        }
    }
}

fn count_behind(segment: &Segment, checked: &mut Checked) -> io::Result<()> {
    let mut behind = Scan::of(&segment.path, segment.indexed, u64::MAX)?;
    loop {
        match behind.next()? {
            Scanned::End => return Ok(()),
            Scanned::Record(_) => checked.not_yet_indexed += 1,
            // What a node writes just now, or the torn tail of one that was killed.
            Scanned::Damage { .. } => {}
        }
    }
}

/// A record may be there twice when a sync failed before the sender tried again, and where a
/// damaged one was mended by its sender. One that arrived earlier was replaced.
async fn check_elsewhere(
    reader: &Reader,
    segment: u32,
    record: Elsewhere,
    verified: &mut Verified,
) -> Result<(), StoreError> {
    let Elsewhere { sop_instance, digest, arrival } = record;
    match reader.kept_record(&sop_instance).await? {
        Some(kept) if kept.digest == digest => {}
        Some(kept) if kept.arrival > arrival => verified.superseded += 1,
        Some(_) => verified
            .problems
            .push(format!("segment {segment} has other bytes of {sop_instance} than are indexed")),
        None => verified
            .problems
            .push(format!("{sop_instance} in segment {segment} is not in the index")),
    }
    Ok(())
}
