//! What the rules said about a series, kept in one transaction with the work that follows from it.

use crate::error::StoreError;
use crate::jobs::Priority;
use crate::reader::Reader;
use crate::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

/// The verdicts of one set of rules on one revision of a series.
#[derive(Debug, Clone)]
pub struct NewDecisions {
    pub series: Uid,
    pub revision: u32,
    pub rules_digest: String,
    pub rules_text: String,
    pub at: Moment,
    pub decisions: Vec<NewDecision>,
}

/// One rule's verdict, skips too.
#[derive(Debug, Clone)]
pub struct NewDecision {
    pub rule: String,
    pub runs: bool,
    pub reason: String,
    pub trace: serde_json::Value,
    pub job: Option<NewJob>,
    pub forward: Vec<NewForward>,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub model: String,
    pub model_digest: String,
    pub priority: Priority,
    pub shadow: bool,
    pub selected: Vec<Uid>,
    pub send_to: Vec<String>,
    pub send_as: Vec<String>,
}

/// Instances that go to a peer as they are.
#[derive(Debug, Clone)]
pub struct NewForward {
    pub peer: String,
    pub instances: Vec<Uid>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    pub series: Uid,
    pub revision: u32,
    pub rules_digest: String,
    pub rule: String,
    pub runs: bool,
    pub reason: String,
    pub trace: serde_json::Value,
    pub at: Moment,
}

impl Reader {
    /// Every revision's decisions, oldest first, in the order of the rules.
    pub async fn decisions(&self, _series: &Uid) -> Result<Vec<DecisionRow>, StoreError> {
        todo!()
    }
    /// The text of the rules that were in force when something was decided by them.
    pub async fn rule_set(&self, _digest: &str) -> Result<Option<String>, StoreError> {
        todo!()
    }
}

impl Store {
    /// Keeps the decisions, their jobs and forwards, and the series as decided, or nothing of it.
    /// False when the series is not complete in this very revision (any more). The same decision
    /// given twice is true twice and kept once.
    pub async fn decide(&self, _new: NewDecisions) -> Result<bool, StoreError> {
        todo!()
    }
}
