//! Writes anew, as the same records, what is still needed of a segment that is to go.

use crate::body::Body;
use crate::claims::Claimed;
use crate::error::{KeepError, StoreError};
use crate::header;
use crate::header_text::HeaderText;
use crate::held::Held;
use crate::options::Durability;
use crate::reader::blocking;
use crate::record::{self, Head, Meta};
use crate::retention::Stays;
use crate::segment;
use crate::store::{Answer, Append, Store};
use bytes::Bytes;
use gantry_terms::uid::Uid;
use std::fs::File;
use std::io;
use std::path::Path;

/// A record as it was read, its sums verified.
struct Record {
    meta: Meta,
    head: Head,
    payload: Bytes,
}

impl Record {
    fn is_of(&self, sop_instance: &Uid) -> bool {
        self.meta.identity.sop_instance == *sop_instance
    }
}

impl Store {
    /// Returns when all of it is durable and the index says where it lies now. What has a record
    /// that is damaged is not moved, and whoever is just keeping the same instance goes first.
    pub(crate) async fn carry_forward(
        &self,
        segment: u32,
        held: &[Held],
    ) -> Result<Result<(), Stays>, StoreError> {
        if held.is_empty() {
            return Ok(Ok(()));
        }
        let first = self.shared.numbers.closed().growing.unwrap_or(0);
        let path = segment::path(&self.shared.options.folder, segment);
        let mut answers = Vec::new();
        for one in held {
            let (path, offset) = (path.clone(), one.offset);
            let record = match blocking(move || Ok(read(&path, offset))).await? {
                Ok(record) => record.filter(|record| record.is_of(&one.sop_instance)),
                Err(error) => return Ok(Err(Stays::NotRead(error.to_string()))),
            };
            let Some(record) = record else {
                return Ok(Err(Stays::Damaged(one.sop_instance.clone())));
            };
            match self.append_anew(record).await {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => return Ok(Err(Stays::NeededMeanwhile)),
                Err(error) => return Ok(Err(Stays::NotWritten(error.to_string()))),
            }
        }
        for answer in answers {
            if let Err(error) = answer.await.unwrap_or(Err(KeepError::Closed)) {
                return Ok(Err(Stays::NotWritten(error.to_string())));
            }
        }
        self.settled().await;
        if self.shared.options.durability == Durability::Crash {
            let folder = self.shared.options.folder.clone();
            let sync = move || sync_from(&folder, first).map_err(StoreError::file(folder));
            blocking(sync).await?;
        }
        Ok(Ok(()))
    }

    /// Nothing when somebody else keeps the instance right now.
    async fn append_anew(&self, record: Record) -> Result<Option<Answer>, KeepError> {
        let Record { meta: Meta { identity, keeps_earlier }, head, payload } = record;
        let claimed = self.shared.claims.claim(&identity.sop_instance, head.digest);
        let Claimed::Mine(claim) = claimed else { return Ok(None) };
        let header = header::read_header(&payload).unwrap_or_default();
        let part10_head = payload.slice(..usize::from(head.data_set));
        let data_set = payload.slice(usize::from(head.data_set)..);
        let length = data_set.len() as u64;
        let front = record::front(&identity, keeps_earlier, &part10_head, length, head.digest);
        let (head, front) = front.ok_or(KeepError::NotPart10)?;
        let (header, body) = (HeaderText::of(&header), Body::Pieces(front, data_set));
        let append = Append { identity, header, keeps_earlier, head, body, claim };
        self.shared.append(append).await.map(Some)
    }
}

/// Nothing when it is damaged.
fn read(path: &Path, offset: u64) -> io::Result<Option<Record>> {
    let file = File::open(path)?;
    let Some((head, meta)) = segment::read_front(&file, offset)? else { return Ok(None) };
    let Some(payload) = segment::read_payload(&file, offset)? else { return Ok(None) };
    let meta = record::decode_meta(&meta);
    Ok(meta.map(|meta| Record { meta, head, payload: payload.into() }))
}

/// What was acknowledged without a sync is not to be the only copy of what was safe before.
fn sync_from(store: &Path, first: u32) -> io::Result<()> {
    for number in segment::numbers(store)?.into_iter().filter(|number| *number >= first) {
        File::open(segment::path(store, number))?.sync_all()?;
    }
    segment::sync_folder(store)
}
