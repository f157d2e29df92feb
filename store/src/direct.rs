//! Appending past the page cache: whole blocks from aligned memory (open(2), O_DIRECT), where the file system can.

// What arrives is read again seldom and much later; copying it into the page cache would cost more
// than writing it (docs/decisions).

use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Instant;

/// What every write begins and ends at: no disk has larger sectors.
pub(crate) const BLOCK: usize = 4096;
/// What is written at once while zeros are filled in.
const STEP: usize = 256 << 10;
/// What is written at once.
const STAGE: usize = 4 << 20;
/// What one write is made of at most; the kernel takes 1024 (writev(2), IOV_MAX).
const PARTS: usize = 256;

/// Up to the next border between blocks.
pub(crate) fn padding(length: u64) -> u64 {
    length.next_multiple_of(BLOCK as u64) - length
}

/// Bytes that begin at a border between blocks in memory.
#[derive(Default)]
pub(crate) struct Aligned {
    /// One block longer than what is in it, so that an aligned part can be found.
    room: Vec<u8>,
    begin: usize,
    length: usize,
}

impl Aligned {
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let needed = self.length + bytes.len();
        if self.room.len() < needed + BLOCK {
            // What is in it moves to where it is aligned again.
            let length = needed.next_power_of_two().max(64 << 10) + BLOCK;
            let mut room = vec![0; length];
            let begin = room.as_ptr().align_offset(BLOCK).min(BLOCK);
            room[begin..begin + self.length].copy_from_slice(self.whole());
            (self.room, self.begin) = (room, begin);
        }
        let at = self.begin + self.length;
        self.room[at..at + bytes.len()].copy_from_slice(bytes);
        self.length = needed;
    }

    pub(crate) fn whole(&self) -> &[u8] {
        &self.room[self.begin..self.begin + self.length]
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }
}

/// A file that is written from block to block, each once.
pub(crate) struct Direct {
    file: File,
    stage: Aligned,
    /// Where what is staged goes.
    position: u64,
}

impl Direct {
    /// `position` is a border between blocks. Without `past_cache`, or where the file system
    /// cannot, the page cache is gone through.
    pub(crate) fn open(
        path: &Path,
        create: bool,
        position: u64,
        past_cache: bool,
    ) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create_new(create);
        let file = match past_cache {
            true => open_past_cache(&options, path)?,
            false => options.open(path)?,
        };
        Ok(Self { file, stage: Aligned::default(), position })
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.position + self.stage.length() as u64
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Some of it is written, some staged.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = STAGE - self.stage.length();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.stage.append(now);
            if self.stage.length() == STAGE {
                self.write()?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Whole blocks, as they are; nothing may be staged before them.
    pub(crate) fn append_aligned(&mut self, blocks: &Aligned) -> io::Result<()> {
        debug_assert!(self.stage.length() == 0 && blocks.length().is_multiple_of(BLOCK));
        self.file.write_all_at(blocks.whole(), self.position)?;
        self.position += blocks.length() as u64;
        Ok(())
    }

    /// Whole blocks of several owners in one write; nothing may be staged before them.
    pub(crate) fn append_blocks(&mut self, blocks: &[&[u8]]) -> io::Result<()> {
        debug_assert!(self.stage.length() == 0);
        for some in blocks.chunks(PARTS) {
            let mut parts: Vec<IoSlice<'_>> = some.iter().map(|part| IoSlice::new(part)).collect();
            let mut left = parts.as_mut_slice();
            while !left.is_empty() {
                match rustix::io::pwritev(&self.file, left, self.position) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        self.position += written as u64;
                        IoSlice::advance_slices(&mut left, written);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Zeros up to a border, in small steps, each when `wait` returns: who writes what has come
    /// waits behind one of them at most. Where `wait` says that somebody does, there is as long a
    /// pause behind a step as it took.
    pub(crate) fn fill(&mut self, to: u64, wait: impl Fn() -> io::Result<bool>) -> io::Result<()> {
        let mut zeros = Aligned::default();
        zeros.append(&vec![0; STEP]);
        while self.position < to {
            let beside = wait()?;
            let since = Instant::now();
            let length = (to - self.position).min(STEP as u64);
            self.file.write_all_at(&zeros.whole()[..length as usize], self.position)?;
            self.position += length;
            if beside {
                std::thread::sleep(since.elapsed());
            }
        }
        Ok(())
    }

    /// Everything is written, with zeros up to the next border.
    pub(crate) fn pad(&mut self) -> io::Result<()> {
        let padding = padding(self.stage.length() as u64) as usize;
        self.stage.append(&[0; BLOCK][..padding]);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(self.stage.whole(), self.position)?;
        self.position += self.stage.length() as u64;
        self.stage.clear();
        Ok(())
    }

    /// Forgets what is staged and goes back to a border, after a failure.
    pub(crate) fn back_to(&mut self, position: u64) {
        self.stage.clear();
        self.position = position;
    }
}

/// EINVAL: the file system has no such way, as some that lie in memory or on the network.
fn open_past_cache(options: &std::fs::OpenOptions, path: &Path) -> io::Result<File> {
    let direct = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
    match options.clone().custom_flags(direct).open(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            // A file that was to be made may have been made all the same.
            let mut without = options.clone();
            without.create(true).create_new(false).truncate(false).open(path)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_appended_in_pieces_of_any_size_lies_in_the_file_in_its_order_and_padded() {
        for past_cache in [true, false] {
            let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
            let path = folder.path().join("file");
            let mut direct = Direct::open(&path, true, 0, past_cache).expect("a file");
            let mut expected = Vec::new();
            for (number, length) in [1, 4095, 4096, 70_000, 0, 3, 9 << 20].into_iter().enumerate() {
                let piece = vec![number as u8 + 1; length];
                direct.append(&piece).expect("appended");
                expected.extend_from_slice(&piece);
                if number % 2 == 0 {
                    direct.pad().expect("written");
                    expected.resize(expected.len().next_multiple_of(BLOCK), 0);
                }
                assert_eq!(direct.position(), expected.len() as u64);
            }
            let mut blocks = [Aligned::default(), Aligned::default()];
            blocks.iter_mut().for_each(|blocks| blocks.append(&[8; 3 * BLOCK]));
            let blocks: Vec<&[u8]> = blocks.iter().map(Aligned::whole).cycle().take(600).collect();
            direct.pad().expect("written");
            expected.resize(expected.len().next_multiple_of(BLOCK), 0);
            direct.append_blocks(&blocks).expect("written");
            expected.extend_from_slice(&blocks.concat());
            assert_eq!(direct.position(), expected.len() as u64);
            assert!(fs::read(&path).expect("read") == expected);
        }
    }
}
