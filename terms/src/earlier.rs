//! An earlier revision of the same series or study, whose results those of a later one take the place of.

use crate::uid::Uid;
use serde::{Deserialize, Serialize};

/// What was made before of the same images, by the same rule and model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Of the series or the study.
    pub revision: u32,
    /// The results of it that a document can name as its predecessors, with their alternates.
    pub documents: Vec<Document>,
}

/// A document by its place in the study, as PS3.3 table C.17-3 refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub study: Uid,
    pub series: Uid,
    pub sop_class: Uid,
    pub sop_instance: Uid,
}
