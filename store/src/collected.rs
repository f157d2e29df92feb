//! Memory that objects are collected in: as the disk wants it, with room for what their record begins with, and used again.

use crate::direct::{BLOCK, padding};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// In front of the data set, for the head, meta and Part 10 head of a record. Those of a received
/// object are shorter: UIDs have at most 64 characters and AE titles 16.
pub(crate) const FRONT: usize = 1024;
/// Room of the buffers: an MR slice fits the second, a CT slice the third; an object that does not
/// fit the last is streamed. Multiples of a block.
const ROOM: [usize; 5] = [64 << 10, 192 << 10, 640 << 10, 1536 << 10, 6 << 20];
/// What lies ready at most, in bytes: fresh memory costs more than what is done with it.
const READY: usize = 48 << 20;

/// Shared by all who receive.
#[derive(Default)]
pub struct Buffers {
    ready: Mutex<Ready>,
    /// So long was the last object: the next one is likely to be, and then never moves.
    usual: AtomicUsize,
}

#[derive(Default)]
struct Ready {
    buffers: [Vec<Room>; ROOM.len()],
    bytes: usize,
}

/// A data set while it arrives. Its memory grows by changing for a larger one, and goes back when
/// it is dropped.
pub struct Collected {
    room: Room,
    /// Of the data set.
    length: usize,
    from: Arc<Buffers>,
}

/// Memory from a border between blocks on.
#[derive(Default)]
struct Room {
    /// A block longer than what is used of it.
    bytes: Vec<u8>,
    begin: usize,
}

impl Collected {
    pub fn new(from: &Arc<Buffers>) -> Self {
        Self { room: Room::default(), length: 0, from: from.clone() }
    }

    pub fn extend(&mut self, piece: &[u8]) {
        let end = self.length + piece.len();
        if FRONT + end > self.room.length() {
            self.grow(FRONT + end);
        }
        self.room.slice(FRONT + self.length, FRONT + end).copy_from_slice(piece);
        self.length = end;
    }

    fn grow(&mut self, needed: usize) {
        let usual = self.from.usual.load(Ordering::Relaxed);
        let mut larger = self.from.take(needed.max(usual));
        if self.length > 0 {
            larger.slice(FRONT, FRONT + self.length).copy_from_slice(self.as_slice());
        }
        self.from.give_back(mem::replace(&mut self.room, larger));
    }

    /// The data set.
    pub fn as_slice(&self) -> &[u8] {
        match self.length {
            0 => &[],
            length => &self.room.bytes[self.room.begin + FRONT..][..length],
        }
    }

    /// Bytes that it takes of memory.
    pub(crate) fn room(&self) -> usize {
        self.room.bytes.len()
    }

    /// Puts what the record begins with in front of the data set, and zeros behind it.
    pub(crate) fn set_front(&mut self, front: &[u8; FRONT]) {
        if self.length == 0 {
            self.grow(FRONT);
        }
        let end = FRONT + self.length;
        self.room.slice(0, FRONT).copy_from_slice(front);
        self.room.slice(end, end + padding(end as u64) as usize).fill(0);
    }

    /// What [`Collected::set_front`] put there.
    pub(crate) fn front(&mut self) -> &mut [u8] {
        self.room.slice(0, FRONT)
    }

    /// Whole blocks that begin at a border, in memory too; [`Collected::set_front`] comes before.
    pub(crate) fn blocks(&self) -> &[u8] {
        let length = (FRONT + self.length).next_multiple_of(BLOCK);
        &self.room.bytes[self.room.begin..][..length]
    }
}

impl AsRef<[u8]> for Collected {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length)
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        let length = FRONT + self.length;
        if ROOM.iter().any(|room| *room >= length) {
            self.from.usual.store(length, Ordering::Relaxed);
        }
        self.from.give_back(mem::take(&mut self.room));
    }
}

impl Room {
    /// Whole blocks.
    fn of(length: usize) -> Self {
        let bytes = vec![0; length + BLOCK];
        let begin = bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { bytes, begin }
    }

