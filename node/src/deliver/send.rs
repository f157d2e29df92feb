//! One delivery over an association: the kept object as the peer takes it, and what the peer made of it.

use super::corrected::{Corrected, Verdict};
use super::queue::Queue;
use crate::coerce;
use crate::deidentify;
use crate::dimse::association::AssociationError;
use crate::dimse::requestor::Association;
use crate::dimse::status::{self, Outcome};
use crate::transcode::{self, TranscodeError};
use bytes::Bytes;
use gantry_deidentification::key::Key;
use gantry_deidentification::profile::Profile;
use gantry_store::error::StoreError;
use gantry_store::outbox::{Delivery, Leased};
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// What became of one delivery.
pub(super) enum Sent {
    Taken(u16),
    /// This node cannot send it yet.
    Later(String),
    /// The peer does not want it yet.
    PutOff(String),
    /// This node or the peer will not, as it is.
    Never(String),
    /// The peer answered that it will not.
    Refused(String),
    /// The peer takes no object of this SOP class.
    ClassRefused(String),
}

/// What sending needs beside the queue.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) key: Option<&'a Key>,
    pub(super) corrected: &'a Corrected,
}

/// `Err` when the association cannot be used any more.
pub(super) async fn send(
    queue: &Queue,
    association: &mut Association,
    delivery: &Delivery,
    ahead: Option<Ahead>,
    by: By<'_>,
) -> Result<Sent, AssociationError> {
    let kept = match (queue.store.leased_at_hand(delivery), ahead) {
        (Some(part10), _) => Ok(part10),
        (None, Some(ahead)) => ahead.read().await,
        (None, None) => kept(&queue.store, delivery).await,
    };
    let kept = match kept {
        Ok(kept) => kept,
        Err(unsent) => return Ok(unsent),
    };
    let taken = match as_taken(queue, association, delivery, kept).await {
        Ok(taken) => taken,
        Err(unsent) => return Ok(unsent),
    };
    let Taken { syntax, data_set, compress } = taken;
    let (data_set, sop_instance) =
        match without_patient(queue, delivery, &syntax, data_set, by.key).await {
            Ok(left) => left,
            Err(unsent) => return Ok(unsent),
        };
    let data_set = match changed(queue, delivery, &syntax, data_set).await {
        Ok(data_set) => data_set,
        Err(unsent) => return Ok(unsent),
    };
    if let Err(unsent) = may_go(queue, delivery, (&data_set, &syntax), by.corrected).await {
        return Ok(unsent);
    }
    let (syntax, data_set) = match compress {
        None => (syntax, data_set),
        Some(to) => match compressed(data_set, &to).await {
            Ok(data_set) => (to, data_set),
            Err(unsent) => return Ok(unsent),
        },
    };
    let (began, bytes) = (Instant::now(), data_set.len());
    let response = association.store(&delivery.sop_class, &sop_instance, &syntax, data_set).await;
    queue.pace.sent(bytes, began);
    let response = response?;
    // Without the peer's Error Comment: some write there whose image it is.
    let why = format!("{:04X}: {}", response.status, status::meaning(response.status));
    Ok(match status::outcome(response.status) {
        Outcome::Permanent if status::is_of_the_class(response.status) => {
            Sent::ClassRefused(format!("{why} ({})", delivery.sop_class))
        }
        Outcome::Stored => Sent::Taken(response.status),
        Outcome::Transient => Sent::PutOff(why),
        Outcome::Permanent => Sent::Refused(why),
    })
}

/// Whether the peer still has the study of the same patient, where that is asked.
async fn may_go(
    queue: &Queue,
    delivery: &Delivery,
    as_sent: (&[u8], &Uid),
    corrected: &Corrected,
) -> Result<(), Sent> {
    let of = (&*queue.config, &queue.store);
    match corrected.verdict(of, delivery, as_sent, queue.clock.now()).await {
        Ok(Verdict::Goes) => Ok(()),
        Ok(Verdict::Stays(why)) => Err(Sent::Never(why.into())),
        Ok(Verdict::Waits(why)) => Err(Sent::Later(why)),
        Err(error) => Err(Sent::Later(error.to_string())),
    }
}

