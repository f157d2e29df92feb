//! DIMSE statuses (PS3.7 annex C, PS3.4 B.2.3): what the node answers, and what an answer means to it as SCU.

pub const SUCCESS: u16 = 0x0000;
/// Refused: out of resources. The sender should try again later.
pub const OUT_OF_RESOURCES: u16 = 0xA700;
pub const DOES_NOT_MATCH_SOP_CLASS: u16 = 0xA900;
pub const CANNOT_UNDERSTAND: u16 = 0xC000;
// C001 to CFFF are the implementation's own "cannot understand" (PS3.4 table B.2-1).
pub const NO_STUDY_UID: u16 = 0xC001;
pub const NO_SERIES_UID: u16 = 0xC002;
pub const UID_SYNTAX: u16 = 0xC003;
// Of what a peer sends home that got it without the patient.
pub const UNKNOWN_STUDY: u16 = 0xC010;
pub const OTHER_PATIENT: u16 = 0xC011;
pub const NO_RESULT: u16 = 0xC012;
pub const TOO_LARGE: u16 = 0xC013;
pub const INVALID_SOP_INSTANCE: u16 = 0x0117;
pub const NO_SUCH_EVENT_TYPE: u16 = 0x0113;
pub const INVALID_ARGUMENT: u16 = 0x0115;
pub const NO_SUCH_SOP_CLASS: u16 = 0x0118;
pub const NO_SUCH_ACTION: u16 = 0x0123;
pub const UNRECOGNIZED_OPERATION: u16 = 0x0211;
pub const MISTYPED_ARGUMENT: u16 = 0x0212;

/// What the answer to our C-STORE means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The peer has it: success or a warning.
    Stored,
    /// The peer may take it later.
    Transient,
    /// The peer will not take it as it is: someone must act.
    Permanent,
}

/// First and last status, outcome, and meaning with who must act.
type Row = (u16, u16, Outcome, &'static str);

/// The first row that fits counts.
const TABLE: &[Row] = &[
    // PS3.7 C.1
    (0x0000, 0x0000, Outcome::Stored, "stored"),
    // PS3.4 B.2.3
    (0xB000, 0xB000, Outcome::Stored, "stored, with elements coerced"),
    (0xB006, 0xB006, Outcome::Stored, "stored, with elements discarded"),
    (0xB007, 0xB007, Outcome::Stored, "stored, though it does not match its SOP class"),
    (0xA700, 0xA7FF, Outcome::Transient, "the peer is out of resources"),
    (0xA900, 0xA9FF, Outcome::Permanent, "to the peer it does not match its SOP class"),
    (0xC000, 0xCFFF, Outcome::Permanent, "the peer cannot understand it"),
    // PS3.7 C.4
    (0x0001, 0x0001, Outcome::Stored, "stored, with a warning"),
    (0x0107, 0x0107, Outcome::Stored, "stored, with a warning about attributes"),
    (0x0116, 0x0116, Outcome::Stored, "stored, with a value out of range"),
    (0xB000, 0xBFFF, Outcome::Stored, "stored, with a warning"),
    // PS3.7 C.5. Resource limitation belongs to N-services, but passes wherever it is sent.
    (0x0213, 0x0213, Outcome::Transient, "the peer is out of resources"),
    (0x0110, 0x0110, Outcome::Permanent, "the peer failed to process it: its log may say why"),
    (0x0117, 0x0117, Outcome::Permanent, "the peer finds the SOP Instance UID invalid"),
    (0x0122, 0x0122, Outcome::Permanent, "the peer does not support the SOP class"),
    (0x0124, 0x0124, Outcome::Permanent, "the peer does not authorise us: its admin must"),
    (0x0210, 0x0210, Outcome::Permanent, "the peer sees the message as a duplicate"),
    (0x0211, 0x0211, Outcome::Permanent, "the peer does not know C-STORE here"),
    (0x0212, 0x0212, Outcome::Permanent, "the peer finds an argument of the message mistyped"),
    // Whatever else is not zero is a failure.
    (0x0000, 0xFFFF, Outcome::Permanent, "the peer refuses it with a status of its own"),
];

/// Whether the peer has it, takes it later, or will not.
pub fn outcome(status: u16) -> Outcome {
    row(status).2
}

/// Whether a failure says that the peer does not take objects of the SOP class: Refused: SOP class not supported (PS3.7
/// C.5.22), and Error: Data Set does not match SOP Class (PS3.4 B.2.3), which some send for one that they do not know.
pub fn is_of_the_class(status: u16) -> bool {
    matches!(status, 0x0122 | 0xA900..=0xA9FF)
}

/// The status in words, and who must act.
pub fn meaning(status: u16) -> &'static str {
    row(status).3
}

fn row(status: u16) -> &'static Row {
    let fits = |(first, last, ..): &&Row| (*first..=*last).contains(&status);
    TABLE.iter().find(fits).unwrap_or(&TABLE[TABLE.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_stored_a_full_peer_is_tried_again_and_the_rest_waits_for_someone() {
        for status in [0x0000, 0x0001, 0xB000, 0xB006, 0xB007, 0xB123, 0x0107] {
            assert_eq!(outcome(status), Outcome::Stored, "{status:04X}");
        }
        for status in [0xA700, 0xA7FF, 0x0213] {
            assert_eq!(outcome(status), Outcome::Transient, "{status:04X}");
        }
        for status in [0xA900, 0xC000, 0x0110, 0x0122, 0x0124, 0x0211, 0xFE00, 0xFF00, 0x0002] {
            assert_eq!(outcome(status), Outcome::Permanent, "{status:04X}");
        }
        for status in [0x0122, 0xA900, 0xA9FF] {
            assert!(is_of_the_class(status), "{status:04X}");
        }
        for status in [0x0110, 0x0124, 0xA700, 0xA8FF, 0xAA00, 0xC000] {
            assert!(!is_of_the_class(status), "{status:04X}");
        }
        assert_eq!(meaning(0xFFFF), "the peer refuses it with a status of its own");
    }
}
