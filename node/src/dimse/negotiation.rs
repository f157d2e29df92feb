//! A-ASSOCIATE-RQ and -AC (PS3.8 9.3.2, 9.3.3, PS3.7 annex D): what is asked, what is agreed on, and how it is answered.
//!
//! This is where dicom-ul is in the way, and where it is worked around. Its types and its writer are
//! used; its reader is not, because it
//! - refuses what old devices send: protocol versions with further bits, titles padded with NUL,
//!   private sub-items and sub-items of other lengths than it expects;
//! - lets even and repeated identifiers of contexts pass, which must be aborted;
//! - takes any PDU length (`pdu.rs` looks at it first), and does not tell the titles of a request
//!   whose items are broken, which the admin wants to know;
//! - drops the reserved bytes that an acceptance repeats, and has no name for the sub-items 57H and 59H.

pub(super) mod acceptance;
pub(super) mod agreement;
mod items;
pub(super) mod request;
pub(crate) mod user_information;

pub(super) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
pub(super) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Storage Commitment Push Model (PS3.4 annex J).
pub const COMMITMENT: &str = "1.2.840.10008.1.20.1";
