//! The events of this node, each as the message that PS3.15 A.5.3 wants of it.

use super::code::{self, Code};
use super::message::{Action, LifeCycle, Message, Object, Outcome, Participant, Place};
use super::this::This;
use chrono::Local;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Instances of one study of one patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    pub study: Uid,
    /// Patient ID (0010,0020); empty where there is none.
    pub patient: String,
    pub classes: BTreeMap<Uid, u64>,
    /// They go without the patient: what stands here of the study and the patient is what they are here.
    pub anonymized: bool,
}

/// Somebody on the network.
#[derive(Debug, Clone)]
pub struct Somebody {
    pub title: String,
    pub address: Option<IpAddr>,
}

impl Somebody {
    pub(super) fn participant(&self, role: Option<Code>) -> Participant {
        let address = self.address.map(|address| address.to_canonical().to_string());
        Participant {
            user: address.unwrap_or_else(|| self.title.clone()),
            titles: vec![self.title.clone()].into_iter().filter(|one| !one.is_empty()).collect(),
            role,
            place: self.address.map(Place::Address),
            ..Participant::default()
        }
    }
}

impl Instances {
    fn objects(&self, life_cycle: LifeCycle, encrypted: Option<bool>) -> Vec<Object> {
        let (uid, classes) = (self.study.clone(), self.classes.clone());
        let anonymized = encrypted.map(|_| self.anonymized);
        let study = Object::Study { uid, life_cycle, classes, encrypted, anonymized };
        vec![study, Object::Patient { id: self.patient.clone() }]
    }
}

fn message(event: Code, kind: Option<Code>, action: Action) -> Message {
    let (participants, objects) = (Vec::new(), Vec::new());
    let outcome = Outcome::Success;
    Message { at: Local::now(), event, kind, action, outcome, participants, objects }
}

/// A.5.3.1, when the node starts and stops.
pub fn application(this: &This, kind: Code) -> Message {
    let mut message = message(code::APPLICATION_ACTIVITY, Some(kind), Action::Execute);
    message.participants.push(this.participant(Some(code::APPLICATION)));
    message
}

/// A.5.3.9, when the node begins and ends to listen.
pub fn network_entry(this: &This, kind: Code) -> Message {
    let mut message = message(code::NETWORK_ENTRY, Some(kind), Action::Execute);
    message.participants.push(this.participant(None));
    message
}

/// Instances between two nodes, of which the first asked for the association.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub source: Participant,
    pub destination: Participant,
    pub encrypted: bool,
    /// What becomes of them at this node.
    pub life_cycle: LifeCycle,
}

impl Transfer {
    /// Somebody sends to this node.
    pub fn received(this: &This, from: &Somebody, encrypted: bool) -> Self {
        let source = Participant { is_requestor: true, ..from.participant(Some(code::SOURCE)) };
        let destination = this.participant(Some(code::DESTINATION));
        Self { source, destination, encrypted, life_cycle: LifeCycle::Creation }
    }

    /// This node sends.
    pub fn sent(this: &This, to: &Somebody, encrypted: bool) -> Self {
        let source = Participant { is_requestor: true, ..this.participant(Some(code::SOURCE)) };
        let destination = to.participant(Some(code::DESTINATION));
        Self { source, destination, encrypted, life_cycle: LifeCycle::Copy }
    }

    /// A.5.3.3
    pub fn begins(&self, instances: &Instances) -> Message {
        self.message(message(code::BEGIN_TRANSFERRING, None, Action::Execute), instances)
    }

    /// A.5.3.4. `Read` where they were there before, or go away from here.
    pub fn done(&self, instances: &Instances, action: Action, outcome: Outcome) -> Message {
        let done = message(code::INSTANCES_TRANSFERRED, None, action);
        self.message(Message { outcome, ..done }, instances)
    }

    fn message(&self, mut message: Message, instances: &Instances) -> Message {
        message.participants = vec![self.source.clone(), self.destination.clone()];
        message.objects = instances.objects(self.life_cycle, Some(self.encrypted));
        message
    }
}

/// A.5.3.5 for what works on instances of a study: a model, a command, retention.
pub fn accessed(
    this: &This,
    by: Participant,
    action: Action,
    life_cycle: LifeCycle,
    instances: &Instances,
) -> Message {
    let mut message = message(code::INSTANCES_ACCESSED, None, action);
    message.participants = match by.is_requestor {
        true => vec![by, this.participant(Some(code::APPLICATION))],
        false => vec![by],
    };
    message.objects = instances.objects(life_cycle, None);
    message
}

