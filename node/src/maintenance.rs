//! `gantry export`, `reindex` and `verify`: what an admin does with the store itself.

use crate::audit::commands;
use crate::cli::ExportArguments;
use crate::config::Config;
use crate::output::line;
use gantry_store::export::{self, Selector};
use gantry_store::reindex;
use gantry_store::store::Store;
use gantry_store::verify;
use gantry_terms::uid::Uid;
use std::path::Path;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

/// Writes objects as files, byte for byte.
pub async fn export(arguments: &ExportArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(&arguments.config.config)?;
    let selector = match arguments.what.as_str() {
        "all" => Selector::All,
        uid => Selector::Uid(
            Uid::parse(uid).map_err(|why| format!("{uid:?} is neither `all` nor a UID: {why}"))?,
        ),
    };
    let reader = Store::open_reader(&config.data).await?;
    commands::exported(&config, &reader, &selector, &arguments.to).await?;
    let exported = export::export(&reader, &selector, &arguments.to).await?;
    line!("{} objects written to {}", exported.written, arguments.to.display());
    if let Some(at) = exported.evicted_at {
        let evicted = exported.evicted;
        line!("{evicted} instances are not here: evicted by retention, last on {}", at.date());
    }
    let problems = told(&exported.problems);
    Ok(if exported.written == 0 { ExitCode::FAILURE } else { problems })
}

/// Builds the index anew from the segments.
pub async fn reindex(file: &Path) -> Result<ExitCode, Failure> {
    let config = Config::load(file)?;
    let built = reindex::reindex(&config.data).await?;
    line!(
        "index built from {} records in {} segments: {} instances in {} series",
        built.records,
        built.segments,
        built.instances,
        built.series
    );
    if let Some(aside) = &built.set_aside {
        line!("the old index could not be read; it was put aside as {}", aside.display());
    }
    Ok(told(&built.problems))
}

/// Compares each record with its checksum, its digest and the index.
pub async fn verify(file: &Path) -> Result<ExitCode, Failure> {
    let config = Config::load(file)?;
    let reader = Store::open_reader(&config.data).await?;
    let verified = verify::verify(&reader).await?;
    line!(
        "{} records in {} segments, {:.1} MB; {} instances in the index",
        verified.records,
        verified.segments,
        verified.bytes as f64 / 1e6,
        verified.instances
    );
    line!("{} records not yet in the index", verified.not_yet_indexed);
    if verified.evicted > 0 {
        line!("{} instances evicted by retention, of which nothing is left", verified.evicted);
    }
    if verified.superseded > 0 {
        line!("{} records that later ones took the place of", verified.superseded);
    }
    if verified.problems.is_empty() {
        line!("good: every record has its checksum, and the index equals the segments");
    }
    Ok(told(&verified.problems))
}

/// Says each problem; the exit status is 1 when there is one.
fn told(problems: &[String]) -> ExitCode {
    for problem in problems {
        eprintln!("problem: {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
