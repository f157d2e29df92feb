//! What an acceptor serves: who may, what is wanted, and what becomes of a C-STORE.

pub use crate::dimse::negotiation::user_information::UserIdentity;
pub use crate::dimse::record::{ContextRecord, End, Record, Side, Tally};
pub use crate::dimse::refusal::Refusal;
pub use crate::dimse::store::{DataSet, PeerGone};
pub use crate::dimse::stream::Security;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::storage_classes;
use gantry_terms::uid::Uid;
use std::future::Future;
use std::net::SocketAddr;

/// Who calls whom, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    pub calling: AeTitle,
    pub called: AeTitle,
    pub address: SocketAddr,
    pub security: Security,
    /// Counts the connections of this acceptor; the same number stands in the log.
    pub association: u64,
}

/// On what terms a caller may.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The transfer syntaxes to choose first, best first; then the node's own preference.
    pub prefers: Vec<Uid>,
    /// How many associations it may have at a time.
    pub maximum_associations: usize,
    /// The user identity was checked and is right.
    pub is_identified: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { prefers: Vec::new(), maximum_associations: usize::MAX, is_identified: false }
    }
}

#[derive(Debug, Clone)]
pub struct StoreRequest {
    pub caller: Caller,
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub transfer_syntax: Uid,
    pub message_id: u16,
    pub move_originator: Option<MoveOriginator>,
}

/// Whose C-MOVE this C-STORE is a part of (PS3.7 9.1.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveOriginator {
    pub ae_title: AeTitle,
    pub message_id: u16,
}

/// Status, and an Error Comment (LO, 64 characters, nothing of the patient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAnswer {
    pub status: u16,
    pub comment: Option<String>,
}

/// How an association came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer said that it has nothing more to send (A-RELEASE).
    Released,
    /// Aborted by either side, or the connection was lost: more may come on another one.
    BrokenOff,
}

/// What an acceptor serves.
pub trait Service: Send + Sync + 'static {
    /// Who may, and on what terms.
    fn admit(
        &self,
        caller: &Caller,
        identity: Option<&UserIdentity>,
    ) -> impl Future<Output = Result<Terms, Refusal>> + Send;

    /// What a caller hears whose calling title breaks the rules of a title.
    fn nobody(&self, _called: &AeTitle) -> Refusal {
        Refusal::CallingAeTitleUnknown
    }

    /// Whether objects of this class are kept. The requestor may have said which service class it
    /// belongs to (common extended negotiation, PS3.7 D.3.3.6).
    fn wants(&self, sop_class: &str, _service_class: Option<&str>) -> bool {
        storage_classes::is_storage_class(sop_class)
    }

    /// Whether anything can be kept now. An association for verification alone is accepted
    /// whatever is said here.
    fn has_room(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Answers one C-STORE. What is left unread of the data set is drained.
    fn store(
        &self,
        request: StoreRequest,
        data: &mut DataSet<'_>,
    ) -> impl Future<Output = StoreAnswer> + Send;

    /// Told of an association that was accepted without some of the SOP classes that the peer
    /// proposed: what it has of them will not come.
    fn not_taken(&self, _caller: &Caller, _reason: String) {}

    /// Told of each association that was accepted, before its first message.
    fn opened(&self, _caller: &Caller) {}

    /// Told of each association that was opened, when it is over.
    fn ended(&self, _caller: &Caller, _how: Ended) {}

    /// Told of whatever wanted an association, when it is over.
    fn recorded(&self, record: Record);
}
