//! `gantry models remove`: a model, or one version of it, is taken away when nothing needs it.

use super::state::{self, Standing};
use super::{bring, in_words};
use crate::check;
use crate::cli::ModelsRemoveArguments;
use crate::config::Config;
use crate::output::line;
use crate::rules::folder::OnDisk;
use gantry_inference::models::{Catalogue, Model};
use gantry_routing::rules::{RuleSet, SourceFile, World};
use gantry_store::error::StoreError;
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;

type Failure = Box<dyn Error>;

pub async fn run(arguments: &ModelsRemoveArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let (called, version) = match arguments.name.split_once('@') {
        Some((called, version)) => (called, Some(version)),
        None => (arguments.name.as_str(), None),
    };
    let catalogue = Catalogue::load(&config.models).map_err(|problems| in_words(&problems))?;
    let gone: Vec<Arc<Model>> = match version {
        Some(version) => vec![state::version(&catalogue, called, version)?],
        None => catalogue.versions(called).cloned().collect(),
    };
    if gone.is_empty() {
        return Err(format!("there is no model {called} in {}", config.models.display()).into());
    }
    // Where no node has run yet, nothing waits and nothing was promoted.
    let reader = match Store::open_reader(&config.data).await {
        Ok(reader) => Some(reader),
        Err(StoreError::NoStore(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let changes = match &reader {
        Some(reader) => reader.model_changes(None).await?,
        None => Vec::new(),
    };
    match version {
        None => named_by(&config, &catalogue, reader.as_ref(), called).await?,
        Some(_) => works(&state::standing(&catalogue, &changes, called), &gone)?,
    }
    if let Some(reader) = &reader {
        awaited(&reader.waiting_by_version(called).await?, &gone)?;
    }
    for model in &gone {
        take_away(&config, model)?;
        line!("{} {} is gone; what it did stays readable", model.called(), model.version());
    }
    Ok(ExitCode::SUCCESS)
}

/// A failure where one of them is live or tried.
fn works(standing: &Standing, gone: &[Arc<Model>]) -> Result<(), Failure> {
    let Standing::Works(chosen) = standing else { return Ok(()) };
    for model in gone {
        let (name, called) = (&model.name, model.called());
        if chosen.live.name == *name {
            return Err(format!("{name} is live: promote another one first").into());
        }
        if chosen.trial.as_ref().is_some_and(|trial| trial.candidate.name == *name) {
            let help = format!("`gantry models rollback {called}` ends that");
            return Err(format!("{name} is tried: {help}").into());
        }
    }
    Ok(())
}

/// A failure where jobs wait for one of them, or for a version that was not noted.
fn awaited(waiting: &BTreeMap<Option<String>, u64>, gone: &[Arc<Model>]) -> Result<(), Failure> {
    let of_gone = |version: &Option<String>| {
        version.is_none() || gone.iter().any(|model| Some(model.version()) == version.as_deref())
    };
    match waiting.iter().filter(|(version, _)| of_gone(version)).map(|(_, jobs)| jobs).sum() {
        0_u64 => Ok(()),
        jobs => {
            let help = "`gantry status` tells when they have ended";
            Err(format!("{jobs} jobs wait for it: {help}").into())
        }
    }
}

/// A failure that says which rule names the model: on disk, or in force.
async fn named_by(
    config: &Config,
    catalogue: &Catalogue,
    reader: Option<&Reader>,
    called: &str,
) -> Result<(), Failure> {
    let mut first = Vec::new();
    for name in catalogue.names() {
        first.extend(catalogue.versions(name).next());
    }
    let world = check::world(config, first.into_iter());
    let on_disk = OnDisk::look(&config.rules)?;
    let files = on_disk.texts().map_err(|faults| faults.join("\n"))?;
    named_in(files, &world, called, "on disk")?;
    let Some(reader) = reader else { return Ok(()) };
    let Some(state) = reader.rules_state().await? else { return Ok(()) };
    let Some(kept) = reader.rule_set(&state.taken.digest).await? else { return Ok(()) };
    let file = |file: gantry_store::rule_sets::RuleFile| SourceFile {
        path: config.rules.join(file.name),
        text: file.text,
    };
    named_in(kept.files.into_iter().map(file).collect(), &world, called, "in force")
}

fn named_in(
    files: Vec<SourceFile>,
    world: &World,
    called: &str,
    which: &str,
) -> Result<(), Failure> {
    let rules = RuleSet::parse(files, world)
        .map_err(|problems| format!("what the rules {which} name cannot be told: {problems}"))?;
    let mut names = rules.rules().iter().filter(|rule| rule.then.run.as_deref() == Some(called));
    match names.next() {
        None => Ok(()),
        Some(rule) => Err(format!(
            "the rule {:?}, {which}, runs {called}: take it out first, and let the node take that",
            rule.name
        )
        .into()),
    }
}

/// Renamed first, so that nobody reads half of it.
fn take_away(config: &Config, model: &Model) -> Result<(), Failure> {
    let folder = config.models.join(&model.name);
    let aside = config.models.join(format!(".removing-{}-{}", model.name, std::process::id()));
    fs::rename(&folder, &aside).map_err(|error| format!("{}: {error}", folder.display()))?;
    bring::sync(&config.models)?;
    fs::remove_dir_all(&aside).map_err(|error| format!("{}: {error}", aside.display()))?;
    Ok(())
}
