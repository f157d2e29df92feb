//! What an acceptor agrees to (PS3.8 9.3.2.2, PS3.7 D.3.3): every proposed context is answered, every question that has an answer too.

use super::request::Request;
use super::user_information::{Roles, identity_confirmed, of_this_node};
use super::{APPLICATION_CONTEXT, COMMITMENT, VERIFICATION};
use crate::dimse::pdu::encoded;
use crate::dimse::service::Terms;
use dicom_ul::pdu::{
    AssociationAC, Pdu, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason as Reason, RequestorRoles, UserVariableItem,
};
use gantry_terms::transfer_syntaxes::{
    self, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Storage service class application information (PS3.4 table B.3-2): level 2, no digital
/// signatures checked, no elements coerced; every other byte is reserved.
const STORAGE_LEVEL_2: [u8; 6] = [2, 0, 0, 0, 0, 0];

/// One accepted presentation context.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::dimse) struct Context {
    pub id: u8,
    pub abstract_syntax: Uid,
    pub transfer_syntax: Uid,
}

/// The answers to a request.
pub(in crate::dimse) struct Agreement {
    /// One for each proposed context, in their order.
    pub answers: Vec<PresentationContextResult>,
    /// Those that were accepted.
    pub contexts: Vec<Context>,
    /// What the user is told of roles, levels and identity.
    user: Vec<UserVariableItem>,
}

/// Answers every proposed context once. `wants` is asked for a SOP class and the service class that
/// the requestor says it belongs to.
pub(in crate::dimse) fn agree(
    request: &Request,
    terms: &Terms,
    wants: impl Fn(&str, Option<&str>) -> bool,
) -> Agreement {
    let mut contexts = Vec::new();
    let mut answer = |proposal: &PresentationContextProposed| {
        let (reason, transfer_syntax) = match accept(request, proposal, terms, &wants) {
            Ok(context) => {
                let syntax = context.transfer_syntax.to_string();
                contexts.push(context);
                (Reason::Acceptance, syntax)
            }
            Err(reason) => (reason, insignificant(proposal)),
        };
        PresentationContextResult { id: proposal.id, reason, transfer_syntax }
    };
    let answers = request.contexts.iter().map(&mut answer).collect();
    let user = user_answers(request, terms, &contexts);
    Agreement { answers, contexts, user }
}

impl Agreement {
    /// Whether anything is to be kept of what will come.
    pub fn stores(&self) -> bool {
        self.contexts.iter().any(|context| !is_of_no_object(context.abstract_syntax.as_str()))
    }

    /// The A-ASSOCIATE-AC.
    pub fn acceptance(&self, request: &Request, maximum: u32) -> io::Result<Vec<u8>> {
        let mut bytes = encoded(&Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: String::new(),
            called_ae_title: String::new(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: self.answers.clone(),
            user_variables: [of_this_node(maximum), self.user.clone()].concat(),
        }))?;
        // Behind header, protocol version and two reserved bytes: as received (PS3.8 table 9-17).
        bytes[10..74].copy_from_slice(&request.repeated);
        Ok(bytes)
    }

    /// The proposed SOP classes of which no context was accepted, and why not, for the admin: at
    /// most three of them, because some senders propose all that they know.
    pub fn not_taken(&self, request: &Request) -> Option<String> {
        let taken = |class: &str| self.contexts.iter().any(|c| c.abstract_syntax.as_str() == class);
        let mut missed: BTreeMap<&str, Reason> = BTreeMap::new();
        for (proposed, answer) in request.contexts.iter().zip(&self.answers) {
            let class = proposed.abstract_syntax.as_str();
            if !taken(class) {
                missed.entry(class).or_insert(answer.reason.clone());
            }
        }
        // What is no UID may hold anything: it is counted, not repeated.
        let named = missed.iter().filter(|(class, _)| Uid::parse(class).is_ok()).take(3);
        let named: Vec<_> = named.map(|(class, why)| format!("{class} ({})", cause(why))).collect();
        let more = missed.len() - named.len();
        match (missed.is_empty(), more) {
            (true, _) => None,
            (_, 0) => Some(format!("SOP class not taken: {}", named.join(", "))),
            _ => Some(format!("SOP classes not taken: {} and {more} more", named.join(", "))),
        }
    }
}

/// Why this node refused a context, for its admin.
fn cause(reason: &Reason) -> &'static str {
    match reason {
        Reason::UserRejection => "its role: the peer says that it will not send it",
        Reason::TransferSyntaxesNotSupported => "in no transfer syntax that the node keeps",
        _ => "no storage class of the standard or of the configuration",
    }
}

/// Why a context was refused: PS3.8 table 9-18 in words.
pub(in crate::dimse) fn described(result: u8) -> &'static str {
    match result {
        1 => "refused by the user (1)",
        2 => "refused without a reason (2)",
        3 => "SOP class not supported (3)",
        4 => "transfer syntaxes not supported (4)",
        _ => "refused with a result that the standard does not know",
    }
}

