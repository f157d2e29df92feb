//! Instances that rules forward: the first rule that sends one to a peer says what is changed in it on the way.

use crate::decisions::NewForward;
use crate::error::StoreError;
use crate::events::{self, Event};
use crate::header::keyword;
use crate::jobs::Priority;
use crate::outbox::{self, NewRows};
use crate::rows;
use gantry_terms::changes::Changes;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;

/// The forwards of one decision, in the order of its rules.
pub(crate) struct Forwards<'a> {
    /// What was decided: an image on its `arrival`, `series` or `study`.
    asked_on: &'static str,
    at: Moment,
    asked: HashSet<(&'a str, &'a Uid)>,
}

/// Instances that go to the peer already, with other changes than this rule asks for.
struct Otherwise<'a> {
    first: &'a Uid,
    count: usize,
    changes: Option<String>,
}

impl<'a> Forwards<'a> {
    pub(crate) fn new(asked_on: &'static str, at: Moment) -> Self {
        Self { asked_on, at, asked: HashSet::new() }
    }

    /// What is on its way to the peer already, or was, stays as it is; a later decision that asks for
    /// other changes sends it once more. Rules of one decision do not overtake each other, nor do
    /// those on the study overtake those on its series, or any what was sent on arrival: they would send
    /// it for ever in turn.
    pub(crate) async fn add(
        &mut self,
        connection: &mut SqliteConnection,
        rule: &str,
        forward: &'a NewForward,
    ) -> Result<(), StoreError> {
        let changes = to_text(&forward.changes)?;
        let instances = forward.instances.iter();
        let first_asked: Vec<&Uid> =
            instances.filter(|one| self.asked.insert((&forward.peer, one))).collect();
        let rows = NewRows {
            peer: &forward.peer,
            sop_instances: &first_asked,
            priority: Priority::Routine,
            job: None,
            at: self.at,
            changes: changes.as_deref(),
            asked_on: Some(self.asked_on),
        };
        let added = outbox::add(connection, rows).await?;
        let mut otherwise: Option<Otherwise> = None;
        for sop_instance in &forward.instances {
            if added.contains(sop_instance.as_str()) {
                continue;
            }
            let queued = changes_of(connection, &forward.peer, sop_instance).await?;
            if queued == changes {
                continue;
            }
            match &mut otherwise {
                Some(otherwise) => otherwise.count += 1,
                None => {
                    let first = sop_instance;
                    otherwise = Some(Otherwise { first, count: 1, changes: queued });
                }
            }
        }
        match otherwise {
            Some(otherwise) => note(connection, rule, forward, otherwise).await,
            None => Ok(()),
        }
    }
}

async fn changes_of(
    connection: &mut SqliteConnection,
    peer: &str,
    sop_instance: &Uid,
) -> Result<Option<String>, StoreError> {
    let changes =
        sqlx::query_scalar("SELECT changes FROM outbox WHERE peer = $1 AND sop_instance = $2");
    let changes = changes.bind(peer).bind(sop_instance.as_str());
    Ok(changes.fetch_optional(connection).await?.flatten())
}

async fn note(
    connection: &mut SqliteConnection,
    rule: &str,
    forward: &NewForward,
    otherwise: Otherwise<'_>,
) -> Result<(), StoreError> {
    let queued = from_text(otherwise.changes.as_deref())?;
    let text = format!(
        "rule \"{rule}\" sends {} {} to {} ({}), but by another rule {} there already ({}); the first stays",
        otherwise.count,
        if otherwise.count == 1 { "image" } else { "images" },
        forward.peer,
        told(&forward.changes),
        if otherwise.count == 1 { "it goes" } else { "they go" },
        told(&queued),
    );
    let event = Event {
        station: "decide".into(),
        kind: "forwarded otherwise".into(),
        subject: Some(otherwise.first.to_string()),
        text,
    };
    Ok(events::insert(connection, &event).await?)
}

/// What is changed, without any value: `de-identified by trial, InstitutionName set, PatientComments removed`.
pub fn told(changes: &Changes) -> String {
    let set = changes.set.iter().map(|set| format!("{} set", keyword(set.tag)));
    let removed = changes.remove.iter().map(|tag| format!("{} removed", keyword(*tag)));
    let without_patient =
        changes.deidentify.iter().map(|profile| format!("de-identified by {profile}"));
    let told: Vec<String> = without_patient.chain(set).chain(removed).collect();
    if told.is_empty() { "as it came".into() } else { told.join(", ") }
}

/// None when nothing is changed. The same changes are the same text, in whatever order they were written.
pub(crate) fn to_text(changes: &Changes) -> Result<Option<String>, StoreError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let mut changes = changes.clone();
    changes.set.sort_by_key(|set| set.tag);
    changes.remove.sort_unstable();
    rows::to_json(&changes).map(Some)
}

pub(crate) fn from_text(text: Option<&str>) -> Result<Changes, StoreError> {
    let read = |text| serde_json::from_str(text).map_err(|_| StoreError::Unreadable("changes"));
    text.map_or(Ok(Changes::default()), read)
}
