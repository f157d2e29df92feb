//! `gantry show`: a kept report as a tree, a PDF as its file, a presentation state in words, a kept image, or a segmentation or a parametric map over its source, as PNG files.

mod content;
mod document;
mod map;
mod overlaid;
mod picture;
mod planes;
mod presentation;
mod segments;
mod tree;

use crate::audit::commands;
use crate::cli::ShowArguments;
use crate::config::Config;
use crate::output::line;
use crate::transcode::data_set_of;
use content::Item;
use dicom_core::dictionary::UidDictionary;
use dicom_dictionary_std::{StandardSopClassDictionary, tags};
use gantry_store::export::Selector;
use gantry_store::incoming::Origin;
use gantry_store::reader::Reader;
use gantry_store::series::InstanceRow;
use gantry_store::store::Store;
use gantry_terms::uid::Uid;
use std::error::Error;
use std::process::ExitCode;

const ROWS: u32 = 0x0028_0010;

/// Exit status 1 when something cannot be shown.
pub async fn run(arguments: &ShowArguments) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::load(&arguments.config.config)?;
    let uid = Uid::parse(&arguments.uid)
        .map_err(|why| format!("{:?} is not a UID: {why}", arguments.uid))?;
    let reader = Store::open_reader(&config.data).await?;
    let mut all = true;
    for instance in named_by(&reader, &uid).await? {
        let one = Selector::Uid(instance.identity.sop_instance.clone());
        commands::shown(&config, &reader, &one).await?;
        if let Err(why) = show(&reader, &instance, arguments).await {
            eprintln!("gantry: {} cannot be shown: {why}", instance.identity.sop_instance);
            all = false;
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The instance itself, or all results that were made of a series or a study.
async fn named_by(reader: &Reader, uid: &Uid) -> Result<Vec<InstanceRow>, Box<dyn Error>> {
    if let Some(instance) = reader.instance(uid).await? {
        return Ok(vec![instance]);
    }
    let mut made = Vec::new();
    for row in reader.finished_jobs_on(uid).await? {
        for result in &row.results {
            made.extend(reader.instance(result).await?);
        }
    }
    if made.is_empty() {
        return Err(format!(
            "no instance {uid}, and no result of a series or a study {uid}\n  help: this command takes a \
             SOP Instance UID (0008,0018), or the Series Instance UID (0020,000E) or Study Instance UID \
             (0020,000D) that a model worked on; `gantry explain` names results"
        )
        .into());
    }
    Ok(made)
}

async fn show(
    reader: &Reader,
    instance: &InstanceRow,
    arguments: &ShowArguments,
) -> Result<(), Box<dyn Error>> {
    let identity = &instance.identity;
    let class = identity.sop_class.as_str();
    let class = StandardSopClassDictionary.by_uid(class).map_or(class, |known| known.name);
    let origin = match identity.origin {
        Origin::Made if identity.came_home() => "came home",
        Origin::Made => "made here",
        Origin::Received => "received",
    };
    line!("{} ({class}, {origin})", identity.sop_instance);
    let part10 = reader.object(&identity.sop_instance).await?;
    let part10 = part10.ok_or("its bytes were evicted by retention")?;
    if identity.sop_class.as_str() == map::PARAMETRIC_MAP {
        return map::show(reader, &part10, instance, arguments).await;
    }
    if overlaid::SEGMENTATIONS.contains(&identity.sop_class.as_str()) {
        return segments::show(reader, &part10, instance, arguments).await;
    }
    if let Some((rows, columns)) = size(instance) {
        let Some(to) = &arguments.to else {
            line!("  an image of {rows} x {columns}: --to FOLDER writes it as PNG");
            return Ok(());
        };
        let (frame, to) = (arguments.frame, to.clone());
        let written =
            tokio::task::spawn_blocking(move || picture::write(&part10, frame, &to)).await??;
        written.iter().for_each(|file| line!("  {}", file.display()));
        return Ok(());
    }
    let data_set = data_set_of(&part10).ok_or("its File Meta Information can not be read")?;
    let report = Item::read(&data_set, &identity.transfer_syntax)?;
    if presentation::is_one(&report) {
        presentation::lines(&report).iter().for_each(|said| line!("  {said}"));
        return Ok(());
    }
    if document::is_one(&report) {
        let Some(to) = &arguments.to else {
            line!("  a PDF: --to FOLDER writes it");
            return Ok(());
        };
        line!("  {}", document::write(&report, &identity.sop_instance, to)?.display());
        return Ok(());
    }
    if report.text(tags::VALUE_TYPE).is_none() {
        return Err("it is neither an image nor a PDF nor a structured report nor a presentation state; `gantry export` \
                    gives its file"
            .into());
    }
    let flags = [tags::COMPLETION_FLAG, tags::VERIFICATION_FLAG, tags::PRELIMINARY_FLAG];
    let flags: Vec<String> = flags.into_iter().filter_map(|tag| report.text(tag)).collect();
    line!("  {}", flags.join(", "));
    for study in report.items(tags::PREDECESSOR_DOCUMENTS_SEQUENCE) {
        for series in study.items(tags::REFERENCED_SERIES_SEQUENCE) {
            for document in series.items(tags::REFERENCED_SOP_SEQUENCE) {
                line!(
                    "  supersedes {}",
                    document.text(tags::REFERENCED_SOP_INSTANCE_UID).unwrap_or_default()
                );
            }
        }
    }
    tree::lines(&report).iter().for_each(|said| line!("  {said}"));
    Ok(())
}

/// Rows and columns of what has pixels.
fn size(instance: &InstanceRow) -> Option<(f64, f64)> {
    Some((instance.header.number(ROWS)?, instance.header.number(ROWS + 1)?))
}
