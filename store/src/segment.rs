//! Segment files: their names, reading a record, and scanning records one after another.

use crate::direct::{BLOCK, padding};
use crate::incoming::Identity;
use crate::record::{self, HEAD_BYTES, Head, LONGEST_META, MAGIC, Meta, Sums};
use crate::seal::Seal;
use gantry_terms::uid::Uid;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(crate) const TEMPORARY: &str = "tmp";
pub(crate) const LOCK: &str = "lock";

pub(crate) fn folder(store: &Path) -> PathBuf {
    store.join("segments")
}

pub(crate) fn path(store: &Path, number: u32) -> PathBuf {
    folder(store).join(format!("{number:08}.seg"))
}

/// Where a streamed object grows until it is whole.
pub(crate) fn temporary_path(store: &Path, serial: u64) -> PathBuf {
    folder(store).join(format!("stream-{serial}.{TEMPORARY}"))
}

/// The segments in the folder, in their order.
pub(crate) fn numbers(store: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder(store))? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Tells readers beside the node, in the file that locks the folder, which segment grows. To know it
/// makes what they say of retention exact; nothing rests on it.
pub(crate) fn tell_growing(lock: &File, number: u32) {
    if let Err(error) = lock.write_all_at(format!("{number:08}\n").as_bytes(), 0) {
        tracing::debug!(station = "keep", %error, "the growing segment is not told");
    }
}

/// What the node that has the folder, or had it last, said there.
pub(crate) fn told_growing(store: &Path) -> Option<u32> {
    fs::read_to_string(store.join(LOCK)).ok()?.trim().parse().ok()
}

/// Makes the names in the folder of segments durable.
pub(crate) fn sync_folder(store: &Path) -> io::Result<()> {
    File::open(folder(store))?.sync_all()
}

/// A record that was found whole.
pub(crate) struct Found {
    pub(crate) offset: u64,
    pub(crate) head: Head,
    pub(crate) identity: Identity,
    pub(crate) keeps_earlier: bool,
}

/// What a scan came upon.
pub(crate) enum Scanned {
    Record(Found),
    /// Bytes that are no whole record, and where the next whole one begins, if any does.
    Damage {
        offset: u64,
        next: Option<u64>,
    },
    End,
}

/// Goes through a segment from one record to the next. Memory does not grow with the objects.
pub(crate) struct Scan {
    file: File,
    length: u64,
    position: u64,
    /// What a record bears that is found by looking for it, and in which segment this is.
    seal: Option<(Seal, u32)>,
}

impl Scan {
    /// Of the bytes from one position up to another, or up to the end of the file.
    pub(crate) fn of(path: &Path, from: u64, to: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len().min(to);
        Ok(Self { file, length, position: from, seal: None })
    }

    /// Behind damage only a record of this store is taken for one.
    pub(crate) fn sealed(self, seal: Option<Seal>, number: u32) -> Self {
        Self { seal: seal.map(|seal| (seal, number)), ..self }
    }

    pub(crate) fn next(&mut self) -> io::Result<Scanned> {
        if self.position >= self.length {
            return Ok(Scanned::End);
        }
        if let Some(found) = self.record_at(self.position)? {
            self.position += found.head.length();
            return Ok(Scanned::Record(found));
        }
        // Behind the last record of a batch there are zeros up to the next border of blocks, and
        // in a segment that was prepared there may be nothing but zeros up to its end.
        let border = self.position + padding(self.position);
        if border > self.position && self.is_zero(self.position, border)? {
            self.position = border;
            return self.next();
        }
        let offset = self.position;
        if self.is_zero(offset, self.length)? {
            self.position = self.length;
            return Ok(Scanned::End);
        }
        let next = self.behind_damage(offset)?;
        self.position = next.unwrap_or(self.length);
        Ok(Scanned::Damage { offset, next })
    }

    /// Where the next whole record begins. While the damaged ones tell their lengths nothing is
    /// looked for within them: an object may hold whatever its sender likes, records too.
    fn behind_damage(&self, offset: u64) -> io::Result<Option<u64>> {
        let mut at = offset;
        while let Some(head) = read_head(&self.file, at)? {
            at += head.length();
            for begin in [at, at + padding(at)] {
                if begin < self.length && self.record_at(begin)?.is_some() {
                    return Ok(Some(begin));
                }
            }
            let border = at + padding(at);
            if self.is_zero(at, border)? {
                at = border;
            }
            if at >= self.length || self.is_zero(at, self.length)? {
                return Ok(None);
            }
        }
        self.look_for_record(at + 1)
    }

    /// The record that begins here, when its checksum holds.
    fn record_at(&self, offset: u64) -> io::Result<Option<Found>> {
        let Some((head, meta)) = read_front(&self.file, offset)? else { return Ok(None) };
        let fits = head.length() <= self.length.saturating_sub(offset);
        if !fits || !copy_payload(&self.file, offset, &mut io::sink())? {
            return Ok(None);
        }
        Ok(record::decode_meta(&meta).map(|Meta { identity, keeps_earlier }| Found {
            offset,
            head,
            identity,
            keeps_earlier,
        }))
    }

    /// Whether the head that seems to be there bears the seal of the store.
    fn is_ours(&self, offset: u64) -> io::Result<bool> {
        let Some((seal, number)) = self.seal else { return Ok(true) };
        let head = read_head(&self.file, offset)?;
        Ok(head.is_some_and(|head| seal.fits(number, &head.seal)))
    }

