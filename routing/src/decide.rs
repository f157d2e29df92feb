//! Station decide: judges a complete series by every rule and keeps each verdict with its reason, in one transaction with the jobs.

use crate::in_force::InForce;
use crate::rules::{Arrived, ImageFacts, Judgement, On, Priority as RulePriority, RuleSet};
use crate::wait::Stop;
use chrono::{Datelike, Timelike};
use gantry_inference::models::Models;
use gantry_store::decisions::{Level, NewDecision, NewDecisions, NewForward, NewJob};
use gantry_store::error::StoreError;
use gantry_store::images::SeriesImages;
use gantry_store::incoming::Origin;
use gantry_store::jobs::Priority;
use gantry_store::series::SeriesRow;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub struct Decider {
    pub store: Store,
    pub rules: InForce,
    pub models: Arc<Models>,
    /// AE titles of the `[[peer]]`s.
    pub peers: Arc<BTreeSet<AeTitle>>,
}

impl Decider {
    /// Decides complete series until told to stop.
    pub async fn run(self, mut stop: Stop) {
        loop {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            let pause = match self.decide_what_is_complete().await {
                Ok(()) => Duration::MAX,
                Err(error) => {
                    tracing::error!(station = "decide", %error, "cannot decide; trying again");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = stop.stopped() => return,
                _ = bell.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn decide_what_is_complete(&self) -> Result<(), StoreError> {
        for series in self.store.series_complete().await? {
            self.decide(&series).await?;
        }
        Ok(())
    }

    #[tracing::instrument(name = "decide", skip_all, fields(series = %series.uid, revision = series.revision))]
    async fn decide(&self, series: &SeriesRow) -> Result<(), StoreError> {
        let images = self.store.images(&series.uid).await?;
        let rules = self.rules.now();
        let judgements = judge(&rules, &self.peers, &images);
        for judgement in &judgements {
            tracing::info!(rule = judgement.rule, runs = judgement.runs, "decided");
        }
        let decisions = NewDecisions {
            series: series.uid.clone(),
            revision: series.revision,
            rules_digest: rules.digest().to_string(),
            rules_text: rules.text(),
            at: Moment::now(),
            images: received(&images).map(|row| row.identity.sop_instance.clone()).collect(),
            decisions: judgements.into_iter().map(|j| decision(j, &self.models)).collect(),
        };
        if !self.store.decide(decisions).await? {
            tracing::info!("the series changed while it was judged; it will be judged again");
        }
        Ok(())
    }
}

/// Judges the images of one series, which are in the order of their arrival.
pub fn judge(rules: &RuleSet, peers: &BTreeSet<AeTitle>, images: &SeriesImages) -> Vec<Judgement> {
    let received = images.with_headers().scan(0, |order, (row, header)| {
        *order += u32::from(row.identity.origin == Origin::Received);
        Some((row, header, *order))
    });
    let facts: Vec<ImageFacts> = received
        .map(|(row, header, order)| ImageFacts {
            sop_instance: &row.identity.sop_instance,
            sop_class: &row.identity.sop_class,
            transfer_syntax: &row.identity.transfer_syntax,
            calling_ae: &row.identity.calling_ae,
            called_ae: &row.identity.called_ae,
            peer: peers.get(&row.identity.calling_ae),
            series: &row.identity.series,
            arrived: arrived(row.identity.arrival, order),
            header,
            made_here: row.identity.origin == Origin::Made,
        })
        .collect();
    rules.judge(&facts)
}

/// By the clock of this machine, in its time zone.
fn arrived(arrival: Moment, order: u32) -> Arrived {
    let utc = chrono::DateTime::from_timestamp_micros(arrival.0).unwrap_or_default();
    let local = utc.with_timezone(&chrono::Local);
    Arrived {
        second: local.num_seconds_from_midnight(),
        weekday: u8::try_from(local.weekday().num_days_from_monday()).unwrap_or_default(),
        order,
    }
}

fn decision(judgement: Judgement, models: &Models) -> NewDecision {
    let trace = serde_json::to_value(&judgement.conditions).unwrap_or_default();
    let fates = serde_json::to_value(&judgement.fates).unwrap_or_default();
    let then = &judgement.then;
    let selected: Vec<Uid> = judgement.selected.iter().flat_map(|s| s.images.clone()).collect();
    let job = then.run.as_ref().filter(|_| judgement.runs).map(|model| NewJob {
        model: model.clone(),
        model_digest: models.model(model).map(|m| m.digest.clone()).unwrap_or_default(),
        priority: match then.priority {
            RulePriority::Stat => Priority::Stat,
            RulePriority::Routine => Priority::Routine,
        },
        shadow: then.shadow,
        selected: selected.clone(),
        selections: None,
        send_to: then.send_to.clone(),
        send_as: then.send_as.clone(),
        once: judgement.on == On::Instance,
    });
    let forwarded = judgement.runs && !then.shadow;
    let forward = then.forward.iter().filter(|_| forwarded).map(|to| NewForward {
        peer: to.to.clone(),
        instances: selected.clone(),
        changes: to.changes.clone(),
    });
    NewDecision {
        forward: forward.collect(),
        rule: judgement.rule,
        level: match judgement.on {
            On::Instance => Level::Instance,
            On::Series => Level::Series,
            On::Study => Level::Study,
        },
        runs: judgement.runs,
        reason: judgement.reason,
        trace,
        fates,
        jobs: job.into_iter().collect(),
    }
}
