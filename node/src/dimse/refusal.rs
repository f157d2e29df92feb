//! Why an association is refused: one table of words and of result, source and reason (PS3.8 9.3.4).

use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason as Acse,
    AssociationRJServiceProviderPresentationReason as Presentation,
    AssociationRJServiceUserReason as User, AssociationRJSource,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    CalledAeTitleUnknown,
    CallingAeTitleUnknown,
    ApplicationContextUnknown,
    ProtocolVersion,
    NothingProposed,
    /// A fault of ours that passes: the disk is full, the index is locked.
    Congestion,
    TooManyAssociations,
}

impl Refusal {
    /// A fault that passes is never a permanent rejection: clients give up on those.
    pub(super) fn rejection(self) -> AssociationRJ {
        use AssociationRJResult::{Permanent, Transient};
        use AssociationRJSource::{ServiceProviderASCE, ServiceProviderPresentation, ServiceUser};
        let (result, source) = match self {
            Self::NothingProposed => (Permanent, ServiceUser(User::NoReasonGiven)),
            Self::ApplicationContextUnknown => {
                (Permanent, ServiceUser(User::ApplicationContextNameNotSupported))
            }
            Self::CallingAeTitleUnknown => {
                (Permanent, ServiceUser(User::CallingAETitleNotRecognized))
            }
            Self::CalledAeTitleUnknown => {
                (Permanent, ServiceUser(User::CalledAETitleNotRecognized))
            }
            Self::ProtocolVersion => {
                (Permanent, ServiceProviderASCE(Acse::ProtocolVersionNotSupported))
            }
            Self::Congestion => {
                (Transient, ServiceProviderPresentation(Presentation::TemporaryCongestion))
            }
            Self::TooManyAssociations => {
                (Transient, ServiceProviderPresentation(Presentation::LocalLimitExceeded))
            }
        };
        AssociationRJ { result, source }
    }

    pub(super) fn described(self) -> &'static str {
        match self {
            Self::CalledAeTitleUnknown => "this node has not the called AE title (1/1/7)",
            Self::CallingAeTitleUnknown => "the calling AE title is no peer of this node (1/1/3)",
            Self::ApplicationContextUnknown => "unknown application context (1/1/2)",
            Self::ProtocolVersion => "unknown protocol version (1/2/2)",
            Self::NothingProposed => "no presentation context was proposed (1/1/1)",
            Self::Congestion => "this node cannot take anything for the moment (2/3/1)",
            Self::TooManyAssociations => "too many associations at a time, or stopping (2/3/2)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimse::pdu::encoded;
    use dicom_ul::pdu::Pdu;

    #[test]
    fn what_the_admin_reads_is_what_the_peer_was_sent() {
        for refusal in [
            Refusal::CalledAeTitleUnknown,
            Refusal::CallingAeTitleUnknown,
            Refusal::ApplicationContextUnknown,
            Refusal::ProtocolVersion,
            Refusal::NothingProposed,
            Refusal::Congestion,
            Refusal::TooManyAssociations,
        ] {
            let sent = encoded(&Pdu::AssociationRJ(refusal.rejection())).expect("it is encoded");
            let triple = format!("({}/{}/{})", sent[7], sent[8], sent[9]);
            assert!(refusal.described().ends_with(&triple), "{refusal:?}: {triple}");
        }
    }
}
