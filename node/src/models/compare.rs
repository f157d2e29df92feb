//! What a candidate found beside what the live version found on the same images, in figures.

use gantry_store::jobs::{JobRow, JobState};
use gantry_store::shadows::Pair;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Of two versions of one model.
#[derive(Debug, Clone, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    pub model: String,
    pub candidate: String,
    /// The versions that were live meanwhile.
    pub live: BTreeSet<String>,
    /// What both have ended, well or not: series, images or studies, as the rules ask for them.
    pub runs: usize,
    /// Of these what both ended well. All that follows is of those.
    pub compared: usize,
    pub live_failed: Failures,
    pub candidate_failed: Failures,
    pub measurements: Vec<Measured>,
    pub answers: Vec<Answered>,
    pub masks: Vec<Overlap>,
    pub live_cost: Cost,
    pub candidate_cost: Cost,
    pub canary: Canary,
}

#[derive(Debug, Clone, Default, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Failures {
    pub count: usize,
    pub last_reason: Option<String>,
}

/// One measurement: candidate less live.
#[derive(Debug, Clone, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Measured {
    pub key: String,
    pub concept: String,
    pub unit: String,
    /// Where both gave a number.
    pub count: usize,
    pub mean_difference: Option<f64>,
    /// The one that lies farthest from 0.
    pub largest_difference: Option<f64>,
    /// Mean difference less and plus 1.96 standard deviations (Bland and Altman 1986): where 95 % of all
    /// differences would lie, were they normal. Of two or more.
    pub limits_of_agreement: Option<[f64; 2]>,
    /// Where both gave the very same number.
    pub equal: usize,
    /// Where only one of them gave a number.
    pub only_live: usize,
    pub only_candidate: usize,
}

/// One classification.
#[derive(Debug, Clone, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Answered {
    pub key: String,
    pub concept: String,
    /// By the answer of the live version, then of the candidate.
    pub table: BTreeMap<String, BTreeMap<String, usize>>,
    pub same: usize,
    pub count: usize,
}

/// One segmentation.
#[derive(Debug, Clone, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Overlap {
    pub key: String,
    /// Where at least one of the masks holds a voxel.
    pub count: usize,
    pub mean_dice: Option<f64>,
    pub least_dice: Option<f64>,
    pub both_empty: usize,
}

#[derive(Debug, Clone, Default, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Cost {
    pub median_seconds: Option<f64>,
    pub most_seconds: Option<f64>,
    /// The most that a process of it had taken when a run ended.
    pub peak_bytes: Option<u64>,
}

/// What the candidate did in the place of the live version.
#[derive(Debug, Clone, Default, Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub struct Canary {
    pub finished: usize,
    pub waiting: usize,
    /// With which it failed, so that the live version had to do them.
    pub given_to_live: Failures,
}

pub fn compared(model: &str, candidate: &str, pairs: &[Pair], canaries: &[JobRow]) -> Comparison {
    let ended = |row: &JobRow| row.state == JobState::Finished;
    let both: Vec<&Pair> =
        pairs.iter().filter(|pair| ended(&pair.live) && ended(&pair.candidate)).collect();
    let of_live = |pair: &&Pair| pair.live.job.version.clone();
    Comparison {
        model: model.into(),
        candidate: candidate.into(),
        live: pairs.iter().filter_map(|pair| of_live(&pair)).collect(),
        runs: pairs.len(),
        compared: both.len(),
        live_failed: failures(pairs.iter().map(|pair| &pair.live)),
        candidate_failed: failures(pairs.iter().map(|pair| &pair.candidate)),
        measurements: measurements(&both),
        answers: answers(&both),
        masks: masks(&both),
        live_cost: cost(both.iter().map(|pair| &pair.live)),
        candidate_cost: cost(both.iter().map(|pair| &pair.candidate)),
        canary: canary(canaries),
    }
}

fn failures<'j>(rows: impl Iterator<Item = &'j JobRow>) -> Failures {
    let failed: Vec<&JobRow> = rows.filter(|row| row.state == JobState::Failed).collect();
    let last_reason = failed.last().and_then(|row| row.reason.clone());
    Failures { count: failed.len(), last_reason }
}

/// What was found of this key and has this word, by the frame of a cine; 0: of all of it.
fn found<'j>(row: &'j JobRow, key: &str, word: &str) -> BTreeMap<u64, &'j Value> {
    let all = row.findings.as_ref().and_then(Value::as_array).into_iter().flatten();
    let of_key = all.filter(|found| found["key"] == *key && found.get(word).is_some());
    of_key.map(|found| (found["frame"].as_u64().unwrap_or(0), found)).collect()
}

/// What the live version and the candidate found of this key: a pair for each frame that one of them tells of, and where neither
/// does nothing of both.
fn both<'j>(pair: &'j Pair, key: &str, word: &str) -> Vec<[Option<&'j Value>; 2]> {
    let [live, candidate] = [&pair.live, &pair.candidate].map(|row| found(row, key, word));
    let frames: BTreeSet<u64> = live.keys().chain(candidate.keys()).copied().collect();
    if frames.is_empty() {
        return vec![[None, None]];
    }
    frames.iter().map(|at| [live.get(at).copied(), candidate.get(at).copied()]).collect()
}

