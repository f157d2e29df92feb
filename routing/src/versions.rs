//! Which version of each model is live and which is tried: what begins to decide takes them as they are then.

use crate::job_error::JobError;
use gantry_inference::models::{Model, Models};
use gantry_store::decisions::{Candidate, Pinned};
use gantry_store::jobs::{Job, Role};
use gantry_terms::uid::Uid;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The versions that work, and all others that jobs may still be pinned to.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// By their folders' names.
    all: BTreeMap<String, Arc<Model>>,
    /// By what rules call them.
    chosen: BTreeMap<String, Chosen>,
}

/// What works for one model.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub live: Arc<Model>,
    pub trial: Option<Trial>,
}

/// A version that is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    pub candidate: Arc<Model>,
    /// Of the series, from 0 to 1, that it gets in the place of the live version; none: it runs beside it.
    pub share: Option<f64>,
}

/// Cheap to clone; every clone sees the same versions.
#[derive(Debug, Clone)]
pub struct VersionsInForce(watch::Sender<Arc<Versions>>);

impl VersionsInForce {
    pub fn new(versions: Versions) -> Self {
        Self(watch::Sender::new(Arc::new(versions)))
    }

    /// A decision asks once, so that all of it is made for the same versions.
    pub fn now(&self) -> Arc<Versions> {
        self.0.borrow().clone()
    }

    /// For every decision that begins afterwards. What was decided before runs as it was pinned.
    pub fn choose(&self, called: &str, chosen: Chosen) {
        self.0.send_modify(|versions| {
            let mut changed = Versions::clone(versions);
            changed.choose(called, chosen);
            *versions = Arc::new(changed);
        });
    }
}

impl Versions {
    /// Every model is live, and none is tried.
    pub fn all_live(models: &Models) -> Self {
        let mut versions = Self::default();
        for model in models.iter() {
            versions.choose(model.called(), Chosen { live: model.clone(), trial: None });
        }
        versions
    }

    pub fn choose(&mut self, called: &str, chosen: Chosen) {
        self.keep(chosen.live.clone());
        if let Some(trial) = &chosen.trial {
            self.keep(trial.candidate.clone());
        }
        self.chosen.insert(called.to_string(), chosen);
    }

    /// For jobs that are pinned to it.
    pub fn keep(&mut self, model: Arc<Model>) {
        self.all.insert(model.name.clone(), model);
    }

    pub fn chosen(&self, called: &str) -> Option<&Chosen> {
        self.chosen.get(called)
    }

    pub fn live(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.chosen.values().map(|chosen| &chosen.live)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.all.values()
    }

    /// What a job on this series, or this study, is pinned to.
    pub fn pin(&self, called: &str, subject: &Uid) -> Option<(String, Pinned)> {
        let (model, role) = self.gets(called, subject)?;
        let trial = self.chosen.get(called).and_then(|chosen| chosen.trial.as_ref());
        let beside = trial.filter(|trial| trial.share.is_none());
        let pinned = Pinned {
            version: model.version().to_string(),
            manifest_digest: model.manifest_digest.clone(),
            role,
            beside: beside.map(|trial| candidate(&trial.candidate)),
        };
        Some((model.digest.clone(), pinned))
    }

    /// The version that a series, or a study, gets if it is decided now.
    pub fn runs(&self, called: &str, subject: &Uid) -> Option<&Arc<Model>> {
        self.gets(called, subject).map(|(model, _)| model)
    }

    fn gets(&self, called: &str, subject: &Uid) -> Option<(&Arc<Model>, Role)> {
        let Chosen { live, trial } = self.chosen.get(called)?;
        let of_share = |trial: &&Trial| trial.share.is_some_and(|share| part(subject) < share);
        Some(match trial.as_ref().filter(of_share) {
            Some(trial) => (&trial.candidate, Role::Canary),
            None => (live, Role::Live),
        })
    }

    /// The version that the job was decided for: another graph or manifest under the same name is another
    /// model.
    pub fn pinned(&self, job: &Job) -> Result<&Arc<Model>, JobError> {
        let live = self.chosen.get(&job.model).map(|chosen| &chosen.live);
        let versions = self.all.values().filter(|model| model.called() == job.model);
        let mut known = live.into_iter().chain(versions);
        if let Some(model) = known.clone().find(|model| is_pinned(model, job)) {
            return Ok(model);
        }
        let name = &job.model;
        Err(JobError::Permanent(match known.next() {
            None => format!("model {name} is no longer in the models folder"),
            Some(_) => {
                let version = job.version.as_deref().map(|version| format!(" {version}"));
                format!(
                    "model {name}{} was replaced after this decision, so the result would not be \
                     what was decided",
                    version.unwrap_or_default()
                )
            }
        }))
    }
}

/// Whether a job names this very graph and manifest.
pub fn is_pinned(model: &Model, job: &Job) -> bool {
    let manifest = job.manifest_digest.as_ref();
    model.digest == job.model_digest
        && manifest.is_none_or(|digest| *digest == model.manifest_digest)
}

/// As a job names it.
pub fn candidate(model: &Model) -> Candidate {
    Candidate {
        version: model.version().to_string(),
        model_digest: model.digest.clone(),
        manifest_digest: model.manifest_digest.clone(),
    }
}

/// From 0 to 1, below it: the first 8 bytes of the SHA-256 of the UID's text, as a number of 64 bits.
/// Whoever has the UID can work out whose turn it is.
pub fn part(subject: &Uid) -> f64 {
    let digest = Sha256::digest(subject.as_str().as_bytes());
    let first = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    first as f64 / 2_f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of `hashlib.sha256` of Python.
    #[test]
    fn the_part_of_a_series_follows_from_its_uid_alone() {
        let part = |text: &str| part(&Uid::parse(text).expect("a UID"));
        assert!((part("1.2.3") - PART_OF_1_2_3).abs() < 1e-12);
        let uids = (0..10_000).map(|number| format!("1.2.840.{number}"));
        let share = uids.filter(|uid| part(uid) < 0.05).count();
        assert_eq!(share, SHARE_OF_10_000);
    }

    const PART_OF_1_2_3: f64 = 0.7675682959894778;
    const SHARE_OF_10_000: usize = 502;
}
