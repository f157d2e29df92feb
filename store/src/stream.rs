//! A large object on its way to a segment of its own, piece by piece.

use crate::error::KeepError;
use crate::incoming::Receipt;
use bytes::Bytes;

/// Dropped without `finish`, it leaves nothing behind.
pub struct Stream {}

impl Stream {
    /// The next piece of the Part 10 file; the first begins with its preamble
    /// (`header::part10_head`).
    pub async fn append(&mut self, _piece: Bytes) -> Result<(), KeepError> {
        todo!()
    }

    /// Returns when the object is durable.
    pub async fn finish(self) -> Result<Receipt, KeepError> {
        todo!()
    }
}
