//! `gantry models promote` and `rollback`: what is asked is one row; the node takes it or refuses it.

use super::state;
use super::watch::in_words;
use crate::cli::{ModelsPromoteArguments, ModelsRollbackArguments, SaidArguments};
use crate::config::Config;
use crate::output::line;
use gantry_inference::models::Catalogue;
use gantry_store::error::StoreError;
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

/// What became of what was asked.
pub enum Answer {
    /// No node runs.
    NextStart,
    Taken,
    /// What was live stays, and why.
    Refused(String),
}

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
    let before = model.expected().map(|state| state.live);
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
    let answer = model.ask(change, before.unwrap_or_default(), &after, &arguments.said).await?;
    Ok(told(&model.name, &after, answer))
}

pub async fn rollback(arguments: &ModelsRollbackArguments) -> Result<ExitCode, Failure> {
    let model = Model::open(Config::load(&arguments.config.config)?, &arguments.name).await?;
    let name = &model.name;
    let promoted = model.changes.iter().any(|row| row.state != ChangeState::Refused);
    let now = model.expected().filter(|_| promoted);
    let now = now.ok_or_else(|| format!("nothing was promoted of {name}: there is no way back"))?;
    let before = now.live;
    let live = match &now.candidate {
        Some(_) => before.clone(),
        None => earlier(&model.changes, &before).ok_or_else(|| {
            format!("no version of {name} was live before {before}; promote one by its version")
        })?,
    };
    state::version(&model.catalogue, name, &live)?;
    let after = VersionState { live, candidate: None };
    let answer = model.ask(Change::Rollback, before, &after, &arguments.said).await?;
    Ok(told(name, &after, answer))
}

fn told(name: &str, after: &VersionState, answer: Answer) -> ExitCode {
    let text = in_words(after);
    match answer {
        Answer::NextStart => line!("no node runs: the next start tries it, then {text}"),
        Answer::Taken => line!("{name}: {text}"),
        Answer::Refused(why) => {
            eprintln!("refused, what was live stays: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Lets a model work that was just brought, where a node runs, or where another one of that name was promoted
/// earlier. None otherwise: the next start takes it by itself.
pub async fn take_up(
    config: Config,
    name: &str,
    version: &str,
    said: &SaidArguments,
) -> Result<Option<Answer>, Failure> {
    let data = config.data.clone();
    let model = match Model::open(config, name).await {
        Ok(model) => model,
        Err(error) if is_no_store(error.as_ref()) => return Ok(None),
        Err(error) => return Err(error),
    };
    if model.changes.is_empty() && !model_changes::is_in_use(data).await? {
        return Ok(None);
    }
    let before = model.expected().map(|state| state.live).unwrap_or_default();
    let after = VersionState { live: version.into(), candidate: None };
    model.ask(Change::Promote, before, &after, said).await.map(Some)
}

fn is_no_store(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::NoStore(_)))
}

/// What was live, or is to be, when this version was promoted last.
fn earlier(changes: &[ChangeRow], live: &str) -> Option<String> {
    let not_refused = changes.iter().filter(|row| row.state != ChangeState::Refused);
    let mut promoted = not_refused.map(|row| &row.change).filter(|change| {
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

    fn expected(&self) -> Option<VersionState> {
        state::expected(&self.catalogue, &self.changes, &self.name)
    }

    async fn ask(
        &self,
        change: Change,
        before: String,
        after: &VersionState,
        said: &SaidArguments,
    ) -> Result<Answer, Failure> {
        let (model, after) = (self.name.clone(), after.clone());
        let asked_by = said.who();
        let new = NewChange { model, change, before, after, asked_by, why: said.why.clone() };
        let seen = self.changes.first().map(|row| row.id);
        let asked = model_changes::ask(&self.config.data, &new, seen).await?;
        let id = asked.ok_or_else(|| {
            let name = &self.name;
            format!(
                "another change of {name} was asked for at the same moment: `gantry models history {name}` \
                 says which; ask again if this one is still wanted"
            )
        })?;
        if !model_changes::is_in_use(self.config.data.clone()).await? {
            return Ok(Answer::NextStart);
        }
        eprintln!("waiting for the node: it loads the version and runs it once");
        let versions = self.catalogue.versions(&self.name);
        let longest = versions.map(|model| model.manifest.time_out).max().unwrap_or_default();
        let until = Instant::now() + longest + GRACE;
        while Instant::now() < until {
            let row = self.reader.model_change(id).await?;
            match row.map(|row| (row.state, row.reason)) {
                Some((ChangeState::Taken, _)) => return Ok(Answer::Taken),
                Some((ChangeState::Refused, reason)) => {
                    return Ok(Answer::Refused(reason.unwrap_or_default()));
                }
                _ => sleep(LOOK).await,
            }
        }
        Err("the node does not answer: `gantry models history` tells what becomes of it".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChangeState::{Asked, Refused, Taken};
    use gantry_terms::moment::Moment;

    fn row(change: Change, before: &str, live: &str, state: ChangeState) -> ChangeRow {
        let after = VersionState { live: live.into(), candidate: None };
        let (model, asked_by, why) = ("lung".into(), "anna".into(), String::new());
        let change = NewChange { model, change, before: before.into(), after, asked_by, why };
        ChangeRow { id: 1, at: Moment(0), change, state, ended_at: None, reason: None }
    }

    #[test]
    fn the_way_back_leads_to_what_was_live_before_and_not_in_a_circle() {
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
        let asked = [row(Change::Promote, "2", "3", Asked), row(Change::Promote, "1", "2", Taken)];
        assert_eq!(earlier(&asked, "3").as_deref(), Some("2"), "as soon as it is taken");
    }

    #[test]
    fn what_is_asked_is_built_on_what_was_asked_before_and_refused_with_it() {
        let nothing = Catalogue::default();
        let first = row(Change::Promote, "1", "2", Asked);
        let second = row(Change::Promote, "2", "3", Asked);
        let expected = |changes: &[ChangeRow]| {
            state::expected(&nothing, changes, "lung").map(|state| state.live)
        };
        assert_eq!(expected(&[]), None);
        assert_eq!(expected(&[second.clone(), first.clone()]).as_deref(), Some("3"));
        let mut refused = first.clone();
        refused.state = Refused;
        let taken_before = row(Change::Promote, "0", "1", Taken);
        assert_eq!(expected(&[refused.clone(), taken_before.clone()]).as_deref(), Some("1"));

        let overtaken = |changes: &[ChangeRow], row: &ChangeRow| {
            state::overtaken(&nothing, changes, &row.change).err().unwrap_or_default()
        };
        let both = [second.clone(), first.clone(), taken_before.clone()];
        assert_eq!(overtaken(&both, &first), "");
        let why = overtaken(&[second.clone(), refused, taken_before], &second);
        assert!(why.contains("to follow version 2, and version 1 is live"), "{why}");
        let new = row(Change::Promote, "", "1", Asked);
        assert_eq!(overtaken(std::slice::from_ref(&new), &new), "", "the first of all");
        let why = overtaken(std::slice::from_ref(&second), &second);
        assert!(why.contains("no version is live"), "{why}");
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
