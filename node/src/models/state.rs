//! Which version of each model works: what was promoted last, over what lies on disk.

use super::in_words;
use gantry_inference::models::{Catalogue, Model};
use gantry_routing::versions::{Chosen, Trial, Versions};
use gantry_store::error::StoreError;
use gantry_store::model_changes::{self, ChangeRow, ChangeState, NewChange, VersionState};
use gantry_store::store::Store;
use std::path::Path;
use std::sync::Arc;

/// What a model has come to.
pub enum Standing {
    Works(Chosen),
    /// In words for the admin.
    Broken(String),
}

/// What a start works with.
pub struct Resolved {
    pub versions: Versions,
    /// What is on disk and of no use, and costs nothing that is live.
    pub warnings: Vec<String>,
}

/// What was changed until now, as far as it can be read beside a node or where none runs; the newest first.
pub async fn changes_before(data: &Path) -> Vec<ChangeRow> {
    let changes = match Store::open_reader(data).await {
        Ok(reader) => reader.model_changes(None).await,
        Err(StoreError::OtherVersion(_)) => model_changes::before_migrating(data).await,
        Err(error) => Err(error),
    };
    changes.unwrap_or_default()
}

/// The last change of the model that a node has taken.
pub fn taken<'c>(changes: &'c [ChangeRow], called: &str) -> Option<&'c VersionState> {
    last(changes, called, |state| state == ChangeState::Taken)
}

fn last<'c>(
    changes: &'c [ChangeRow],
    called: &str,
    counts: impl Fn(ChangeState) -> bool,
) -> Option<&'c VersionState> {
    let mut of_model = changes.iter().filter(|row| row.change.model == called);
    of_model.find(|row| counts(row.state)).map(|row| &row.change.after)
}

/// What works when all is taken that was asked: what is asked now is built on that. None where no version
/// would be live.
pub fn expected(
    catalogue: &Catalogue,
    changes: &[ChangeRow],
    called: &str,
) -> Option<VersionState> {
    let asked = last(changes, called, |state| state != ChangeState::Refused).cloned();
    asked.or_else(|| unchanged(catalogue, called))
}

fn unchanged(catalogue: &Catalogue, called: &str) -> Option<VersionState> {
    let live = catalogue.first(called)?.version().to_string();
    Some(VersionState { live, candidate: None })
}

/// Why a change cannot be taken that was built on one that was refused, or on what is no longer so.
pub fn overtaken(
    catalogue: &Catalogue,
    changes: &[ChangeRow],
    change: &NewChange,
) -> Result<(), String> {
    let now = taken(changes, &change.model).cloned();
    let now = now.or_else(|| unchanged(catalogue, &change.model));
    let now = now.map(|state| state.live).unwrap_or_default();
    if now == change.before {
        return Ok(());
    }
    let name = |version: &str| match version {
        "" => "no version".to_string(),
        version => format!("version {version}"),
    };
    Err(format!(
        "it was asked to follow {}, and {} is live: ask again for what you want now",
        name(&change.before),
        name(&now)
    ))
}

/// A candidate that is gone or faulty costs the trial alone.
pub fn standing(catalogue: &Catalogue, changes: &[ChangeRow], called: &str) -> Standing {
    let state = taken(changes, called);
    let live = match state {
        Some(state) => catalogue.version(called, &state.live),
        None => catalogue.first(called),
    };
    // What an admin asked for since may be the way out.
    let asked = || {
        let rows = changes.iter().filter(|row| row.change.model == called);
        let asked = rows.clone().find(|row| row.state == ChangeState::Asked)?;
        catalogue.version(called, &asked.change.after.live)
    };
    let Some(live) = live.or_else(asked) else {
        return Standing::Broken(why_not(catalogue, called, state));
    };
    let candidate = state.and_then(|state| state.candidate.as_ref());
    let trial = candidate.and_then(|candidate| {
        let model = catalogue.version(called, &candidate.version)?;
        Some(Trial { candidate: model.clone(), share: candidate.share })
    });
    Standing::Works(Chosen { live: live.clone(), trial })
}

/// Every model with its versions; or what is wrong with those that are live.
pub fn resolve(catalogue: &Catalogue, changes: &[ChangeRow]) -> Result<Resolved, Vec<String>> {
    let mut versions = Versions::default();
    catalogue.iter().for_each(|model| versions.keep(model.clone()));
    let mut faults = Vec::new();
    let mut warnings: Vec<String> =
        catalogue.faulty().iter().map(|faulty| in_words(&faulty.problems)).collect();
    for called in catalogue.names() {
        match standing(catalogue, changes, called) {
            Standing::Broken(why) => faults.push(why),
            Standing::Works(chosen) => {
                let wanted = taken(changes, called).and_then(|state| state.candidate.as_ref());
                if let (Some(wanted), None) = (wanted, &chosen.trial) {
                    let version = &wanted.version;
                    warnings.push(format!(
                        "the model {called}: its candidate {version} is gone or not usable, and does \
                         not run: `gantry models rollback {called}` ends the trial"
                    ));
                }
                versions.choose(called, chosen);
            }
        }
    }
    if faults.is_empty() { Ok(Resolved { versions, warnings }) } else { Err(faults) }
}

fn why_not(catalogue: &Catalogue, called: &str, state: Option<&VersionState>) -> String {
    let there: Vec<&str> = catalogue.versions(called).map(|model| model.version()).collect();
    let there = there.join(", ");
    match state {
        Some(state) => {
            let live = &state.live;
            format!(
                "the model {called}: version {live} is live, and is gone or not usable{}\n  help: bring \
                 it back, or go to another one by `gantry models promote {called} VERSION`; there: {there}",
                faults_of(catalogue, &format!("{called}@{live}"))
            )
        }
        None => format!(
            "the model {called} has several versions, {there}, and none is live\n  help: \
             `gantry models promote {called} VERSION` says which"
        ),
    }
}

/// What is wrong with a folder, to stand behind a sentence.
pub fn faults_of(catalogue: &Catalogue, name: &str) -> String {
    let faulty = catalogue.faulty().iter().find(|faulty| faulty.name == name);
    faulty.map(|faulty| format!(": {}", in_words(&faulty.problems))).unwrap_or_default()
}

/// The version, or why it cannot be had.
pub fn version(catalogue: &Catalogue, called: &str, version: &str) -> Result<Arc<Model>, String> {
    catalogue.version(called, version).cloned().ok_or_else(|| {
        let there: Vec<&str> = catalogue.versions(called).map(|model| model.version()).collect();
        match faults_of(catalogue, &format!("{called}@{version}")) {
            why if !why.is_empty() => format!("version {version} of {called} is not usable{why}"),
            _ if there.is_empty() => format!("there is no model {called}"),
            _ => format!("there is no version {version} of {called}; there: {}", there.join(", ")),
        }
    })
}
