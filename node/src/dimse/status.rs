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
pub const INVALID_SOP_INSTANCE: u16 = 0x0117;
pub const SOP_CLASS_NOT_SUPPORTED: u16 = 0x0122;
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

/// PS3.7 C: 0000 success; 0001, 0107, 0116, Bxxx warnings; A7xx out of resources; all else failure.
pub fn outcome(status: u16) -> Outcome {
    match status {
        0x0000 | 0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => Outcome::Stored,
        0xA700..=0xA7FF => Outcome::Transient,
        _ => Outcome::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_stored_a_full_peer_is_tried_again_and_the_rest_waits_for_someone() {
        for status in [0x0000, 0xB000, 0xB006, 0xB007, 0x0107] {
            assert_eq!(outcome(status), Outcome::Stored, "{status:04X}");
        }
        assert_eq!(outcome(0xA700), Outcome::Transient);
        for status in [0xA900, 0xC000, 0x0110, 0x0122, 0x0124, 0x0211] {
            assert_eq!(outcome(status), Outcome::Permanent, "{status:04X}");
        }
    }
}
