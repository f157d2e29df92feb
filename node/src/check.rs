//! `gantry check`: reads configuration, models and rules as a start would, and says all that is wrong at once.

use crate::cli::CheckArguments;
use crate::config::{Config, Login, Peer};
use crate::models::state;
use crate::output::line;
use crate::peers;
use crate::rules;
use crate::rules::folder::{OnDisk, rolled_back_halfway};
use crate::tls;
use gantry_inference::cuda;
use gantry_inference::device::Device;
use gantry_inference::engine::{Engine, EngineError, EngineOptions};
use gantry_inference::manifest::{InputKind, Manifest, ResultKind};
use gantry_inference::models::{Catalogue, Model, Models};
use gantry_routing::compose::{
    DERIVED_IMAGES, ENCAPSULATED_PDF, FAILURE_REPORT, FRACTIONAL_SEGMENTATION, KEY_OBJECTS,
    LABEL_MAP, PARAMETRIC_MAP, PRESENTATION_STATE, SECONDARY_CAPTURE, SECONDARY_CAPTURE_IMAGES,
    SEGMENTATION, STRUCTURED_REPORT, TEXT_REPORT,
};
use gantry_routing::rules::{ModelFacts, RuleSet, World};
use gantry_routing::versions::Versions;
use gantry_store::model_changes::ChangeRow;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

/// What a node runs with, once it has been checked.
pub struct Checked {
    pub versions: Versions,
    /// What lies on disk and is of no use, and costs nothing that is live.
    pub warnings: Vec<String>,
    pub rules: RuleSet,
    /// What rules may name, for those that come later.
    pub world: World,
}

/// All that is wrong, each in words for the admin.
#[derive(Debug)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n\n"))
    }
}

