//! What followed from the decisions: jobs with the time of each step, results, and deliveries.

use super::{Explainer, named, when};
use gantry_store::error::StoreError;
use gantry_store::jobs::{JobRow, JobState, Role};
use gantry_store::outbox::{DeliveryRow, DeliveryState, told};
use std::collections::BTreeMap;

impl Explainer<'_> {
    pub(super) async fn tell_jobs(
        &self,
        text: &mut String,
        jobs: &[JobRow],
    ) -> Result<(), StoreError> {
        for job in jobs {
            tell_job(text, job);
            for result in &job.results {
                self.tell_evicted(text, result).await?;
            }
        }
        Ok(())
    }

    /// Many of one kind are told together, unless each image is to be named.
    pub(super) fn tell_deliveries(&self, text: &mut String, deliveries: &[DeliveryRow]) {
        let mut kinds: BTreeMap<String, Vec<&DeliveryRow>> = BTreeMap::new();
        for delivery in deliveries {
            kinds.entry(kind(delivery)).or_default().push(delivery);
        }
        for alike in kinds.values() {
            match alike.as_slice() {
                [first, .., last] if alike.len() > TOGETHER && !self.images => {
                    text.push_str(&format!(
                        "  deliver   {} instances to {}{}, such as {}: {}\n",
                        alike.len(),
                        first.peer,
                        changes(first),
                        first.sop_instance,
                        fate(last)
                    ));
                }
                _ => alike.iter().for_each(|delivery| tell_delivery(text, delivery)),
            }
        }
    }
}

/// So many deliveries that only differ in what they carry are told one by one.
const TOGETHER: usize = 5;

/// What deliveries have in common that are told together.
fn kind(delivery: &DeliveryRow) -> String {
    let state = match delivery.state {
        DeliveryState::Delivered => 0,
        DeliveryState::Queued => 1,
        DeliveryState::Parked => 2,
    };
    let reason = delivery.reason.as_deref().unwrap_or_default();
    let is_result = delivery.job.is_some();
    format!(
        "{is_result} {} {state} {:?} {reason}{}",
        delivery.peer,
        delivery.status,
        changes(delivery)
    )
}

fn changes(delivery: &DeliveryRow) -> String {
    match delivery.changes.is_empty() {
        true => String::new(),
        false => format!(" (with changes: {})", told(&delivery.changes)),
    }
}

fn fate(delivery: &DeliveryRow) -> String {
    let reason = delivery.reason.as_deref().unwrap_or_default();
    match delivery.state {
        DeliveryState::Delivered => format!(
            "delivered at {} with {:04X}",
            delivery.delivered_at.map(when).unwrap_or_default(),
            delivery.status.unwrap_or_default()
        ),
        DeliveryState::Queued if delivery.attempts == 0 => {
            format!("queued since {}", when(delivery.queued_at))
        }
        DeliveryState::Queued => format!(
            "tried {} times, again at {}: {reason}",
            delivery.attempts,
            when(delivery.due_at)
        ),
        DeliveryState::Parked => format!("parked, an admin must act: {reason}"),
    }
}

fn tell_delivery(text: &mut String, delivery: &DeliveryRow) {
    text.push_str(&format!(
        "  deliver   {} to {}{}: {}\n",
        delivery.sop_instance,
        delivery.peer,
        changes(delivery),
        fate(delivery)
    ));
}

fn tell_job(text: &mut String, row: &JobRow) {
    let shadow = match row.job.role {
        Role::Shadow => ", beside the live version: nothing is sent",
        Role::Canary => ", canary: in the place of the live version",
        Role::Live if row.job.shadow => ", shadow: nothing is sent",
        Role::Live => "",
    };
    text.push_str(&format!(
        "  infer     {} for \"{}\", revision {}{shadow}: {}\n",
        named(&row.job),
        row.job.rule,
        row.job.revision,
        state(row)
    ));
    if let Some(failed) = &row.candidate_failed {
        text.push_str(&format!("            the candidate failed before: {failed}\n"));
    }
    for found in row.findings.iter().filter_map(|findings| findings.as_array()).flatten() {
        let word = |key: &str| found[key].as_str().unwrap_or_default().to_string();
        let value = match (found["value"].as_f64(), found["presence"].as_str()) {
            (Some(value), _) => format!("{value:.3} {}", word("unit")),
            (None, Some(presence)) => presence.to_string(),
            (None, None) => format!("no value {}", word("unit")),
        };
        text.push_str(&format!("            {}: {value}\n", word("concept")));
    }
    for result in &row.results {
        let at = row.finished_at.map(|at| format!(" at {}", when(at))).unwrap_or_default();
        text.push_str(&format!("  compose   {result}{at}\n"));
    }
}

fn state(row: &JobRow) -> String {
    let reason = row.reason.as_deref().unwrap_or_default();
    let began = row.started_at.map(|at| format!(", begun at {}", when(at))).unwrap_or_default();
    match row.state {
        JobState::Queued if reason.is_empty() => {
            format!("queued since {}", when(row.job.decided_at))
        }
        JobState::Queued => format!("again at {}: {reason}", when(row.due_at)),
        JobState::Running => {
            format!("running ({}){began}", row.station.as_deref().unwrap_or("infer"))
        }
        JobState::Finished => format!(
            "finished at {}{began}, the model took {:.2} s",
            row.finished_at.map(when).unwrap_or_default(),
            row.seconds.unwrap_or_default()
        ),
        JobState::Failed => format!("failed: {reason}{began}"),
        JobState::Superseded => "overtaken: a later revision was decided first".to_string(),
    }
}
