//! Station decide: judges what is complete by every rule and keeps each verdict with its reason, in one transaction with the jobs.

use crate::facts::{self, Peers};
use crate::in_force::InForce;
use crate::rules::{Judgement, On, Priority as RulePriority, Selected};
use crate::wait::{Stop, sleep_until};
use gantry_inference::models::Models;
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
use std::sync::Arc;
use std::time::Duration;

pub struct Decider {
    pub store: Store,
    pub rules: InForce,
    pub models: Arc<Models>,
    pub peers: Peers,
    /// Behind the last image of a study, until rules on studies are asked.
    pub study_quiet: Duration,
}

impl Decider {
    /// Decides complete series and quiet studies until told to stop.
    pub async fn run(self, mut stop: Stop) {
        loop {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            let next = match self.decide_what_is_complete().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(station = "decide", %error, "cannot decide; trying again");
                    Some(Moment::now().plus(Duration::from_secs(1)))
                }
            };
            tokio::select! {
                () = stop.stopped() => return,
                _ = bell.changed() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// When the next study is due.
    async fn decide_what_is_complete(&self) -> Result<Option<Moment>, StoreError> {
        for series in self.store.series_complete().await? {
            self.decide_series(&series).await?;
        }
        let quiet_before = Moment::now().minus(self.study_quiet);
        for study in self.store.studies_due(quiet_before).await? {
            self.decide_study(&study).await?;
        }
        Ok(self.store.next_study_due().await?.map(|last| last.plus(self.study_quiet)))
    }

    #[tracing::instrument(name = "decide", skip_all, fields(series = %series.uid, revision = series.revision))]
    async fn decide_series(&self, series: &SeriesRow) -> Result<(), StoreError> {
        let images = self.store.images(&series.uid).await?;
        let rules = self.rules.now();
        let judgements = rules.judge(&facts::of_series(slice::from_ref(&images), &self.peers));
        let decisions = NewDecisions {
            series: series.uid.clone(),
            revision: series.revision,
            rules_digest: rules.digest().to_string(),
            rules_text: rules.text(),
            at: Moment::now(),
            images: uids(slice::from_ref(&images)),
            decisions: self.decisions(judgements),
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
        let decisions = NewStudyDecisions {
            study: study.uid.clone(),
            revision: study.revision,
            rules_digest: rules.digest().to_string(),
            rules_text: rules.text(),
            at: Moment::now(),
            images: uids(&series),
            decisions: self.decisions(judgements),
        };
        self.tell(self.store.decide_study(decisions).await?);
        Ok(())
    }

    fn decisions(&self, judgements: Vec<Judgement>) -> Vec<NewDecision> {
        for judgement in &judgements {
            tracing::info!(rule = judgement.rule, runs = judgement.runs, "decided");
        }
        judgements.into_iter().map(|judgement| decision(judgement, &self.models)).collect()
    }

    fn tell(&self, decided: bool) {
        if !decided {
            tracing::info!("something came while it was judged; it will be judged again");
        }
    }
}

/// All that were judged, so that fates can be told by their places.
fn uids(series: &[SeriesImages]) -> Vec<Uid> {
    let images = series.iter().flat_map(|series| &series.images);
    images.map(|image| image.identity.sop_instance.clone()).collect()
}

fn decision(judgement: Judgement, models: &Models) -> NewDecision {
    let selected: Vec<Uid> =
        judgement.selected.iter().flat_map(|selected| selected.images.clone()).collect();
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
        jobs: if judgement.runs { jobs(&judgement, &selected, models) } else { Vec::new() },
        rule: judgement.rule,
        runs: judgement.runs,
        reason: judgement.reason,
    }
}

/// One for all that was selected; of a rule on instances one for each image.
fn jobs(judgement: &Judgement, selected: &[Uid], models: &Models) -> Vec<NewJob> {
    let then = &judgement.then;
    let Some(model) = &then.run else { return Vec::new() };
    let job = NewJob {
        model: model.clone(),
        model_digest: models.model(model).map(|m| m.digest.clone()).unwrap_or_default(),
        priority: match then.priority {
            RulePriority::Stat => Priority::Stat,
            RulePriority::Routine => Priority::Routine,
        },
        shadow: then.shadow,
        selected: selected.to_vec(),
        selections: judgement.selected.iter().map(named).collect(),
        send_to: then.send_to.clone(),
        send_as: then.send_as.clone(),
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

fn named(selected: &Selected) -> Option<(String, Vec<Uid>)> {
    Some((selected.name.clone()?, selected.images.clone()))
}
