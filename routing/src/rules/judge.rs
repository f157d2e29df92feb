//! One rule and the images of one series: which it selects, whether it runs, and why.

use super::rule::{On, Rule, Selection as RuleSelection};
use super::select::Condition;
use super::then::Then;
use super::trace::{ConditionTrace, Fate, Fates};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::Layered;
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
    /// The `[[peer]]` of the configuration that sent it; none for a stranger.
    pub peer: Option<&'a AeTitle>,
    pub series: &'a Uid,
    pub arrived: Arrived,
    pub header: Layered<'a>,
    /// This node made it: no rule selects it, so that results never start a job.
    pub made_here: bool,
}

/// When an image came, by the clock on the hospital's wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Seconds since midnight, local time.
    pub second: u32,
    /// Local time: 0 is Monday.
    pub weekday: u8,
    /// 1 for the first image of its series that came.
    pub order: u32,
}

/// What one rule says of one series, or of one study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judgement {
    pub rule: String,
    pub on: On,
    /// Of a rule on instances: some image of the series runs.
    pub runs: bool,
    /// A sentence that begins with `runs: ` or `skipped: ` and holds nothing of the patient.
    pub reason: String,
    /// Of a skipped rule: the facts and keywords that decided, as a case names them
    /// (`skipped: images`).
    pub because: Vec<String>,
    /// One for each selection of the rule; empty when the rule is skipped.
    pub selected: Vec<Selected>,
    /// What became of each image, for each selection of the rule, skipped or not.
    pub fates: Vec<Fates>,
    pub conditions: Vec<ConditionTrace>,
    pub then: Then,
}

/// The images that a selection took, in the order in which they were given. Of a rule on instances
/// each one stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selected {
    /// As in `[rule.select.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub images: Vec<Uid>,
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
    let asked = rule.only();
    let selection = select(&asked.conditions, images);
    let checked: Vec<_> =
        asked.require.facts.iter().map(|fact| (fact, fact.check(&selection.selected))).collect();
    let verdict =
        too_few(asked, &selection, images).or_else(|| too_many(asked, &selection)).or_else(|| {
            checked.iter().find_map(|(fact, found)| {
                found.as_ref().err().map(|why| skipped(format!("{}: {why}", fact.key), &[fact.key]))
            })
        });
    let verdict = verdict.unwrap_or_else(|| runs(rule, &selection));
    let selected = selection.selected.len();
    let mut conditions = traces(asked, &selection, images);
    conditions.extend(asked.require.images.iter().map(|wanted| wanted.trace(selected)));
    conditions.extend(checked.iter().map(|(fact, found)| fact.trace(found, selected)));
    let chosen = Selected {
        name: asked.name.clone(),
        images: selection.selected.iter().map(|image| image.sop_instance.clone()).collect(),
    };
    Judgement {
        rule: rule.name.clone(),
        on: rule.on,
        runs: verdict.runs,
        reason: verdict.reason,
        because: verdict.because,
        selected: Some(chosen).filter(|_| verdict.runs).into_iter().collect(),
        fates: vec![fates(&asked.conditions, images)],
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

/// The first condition that each image does not fit.
fn fates(conditions: &[Condition], images: &[&ImageFacts]) -> Fates {
    let fate = |image: &&ImageFacts| {
        let failed = conditions.iter().position(|condition| !condition.matches(image));
        failed.map_or(Fate::Selected, |at| Fate::Condition(u16::try_from(at).unwrap_or(u16::MAX)))
    };
    Fates::of(images.iter().map(fate))
}

fn traces(
    rule: &RuleSelection,
    selection: &Selection,
    images: &[&ImageFacts],
) -> Vec<ConditionTrace> {
    let conditions = rule.conditions.iter().enumerate();
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
fn too_few(rule: &RuleSelection, selection: &Selection, images: &[&ImageFacts]) -> Option<Verdict> {
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
    let decisive = (0..rule.conditions.len()).find(|at| selection.after(*at) < enough);
    let Some(min) = min else {
        let at = decisive?;
        let key = &rule.conditions[at].key;
        let contrast = rule.conditions[at].contrast(&selection.before[at]);
        return Some(skipped(format!("no image matches {key} ({contrast})"), &[key]));
    };
    let mut because = vec!["images"];
    because.extend(decisive.map(|at| rule.conditions[at].key.as_str()));
    let text = format!("images: {selected} selected, at least {min} wanted");
    Some(skipped(text + &exclusions(rule, selection, decisive), &because))
}

/// Which conditions excluded how many, the decisive one first.
fn exclusions(rule: &RuleSelection, selection: &Selection, decisive: Option<usize>) -> String {
    let others = (0..rule.conditions.len()).filter(|at| Some(*at) != decisive);
    let named = decisive.into_iter().chain(others).filter(|at| selection.excluded(*at) > 0);
    let texts = named.take(NAMED).map(|at| {
        let condition = &rule.conditions[at];
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

fn too_many(rule: &RuleSelection, selection: &Selection) -> Option<Verdict> {
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
