//! One rule and the images of one series: which it selects, whether it runs, and why.

use super::rule::Rule;
use super::select::Condition;
use super::then::Then;
use super::trace::ConditionTrace;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Header;
use gantry_terms::uid::Uid;
use serde::Serialize;

/// What a rule may know of one image.
#[derive(Debug, Clone, Copy)]
pub struct ImageFacts<'a> {
    pub sop_instance: &'a Uid,
    pub sop_class: &'a Uid,
    pub transfer_syntax: &'a Uid,
    pub calling_ae: &'a AeTitle,
    pub called_ae: &'a AeTitle,
    pub header: &'a Header,
    /// This node made it: no rule selects it, so that results never start a job.
    pub made_here: bool,
}

/// What one rule says of one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judgement {
    pub rule: String,
    pub runs: bool,
    /// A sentence that begins with `runs: ` or `skipped: ` and holds nothing of the patient.
    pub reason: String,
    /// Of a skipped rule: the facts and keywords that decided, as a case names them
    /// (`skipped: images`).
    pub because: Vec<String>,
    /// In the order in which the images were given; empty when the rule is skipped.
    pub selected: Vec<Uid>,
    pub conditions: Vec<ConditionTrace>,
    pub then: Then,
}

/// The key of a rule that another one stopped.
pub(super) const STOPPED: &str = "stopped";
/// Conditions that a reason names.
const NAMED: usize = 3;

/// Images before each condition, and those that passed all.
struct Selection<'i, 'a> {
    before: Vec<Vec<&'i ImageFacts<'a>>>,
    selected: Vec<&'i ImageFacts<'a>>,
}

struct Verdict {
    runs: bool,
    reason: String,
    because: Vec<String>,
}

/// Judges by every rule, in their order; then lets rules with `stop` end the others.
pub(super) fn judge(rules: &[Rule], images: &[ImageFacts]) -> Vec<Judgement> {
    let received: Vec<&ImageFacts> = images.iter().filter(|image| !image.made_here).collect();
    let mut judgements: Vec<_> = rules.iter().map(|rule| by_rule(rule, &received)).collect();
    let stops = judgements.iter().find(|judgement| judgement.runs && judgement.then.stop);
    if let Some(by) = stops.map(|judgement| judgement.rule.clone()) {
        for judgement in judgements.iter_mut().filter(|j| j.runs && !j.then.stop) {
            judgement.runs = false;
            judgement.reason = format!("skipped: stopped by \"{by}\"");
            judgement.because = vec![STOPPED.to_string()];
            judgement.selected.clear();
        }
    }
    judgements
}

fn by_rule(rule: &Rule, images: &[&ImageFacts]) -> Judgement {
    let selection = select(&rule.select, images);
    let checked: Vec<_> =
        rule.require.facts.iter().map(|fact| (fact, fact.check(&selection.selected))).collect();
    let verdict =
        too_few(rule, &selection, images).or_else(|| too_many(rule, &selection)).or_else(|| {
            checked.iter().find_map(|(fact, found)| {
                found.as_ref().err().map(|why| skipped(format!("{}: {why}", fact.key), &[fact.key]))
            })
        });
    let verdict = verdict.unwrap_or_else(|| runs(rule, &selection));
    let selected = selection.selected.len();
    let mut conditions = traces(rule, &selection, images);
    conditions.extend(rule.require.images.iter().map(|wanted| wanted.trace(selected)));
    conditions.extend(checked.iter().map(|(fact, found)| fact.trace(found, selected)));
    let chosen = selection.selected.iter().filter(|_| verdict.runs);
    Judgement {
        rule: rule.name.clone(),
        runs: verdict.runs,
        reason: verdict.reason,
        because: verdict.because,
        selected: chosen.map(|image| image.sop_instance.clone()).collect(),
        conditions,
        then: rule.then.clone(),
    }
}

fn select<'i, 'a>(conditions: &[Condition], images: &[&'i ImageFacts<'a>]) -> Selection<'i, 'a> {
    let mut selected = images.to_vec();
    let mut before = Vec::with_capacity(conditions.len());
    for condition in conditions {
        before.push(selected.clone());
        selected.retain(|image| condition.matches(image));
    }
    Selection { before, selected }
}

fn traces(rule: &Rule, selection: &Selection, images: &[&ImageFacts]) -> Vec<ConditionTrace> {
    let conditions = rule.select.iter().enumerate();
    conditions.map(|(at, condition)| condition.trace(images, Some(selection.after(at)))).collect()
}

impl Selection<'_, '_> {
    /// Images that are left after condition `at`.
    fn after(&self, at: usize) -> usize {
        self.before.get(at + 1).unwrap_or(&self.selected).len()
    }

    fn excluded(&self, at: usize) -> usize {
        self.before[at].len() - self.after(at)
    }
}

/// The decisive condition is the first that leaves fewer images than are wanted; where the series
/// was too small from the start, the one that leaves none.
fn too_few(rule: &Rule, selection: &Selection, images: &[&ImageFacts]) -> Option<Verdict> {
    let min = rule.require.images.as_ref().map(|images| images.min);
    let selected = selection.selected.len();
    if selected >= min.unwrap_or(1) {
        return None;
    }
    if images.is_empty() {
        return Some(skipped(
            "images: the series holds none that was received".into(),
            &["images"],
        ));
    }
    let enough = min.filter(|min| *min <= images.len()).unwrap_or(1);
    let decisive = (0..rule.select.len()).find(|at| selection.after(*at) < enough);
    let Some(min) = min else {
        let at = decisive?;
        let key = &rule.select[at].key;
        let contrast = rule.select[at].contrast(&selection.before[at]);
        return Some(skipped(format!("no image matches {key} ({contrast})"), &[key]));
    };
    let mut because = vec!["images"];
    because.extend(decisive.map(|at| rule.select[at].key.as_str()));
    let text = format!("images: {selected} selected, at least {min} wanted");
    Some(skipped(text + &exclusions(rule, selection, decisive), &because))
}

/// Which conditions excluded how many, the decisive one first.
fn exclusions(rule: &Rule, selection: &Selection, decisive: Option<usize>) -> String {
    let others = (0..rule.select.len()).filter(|at| Some(*at) != decisive);
    let named = decisive.into_iter().chain(others).filter(|at| selection.excluded(*at) > 0);
    let texts = named.take(NAMED).map(|at| {
        let condition = &rule.select[at];
        let excluded: Vec<_> = selection.before[at]
            .iter()
            .copied()
            .filter(|image| !condition.matches(image))
            .collect();
        let contrast = condition.contrast(&excluded);
        format!("; {} excluded {} ({contrast})", condition.key, excluded.len())
    });
    texts.collect()
}

fn too_many(rule: &Rule, selection: &Selection) -> Option<Verdict> {
    let max = rule.require.images.as_ref()?.max;
    let selected = selection.selected.len();
    let text = format!("images: {selected} selected, at most {max} wanted");
    (selected > max).then(|| skipped(text, &["images"]))
}

fn runs(rule: &Rule, selection: &Selection) -> Verdict {
    let selected = selection.selected.len();
    let images = if selected == 1 { "image" } else { "images" };
    let stops = if rule.then.stop { "; stops the rules without stop" } else { "" };
    Verdict {
        runs: true,
        reason: format!("runs: {selected} {images} selected{stops}"),
        because: Vec::new(),
    }
}

fn skipped(text: String, because: &[&str]) -> Verdict {
    Verdict {
        runs: false,
        reason: format!("skipped: {text}"),
        because: because.iter().map(|key| key.to_string()).collect(),
    }
}
