//! `gantry models promote` and `rollback`: what is asked is one row; the node takes it or refuses it.

use super::state::{self, Standing};
use super::watch::in_words;
use crate::cli::{ModelsPromoteArguments, ModelsRollbackArguments, SaidArguments};
use crate::config::Config;
use crate::output::line;
use gantry_inference::models::Catalogue;
use gantry_routing::versions::Chosen;
use gantry_store::model_changes::{
    self, CandidateState, Change, ChangeRow, ChangeState, NewChange, VersionState,
};
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

type Failure = Box<dyn Error>;

/// How often a look is taken whether the node has answered.
const LOOK: Duration = Duration::from_millis(200);
/// Behind the model's own time-out: loading, and what the node has in hand before.
const GRACE: Duration = Duration::from_secs(600);

/// What is known of a model before it is changed.
struct Model {
    config: Config,
    reader: Reader,
    catalogue: Catalogue,
    changes: Vec<ChangeRow>,
    name: String,
}

/// Exit status 0 when the node has taken it, or when none runs and the next start will try.
pub async fn promote(arguments: &ModelsPromoteArguments) -> Result<ExitCode, Failure> {
    let model = Model::open(Config::load(&arguments.config.config)?, &arguments.name).await?;
    let share = arguments.canary.as_deref().map(share).transpose()?;
    let wanted = state::version(&model.catalogue, &model.name, &arguments.version)?;
    let wanted = wanted.version().to_string();
    let chosen = model.chosen();
    let before = chosen.as_ref().map(|chosen| chosen.live.version().to_string());
    let trial = arguments.shadow || share.is_some();
    let (change, after) = match (&before, trial) {
        (None, true) => {
            return Err(format!("no version of {} is live: promote one first", model.name).into());
        }
        (Some(live), true) if *live == wanted => {
            return Err(format!("{wanted} is live: it cannot be tried beside itself").into());
        }
        (Some(live), true) => {
            let candidate = CandidateState { version: wanted, share };
            let change = if share.is_some() { Change::Canary } else { Change::Shadow };
            (change, VersionState { live: live.clone(), candidate: Some(candidate) })
        }
        (_, false) => (Change::Promote, VersionState { live: wanted, candidate: None }),
    };
    model.ask(change, before.unwrap_or_default(), after, &arguments.said).await
}

pub async fn rollback(arguments: &ModelsRollbackArguments) -> Result<ExitCode, Failure> {
    let model = Model::open(Config::load(&arguments.config.config)?, &arguments.name).await?;
    let name = &model.name;
    let taken = state::taken(&model.changes, name)
        .ok_or_else(|| format!("nothing was promoted of {name}: there is no way back"))?;
    let before = taken.live.clone();
    let live = match &taken.candidate {
        Some(_) => before.clone(),
        None => earlier(&model.changes, &before).ok_or_else(|| {
            format!("no version of {name} was live before {before}; promote one by its version")
        })?,
    };
    state::version(&model.catalogue, name, &live)?;
    let after = VersionState { live, candidate: None };
    model.ask(Change::Rollback, before, after, &arguments.said).await
}

/// What was live when this version was promoted last.
fn earlier(changes: &[ChangeRow], live: &str) -> Option<String> {
    let taken = changes.iter().filter(|row| row.state == ChangeState::Taken);
    let mut promoted = taken.map(|row| &row.change).filter(|change| {
        change.change == Change::Promote && change.after.live == live && change.before != live
    });
    promoted.next().map(|change| change.before.clone()).filter(|before| !before.is_empty())
}

/// From `5%` or `5`.
fn share(written: &str) -> Result<f64, String> {
    let percent: f64 = written
        .trim_end_matches('%')
        .trim()
        .parse()
        .map_err(|_| format!("{written:?} is no share: write a number of percent, as in 5%"))?;
    match percent {
        percent if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(format!("{written:?}: a share is more than 0% and at most 100%")),
    }
}

impl Model {
    async fn open(config: Config, name: &str) -> Result<Self, Failure> {
        let catalogue = Catalogue::of_model(&config.models, name)
            .map_err(|problems| super::in_words(&problems))?;
        let reader = Store::open_reader(&config.data).await?;
        let changes = reader.model_changes(Some(name)).await?;
        Ok(Self { config, reader, catalogue, changes, name: name.to_string() })
    }

    fn chosen(&self) -> Option<Chosen> {
        match state::standing(&self.catalogue, &self.changes, &self.name) {
            Standing::Works(chosen) => Some(chosen),
            Standing::Broken(_) => None,
        }
    }

    async fn ask(
        &self,
        change: Change,
        before: String,
        after: VersionState,
        said: &SaidArguments,
    ) -> Result<ExitCode, Failure> {
        let model = self.name.clone();
        let asked_by = said.by.clone().unwrap_or_else(user);
        let text = in_words(&after);
        let new = NewChange { model, change, before, after, asked_by, why: said.why.clone() };
        let id = model_changes::ask(&self.config.data, &new).await?;
        if !model_changes::is_in_use(self.config.data.clone()).await? {
            line!("no node runs: the next start tries it, then {text}");
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("waiting for the node: it loads the version and runs it once");
        let versions = self.catalogue.versions(&self.name);
        let longest = versions.map(|model| model.manifest.time_out).max().unwrap_or_default();
        let until = Instant::now() + longest + GRACE;
        while Instant::now() < until {
            let row = self.reader.model_change(id).await?;
            match row.map(|row| (row.state, row.reason)) {
                Some((ChangeState::Taken, _)) => {
                    line!("{}: {text}", self.name);
                    return Ok(ExitCode::SUCCESS);
                }
                Some((ChangeState::Refused, reason)) => {
                    let reason = reason.unwrap_or_default();
                    eprintln!("refused, what was live stays: {reason}");
                    return Ok(ExitCode::FAILURE);
                }
                _ => sleep(LOOK).await,
            }
        }
        Err("the node does not answer: `gantry models history` tells what becomes of it".into())
    }
}

fn user() -> String {
    let known =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    known.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::moment::Moment;

    fn row(change: Change, before: &str, live: &str, state: ChangeState) -> ChangeRow {
        let after = VersionState { live: live.into(), candidate: None };
        let (model, asked_by, why) = ("lung".into(), "anna".into(), String::new());
        let change = NewChange { model, change, before: before.into(), after, asked_by, why };
        ChangeRow { id: 1, at: Moment(0), change, state, ended_at: None, reason: None }
    }

    #[test]
    fn the_way_back_leads_to_what_was_live_before_and_not_in_a_circle() {
        use ChangeState::{Refused, Taken};
        // The newest first.
        let changes = [
            row(Change::Rollback, "3", "2", Taken),
            row(Change::Promote, "3", "4", Refused),
            row(Change::Promote, "2", "3", Taken),
            row(Change::Promote, "1", "2", Taken),
        ];
        assert_eq!(earlier(&changes, "2").as_deref(), Some("1"));
        assert_eq!(earlier(&changes, "1"), None);
        assert_eq!(earlier(&changes[1..], "3").as_deref(), Some("2"));
        assert_eq!(earlier(&changes, "4"), None, "it never was live");
    }

    #[test]
    fn a_share_is_written_in_percent() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("12.5 %"), Ok(0.125));
        assert_eq!(share("100"), Ok(1.0));
        for wrong in ["0%", "101%", "-1", "half", "NaN", ""] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
