//! An audit message (PS3.15 A.5.1) and its XML, in the order of elements that the schema wants.

use super::code::{self, Code};
use super::xml::{Xml, base64};
use chrono::{DateTime, Local, SecondsFormat};
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// No string of a peer is longer in a message.
const LONGEST: usize = 256;
/// SOP classes of one study; an association has 128 contexts.
const CLASSES: usize = 128;
/// AuditSourceTypeCode: an application server.
const SERVER: &str = "4";

/// One event.
#[derive(Debug, Clone)]
pub struct Message {
    pub at: DateTime<Local>,
    pub event: Code,
    /// EventTypeCode.
    pub kind: Option<Code>,
    pub action: Action,
    pub outcome: Outcome,
    pub participants: Vec<Participant>,
    pub objects: Vec<Object>,
}

/// EventActionCode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Create,
    Read,
    Update,
    Delete,
    Execute,
}

/// EventOutcomeIndicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Minor,
    Serious,
}

/// Who took part.
#[derive(Debug, Clone, Default)]
pub struct Participant {
    pub user: String,
    pub titles: Vec<String>,
    pub name: Option<String>,
    pub is_requestor: bool,
    pub role: Option<Code>,
    pub media: Option<Code>,
    pub place: Option<Place>,
}

/// Where on the network.
#[derive(Debug, Clone)]
pub enum Place {
    Host(String),
    Address(IpAddr),
}

/// What it was about.
#[derive(Debug, Clone)]
pub enum Object {
    Study {
        uid: Uid,
        life_cycle: LifeCycle,
        /// How many instances of each class.
        classes: BTreeMap<Uid, u64>,
        encrypted: Option<bool>,
        /// Whether all that says who the patient is was removed.
        anonymized: Option<bool>,
    },
    /// By the Patient ID (0010,0020), and nothing else of the patient.
    Patient { id: String },
    /// The identifier of a query, and its transfer syntax.
    Query { sop_class: String, identifier: Vec<u8>, syntax: Uid },
    /// A node, and what became of it.
    Node { id: String, name: String, alert: String },
    /// Something that has a name, and what became of it.
    Resource { uri: String, name: String, alert: String },
}

/// ParticipantObjectDataLifeCycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeCycle {
    Creation,
    Copy,
    Use,
    Derivation,
    Export,
    Erasure,
}

/// Who reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// AuditSourceID.
    pub id: String,
    /// AuditEnterpriseSiteID.
    pub site: Option<String>,
}

impl Message {
    /// On one line, without a declaration.
    pub fn xml(&self, source: &Source) -> String {
        let mut xml = Xml::default();
        xml.element("AuditMessage", &[], |xml| {
            self.identification(xml);
            self.participants.iter().for_each(|one| one.write(xml));
            let id = cut(&source.id);
            let site = source.site.as_deref().map(|site| ("AuditEnterpriseSiteID", site));
            let attributes: Vec<_> = site.into_iter().chain([("AuditSourceID", id)]).collect();
            xml.element("AuditSourceIdentification", &attributes, |xml| {
                xml.empty("AuditSourceTypeCode", &[("csd-code", SERVER)]);
            });
            self.objects.iter().for_each(|one| one.write(xml));
        });
        xml.end()
    }

    fn identification(&self, xml: &mut Xml) {
        let attributes = [
            ("EventActionCode", self.action.code()),
            ("EventDateTime", &when(self.at)),
            ("EventOutcomeIndicator", self.outcome.code()),
        ];
        xml.element("EventIdentification", &attributes, |xml| {
            coded(xml, "EventID", self.event);
            self.kind.into_iter().for_each(|kind| coded(xml, "EventTypeCode", kind));
        });
    }
}

/// With its zone, which the schema does not ask for and everybody needs.
pub(super) fn when(at: DateTime<Local>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Action {
    fn code(self) -> &'static str {
        match self {
            Self::Create => "C",
            Self::Read => "R",
            Self::Update => "U",
            Self::Delete => "D",
            Self::Execute => "E",
        }
    }
}

impl Outcome {
    fn code(self) -> &'static str {
        match self {
            Self::Success => "0",
            Self::Minor => "4",
            Self::Serious => "8",
        }
    }
}

impl LifeCycle {
    fn code(self) -> &'static str {
        match self {
            Self::Creation => "1",
            Self::Copy => "2",
            Self::Use => "6",
            Self::Derivation => "8",
            Self::Export => "10",
            Self::Erasure => "15",
        }
    }
}

