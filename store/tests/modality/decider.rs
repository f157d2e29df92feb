//! Whoever decides: completes what arrived and says what rules of any level would say.

use super::{instance, series};
use gantry_store::decisions::{
    Level, NewDecision, NewDecisions, NewJob, NewStudyDecisions, Pinned,
};
use gantry_store::incoming::Origin;
use gantry_store::jobs::{JobRow, JobState, Priority};
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use serde_json::json;

pub fn instances(of_series: u32, numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().map(|number| instance(of_series, *number)).collect()
}

pub fn job(level: Level, selected: Vec<Uid>) -> NewJob {
    NewJob {
        model: "lung".into(),
        model_digest: "ab12".into(),
        priority: Priority::Routine,
        shadow: false,
        selected,
        selections: None,
        send_to: vec!["PACS".into()],
        send_as: vec!["sr".into()],
        deidentify: None,
        regions: Default::default(),
        once: level == Level::Instance,
        pinned: Pinned::default(),
    }
}

pub fn verdict(rule: &str, level: Level, jobs: Vec<NewJob>) -> NewDecision {
    NewDecision {
        rule: rule.into(),
        level,
        runs: !jobs.is_empty(),
        reason: "said by a test".into(),
        trace: json!([]),
        fates: json!([["selected", 1]]),
        jobs,
        forward: Vec::new(),
    }
}

/// One job for each image.
pub fn on_images(rule: &str, images: Vec<Uid>) -> NewDecision {
    let one = |image| job(Level::Instance, vec![image]);
    verdict(rule, Level::Instance, images.into_iter().map(one).collect())
}

/// One job over all of them.
pub fn on(level: Level, rule: &str, images: Vec<Uid>) -> NewDecision {
    verdict(rule, level, vec![job(level, images)])
}

pub async fn complete(store: &Store, of_series: u32) {
    store.settled().await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let completed = store.complete_series(&row.uid, row.revision, row.last_arrival).await;
    assert!(completed.expect("asked"), "the series is complete");
}

/// Completes and decides the series in the revision that it has come to.
pub async fn decide(store: &Store, of_series: u32, decisions: Vec<NewDecision>) {
    complete(store, of_series).await;
    let row = store.series(&series(of_series)).await.expect("asked").expect("there");
    let rows = store.instances(&row.uid).await.expect("asked");
    let received = rows.into_iter().filter(|row| row.identity.origin == Origin::Received);
    let decided = NewDecisions {
        series: row.uid,
        revision: row.revision,
        rules_digest: "r1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        images: received.map(|row| row.identity.sop_instance).collect(),
        decisions,
    };
    assert!(store.decide(decided).await.expect("decided"));
}

/// In the revision that the study has come to, whether it waits or not.
pub async fn decide_study(store: &Store, uid: &Uid, decisions: Vec<NewDecision>) -> bool {
    let row = store.study(uid).await.expect("asked").expect("there");
    let decided = study_decisions(uid, row.revision, decisions);
    store.decide_study(decided).await.expect("answered")
}

pub fn study_decisions(uid: &Uid, revision: u32, decisions: Vec<NewDecision>) -> NewStudyDecisions {
    NewStudyDecisions {
        study: uid.clone(),
        revision,
        rules_digest: "r1".into(),
        rules_text: "rules".into(),
        at: Moment::now(),
        images: decisions.iter().flat_map(|d| &d.jobs).flat_map(|j| j.selected.clone()).collect(),
        decisions,
    }
}

/// What each job selected, and what became of it.
pub fn states(jobs: &[JobRow]) -> Vec<(Vec<Uid>, JobState)> {
    jobs.iter().map(|row| (row.job.selected.clone(), row.state)).collect()
}
