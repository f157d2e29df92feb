//! Which kinds of objects wait for a peer, so that one association is asked for all of them.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use gantry_terms::uid::Uid;

/// So far is looked ahead: an association has no more than 128 contexts.
pub(super) const AHEAD: u32 = 256;

pub(super) const KINDS: &str = "SELECT DISTINCT sop_class, transfer_syntax FROM (
         SELECT sop_instance FROM outbox INDEXED BY outbox_due
         WHERE peer = $1 AND state = 'queued' ORDER BY priority, queued_at, id LIMIT $2
     ) AS ahead CROSS JOIN instances ON instances.sop_instance = ahead.sop_instance";

impl Reader {
    /// SOP class and transfer syntax of what is queued for the peer next.
    pub async fn kinds_queued(&self, peer: &str) -> Result<Vec<(Uid, Uid)>, StoreError> {
        let found = sqlx::query(KINDS).bind(peer).bind(AHEAD).fetch_all(&self.pool).await?;
        let kind = |row| Ok((rows::uid(row, "sop_class")?, rows::uid(row, "transfer_syntax")?));
        found.iter().map(kind).collect()
    }
}
