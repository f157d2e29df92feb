//! What a set of rules would have done to series that were decided before: added, dropped and changed for each rule, and the load.

use crate::rules::{Fate, Fates, Judgement, On, Selected};
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::collections::{BTreeMap, BTreeSet};

/// What a rule decided at the time.
#[derive(Debug, Clone)]
pub struct Before {
    pub rule: String,
    pub on: On,
    pub runs: bool,
    pub model: Option<String>,
    /// Peers that got the results, and peers that got images, where that is known; none in shadow.
    pub send_to: Vec<String>,
    pub forwards: Option<Vec<String>>,
    /// What became of the images, for each selection, as JSON. They are those of now.
    pub fates: String,
}

/// A series, or a study, that is judged again.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub uid: &'a Uid,
    /// When its last image came: the load is counted by it.
    pub arrival: Moment,
    /// That were received.
    pub images: usize,
}

/// What became different, and by what words it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Runs now, and did not, or was not there.
    Added,
    /// Ran, and does not any more, or is not there any more.
    Dropped,
    /// Runs as before, on other images, with another model, or for other peers.
    Changed,
}

#[derive(Debug, Clone)]
pub struct Example {
    pub uid: Uid,
    pub images: usize,
    /// The verdict of now; nothing when the rule is gone.
    pub reason: Option<String>,
}

/// What one rule did and would do.
#[derive(Debug, Clone, Default)]
pub struct RuleReport {
    pub ran: u64,
    pub would_run: u64,
    /// How often, and the first of them.
    pub changes: BTreeMap<Change, (u64, Vec<Example>)>,
}

/// What would be asked of a model or a peer.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Runs of a model; objects to a peer.
    pub count: u64,
    pub bytes: u64,
    /// The same by the hour in which the last image came, since 1970.
    by_hour: BTreeMap<i64, u64>,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub series: u64,
    pub studies: u64,
    pub images: u64,
    /// Series and studies of which something came since they were decided: they are not compared.
    pub left_out: u64,
    pub rules: BTreeMap<String, RuleReport>,
    pub models: BTreeMap<String, Load>,
    /// Results, which are small, count as objects without bytes.
    pub peers: BTreeMap<String, Load>,
    /// How many examples of a change are kept.
    pub examples: usize,
}

const HOUR: i64 = 3_600_000_000;

impl Load {
    fn add(&mut self, arrival: Moment, count: u64, bytes: u64) {
        self.count += count;
        self.bytes += bytes;
        *self.by_hour.entry(arrival.0.div_euclid(HOUR)).or_default() += count;
    }

    /// The busiest hour, the first of several: when it began and how much was in it.
    pub fn busiest(&self) -> Option<(Moment, u64)> {
        let most = self.by_hour.values().max()?;
        let (hour, count) = self.by_hour.iter().find(|(_, count)| *count == most)?;
        Some((Moment(hour * HOUR), *count))
    }

    fn join(&mut self, other: Load) {
        self.count += other.count;
        self.bytes += other.bytes;
        for (hour, count) in other.by_hour {
            *self.by_hour.entry(hour).or_default() += count;
        }
    }
}

impl Report {
    pub fn new(examples: usize) -> Self {
        Self { examples, ..Self::default() }
    }

    /// Adds what the rules said of one series or study, and what they would say.
    /// `bytes` knows how long the images at these places are together.
    pub fn add(
        &mut self,
        case: Case<'_>,
        before: &[Before],
        now: &[Judgement],
        bytes: &dyn Fn(&BTreeSet<usize>) -> u64,
    ) {
        let names: BTreeSet<&str> = before
            .iter()
            .map(|before| before.rule.as_str())
            .chain(now.iter().map(|now| now.rule.as_str()))
            .collect();
        for name in names {
            let then = before.iter().find(|before| before.rule == name);
            let now = now.iter().find(|now| now.rule == name);
            self.compare(case, name, then, now);
        }
        for judgement in now.iter().filter(|judgement| judgement.runs) {
            self.load(case, judgement, bytes);
        }
    }

