//! `gantry models list`: every version of every model, and which of them work.

use super::state::{self, Standing};
use super::told;
use crate::config::Config;
use crate::output::line;
use gantry_inference::manifest::{ImageWanted, Input, InputKind, Manifest};
use gantry_inference::models::{Catalogue, Model};
use std::error::Error;
use std::process::ExitCode;

pub async fn run(config: &Config) -> Result<ExitCode, Box<dyn Error>> {
    let catalogue = match Catalogue::load(&config.models) {
        Ok(catalogue) => catalogue,
        Err(problems) => return Ok(told(&problems)),
    };
    if catalogue.iter().next().is_none() && catalogue.faulty().is_empty() {
        line!("no models in {}; models/README.md says how one is brought", config.models.display());
    }
    let changes = state::changes_before(&config.data).await;
    for called in catalogue.names() {
        let standing = state::standing(&catalogue, &changes, called);
        let alone = catalogue.versions(called).count() == 1;
        for model in catalogue.versions(called) {
            tell(model, &what_it_is(&standing, model, alone));
        }
        if let Standing::Broken(why) = standing {
            line!("  {why}");
        }
    }
    for faulty in catalogue.faulty() {
        line!("{}: not usable", faulty.name);
        faulty.problems.iter().for_each(|problem| line!("  {problem}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn what_it_is(standing: &Standing, model: &Model, alone: bool) -> String {
    let Standing::Works(chosen) = standing else { return String::new() };
    if chosen.live.name == model.name {
        return if alone { String::new() } else { ", live".into() };
    }
    match &chosen.trial {
        Some(trial) if trial.candidate.name == model.name => match trial.share {
            Some(share) => format!(", canary: {} % of the series", share * 100.0),
            None => ", shadow: runs beside the live version, nothing is sent".into(),
        },
        _ => ", stands by".into(),
    }
}

pub(super) fn tell(model: &Model, what: &str) {
    let Manifest { algorithm, inputs, results, .. } = &model.manifest;
    let research = if algorithm.research_only { ", research only" } else { "" };
    line!("{}{what}", model.name);
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
            let size = grid.fixed_size().map(|size| format!(" of {size:?}")).unwrap_or_default();
            let spacing = grid.spacing.map(|mm| format!(", {mm:?} mm")).unwrap_or_default();
            format!(" on a grid{size}{spacing}")
        }
        None if input.onto_lead => " on the grid of the leading input".to_string(),
        None => String::new(),
    };
    let of = input.modalities.join(" or ");
    match &input.kind {
        InputKind::Volume => format!("{}: a volume of {of}{grid}", input.name),
        InputKind::Image(image) => format!("{}: one image of {of}{}", input.name, size_of(image)),
        InputKind::Frames(frames) => {
            format!("{}: the frames of one image of {of}{}", input.name, size_of(&frames.image))
        }
    }
}

fn size_of(image: &ImageWanted) -> String {
    image.size.map(|size| format!(" at {size:?}")).unwrap_or_default()
}
