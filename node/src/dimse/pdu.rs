//! PDUs as they are on the wire (PS3.8 9.3): their types, their values, and the reasons of an A-ABORT.

use bytes::{Buf, Bytes};
use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource, Pdu, write_pdu};
use std::fmt;
use std::io;

pub(super) const ASSOCIATE_RQ: u8 = 1;
pub(super) const ASSOCIATE_AC: u8 = 2;
pub(super) const ASSOCIATE_RJ: u8 = 3;
pub(super) const P_DATA: u8 = 4;
pub(super) const RELEASE_RQ: u8 = 5;
pub(super) const RELEASE_RP: u8 = 6;
pub(super) const ABORT: u8 = 7;

/// Type, reserved byte and length of every PDU.
pub(super) const HEADER: usize = 6;

/// One PDU without its six bytes of header.
pub(super) struct Frame {
    pub kind: u8,
    pub body: Bytes,
}

/// One presentation data value (PS3.8 9.3.5.1).
pub(super) struct Pdv {
    pub context: u8,
    pub is_command: bool,
    pub is_last: bool,
    pub data: Bytes,
}

/// Source and reason of the A-ABORTs that we send (PS3.8 9.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AbortReason {
    /// 0/0: the service user, and whatever comes instead of an A-ASSOCIATE-RQ (AA-1).
    ServiceUser,
    /// 2/0: a timer ran out.
    NotSpecified,
    /// 2/1
    UnrecognizedPdu,
    /// 2/2
    UnexpectedPdu,
    /// 2/6
    InvalidParameter,
}

/// Source and reason of an A-ABORT that the peer sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abort {
    pub source: u8,
    pub reason: u8,
}

impl Abort {
    /// The body of the PDU; what is missing counts as 0.
    pub(super) fn read(body: &[u8]) -> Self {
        let byte = |at: usize| body.get(at).copied().unwrap_or_default();
        Self { source: byte(2), reason: byte(3) }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.reason)
    }
}

impl AbortReason {
    pub(super) fn source(self) -> AbortRQSource {
        use AbortRQServiceProviderReason as Provider;
        match self {
            Self::ServiceUser => AbortRQSource::ServiceUser,
            Self::NotSpecified => AbortRQSource::ServiceProvider(Provider::ReasonNotSpecified),
            Self::UnrecognizedPdu => AbortRQSource::ServiceProvider(Provider::UnrecognizedPdu),
            Self::UnexpectedPdu => AbortRQSource::ServiceProvider(Provider::UnexpectedPdu),
            Self::InvalidParameter => AbortRQSource::ServiceProvider(Provider::InvalidPduParameter),
        }
    }
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceUser => "0/0",
            Self::NotSpecified => "2/0",
            Self::UnrecognizedPdu => "2/1",
            Self::UnexpectedPdu => "2/2",
            Self::InvalidParameter => "2/6",
        })
    }
}

/// The maximum length that is announced for a configured one; 0, "no limit", never is.
pub(super) fn announced(maximum: u32) -> u32 {
    maximum.clamp(4 << 10, 4 << 20)
}

pub(super) fn encoded(pdu: &Pdu) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, pdu).map_err(|_| io::Error::other("the PDU could not be encoded"))?;
    Ok(bytes)
}

pub(super) fn is_known(kind: u8) -> bool {
    (ASSOCIATE_RQ..=ABORT).contains(&kind)
}

/// Whether the values of a P-DATA-TF add up and all belong to a context that is `accepted`.
pub(super) fn adds_up(body: &[u8], accepted: impl Fn(u8) -> bool) -> bool {
    let mut rest = body;
    while !rest.is_empty() {
        let Some((head, behind)) = rest.split_at_checked(HEADER) else { return false };
        // The length counts the context's identifier and the control byte, the head's last two.
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(data) = length.checked_sub(2) else { return false };
        if data > behind.len() || !accepted(head[4]) {
            return false;
        }
        rest = &behind[data..];
    }
    !body.is_empty()
}