    fn compare(
        &mut self,
        case: Case<'_>,
        name: &str,
        before: Option<&Before>,
        now: Option<&Judgement>,
    ) {
        let examples = self.examples;
        let rule = self.rules.entry(name.to_string()).or_default();
        let ran = before.filter(|before| before.runs);
        let runs = now.filter(|now| now.runs);
        rule.ran += u64::from(ran.is_some());
        rule.would_run += u64::from(runs.is_some());
        let change = match (ran, runs) {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Dropped,
            (Some(ran), Some(runs)) if differs(ran, runs) => Change::Changed,
            _ => return,
        };
        let (count, kept) = rule.changes.entry(change).or_default();
        *count += 1;
        if kept.len() < examples {
            let reason = now.map(|now| now.reason.clone());
            kept.push(Example { uid: case.uid.clone(), images: case.images, reason });
        }
    }

    fn load(
        &mut self,
        case: Case<'_>,
        judgement: &Judgement,
        bytes: &dyn Fn(&BTreeSet<usize>) -> u64,
    ) {
        let then = &judgement.then;
        // An image that two selections took goes once.
        let images = places(&judgement.selected);
        let runs = match judgement.on {
            _ if judgement.model().is_none() => 0,
            On::Instance => places(&judgement.for_model).len() as u64,
            On::Series | On::Study => 1,
        };
        if let Some(model) = judgement.model() {
            self.models.entry(model.to_owned()).or_default().add(case.arrival, runs, 0);
        }
        if then.shadow {
            return;
        }
        for peer in then.send_to.iter().filter(|_| runs > 0) {
            let results = runs * then.send_as.len() as u64;
            self.peers.entry(peer.clone()).or_default().add(case.arrival, results, 0);
        }
        for forward in &then.forward {
            let load = self.peers.entry(forward.to.clone()).or_default();
            load.add(case.arrival, images.len() as u64, bytes(&images));
        }
    }

    /// What another part of the same run found, behind what is here.
    pub fn join(&mut self, other: Report) {
        self.series += other.series;
        self.studies += other.studies;
        self.images += other.images;
        self.left_out += other.left_out;
        for (name, report) in other.rules {
            let rule = self.rules.entry(name).or_default();
            rule.ran += report.ran;
            rule.would_run += report.would_run;
            for (change, (count, examples)) in report.changes {
                let (total, kept) = rule.changes.entry(change).or_default();
                *total += count;
                kept.extend(examples);
                kept.truncate(self.examples);
            }
        }
        for (name, load) in other.models {
            self.models.entry(name).or_default().join(load);
        }
        for (name, load) in other.peers {
            self.peers.entry(name).or_default().join(load);
        }
    }

    pub fn count(&self, change: Change) -> u64 {
        self.rules
            .values()
            .filter_map(|rule| rule.changes.get(&change))
            .map(|(count, _)| count)
            .sum()
    }
}

fn places(selected: &[Selected]) -> BTreeSet<usize> {
    selected.iter().flat_map(|selected| selected.images.iter()).collect()
}

/// Another model, other peers, or other images.
fn differs(before: &Before, now: &Judgement) -> bool {
    if before.model.as_deref() != now.model() || before.on != now.on || !same_peers(before, now) {
        return true;
    }
    let told = serde_json::to_string(&now.fates).unwrap_or_default();
    if told == before.fates {
        return false;
    }
    // What excluded an image may be another line of the rule; what counts is what was selected. What
    // this node made meanwhile is not looked at.
    let taken = |fates: &[Fates]| -> Vec<Vec<bool>> {
        let of_one = |fates: &Fates| {
            let received = fates.iter().filter(|fate| *fate != Fate::Made);
            received.map(|fate| fate == Fate::Selected).collect()
        };
        fates.iter().map(of_one).collect()
    };
    let then: Vec<Fates> = serde_json::from_str(&before.fates).unwrap_or_default();
    taken(&then) != taken(&now.fates)
}

fn same_peers(before: &Before, now: &Judgement) -> bool {
    let then = &now.then;
    let sends = now.model().is_some() && !then.shadow;
    let sent: BTreeSet<&String> = then.send_to.iter().filter(|_| sends).collect();
    let forwarded: BTreeSet<&String> =
        then.forward.iter().filter(|_| !then.shadow).map(|forward| &forward.to).collect();
    let same_forwards = before
        .forwards
        .as_ref()
        .is_none_or(|peers| peers.iter().collect::<BTreeSet<_>>() == forwarded);
    before.send_to.iter().collect::<BTreeSet<_>>() == sent && same_forwards
}
