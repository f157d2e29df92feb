//! What lies in a segment where a record should: told from what a write leaves that was broken off, and put aside before it is cut off.

use crate::direct::padding;
use crate::error::StoreError;
use crate::recovery::Recovered;
use crate::rows;
use crate::segment;
use sqlx::SqlitePool;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What lies where a record should.
pub(crate) struct Damage {
    /// Nobody was told that it is kept.
    pub(crate) is_torn: bool,
    /// Words that name the instance to the admin, where its record still tells.
    whose: String,
    /// Up to the zeros that the segment ends with.
    bytes: u64,
}

impl Damage {
    pub(crate) fn look(path: &Path, offset: u64, recovered: &Recovered) -> io::Result<Self> {
        let file = File::open(path)?;
        let instance = segment::seems_to_hold(&file, offset)?;
        let whose = instance.map(|uid| format!(" (of instance {uid}, it seems)"));
        Ok(Self {
            // Without an index everything is replayed, and not only what was just written.
            is_torn: !recovered.index_lost && segment::is_torn(&file, offset)?,
            whose: whose.unwrap_or_default(),
            bytes: segment::end_of_data(&file, offset)? - offset,
        })
    }

    /// Whole records lie behind it: nothing is altered.
    pub(crate) fn tell_amid(self, number: u32, offset: u64, bytes: u64, recovered: &mut Recovered) {
        let (what, whose) = (format!("segment {number} has {bytes} bytes at {offset}"), self.whose);
        match self.is_torn {
            false => recovered.problems.push(format!("{what} that are no record{whose}")),
            true => recovered.torn.push(format!(
                "{what} that are no whole record, as a power cut leaves them of a write that \
                 nobody was told of; they stay where they are{whose}"
            )),
        }
    }

    /// Whether it is to be cut off: what may have been acknowledged only when it was put aside.
    pub(crate) fn tell_at_the_end(
        self,
        store: &Path,
        number: u32,
        offset: u64,
        recovered: &mut Recovered,
    ) -> bool {
        let Self { is_torn, whose, bytes } = self;
        let what = format!("the last {bytes} bytes of segment {number}, at {offset},");
        if is_torn {
            recovered.torn.push(format!(
                "{what} were no whole record, as a write leaves them that was broken off before \
                 anybody was told that it is kept; they were cut off{whose}"
            ));
            return true;
        }
        let (what, aside) =
            (format!("{what} are no whole record{whose}"), set_aside(store, number, offset, bytes));
        recovered.problems.push(match &aside {
            Ok(aside) => format!("{what}; they were put aside as {}", aside.display()),
            // On a full disk, for example: the node is to start all the same.
            Err(error) => format!("{what}, and stay there: they cannot be put aside: {error}"),
        });
        aside.is_ok()
    }
}

/// What may have been acknowledged is copied into a folder of its own before it is cut off.
fn set_aside(store: &Path, number: u32, offset: u64, bytes: u64) -> io::Result<PathBuf> {
    let folder = store.join("damaged");
    let path = folder.join(format!("{number:08}-{offset}.record"));
    let copy = || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        let mut file = File::open(segment::path(store, number))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut aside = File::create(&path)?;
        io::copy(&mut file.take(bytes), &mut aside)?;
        aside.sync_all()?;
        File::open(&folder)?.sync_all()?;
        File::open(store)?.sync_all()
    };
    match copy() {
        Ok(()) => Ok(path),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

/// What a segment was prepared for and is not used for any more. If that fails, it only takes room.
pub(crate) fn give_back(store: &Path, number: u32, end: u64) {
    let (path, length) = (segment::path(store, number), end + padding(end));
    let is_longer = fs::metadata(&path).is_ok_and(|file| file.len() > length);
    if let Err(error) = if is_longer { cut(&path, length) } else { Ok(()) } {
        tracing::warn!(station = "keep", segment = number, %error, "not cut to its length");
    }
}

pub(crate) fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Whether an earlier start found that nothing is missing there.
pub(crate) async fn is_hole(
    pool: &SqlitePool,
    number: u32,
    offset: u64,
    next: u64,
) -> Result<bool, StoreError> {
    Ok(holes(pool, number).await?.get(&offset) == Some(&next))
}

/// Where they end, by where they begin.
pub(crate) async fn holes(
    pool: &SqlitePool,
    number: u32,
) -> Result<BTreeMap<u64, u64>, StoreError> {
    let found = sqlx::query("SELECT begins, ends FROM holes WHERE segment = $1")
        .bind(number)
        .fetch_all(pool)
        .await?;
    found.iter().map(|row| Ok((rows::count(row, "begins")?, rows::count(row, "ends")?))).collect()
}

pub(crate) async fn add_hole(
    pool: &SqlitePool,
    number: u32,
    offset: u64,
    next: u64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO holes VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(number)
        .bind(offset as i64)
        .bind(next as i64)
        .execute(pool)
        .await?;
    Ok(())
}
