//! What one association carries, study by study: told when it begins, and when it is over or the study has been quiet.

use super::Audit;
use super::events::{Instances, Somebody, Transfer};
use super::message::{Action, Outcome};
use super::this::This;
use gantry_store::error::StoreError;
use gantry_store::reader::Reader;
use gantry_terms::header::{Header, Tag};
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PATIENT_ID: Tag = 0x0010_0020;

/// An association that goes on for hours is told of in parts.
const LONGEST: Duration = Duration::from_secs(900);
/// A study that got nothing for so long while others did is over.
const QUIET: Duration = Duration::from_secs(60);
/// Studies in hand at a time; whoever mixes more hears of them in parts.
const STUDIES: usize = 64;

/// What became of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    New,
    /// Other bytes took the place of those that were there.
    Altered,
    /// It was there before, or went to another node.
    Read,
    Failed,
}

/// An instance on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub study: Uid,
    pub class: Uid,
    /// Patient ID (0010,0020); empty where there is none.
    pub patient: String,
    /// It goes without its patient.
    pub anonymized: bool,
}

impl Instance {
    pub fn new(study: &Uid, class: &Uid, header: &Header) -> Self {
        let patient = patient_of(header);
        Self { study: study.clone(), class: class.clone(), patient, anonymized: false }
    }
}

fn patient_of(header: &Header) -> String {
    header.text(PATIENT_ID).unwrap_or_default().into()
}

/// Whose image it is.
pub(super) async fn patient(reader: &Reader, instance: &Uid) -> Result<String, StoreError> {
    let instance = reader.instance(instance).await?;
    Ok(instance.map(|instance| patient_of(&instance.header)).unwrap_or_default())
}

/// Those of one association. What is left is told when it is dropped, however that ended.
pub struct Transfers {
    audit: Audit,
    transfer: Option<Transfer>,
    studies: Vec<Study>,
}

struct Study {
    study: Uid,
    patient: String,
    anonymized: bool,
    began: Instant,
    last: Instant,
    action: Action,
    taken: BTreeMap<Uid, u64>,
    failed: BTreeMap<Uid, u64>,
}

impl Transfers {
    /// Somebody sends to this node.
    pub fn received(audit: &Audit, from: &Somebody, encrypted: bool) -> Self {
        Self::new(audit, |this| Transfer::received(this, from, encrypted))
    }

    /// This node sends.
    pub fn sent(audit: &Audit, to: &Somebody, encrypted: bool) -> Self {
        Self::new(audit, |this| Transfer::sent(this, to, encrypted))
    }

    fn new(audit: &Audit, of: impl FnOnce(&This) -> Transfer) -> Self {
        let transfer = audit.this().map(of);
        Self { audit: audit.clone(), transfer, studies: Vec::new() }
    }

    /// An instance begins to move, which is told of the first of a study.
    pub fn begins(&mut self, instance: &Instance) {
        if self.transfer.is_some() {
            self.study(instance, Instant::now());
        }
    }

    /// An instance has moved, or has not.
    pub fn moved(&mut self, instance: &Instance, how: How) {
        if self.transfer.is_none() {
            return;
        }
        let study = self.study(instance, Instant::now());
        study.action = match (how, study.action) {
            (How::New, _) | (_, Action::Create) => Action::Create,
            (How::Altered, _) | (_, Action::Update) => Action::Update,
            (_, other) => other,
        };
        let counted = if how == How::Failed { &mut study.failed } else { &mut study.taken };
        *counted.entry(instance.class.clone()).or_default() += 1;
    }

    fn study(&mut self, instance: &Instance, now: Instant) -> &mut Study {
        self.tell_those_that_are_over(now);
        let is_it = |one: &Study| {
            one.study == instance.study
                && one.patient == instance.patient
                && one.anonymized == instance.anonymized
        };
        let at = match self.studies.iter().position(is_it) {
            Some(at) => at,
            None => {
                if self.studies.len() >= STUDIES {
                    let first = self.studies.remove(0);
                    self.tell(&first);
                }
                self.begin(instance, now);
                self.studies.len() - 1
            }
        };
        let study = &mut self.studies[at];
        study.last = now;
        study
    }

    fn begin(&mut self, instance: &Instance, now: Instant) {
        let (study, patient) = (instance.study.clone(), instance.patient.clone());
        if let Some(transfer) = &self.transfer {
            let instances = Instances {
                study: study.clone(),
                patient: patient.clone(),
                classes: BTreeMap::new(),
                anonymized: instance.anonymized,
            };
            self.audit.tell(|_| transfer.begins(&instances));
        }
        self.studies.push(Study {
            study,
            patient,
            anonymized: instance.anonymized,
            began: now,
            last: now,
            action: Action::Read,
            taken: BTreeMap::new(),
            failed: BTreeMap::new(),
        });
    }

    fn tell_those_that_are_over(&mut self, now: Instant) {
        let is_over = |one: &Study| {
            now.duration_since(one.last) > QUIET || now.duration_since(one.began) > LONGEST
        };
        if !self.studies.iter().any(is_over) {
            return;
        }
        let (over, others) = std::mem::take(&mut self.studies).into_iter().partition(is_over);
        self.studies = others;
        let over: Vec<Study> = over;
        over.iter().for_each(|study| self.tell(study));
    }

    /// What went well and what did not are two messages.
    fn tell(&self, study: &Study) {
        let Some(transfer) = &self.transfer else { return };
        let instances = |classes: &BTreeMap<Uid, u64>| Instances {
            study: study.study.clone(),
            patient: study.patient.clone(),
            classes: classes.clone(),
            anonymized: study.anonymized,
        };
        if !study.taken.is_empty() {
            let instances = instances(&study.taken);
            self.audit.tell(|_| transfer.done(&instances, study.action, Outcome::Success));
        }
        if study.taken.is_empty() || !study.failed.is_empty() {
            let instances = instances(&study.failed);
            self.audit.tell(|_| transfer.done(&instances, Action::Read, Outcome::Serious));
        }
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        for study in std::mem::take(&mut self.studies) {
            self.tell(&study);
        }
    }
}
