//! `[[case]]`: made-up images and what the rules must say of them. A rule file is tested before it takes effect.

use super::dictionary::nearest;
use super::judge::{self, ImageFacts, Judgement, STOPPED};
use super::made_up::{self, MadeUp};
use super::problem::Problem;
use super::reader::Reader;
use super::rule::{On, Rule};
use super::rule_set::SourceFile;
use super::subject::SELECTION_FACTS;
use super::tree::{Entry, Node, Span};
use gantry_terms::uid::Uid;

/// One case, ready to be run against all rules.
pub(super) struct Case {
    says: String,
    images: Vec<MadeUp>,
    expect: Vec<Expectation>,
    /// Nothing in it was at fault.
    sound: bool,
}

struct Expectation {
    rule: String,
    rule_span: Span,
    verdict: Expected,
    written: String,
    span: Span,
}

enum Expected {
    Runs,
    /// With the keys that decided, if the case names some: that of a selection, then that in it.
    Skipped(Vec<String>),
}

const KEYS: [&str; 3] = ["says", "images", "expect"];

pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<Case> {
    let before = reader.faults.len();
    let entries = reader.table(node, "case")?;
    for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
        reader.unknown_key(entry, "[[case]]", &KEYS);
    }
    for key in KEYS.iter().filter(|key| !entries.iter().any(|entry| entry.key == **key)) {
        reader.fault(&node.span, format!("the case lacks `{key}`"), None);
    }
    let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
    let says = of("says").and_then(|node| reader.text_value(node, "says")).unwrap_or_default();
    let images = of("images").map(|node| made_up::read(reader, node)).unwrap_or_default();
    let expect = of("expect").map(|node| expectations(reader, node)).unwrap_or_default();
    let sound = reader.faults.len() == before;
    Some(Case { says: says.to_string(), images, expect, sound })
}

fn expectations(reader: &mut Reader, node: &Node) -> Vec<Expectation> {
    let entries = reader.table(node, "expect").unwrap_or_default();
    if entries.is_empty() {
        reader.fault(&node.span, "the case expects nothing", None);
    }
    entries.iter().filter_map(|entry| expectation(reader, entry)).collect()
}

fn expectation(reader: &mut Reader, entry: &Entry) -> Option<Expectation> {
    let text = reader.text_value(&entry.node, "expect")?.trim();
    let mut words = text.split(':').map(str::trim);
    let verdict = match (words.next(), words.map(str::to_string).collect::<Vec<_>>()) {
        (Some("runs"), keys) if keys.is_empty() => Expected::Runs,
        (Some("skipped"), keys) if keys.iter().all(|key| !key.is_empty()) => {
            Expected::Skipped(keys)
        }
        _ => {
            let help = "write \"runs\", \"skipped\", or \"skipped: \" and the key that decides";
            reader.fault(&entry.node.span, format!("\"{text}\" is no verdict"), help.to_string());
            return None;
        }
    };
    Some(Expectation {
        rule: entry.key.clone(),
        rule_span: entry.key_span.clone(),
        verdict,
        written: text.to_string(),
        span: entry.node.span.clone(),
    })
}

impl Case {
    /// What is wrong: names that no rule has, keys that a rule has not, verdicts that differ.
    /// With `broken`, some rule could not be read: a rule that should have been stopped may run.
    pub(super) fn check(
        &self,
        file: &SourceFile,
        rules: &[Rule],
        names: &[&str],
        broken: bool,
    ) -> Vec<Problem> {
        let judgements = self.judge(rules);
        let mut faults = Vec::new();
        for expectation in &self.expect {
            let fault = if !names.contains(&expectation.rule.as_str()) {
                Some(expectation.unknown_rule(names))
            } else if let Some(rule) = rules.iter().find(|rule| rule.name == expectation.rule) {
                let said: Vec<&Judgement> =
                    judgements.iter().filter(|judgement| judgement.rule == rule.name).collect();
                let tells = self.sound && !(broken && said.iter().any(|judgement| judgement.runs));
                let differs = tells.then(|| expectation.differs(&self.says, &said)).flatten();
                expectation.unknown_key(rule).or(differs)
            } else {
                None
            };
            faults.extend(fault.map(|(span, message, help)| {
                Problem::new(&file.path, &file.text, span.clone(), message).with_help(help)
            }));
        }
        faults
    }

    pub(super) fn shows_running(&self, rule: &str) -> bool {
        self.expect.iter().any(|e| e.rule == rule && matches!(e.verdict, Expected::Runs))
    }

    /// Each series by itself, then all of them as one study.
    fn judge(&self, rules: &[Rule]) -> Vec<Judgement> {
        let images: Vec<ImageFacts> = self.images.iter().map(MadeUp::facts).collect();
        let mut judgements = Vec::new();
        let mut series: Vec<&Uid> = Vec::new();
        for image in &images {
            if !series.contains(&image.series) {
                series.push(image.series);
            }
        }
        for uid in series {
            let of_series: Vec<ImageFacts> =
                images.iter().filter(|image| image.series == uid).copied().collect();
            judgements.extend(judge::judge(rules, &of_series));
        }
        judgements.extend(judge::judge_study(rules, &images));
        judgements
    }
}

/// Where, what, and what helps.
type Fault<'e> = (&'e Span, String, Option<String>);

impl Expectation {
    fn unknown_rule(&self, names: &[&str]) -> Fault<'_> {
        let near = nearest(&self.rule, names.iter().copied());
        let help = near.map(|near| format!("did you mean \"{near}\"?"));
        (&self.rule_span, format!("no rule has the name \"{}\"", self.rule), help)
    }

    fn unknown_key(&self, rule: &Rule) -> Option<Fault<'_>> {
        let Expected::Skipped(keys) = &self.verdict else { return None };
        let mut known: Vec<&str> = Vec::new();
        for selection in &rule.selections {
            known.extend(selection.name.as_deref());
            known.extend(selection.conditions.iter().map(|condition| &*condition.key));
        }
        if rule.on != On::Instance {
            known
                .extend(SELECTION_FACTS.iter().filter(|f| rule.on == On::Study || **f != "series"));
        } else {
            known.push("images");
        }
        known.push(STOPPED);
        let unknown = keys.iter().find(|key| !known.contains(&key.as_str()))?;
        let help = match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it has: {}", known.join(", ")),
        };
        Some((&self.span, format!("the rule has no condition \"{unknown}\""), Some(help)))
    }

    /// A rule on instances or series says something of each series: it runs if it runs on one, and
    /// is skipped, for any of their reasons, if it runs on none.
    fn differs(&self, says: &str, said: &[&Judgement]) -> Option<Fault<'_>> {
        let running = said.iter().find(|judgement| judgement.runs);
        let agrees = match &self.verdict {
            Expected::Runs => running.is_some(),
            Expected::Skipped(keys) => {
                // Of a selection with a name: both are those of this selection.
                let key = keys.join(": ");
                let decided =
                    |judgement: &&Judgement| keys.is_empty() || judgement.because.contains(&key);
                running.is_none() && said.iter().any(decided)
            }
        };
        if agrees {
            return None;
        }
        let judgement = running.or(said.first())?;
        let (expected, reason) = (&self.written, &judgement.reason);
        let message = format!(
            "the case \"{says}\" fails: expected \"{expected}\", but the rule says: {reason}"
        );
        let help =
            judgement.because.iter().map(|key| format!("\"skipped: {key}\"")).collect::<Vec<_>>();
        let help =
            (!help.is_empty()).then(|| format!("if that is right, write {}", help.join(" or ")));
        Some((&self.span, message, help))
    }
}
