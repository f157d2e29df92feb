//! A bounded list of what an admin should see.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::store::Store;
use gantry_terms::moment::Moment;

/// Never holds a patient attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub station: String,
    pub kind: String,
    /// A UID, an AE title, a model, a rule.
    pub subject: Option<String>,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub at: Moment,
    pub event: Event,
}

impl Reader {
    /// The newest first.
    pub async fn events(&self, _limit: u32) -> Result<Vec<EventRow>, StoreError> {
        todo!()
    }
}

impl Store {
    pub async fn note(&self, _event: Event) -> Result<(), StoreError> {
        todo!()
    }
}
