//! Why an association is refused: one table of words and of result, source and reason (PS3.8 9.3.4).

use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason as Acse,
    AssociationRJServiceProviderPresentationReason as Provided,
    AssociationRJServiceUserReason as User, AssociationRJSource,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    CalledAeTitleUnknown,
    CallingAeTitleUnknown,
    /// The title is known, but not from there.
    AddressUnknown,
    /// Whoever is not known is told nothing.
    Stranger,
    /// The title is known, but not without TLS, or with another certificate.
    CertificateUnknown,
    /// PS3.7 D.3.3.7.3.
    UserIdentity,
    ApplicationContextUnknown,
    ProtocolVersion,
    NothingProposed,
    /// A fault of ours that passes: the disk is full, the index is locked.
    Congestion,
    /// The same: a name of the configuration cannot be resolved.
    NameUnresolved,
    TooManyAssociations,
    TooManyOfPeer,
    Stopping,
}

impl Refusal {
    /// A fault that passes is never a permanent rejection: clients give up on those.
    pub(super) fn rejection(self) -> AssociationRJ {
        use AssociationRJResult::{Permanent, Transient};
        use AssociationRJSource::{
            ServiceProviderASCE as Provider, ServiceProviderPresentation as Presentation,
            ServiceUser,
        };
        let (result, source) = match self {
            Self::NothingProposed | Self::Stranger => (Permanent, ServiceUser(User::NoReasonGiven)),
            Self::ApplicationContextUnknown => {
                (Permanent, ServiceUser(User::ApplicationContextNameNotSupported))
            }
            Self::CallingAeTitleUnknown | Self::AddressUnknown | Self::CertificateUnknown => {
                (Permanent, ServiceUser(User::CallingAETitleNotRecognized))
            }
            Self::CalledAeTitleUnknown => {
                (Permanent, ServiceUser(User::CalledAETitleNotRecognized))
            }
            Self::UserIdentity => (Permanent, Provider(Acse::NoReasonGiven)),
            Self::ProtocolVersion => (Permanent, Provider(Acse::ProtocolVersionNotSupported)),
            Self::Congestion | Self::NameUnresolved => {
                (Transient, Presentation(Provided::TemporaryCongestion))
            }
            Self::TooManyAssociations | Self::TooManyOfPeer | Self::Stopping => {
                (Transient, Presentation(Provided::LocalLimitExceeded))
            }
        };
        AssociationRJ { result, source }
    }

    pub fn described(self) -> &'static str {
        match self {
            Self::CalledAeTitleUnknown => "this node has not the called AE title (1/1/7)",
            Self::CallingAeTitleUnknown => "the calling AE title is no peer of this node (1/1/3)",
            Self::AddressUnknown => "the calling AE title may not call from this address (1/1/3)",
            Self::CertificateUnknown => {
                "the calling AE title may not call without TLS and a certificate of its own (1/1/3)"
            }
            Self::Stranger => "the calling AE title, or its address, is not known here (1/1/1)",
            Self::UserIdentity => "the user identity is missing or wrong (1/2/1)",
            Self::ApplicationContextUnknown => "unknown application context (1/1/2)",
            Self::ProtocolVersion => "unknown protocol version (1/2/2)",
            Self::NothingProposed => "no presentation context was proposed (1/1/1)",
            Self::Congestion => "this node cannot take anything for the moment (2/3/1)",
            Self::NameUnresolved => {
                "a host name that this peer may call from is not resolved (2/3/1)"
            }
            Self::TooManyAssociations => "too many associations at a time (2/3/2)",
            Self::TooManyOfPeer => "too many associations of this peer at a time (2/3/2)",
            Self::Stopping => "this node is stopping (2/3/2)",
        }
    }

    /// Result, source and reason.
    pub fn triple(self) -> &'static str {
        let described = self.described();
        // Each description ends with it in brackets: a test holds them to that.
        &described[described.len() - 6..described.len() - 1]
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
            Refusal::AddressUnknown,
            Refusal::Stranger,
            Refusal::CertificateUnknown,
            Refusal::UserIdentity,
            Refusal::ApplicationContextUnknown,
            Refusal::ProtocolVersion,
            Refusal::NothingProposed,
            Refusal::Congestion,
            Refusal::NameUnresolved,
            Refusal::TooManyAssociations,
            Refusal::TooManyOfPeer,
            Refusal::Stopping,
        ] {
            let sent = encoded(&Pdu::AssociationRJ(refusal.rejection())).expect("it is encoded");
            let triple = format!("{}/{}/{}", sent[7], sent[8], sent[9]);
            assert!(refusal.described().ends_with(&format!("({triple})")), "{refusal:?}: {triple}");
            assert_eq!(refusal.triple(), triple);
        }
    }
}
