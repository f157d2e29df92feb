//! A-ASSOCIATE-RQ and -AC as they are on the wire (PS3.8 9.3.2, 9.3.3), and which contexts are agreed on.
//! dicom-ul's own reader refuses what old devices send (protocol versions with further bits, titles and
//! padding of their own), and lets even and repeated identifiers pass: both are read here.

use crate::dimse::pdu::{announced, encoded};
use bytes::{Buf, Bytes};
use dicom_ul::pdu::{
    AssociationAC, Pdu, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason as Reason, UserVariableItem,
};
use gantry_terms::transfer_syntaxes::{
    self, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use std::io;

pub(super) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
pub(super) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// What a peer that takes any length is sent at most, and one that names none.
const UNLIMITED: u32 = 1 << 20;
const UNNAMED: u32 = 16 * 1024;
/// Protocol version, titles and reserved bytes before the first item.
const FIXED: usize = 68;

/// What a requestor asked for.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub protocol_version: u16,
    /// As sent, without padding: not yet checked.
    pub called: String,
    pub calling: String,
    /// Titles and reserved bytes as sent; the acceptance repeats them.
    repeated: Bytes,
    pub application_context: String,
    pub contexts: Vec<PresentationContextProposed>,
    maximum_length: Option<u32>,
}

/// What an acceptor answered.
#[derive(Debug, Default)]
pub(super) struct Acceptance {
    /// Identifier, result, and the transfer syntax, which counts if the result is 0.
    pub contexts: Vec<(u8, u8, String)>,
    maximum_length: Option<u32>,
}

/// One accepted presentation context.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Context {
    pub id: u8,
    pub abstract_syntax: Uid,
    pub transfer_syntax: Uid,
}

impl Request {
    /// Fills this request, as far as it can be read: the titles are known even when the items are
    /// not. An `Err` is to be aborted.
    pub fn read(&mut self, mut body: Bytes) -> Result<(), &'static str> {
        if body.len() < FIXED {
            return Err("the association request is too short");
        }
        self.protocol_version = body.get_u16();
        body.advance(2);
        self.repeated = body.slice(..64);
        self.called = title(&body.split_to(16));
        self.calling = title(&body.split_to(16));
        body.advance(32);
        self.read_items(body).ok_or("the items of the association request do not add up")?;
        let mut seen = [false; 256];
        for context in &self.contexts {
            let is_double = std::mem::replace(&mut seen[usize::from(context.id)], true);
            if context.id % 2 == 0 || is_double {
                return Err("a presentation context's identifier is even or stands twice");
            }
        }
        is_usable(self.maximum_length)
    }

    fn read_items(&mut self, mut body: Bytes) -> Option<()> {
        while !body.is_empty() {
            match item(&mut body)? {
                (0x10, item) => self.application_context = text(&item),
                (0x20, item) => self.contexts.push(proposed(item)?),
                (0x50, item) => self.maximum_length = maximum_length(item)?,
                _ => {}
            }
        }
        Some(())
    }

    /// The proposed SOP classes of which no context was accepted, for the admin: at most three
    /// of them, because some senders propose all that they know.
    pub fn not_taken(&self, accepted: &[Context]) -> Option<String> {
        let taken = |class: &str| accepted.iter().any(|c| c.abstract_syntax.as_str() == class);
        let proposed = self.contexts.iter().map(|context| context.abstract_syntax.as_str());
        let mut missed: Vec<&str> = proposed.filter(|class| !taken(class)).collect();
        missed.sort_unstable();
        missed.dedup();
        // What is no UID may hold anything: it is counted, not repeated.
        let named = missed.iter().filter(|class| Uid::parse(class).is_ok()).take(3);
        let named: Vec<&str> = named.copied().collect();
        let more = missed.len() - named.len();
        match (missed.is_empty(), more) {
            (true, _) => None,
            (_, 0) => Some(format!("SOP class not taken: {}", named.join(", "))),
            _ => Some(format!("SOP classes not taken: {} and {more} more", named.join(", "))),
        }
    }

    /// The longest P-DATA-TF variable field that the peer takes.
    pub fn peer_maximum(&self) -> u32 {
        peer_maximum(self.maximum_length)
    }

    /// Every proposed context is answered once; those that are agreed on come beside.
    pub fn agree(
        &self,
        wants: impl Fn(&str) -> bool,
    ) -> (Vec<PresentationContextResult>, Vec<Context>) {
        let mut accepted = Vec::new();
        let answer = |proposal: &PresentationContextProposed| {
            let (reason, transfer_syntax) = match agree(proposal, &wants) {
                Ok(context) => {
                    let syntax = context.transfer_syntax.to_string();
                    accepted.push(context);
                    (Reason::Acceptance, syntax)
                }
                Err(reason) => (reason, insignificant(proposal)),
            };
            PresentationContextResult { id: proposal.id, reason, transfer_syntax }
        };
        let answered = self.contexts.iter().map(answer).collect();
        (answered, accepted)
    }

    /// The A-ASSOCIATE-AC with these answers.
    pub fn acceptance(
        &self,
        presentation_contexts: Vec<PresentationContextResult>,
        maximum: u32,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = encoded(&Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: String::new(),
            called_ae_title: String::new(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts,
            user_variables: user_variables(maximum),
        }))?;
        // Behind header, protocol version and two reserved bytes: as received (PS3.8 table 9-17).
        bytes[10..74].copy_from_slice(&self.repeated);
        Ok(bytes)
    }
}