/// The keys of all, in the order in which they come first.
fn keys<'j>(pairs: &[&'j Pair], word: &str) -> Vec<&'j str> {
    let mut keys = Vec::new();
    for row in pairs.iter().flat_map(|pair| [&pair.live, &pair.candidate]) {
        let all = row.findings.as_ref().and_then(Value::as_array).into_iter().flatten();
        for found in all.filter(|found| found.get(word).is_some()) {
            keys.extend(found["key"].as_str().filter(|key| !keys.contains(key)));
        }
    }
    keys
}

fn measurements(pairs: &[&Pair]) -> Vec<Measured> {
    keys(pairs, "value").into_iter().map(|key| measured(pairs, key)).collect()
}

fn measured(pairs: &[&Pair], key: &str) -> Measured {
    let mut measured = Measured {
        key: key.into(),
        concept: String::new(),
        unit: String::new(),
        count: 0,
        mean_difference: None,
        largest_difference: None,
        limits_of_agreement: None,
        equal: 0,
        only_live: 0,
        only_candidate: 0,
    };
    let mut differences: Vec<f64> = Vec::new();
    for [live, candidate] in pairs.iter().flat_map(|pair| both(pair, key, "value")) {
        if let Some(told) = candidate.or(live) {
            measured.concept = text(told, "concept");
            measured.unit = text(told, "unit");
        }
        let number = |found: Option<&Value>| found.and_then(|found| found["value"].as_f64());
        match (number(live), number(candidate)) {
            (Some(live), Some(candidate)) => {
                measured.equal += usize::from(live == candidate);
                differences.push(candidate - live);
            }
            (Some(_), None) => measured.only_live += 1,
            (None, Some(_)) => measured.only_candidate += 1,
            (None, None) => {}
        }
    }
    measured.count = differences.len();
    measured.largest_difference =
        differences.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    if differences.is_empty() {
        return measured;
    }
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    measured.mean_difference = Some(mean);
    if differences.len() > 1 {
        let squares: f64 = differences.iter().map(|one| (one - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        measured.limits_of_agreement = Some([mean - 1.96 * deviation, mean + 1.96 * deviation]);
    }
    measured
}

fn answers(pairs: &[&Pair]) -> Vec<Answered> {
    let of = |word: &'static str| {
        keys(pairs, word).into_iter().map(move |key| answered(pairs, key, word))
    };
    of("presence").chain(of("answer")).collect()
}

/// `word` is what the answer is called in the findings.
fn answered(pairs: &[&Pair], key: &str, word: &str) -> Answered {
    let (mut concept, mut same, mut count) = (String::new(), 0, 0);
    let mut table: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for [live, candidate] in pairs.iter().flat_map(|pair| both(pair, key, word)) {
        if let Some(told) = candidate.or(live) {
            concept = text(told, "concept");
        }
        // Without a number there is no answer.
        let answer = |found: Option<&Value>| {
            found.map_or_else(|| "no answer".to_string(), |found| text(found, word))
        };
        let (live, candidate) = (answer(live), answer(candidate));
        same += usize::from(live == candidate);
        count += 1;
        *table.entry(live).or_default().entry(candidate).or_default() += 1;
    }
    Answered { key: key.into(), concept, table, same, count }
}

fn masks(pairs: &[&Pair]) -> Vec<Overlap> {
    let keys: BTreeSet<&String> = pairs.iter().flat_map(|pair| pair.overlap.keys()).collect();
    let of = |key: &String| {
        let all: Vec<Option<f64>> =
            pairs.iter().filter_map(|pair| pair.overlap.get(key).copied()).collect();
        let dice: Vec<f64> = all.iter().copied().flatten().collect();
        let mean = dice.iter().sum::<f64>() / dice.len() as f64;
        Overlap {
            key: key.clone(),
            count: dice.len(),
            mean_dice: Some(mean).filter(|_| !dice.is_empty()),
            least_dice: dice.iter().copied().min_by(f64::total_cmp),
            both_empty: all.len() - dice.len(),
        }
    };
    keys.into_iter().map(of).collect()
}

fn cost<'j>(rows: impl Iterator<Item = &'j JobRow> + Clone) -> Cost {
    let mut seconds: Vec<f64> = rows.clone().filter_map(|row| row.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    Cost {
        median_seconds: median(&seconds),
        most_seconds: seconds.last().copied(),
        peak_bytes: rows.filter_map(|row| row.peak).max(),
    }
}

/// Of what is sorted.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted.get(low)? + sorted.get(high)?) / 2.0)
}

fn canary(rows: &[JobRow]) -> Canary {
    let given: Vec<&JobRow> = rows.iter().filter(|row| row.candidate_failed.is_some()).collect();
    let own = || rows.iter().filter(|row| row.candidate_failed.is_none());
    let waits = |row: &&JobRow| matches!(row.state, JobState::Queued | JobState::Running);
    Canary {
        finished: own().filter(|row| row.state == JobState::Finished).count(),
        waiting: own().filter(waits).count(),
        given_to_live: Failures {
            count: given.len(),
            last_reason: given.last().and_then(|row| row.candidate_failed.clone()),
        },
    }
}

fn text(found: &Value, key: &str) -> String {
    found[key].as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests;
