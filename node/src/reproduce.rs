//! `gantry reproduce`: a kept result is made again from the same images by the same model, and laid beside what was kept.

use crate::audit::commands;
use crate::cli::ReproduceArguments;
use crate::config::Config;
use crate::explain::{named, short, when};
use crate::output::line;
use crate::serve::{start_engine, station};
use gantry_inference::models::{Catalogue, Model, Models};
use gantry_results::object::ResultObject;
use gantry_routing::compose::Composer;
use gantry_routing::reproduce::{Again, Reproduce};
use gantry_routing::versions::is_pinned;
use gantry_store::error::StoreError;

use gantry_store::export::Selector;
use gantry_store::header::{keyword, read_data_set_header, read_header};
use gantry_store::incoming::Origin;
use gantry_store::jobs::{Job, JobRow, RanOn};
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use gantry_terms::header::{Header, Tag};
use gantry_terms::uid::Uid;
use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

const PIXEL_DATA: Tag = 0x7FE0_0010;

/// Exit status 0 when every result was made again as it was.
pub async fn run(arguments: &ReproduceArguments) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::load(&arguments.config.config)?;
    let uid = Uid::parse(&arguments.uid)
        .map_err(|why| format!("{:?} is not a UID: {why}", arguments.uid))?;
    let reader = Store::open_reader(&config.data).await?;
    let (jobs, only) = jobs_of(&reader, &uid).await?;
    let mut all_the_same = true;
    for row in &jobs {
        line!(
            "{} for \"{}\", revision {}, finished at {}",
            named(&row.job),
            row.job.rule,
            row.job.revision,
            row.finished_at.map(when).unwrap_or_default()
        );
        let images = row.job.series.as_ref().unwrap_or(&row.job.study);
        commands::shown(&config, &reader, &Selector::Uid(images.clone())).await?;
        let same = match again(&config, &reader, &row.job).await {
            Ok(again) => tell(&reader, row, &again, only).await?,
            Err(why) => {
                line!("  cannot be made again: {why}");
                false
            }
        };
        all_the_same &= same;
    }
    Ok(if all_the_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The finished jobs that made a result or worked on a series or a study, and the one result that is
/// asked for, if it is one.
async fn jobs_of<'u>(
    reader: &Reader,
    uid: &'u Uid,
) -> Result<(Vec<JobRow>, Option<&'u Uid>), Box<dyn Error>> {
    if let Some(instance) = reader.instance(uid).await? {
        if instance.identity.origin == Origin::Received || instance.identity.came_home() {
            return Err(format!(
                "{uid} was received, not made here\n  help: `gantry explain {uid}` names the results \
                 that were made of it"
            )
            .into());
        }
        let jobs = reader.jobs_that_made(&instance.identity.study, uid).await?;
        if jobs.is_empty() && reader.is_of_failure(uid).await? {
            return Err(format!(
                "{uid} tells of an analysis that failed: there are no findings to find again\n  help: `gantry explain \
                 {}` says why it failed",
                instance.identity.series
            )
            .into());
        }
        if jobs.is_empty() {
            let why = "no finished job names it: its record is gone, or the index was built anew";
            return Err(format!("{uid} was made here, but {why}").into());
        }
        return Ok((jobs, Some(uid)));
    }
    let jobs = reader.finished_jobs_on(uid).await?;
    if jobs.is_empty() {
        return Err(format!(
            "no result {uid}, and no finished job on a series or a study {uid}\n  help: this command \
             takes the SOP Instance UID (0008,0018) of a result, or a Series Instance UID (0020,000E) \
             or Study Instance UID (0020,000D) that a model worked on; `gantry explain` names results"
        )
        .into());
    }
    Ok((jobs, None))
}

/// Each model has a process of its own, which ends with the run.
async fn again(config: &Config, reader: &Reader, job: &Job) -> Result<Again, Box<dyn Error>> {
    if reader.inputs_are_others(job.id).await? {
        return Err("an image that it read is gone, or was replaced by other bytes".into());
    }
    let model = version_of(config, job)?;
    let models = Models::of([model.clone()]);
    let engine = match start_engine(config, Arc::new(models))? {
        (Some(engine), _) => engine,
        (None, why) => return Err(why.unwrap_or_default().into()),
    };
    let composer = Composer { station: station(config) };
    let reproduce = Reproduce { reader: reader.clone(), model, engine, composer };
    Ok(reproduce.run(job).await?)
}