impl Acceptance {
    /// An `Err` is to be aborted.
    pub fn read(mut body: Bytes) -> Result<Self, &'static str> {
        if body.len() < FIXED {
            return Err("its acceptance of the association is too short");
        }
        body.advance(FIXED);
        let mut acceptance = Self::default();
        acceptance
            .read_items(body)
            .ok_or("the items of its acceptance of the association do not add up")?;
        is_usable(acceptance.maximum_length)?;
        Ok(acceptance)
    }

    fn read_items(&mut self, mut body: Bytes) -> Option<()> {
        while !body.is_empty() {
            match item(&mut body)? {
                (0x21, item) => self.contexts.push(answered(item)?),
                (0x50, item) => self.maximum_length = maximum_length(item)?,
                _ => {}
            }
        }
        Some(())
    }

    /// The longest P-DATA-TF variable field that the peer takes.
    pub fn peer_maximum(&self) -> u32 {
        peer_maximum(self.maximum_length)
    }
}

/// Name and version of this implementation (PS3.7 D.3.3.2), and the length that we take.
pub(super) fn user_variables(maximum: u32) -> Vec<UserVariableItem> {
    let class = Uid::derived(&["Gantry implementation class"]);
    let version = format!("GANTRY_{}", env!("CARGO_PKG_VERSION").replace('.', "_"));
    vec![
        UserVariableItem::MaxLength(announced(maximum)),
        UserVariableItem::ImplementationClassUID(class.to_string()),
        UserVariableItem::ImplementationVersionName(version.chars().take(16).collect()),
    ]
}

/// Why a context was refused: PS3.8 table 9-18 in words.
pub(super) fn described(result: u8) -> &'static str {
    match result {
        1 => "refused by the user (1)",
        2 => "refused without a reason (2)",
        3 => "SOP class not supported (3)",
        4 => "transfer syntaxes not supported (4)",
        _ => "refused with a result that the standard does not know",
    }
}

/// PS3.8 9.3.2.2: the acceptor chooses, and the requestor's order has no meaning.
fn agree(
    proposal: &PresentationContextProposed,
    wants: impl Fn(&str) -> bool,
) -> Result<Context, Reason> {
    let abstract_syntax = Uid::parse(&proposal.abstract_syntax)
        .ok()
        .filter(|class| class.as_str() == VERIFICATION || wants(class.as_str()))
        .ok_or(Reason::AbstractSyntaxNotSupported)?;
    // C-ECHO has no data set: only a native syntax makes sense.
    let is_verification = abstract_syntax.as_str() == VERIFICATION;
    let offered = proposal.transfer_syntaxes.iter().map(String::as_str);
    let fitting = offered.filter(|syntax| !is_verification || is_native(syntax));
    let transfer_syntax = transfer_syntaxes::choose(fitting)
        .and_then(|syntax| Uid::parse(syntax).ok())
        .ok_or(Reason::TransferSyntaxesNotSupported)?;
    Ok(Context { id: proposal.id, abstract_syntax, transfer_syntax })
}

fn is_native(syntax: &str) -> bool {
    [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN].contains(&syntax)
}

/// A refused context carries a syntax too, which has no meaning (PS3.8 9.3.3.2).
fn insignificant(proposal: &PresentationContextProposed) -> String {
    let first = proposal.transfer_syntaxes.first().and_then(|syntax| Uid::parse(syntax).ok());
    first.map_or_else(|| IMPLICIT_VR_LITTLE_ENDIAN.into(), |syntax| syntax.to_string())
}

