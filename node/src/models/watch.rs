//! Takes changes of versions while the node runs: loaded beside what is live, warmed up, and then put in its place, or refused.

use super::state;
use crate::audit::{Audit, code, events};
use crate::check;
use crate::config::Config;
use gantry_inference::made_up;
use gantry_inference::models::{Catalogue, Model};
use gantry_inference::pool::Pool;
use gantry_routing::in_force::InForce;
use gantry_routing::rules::{RuleSet, World};
use gantry_routing::versions::{Chosen, Trial, VersionsInForce};
use gantry_store::error::StoreError;
use gantry_store::events::Event;
use gantry_store::model_changes::{ChangeRow, NewChange, VersionState};
use gantry_store::store::Store;
use gantry_terms::findings::{Findings, NoValue};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;

/// The command that asks waits for the answer.
const EVERY: Duration = Duration::from_secs(1);

/// What rules may name; others when another version of a model is live. Cheap to clone.
#[derive(Clone)]
pub struct WorldNow {
    world: Arc<Mutex<Arc<World>>>,
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl WorldNow {
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(Arc::new(world))), changing: Arc::default() }
    }

    pub fn now(&self) -> Arc<World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Rules and versions have to fit each other: whoever changes one of them compares it with the other, and
    /// lets it take effect, while this is held.
    pub async fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    fn replace(&self, world: World) {
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
    }
}

/// What the watch works with.
pub struct Watch {
    pub store: Store,
    pub config: Arc<Config>,
    pub versions: VersionsInForce,
    pub rules: InForce,
    pub world: WorldNow,
    pub engine: Option<Pool>,
    pub audit: Audit,
}