/// The command: exit status 0 when a node would start with these files.
pub async fn run(arguments: &CheckArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut config = Config::load(&arguments.config.config)?;
    if let Some(rules) = &arguments.rules {
        config.rules.clone_from(rules);
    }
    tls::check(&config)?;
    let changes = state::changes_before(&config.data).await;
    let checked = match check(&config, &changes) {
        Ok(checked) => checked,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &checked.warnings {
        line!("warning: {warning}");
    }
    for warning in checked.rules.warnings() {
        line!("warning: {warning}");
    }
    let anywhere = config.peers.values().filter(|peer| peer.from.is_empty());
    let anywhere: Vec<&str> = anywhere.map(|peer| peer.ae_title.as_str()).collect();
    if !anywhere.is_empty() {
        line!("warning: may call from anywhere, without a `from`: {}", anywhere.join(", "));
    }
    let passcodes = config.passcodes_in_clear();
    if !passcodes.is_empty() {
        line!("warning: passcodes cross the network as they are: {}", passcodes.join(", "));
    }
    for peer in config.peers.values() {
        if let Some(Err(why)) = peer.login.as_ref().map(Login::identity) {
            line!("warning: login of peer {}: {why}", peer.ae_title);
        }
    }
    for warning in peers::not_found(&config).await {
        line!("warning: {warning}");
    }
    line!("configuration  good: {} peers", config.peers.len());
    if let Some(files) = &config.tls {
        for expiry in tls::expiries(files) {
            line!("certificate    {}", tls::told(&expiry));
        }
    }
    line!("deliver        to {}", listed(peers::by_address(&config).iter().map(String::as_str)));
    line!("models         good: {}", listed(checked.versions.live().map(|model| model.called())));
    let names = checked.rules.rules().iter().map(|rule| rule.name.as_str());
    line!("rules          good: {}", listed(names));
    line!("rules digest   {}", checked.rules.digest());
    match cuda::devices(&config.inference.devices) {
        Ok(chosen) => {
            let devices: Vec<String> = chosen.devices.iter().map(Device::to_string).collect();
            line!("devices        good: {}", devices.join(", "));
        }
        Err(why) => {
            eprintln!("{why}");
            return Ok(ExitCode::FAILURE);
        }
    }
    check_graphs(&config, Models::of(checked.versions.live().cloned()))
}

/// Reads models, in the versions that were taken last, and rules. Needs no ONNX Runtime.
pub fn check(config: &Config, changes: &[ChangeRow]) -> Result<Checked, Faults> {
    // With broken models every rule that names one would look wrong too.
    let in_words = |problems: Vec<_>| Faults(problems.iter().map(ToString::to_string).collect());
    let catalogue = Catalogue::load(&config.models).map_err(in_words)?;
    let state::Resolved { versions, warnings } =
        state::resolve(&catalogue, changes).map_err(Faults)?;
    if let Some(halfway) = rolled_back_halfway(&config.rules) {
        return Err(Faults(vec![halfway]));
    }
    let world = world(config, versions.live());
    let rules = OnDisk::look(&config.rules).and_then(|on_disk| rules::read(&on_disk, &world));
    match rules {
        Ok(rules) => Ok(Checked { versions, warnings, rules, world }),
        Err(fault) => Err(Faults(vec![fault])),
    }
}

/// Opens each graph, where there is a runtime to do so.
fn check_graphs(config: &Config, models: Models) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let options = EngineOptions { library: config.onnxruntime.clone(), ..EngineOptions::default() };
    match Engine::start(Arc::new(models), options) {
        Ok(_) => line!("graphs         good: each has what its manifest says"),
        Err(error @ EngineError::NoRuntime(_)) => {
            line!("warning: models would not run: {error}")
        }
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What rules may name: the models that are there and the peers that can receive.
pub fn world<'m>(config: &Config, live: impl Iterator<Item = &'m Arc<Model>>) -> World {
    let facts = live.map(|model| ModelFacts {
        name: model.called().to_string(),
        inputs: model.manifest.inputs.iter().map(|input| input.name.clone()).collect(),
        results: result_names(&model.manifest.results),
        places: finds_places(&model.manifest),
    });
    let deidentified =
        |peer: &Peer| Some((peer.ae_title.to_string(), peer.deidentify.as_ref()?.name.clone()));
    let proving = config.peers.values().filter(|peer| peer.proof.is_some());
    World {
        models: facts.collect(),
        peers: config.receivers(),
        senders: config.peers.keys().map(ToString::to_string).collect(),
        profiles: config.profiles.keys().cloned().collect(),
        deidentified: config.peers.values().filter_map(deidentified).collect(),
        proving: proving.map(|peer| peer.ae_title.to_string()).collect(),
    }
}

/// Boxes in a volume; those of films lie on the films alone.
fn finds_places(manifest: &Manifest) -> bool {
    !manifest.detections.is_empty() && matches!(manifest.lead().kind, InputKind::Volume)
}

/// A model that makes a report has one for its failures, too, and one that makes pictures makes them in one object or in many.
fn result_names(kinds: &[ResultKind]) -> Vec<String> {
    let of_failures = kinds.contains(&ResultKind::StructuredReport).then_some(FAILURE_REPORT);
    let each = kinds.contains(&ResultKind::SecondaryCapture).then_some(SECONDARY_CAPTURE_IMAGES);
    let named = kinds.iter().map(|kind| result_name(*kind));
    named.chain(each).chain(of_failures).map(String::from).collect()
}

/// What a rule calls it in `send.as`.
fn result_name(kind: ResultKind) -> &'static str {
    match kind {
        ResultKind::StructuredReport => STRUCTURED_REPORT,
        ResultKind::SecondaryCapture => SECONDARY_CAPTURE,
        ResultKind::DerivedImages => DERIVED_IMAGES,
        ResultKind::Segmentation => SEGMENTATION,
        ResultKind::FractionalSegmentation => FRACTIONAL_SEGMENTATION,
        ResultKind::LabelMap => LABEL_MAP,
        ResultKind::ParametricMap => PARAMETRIC_MAP,
        ResultKind::KeyObjects => KEY_OBJECTS,
        ResultKind::PresentationState => PRESENTATION_STATE,
        ResultKind::TextReport => TEXT_REPORT,
        ResultKind::EncapsulatedPdf => ENCAPSULATED_PDF,
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