/// 0 is no limit (PS3.8 D.1.1): ours then.
fn peer_maximum(announced: Option<u32>) -> u32 {
    match announced {
        None => UNNAMED,
        Some(0) => UNLIMITED,
        Some(length) => length.min(UNLIMITED),
    }
}

/// Nothing can be sent to a peer that takes less than one value with a few bytes.
fn is_usable(announced: Option<u32>) -> Result<(), &'static str> {
    match announced {
        Some(1..16) => Err("the announced maximum length leaves no room for data"),
        _ => Ok(()),
    }
}

/// Type and value of the next item; nothing when its length does not add up.
fn item(body: &mut Bytes) -> Option<(u8, Bytes)> {
    if body.len() < 4 {
        return None;
    }
    let kind = body.get_u8();
    body.advance(1);
    let length = usize::from(body.get_u16());
    (length <= body.len()).then(|| (kind, body.split_to(length)))
}

fn proposed(mut body: Bytes) -> Option<PresentationContextProposed> {
    if body.len() < 4 {
        return None;
    }
    let id = body[0];
    body.advance(4);
    let (mut abstract_syntax, mut transfer_syntaxes) = (String::new(), Vec::new());
    while !body.is_empty() {
        match item(&mut body)? {
            (0x30, item) => abstract_syntax = text(&item),
            (0x40, item) => transfer_syntaxes.push(text(&item)),
            _ => {}
        }
    }
    Some(PresentationContextProposed { id, abstract_syntax, transfer_syntaxes })
}

fn answered(mut body: Bytes) -> Option<(u8, u8, String)> {
    if body.len() < 4 {
        return None;
    }
    let (id, result) = (body[0], body[2]);
    body.advance(4);
    let mut transfer_syntax = String::new();
    while !body.is_empty() {
        if let (0x40, item) = item(&mut body)? {
            transfer_syntax = text(&item);
        }
    }
    Some((id, result, transfer_syntax))
}

/// The outer `None`: the sub-items do not add up.
#[allow(clippy::option_option)]
fn maximum_length(mut body: Bytes) -> Option<Option<u32>> {
    let mut maximum = None;
    while !body.is_empty() {
        match item(&mut body)? {
            (0x51, mut item) if item.len() == 4 => maximum = Some(item.get_u32()),
            _ => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(class: &str, syntaxes: &[&str]) -> PresentationContextProposed {
        PresentationContextProposed {
            id: 1,
            abstract_syntax: class.into(),
            transfer_syntaxes: syntaxes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn each_context_is_answered_by_what_the_node_keeps_and_prefers() {
        const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
        const LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
        let check = |class, syntaxes: &[&str], expected: Result<&str, Reason>| {
            let agreed = agree(&proposal(class, syntaxes), |class| class == CT);
            let agreed = agreed.map(|context| context.transfer_syntax.to_string());
            assert_eq!(agreed, expected.map(String::from), "{class} {syntaxes:?}");
        };
        check(
            CT,
            &[EXPLICIT_VR_BIG_ENDIAN, LOSSLESS, IMPLICIT_VR_LITTLE_ENDIAN],
            Ok(IMPLICIT_VR_LITTLE_ENDIAN),
        );
        check(CT, &["not a UID", LOSSLESS], Ok(LOSSLESS));
        check(CT, &["1.2.840.10008.1.2.4.94"], Err(Reason::TransferSyntaxesNotSupported));
        check(CT, &[], Err(Reason::TransferSyntaxesNotSupported));
        check("1.2.3", &[IMPLICIT_VR_LITTLE_ENDIAN], Err(Reason::AbstractSyntaxNotSupported));
        check("not a UID", &[IMPLICIT_VR_LITTLE_ENDIAN], Err(Reason::AbstractSyntaxNotSupported));
        check(VERIFICATION, &[LOSSLESS], Err(Reason::TransferSyntaxesNotSupported));
        check(VERIFICATION, &[LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN], Ok(EXPLICIT_VR_LITTLE_ENDIAN));
    }

    #[test]
    fn a_peer_is_sent_what_it_takes_and_never_without_limit() {
        for (announced, sent) in
            [(None, 16_384), (Some(0), 1 << 20), (Some(u32::MAX), 1 << 20), (Some(16), 16)]
        {
            assert_eq!(peer_maximum(announced), sent);
            assert!(is_usable(announced).is_ok());
        }
        assert!(is_usable(Some(15)).is_err());
    }
}
