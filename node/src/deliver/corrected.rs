//! Before something goes to a peer a second time, or a result late: is the study still there, and still that patient's?
//!
//! An archive corrects, merges and deletes. What is sent after that as it was would bring the old patient back beside the new one.

use crate::audit::Audit;
use crate::audit::events::{self, Somebody};
use crate::commit;
use crate::config::{Config, Peer};
use crate::dimse::find::{self, Patient, STUDY_ROOT_FIND, StudyQuery};
use crate::dimse::status::SUCCESS;
use crate::reach::Reach;
use crate::transcode;
use gantry_store::error::StoreError;
use gantry_store::header::read_data_set_header;
use gantry_store::outbox::Delivery;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Deliveries of one study go together: what was answered holds for so long.
const HOLDS: Duration = Duration::from_secs(60);
/// Deliveries to the peer wait for an answer no longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long nobody is asked who did not answer.
const RESTS: Duration = Duration::from_secs(30);
/// Answers that are held: older ones are forgotten before.
const MOST: usize = 1000;

const OTHER_PATIENT: &str = "the peer has other patient data for this study: its admin must say which hold; \
     `gantry outbox retry` with --as-it-is sends it all the same";
const GONE: &str = "the study is not there any more: corrected or deleted at the peer, whose admin must say which; \
     `gantry outbox retry` with --as-it-is sends it all the same";

/// Asks peers whose studies are, and remembers for a moment.
#[derive(Clone)]
pub(super) struct Corrected {
    reach: Reach,
    audit: Audit,
    answers: Arc<Mutex<Answers>>,
    /// By the title of who was asked.
    silent: Arc<Mutex<HashMap<String, (Moment, String)>>>,
}

/// What is to become of a delivery.
pub(super) enum Verdict {
    Goes,
    /// Not as it is, for this reason.
    Stays(&'static str),
    /// It went there before, and nobody says whether it may again.
    Waits(String),
}

impl Corrected {
    pub(super) fn new(reach: Reach, audit: Audit) -> Self {
        Self { reach, audit, answers: Arc::default(), silent: Arc::default() }
    }

    /// Of a delivery as it would go out. Most are not asked about: images that go for the first time, and whatever goes to
    /// a peer that cannot be asked, or without the patient.
    pub(super) async fn verdict(
        &self,
        (config, store): (&Config, &Store),
        delivery: &Delivery,
        (data_set, syntax): (&[u8], &Uid),
        now: Moment,
    ) -> Result<Verdict, StoreError> {
        if delivery.as_it_is
            || !(delivery.was_taken || delivery.is_made)
            || delivery.changes.deidentify.is_some()
        {
            return Ok(Verdict::Goes);
        }
        let Some(at) = config.asked_for_patients(&delivery.peer) else { return Ok(Verdict::Goes) };
        let patients = match self.patients(delivery, at, now).await {
            Ok(patients) => patients,
            Err(why) if delivery.was_taken => return Ok(Verdict::Waits(why)),
            // A result that never went waits for nobody who does not answer.
            Err(why) => {
                tracing::warn!(why, "the peer does not say whose the study is: a result goes");
                return Ok(Verdict::Goes);
            }
        };
        if patients.is_empty() {
            // What was proven since may have come behind the question.
            let was_there = store.was_proven(&delivery.peer, &delivery.study, now).await?;
            return Ok(if was_there { Verdict::Stays(GONE) } else { Verdict::Goes });
        }
        // What cannot be read is refused by the peer, if at all.
        let Ok(header) = read_data_set_header(data_set, syntax) else { return Ok(Verdict::Goes) };
        let sent = Patient::of(&header);
        Ok(match patients.iter().any(|patient| patient.may_be(&sent)) {
            true => Verdict::Goes,
            false => Verdict::Stays(OTHER_PATIENT),
        })
    }

    /// As they are at the peer; what was answered since the delivery began to wait is not asked again.
    async fn patients(
        &self,
        delivery: &Delivery,
        at: &Peer,
        now: Moment,
    ) -> Result<Vec<Patient>, String> {
        let key = (delivery.peer.clone(), delivery.study.clone());
        if let Some((when, patients)) = locked(&self.answers).get(&key)
            && *when >= delivery.since
            && now.since(*when) < HOLDS
        {
            return Ok(patients.clone());
        }
        let title = at.ae_title.to_string();
        if let Some((when, why)) = locked(&self.silent).get(&title)
            && now.since(*when) < RESTS
        {
            return Err(why.clone());
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask(at, &delivery.study)).await;
        let asked = asked.unwrap_or_else(|_| Err(format!("C-FIND: no answer in {PATIENCE:?}")));
        let asked = asked.map_err(|why| format!("whose the study is there is not known: {why}"));
        let now = Moment::now();
        match &asked {
            // What is not there yet may be there in a moment.
            Ok(patients) if patients.is_empty() => {}
            Ok(patients) => {
                let mut answers = locked(&self.answers);
                if answers.len() >= MOST {
                    answers.clear();
                }
                answers.insert(key, (now, patients.clone()));
            }
            Err(why) => {
                locked(&self.silent).insert(title, (now, why.clone()));
            }
        }
        asked
    }

    async fn ask(&self, at: &Peer, study: &Uid) -> Result<Vec<Patient>, String> {
        let opened = commit::open(&self.reach, &self.audit, at, STUDY_ROOT_FIND, false).await;
        let mut association = opened.map_err(|why| format!("C-FIND: {why}"))?;
        let query = StudyQuery { study };
        let answer = association.find_study(&query).await;
        let is_answered = answer.as_ref().is_ok_and(|studies| studies.status == SUCCESS);
        if let [syntax, ..] = &transcode::uncompressed()[..] {
            let address = association.peer().map(|at| at.ip());
            let to = Somebody { title: at.ae_title.to_string(), address };
            self.audit.tell(|this| {
                let identifier = query.identifier(syntax).unwrap_or_default();
                events::queried(this, &to, STUDY_ROOT_FIND, (&identifier, syntax), is_answered)
            });
        }
        let studies = answer.map_err(|error| format!("C-FIND: {error}"))?;
        association.release().await;
        match studies.status {
            SUCCESS => Ok(studies.patients),
            status => Err(format!("C-FIND: {status:04X}: {}", find::meaning(status))),
        }
    }
}

/// By peer and study: when it was asked, and whose the study is there.
type Answers = HashMap<(String, Uid), (Moment, Vec<Patient>)>;

fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
