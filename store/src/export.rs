//! Writes kept objects out as Part 10 files.

use crate::error::StoreError;
use crate::reader::{Location, Reader, blocking};
use crate::rows;
use crate::segment;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteRow;
use std::fs::{self, File};
use std::io;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    All,
    /// Of a study, a series or an instance.
    Uid(Uid),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    pub written: u64,
    /// Instances that retention took away, and when it last did.
    pub evicted: u64,
    pub evicted_at: Option<Moment>,
    /// Which instances could not be written because their records are damaged, in words.
    pub problems: Vec<String>,
}

/// Writes `<study>/<series>/<instance>.dcm` below the folder, and earlier versions that were kept
/// beside it as `<instance>.earlier-<digest>.dcm`. Names are made of UIDs, which hold digits and
/// dots only. A file that is already there is replaced, and a name never stands for
/// half a file. What retention took away is counted. A damaged record is named and left out, and the others are written. What a running
/// node takes while this writes is left out as well, so that it ends.
pub async fn export(
    reader: &Reader,
    selector: &Selector,
    to: &Path,
) -> Result<Exported, StoreError> {
    let mut exported = Exported::default();
    let mut last = Location { segment: 0, offset: 0 };
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(rowid) FROM instances").fetch_one(&reader.pool).await?;
    loop {
        // Page by page: a query that stays open keeps the node from tidying its log.
        let page = page_behind(reader, selector, last, newest).await?;
        for row in &page {
            let series = to.join(rows::uid(row, "study")?.as_str());
            let series = series.join(rows::uid(row, "series")?.as_str());
            let instance = rows::uid(row, "sop_instance")?;
            let name = match rows::column::<Option<&[u8]>>(row, "earlier")? {
                None => format!("{instance}"),
                Some(digest) => format!("{instance}.earlier-{}", short(digest)),
            };
            last = Location::of(row)?;
            let record = segment::path(&reader.folder, last.segment);
            let at = last;
            match blocking(move || write_out(&record, at, &series, &name)).await {
                Ok(()) => exported.written += 1,
                // Since the page was read. What was moved comes behind.
                Err(StoreError::Damaged { .. })
                    if reader.evicted_at(at.segment).await?.is_some() => {}
                Err(error @ StoreError::Damaged { .. }) => {
                    exported.problems.push(format!("{instance} is not written: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        if page.is_empty() {
            (exported.evicted, exported.evicted_at) = reader.evicted(selector).await?;
            return Ok(exported);
        }
    }
}

impl Reader {
    /// How many of the instances retention took away, and when it last did.
    pub async fn evicted(&self, selector: &Selector) -> Result<(u64, Option<Moment>), StoreError> {
        let all = "SELECT count(*) AS instances, max(evicted_at) AS evicted_at
             FROM segments JOIN instances ON instances.segment = segments.number
             WHERE evicted_at IS NOT NULL";
        let some = "SELECT count(*) AS instances, max(evicted_at) AS evicted_at
             FROM instances JOIN segments ON segments.number = instances.segment
             WHERE evicted_at IS NOT NULL
                 AND (sop_instance = $1 OR series = $1
                      OR (study = $1 AND series IN
                          (SELECT uid FROM series WHERE study = $1
                           UNION ALL SELECT series FROM other_studies WHERE study = $1)))";
        let query = match selector {
            Selector::All => sqlx::query(all),
            Selector::Uid(uid) => sqlx::query(some).bind(uid.as_str()),
        };
        let row = query.fetch_one(&self.pool).await?;
        Ok((rows::count(&row, "instances")?, rows::maybe_moment(&row, "evicted_at")?))
    }
}

async fn page_behind(
    reader: &Reader,
    selector: &Selector,
    last: Location,
    newest: Option<i64>,
) -> Result<Vec<SqliteRow>, StoreError> {
    // Segments are numbered from 1 on, so that nothing comes before the first page.
    let all = "SELECT sop_instance, series, study, segment, offset, NULL AS earlier FROM instances
         WHERE (segment, offset) > ($1, $2) AND rowid <= $3
             AND segment NOT IN (SELECT number FROM segments WHERE evicted_at IS NOT NULL)
         UNION ALL
         SELECT sop_instance, series, study, segment, offset, digest FROM versions
         WHERE (segment, offset) > ($1, $2)
             AND segment NOT IN (SELECT number FROM segments WHERE evicted_at IS NOT NULL)
         ORDER BY segment, offset LIMIT 256";
    // The signs keep SQLite from going through the whole index of segments for a few instances.
    let some = "SELECT * FROM
             (SELECT sop_instance, series, study, segment, offset, NULL AS earlier FROM instances
              WHERE (sop_instance = $4 OR series = $4
                      OR (study = $4 AND series IN
                          (SELECT uid FROM series WHERE study = $4
                           UNION ALL SELECT series FROM other_studies WHERE study = $4)))
                  AND (+segment, +offset) > ($1, $2) AND +rowid <= $3
              UNION ALL
              SELECT sop_instance, series, study, segment, offset, digest FROM versions
              WHERE (sop_instance = $4 OR series = $4
                      OR (study = $4 AND series IN
                          (SELECT uid FROM series WHERE study = $4
                           UNION ALL SELECT series FROM other_studies WHERE study = $4)))
                  AND (+segment, +offset) > ($1, $2))
         WHERE segment NOT IN (SELECT number FROM segments WHERE evicted_at IS NOT NULL)
         ORDER BY +segment, +offset LIMIT 256";
    let query = match selector {
        Selector::All => sqlx::query(all),
        Selector::Uid(_) => sqlx::query(some),
    };
    let query = query.bind(last.segment).bind(last.offset as i64).bind(newest);
    let query = match selector {
        Selector::All => query,
        Selector::Uid(uid) => query.bind(uid.as_str()),
    };
    Ok(query.fetch_all(&reader.pool).await?)
}

/// Enough to tell the versions of one instance apart.
fn short(digest: &[u8]) -> String {
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn write_out(record: &Path, at: Location, folder: &Path, name: &str) -> Result<(), StoreError> {
    let from = match File::open(record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(at.gone()),
        from => from.map_err(StoreError::file(record))?,
    };
    fs::create_dir_all(folder).map_err(StoreError::file(folder))?;
    let path = folder.join(format!("{name}.dcm"));
    let growing = folder.join(format!("{name}.part"));
    let write = || -> io::Result<bool> {
        let whole = segment::copy_payload(&from, at.offset, &mut File::create(&growing)?)?;
        match whole {
            true => fs::rename(&growing, &path)?,
            false => fs::remove_file(&growing)?,
        }
        Ok(whole)
    };
    match write().map_err(StoreError::file(&path))? {
        true => Ok(()),
        false => Err(at.damaged()),
    }
}
