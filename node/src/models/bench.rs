//! `gantry models bench`: how long a model takes and how much memory, in a process of its own as in the node.

use super::compare::median;
use super::state::{self, Standing};
use crate::cli::ModelsBenchArguments;
use crate::config::Config;
use crate::output::line;
use crate::serve::start_engine;
use gantry_inference::assembly::Assembly;
use gantry_inference::manifest::{Input, InputKind};
use gantry_inference::models::{Catalogue, Model, Models};
use gantry_inference::pool::Urgency;
use gantry_inference::{film, made_up};
use gantry_terms::images::Images;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error>;

const MADE_UP: &str = "phantom";

pub async fn run(arguments: &ModelsBenchArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let model = version(&config, &arguments.name).await?;
    let images = match arguments.series.as_str() {
        MADE_UP => made_up::images(&model),
        folder => read(&model, Path::new(folder))?,
    };
    let voxels: usize = images.iter().map(Images::count).sum();
    let began = Instant::now();
    let (engine, why) = start_engine(&config, Arc::new(Models::of([model.clone()])))?;
    let Some(engine) = engine else { return Err(why.unwrap_or_default().into()) };
    let loaded = began.elapsed();
    let mut taken = Vec::new();
    for run in 0..=arguments.runs {
        eprintln!("{run} of {} runs behind the first one", arguments.runs);
        let found =
            engine.infer(&model.name, images.clone(), Urgency::Routine, Duration::ZERO).await;
        let (_, ran) = found.map_err(|error| error.to_string())?;
        taken.push(ran.as_secs_f64());
    }
    let first = taken.remove(0);
    taken.sort_by(f64::total_cmp);
    let peak = engine.peak(&model.name).map(|bytes| bytes.div_ceil(1 << 20));
    line!("{} {}", model.called(), model.version());
    line!("  input   {voxels} voxels{}", sizes(&images));
    line!("  load    {:.3} s", loaded.as_secs_f64());
    line!("  first   {first:.3} s");
    line!(
        "  run     {:.3} s in the median of {}, least {:.3} s, most {:.3} s",
        median(&taken).unwrap_or_default(),
        taken.len(),
        taken.first().copied().unwrap_or_default(),
        taken.last().copied().unwrap_or_default()
    );
    match peak {
        Some(mib) => line!("  memory  {mib} MiB at most"),
        None => line!("  memory  the system does not tell"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The live one, or the one that is named.
async fn version(config: &Config, name: &str) -> Result<Arc<Model>, Failure> {
    let (called, version) = match name.split_once('@') {
        Some((called, version)) => (called, Some(version)),
        None => (name, None),
    };
    let catalogue = Catalogue::of_model(&config.models, called)
        .map_err(|problems| super::in_words(&problems))?;
    if let Some(version) = version {
        return Ok(state::version(&catalogue, called, version)?);
    }
    if catalogue.versions(called).next().is_none() {
        return Err(format!("there is no model {called} in {}", config.models.display()).into());
    }
    let changes = state::changes_before(&config.data).await;
    match state::standing(&catalogue, &changes, called) {
        Standing::Works(chosen) => Ok(chosen.live),
        Standing::Broken(why) => Err(why.into()),
    }
}

fn read(model: &Model, folder: &Path) -> Result<Vec<Images>, Failure> {
    let [input] = model.manifest.inputs.as_slice() else {
        return Err(
            format!("{} takes several series: only {MADE_UP} can be given", model.name).into()
        );
    };
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    eprintln!("reading {} files", files.len());
    Ok(vec![images(input, &files)?])
}

fn images(input: &Input, files: &[std::path::PathBuf]) -> Result<Images, Failure> {
    let told = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    match &input.kind {
        InputKind::Volume => {
            let mut assembly = Assembly::new(input);
            for path in files {
                let part10 = std::fs::read(path).map_err(|error| told(path, &error))?;
                assembly.add(&part10).map_err(|error| told(path, &error))?;
            }
            Ok(assembly.finish()?.into())
        }
        InputKind::Image(_) | InputKind::Frames(_) => {
            let [path] = files else {
                return Err("the model takes one image: name a folder with one file".into());
            };
            let part10 = std::fs::read(path).map_err(|error| told(path, &error))?;
            Ok(film::read(&part10, input).map_err(|error| told(path, &error))?.into())
        }
    }
}

fn sizes(images: &[Images]) -> String {
    let size = |images: &Images| match images {
        Images::Volume(volume) => {
            let size = &volume.geometry;
            format!("{} x {} x {}", size.slices, size.rows, size.columns)
        }
        Images::Film(film) if film.frames > 1 => {
            format!("{} x {} x {}", film.frames, film.rows, film.columns)
        }
        Images::Film(film) => format!("{} x {}", film.rows, film.columns),
    };
    let sizes: Vec<String> = images.iter().map(size).collect();
    format!(", {}", sizes.join(" and "))
}