/// A.5.3.6: nothing is left of the study.
pub fn study_deleted(this: &This, by: Option<&str>, instances: &Instances) -> Message {
    let mut message = message(code::STUDY_DELETED, None, Action::Delete);
    message.participants.extend(by.map(user));
    message.participants.push(this.participant(Some(code::APPLICATION)));
    message.objects = instances.objects(LifeCycle::Erasure, None);
    message
}

/// A.5.3.7: files in a folder.
pub fn exported(this: &This, by: &str, folder: &str, instances: &Instances) -> Message {
    let mut message = message(code::EXPORT, None, Action::Read);
    let media = Participant {
        user: folder.into(),
        role: Some(code::DESTINATION_MEDIA),
        media: Some(code::MEDIA_URI),
        ..Participant::default()
    };
    message.participants = vec![user(by), this.participant(Some(code::SOURCE)), media];
    message.objects = instances.objects(LifeCycle::Export, None);
    message
}

/// A.5.3.10: this node asked somebody, by a query of this class with an identifier in a syntax.
pub fn queried(
    this: &This,
    to: &Somebody,
    sop_class: &str,
    (identifier, syntax): (&[u8], &Uid),
    is_answered: bool,
) -> Message {
    let mut message = message(code::QUERY, None, Action::Execute);
    message.outcome = if is_answered { Outcome::Success } else { Outcome::Minor };
    let source = Participant { is_requestor: true, ..this.participant(Some(code::SOURCE)) };
    message.participants = vec![source, to.participant(Some(code::DESTINATION))];
    let (sop_class, identifier) = (sop_class.to_owned(), identifier.to_vec());
    message.objects.push(Object::Query { sop_class, identifier, syntax: syntax.clone() });
    message
}

/// A.5.3.11: a caller was, or was not, let in.
pub fn not_authenticated(this: &This, who: &Somebody, why: &str) -> Message {
    let mut message = alert(this, code::NODE_AUTHENTICATION, Outcome::Minor);
    message.participants.push(who.participant(None));
    let address = who.address.map(|address| address.to_canonical().to_string());
    message.objects.push(Object::Node {
        id: address.unwrap_or_else(|| who.title.clone()),
        name: who.title.clone(),
        alert: why.into(),
    });
    message
}

/// A.5.3.12: the user identity of an association.
pub fn login(this: &This, who: &Somebody, name: &str, outcome: Outcome) -> Message {
    let mut message = message(code::USER_AUTHENTICATION, Some(code::LOGIN), Action::Execute);
    message.outcome = outcome;
    let user = Participant { user: name.into(), is_requestor: true, ..who.participant(None) };
    message.participants = vec![user, this.participant(None)];
    message
}

/// A.5.3.11: rules, models or certificates were changed.
pub fn configured(this: &This, kind: Code, what: &str, text: &str) -> Message {
    let mut message = alert(this, kind, Outcome::Success);
    message.objects.push(Object::Resource {
        uri: format!("urn:gantry:{}", what.replace(' ', "-")),
        name: what.into(),
        alert: text.into(),
    });
    message
}

/// A.5.3.11: somebody asked what only few may know, or did what only few may do.
pub fn restricted(this: &This, by: &str, what: &str, text: &str) -> Message {
    let mut message = configured(this, code::RESTRICTED_FUNCTION, what, text);
    message.participants.insert(0, user(by));
    message
}

/// A.5.3.11: the trail has a hole.
pub fn recording(this: &This, kind: Code, text: &str) -> Message {
    let outcome = if kind == code::RECORDING_STOPPED { Outcome::Serious } else { Outcome::Success };
    let mut message = alert(this, kind, outcome);
    message.objects.push(Object::Resource {
        uri: "urn:gantry:audit-trail".into(),
        name: "Security Audit Log".into(),
        alert: text.into(),
    });
    message
}

pub(super) fn more_alerts(this: &This, more: u64) -> Message {
    let mut message = alert(this, code::NODE_AUTHENTICATION, Outcome::Minor);
    message.objects.push(Object::Node {
        id: this.host.clone(),
        name: this.ae_title.clone(),
        alert: format!("{more} more alerts within a minute are not told one by one"),
    });
    message
}

/// Whoever gave a command on this machine.
pub fn user(name: &str) -> Participant {
    Participant { user: name.into(), is_requestor: true, ..Participant::default() }
}

fn alert(this: &This, kind: Code, outcome: Outcome) -> Message {
    let mut message = message(code::SECURITY_ALERT, Some(kind), Action::Execute);
    message.outcome = outcome;
    message.participants.push(this.participant(None));
    message
}
