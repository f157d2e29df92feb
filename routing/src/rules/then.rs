//! `[rule.then]`: what happens to the images that a rule selected.

use super::forward;
use super::reader::Reader;
use super::tree::{Entry, Node, Span};
use gantry_terms::changes::Changes;
use gantry_terms::region::Regions;
use serde::{Deserialize, Serialize};

/// What a rule asks for when it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Then {
    /// The model that analyses the selected images.
    pub run: Option<String>,
    /// Peers that get the model's results.
    pub send_to: Vec<String>,
    /// The kinds of result that are made: `structured-report`, `secondary-capture`, `secondary-capture-images`, `derived-images`, `segmentation`,
    /// `fractional-segmentation`, `label-map`, `parametric-map`, `key-objects`, `presentation-state`, `text-report`, `encapsulated-pdf`; `failure-report` is made only where the analysis failed.
    pub send_as: Vec<String>,
    /// The profile by which the results go without the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_deidentify: Option<String>,
    /// In what the report tells where a finding is.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub send_regions: Regions,
    /// Who gets the selected images, as they came or with changes.
    pub forward: Vec<Forward>,
    pub priority: Priority,
    /// Each image is forwarded as it arrives; else when its series is complete.
    #[serde(default)]
    pub arrives: bool,
    /// Run and keep, but send nothing and forward nothing.
    pub shadow: bool,
    /// What it takes, the image, the series or the study, is kept from the rules without `stop`.
    pub stop: bool,
}

fn is_usual(regions: &Regions) -> bool {
    *regions == Regions::default()
}

/// A peer that gets the selected images, and what is changed in them on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Forward {
    pub to: String,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub changes: Changes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    #[default]
    Routine,
    /// Goes first.
    Stat,
}

pub(super) const KEYS: [&str; 7] = ["run", "send", "forward", "when", "priority", "mode", "stop"];

/// `key_span` is the place of the word `then`. A fault is noted and gives `None`.
pub(super) fn read(reader: &mut Reader, node: &Node, key_span: &Span) -> Option<Then> {
    let before = reader.faults.len();
    let entries = reader.table(node, "then")?;
    let mut then = Then::default();
    for entry in entries {
        match entry.key.as_str() {
            "run" => then.run = run(reader, &entry.node),
            "send" => {} // needs `run`
            "forward" => then.forward = forward::read(reader, &entry.node),
            "when" => {
                then.arrives = one_of(reader, entry, &["complete", "arrives"]) == Some("arrives");
            }
            "priority" => {
                then.priority = match one_of(reader, entry, &["routine", "stat"]) {
                    Some("stat") => Priority::Stat,
                    _ => Priority::Routine,
                }
            }
            "mode" => then.shadow = one_of(reader, entry, &["live", "shadow"]) == Some("shadow"),
            "stop" => then.stop = reader.boolean(&entry.node, "stop") == Some(true),
            _ => reader.unknown_key(entry, "[rule.then]", &KEYS),
        }
    }
    let of = |key: &str| entries.iter().find(|entry| entry.key == key);
    if let Some(entry) = of("send") {
        send(reader, entry, of("run").is_some(), &mut then);
    }
    if reader.faults.len() == before {
        check_effect(reader, entries, key_span, &then);
    }
    (reader.faults.len() == before).then_some(then)
}

fn run(reader: &mut Reader, node: &Node) -> Option<String> {
    let name = reader.text_value(node, "run")?;
    let known: Vec<String> = reader.world.models.iter().map(|model| model.name.clone()).collect();
    if !known.iter().any(|known| known == name) {
        reader.unknown_name(&node.span, name, "there is no model", &known);
        return None;
    }
    Some(name.to_string())
}

