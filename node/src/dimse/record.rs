//! What became of a connection that wanted an association, for the admin to see. Titles and UIDs only.

use crate::dimse::association::AssociationError;
use crate::dimse::connection::ReadError;
use crate::dimse::negotiation::agreement::{Agreement, described};
use crate::dimse::negotiation::request::Request;
use crate::dimse::pdu::AbortReason;
use crate::dimse::refusal::Refusal;
use crate::dimse::service::MoveOriginator;
use crate::dimse::stream::Security;
use gantry_terms::moment::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Of what was offered for a context no more is told: anybody may offer whatever he likes.
pub const OFFERED: usize = 12;

#[derive(Debug, Clone)]
pub struct Record {
    /// As in [`crate::dimse::service::Caller`].
    pub association: u64,
    pub began: Moment,
    pub address: SocketAddr,
    /// The titles as the peer sent them, with what controls a terminal replaced.
    pub calling: String,
    pub called: String,
    /// Version name and class UID of the peer's implementation.
    pub implementation: String,
    pub security: Security,
    pub contexts: Vec<ContextRecord>,
    pub end: End,
    pub stored: Tally,
}

/// A proposed presentation context. What should be a UID is as the peer sent it.
#[derive(Debug, Clone)]
pub struct ContextRecord {
    pub sop_class: String,
    /// The first of them.
    pub offered: Vec<String>,
    /// The transfer syntax that was agreed on, or why none was; nothing where the association
    /// was refused.
    pub answer: Option<Result<String, &'static str>>,
}

/// How it ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The peer said that it has nothing more to send (A-RELEASE).
    Released,
    BrokenOff {
        by: Side,
        why: String,
    },
    /// A-ASSOCIATE-RJ.
    Refused(Refusal),
    /// Nothing that could be answered with an acceptance or a rejection.
    NotAsked(String),
    /// Not even that: TLS did not come about.
    NotSecured(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Peer,
    Node,
    /// Nobody said a word.
    Network,
}

/// What came by C-STORE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that were answered.
    pub objects: u64,
    /// Of their data sets.
    pub bytes: u64,
    pub statuses: BTreeMap<u16, u64>,
    /// Whose C-MOVE the first object that names one was a part of.
    pub move_originator: Option<MoveOriginator>,
}

impl Record {
    pub(super) fn new(association: u64, address: SocketAddr) -> Self {
        Self {
            association,
            began: Moment::now(),
            address,
            calling: String::new(),
            called: String::new(),
            implementation: String::new(),
            security: Security::None,
            contexts: Vec::new(),
            // Until something better is known: the task fell over, or the node's end cut it off.
            end: End::BrokenOff { by: Side::Node, why: "it was cut off".into() },
            stored: Tally::default(),
        }
    }

    /// What was asked for, as far as it could be read.
    pub(super) fn asked(&mut self, request: &Request) {
        self.calling = printable(&request.calling);
        self.called = printable(&request.called);
        let user = &request.user;
        let implementation = [&user.implementation_version, &user.implementation_class];
        self.implementation = printable(&implementation.map(String::as_str).join(" "));
        let context = |proposal: &dicom_ul::pdu::PresentationContextProposed| ContextRecord {
            sop_class: proposal.abstract_syntax.clone(),
            offered: proposal.transfer_syntaxes.iter().take(OFFERED).cloned().collect(),
            answer: None,
        };
        self.contexts = request.contexts.iter().map(context).collect();
    }

    pub(super) fn answered(&mut self, agreement: &Agreement) {
        for (context, answer) in self.contexts.iter_mut().zip(&agreement.answers) {
            context.answer = Some(match answer.reason.clone() as u8 {
                0 => Ok(answer.transfer_syntax.clone()),
                result => Err(described(result)),
            });
        }
    }
}

impl End {
    /// `said` is the A-ABORT that this side sent.
    pub(super) fn failed(error: &AssociationError, said: Option<AbortReason>) -> Self {
        let by = match error {
            AssociationError::Aborted(_) | AssociationError::Released => Side::Peer,
            AssociationError::Read(ReadError::Closed | ReadError::Io(_))
            | AssociationError::Write(_) => Side::Network,
            AssociationError::Read(_)
            | AssociationError::Late(_)
            | AssociationError::Protocol(_)
            | AssociationError::NoContext => Side::Node,
        };
        let said = said.map(|said| format!(" (A-ABORT {said})")).unwrap_or_default();
        Self::BrokenOff { by, why: format!("{error}{said}") }
    }

    /// What the counters count: one of a few.
    pub fn kind(&self) -> String {
        match self {
            Self::Released => "released".into(),
            Self::BrokenOff { by: Side::Peer, .. } => "aborted by the peer".into(),
            Self::BrokenOff { by: Side::Node, .. } => "aborted by the node".into(),
            Self::BrokenOff { by: Side::Network, .. } => "connection lost".into(),
            Self::Refused(refusal) => format!("refused {}", refusal.triple()),
            Self::NotAsked(_) | Self::NotSecured(_) => "not asked for".into(),
        }
    }
}

/// A title that breaks the rules may hold anything.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.trim().chars().take(128).map(shown).collect()
}
