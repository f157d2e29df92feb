//! `gantry models history`: every change of versions that was asked for, newest first.

use super::watch::in_words;
use crate::explain::when;
use gantry_store::error::StoreError;
use gantry_store::model_changes::{ChangeRow, ChangeState};
use gantry_store::reader::Reader;

pub(super) async fn told(reader: &Reader, called: &str) -> Result<String, StoreError> {
    let changes = reader.model_changes(Some(called)).await?;
    if changes.is_empty() {
        return Ok(format!("{called}: nothing was promoted yet\n"));
    }
    Ok(changes.iter().map(line).collect())
}

fn line(row: &ChangeRow) -> String {
    let change = &row.change;
    let why = if change.why.is_empty() { String::new() } else { format!(": {}", change.why) };
    let ended = row.ended_at.map(when).unwrap_or_default();
    let fate = match (row.state, &row.reason) {
        (ChangeState::Asked, _) => "no node has taken it yet".to_string(),
        (ChangeState::Taken, _) => format!("taken at {ended}"),
        (ChangeState::Refused, Some(reason)) => format!("refused at {ended}: {reason}"),
        (ChangeState::Refused, None) => format!("refused at {ended}"),
    };
    format!(
        "{}  {:<8}  {} (before: {}), by {}{why}; {fate}\n",
        when(row.at),
        change.change.as_str(),
        in_words(&change.after),
        change.before,
        change.asked_by
    )
}