/// Larger ones are read when it is their turn: each association would hold three of them.
const LARGEST_AHEAD: u64 = 16 << 20;

/// A kept object that is read before it is its turn.
pub(super) struct Ahead {
    delivery: Delivery,
    reading: AbortOnDropHandle<Result<Bytes, Sent>>,
}

impl Ahead {
    pub(super) fn begin(store: &Store, delivery: &Delivery) -> Option<Self> {
        if delivery.bytes > LARGEST_AHEAD || store.leased_at_hand(delivery).is_some() {
            return None;
        }
        let (store, wanted, delivery) = (store.clone(), delivery.clone(), delivery.clone());
        let reading = tokio::spawn(async move { kept(&store, &wanted).await });
        Some(Self { delivery, reading: AbortOnDropHandle::new(reading) })
    }

    /// Leased anew it may stand for other bytes.
    pub(super) fn is_of(&self, delivery: &Delivery) -> bool {
        self.delivery == *delivery
    }

    async fn read(self) -> Result<Bytes, Sent> {
        let lost = |_| Err(Sent::Later("it was not read".into()));
        self.reading.await.unwrap_or_else(lost)
    }
}

async fn kept(store: &Store, delivery: &Delivery) -> Result<Bytes, Sent> {
    let part10 = match store.leased_object(delivery).await {
        Ok(Leased::Object(part10)) => part10,
        Ok(Leased::Changed) => {
            return Err(Sent::Later("other bytes came under its UID meanwhile".into()));
        }
        Ok(Leased::Gone) => {
            return Err(Sent::Never("the instance is no longer in the store".into()));
        }
        Err(error @ StoreError::Evicted(_)) => return Err(Sent::Never(error.to_string())),
        Err(error) => return Err(Sent::Later(error.to_string())),
    };
    Ok(part10)
}

/// A data set, to be compressed when nothing is to be changed in it any more: what is blanked is native.
struct Taken {
    syntax: Uid,
    data_set: Bytes,
    compress: Option<Uid>,
}

/// As it is kept where the peer takes that, or turned into what it takes: without compression rather than with another one.
async fn as_taken(
    queue: &Queue,
    association: &Association,
    delivery: &Delivery,
    part10: Bytes,
) -> Result<Taken, Sent> {
    let Some(kept) = transcode::data_set_of(&part10) else {
        return Err(Sent::Never("the kept file has no readable file meta information".into()));
    };
    let accepted: Vec<Uid> = association.accepted(&delivery.sop_class).cloned().collect();
    let native = accepted.iter().find(|syntax| **syntax == delivery.transfer_syntax);
    let profile = profile(queue, delivery)?;
    let turned_into = [transcode::uncompressed(), transcode::lossless()].concat();
    let native = native.filter(|syntax| {
        // What cannot be decompressed is parked when it comes to blanking.
        !profile.as_ref().is_some_and(|profile| {
            transcode::is_decompressed(syntax)
                && accepted.iter().any(|other| turned_into.contains(other))
                && deidentify::needs_native_pixels(&kept, profile)
        })
    });
    let uncompressed = || accepted.iter().find(|syntax| transcode::uncompressed().contains(syntax));
    let plain = native.or_else(uncompressed);
    let lossless = || transcode::lossless().into_iter().find(|syntax| accepted.contains(syntax));
    let compress = match plain {
        None if transcode::is_converted(&delivery.transfer_syntax) => lossless(),
        _ => None,
    };
    let before = compress.as_ref().and_then(|_| transcode::uncompressed().into_iter().next());
    match before.as_ref().or(plain).or(accepted.first()) {
        None => {
            let why = association.refusal(&delivery.sop_class).unwrap_or("refused");
            let class = &delivery.sop_class;
            Err(Sent::ClassRefused(format!("the peer does not take SOP class {class}: {why}")))
        }
        Some(syntax) if *syntax == delivery.transfer_syntax => {
            Ok(Taken { syntax: syntax.clone(), data_set: kept, compress })
        }
        Some(syntax) => {
            let data_set = turned(part10, kept, &delivery.transfer_syntax, syntax).await?;
            Ok(Taken { syntax: syntax.clone(), data_set, compress })
        }
    }
}

