//! The store as the node holds it: opened once, asked and fed from everywhere.

use crate::error::{KeepError, StoreError};
use crate::incoming::{Identity, Incoming, Receipt};
use crate::options::StoreOptions;
use crate::reader::Reader;
use crate::stream::Stream;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// Cheap to clone. Every query of [`Reader`] can be asked here too.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    reader: Reader,
}

impl Store {
    /// Takes the folder for this process alone, migrates the index, cuts a torn tail and brings
    /// the index up to the last record.
    pub async fn open(_options: StoreOptions) -> Result<Self, StoreError> {
        todo!()
    }

    /// Reads beside a running node, or without one.
    pub async fn open_reader(_folder: &Path) -> Result<Reader, StoreError> {
        todo!()
    }

    pub fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    /// Returns when the object is durable, or was before.
    pub async fn keep(&self, _incoming: Incoming) -> Result<Receipt, KeepError> {
        todo!()
    }

    /// For an object that is too large for memory: it goes to a segment of its own.
    pub async fn keep_streamed(&self, _identity: Identity) -> Result<Stream, KeepError> {
        todo!()
    }

    /// Returns when everything that was kept so far is in the index.
    pub async fn settled(&self) {
        todo!()
    }

    /// Rings after every committed change. Ask for the bell before you look.
    pub fn bell(&self) -> watch::Receiver<u64> {
        todo!()
    }

    /// Writes and indexes what is on its way, then lets the folder go.
    pub async fn close(self) {
        todo!()
    }
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.shared.reader
    }
}
