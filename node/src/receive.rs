//! Station receive: what arrives by C-STORE is checked, kept, and only then answered with 0x0000.

mod returned;

use crate::admission::Admission;
use crate::arriving::Arriving;
use crate::audit::receiving::Receiving;
use crate::audit::{How, Instance};
use crate::commit;
use crate::config::Config;
use crate::data_set::Ending;
use crate::dimse::acceptor::{
    Caller, DataSet, Ended, Refusal, Service, StoreAnswer, StoreRequest, Terms, UserIdentity,
};
use crate::dimse::commitment;
use crate::dimse::record::{End, Record};
use crate::dimse::status;
use crate::ledger::{self, Ledger};
use crate::memory::{Memory, Share, Short};
use crate::returning::Astray;
use bytes::Bytes;
use gantry_routing::complete::associations::Associations;
use gantry_store::associations::{AssociationRow, Outcome};
use gantry_store::collected::{Buffers, Collected};
use gantry_store::digest::Digester;
use gantry_store::error::KeepError;
use gantry_store::events::Event;
use gantry_store::header::{self, HeaderError};
use gantry_store::incoming::{Identity, Kept, Origin, Received};
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Header;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::sync::Arc;
use tracing::Instrument;

/// The node as a Storage SCP.
pub struct Receive {
    pub admission: Admission,
    pub ledger: Ledger,
    pub store: Store,
    /// Objects above this many bytes are streamed to disk instead of collected.
    pub large_object_bytes: usize,
    pub buffers: Arc<Buffers>,
    pub memory: Memory,
    /// The station complete wants to know what each association carries, and how it ends.
    pub associations: Arc<Associations>,
    pub audit: Receiving,
    pub config: Arc<Config>,
}

/// Who an object is, and what the audit trail says of it.
struct Known {
    identity: Identity,
    instance: Instance,
}

/// The UIDs of an object stand in so much of it.
const MOST_COLLECTED: usize = 16 << 20;

const TOO_DEEP: &str = "sequences are nested too deeply";
const ENDLESS: &str = "it inflates to more than is read";

const SOP_CLASS_UID: u32 = 0x0008_0016;
const SOP_INSTANCE_UID: u32 = 0x0008_0018;
const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
const SERIES_INSTANCE_UID: u32 = 0x0020_000E;

