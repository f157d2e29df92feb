//! `gantry explain`: why a series did or did not run, from the database: each rule, each condition, the value found, and what came of it.

use crate::cli::ExplainArguments;
use crate::config::Config;
use crate::output::say;
use gantry_routing::complete::learned::Learned;
use gantry_routing::rules::ConditionTrace;
use gantry_store::decisions::DecisionRow;
use gantry_store::error::StoreError;
use gantry_store::export::Selector;
use gantry_store::jobs::{JobRow, JobState};
use gantry_store::outbox::{DeliveryRow, DeliveryState, told};
use gantry_store::reader::Reader;
use gantry_store::series::{SeriesRow, SeriesState};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::process::ExitCode;

pub async fn run(arguments: &ExplainArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(&arguments.config.config)?;
    let series = Uid::parse(&arguments.series)
        .map_err(|why| format!("{:?} is not a Series Instance UID: {why}", arguments.series))?;
    let reader = Store::open_reader(&config.data).await?;
    match explain(&reader, &config, &series).await? {
        Some(text) => say(&text)?,
        None => {
            eprintln!(
                "gantry: no series {series} in {}\n  help: `gantry status` tells what was refused; \
                 this command takes a Series Instance UID (0020,000E)",
                config.data.display()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole story of a series, or nothing when the node does not have it.
pub async fn explain(
    reader: &Reader,
    config: &Config,
    series: &Uid,
) -> Result<Option<String>, StoreError> {
    let Some(row) = reader.series(series).await? else { return Ok(None) };
    let mut text = format!("series {series}\n  study {}\n", row.study);
    text.push_str(&format!(
        "  receive   {} images from {} to {}, the last at {}\n",
        row.instances,
        row.calling_ae,
        row.called_ae,
        when(row.last_arrival)
    ));
    tell_evicted(&mut text, reader, series).await?;
    tell_completion(&mut text, reader, config, &row).await?;
    for decision in reader.decisions(series).await? {
        tell_decision(&mut text, &decision);
    }
    for job in reader.jobs(series).await? {
        tell_job(&mut text, &job);
        for result in &job.results {
            tell_evicted(&mut text, reader, result).await?;
        }
    }
    for delivery in reader.deliveries(series).await? {
        tell_delivery(&mut text, &delivery);
    }
    Ok(Some(text))
}

/// What of a series, or of a result, retention took away.
async fn tell_evicted(text: &mut String, reader: &Reader, uid: &Uid) -> Result<(), StoreError> {
    if let (evicted, Some(at)) = reader.evicted(&Selector::Uid(uid.clone())).await? {
        text.push_str(&format!(
            "  retain    {evicted} of {uid} evicted by retention, last at {}\n",
            when(at)
        ));
    }
    Ok(())
}

/// What made each revision complete, and what the last one waits for.
async fn tell_completion(
    text: &mut String,
    reader: &Reader,
    config: &Config,
    row: &SeriesRow,
) -> Result<(), StoreError> {
    let completions = reader.completions(&row.uid).await?;
    for done in completions.iter().filter(|done| done.revision <= row.revision) {
        let Some(at) = done.at else { continue };
        text.push_str(&format!(
            "  complete  revision {} with {} images at {}: {}\n",
            done.revision,
            done.instances,
            when(at),
            done.reason
        ));
    }
    match row.state {
        SeriesState::Receiving => {
            let waits = completions.iter().find(|wait| {
                let is_this = wait.revision == row.revision && wait.instances == row.instances;
                is_this && wait.at.is_none()
            });
            let (due, reason) = match waits {
                Some(wait) => (wait.due, wait.reason.clone()),
                None => plain_wait(reader, config, row).await?,
            };
            let due = when(due);
            text.push_str(&format!("  complete  not yet, due at {due}: {reason}\n"));
        }
        SeriesState::Complete => text.push_str("  complete  yes; decide is next\n"),
        SeriesState::Made => text.push_str("  made by this node: nothing is decided for it\n"),
        SeriesState::Decided => {
            text.push_str(&format!("  complete  yes, revision {}\n", row.revision))
        }
    }
    Ok(())
}

/// The quiet time, which associations and the numbers of headers may still cut short.
async fn plain_wait(
    reader: &Reader,
    config: &Config,
    row: &SeriesRow,
) -> Result<(Moment, String), StoreError> {
    let learned = Learned::read(reader, &row.calling_ae).await?;
    let quiet = config.times_for(&row.calling_ae).quiet(&learned.pace, false);
    Ok((row.last_arrival.plus(quiet.wait), quiet.to_string()))
}

fn tell_decision(text: &mut String, decision: &DecisionRow) {
    text.push_str(&format!(
        "  decide    \"{}\" (revision {}, {}, rules {})\n            {}\n",
        decision.rule,
        decision.revision,
        when(decision.at),
        short(&decision.rules_digest),
        decision.reason
    ));
    // A trace of another version is told by its verdict alone.
    let conditions: Vec<ConditionTrace> =
        serde_json::from_value(decision.trace.clone()).unwrap_or_default();
    for condition in conditions {
        let told = condition.to_string().replace('\n', "\n            ");
        text.push_str(&format!("            {told}\n"));
    }
}

fn tell_job(text: &mut String, row: &JobRow) {
    let reason = row.reason.as_deref().unwrap_or_default();
    let state = match row.state {
        JobState::Queued if reason.is_empty() => "queued".to_string(),
        JobState::Queued => format!("again at {}: {reason}", when(row.due_at)),
        JobState::Running => format!("running ({})", row.station.as_deref().unwrap_or("infer")),
        JobState::Finished => format!(
            "finished at {}, the model took {:.2} s",
            row.finished_at.map(when).unwrap_or_default(),
            row.seconds.unwrap_or_default()
        ),
        JobState::Failed => format!("failed: {reason}"),
        JobState::Superseded => "overtaken: a later revision was decided first".to_string(),
    };
    let shadow = if row.job.shadow { ", shadow: nothing is sent" } else { "" };
    text.push_str(&format!(
        "  infer     {} ({}) for \"{}\", revision {}{shadow}: {state}\n",
        row.job.model,
        short(&row.job.model_digest),
        row.job.rule,
        row.job.revision
    ));
    for found in row.findings.iter().filter_map(|findings| findings.as_array()).flatten() {
        let word = |key: &str| found[key].as_str().unwrap_or_default().to_string();
        let value =
            found["value"].as_f64().map_or("no value".into(), |value| format!("{value:.3}"));
        text.push_str(&format!("            {}: {value} {}\n", word("concept"), word("unit")));
    }
    for result in &row.results {
        text.push_str(&format!("  compose   {result}\n"));
    }
}

fn tell_delivery(text: &mut String, delivery: &DeliveryRow) {
    let state = match delivery.state {
        DeliveryState::Delivered => format!(
            "delivered at {} with {:04X}",
            delivery.delivered_at.map(when).unwrap_or_default(),
            delivery.status.unwrap_or_default()
        ),
        DeliveryState::Queued if delivery.attempts == 0 => "queued".into(),
        DeliveryState::Queued => format!(
            "tried {} times, again at {}: {}",
            delivery.attempts,
            when(delivery.due_at),
            delivery.reason.as_deref().unwrap_or_default()
        ),
        DeliveryState::Parked => {
            format!("parked, an admin must act: {}", delivery.reason.as_deref().unwrap_or_default())
        }
    };
    let changes = match delivery.changes.is_empty() {
        true => String::new(),
        false => format!(" (with changes: {})", told(&delivery.changes)),
    };
    text.push_str(&format!(
        "  deliver   {} to {}{changes}: {state}\n",
        delivery.sop_instance, delivery.peer
    ));
}

/// Local time, to the second.
pub fn when(moment: Moment) -> String {
    match chrono::DateTime::from_timestamp_micros(moment.0) {
        Some(utc) => utc.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => "an impossible time".into(),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