/// Takes the first value off a body that [`adds_up`]; nothing when it is used up.
pub(super) fn take_value(body: &mut Bytes) -> Option<Pdv> {
    if body.len() < HEADER {
        return None;
    }
    let data = (body.get_u32() as usize).checked_sub(2)?;
    let (context, control) = (body.get_u8(), body.get_u8());
    let data = body.split_to(data.min(body.len()));
    Some(Pdv { context, is_command: control & 1 != 0, is_last: control & 2 != 0, data })
}

/// What a P-DATA-TF with one value begins with.
pub(super) type FrameHead = [u8; 2 * HEADER];

/// What the values of one P-DATA-TF belong to.
#[derive(Clone, Copy)]
pub(super) struct Values {
    pub context: u8,
    pub is_command: bool,
    /// The longest P-DATA-TF variable field that the peer takes.
    pub peer_maximum: u32,
}

impl Values {
    /// `data` as P-DATA-TF PDUs, each as what it begins with and its part of the data; without data an empty one, for the mark
    /// of the last.
    pub fn frames(self, data: &[u8], is_last: bool) -> impl Iterator<Item = (FrameHead, &[u8])> {
        let fragment = ((self.peer_maximum as usize).saturating_sub(HEADER) & !1).max(2);
        let mut rest = Some(data);
        std::iter::from_fn(move || {
            let data = rest?;
            let (now, later) = data.split_at(fragment.min(data.len()));
            rest = Some(later).filter(|later| !later.is_empty());
            Some((self.head(now.len() as u32, is_last && rest.is_none()), now))
        })
    }

    fn head(self, length: u32, is_last: bool) -> FrameHead {
        let mut head = [0; 2 * HEADER];
        head[0] = P_DATA;
        head[2..6].copy_from_slice(&(length + 6).to_be_bytes());
        head[6..10].copy_from_slice(&(length + 2).to_be_bytes());
        head[10] = self.context;
        head[11] = u8::from(self.is_command) | u8::from(is_last) << 1;
        head
    }

    /// The same, appended.
    pub fn put(self, out: &mut Vec<u8>, data: &[u8], is_last: bool) {
        for (head, now) in self.frames(data, is_last) {
            out.extend_from_slice(&head);
            out.extend_from_slice(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut body: Bytes) -> Vec<(u8, bool, bool, Bytes)> {
        std::iter::from_fn(|| take_value(&mut body))
            .map(|value| (value.context, value.is_command, value.is_last, value.data))
            .collect()
    }

    #[test]
    fn fragments_fit_into_what_the_peer_takes_are_even_and_only_the_last_says_so() {
        let data: Vec<u8> = (0..=99).collect();
        for peer_maximum in [16, 17, 64, 4096] {
            let mut out = Vec::new();
            Values { context: 3, is_command: false, peer_maximum }.put(&mut out, &data, true);
            let mut pdus = Bytes::from(out);
            let mut joined = Vec::new();
            while !pdus.is_empty() {
                let length = (&pdus[2..6]).get_u32();
                assert!(length <= peer_maximum);
                let body = pdus.split_to(6 + length as usize).slice(6..);
                assert!(adds_up(&body, |context| context == 3));
                for (context, is_command, is_last, data) in taken(body) {
                    assert_eq!((context, is_command, is_last), (3, false, pdus.is_empty()));
                    assert_eq!(data.len() % 2, 0);
                    joined.extend_from_slice(&data);
                }
            }
            assert_eq!(joined, data);
        }
    }

    #[test]
    fn values_whose_lengths_do_not_add_up_or_that_nobody_agreed_on_are_refused() {
        let check = |body: &[u8], expected: bool| {
            assert_eq!(adds_up(body, |context| context == 1), expected, "{body:02X?}");
        };
        check(&[0, 0, 0, 2, 1, 3], true);
        check(&[0, 0, 0, 3, 1, 3, 9, 0, 0, 0, 2, 1, 2], true);
        check(&[], false);
        check(&[0, 0, 0, 2, 1], false);
        check(&[0, 0, 0, 1, 1, 3], false);
        check(&[0, 0, 0, 0, 1, 3], false);
        check(&[0, 0, 0, 4, 1, 3, 9], false);
        check(&[0xFF, 0xFF, 0xFF, 0xFF, 1, 3, 9], false);
        check(&[0, 0, 0, 2, 3, 3], false);
        check(&[0, 0, 0, 2, 1, 3, 0], false);
    }
}