/// Without loss. It keeps a thread busy that others need.
async fn compressed(data_set: Bytes, to: &Uid) -> Result<Bytes, Sent> {
    let syntax = to.clone();
    let work = move || transcode::compressed(&data_set, &syntax);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(compressed)) => Ok(compressed.into()),
        Ok(Err(why)) => {
            Err(Sent::Never(TranscodeError::Compress { to: to.clone(), why }.to_string()))
        }
        Err(_) => Err(Sent::Later("it was not compressed".into())),
    }
}

/// Into another syntax. Decompressing keeps a thread busy that others need.
async fn turned(part10: Bytes, kept: Bytes, from: &Uid, to: &Uid) -> Result<Bytes, Sent> {
    let (from, to) = (from.clone(), to.clone());
    let work = move || match transcode::is_decompressed(&from) {
        true => transcode::decompressed(&part10, &from, &to),
        false => transcode::native(&kept, &from, &to),
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(turned)) => Ok(turned.into()),
        Ok(Err(why)) => Err(Sent::Never(why.to_string())),
        Err(_) => Err(Sent::Later("it was not turned into what the peer takes".into())),
    }
}

/// For a peer that has a profile. Walking keeps a thread busy that others need.
async fn without_patient(
    queue: &Queue,
    delivery: &Delivery,
    syntax: &Uid,
    data_set: Bytes,
    key: Option<&Key>,
) -> Result<(Bytes, Uid), Sent> {
    let Some(profile) = profile(queue, delivery)? else {
        return Ok((data_set, delivery.sop_instance.clone()));
    };
    let Some(key) = key.cloned() else {
        return Err(Sent::Never("there is no key to de-identify it with".into()));
    };
    let syntax = syntax.clone();
    let work = move || deidentify::deidentified(&data_set, &syntax, &profile, &key);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(leaving)) => match queue.store.keep_departure(&leaving.departure).await {
            Ok(()) => Ok((leaving.data_set.into(), leaving.sop_instance)),
            Err(error) => Err(Sent::Later(error.to_string())),
        },
        Ok(Err(why)) => Err(Sent::Never(why)),
        Err(_) => Err(Sent::Later("it was not de-identified".into())),
    }
}

/// That of the peer, or else of the rule that sends it there.
fn profile(queue: &Queue, delivery: &Delivery) -> Result<Option<Arc<Profile>>, Sent> {
    let of_peer = queue.receiver().and_then(|peer| peer.deidentify.clone());
    let Some(name) = delivery.changes.deidentify.as_ref().filter(|_| of_peer.is_none()) else {
        return Ok(of_peer);
    };
    let found = queue.config.profiles.get(name).cloned();
    let gone = || Sent::Never(format!("there is no [deidentification.{name}] any more"));
    found.map(Some).ok_or_else(gone)
}

/// What the rule changes on the way. Walking and inflating keep a thread busy that others need.
async fn changed(
    queue: &Queue,
    delivery: &Delivery,
    syntax: &Uid,
    data_set: Bytes,
) -> Result<Bytes, Sent> {
    if !delivery.changes.has_attributes() {
        return Ok(data_set);
    }
    let (changes, at) = (delivery.changes.clone(), delivery.queued_at);
    let (system, syntax) = (queue.config.ae_title.clone(), syntax.clone());
    let work =
        move || coerce::apply(&data_set, &syntax, &changes, &coerce::By { system: &system, at });
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(changed)) => Ok(changed.into()),
        Ok(Err(why)) => Err(Sent::Never(why.to_string())),
        Err(_) => Err(Sent::Later("the changes were not carried out".into())),
    }
}
