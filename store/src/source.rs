//! Bytes to read a data set from: memory, a file, or what either inflates to. Counted, and skipped without holding them.

use std::fs::File;
use std::io::{self, BufReader, Read};

/// A small deflated object may blow up to anything: no more than this is inflated.
const MOST_INFLATED: u64 = 64 << 20;

pub(crate) struct Source<'a> {
    kind: Kind<'a>,
    position: u64,
}

enum Kind<'a> {
    Bytes(&'a [u8]),
    File { file: BufReader<File>, left: u64 },
    Inflated { read: Box<dyn Read + 'a>, left: u64 },
}

impl<'a> Source<'a> {
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Self { kind: Kind::Bytes(bytes), position: 0 }
    }

    /// `length` bytes from the file's position on.
    pub(crate) fn file(file: File, length: u64) -> Self {
        let file = BufReader::with_capacity(64 << 10, file);
        Self { kind: Kind::File { file, left: length }, position: 0 }
    }

    pub(crate) fn inflated(
        self,
        adapt: impl FnOnce(Box<dyn Read + 'a>) -> Box<dyn Read + 'a>,
    ) -> Self {
        let read: Box<dyn Read + 'a> = match self.kind {
            Kind::Bytes(bytes) => Box::new(bytes),
            Kind::File { file, left } => Box::new(file.take(left)),
            Kind::Inflated { read, .. } => read,
        };
        Self { kind: Kind::Inflated { read: adapt(read), left: MOST_INFLATED }, position: 0 }
    }

    /// How many bytes were read or skipped.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether bytes end because no more are inflated, not because there are none.
    pub(crate) fn is_capped(&self) -> bool {
        matches!(self.kind, Kind::Inflated { left: 0, .. })
    }

    /// Fills as much of `buffer` as there are bytes. A read error and a broken deflate stream end
    /// the bytes, which whoever reads the data set finds out.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.position += filled as u64;
        filled
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let within = |left: u64| buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match &mut self.kind {
            Kind::Bytes(bytes) => bytes.read(buffer),
            Kind::File { file, left } => {
                let within = within(*left);
                file.read(&mut buffer[..within]).inspect(|read| *left -= *read as u64)
            }
            Kind::Inflated { read, left } => {
                let within = within(*left);
                read.read(&mut buffer[..within]).inspect(|read| *left -= *read as u64)
            }
        }
    }

    /// Whether there were as many bytes to skip.
    pub(crate) fn skip(&mut self, length: u64) -> bool {
        let skipped = match &mut self.kind {
            Kind::Bytes(bytes) => {
                let skipped = length.min(bytes.len() as u64);
                *bytes = &bytes[skipped as usize..];
                skipped
            }
            Kind::File { file, left } => {
                let skipped = length.min(*left);
                let moved = i64::try_from(skipped).map(|by| file.seek_relative(by));
                *left -= skipped;
                if matches!(moved, Ok(Ok(()))) { skipped } else { 0 }
            }
            Kind::Inflated { read, left } => {
                let mut part = read.take(length.min(*left));
                let skipped = io::copy(&mut part, &mut io::sink()).unwrap_or(0);
                *left -= skipped.min(*left);
                skipped
            }
        };
        self.position += skipped;
        skipped == length
    }
}