fn send(reader: &mut Reader, entry: &Entry, runs: bool, then: &mut Then) {
    let Some(entries) = reader.table(&entry.node, "send") else { return };
    if !runs {
        let help = "the originals go by forward = [..]".to_string();
        reader.fault(&entry.key_span, "`send` sends what a model makes, but nothing runs", help);
    }
    for key in ["to", "as"].iter().filter(|key| !entries.iter().any(|entry| entry.key == **key)) {
        let help = "send = { to = [\"PACS\"], as = [\"structured-report\"] }".to_string();
        reader.fault(&entry.node.span, format!("`send` lacks `{key}`"), help);
    }
    for entry in entries {
        match entry.key.as_str() {
            "to" => {
                let peers = &reader.world.peers;
                then.send_to = reader.names(&entry.node, "to", "there is no peer", peers);
            }
            "as" => then.send_as = results(reader, &entry.node, then.run.as_deref()),
            "deidentify" => then.send_deidentify = forward::read_profile(reader, &entry.node),
            "regions" => {
                let known = Regions::ALL.map(Regions::name);
                let named = one_of(reader, entry, &known).and_then(Regions::named);
                then.send_regions = named.unwrap_or_default();
            }
            _ => reader.unknown_key(entry, "`send`", &["to", "as", "deidentify", "regions"]),
        }
    }
    if let Some(entry) = entries.iter().find(|entry| entry.key == "regions") {
        check_regions(reader, entry, then);
    }
    if then.send_as == [FAILURE_REPORT] {
        let help = "as = [\"structured-report\", \"failure-report\"]".to_string();
        let text = "nothing is sent of what the model finds, only that it failed".to_string();
        reader.warn(&entry.key_span, text, help);
    }
    let to = entries.iter().find(|entry| entry.key == "to");
    if let (Some(profile), Some(to), false) = (&then.send_deidentify, to, then.send_to.is_empty()) {
        for peer in reader.list(&to.node, "to").unwrap_or_default() {
            forward::may_be_deidentified_for(reader, peer, profile);
        }
        for kind in
            then.send_as.iter().filter(|kind| PARKED_WITHOUT_PATIENT.contains(&kind.as_str()))
        {
            let help = "send it by a rule of its own, or leave it out".to_string();
            let text = format!("\"{kind}\" does not leave by a profile: {}", why_parked(kind));
            reader.warn(&entry.key_span, text, help);
        }
    }
}

/// It is of a report, and of a finding that has a place.
fn check_regions(reader: &mut Reader, entry: &Entry, then: &Then) {
    let Some(run) = then.run.as_deref().filter(|_| !then.send_as.is_empty()) else { return };
    if !then.send_as.iter().any(|kind| kind == "structured-report") {
        let help = "add \"structured-report\" to `as`, or leave `regions` out".to_string();
        let text = "`regions` says how the report tells where a finding is, and no report is sent";
        reader.fault(&entry.key_span, text, help);
    }
    let places = reader.world.models.iter().any(|model| model.name == run && model.places);
    if !places && then.send_regions == Regions::Patient {
        let text = format!(
            "model \"{run}\" finds nothing at a place in a volume, and only there a region is in the patient"
        );
        reader.fault(&entry.key_span, text, "leave `regions` out".to_string());
    }
}

/// A report that says that the analysis failed, in the place of the others.
pub const FAILURE_REPORT: &str = "failure-report";

/// What is parked where it has to leave without the patient.
const PARKED_WITHOUT_PATIENT: [&str; 3] =
    ["encapsulated-pdf", "secondary-capture", "secondary-capture-images"];

fn why_parked(kind: &str) -> &'static str {
    match kind {
        "encapsulated-pdf" => "nobody looks into a document",
        _ => "it has text burned in, which only a device rule of the profile makes black",
    }
}

/// Without a known model nothing is known of its results either; that fault is told already.
fn results(reader: &mut Reader, node: &Node, model: Option<&str>) -> Vec<String> {
    let model = reader.world.models.iter().find(|known| Some(known.name.as_str()) == model);
    let Some(model) = model else { return Vec::new() };
    let noun = format!("model \"{}\" does not make", model.name);
    reader.names(node, "as", &noun, &model.results)
}

fn one_of<'k>(reader: &mut Reader, entry: &Entry, known: &[&'k str]) -> Option<&'k str> {
    let text = reader.text_value(&entry.node, &entry.key)?;
    let found = known.iter().find(|known| **known == text).copied();
    if found.is_none() {
        let known: Vec<String> = known.iter().map(|known| known.to_string()).collect();
        let noun = format!("there is no {}", entry.key);
        reader.unknown_name(&entry.node.span, text, &noun, &known);
    }
    found
}

/// Refuses what has no effect; warns of what is unlikely to be meant.
fn check_effect(reader: &mut Reader, entries: &[Entry], key_span: &Span, then: &Then) {
    let acts = then.run.is_some() || !then.forward.is_empty();
    if !acts && !then.stop {
        let help = "name a model (run), peers (forward) or stop = true".to_string();
        reader.fault(key_span, "the rule does nothing", help);
    }
    if then.stop && then.shadow && acts {
        let help = "a rule in shadow changes nothing; stop in a rule of its own".to_string();
        reader.fault(key_span, "`stop` would stop other rules for a rule in shadow", help);
    }
    for entry in entries {
        let without = match entry.key.as_str() {
            "priority" if then.run.is_none() => "`run`",
            "when" if then.forward.is_empty() => "`forward`",
            "mode" if !acts => "`run` or `forward`",
            _ => continue,
        };
        reader.fault(
            &entry.key_span,
            format!("`{}` has no effect without {without}", entry.key),
            None,
        );
    }
    if then.run.is_some() && then.send_to.is_empty() && !then.shadow {
        let help = "add send = { to = [..], as = [..] }, or mode = \"shadow\"".to_string();
        reader.warn(key_span, "what the model makes is sent to nobody", help);
    }
}
