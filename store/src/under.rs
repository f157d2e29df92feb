//! What stands under a SOP Instance UID when an object comes, and whether it may be written there.

use crate::claims::{Claim, Claimed};
use crate::digest::Digest;
use crate::error::{KeepError, StoreError};
use crate::incoming::{Identity, Kept, Origin};
use crate::options::Duplicates;
use crate::reader::{Location, blocking};
use crate::rows;
use crate::segment;
use crate::store::Shared;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::fs::File;
use std::io;

pub(crate) enum Under {
    /// The object is to be written.
    Mine(Claim, Over),
    /// Nothing is to be written: what was kept before is durable.
    Kept(Kept),
}

/// What a record is written over.
pub(crate) struct Over {
    pub(crate) outcome: Kept,
    /// The record that was kept before stays as an earlier version.
    pub(crate) keeps_earlier: bool,
    /// Of the record that was kept before. The later one counts, whatever the clock says.
    arrival: Option<Moment>,
    /// The one that was kept before was made by this node, so that this one counts as made too,
    /// whoever brings it back.
    made: bool,
}

/// What the index knows of the record of an instance.
pub(crate) struct KeptRecord {
    pub(crate) digest: Digest,
    pub(crate) arrival: Moment,
    origin: Origin,
    at: Location,
    evicted: bool,
}

impl Over {
    const NOTHING: Self = Self::new(Kept::New, false, None);

    const fn new(outcome: Kept, keeps_earlier: bool, arrival: Option<Moment>) -> Self {
        Self { outcome, keeps_earlier, arrival, made: false }
    }

    /// Whose record it becomes: it arrived behind what it is written over.
    pub(crate) fn settle(&self, identity: &mut Identity) {
        if let Some(before) = self.arrival {
            identity.arrival = identity.arrival.max(Moment(before.0.saturating_add(1)));
        }
        if self.made {
            identity.origin = Origin::Made;
        }
    }
}

impl Shared {
    /// The right to write these bytes under the UID, or what was kept there before.
    pub(crate) async fn claim(
        &self,
        identity: &Identity,
        digest: Digest,
    ) -> Result<Under, KeepError> {
        let sop_instance = &identity.sop_instance;
        loop {
            match self.claims.claim(sop_instance, digest) {
                Claimed::Mine(claim) if !self.known.may_hold(sop_instance) => {
                    self.known.insert(sop_instance);
                    return Ok(Under::Mine(claim, Over::NOTHING));
                }
                Claimed::Mine(claim) => {
                    return match self.reader.kept_record(sop_instance).await? {
                        None => Ok(Under::Mine(claim, Over::NOTHING)),
                        Some(kept) => self.over(claim, kept, identity, digest).await,
                    };
                }
                Claimed::Other(other, mut durable) => {
                    if durable.wait_for(|durable| *durable).await.is_err() {
                        continue;
                    }
                    if other == digest {
                        return Ok(Under::Kept(Kept::Duplicate));
                    }
                    if self.policy(identity.origin) == Duplicates::KeepFirst {
                        return Ok(self.conflict(identity).await);
                    }
                    // Until the index has it, and what stands there can be weighed.
                    self.progress.want();
                    while durable.changed().await.is_ok() {}
                }
            }
        }
    }

    async fn over(
        &self,
        claim: Claim,
        mut kept: KeptRecord,
        identity: &Identity,
        digest: Digest,
    ) -> Result<Under, KeepError> {
        // Nobody is told that an object is safe because of a record that no longer is.
        while !kept.evicted {
            let whole = self.is_whole(kept.at).await;
            if whole && !self.is_evicted(kept.at).await? {
                break;
            }
            match self.reader.kept_record(&identity.sop_instance).await? {
                // Retention moved or evicted it meanwhile; it takes no claim.
                Some(now) if now.evicted || now.at != kept.at => kept = now,
                _ => {
                    let same = kept.digest == digest;
                    let outcome = if same { Kept::Mended } else { Kept::Replaced };
                    let made = kept.origin == Origin::Made;
                    let over = Over { made, ..Over::new(outcome, false, Some(kept.arrival)) };
                    return Ok(Under::Mine(claim, over));
                }
            }
        }
        let (same, arrival) = (kept.digest == digest, Some(kept.arrival));
        if kept.evicted {
            let made = kept.origin == Origin::Made;
            return Ok(Under::Mine(claim, Over { made, ..Over::new(Kept::New, false, arrival) }));
        }
        // What this node made is never replaced by what comes back from elsewhere.
        let policy = match kept.origin {
            Origin::Received => self.policy(identity.origin),
            Origin::Made => Duplicates::KeepFirst,
        };
        let keeps_earlier = match policy {
            _ if same => return Ok(Under::Kept(Kept::Duplicate)),
            Duplicates::KeepFirst => return Ok(self.conflict(identity).await),
            Duplicates::Replace => false,
            Duplicates::KeepBoth => true,
        };
        Ok(Under::Mine(claim, Over::new(Kept::Replaced, keeps_earlier, arrival)))
    }

    /// A result that is composed again is the same object, whatever its bytes.
    fn policy(&self, origin: Origin) -> Duplicates {
        match origin {
            Origin::Received => self.options.duplicates,
            Origin::Made => Duplicates::KeepFirst,
        }
    }

    async fn conflict(&self, identity: &Identity) -> Under {
        let text = "other bytes came under its UID; the first are kept";
        let text = format!("{text} (from {})", identity.calling_ae);
        self.tell("conflict", &identity.sop_instance, text).await;
        Under::Kept(Kept::Conflict)
    }

    async fn is_evicted(&self, at: Location) -> Result<bool, StoreError> {
        Ok(self.reader.evicted_at(at.segment).await?.is_some())
    }

    /// Whether the record can be read and its sums hold.
    async fn is_whole(&self, at: Location) -> bool {
        let path = segment::path(&self.options.folder, at.segment);
        let check = move || {
            let whole = File::open(&path)
                .and_then(|file| segment::copy_payload(&file, at.offset, &mut io::sink()));
            whole.map_err(StoreError::file(path))
        };
        match blocking(check).await {
            Ok(whole) => whole,
            Err(error) => {
                tracing::error!(station = "keep", %error, "a kept record cannot be read");
                false
            }
        }
    }
}

impl crate::reader::Reader {
    pub(crate) async fn kept_record(
        &self,
        sop_instance: &Uid,
    ) -> Result<Option<KeptRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT digest, arrival, origin, segment, offset, evicted_at IS NOT NULL AS evicted
             FROM instances JOIN segments ON segments.number = instances.segment
             WHERE sop_instance = $1",
        )
        .bind(sop_instance.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let digest = Digest::try_from(rows::column::<&[u8]>(&row, "digest")?);
        Ok(Some(KeptRecord {
            digest: digest.map_err(|_| StoreError::Unreadable("digest"))?,
            arrival: rows::moment(&row, "arrival")?,
            origin: match rows::column(&row, "origin")? {
                "made" => Origin::Made,
                _ => Origin::Received,
            },
            at: Location::of(&row)?,
            evicted: rows::column(&row, "evicted")?,
        }))
    }
}
