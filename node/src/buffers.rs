//! Buffers that objects are collected in: used again, because fresh memory costs more than what is done with it.

use bytes::Bytes;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// Room of the buffers: an MR slice fits the second, a CT slice the third; none is larger than the
/// last, or it is streamed.
const ROOM: [usize; 5] = [64 << 10, 192 << 10, 640 << 10, 1536 << 10, 6 << 20];
/// What lies ready at most, in bytes.
const READY: usize = 48 << 20;

/// Shared by all who receive.
#[derive(Default)]
pub struct Buffers(Mutex<Ready>);

#[derive(Default)]
struct Ready {
    buffers: [Vec<Vec<u8>>; ROOM.len()],
    bytes: usize,
}

/// A buffer that grows by changing for a larger one, and goes back when it is dropped.
pub struct Buffer {
    bytes: Vec<u8>,
    from: Arc<Buffers>,
}

impl Buffer {
    pub fn new(from: &Arc<Buffers>) -> Self {
        Self { bytes: Vec::new(), from: from.clone() }
    }

    pub fn extend(&mut self, piece: &[u8]) {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            let mut larger = self.from.take(needed);
            larger.extend_from_slice(&self.bytes);
            self.from.give_back(mem::replace(&mut self.bytes, larger));
        }
        self.bytes.extend_from_slice(piece);
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Goes back when the last clone is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.from.give_back(mem::take(&mut self.bytes));
    }
}

impl Buffers {
    fn take(&self, needed: usize) -> Vec<u8> {
        let Some(class) = ROOM.iter().position(|room| *room >= needed) else {
            return Vec::with_capacity(needed);
        };
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match ready.buffers[class].pop() {
            Some(buffer) => {
                ready.bytes -= ROOM[class];
                buffer
            }
            None => Vec::with_capacity(ROOM[class]),
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let Some(class) = ROOM.iter().position(|room| *room == buffer.capacity()) else { return };
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.bytes + ROOM[class] <= READY {
            buffer.clear();
            ready.bytes += ROOM[class];
            ready.buffers[class].push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_what_it_was_given_and_goes_back_once() {
        let buffers = Arc::new(Buffers::default());
        let mut expected = Vec::new();
        let mut buffer = Buffer::new(&buffers);
        for (number, length) in [1, 1000, 65_000, 500_000, 3, 7 << 20].into_iter().enumerate() {
            let piece = vec![number as u8; length];
            buffer.extend(&piece);
            expected.extend_from_slice(&piece);
            assert_eq!(buffer.as_slice(), expected);
        }
        let bytes = buffer.freeze();
        assert_eq!(bytes, expected);
        let ready = |buffers: &Buffers| buffers.0.lock().expect("sound").bytes;
        let grown = ROOM[0] + ROOM[1] + ROOM[2];
        assert_eq!(ready(&buffers), grown, "the one that is too large is let go");
        drop((bytes.clone(), bytes));
        let mut again = Buffer::new(&buffers);
        again.extend(&[7; 10]);
        assert_eq!((again.as_slice(), ready(&buffers)), (&[7u8; 10][..], grown - ROOM[0]));
        let shared = again.freeze();
        let part = shared.slice(2..);
        drop(shared);
        assert_eq!(ready(&buffers), grown - ROOM[0], "somebody still reads it");
        drop(part);
        assert_eq!(ready(&buffers), grown);
    }

    #[test]
    fn no_more_than_the_bound_lies_ready() {
        let buffers = Arc::new(Buffers::default());
        let many: Vec<Buffer> = (0..20)
            .map(|_| {
                let mut buffer = Buffer::new(&buffers);
                buffer.extend(&vec![1; 2 << 20]);
                buffer
            })
            .collect();
        drop(many);
        assert_eq!(buffers.0.lock().expect("sound").bytes, 48 << 20);
    }
}