/// The one that the job names, live or not; without such a one what would have to be brought back.
fn version_of(config: &Config, job: &Job) -> Result<Arc<Model>, String> {
    let catalogue = Catalogue::of_model(&config.models, &job.model).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        texts.join("\n")
    })?;
    let mut versions = catalogue.versions(&job.model);
    if let Some(model) = versions.find(|model| is_pinned(model, job)) {
        return Ok(model.clone());
    }
    let same_graph = |model: &&Arc<Model>| model.digest == job.model_digest;
    if let Some(other) = catalogue.versions(&job.model).find(same_graph) {
        return Err(format!(
            "the manifest is another than then: it is {} in {} now",
            short(&other.manifest_digest),
            other.name
        ));
    }
    let there: Vec<&str> = catalogue.versions(&job.model).map(|model| model.version()).collect();
    let there = if there.is_empty() { "none".into() } else { there.join(", ") };
    let version = job.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let manifest =
        job.manifest_digest.as_deref().map(|digest| format!(", manifest {}", short(digest)));
    Err(format!(
        "the model {}{version} (graph {}{}) is not in the models folder any more; versions there: {there}",
        job.model,
        short(&job.model_digest),
        manifest.unwrap_or_default()
    ))
}

/// Whether all that was made is as it was kept.
async fn tell(
    reader: &Reader,
    row: &JobRow,
    again: &Again,
    only: Option<&Uid>,
) -> Result<bool, StoreError> {
    tell_findings(row.findings.as_ref(), &again.findings);
    line!("  {}", ran_on(row.ran_on.as_ref(), &again.ran_on));
    let mut all_the_same = true;
    let wanted = only.map_or(row.results.as_slice(), std::slice::from_ref);
    for kept in wanted {
        let said = match again.objects.iter().find(|made| made.sop_instance == *kept) {
            None => Err("is not made under this UID any more: the node's AE title, this program's version or \
                         the manifest is another than then"
                .into()),
            Some(made) => compare(reader, kept, made).await?,
        };
        match said {
            Ok(bytes) => line!("  {kept} is the same, byte for byte: {bytes} bytes"),
            Err(why) => {
                line!("  {kept} {why}");
                all_the_same = false;
            }
        }
    }
    if !all_the_same {
        line!("  {}", whose_difference(row.ran_on.as_ref(), &again.ran_on));
    }
    Ok(all_the_same)
}

/// On what it was found then and now.
fn ran_on(then: Option<&RanOn>, now: &RanOn) -> String {
    let told = |on: &RanOn| format!("{} with ONNX Runtime {}", on.device, on.runtime);
    match then {
        Some(then) if then == now => format!("ran on {}, as then", told(now)),
        Some(then) => format!("ran on {}, then on {}", told(now), told(then)),
        None => format!("ran on {}; on what it ran then was not noted", told(now)),
    }
}

/// Whether what it ran on may be why bytes are others.
fn whose_difference(then: Option<&RanOn>, now: &RanOn) -> String {
    let Some(then) = then else {
        return "whether it ran on the same is not known: last digits may be those of another device or ONNX Runtime".into();
    };
    let differ = [
        (then.device != now.device).then_some("another device"),
        (then.runtime != now.runtime).then_some("another ONNX Runtime"),
    ];
    let differ: Vec<&str> = differ.into_iter().flatten().collect();
    match differ.is_empty() {
        true => {
            "it ran on the same device with the same ONNX Runtime: the difference is not theirs"
                .into()
        }
        false => format!(
            "it ran on {}: last digits may be theirs, and no more than that",
            differ.join(" with ")
        ),
    }
}

