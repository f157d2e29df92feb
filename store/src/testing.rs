//! Identities and small objects for unit tests.

use crate::incoming::{Identity, Origin};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

pub(crate) fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID of a test")
}

pub(crate) fn identity(sop_instance: &str) -> Identity {
    Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: uid(sop_instance),
        series: uid("1.2.3.1"),
        study: uid("1.2.3.2"),
        transfer_syntax: uid("1.2.840.10008.1.2.1"),
        calling_ae: AeTitle::parse("CT1").expect("a title"),
        called_ae: AeTitle::parse("GANTRY").expect("a title"),
        arrival: Moment(1_700_000_000_000_000),
        origin: Origin::Received,
    }
}
