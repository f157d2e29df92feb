//! An object on its way into the store, and the receipt for it.

use crate::collected::Collected;
use crate::digest::Digest;
use bytes::Bytes;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Header;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

/// What a record says about its object beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub series: Uid,
    pub study: Uid,
    pub transfer_syntax: Uid,
    pub calling_ae: AeTitle,
    pub called_ae: AeTitle,
    pub arrival: Moment,
    pub origin: Origin,
}

impl Identity {
    /// A result that somebody else made of what left here, and sent.
    pub fn came_home(&self) -> bool {
        self.origin == Origin::Made && self.calling_ae != self.called_ae
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Received,
    /// Composed by this node, or by somebody else of what left here without the patient. Never starts a decision, so that
    /// results do not loop.
    Made,
}

/// A whole object in memory, as the Part 10 file (PS3.10 7.1) that export writes byte for byte.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub identity: Identity,
    pub part10: Bytes,
}

/// A whole object in memory as it was received, read and summed up on its way: its Part 10 head is
/// made here.
#[derive(Debug)]
pub struct Received {
    pub identity: Identity,
    pub data_set: Collected,
    pub digest: Digest,
    pub header: Header,
}

/// Says that the object is safe, or that it was so before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub sop_instance: Uid,
    pub outcome: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    New,
    /// The same data set, byte for byte, was kept before. Nothing was written.
    Duplicate,
    /// Another data set was kept under this SOP Instance UID before. It stays, and an event tells.
    Conflict,
    /// Another data set was kept under this SOP Instance UID before. This one counts from now on,
    /// as the configuration wants it, and an event tells.
    Replaced,
    /// The same data set was kept before, but its record was damaged: it is kept anew, and an
    /// event tells.
    Mended,
}
