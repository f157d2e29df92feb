//! Station decide: judges what is complete by every rule and keeps each verdict with its reason, in one transaction with the jobs.

use crate::facts::{self, Peers};
use crate::failing::{AGAIN, Failing};
use crate::in_force::InForce;
use crate::rules::{Judgement, On, Priority as RulePriority, Selected};
use crate::versions::{Versions, VersionsInForce};
use crate::wait::Stop;
use gantry_store::decisions::{
    Level, NewDecision, NewDecisions, NewForward, NewJob, NewStudyDecisions,
};
use gantry_store::error::StoreError;
use gantry_store::images::SeriesImages;
use gantry_store::jobs::Priority;
use gantry_store::series::SeriesRow;
use gantry_store::store::Store;
use gantry_store::study::StudyRow;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::slice;
use std::time::Duration;
use tokio::time::Instant;

pub struct Decider {
    pub store: Store,
    pub rules: InForce,
    pub models: VersionsInForce,
    pub peers: Peers,
    /// Behind the last image of a study, until rules on studies are asked.
    pub study_quiet: Duration,
    /// When the node did: while it was down nothing could arrive.
    pub started: Instant,
}

/// Looks at studies take at most one part of so many of the time.
const LOOKS_APART: u32 = 10;

/// What the decider remembers from one round to the next.
#[derive(Default)]
struct Rounds {
    series: Failing,
    studies: Failing,
    /// Studies are not looked at before this moment, however often the bell rings.
    rest: Option<Instant>,
    /// When the next study is due, as far as was known when they were looked at.
    study_due: Option<Instant>,
}

impl Decider {
    /// Decides complete series and quiet studies until told to stop.
    pub async fn run(self, mut stop: Stop) {
        let mut rounds = Rounds::default();
        loop {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            let of_series = self.decide_complete_series(&mut rounds, &stop).await;
            let of_studies = self.decide_quiet_studies(&mut rounds, &stop).await;
            let next = [of_series, of_studies].into_iter().flatten().min();
            tokio::select! {
                () = stop.stopped() => return,
                _ = bell.changed() => {}
                () = sleep_until_instant(next) => {}
            }
        }
    }

    /// When one that cannot be decided is tried again. It holds up none of the others.
    async fn decide_complete_series(&self, rounds: &mut Rounds, stop: &Stop) -> Option<Instant> {
        let complete = match self.store.series_complete().await {
            Ok(complete) => complete,
            Err(error) => return Some(cannot_look("series", &error)),
        };
        rounds.series.keep_only(complete.iter().map(|series| &series.uid));
        for series in &complete {
            if stop.is_stopped() {
                return None;
            }
            if !rounds.series.rests(&series.uid) {
                let decided = self.decide_series(series).await;
                rounds.series.note("series", &series.uid, decided);
            }
        }
        rounds.series.next()
    }

    /// When studies are looked at again: where the bell rings often, seldom enough that a long list of
    /// waiting ones costs little.
    async fn decide_quiet_studies(&self, rounds: &mut Rounds, stop: &Stop) -> Option<Instant> {
        // Never, where an admin waits longer than any clock runs.
        let earliest = self.started.checked_add(self.study_quiet)?;
        let now = Instant::now();
        if now < earliest {
            return Some(earliest);
        }
        let is_due = rounds.study_due.is_some_and(|due| due <= now);
        if let Some(rest) = rounds.rest.filter(|rest| !is_due && now < *rest) {
            return Some(rounds.study_due.map_or(rest, |due| due.min(rest)));
        }
        let looked = self.look_at_studies(rounds, stop).await;
        let ended = Instant::now();
        let (last, took) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                rounds.study_due = Some(cannot_look("studies", &error));
                return rounds.study_due;
            }
        };
        let pause = took * LOOKS_APART;
        rounds.rest = Some(ended + pause.max(AGAIN));
        rounds.study_due = last.and_then(|last| {
            let wait = last.plus(self.study_quiet).since(Moment::now());
            // What is due still could not be decided.
            let wait =
                if wait.is_zero() { AGAIN } else { wait.saturating_add(Duration::from_millis(1)) };
            ended.checked_add(wait.max(pause))
        });
        rounds.study_due
    }

    /// The last arrival of the study that is due next, and how long it took to look.
    async fn look_at_studies(
        &self,
        rounds: &mut Rounds,
        stop: &Stop,
    ) -> Result<(Option<Moment>, Duration), StoreError> {
        let began = Instant::now();
        let due = self.store.studies_due(Moment::now().minus(self.study_quiet)).await?;
        let took = began.elapsed();
        rounds.studies.keep_only(due.iter().map(|study| &study.uid));
        for study in &due {
            if stop.is_stopped() {
                return Ok((None, took));
            }
            if !rounds.studies.rests(&study.uid) {
                let decided = self.decide_study(study).await;
                rounds.studies.note("study", &study.uid, decided);
            }
        }
        let began = Instant::now();
        let last = self.store.next_study_due().await?;
        Ok((last, took + began.elapsed()))
    }

    #[tracing::instrument(name = "decide", skip_all, fields(series = %series.uid, revision = series.revision))]
    async fn decide_series(&self, series: &SeriesRow) -> Result<(), StoreError> {
        let images = self.store.images(&series.uid).await?;
        let rules = self.rules.now();
        let judgements = rules.judge(&facts::of_series(slice::from_ref(&images), &self.peers));
        let uids = uids(slice::from_ref(&images));
        let decisions = NewDecisions {
            series: series.uid.clone(),
            revision: series.revision,
            rules_digest: rules.digest().to_string(),
            rules_text: rules.text(),
            at: Moment::now(),
            decisions: self.decisions(&series.uid, judgements, &uids),
            images: uids,
        };
        self.tell(self.store.decide(decisions).await?);
        Ok(())
    }

    #[tracing::instrument(name = "decide", skip_all, fields(study = %study.uid, revision = study.revision))]
    async fn decide_study(&self, study: &StudyRow) -> Result<(), StoreError> {
        let rules = self.rules.now();
        // Without a rule on studies there is nothing to look at.
        let series = match rules.rules().iter().any(|rule| rule.on == On::Study) {
            true => self.store.study_images(&study.uid).await?,
            false => Vec::new(),
        };
        let judgements = rules.judge_study(&facts::of_series(&series, &self.peers));
        let uids = uids(&series);
        let decisions = NewStudyDecisions {
            study: study.uid.clone(),
            revision: study.revision,
            rules_digest: rules.digest().to_string(),
            rules_text: rules.text(),
            at: Moment::now(),
            decisions: self.decisions(&study.uid, judgements, &uids),
            images: uids,
        };
        self.tell(self.store.decide_study(decisions).await?);
        Ok(())
    }

    /// On a series or a study, of its `images`, in the order in which they were judged.
    fn decisions(&self, on: &Uid, judgements: Vec<Judgement>, images: &[Uid]) -> Vec<NewDecision> {
        for judgement in &judgements {
            tracing::info!(rule = judgement.rule, runs = judgement.runs, "decided");
        }
        let judged = Judged { on, images, versions: &self.models.now() };
        judgements.into_iter().map(|judgement| judged.decision(judgement)).collect()
    }

    fn tell(&self, decided: bool) {
        if !decided {
            tracing::info!("something came while it was judged; it will be judged again");
        }
    }
}

