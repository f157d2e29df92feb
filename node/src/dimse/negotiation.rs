//! A-ASSOCIATE-RQ as it is on the wire (PS3.8 9.3.2). dicom-ul's own reader refuses what old devices send
//! (protocol versions with further bits, unknown items, odd padding), so the request is read here.

use bytes::{Buf, Bytes};
use dicom_ul::pdu::{
    PresentationContextProposed, PresentationContextResultReason, UserVariableItem,
};
use gantry_terms::uid::Uid;

pub(super) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
pub(super) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// What a peer that names no limit, or 0, is sent at most.
const UNLIMITED: u32 = 1 << 20;
const UNNAMED: u32 = 16 * 1024;

/// What a requestor asked for.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub protocol_version: u16,
    /// As sent, without padding: not yet checked.
    pub called: String,
    pub calling: String,
    pub application_context: String,
    pub contexts: Vec<PresentationContextProposed>,
    pub maximum_length: Option<u32>,
}

/// One accepted presentation context.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Context {
    pub id: u8,
    pub abstract_syntax: Uid,
    pub transfer_syntax: Uid,
}

impl Request {
    /// Nothing when lengths do not add up, or an identifier is even or stands twice (PS3.8 9.3.2.2).
    pub fn read(mut body: Bytes) -> Option<Self> {
        if body.len() < 68 {
            return None;
        }
        let mut request = Self { protocol_version: body.get_u16(), ..Self::default() };
        body.advance(2);
        request.called = title(&body.split_to(16));
        request.calling = title(&body.split_to(16));
        body.advance(32);
        while let Some((kind, item)) = item(&mut body)? {
            match kind {
                0x10 => request.application_context = text(&item),
                0x20 => request.contexts.push(context(item)?),
                0x50 => request.maximum_length = maximum_length(item)?,
                _ => {}
            }
        }
        let ids = request.contexts.iter().map(|context| context.id);
        let distinct: std::collections::BTreeSet<u8> = ids.clone().collect();
        let valid = distinct.len() == request.contexts.len() && ids.clone().all(|id| id % 2 == 1);
        valid.then_some(request)
    }

    /// The longest P-DATA-TF variable field that the peer takes.
    pub fn peer_maximum(&self) -> u32 {
        peer_maximum(self.maximum_length)
    }
}

/// 0 is no limit (PS3.8 D.1.1): ours then.
pub(super) fn peer_maximum(announced: Option<u32>) -> u32 {
    match announced {
        None => UNNAMED,
        Some(0) => UNLIMITED,
        Some(length) => length.min(UNLIMITED),
    }
}

/// Name and version of this implementation (PS3.7 D.3.3.2).
pub(super) fn user_variables(maximum: u32) -> Vec<UserVariableItem> {
    let class = Uid::derived(&["Gantry implementation class"]);
    let version = format!("GANTRY_{}", env!("CARGO_PKG_VERSION").replace('.', "_"));
    vec![
        UserVariableItem::MaxLength(maximum),
        UserVariableItem::ImplementationClassUID(class.to_string()),
        UserVariableItem::ImplementationVersionName(version),
    ]
}

/// PS3.8 table 9-18 in words.
pub(super) fn described(reason: &PresentationContextResultReason) -> &'static str {
    match reason {
        PresentationContextResultReason::Acceptance => "accepted",
        PresentationContextResultReason::UserRejection => "refused by the user",
        PresentationContextResultReason::NoReason => "refused without a reason",
        PresentationContextResultReason::AbstractSyntaxNotSupported => "SOP class not supported",
        PresentationContextResultReason::TransferSyntaxesNotSupported => {
            "transfer syntaxes not supported"
        }
    }
}

/// `Some(None)` at the end, `None` when the lengths do not add up.
#[allow(clippy::option_option)]
fn item(body: &mut Bytes) -> Option<Option<(u8, Bytes)>> {
    if body.is_empty() {
        return Some(None);
    }
    if body.len() < 4 {
        return None;
    }
    let kind = body.get_u8();
    body.advance(1);
    let length = usize::from(body.get_u16());
    (length <= body.len()).then(|| Some((kind, body.split_to(length))))
}

fn context(mut body: Bytes) -> Option<PresentationContextProposed> {
    if body.len() < 4 {
        return None;
    }
    let id = body[0];
    body.advance(4);
    let mut proposed = PresentationContextProposed {
        id,
        abstract_syntax: String::new(),
        transfer_syntaxes: Vec::new(),
    };
    while let Some((kind, item)) = item(&mut body)? {
        match kind {
            0x30 => proposed.abstract_syntax = text(&item),
            0x40 => proposed.transfer_syntaxes.push(text(&item)),
            _ => {}
        }
    }
    Some(proposed)
}

#[allow(clippy::option_option)]
fn maximum_length(mut body: Bytes) -> Option<Option<u32>> {
    let mut maximum = None;
    while let Some((kind, mut item)) = item(&mut body)? {
        if kind == 0x51 && item.len() == 4 {
            maximum = Some(item.get_u32());
        }
    }
    Some(maximum)
}

fn title(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_string()
}