    fn is_zero(&self, from: u64, to: u64) -> io::Result<bool> {
        let mut window = vec![0; 64 << 10];
        let (mut position, to) = (from, to.min(self.length));
        while position < to {
            let wanted = window.len().min((to - position) as usize);
            let read = read_up_to(&self.file, &mut window[..wanted], position)?;
            if read < wanted || window[..read].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            position += read as u64;
        }
        Ok(true)
    }

    fn look_for_record(&self, from: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; 1 << 20];
        let mut position = from;
        while position < self.length {
            // A running node may have written more since.
            let wanted = window.len().min((self.length - position) as usize);
            let read = read_up_to(&self.file, &mut window[..wanted], position)?;
            let matches = window[..read].windows(MAGIC.len()).enumerate();
            for (at, _) in matches.filter(|(_, bytes)| *bytes == MAGIC) {
                let at = position + at as u64;
                if self.is_ours(at)? && self.record_at(at)?.is_some() {
                    return Ok(Some(at));
                }
            }
            if read < window.len() {
                break;
            }
            position += (read - MAGIC.len() + 1) as u64;
        }
        Ok(None)
    }
}

/// Head and meta of the record at `offset`, their length checked but not yet their checksum.
pub(crate) fn read_front(file: &File, offset: u64) -> io::Result<Option<(Head, Vec<u8>)>> {
    let Some(head) = read_head(file, offset)? else { return Ok(None) };
    let mut meta = vec![0; head.meta_bytes()];
    let read = read_up_to(file, &mut meta, offset + HEAD_BYTES as u64)?;
    Ok((read == meta.len()).then_some((head, meta)))
}

/// Whether a write that was broken off leaves what is no whole record at `offset`: whole blocks of
/// it are missing, which are zeros where the segment was prepared, or the file ends within it.
/// Damage alters what is there. A record that cannot be told the one from the other counts as damage.
pub(crate) fn is_torn(file: &File, offset: u64) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let record = read_head(file, offset)?.map_or(HEAD_BYTES as u64, |head| head.length());
    let end = offset.saturating_add(record);
    if end > length {
        return Ok(true);
    }
    let (mut block, mut position) = ([0; BLOCK], offset);
    while position < end {
        let border = position + 1 + padding(position + 1);
        let read = read_up_to(file, &mut block[..(border - position) as usize], position)?;
        if block[..read].iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        position = border;
    }
    Ok(false)
}

/// Where the zeros begin that the file ends with, but not before `from`.
pub(crate) fn end_of_data(file: &File, from: u64) -> io::Result<u64> {
    let mut window = vec![0; WINDOW];
    let mut end = file.metadata()?.len();
    while end > from {
        let begin = end.saturating_sub(window.len() as u64).max(from);
        let read = read_up_to(file, &mut window[..(end - begin) as usize], begin)?;
        if let Some(last) = window[..read].iter().rposition(|byte| *byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(from)
}

fn read_head(file: &File, offset: u64) -> io::Result<Option<Head>> {
    let mut head = [0; HEAD_BYTES];
    let read = read_up_to(file, &mut head, offset)?;
    Ok(Some(head).filter(|_| read == HEAD_BYTES).as_ref().and_then(Head::decode))
}

/// Whose the damaged record at `offset` seems to be, to name it to the admin. The name itself may
/// be what is damaged.
pub(crate) fn seems_to_hold(file: &File, offset: u64) -> io::Result<Option<Uid>> {
    let mut meta = [0; LONGEST_META as usize];
    let read = read_up_to(file, &mut meta, offset + HEAD_BYTES as u64)?;
    Ok(record::decode_meta(&meta[..read]).map(|meta| meta.identity.sop_instance))
}

/// What is read and summed at once.
const WINDOW: usize = 256 << 10;

/// The Part 10 file of the record at `offset`; nothing when it is not whole.
pub(crate) fn read_payload(file: &File, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let Some((head, meta)) = read_front(file, offset)? else { return Ok(None) };
    let begin = offset + u64::from(head.payload_offset);
    // A length that no seal has confirmed yet makes no more room than the file has.
    if head.payload > file.metadata()?.len().saturating_sub(begin) {
        return Ok(None);
    }
    let mut payload = vec![0; usize::try_from(head.payload).map_err(io::Error::other)?];
    let mut sums = Sums::of(head);
    sums.update(&meta);
    let mut position = begin;
    for window in payload.chunks_mut(WINDOW) {
        if read_up_to(file, window, position)? < window.len() {
            return Ok(None);
        }
        sums.update(window);
        position += window.len() as u64;
    }
    Ok(sums.hold().then_some(payload))
}

/// Copies it out and says whether it was whole.
pub(crate) fn copy_payload(file: &File, offset: u64, to: &mut impl Write) -> io::Result<bool> {
    let Some((head, meta)) = read_front(file, offset)? else { return Ok(false) };
    let mut sums = Sums::of(head);
    sums.update(&meta);
    let mut window = vec![0; WINDOW];
    let (mut position, mut left) = (offset + u64::from(head.payload_offset), head.payload);
    while left > 0 {
        let wanted = window.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = read_up_to(file, &mut window[..wanted], position)?;
        sums.update(&window[..read]);
        to.write_all(&window[..read])?;
        if read < wanted {
            return Ok(false);
        }
        position += read as u64;
        left -= read as u64;
    }
    Ok(sums.hold())
}

/// Fewer bytes only at the end of the file.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
