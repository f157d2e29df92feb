//! `gantry explain`: why a study, a series or an image did or did not run, from the database: each rule, each condition, the value found, and what came of it.

mod arrivals;
mod decisions;
mod instance;
mod series;
mod study;
pub(crate) mod work;

use crate::cli::ExplainArguments;
use crate::config::Config;
use crate::output::say;
use gantry_store::error::StoreError;
use gantry_store::export::Selector;
use gantry_store::jobs::Job;
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::process::ExitCode;

pub async fn run(arguments: &ExplainArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(&arguments.config.config)?;
    let uid = Uid::parse(&arguments.uid)
        .map_err(|why| format!("{:?} is not a UID: {why}", arguments.uid))?;
    let reader = Store::open_reader(&config.data).await?;
    let explainer = Explainer { reader: &reader, config: &config, images: arguments.images };
    match explainer.explain(&uid).await? {
        Some(text) => say(&text)?,
        None => {
            eprintln!(
                "gantry: no study, series or instance {uid} in {}\n  help: this command takes a Study \
                 Instance UID (0020,000D), a Series Instance UID (0020,000E) or a SOP Instance UID \
                 (0008,0018); `gantry status` tells what is there, `gantry associations --refused` \
                 what was refused",
                config.data.display()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells the story of a UID from what the database holds.
pub struct Explainer<'a> {
    pub reader: &'a Reader,
    pub config: &'a Config,
    /// Name each image, not only the first few.
    pub images: bool,
}

impl Explainer<'_> {
    /// The whole story, or nothing when the node has nothing of this UID. A broken scanner may use
    /// one UID for several things: then each is told.
    pub async fn explain(&self, uid: &Uid) -> Result<Option<String>, StoreError> {
        let mut text = String::new();
        if let Some(study) = self.reader.study(uid).await? {
            self.tell_study(&mut text, &study).await?;
        }
        if let Some(series) = self.reader.series(uid).await? {
            self.tell_series(&mut text, &series).await?;
        }
        if let Some(instance) = self.reader.instance(uid).await? {
            self.tell_instance(&mut text, &instance).await?;
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// What retention took away of it.
    async fn tell_evicted(&self, text: &mut String, uid: &Uid) -> Result<(), StoreError> {
        let selector = Selector::Uid(uid.clone());
        if let (evicted, Some(at)) = self.reader.evicted(&selector).await? {
            text.push_str(&format!(
                "  retain    {evicted} of {uid} evicted by retention, last at {}\n",
                when(at)
            ));
        }
        Ok(())
    }
}

/// Local time, to the second.
pub fn when(moment: Moment) -> String {
    match chrono::DateTime::from_timestamp_micros(moment.0) {
        Some(utc) => utc.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => "an impossible time".into(),
    }
}

/// The model of a job with its version, and its graph and manifest by the first letters of their digests.
pub fn named(job: &Job) -> String {
    let version = job.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let manifest = job.manifest_digest.as_deref();
    let manifest =
        manifest.map(|digest| format!(", manifest {}", short(digest))).unwrap_or_default();
    format!("{}{version} ({}{manifest})", job.model, short(&job.model_digest))
}

pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// `1 image`, `2 images`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
