//! `gantry models`: which models there are, and whether one that somebody brings would do.

use crate::cli::{ModelsCheckArguments, ModelsCommand};
use crate::config::Config;
use crate::output::line;
use gantry_inference::engine::{Engine, EngineError, EngineOptions};
use gantry_inference::manifest::{Input, InputKind, Manifest};
use gantry_inference::models::{Model, Models};
use gantry_inference::problem::ModelProblem;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

pub fn run(command: &ModelsCommand) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        ModelsCommand::List(arguments) => list(&Config::load(&arguments.config)?),
        ModelsCommand::Check(arguments) => check(arguments),
    }
}

fn list(config: &Config) -> Result<ExitCode, Box<dyn Error>> {
    let models = match Models::load(&config.models) {
        Ok(models) => models,
        Err(problems) => return Ok(told(&problems)),
    };
    if models.is_empty() {
        line!("no models in {}; models/README.md says how one is brought", config.models.display());
    }
    for model in models.iter() {
        tell(model);
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit status 0 when the folder could be put below `models/` as it is.
fn check(arguments: &ModelsCheckArguments) -> Result<ExitCode, Box<dyn Error>> {
    let models = match Models::one(&arguments.folder) {
        Ok(models) => Arc::new(models),
        Err(problems) => return Ok(told(&problems)),
    };
    models.iter().for_each(|model| tell(model));
    // The runtime may be named in a configuration; without one it is looked for.
    let library = match arguments.config.exists() {
        true => Config::load(&arguments.config)?.onnxruntime,
        false => None,
    };
    match Engine::start(models, EngineOptions { library, ..EngineOptions::default() }) {
        Ok(_) => line!("good: the graph has what the manifest says"),
        Err(error @ EngineError::NoRuntime(_)) => {
            eprintln!("the manifest is good, but the graph was not opened: {error}");
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(problems: &[ModelProblem]) -> ExitCode {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    eprintln!("{}", texts.join("\n\n"));
    ExitCode::FAILURE
}

fn tell(model: &Model) {
    let Manifest { algorithm, inputs, results, .. } = &model.manifest;
    let research = if algorithm.research_only { ", research only" } else { "" };
    line!("{}", model.name);
    line!("  {} {} by {}{research}", algorithm.title, algorithm.version, algorithm.manufacturer);
    for input in inputs {
        line!("  takes  {}", takes(input));
    }
    let keys: Vec<&str> = model.manifest.outputs().collect();
    let results: Vec<&str> = results.iter().map(|kind| kind.name()).collect();
    line!("  gives  {} as {}", keys.join(", "), results.join(", "));
    line!("  graph  {} sha256 {}", model.manifest.graph, model.digest);
}

fn takes(input: &Input) -> String {
    let grid = match &input.grid {
        Some(grid) => {
            let size = grid.size.map(|size| format!(" of {size:?}")).unwrap_or_default();
            let spacing = grid.spacing.map(|mm| format!(", {mm:?} mm")).unwrap_or_default();
            format!(" on a grid{size}{spacing}")
        }
        None if input.onto_lead => " on the grid of the leading input".to_string(),
        None => String::new(),
    };
    let of = input.modalities.join(" or ");
    match &input.kind {
        InputKind::Volume => format!("{}: a volume of {of}{grid}", input.name),
        InputKind::Image(image) => {
            let size = image.size.map(|size| format!(" at {size:?}")).unwrap_or_default();
            format!("{}: one image of {of}{size}", input.name)
        }
    }
}