impl Watch {
    /// Runs until told to stop. What is being tried then is asked again at the next start.
    pub async fn run(self, stop: CancellationToken) {
        let look = async {
            loop {
                if let Err(error) = self.look().await {
                    tracing::error!(station = "infer", %error, "changes of versions cannot be taken; trying again");
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = look => {}
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        for row in self.store.changes_asked().await? {
            let changes = self.store.model_changes(Some(&row.change.model)).await?;
            match self.prepare(&row.change, &changes).await {
                Ok(chosen) => self.take(&row, chosen).await?,
                Err(why) => self.refuse(&row, &why).await?,
            }
        }
        Ok(())
    }

    /// First the row, then the effect: after a crash between them the next start does what the row says.
    /// Other rules may be in force since it was prepared.
    async fn take(&self, row: &ChangeRow, chosen: Chosen) -> Result<(), StoreError> {
        let NewChange { model, after, .. } = &row.change;
        let _changing = self.world.changing().await;
        let world = match self.world_with(&chosen) {
            Ok(world) => world,
            Err(why) => return self.refuse(row, &why).await,
        };
        let text = in_words(after);
        self.store.change_taken(row.id, event("version taken", model, text.clone())).await?;
        let told = format!("model {model}: {text}");
        self.audit
            .tell(|this| events::configured(this, code::SOFTWARE_CONFIGURATION, "models", &told));
        self.world.replace(world);
        self.versions.choose(model, chosen);
        tracing::info!(station = "infer", model, by = row.change.asked_by, "{text}");
        Ok(())
    }

    async fn refuse(&self, row: &ChangeRow, why: &str) -> Result<(), StoreError> {
        let NewChange { model, after, .. } = &row.change;
        let text = format!("refused ({}), what was live stays: {why}", in_words(after));
        self.store.change_refused(row.id, why, event("version refused", model, text)).await?;
        tracing::error!(
            station = "infer",
            model,
            why,
            "a version was refused; what was live stays"
        );
        Ok(())
    }

    /// Touches nothing that is live.
    async fn prepare(&self, change: &NewChange, changes: &[ChangeRow]) -> Result<Chosen, String> {
        let (folder, called) = (self.config.models.clone(), change.model.clone());
        let read = move || Catalogue::of_model(&folder, &called);
        let catalogue = tokio::task::spawn_blocking(read).await;
        let catalogue = catalogue.map_err(|_| "the models folder could not be read".to_string())?;
        let catalogue = catalogue.map_err(|problems| super::in_words(&problems))?;
        state::overtaken(&catalogue, changes, change)?;
        let live = state::version(&catalogue, &change.model, &change.after.live)?;
        let trial = match &change.after.candidate {
            None => None,
            Some(wanted) => {
                let candidate = state::version(&catalogue, &change.model, &wanted.version)?;
                Some(Trial { candidate, share: wanted.share })
            }
        };
        let chosen = Chosen { live, trial };
        // What does not fit need not be loaded.
        self.world_with(&chosen)?;
        let new = [Some(&chosen.live), chosen.trial.as_ref().map(|trial| &trial.candidate)];
        for model in new.into_iter().flatten() {
            self.check_unchanged(model)?;
            if !self.is_live(model) {
                self.warm_up(model).await?;
            }
        }
        Ok(chosen)
    }

    /// The rules in force have to fit the version.
    fn world_with(&self, chosen: &Chosen) -> Result<World, String> {
        let now = self.versions.now();
        let others: Vec<&Arc<Model>> =
            now.live().filter(|model| model.called() != chosen.live.called()).collect();
        let trial = chosen.trial.iter().map(|trial| &trial.candidate);
        let files = || self.rules.now().files().to_vec();
        // A candidate may have to do the work of the live version.
        let mut worlds = Vec::new();
        for version in trial.chain([&chosen.live]) {
            let world = check::world(&self.config, others.iter().copied().chain([version]));
            RuleSet::parse(files(), &world).map_err(|problems| {
                let version = version.version();
                format!("the rules in force do not fit version {version}: {problems}")
            })?;
            worlds.push(world);
        }
        worlds.pop().ok_or_else(|| "no version is live".into())
    }

    fn is_live(&self, model: &Model) -> bool {
        let now = self.versions.now();
        now.chosen(model.called()).is_some_and(|chosen| chosen.live.name == model.name)
    }

    /// What a process has open under a folder's name has to be what lies there.
    fn check_unchanged(&self, model: &Model) -> Result<(), String> {
        let now = self.versions.now();
        let known = now.all().find(|known| known.name == model.name);
        let digests = |model: &Model| (model.digest.clone(), model.manifest_digest.clone());
        match known.filter(|known| digests(known) != digests(model)) {
            None => Ok(()),
            Some(_) => Err(format!(
                "{} was changed since the node read it: give what is new a version of its own",
                model.name
            )),
        }
    }

    /// In a process of its own, beside what runs.
    async fn warm_up(&self, model: &Arc<Model>) -> Result<(), String> {
        let Some(engine) = &self.engine else {
            return Err("models do not run here: `gantry status` says why".into());
        };
        let of = model.clone();
        let images = tokio::task::spawn_blocking(move || made_up::images(&of)).await;
        let images = images.ok().flatten().ok_or("no images of its size can be made up for it")?;
        let found = engine.try_out(model, images).await;
        gives_numbers(&found.map_err(|error| error.to_string())?)
    }
}

/// One figure may have nothing to be taken of in made-up images; all of them mean that the graph is broken.
fn gives_numbers(findings: &Findings) -> Result<(), String> {
    let mut values = findings.groups.iter().flat_map(|group| &group.measurements);
    let no_number = |value: &Result<f64, NoValue>| *value == Err(NoValue::NotANumber);
    let count = values.clone().count();
    if count == 0 || !values.all(|measurement| no_number(&measurement.value)) {
        return Ok(());
    }
    Err(format!("it gave no number (NaN) for any of its {count} measurements of made-up images"))
}

pub(super) fn in_words(state: &VersionState) -> String {
    let live = format!("{} is live", state.live);
    match &state.candidate {
        None => live,
        Some(candidate) => match candidate.share {
            None => format!("{live}, {} runs beside it", candidate.version),
            Some(share) => {
                format!("{live}, {} gets {} % of the series", candidate.version, share * 100.0)
            }
        },
    }
}

fn event(kind: &str, model: &str, text: String) -> Event {
    let (station, subject) = ("infer".into(), Some(model.to_string()));
    Event { station, kind: kind.into(), subject, text }
}

#[cfg(test)]
mod tests;
