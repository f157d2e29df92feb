//! The audit trail on disk: numbered files of one message a line, written by whoever holds its lock, which no reader has to.

use chrono::{DateTime, Local};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".log";
/// Longer than any message.
const LAST_LINE: u64 = 64 << 10;

/// When a new file is begun, and when the oldest goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub file_bytes: u64,
    pub keep: Duration,
    pub keep_bytes: u64,
}

/// Cheap to clone. The node and the commands beside it write into the same trail.
#[derive(Debug, Clone)]
pub struct Trail {
    pub folder: PathBuf,
    limits: Limits,
}

impl Trail {
    pub fn new(folder: &Path, limits: Limits) -> Self {
        Self { folder: folder.into(), limits }
    }

    /// Whole lines, synced. Either all of them are there afterwards, or none. The numbers of the files that went for it.
    pub fn append(&self, lines: &str) -> io::Result<Vec<u32>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let lock = own().write(true).create(true).truncate(false).open(self.folder.join("lock"))?;
        lock.lock()?;
        let numbers = numbers(&self.folder)?;
        let newest = numbers.last().copied();
        let number = match newest {
            Some(newest) if !self.is_full(newest)? => newest,
            newest => newest.unwrap_or(0) + 1,
        };
        let mut options = own();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path(&self.folder, number))?;
        let end = whole_lines(&mut file)?;
        file.seek(SeekFrom::Start(end))?;
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What could not be cut off the next one cuts off.
            let _ = file.set_len(end);
            return Err(error);
        }
        if newest == Some(number) {
            return Ok(Vec::new());
        }
        File::open(&self.folder)?.sync_all()?;
        self.tidy(&numbers)
    }

    /// By size, or because it is another day.
    fn is_full(&self, number: u32) -> io::Result<bool> {
        let metadata = fs::metadata(path(&self.folder, number))?;
        let day = |time: SystemTime| DateTime::<Local>::from(time).date_naive();
        let is_of_today = day(metadata.modified()?) == day(SystemTime::now());
        Ok(metadata.len() >= self.limits.file_bytes || (!is_of_today && metadata.len() > 0))
    }

    /// Those that are too old, and the oldest while all together are too large.
    fn tidy(&self, closed: &[u32]) -> io::Result<Vec<u32>> {
        let (mut kept, mut gone) = (0, Vec::new());
        for number in closed.iter().rev() {
            let path = path(&self.folder, *number);
            let metadata = fs::metadata(&path)?;
            kept += metadata.len();
            let age = metadata.modified()?.elapsed().unwrap_or_default();
            if kept > self.limits.keep_bytes || age > self.limits.keep {
                fs::remove_file(&path)?;
                gone.push(*number);
            }
        }
        gone.sort_unstable();
        Ok(gone)
    }
}

/// For the owner alone.
fn own() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Where the last whole line ends: a crash may have left a part of one behind it, which is cut off.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LAST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut last = Vec::new();
    file.read_to_end(&mut last)?;
    let end = match last.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => from + at as u64 + 1,
        None => from,
    };
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

pub(super) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{PREFIX}{number:06}{SUFFIX}"))
}

/// Of the files that are there, in order.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        numbers.extend(digits.and_then(|digits| digits.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A place between two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Cursor {
    pub file: u32,
    pub offset: u64,
}

/// What comes behind a place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Each without the end of its line, and the place behind it.
    pub lines: Vec<(String, Cursor)>,
    /// How many files were gone before they were read.
    pub missed: u32,
    /// Where to read on.
    pub next: Cursor,
}

/// Up to `most` bytes of messages, and at least one where there is one.
pub fn read_behind(folder: &Path, cursor: Cursor, most: u64) -> io::Result<Batch> {
    let numbers = numbers(folder)?;
    // Behind all that is there: the folder is another one, which is read from its beginning.
    let is_another = numbers.last().is_some_and(|newest| *newest < cursor.file);
    let next = if is_another { Cursor::default() } else { cursor };
    let mut batch = Batch { next, ..Batch::default() };
    for number in numbers.iter().copied().filter(|number| *number >= next.file) {
        if number > batch.next.file {
            // Nobody writes into a file when the next one is there: what was read of it to the end is all.
            let skipped = number - batch.next.file - 1;
            let gone = u32::from(batch.next.file > 0 && !numbers.contains(&batch.next.file));
            batch.missed += if batch.next.file == 0 { 0 } else { skipped + gone };
            batch.next = Cursor { file: number, offset: 0 };
        }
        let is_newest = numbers.last() == Some(&number);
        let whole = lines_of(folder, most, &mut batch)?;
        if !batch.lines.is_empty() || is_newest || !whole {
            break;
        }
    }
    Ok(batch)
}

