//! Who is just keeping which SOP instance, so that two senders of one object do not both write it.

use crate::digest::Digest;
use gantry_terms::uid::Uid;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Objects from their first look into the index until they are in it.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashMap<Uid, Open>>);

struct Open {
    digest: Digest,
    durable: watch::Sender<bool>,
}

/// The right to write one SOP instance. Let go when dropped: after the index has it, or when it
/// was not kept.
pub(crate) struct Claim {
    claims: Arc<Claims>,
    sop_instance: Uid,
}

pub(crate) enum Claimed {
    Mine(Claim),
    /// Somebody else has these bytes under way. The receiver turns true when they are durable,
    /// and ends when they were not kept.
    Other(Digest, watch::Receiver<bool>),
}

impl Claims {
    pub(crate) fn claim(self: &Arc<Self>, sop_instance: &Uid, digest: Digest) -> Claimed {
        match self.open().entry(sop_instance.clone()) {
            Entry::Occupied(open) => {
                Claimed::Other(open.get().digest, open.get().durable.subscribe())
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Open { digest, durable: watch::Sender::new(false) });
                Claimed::Mine(Claim { claims: self.clone(), sop_instance: sop_instance.clone() })
            }
        }
    }

    /// A panic elsewhere leaves the map whole: every change of it is one call.
    fn open(&self) -> MutexGuard<'_, HashMap<Uid, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    pub(crate) fn durable(&self) {
        if let Some(open) = self.claims.open().get(&self.sop_instance) {
            open.durable.send_replace(true);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.open().remove(&self.sop_instance);
    }
}