impl Participant {
    fn write(&self, xml: &mut Xml) {
        let titles: Vec<&str> = self.titles.iter().map(|title| cut(title)).collect();
        let titles = format!("AETITLES= {}", titles.join(";"));
        let address;
        let mut attributes = vec![("UserID", cut(&self.user))];
        if !self.titles.is_empty() {
            attributes.push(("AlternativeUserID", &titles));
        }
        attributes.extend(self.name.as_deref().map(|name| ("UserName", cut(name))));
        attributes.push(("UserIsRequestor", if self.is_requestor { "true" } else { "false" }));
        match &self.place {
            Some(Place::Host(host)) => {
                attributes.push(("NetworkAccessPointTypeCode", "1"));
                attributes.push(("NetworkAccessPointID", cut(host)));
            }
            Some(Place::Address(ip)) => {
                address = ip.to_canonical().to_string();
                attributes.push(("NetworkAccessPointTypeCode", "2"));
                attributes.push(("NetworkAccessPointID", &address));
            }
            None => {}
        }
        xml.element("ActiveParticipant", &attributes, |xml| {
            self.role.into_iter().for_each(|role| coded(xml, "RoleIDCode", role));
            if let Some(media) = self.media {
                xml.element("MediaIdentifier", &[], |xml| coded(xml, "MediaType", media));
            }
        });
    }
}

impl Object {
    fn write(&self, xml: &mut Xml) {
        // Type and role: PS3.15 A.5.1.2.2.
        let (id, kind, role, code, name) = match self {
            Self::Study { uid, .. } => (uid.as_str(), "2", "3", code::STUDY_INSTANCE_UID, ""),
            Self::Patient { id } => (id.as_str(), "1", "1", code::PATIENT_NUMBER, ""),
            Self::Query { sop_class, .. } => {
                (sop_class.as_str(), "2", "3", code::SOP_CLASS_UID, "")
            }
            Self::Node { id, name, .. } => (id.as_str(), "2", "13", code::NODE_ID, name.as_str()),
            Self::Resource { uri, name, .. } => (uri.as_str(), "2", "13", code::URI, name.as_str()),
        };
        let mut attributes = vec![
            ("ParticipantObjectID", cut(id)),
            ("ParticipantObjectTypeCode", kind),
            ("ParticipantObjectTypeCodeRole", role),
        ];
        if let Self::Study { life_cycle, .. } = self {
            attributes.push(("ParticipantObjectDataLifeCycle", life_cycle.code()));
        }
        xml.element("ParticipantObjectIdentification", &attributes, |xml| {
            coded(xml, "ParticipantObjectIDTypeCode", code);
            match self {
                Self::Query { identifier, .. } => {
                    let text = base64(identifier);
                    xml.element("ParticipantObjectQuery", &[], |xml| xml.text(&text));
                }
                _ => xml.element("ParticipantObjectName", &[], |xml| xml.text(cut(name))),
            }
            match self {
                Self::Study { classes, encrypted, anonymized, .. } => {
                    described(
                        xml,
                        classes,
                        [("Encrypted", *encrypted), ("Anonymized", *anonymized)],
                    );
                }
                Self::Patient { .. } => {}
                Self::Query { syntax, .. } => {
                    let value = base64(syntax.as_str().as_bytes());
                    let attributes = [("type", "TransferSyntax"), ("value", &value)];
                    xml.empty("ParticipantObjectDetail", &attributes);
                }
                Self::Node { alert, .. } | Self::Resource { alert, .. } => {
                    let value = base64(cut(alert).as_bytes());
                    let attributes = [("type", "Alert Description"), ("value", &value)];
                    xml.empty("ParticipantObjectDetail", &attributes);
                }
            }
        });
    }
}

fn described(xml: &mut Xml, classes: &BTreeMap<Uid, u64>, how: [(&'static str, Option<bool>); 2]) {
    if classes.is_empty() && how.iter().all(|(_, is_so)| is_so.is_none()) {
        return;
    }
    xml.element("ParticipantObjectDescription", &[], |xml| {
        for (class, count) in classes.iter().take(CLASSES) {
            let count = count.to_string();
            xml.empty("SOPClass", &[("UID", class.as_str()), ("NumberOfInstances", &count)]);
        }
        for (name, is_so) in how {
            let word = is_so.map(|is_so| if is_so { "true" } else { "false" });
            word.into_iter().for_each(|word| xml.element(name, &[], |xml| xml.text(word)));
        }
    });
}

fn coded(xml: &mut Xml, name: &str, code: Code) {
    let Code { value, system, meaning } = code;
    let attributes = [("csd-code", value), ("codeSystemName", system), ("originalText", meaning)];
    xml.empty(name, &attributes);
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