/// Whether it was read to its end, where a part of a message may lie that a crash left.
fn lines_of(folder: &Path, most: u64, batch: &mut Batch) -> io::Result<bool> {
    let mut file = match File::open(path(folder, batch.next.file)) {
        Ok(file) => file,
        // It went this moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(batch.next.offset))?;
    let (mut bytes, window) = (Vec::new(), most.max(LAST_LINE));
    let is_at_end = (file.take(window).read_to_end(&mut bytes)? as u64) < window;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        batch.next.offset += line.len() as u64;
        let text = String::from_utf8_lossy(whole).into_owned();
        batch.lines.push((text, batch.next));
    }
    if batch.lines.is_empty() && !is_at_end {
        // No message is so long: somebody else wrote here.
        batch.next.offset += window;
    }
    Ok(is_at_end)
}

/// How many files and bytes there are, and how many bytes lie behind a place.
pub fn measured(folder: &Path, cursor: Cursor) -> io::Result<(u64, u64, u64)> {
    let (mut files, mut bytes, mut behind) = (0, 0, 0);
    for number in numbers(folder)? {
        let length = fs::metadata(path(folder, number))?.len();
        (files, bytes) = (files + 1, bytes + length);
        behind += match number.cmp(&cursor.file) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => length.saturating_sub(cursor.offset),
            std::cmp::Ordering::Greater => length,
        };
    }
    Ok((files, bytes, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    const LIMITS: Limits =
        Limits { file_bytes: 20, keep: Duration::from_secs(3600), keep_bytes: 60 };

    fn read_all(folder: &Path) -> (Vec<String>, u32) {
        let (mut cursor, mut all, mut missed) = (Cursor::default(), Vec::new(), 0);
        loop {
            let batch = read_behind(folder, cursor, 1).expect("it can be read");
            missed += batch.missed;
            if batch.lines.is_empty() {
                return (all, missed);
            }
            cursor = batch.next;
            all.extend(batch.lines.into_iter().map(|(line, _)| line));
        }
    }

    #[test]
    fn what_is_appended_is_read_in_order_over_several_files_that_only_the_owner_can_read() {
        let folder = TempDir::new().expect("a folder");
        let folder = folder.path().join("audit");
        let trail = Trail::new(&folder, LIMITS);
        for number in 0..5 {
            trail.append(&format!("message {number}\n")).expect("written");
        }
        assert_eq!(numbers(&folder).expect("listed"), [1, 2, 3]);
        let wanted: Vec<String> = (0..5).map(|number| format!("message {number}")).collect();
        assert_eq!(read_all(&folder), (wanted, 0));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path(&folder, 1))), (0o700, 0o600));
    }

    #[test]
    fn half_a_message_of_a_crash_is_neither_read_nor_written_on() {
        let folder = TempDir::new().expect("a folder");
        let trail = Trail::new(folder.path(), Limits { file_bytes: 1000, ..LIMITS });
        trail.append("whole\n").expect("written");
        fs::write(path(folder.path(), 1), "whole\nha").expect("written");
        assert_eq!(read_all(folder.path()).0, ["whole"]);
        trail.append("next\n").expect("written");
        assert_eq!(read_all(folder.path()).0, ["whole", "next"]);
        fs::write(path(folder.path(), 1), "whole\nha").expect("written");
        fs::write(path(folder.path(), 2), "another\n").expect("written");
        assert_eq!(read_all(folder.path()).0, ["whole", "another"]);
    }

    #[test]
    fn the_oldest_go_when_all_are_too_large_and_a_reader_hears_how_many_it_missed() {
        let folder = TempDir::new().expect("a folder");
        let trail = Trail::new(folder.path(), LIMITS);
        let mut gone = Vec::new();
        for number in 0..8 {
            gone.extend(trail.append(&format!("{number} is a long message\n")).expect("written"));
        }
        assert_eq!(gone, [1, 2, 3, 4]);
        let (all, _) = read_all(folder.path());
        assert_eq!(all.len(), 4);
        let behind = read_behind(folder.path(), Cursor { file: 2, offset: 20 }, 1);
        assert_eq!(behind.expect("read").missed, 3);
    }

    #[test]
    fn a_file_of_yesterday_is_not_written_on_and_one_that_is_too_old_goes() {
        let folder = TempDir::new().expect("a folder");
        let trail = Trail::new(folder.path(), Limits { file_bytes: 1000, ..LIMITS });
        trail.append("first\n").expect("written");
        let first = File::options().write(true).open(path(folder.path(), 1)).expect("there");
        first.set_modified(SystemTime::now() - Duration::from_secs(2 * 86_400)).expect("set");
        assert_eq!(trail.append("second\n").expect("written"), [1]);
        assert_eq!(read_all(folder.path()).0, ["second"]);
    }
}