fn cannot_look(at: &str, error: &StoreError) -> Instant {
    tracing::error!(station = "decide", %error, "cannot look at {at}; trying again");
    Instant::now() + AGAIN
}

/// For ever without one.
async fn sleep_until_instant(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// All that were judged, so that fates can be told by their places.
fn uids(series: &[SeriesImages]) -> Vec<Uid> {
    let images = series.iter().flat_map(|series| &series.images);
    images.map(|image| image.identity.sop_instance.clone()).collect()
}

/// What was judged, and the versions that the models have then.
struct Judged<'a> {
    /// The series or the study.
    on: &'a Uid,
    images: &'a [Uid],
    versions: &'a Versions,
}

impl Judged<'_> {
    fn decision(&self, judgement: Judgement) -> NewDecision {
        let taken = judgement.selected.iter().flat_map(|one| one.images.among(self.images));
        let selected: Vec<Uid> = taken.cloned().collect();
        let forwarded = judgement.runs && !judgement.then.shadow;
        let forward = judgement.then.forward.iter().filter(|_| forwarded).map(|to| NewForward {
            peer: to.to.clone(),
            instances: selected.clone(),
            changes: to.changes.clone(),
        });
        NewDecision {
            forward: forward.collect(),
            level: match judgement.on {
                On::Instance => Level::Instance,
                On::Series => Level::Series,
                On::Study => Level::Study,
            },
            trace: serde_json::to_value(&judgement.conditions).unwrap_or_default(),
            fates: serde_json::to_value(&judgement.fates).unwrap_or_default(),
            jobs: self.jobs(&judgement),
            rule: judgement.rule,
            runs: judgement.runs,
            reason: judgement.reason,
        }
    }

    /// One for all that was selected; of a rule on instances one for each image.
    fn jobs(&self, judgement: &Judgement) -> Vec<NewJob> {
        let then = &judgement.then;
        let Some(model) = judgement.model() else { return Vec::new() };
        let (model_digest, pinned) = self.versions.pin(model, self.on).unwrap_or_default();
        let of_rule = judgement.for_model.iter();
        let taken = of_rule.clone().flat_map(|one| one.images.among(self.images));
        let selected: Vec<Uid> = taken.cloned().collect();
        let job = NewJob {
            model: model.to_owned(),
            model_digest,
            pinned,
            priority: match then.priority {
                RulePriority::Stat => Priority::Stat,
                RulePriority::Routine => Priority::Routine,
            },
            shadow: then.shadow,
            selected: selected.clone(),
            selections: of_rule.map(|selected| named(selected, self.images)).collect(),
            send_to: then.send_to.clone(),
            send_as: then.send_as.clone(),
            deidentify: then.send_deidentify.clone(),
            regions: then.send_regions,
            once: judgement.on == On::Instance,
        };
        match judgement.on {
            On::Instance => selected
                .iter()
                .map(|image| NewJob { selected: vec![image.clone()], ..job.clone() })
                .collect(),
            On::Series | On::Study => vec![job],
        }
    }
}

fn named(selected: &Selected, images: &[Uid]) -> Option<(String, Vec<Uid>)> {
    Some((selected.name.clone()?, selected.images.among(images).cloned().collect()))
}