    fn length(&self) -> usize {
        self.bytes.len().saturating_sub(BLOCK)
    }

    fn slice(&mut self, from: usize, to: usize) -> &mut [u8] {
        &mut self.bytes[self.begin + from..self.begin + to]
    }
}

impl Buffers {
    fn take(&self, needed: usize) -> Room {
        let Some(class) = ROOM.iter().position(|room| *room >= needed) else {
            return Room::of(needed.next_multiple_of(BLOCK));
        };
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        match ready.buffers[class].pop() {
            Some(buffer) => {
                ready.bytes -= ROOM[class];
                buffer
            }
            None => {
                drop(ready);
                Room::of(ROOM[class])
            }
        }
    }

    fn give_back(&self, room: Room) {
        let Some(class) = ROOM.iter().position(|length| *length == room.length()) else { return };
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.bytes + ROOM[class] <= READY {
            ready.bytes += ROOM[class];
            ready.buffers[class].push(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(buffers: &Buffers) -> usize {
        buffers.ready.lock().expect("sound").bytes
    }

    #[test]
    fn a_buffer_holds_what_it_was_given_and_goes_back_once() {
        let buffers = Arc::new(Buffers::default());
        let mut expected = Vec::new();
        let mut collected = Collected::new(&buffers);
        assert_eq!(collected.as_slice(), expected);
        for (number, length) in [1, 1000, 65_000, 500_000, 3, 7 << 20].into_iter().enumerate() {
            let piece = vec![number as u8; length];
            collected.extend(&piece);
            expected.extend_from_slice(&piece);
            assert_eq!(collected.as_slice(), expected);
        }
        let grown = ROOM[0] + ROOM[1] + ROOM[2];
        assert_eq!(ready(&buffers), grown, "what it grew out of");
        drop(collected);
        assert_eq!(ready(&buffers), grown, "the one that is too large is let go");
        let mut again = Collected::new(&buffers);
        again.extend(&[7; 10]);
        assert_eq!((again.as_slice(), ready(&buffers)), (&[7u8; 10][..], grown - ROOM[0]));
        drop(again);
        assert_eq!(ready(&buffers), grown);
    }

    #[test]
    fn an_object_begins_in_a_buffer_that_the_last_one_would_have_fitted() {
        let buffers = Arc::new(Buffers::default());
        for _ in 0..2 {
            let mut collected = Collected::new(&buffers);
            collected.extend(&[1; 128 << 10]);
            collected.extend(&[1; 384 << 10]);
        }
        assert_eq!(ready(&buffers), ROOM[1] + ROOM[2], "the second took no small one");
        let mut collected = Collected::new(&buffers);
        collected.extend(&[1; 10]);
        assert_eq!(collected.room.length(), ROOM[2]);
    }

    #[test]
    fn its_blocks_are_front_data_set_and_zeros_from_border_to_border() {
        let buffers = Arc::new(Buffers::default());
        for length in [0, 1, 3071, 3072, 3073, 64 << 10, 500_000] {
            // A buffer that was used before is not clean.
            let mut before = Collected::new(&buffers);
            before.extend(&vec![9; 600 << 10]);
            drop(before);
            let mut collected = Collected::new(&buffers);
            collected.extend(&vec![5; length]);
            collected.set_front(&[3; FRONT]);
            let blocks = collected.blocks();
            assert_eq!((blocks.len() % BLOCK, blocks.as_ptr().align_offset(BLOCK)), (0, 0));
            assert!(blocks.len() - FRONT - length < BLOCK);
            assert_eq!(&blocks[..FRONT], &[3; FRONT]);
            assert_eq!(&blocks[FRONT..FRONT + length], &vec![5; length]);
            assert!(blocks[FRONT + length..].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn no_more_than_the_bound_lies_ready() {
        let buffers = Arc::new(Buffers::default());
        let many: Vec<Collected> = (0..20)
            .map(|_| {
                let mut collected = Collected::new(&buffers);
                collected.extend(&vec![1; 2 << 20]);
                collected
            })
            .collect();
        drop(many);
        assert_eq!(ready(&buffers), 48 << 20);
    }
}
