//! Where a result comes from: the node, the rule and the moment, and the UIDs that follow from what made it.

use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

/// The job that a result belongs to.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub station: Station,
    /// Name of the rule that asked for the job.
    pub rule: String,
    /// Digest of the rule set that the rule stood in.
    pub rules_digest: String,
    pub revision: u32,
    /// Content date and time of every object of the job. Taken from the job and not from the
    /// clock, so that a repeat makes the same bytes.
    pub at: Moment,
    /// Results sort behind acquired series: Series Number is 900 + slot.
    pub slot: u16,
}

/// The node as equipment (PS3.3 C.7.5.1) and as observer (PS3.16 TID 1004).
#[derive(Debug, Clone)]
pub struct Station {
    pub name: String,
    pub manufacturer: String,
    pub model_name: String,
    pub serial: String,
    pub version: String,
    /// One for the life of the installation; also the Instance Creator UID.
    pub observer_uid: Uid,
    pub ae_title: AeTitle,
}
