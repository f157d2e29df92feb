//! Which instances may be in the index: says of almost every new one, without asking the index, that it is not there.

use crate::error::StoreError;
use fastbloom::AtomicBloomFilter;
use futures_util::TryStreamExt;
use gantry_terms::uid::Uid;
use sqlx::SqlitePool;
use std::hash::RandomState;

/// Of the instances that are not there so many are looked for in vain while there is room.
const FALSE_POSITIVES: f64 = 0.01;
/// Some 1.2 MB.
const LEAST_ROOM: usize = 1 << 20;

/// A Bloom filter over the SOP Instance UIDs of the index and of what is on its way there. With
/// more of them than it has room for it only gets slower; the next start makes more room. Its
/// hashes are keyed anew at each start, so that no sender can fill it.
pub(crate) struct Known(AtomicBloomFilter<RandomState>);

impl Known {
    pub(crate) async fn load(pool: &SqlitePool) -> Result<Self, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM instances").fetch_one(pool).await?;
        let room = LEAST_ROOM.max(usize::try_from(count).unwrap_or(0).saturating_mul(2));
        let filter = AtomicBloomFilter::with_false_pos(FALSE_POSITIVES)
            .hasher(RandomState::new())
            .expected_items(room);
        let mut uids =
            sqlx::query_scalar::<_, String>("SELECT sop_instance FROM instances").fetch(pool);
        while let Some(uid) = uids.try_next().await? {
            filter.insert(uid.as_str());
        }
        Ok(Self(filter))
    }

    /// Before the index has it, and before anybody else can ask.
    pub(crate) fn insert(&self, sop_instance: &Uid) {
        self.0.insert(sop_instance.as_str());
    }

    /// False only when it is not in the index.
    pub(crate) fn may_hold(&self, sop_instance: &Uid) -> bool {
        self.0.contains(sop_instance.as_str())
    }
}
