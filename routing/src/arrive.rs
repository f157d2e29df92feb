//! Station decide, for rules that forward images as they arrive: each image is judged once, by itself, from its row.

use crate::facts::{self, Peers};
use crate::failing::AGAIN;
use crate::in_force::InForce;
use crate::rules::RuleSet;
use crate::wait::Stop;
use gantry_store::arrivals::{Arrival, ArrivalVerdict, NewArrival, NewArrivals, Place};
use gantry_store::decisions::NewForward;
use gantry_store::error::StoreError;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;

/// Images of one transaction at most.
const AT_ONCE: u32 = 128;

pub struct Arrivals {
    pub store: Store,
    pub rules: InForce,
    pub peers: Peers,
}

impl Arrivals {
    /// Judges what arrives until told to stop. How far it is lies in no row: a start looks at all
    /// images of the series that receive, and passes over those that have a verdict.
    pub async fn run(self, mut stop: Stop) {
        let mut place = None;
        loop {
            let mut bell = self.store.bell();
            bell.borrow_and_update();
            let looked = tokio::select! {
                () = stop.stopped() => return,
                looked = self.look(&mut place) => looked,
            };
            let failed = looked.is_err();
            if let Err(error) = looked {
                tracing::error!(
                    station = "decide", %error,
                    "images cannot be judged as they arrive; they are when their series is complete"
                );
            }
            tokio::select! {
                () = stop.stopped() => return,
                _ = bell.changed(), if !failed => {}
                () = tokio::time::sleep(AGAIN), if failed => {}
            }
        }
    }

    /// Judges all that came since. Without a rule that asks for it nothing is read.
    async fn look(&self, place: &mut Option<Place>) -> Result<(), StoreError> {
        loop {
            let rules = self.rules.now();
            self.store.follow_closely(rules.forwards_on_arrival());
            if !rules.forwards_on_arrival() {
                *place = None;
                return Ok(());
            }
            let behind = match *place {
                Some(place) => place,
                None => self.store.before_arrivals().await?,
            };
            let (arrivals, next) = self.store.arrivals_behind(behind, AT_ONCE).await?;
            if !arrivals.is_empty() {
                self.store.keep_arrivals(&self.judged(&rules, arrivals)).await?;
            }
            *place = Some(next);
            if next == behind {
                return Ok(());
            }
        }
    }

    fn judged(&self, rules: &RuleSet, arrivals: Vec<Arrival>) -> NewArrivals {
        NewArrivals {
            rules_digest: rules.digest().to_string(),
            rules_text: rules.text(),
            at: Moment::now(),
            images: arrivals.into_iter().map(|arrival| self.judge(rules, arrival)).collect(),
        }
    }

    fn judge(&self, rules: &RuleSet, arrival: Arrival) -> NewArrival {
        let judgements = rules.judge_arrival(&facts::of_instance(&arrival.row, &self.peers));
        let (mut verdicts, mut forward) = (Vec::new(), Vec::new());
        for judgement in judgements {
            if judgement.runs && !judgement.then.shadow {
                let instance = &arrival.row.identity.sop_instance;
                forward.extend(judgement.then.forward.iter().map(|to| {
                    let (peer, changes) = (to.to.clone(), to.changes.clone());
                    let new = NewForward { peer, instances: vec![instance.clone()], changes };
                    (judgement.rule.clone(), new)
                }));
            }
            let (rule, runs, reason) = (judgement.rule, judgement.runs, judgement.reason);
            verdicts.push(ArrivalVerdict { rule, runs, reason });
        }
        NewArrival { arrival, verdicts, forward }
    }
}