/// PS3.8 9.3.2.2: the acceptor chooses, and the requestor's order has no meaning.
fn accept(
    request: &Request,
    proposal: &PresentationContextProposed,
    terms: &Terms,
    wants: impl Fn(&str, Option<&str>) -> bool,
) -> Result<Context, Reason> {
    let class = proposal.abstract_syntax.as_str();
    let is_verification = class == VERIFICATION;
    let service = request.user.service_classes.get(class).map(String::as_str);
    let abstract_syntax = Uid::parse(class)
        .ok()
        .filter(|_| is_verification || wants(class, service))
        .ok_or(Reason::AbstractSyntaxNotSupported)?;
    // Whoever will not send has nothing to do here: nothing is sent from this side. A report on storage
    // commitment comes from the one who is asked for it (PS3.4 J.3.3).
    let reports = |roles: &Roles| class == COMMITMENT && roles.scp;
    if request.user.roles.get(class).is_some_and(|roles| !roles.scu && !reports(roles)) {
        return Err(Reason::UserRejection);
    }
    // C-ECHO has no data set, and storage commitment no pixels: only a native syntax makes sense.
    let is_native_only = is_of_no_object(class);
    let offered = proposal.transfer_syntaxes.iter().map(String::as_str);
    let fitting: Vec<&str> =
        offered.filter(|syntax| !is_native_only || is_native(syntax)).collect();
    let preferred = terms.prefers.iter().map(Uid::as_str).find(|syntax| fitting.contains(syntax));
    let transfer_syntax = preferred
        .or_else(|| transfer_syntaxes::choose(fitting))
        .and_then(|syntax| Uid::parse(syntax).ok())
        .ok_or(Reason::TransferSyntaxesNotSupported)?;
    Ok(Context { id: proposal.id, abstract_syntax, transfer_syntax })
}

/// One answer for each SOP class that was asked about and accepted. Asynchronous operations are
/// never answered, so that there are none (PS3.7 D.3.3.3).
fn user_answers(request: &Request, terms: &Terms, contexts: &[Context]) -> Vec<UserVariableItem> {
    let classes: BTreeSet<&str> = contexts.iter().map(|c| c.abstract_syntax.as_str()).collect();
    let user = &request.user;
    let roles = classes.iter().filter_map(|class| {
        let Roles { scu, scp } = *user.roles.get(*class)?;
        // As SCP the peer would be sent something, which is never done here, but for its reports.
        let answered = RequestorRoles { scu, scp: scp && *class == COMMITMENT };
        Some(UserVariableItem::ScuScpRoleSelectionSubItem(class.to_string(), answered))
    });
    let extended = classes
        .iter()
        .filter(|class| !is_of_no_object(class) && user.extended.contains(**class))
        .map(|class| {
            let level = STORAGE_LEVEL_2.to_vec();
            UserVariableItem::SopClassExtendedNegotiationSubItem(class.to_string(), level)
        });
    let asks = user.identity.as_ref().is_some_and(|identity| identity.asks_for_response);
    let identity = (asks && terms.is_identified).then(identity_confirmed);
    roles.chain(extended).chain(identity).collect()
}

/// Classes of which nothing is kept.
fn is_of_no_object(class: &str) -> bool {
    [VERIFICATION, COMMITMENT].contains(&class)
}

fn is_native(syntax: &str) -> bool {
    [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN].contains(&syntax)
}

/// A refused context carries a syntax too, which has no meaning (PS3.8 9.3.3.2).
fn insignificant(proposal: &PresentationContextProposed) -> String {
    let first = proposal.transfer_syntaxes.first().and_then(|syntax| Uid::parse(syntax).ok());
    first.map_or_else(|| IMPLICIT_VR_LITTLE_ENDIAN.into(), |syntax| syntax.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

    fn agreed(class: &str, syntaxes: &[&str], prefers: &[&str]) -> Result<String, Reason> {
        let proposal = PresentationContextProposed {
            id: 1,
            abstract_syntax: class.into(),
            transfer_syntaxes: syntaxes.iter().map(ToString::to_string).collect(),
        };
        let prefers = prefers.iter().map(|syntax| Uid::parse(syntax).expect("a UID")).collect();
        let terms = Terms { prefers, ..Terms::default() };
        let context = accept(&Request::default(), &proposal, &terms, |class, _| class == CT);
        context.map(|context| context.transfer_syntax.to_string())
    }

    #[test]
    fn each_context_is_answered_by_what_the_node_keeps_and_prefers() {
        let check = |class, syntaxes: &[&str], expected: Result<&str, Reason>| {
            let agreed = agreed(class, syntaxes, &[]);
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
    fn what_is_preferred_of_a_peer_comes_first_and_then_what_the_node_prefers() {
        let offered = [EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, LOSSLESS];
        let prefers = [IMPLICIT_VR_LITTLE_ENDIAN, LOSSLESS];
        assert_eq!(agreed(CT, &offered, &prefers).as_deref(), Ok(LOSSLESS));
        let native = &offered[..2];
        assert_eq!(agreed(CT, native, &prefers).as_deref(), Ok(EXPLICIT_VR_LITTLE_ENDIAN));
        let echo = agreed(VERIFICATION, &offered, &[LOSSLESS]);
        assert_eq!(echo.as_deref(), Ok(EXPLICIT_VR_LITTLE_ENDIAN));
    }
}
