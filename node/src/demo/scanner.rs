//! The demo's scanner: a phantom made in memory or the files of a folder, sent by C-STORE over one association.

use super::progress::Progress;
use super::{Failure, NODE, SCANNER, Sent};
use crate::dimse::requestor::{Association, Proposed, RequestTimers, Target};
use crate::dimse::status;
use crate::phantom::{self, PhantomOptions};
use bytes::Bytes;
use dicom_dictionary_std::tags;
use dicom_object::OpenFileOptions;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;
use std::path::{Path, PathBuf};

/// One object to send.
pub struct Instance {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub transfer_syntax: Uid,
    pub data_set: Bytes,
}

/// The series of a folder, or the phantom.
pub fn prepare(folder: Option<&Path>) -> Result<Sent, Failure> {
    match folder {
        Some(folder) => read_folder(folder),
        None => make_phantom(),
    }
}

fn make_phantom() -> Result<Sent, Failure> {
    // Fresh UIDs each time, so that a real PACS takes two demos for two studies.
    let seed = Moment::now().0.to_string();
    let phantom = phantom::chest_ct(&seed, &PhantomOptions::default())?;
    let syntax = Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN)?;
    let instances = phantom.instances.into_iter().map(|instance| Instance {
        sop_class: instance.sop_class,
        sop_instance: instance.sop_instance,
        transfer_syntax: syntax.clone(),
        data_set: instance.data_set.into(),
    });
    let instances: Vec<Instance> = instances.collect();
    let called = format!("a phantom chest CT of {} images made in memory", instances.len());
    Ok(Sent { instances, series: vec![phantom.series], truth: Some(phantom.truth), called })
}

fn read_folder(folder: &Path) -> Result<Sent, Failure> {
    let mut files = Vec::new();
    list_files(folder, &mut files)?;
    files.sort();
    let mut sent =
        Sent { instances: Vec::new(), series: Vec::new(), truth: None, called: String::new() };
    for file in &files {
        // What is no DICOM file with pixels or a header of its own stays behind, and is counted.
        let Some((instance, series)) = read_file(file) else { continue };
        if !sent.series.contains(&series) {
            sent.series.push(series);
        }
        sent.instances.push(instance);
    }
    if sent.instances.is_empty() {
        return Err(format!("no DICOM file in {}", folder.display()).into());
    }
    let left = files.len() - sent.instances.len();
    sent.called = format!("{} DICOM files of {}", sent.instances.len(), folder.display());
    if left > 0 {
        sent.called.push_str(&format!(" ({left} files there are no DICOM instances)"));
    }
    Ok(sent)
}

fn list_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read the folder {}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            list_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The instance of a Part 10 file, with its data set as it stands in the file.
fn read_file(file: &Path) -> Option<(Instance, Uid)> {
    let bytes = Bytes::from(std::fs::read(file).ok()?);
    let object = OpenFileOptions::new()
        .read_until(tags::PIXEL_DATA)
        .from_reader(std::io::Cursor::new(bytes.clone()))
        .ok()?;
    let series = object.element(tags::SERIES_INSTANCE_UID).ok()?.to_str().ok()?;
    let meta = object.meta();
    let start = 128 + 4 + 12 + meta.information_group_length as usize;
    let instance = Instance {
        sop_class: Uid::parse(&meta.media_storage_sop_class_uid).ok()?,
        sop_instance: Uid::parse(&meta.media_storage_sop_instance_uid).ok()?,
        transfer_syntax: Uid::parse(&meta.transfer_syntax).ok()?,
        data_set: (start <= bytes.len()).then(|| bytes.slice(start..))?,
    };
    Some((instance, Uid::parse(&series).ok()?))
}

/// Sends everything; returns when the last response came.
pub async fn send(address: &str, sent: &Sent, progress: &mut Progress) -> Result<Moment, Failure> {
    let mut proposed: Vec<Proposed> = Vec::new();
    for instance in &sent.instances {
        let same = |p: &&Proposed| {
            p.sop_class == instance.sop_class && p.transfer_syntaxes[0] == instance.transfer_syntax
        };
        if proposed.iter().find(same).is_none() {
            proposed.push(Proposed {
                sop_class: instance.sop_class.clone(),
                transfer_syntaxes: vec![instance.transfer_syntax.clone()],
            });
        }
    }
    let target = Target {
        servers: vec![vec![address.parse()?]],
        secured: None,
        reports: false,
        identity: None,
        called: AeTitle::parse(NODE)?,
        calling: AeTitle::parse(SCANNER)?,
        timers: RequestTimers::default(),
        maximum_pdu: 131_072,
    };
    let mut association = Association::request(&target, &proposed).await?;
    let mut last_response = Moment::now();
    for (index, instance) in sent.instances.iter().enumerate() {
        let data_set = instance.data_set.clone();
        let answer = association
            .store(&instance.sop_class, &instance.sop_instance, &instance.transfer_syntax, data_set)
            .await?;
        last_response = Moment::now();
        if answer.status != status::SUCCESS {
            progress.line("receive", &format!("an image was answered {:04X}", answer.status));
        }
        progress.doing(
            "receive",
            &format!("{} of {} images safe on disk", index + 1, sent.instances.len()),
        );
    }
    association.release().await;
    progress.done("receive", &format!("{} images safe on disk", sent.instances.len()));
    Ok(last_response)
}
