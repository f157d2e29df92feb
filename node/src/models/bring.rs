//! `gantry models add`: a folder that holds a model is copied below `models/`, whole or not at all.

use super::choose::{self, Answer};
use super::told;
use crate::cli::ModelsAddArguments;
use crate::config::Config;
use crate::output::line;
use gantry_inference::engine::{Engine, EngineError, EngineOptions};
use gantry_inference::models::{Catalogue, Model, Models};
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

type Failure = Box<dyn Error>;

/// Where it is to lie.
enum Place {
    /// It is the first of its name.
    New(String),
    Beside(String),
}

/// Exit status 0 when it lies there, now or before, and a running node has taken it if its name is new.
pub async fn run(arguments: &ModelsAddArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let models = match Models::one(&arguments.folder) {
        Ok(models) => Arc::new(models),
        Err(problems) => return Ok(told(&problems)),
    };
    let Some(model) = models.iter().next().cloned() else {
        return Err("the folder holds no model".into());
    };
    let options = EngineOptions { library: config.onnxruntime.clone(), ..EngineOptions::default() };
    match Engine::start(models, options) {
        Ok(_) => {}
        Err(error @ EngineError::NoRuntime(_)) => {
            return Err(
                format!("its graph cannot be opened, so nothing was copied: {error}").into()
            );
        }
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    }
    let catalogue = match Catalogue::of_model(&config.models, model.called()) {
        Ok(catalogue) => catalogue,
        Err(problems) => return Ok(told(&problems)),
    };
    let Some(place) = place(&catalogue, &model, arguments.beside)? else {
        line!("{} {} is there already, with the same contents", model.called(), model.version());
        return Ok(ExitCode::SUCCESS);
    };
    match place {
        Place::Beside(name) => {
            copy(&model, &config.models, &name)?;
            let (called, version) = (model.called(), model.version());
            let advice = format!("`gantry models promote {called} {version}` lets it work");
            line!("{name} is in {}: {advice}", config.models.display());
            Ok(ExitCode::SUCCESS)
        }
        Place::New(name) => {
            copy(&model, &config.models, &name)?;
            line!("{name} is in {}", config.models.display());
            let answer = choose::take_up(config, &name, model.version(), &arguments.said).await?;
            Ok(told_of_new(&name, answer))
        }
    }
}

fn told_of_new(name: &str, answer: Option<Answer>) -> ExitCode {
    match answer {
        Some(Answer::Taken) => line!("the node has taken it: rules may name it now"),
        Some(Answer::NextStart) | None => {
            line!("the next start of the node takes it, and rules may name it then");
        }
        Some(Answer::Refused(why)) => {
            eprintln!(
                "the running node does not take it, so that no rule may name it: {why}\n  help: the next start \
                 would try to take it: `gantry models remove {name}` takes it away"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// None when the very same is there.
fn place(catalogue: &Catalogue, model: &Model, beside: bool) -> Result<Option<Place>, String> {
    let (called, version) = (model.called(), model.version());
    if let Some(there) = catalogue.version(called, version) {
        let same = there.digest == model.digest && there.manifest_digest == model.manifest_digest;
        return match same {
            true => Ok(None),
            false => Err(format!(
                "version {version} of {called} is there with other contents, in {}: a version is never \
                 changed; give this one a version of its own in its manifest, add it with --beside, and \
                 then `gantry models promote {called} VERSION`",
                there.name
            )),
        };
    }
    let others: Vec<&str> = catalogue.versions(called).map(|model| model.version()).collect();
    if others.is_empty() && !beside {
        return Ok(Some(Place::New(called.to_string())));
    }
    if others.is_empty() {
        return Err(format!(
            "there is no model {called} that it could stand beside: leave --beside out"
        ));
    }
    if !beside {
        return Err(format!(
            "{called} is there with other contents, version {}: bring this one with --beside, and then \
             `gantry models promote {called} {version}`, with --shadow to try it first",
            others.join(", ")
        ));
    }
    let name = format!("{called}@{version}");
    let word = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    if !version.bytes().all(word) || version.len() > 64 {
        return Err(format!(
            "the version {version:?} cannot be the name of a folder: 1 to 64 of a-z, A-Z, 0-9, and . _ + -"
        ));
    }
    Ok(Some(Place::Beside(name)))
}

/// Written under a name that no reader looks at, synced, and then renamed: there is never half of it.
fn copy(model: &Model, models: &Path, name: &str) -> Result<(), Failure> {
    let failed = |what: &Path, error: io::Error| format!("{}: {error}", what.display());
    let to = models.join(name);
    if to.exists() {
        return Err(format!("{} is there, and is no model: look at it", to.display()).into());
    }
    let from = model.graph.parent().unwrap_or(Path::new("."));
    let part = tempfile::Builder::new().prefix(".adding-").tempdir_in(models);
    let part = part.map_err(|error| failed(models, error))?;
    for entry in fs::read_dir(from).map_err(|error| failed(from, error))? {
        let path = entry.map_err(|error| failed(from, error))?.path();
        let Some(file) = path.file_name().filter(|_| path.is_file()) else { continue };
        let copied = part.path().join(file);
        fs::copy(&path, &copied).map_err(|error| failed(&path, error))?;
        sync(&copied).map_err(|error| failed(&copied, error))?;
    }
    sync(part.path()).map_err(|error| failed(part.path(), error))?;
    readable(part.path()).map_err(|error| failed(part.path(), error))?;
    fs::rename(part.path(), &to).map_err(|error| failed(&to, error))?;
    // There is nothing at its old path any more that could be removed.
    let _ = part.keep();
    sync(models).map_err(|error| failed(models, error))?;
    Ok(())
}

/// As a folder that somebody made by hand: the node may run as another user.
fn readable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
