//! `[[case]]`: made-up images and what the rules must say of them. A rule file is tested before it takes effect.

use super::dictionary::nearest;
use super::judge::{self, ImageFacts, Judgement, STOPPED};
use super::made_up::{self, MadeUp};
use super::problem::Problem;
use super::reader::Reader;
use super::rule::Rule;
use super::rule_set::SourceFile;
use super::subject::SELECTION_FACTS;
use super::tree::{Entry, Node, Span};

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
    /// With the key that decided, if the case names one.
    Skipped(Option<String>),
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
    let verdict = match text.split_once(':').map_or((text, None), |(v, key)| (v, Some(key.trim())))
    {
        ("runs", None) => Expected::Runs,
        ("skipped", None) => Expected::Skipped(None),
        ("skipped", Some(key)) if !key.is_empty() => Expected::Skipped(Some(key.to_string())),
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
                let judgement = judgements.iter().find(|judgement| judgement.rule == rule.name);
                let judgement = judgement.filter(|j| self.sound && !(broken && j.runs));
                let differs = judgement.and_then(|j| expectation.differs(&self.says, j));
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

    fn judge(&self, rules: &[Rule]) -> Vec<Judgement> {
        let images: Vec<ImageFacts> = self.images.iter().map(MadeUp::facts).collect();
        judge::judge(rules, &images)
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
        let Expected::Skipped(Some(key)) = &self.verdict else { return None };
        let mut known: Vec<&str> = rule.only().conditions.iter().map(|c| c.key.as_str()).collect();
        known.extend(SELECTION_FACTS);
        known.push(STOPPED);
        if known.contains(&key.as_str()) {
            return None;
        }
        let help = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it has: {}", known.join(", ")),
        };
        Some((&self.span, format!("the rule has no condition \"{key}\""), Some(help)))
    }

    fn differs(&self, says: &str, judgement: &Judgement) -> Option<Fault<'_>> {
        let agrees = match &self.verdict {
            Expected::Runs => judgement.runs,
            Expected::Skipped(None) => !judgement.runs,
            Expected::Skipped(Some(key)) => !judgement.runs && judgement.because.contains(key),
        };
        let (expected, reason) = (&self.written, &judgement.reason);
        let message = format!(
            "the case \"{says}\" fails: expected \"{expected}\", but the rule says: {reason}"
        );
        let help =
            judgement.because.iter().map(|key| format!("\"skipped: {key}\"")).collect::<Vec<_>>();
        let help =
            (!help.is_empty()).then(|| format!("if that is right, write {}", help.join(" or ")));
        (!agrees).then_some((&self.span, message, help))
    }
}
