//! `gantry models`: what there is, what is brought and taken away, and which version of each works.

mod bench;
mod bring;
mod choose;
mod compare;
mod history;
mod list;
mod remove;
mod report;
pub mod state;
pub mod watch;

use crate::cli::{ModelsCheckArguments, ModelsCommand};
use crate::config::Config;
use crate::output::{line, say};
use gantry_inference::engine::{Engine, EngineError, EngineOptions};
use gantry_inference::models::Models;
use gantry_inference::problem::ModelProblem;
use gantry_store::store::Store;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

type Failure = Box<dyn Error>;

pub async fn run(command: &ModelsCommand) -> Result<ExitCode, Failure> {
    match command {
        ModelsCommand::List(arguments) => list::run(&Config::load(&arguments.config)?).await,
        ModelsCommand::Check(arguments) => check(arguments),
        ModelsCommand::Add(arguments) => bring::run(arguments).await,
        ModelsCommand::Remove(arguments) => remove::run(arguments).await,
        ModelsCommand::Bench(arguments) => bench::run(arguments).await,
        ModelsCommand::Promote(arguments) => choose::promote(arguments).await,
        ModelsCommand::Rollback(arguments) => choose::rollback(arguments).await,
        ModelsCommand::History(arguments) => {
            let config = Config::load(&arguments.config.config)?;
            let reader = Store::open_reader(&config.data).await?;
            say(&history::told(&reader, &arguments.name).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        ModelsCommand::Compare(arguments) => report::run(arguments).await,
    }
}

/// Exit status 0 when the folder could be put below `models/` as it is.
fn check(arguments: &ModelsCheckArguments) -> Result<ExitCode, Failure> {
    let models = match Models::one(&arguments.folder) {
        Ok(models) => Arc::new(models),
        Err(problems) => return Ok(told(&problems)),
    };
    models.iter().for_each(|model| list::tell(model, ""));
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
    eprintln!("{}", in_words(problems));
    ExitCode::FAILURE
}

fn in_words(problems: &[ModelProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("\n\n")
}
