//! `gantry rules history`: every version that was in force, and what was refused in between.

use super::{short, told};
use crate::explain::when;
use gantry_store::error::StoreError;
use gantry_store::reader::Reader;
use gantry_store::rule_sets::{DecisionCounts, LoadOutcome, LoadRow};
use std::collections::BTreeMap;

/// Newest first.
pub(super) async fn told(reader: &Reader) -> Result<String, StoreError> {
    let loads = reader.rule_loads().await?;
    let counts = reader.decision_counts().await?;
    let mut text = String::new();
    let mut in_force = true;
    for load in &loads {
        let at = when(load.at);
        match load.outcome {
            LoadOutcome::Taken => {
                let word = if in_force { "in force" } else { "        " };
                in_force = false;
                text.push_str(&format!(
                    "{word}  {at}  {}\n",
                    version(reader, load, &counts).await?
                ));
            }
            LoadOutcome::Refused => {
                text.push_str(&format!("refused   {at}  {}\n", told::problems(load)));
            }
            LoadOutcome::Restored => {
                text.push_str(&format!("restored  {at}  {} on disk again\n", short(&load.digest)));
            }
        }
    }
    for digest in reader.rule_digests("").await? {
        if loads.iter().any(|load| load.digest == digest) {
            continue;
        }
        let Some(rules) = reader.rule_set(&digest).await? else { continue };
        let names: Vec<&str> = rules.files.iter().map(|file| file.name.as_str()).collect();
        text.push_str(&format!(
            "          {}  {}  decided by an earlier version of gantry, {}; {}\n",
            when(rules.at),
            short(&digest),
            names.join(", "),
            decisions(&digest, &counts)
        ));
    }
    if text.is_empty() {
        text.push_str("no rules were in force yet: a node that starts takes those on disk\n");
    }
    Ok(text)
}

async fn version(
    reader: &Reader,
    load: &LoadRow,
    counts: &BTreeMap<String, DecisionCounts>,
) -> Result<String, StoreError> {
    let files = reader.rule_set(&load.digest).await?.map(|rules| rules.files).unwrap_or_default();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let names = if names.is_empty() { "no file".into() } else { names.join(", ") };
    Ok(format!(
        "{}  {:<8}  {} rules in {names}; {}",
        short(&load.digest),
        load.cause.as_str(),
        load.rules,
        decisions(&load.digest, counts)
    ))
}

/// Of all the time that it was in force.
fn decisions(digest: &str, counts: &BTreeMap<String, DecisionCounts>) -> String {
    let DecisionCounts { runs, skipped } = counts.get(digest).copied().unwrap_or_default();
    format!("decisions: {}, of them run: {runs}", runs + skipped)
}
