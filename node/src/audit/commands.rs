//! What admins do with images by commands: told before it is done, and not done when it cannot be told.

use super::code;
use super::events::{self, Instances};
use super::message::{Action, LifeCycle, Message};
use super::record;
use super::this::This;
use super::transfers::patient;
use crate::cli::user_name;
use crate::config::Config;
use gantry_store::contents::Content;
use gantry_store::error::StoreError;
use gantry_store::evict::Evicted;
use gantry_store::export::Selector;
use gantry_store::reader::Reader;
use std::error::Error;
use std::path::Path;

/// Somebody looks at images or reports, or has a model look at them again.
pub async fn shown(
    config: &Config,
    reader: &Reader,
    what: &Selector,
) -> Result<(), Box<dyn Error>> {
    tell(config, reader, what, |this, instances| {
        events::accessed(this, events::user(&user_name()), Action::Read, LifeCycle::Use, instances)
    })
    .await
}

/// Files are written to a folder.
pub async fn exported(
    config: &Config,
    reader: &Reader,
    what: &Selector,
    to: &Path,
) -> Result<(), Box<dyn Error>> {
    let folder = std::path::absolute(to)?.display().to_string();
    tell(config, reader, what, |this, instances| {
        events::exported(this, &user_name(), &folder, instances)
    })
    .await
}

async fn tell(
    config: &Config,
    reader: &Reader,
    what: &Selector,
    make: impl Fn(&This, &Instances) -> Message,
) -> Result<(), Box<dyn Error>> {
    if config.audit.is_none() {
        return Ok(());
    }
    let mut all = Vec::new();
    for content in reader.contents(what).await? {
        all.push(instances(reader, content).await?);
    }
    Ok(record(config, |this| all.iter().map(|instances| make(this, instances)).collect())?)
}

async fn instances(reader: &Reader, content: Content) -> Result<Instances, StoreError> {
    let Content { study, classes, instance } = content;
    let patient = patient(reader, &instance).await?;
    Ok(Instances { study, patient, classes, anonymized: false })
}

/// What retention took away: of a study of which nothing is left that is its end.
pub async fn evicted(
    reader: &Reader,
    evicted: &[Evicted],
    by: Option<&str>,
) -> Result<impl Fn(&This) -> Vec<Message>, StoreError> {
    let mut all = Vec::new();
    for segment in evicted {
        for content in reader.contents_of_segment(segment.segment).await? {
            let rest = reader.contents(&Selector::Uid(content.study.clone())).await?;
            all.push((instances(reader, content).await?, rest.is_empty()));
        }
    }
    let by = by.map(str::to_owned);
    Ok(move |this: &This| {
        let one = |(instances, is_all): &(Instances, bool)| match (is_all, &by) {
            (true, by) => events::study_deleted(this, by.as_deref(), instances),
            (false, by) => {
                let by = by.as_deref().map(events::user);
                let by = by.unwrap_or_else(|| this.participant(Some(code::APPLICATION)));
                events::accessed(this, by, Action::Delete, LifeCycle::Erasure, instances)
            }
        };
        all.iter().map(one).collect()
    })
}