/// Why an object is not kept. One table maps these to statuses ([`Unkept::answer`]).
#[derive(Debug, thiserror::Error)]
enum Unkept {
    #[error("the association ended in the middle of the object")]
    PeerGone,
    #[error("the data set cannot be read: {0}")]
    Unreadable(String),
    #[error("the data set ends in the middle of an attribute")]
    Truncated,
    #[error("the data set has no {0}")]
    Missing(&'static str),
    #[error("the data set's {0} is not a UID: {1}")]
    NotAUid(&'static str, gantry_terms::uid::InvalidUid),
    #[error("the data set's {0} differs from the command's")]
    Differs(&'static str),
    #[error(transparent)]
    Memory(#[from] Short),
    #[error(transparent)]
    Store(#[from] KeepError),
    #[error("it does not come home: {0}")]
    Astray(#[from] Astray),
}

impl Unkept {
    /// Of the start of an object: what is behind it may have what is missing.
    fn may_come_later(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Truncated)
    }

    /// Status and Error Comment (LO, 64 characters, nothing of the patient) of PS3.4 B.2.3.
    fn answer(&self) -> StoreAnswer {
        let (status, comment) = match self {
            Self::PeerGone => (status::CANNOT_UNDERSTAND, "association ended within the object"),
            Self::Unreadable(_) => (status::CANNOT_UNDERSTAND, "data set cannot be parsed"),
            Self::Truncated => (status::CANNOT_UNDERSTAND, "data set ends within an attribute"),
            Self::Missing("Study Instance UID") => (status::NO_STUDY_UID, "no Study Instance UID"),
            Self::Missing("Series Instance UID") => {
                (status::NO_SERIES_UID, "no Series Instance UID")
            }
            Self::Missing(_) => {
                (status::DOES_NOT_MATCH_SOP_CLASS, "SOP class or instance UID missing")
            }
            Self::NotAUid(..) => (status::UID_SYNTAX, "a UID breaks the rules of PS3.5 9.1"),
            Self::Differs(_) => (status::DOES_NOT_MATCH_SOP_CLASS, "command and data set differ"),
            Self::Astray(why) => why.answer(),
            Self::Memory(Short) => (status::OUT_OF_RESOURCES, "the node's memory is taken"),
            Self::Store(KeepError::Full(_)) => {
                (status::OUT_OF_RESOURCES, "the node's disk is full")
            }
            Self::Store(KeepError::NotPart10) => {
                (status::CANNOT_UNDERSTAND, "data set cannot be kept")
            }
            Self::Store(KeepError::Closed) => (status::OUT_OF_RESOURCES, "the node is stopping"),
            Self::Store(KeepError::Failed(_)) => {
                (status::OUT_OF_RESOURCES, "the node cannot write")
            }
        };
        StoreAnswer { status, comment: Some(comment.into()) }
    }
}

impl Service for Receive {
    async fn admit(
        &self,
        caller: &Caller,
        identity: Option<&UserIdentity>,
    ) -> Result<Terms, Refusal> {
        let admitted = self.admission.admit(caller, identity).await;
        self.audit.admitted(caller, identity, &admitted);
        admitted
    }

    fn nobody(&self, called: &AeTitle) -> Refusal {
        self.admission.nobody(called)
    }

    fn wants(&self, sop_class: &str, service_class: Option<&str>) -> bool {
        self.admission.wants(sop_class, service_class)
    }

    fn has_room(&self) -> Result<(), Refusal> {
        has_room(&self.store, &self.memory)
    }

    async fn store(&self, request: StoreRequest, data: &mut DataSet<'_>) -> StoreAnswer {
        let association = request.caller.association;
        self.associations.storing(association, Moment::now());
        let mut instance = None;
        let peer = self.config.peers.get(&request.caller.calling);
        let kept = match peer.and_then(|peer| peer.returns.as_ref()) {
            Some(returns) => self.keep_returned(&request, data, &mut instance, returns).await,
            None => self.keep(&request, data, &mut instance).await,
        };
        self.associations.stored(
            association,
            matches!(kept, Ok(Kept::New | Kept::Replaced)),
            Moment::now(),
        );
        if let Some(instance) = &instance {
            self.audit.moved(association, instance, how(&kept));
        }
        match kept {
            // A conflict under keep-first, too (PS3.4 B.4.1: instances are immutable): what is safe
            // is the first object, and the admin has an event.
            Ok(Kept::New | Kept::Duplicate | Kept::Conflict | Kept::Replaced | Kept::Mended) => {
                StoreAnswer { status: status::SUCCESS, comment: None }
            }
            Err(why) => {
                let answer = why.answer();
                self.tell(&request, &why, answer.status);
                answer
            }
        }
    }

    async fn asked_to_commit(&self, caller: &Caller, request: commitment::Request) -> u16 {
        commit::asked(&self.admission, &self.store, &self.ledger, caller, request).await
    }

    async fn told_of_commitment(&self, caller: &Caller, report: commitment::Report) -> u16 {
        commit::told(&self.store, caller.calling.as_str(), report).await
    }

    fn not_taken(&self, caller: &Caller, reason: String) {
        tracing::warn!(station = "receive", calling = %caller.calling, reason, "not all was taken");
        let text = format!("association from {} ({}): {reason}", caller.calling, caller.address);
        let subject = Some(caller.calling.to_string());
        self.ledger.event(ledger::event("SOP class not taken", subject, text));
    }

    fn opened(&self, caller: &Caller) {
        self.associations.opened(caller.association, Moment::now());
        self.audit.opened(caller);
    }

    fn ended(&self, caller: &Caller, how: Ended) {
        self.audit.ended(caller);
        self.associations.ended(caller.association, how == Ended::Released, Moment::now());
    }

    fn recorded(&self, record: Record) {
        let hint = match record.end {
            End::Refused(refusal) => self.admission.hint(refusal, &record.calling),
            _ => String::new(),
        };
        let row = ledger::row(&record, &hint);
        self.audit.recorded(&record, &row.explanation);
        if !matches!(record.end, End::Released) {
            tracing::warn!(
                station = "receive",
                association = record.association,
                calling = row.calling,
                called = row.called,
                address = row.address,
                reason = row.explanation,
                "{}",
                row.kind
            );
            self.ledger.event(told(&row));
        }
        self.ledger.association(row);
    }
}

/// Whether the node can take anything now. Whoever asks for an association while it cannot is told
/// to come back (A-ASSOCIATE-RJ 2/3/1).
fn has_room(store: &Store, memory: &Memory) -> Result<(), Refusal> {
    match store.fault().is_some() || memory.is_short() {
        true => Err(Refusal::Congestion),
        false => Ok(()),
    }
}

impl Receive {
    fn carries(&self, request: &StoreRequest, known: &Known) {
        let association = request.caller.association;
        self.associations.carries(association, &known.identity.series, Moment::now());
        self.audit.begins(association, &known.instance);
    }

    #[tracing::instrument(name = "receive", skip_all, fields(calling = %request.caller.calling, instance = %request.sop_instance))]
    async fn keep(
        &self,
        request: &StoreRequest,
        data: &mut DataSet<'_>,
        instance: &mut Option<Instance>,
    ) -> Result<Kept, Unkept> {
        let _share = self.memory.share().await?;
        let (mut collected, mut digester) = (Collected::new(&self.buffers), Digester::default());
        while let Some(chunk) = data.chunk().await.map_err(|_| Unkept::PeerGone)? {
            digester.update(&chunk);
            collected.extend(&chunk);
            if collected.as_slice().len() > self.large_object_bytes {
                return self.keep_streamed(request, collected, data, instance).await;
            }
        }
        let header = header::read_whole_data_set(collected.as_slice(), &request.transfer_syntax)
            .map_err(header_error)?;
        let known = known(request, &header)?;
        self.carries(request, &known);
        let Known { identity, instance: about } = known;
        *instance = Some(about);
        let (data_set, digest) = (collected, digester.digest());
        let kept = self.store.keep_received(Received { identity, data_set, digest, header });
        Ok(kept.instrument(tracing::info_span!("keep")).await?.outcome)
    }

    /// A large object goes to a segment of its own while it arrives; memory does not grow with it.
    async fn keep_streamed(
        &self,
        request: &StoreRequest,
        collected: Collected,
        data: &mut DataSet<'_>,
        instance: &mut Option<Instance>,
    ) -> Result<Kept, Unkept> {
        // Who it is; the store reads the header when all is there.
        let (start, known, share) =
            self.identified(request, Bytes::from_owner(collected), data).await?;
        self.carries(request, &known);
        let Known { identity, instance: about } = known;
        *instance = Some(about);
        let mut ending = Arriving::new(&request.transfer_syntax);
        let mut stream = self.store.keep_streamed(identity).await?;
        follow(&mut ending, &start).await;
        stream.append(start).await?;
        drop(share);
        while let Some(chunk) = data.chunk().await.map_err(|_| Unkept::PeerGone)? {
            follow(&mut ending, &chunk).await;
            stream.append(chunk).await?;
        }
        match ending.end() {
            Ending::Whole | Ending::Unclear => {}
            Ending::Truncated => return Err(Unkept::Truncated),
            Ending::TooDeep => return Err(Unkept::Unreadable(TOO_DEEP.into())),
            Ending::Endless => return Err(Unkept::Unreadable(ENDLESS.into())),
        }
        Ok(stream.finish().instrument(tracing::info_span!("keep")).await?.outcome)
    }

    /// The start of a large object and who it is, which stands in the first megabytes as a rule.
    /// Where long sequences or private elements stand in front of its UIDs more is collected, and
    /// more memory is asked for.
    async fn identified(
        &self,
        request: &StoreRequest,
        collected: Bytes,
        data: &mut DataSet<'_>,
    ) -> Result<(Bytes, Known, Option<Share>), Unkept> {
        let found = known_at_start(request, &collected);
        if !found.as_ref().is_err_and(Unkept::may_come_later) {
            return found.map(|known| (collected, known, None));
        }
        let share = self.memory.further(MOST_COLLECTED).await?;
        // The last PDU may lie behind that.
        let mut more = Vec::with_capacity(MOST_COLLECTED + self.large_object_bytes);
        more.extend_from_slice(&collected);
        drop(collected);
        loop {
            let (enough, mut ended) = ((2 * more.len()).min(MOST_COLLECTED), false);
            while more.len() < enough && !ended {
                match data.chunk().await.map_err(|_| Unkept::PeerGone)? {
                    Some(chunk) => more.extend_from_slice(&chunk),
                    None => ended = true,
                }
            }
            match known_at_start(request, &more) {
                Err(why) if why.may_come_later() && !ended && more.len() < MOST_COLLECTED => {}
                found => return found.map(|known| (more.into(), known, Some(share))),
            }
        }
    }

    /// Says where the admin looks that an object was not kept, and who must act. The answer does
    /// not wait for it.
    fn tell(&self, request: &StoreRequest, why: &Unkept, status: u16) {
        let answered = match why {
            Unkept::PeerGone => "not answered".into(),
            _ => format!("answered {status:04X}"),
        };
        tracing::warn!(
            station = "receive", calling = %request.caller.calling, instance = %request.sop_instance,
            answered, reason = %why, "object not kept"
        );
        let text = format!(
            "instance {} from {} not kept, {answered}: {why}",
            request.sop_instance, request.caller.calling
        );
        let subject = Some(request.sop_instance.to_string());
        self.ledger.event(ledger::event("object not kept", subject, text));
    }
}

/// A deflated object takes its time, in which others on this thread want theirs.
async fn follow(ending: &mut Arriving, bytes: &[u8]) {
    let mut rest = bytes;
    while ending.feed(&mut rest) {
        tokio::task::yield_now().await;
    }
}

/// What the audit trail calls what became of an object.
fn how(kept: &Result<Kept, Unkept>) -> How {
    match kept {
        Ok(Kept::New | Kept::Mended) => How::New,
        Ok(Kept::Replaced) => How::Altered,
        Ok(Kept::Duplicate | Kept::Conflict) => How::Read,
        Err(_) => How::Failed,
    }
}

/// An association that was refused or broken off.
fn told(row: &AssociationRow) -> Event {
    let AssociationRow { address, calling, called, explanation, .. } = row;
    let kind = match row.outcome {
        Outcome::Refused => "association refused",
        Outcome::BrokenOff | Outcome::Released => "association broken off",
    };
    let text =
        format!("{kind}: from {address}, calling {calling:?}, called {called:?}: {explanation}");
    ledger::event(kind, Some(calling.clone()), text)
}

fn header_error(error: HeaderError) -> Unkept {
    match error {
        HeaderError::Truncated(_) => Unkept::Truncated,
        malformed => Unkept::Unreadable(malformed.to_string()),
    }
}

fn known_at_start(request: &StoreRequest, start: &[u8]) -> Result<Known, Unkept> {
    let header = header::read_start_of_data_set(start, &request.transfer_syntax);
    known(request, &header.map_err(header_error)?)
}

fn known(request: &StoreRequest, header: &Header) -> Result<Known, Unkept> {
    let identity = identity(request, header)?;
    let instance = Instance::new(&identity.study, &identity.sop_class, header);
    Ok(Known { identity, instance })
}

/// Who the object is: its own UIDs, which must be those that the command named.
fn identity(request: &StoreRequest, header: &Header) -> Result<Identity, Unkept> {
    let uid = |tag, name| {
        let text = header.text(tag).ok_or(Unkept::Missing(name))?;
        Uid::parse(text).map_err(|why| Unkept::NotAUid(name, why))
    };
    if uid(SOP_CLASS_UID, "SOP Class UID")? != request.sop_class {
        return Err(Unkept::Differs("SOP Class UID"));
    }
    if uid(SOP_INSTANCE_UID, "SOP Instance UID")? != request.sop_instance {
        return Err(Unkept::Differs("SOP Instance UID"));
    }
    Ok(Identity {
        sop_class: request.sop_class.clone(),
        sop_instance: request.sop_instance.clone(),
        study: uid(STUDY_INSTANCE_UID, "Study Instance UID")?,
        series: uid(SERIES_INSTANCE_UID, "Series Instance UID")?,
        transfer_syntax: request.transfer_syntax.clone(),
        calling_ae: request.caller.calling.clone(),
        called_ae: request.caller.called.clone(),
        arrival: Moment::now(),
        origin: Origin::Received,
    })
}