fn tell_findings(then: Option<&serde_json::Value>, now: &serde_json::Value) {
    let then = then.and_then(|then| then.as_array());
    for (at, finding) in now.as_array().into_iter().flatten().enumerate() {
        let value = |of: &serde_json::Value| match of["presence"].as_str().or(of["answer"].as_str())
        {
            Some(said) => said.to_string(),
            None => of["value"].as_f64().map_or("no value".into(), |value| format!("{value:.3}")),
        };
        let exact =
            |of: &serde_json::Value| ["presence", "answer", "value"].map(|word| of[word].clone());
        let concept = finding["concept"].as_str().unwrap_or_default();
        let unit = finding["unit"].as_str().unwrap_or_default();
        let beside = match then.and_then(|then| then.get(at)) {
            Some(before) if exact(before) == exact(finding) => "as then".to_string(),
            Some(before) if value(before) == value(finding) => {
                format!("then {}, to all digits", before["value"])
            }
            Some(before) => format!("then {}", [value(before).as_str(), unit].join(" ").trim_end()),
            None => "not there then".to_string(),
        };
        let now = [value(finding).as_str(), unit].join(" ");
        line!("  {concept}: {}, {beside}", now.trim_end());
    }
}

/// The length of the data set, or what is different in it. File Meta Information is not compared: it
/// names the program that wrote the file.
async fn compare(
    reader: &Reader,
    kept: &Uid,
    made: &ResultObject,
) -> Result<Result<usize, String>, StoreError> {
    let Some(part10) = reader.object(kept).await? else {
        return Ok(Err("is not in the store any more".into()));
    };
    if part10.ends_with(&made.data_set) {
        return Ok(Ok(made.data_set.len()));
    }
    let then = read_header(&part10);
    let now = read_data_set_header(&made.data_set, &made.transfer_syntax);
    Ok(Err(match (then, now) {
        (Ok(then), Ok(now)) => format!("differs in {}", differences(&then, &now).join(", ")),
        (Err(error), _) | (_, Err(error)) => format!("cannot be compared: {error}"),
    }))
}

/// Keywords of the attributes that differ, outermost ones only. Values may be of a patient.
fn differences(then: &Header, now: &Header) -> Vec<String> {
    let tags: BTreeSet<Tag> = then.0.keys().chain(now.0.keys()).copied().collect();
    let differing = tags.into_iter().filter(|tag| then.attribute(*tag) != now.attribute(*tag));
    let words: Vec<String> = differing.map(keyword).collect();
    // Long values and pixels are not in a header.
    if words.is_empty() { vec![keyword(PIXEL_DATA)] } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::header::{Attribute, Value};

    #[test]
    fn what_it_ran_on_is_told_and_blamed_for_no_more_than_it_may_do() {
        let on =
            |device: &str, runtime: &str| RanOn { device: device.into(), runtime: runtime.into() };
        let now = on("cpu", "1.31.1");
        let check = |then: Option<RanOn>, told: &str, difference: &str| {
            assert_eq!(ran_on(then.as_ref(), &now), told);
            let found = whose_difference(then.as_ref(), &now);
            assert!(found.contains(difference), "{found}");
        };
        let then = Some(now.clone());
        check(then, "ran on cpu with ONNX Runtime 1.31.1, as then", "the difference is not theirs");
        check(
            Some(on("cuda:0", "1.30.0")),
            "ran on cpu with ONNX Runtime 1.31.1, then on cuda:0 with ONNX Runtime 1.30.0",
            "on another device with another ONNX Runtime",
        );
        check(
            Some(on("cpu", "1.30.0")),
            "ran on cpu with ONNX Runtime 1.31.1, then on cpu with ONNX Runtime 1.30.0",
            "it ran on another ONNX Runtime:",
        );
        check(
            None,
            "ran on cpu with ONNX Runtime 1.31.1; on what it ran then was not noted",
            "is not known",
        );
    }

    #[test]
    fn what_differs_is_named_by_its_keyword_and_without_its_value() {
        let header = |attributes: &[(Tag, &str)]| {
            let attribute = |text: &str| Attribute {
                vr: "LO".into(),
                values: [Value::Text(text.into())].into(),
            };
            Header(attributes.iter().map(|(tag, text)| (*tag, attribute(text))).collect())
        };
        let then = header(&[(0x0008_0060, "SR"), (0x0018_1020, "0.1"), (0x0008_103E, "a")]);
        let now = header(&[(0x0008_0060, "SR"), (0x0018_1020, "0.2"), (0x0020_0011, "900")]);
        let expected = ["SeriesDescription", "SoftwareVersions", "SeriesNumber"];
        assert_eq!(differences(&then, &now), expected);
        assert_eq!(differences(&then, &then), ["PixelData"]);
    }
}
