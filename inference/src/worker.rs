//! A process of its own for one model: what its graph does to this process it does to no other, and when it ends its memory is free again.

mod frame;
pub mod process;

use crate::batch::Seat;
use crate::device::Device;
use crate::engine::{Answer, Engine, EngineError, EngineOptions, Found, InferError};
use crate::models::Models;
use frame::{read_head, write_head};
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use tokio::signal::unix::{SignalKind, signal};
use zerocopy::IntoBytes;

/// Added to what the kernel thinks of when memory runs out (proc(5), oom_score_adj): rather this
/// process than the node.
const ENDED_FIRST: &str = "600";

/// The first thing that a worker is told.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    /// Of the model.
    folder: PathBuf,
    library: Option<PathBuf>,
    threads: Option<usize>,
    device: Device,
    tensorrt: bool,
    /// Of the graph and of its manifest, as the node has read them.
    digest: String,
    manifest_digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum Opened {
    /// On this device; with the reason where it is not the one that was asked for.
    Ready(Device, Option<String>),
    /// The machine lacks what models need.
    NoRuntime(String),
    /// The model does not keep its manifest, or is another one by now.
    Faulty(String),
}

/// For each of a batch, and of these for each input, its images. Their numbers follow, one after the
/// other.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    batch: Vec<Vec<Images>>,
}

/// One for each of the batch. The voxels of the masks follow, one after the other, and then the values of
/// the images.
#[derive(Debug, Serialize, Deserialize)]
enum Answered {
    Found(Box<Findings>, Seat),
    Transient(String),
    Permanent(String),
}

/// What `gantry worker` does: serves the node at the other end of standard input until that ends.
pub fn serve() -> io::Result<()> {
    // Not there on other systems, and no reason not to work.
    let _ = std::fs::write("/proc/self/oom_score_adj", ENDED_FIRST);
    let mut node = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let asked = listen(node.try_clone()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Who stops the service tells all of its processes; the node first finishes what it has in hand.
    let _stays = runtime.block_on(async { signal(SignalKind::terminate()) })?;
    let Ok(Heard::Task(task)) = asked.recv() else { return Ok(()) };
    let (name, engine) = match open(task) {
        Ok(opened) => opened,
        Err(told) => return write_head(&mut node, &told),
    };
    let (device, why) = engine.device();
    write_head(&mut node, &Opened::Ready(device, why.map(Into::into)))?;
    while let Ok(Heard::Asked(batch)) = asked.recv() {
        for answer in runtime.block_on(engine.infer_batch(&name, batch)) {
            reply(&mut node, answer)?;
        }
        if engine.is_lost() {
            // A new process may have the device again.
            break;
        }
    }
    Ok(())
}

/// From the node.
enum Heard {
    Task(Task),
    Asked(Vec<Vec<Images>>),
}

/// Reads what is asked on a thread of its own, so that the end of the node is the end of a run too.
fn listen(node: UnixStream) -> io::Result<Receiver<Heard>> {
    let (heard, asked) = sync_channel(0);
    std::thread::Builder::new().name("node".into()).spawn(move || {
        let mut node = BufReader::new(node);
        let mut message = read_head(&mut node).map(Heard::Task);
        while let Ok(whole) = message {
            if heard.send(whole).is_err() {
                break;
            }
            message = read_images(&mut node).map(Heard::Asked);
        }
        std::process::exit(0)
    })?;
    Ok(asked)
}

fn read_images(node: &mut impl io::Read) -> io::Result<Vec<Vec<Images>>> {
    let Asked { batch } = read_head(node)?;
    let mut with_numbers = |images: Images| {
        let mut numbers = vec![0.0; images.count()];
        node.read_exact(numbers.as_mut_bytes())?;
        Ok(images.with_numbers(numbers))
    };
    let of_one = |images: Vec<Images>| images.into_iter().map(&mut with_numbers).collect();
    batch.into_iter().map(of_one).collect()
}

fn open(task: Task) -> Result<(String, Engine), Opened> {
    let Task { folder, library, threads, device, tensorrt, digest, manifest_digest } = task;
    let models = Models::one(&folder).map_err(|problems| {
        Opened::Faulty(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let model = models.iter().next().cloned();
    let same = model
        .filter(|model| (&model.digest, &model.manifest_digest) == (&digest, &manifest_digest));
    let Some(model) = same else {
        let folder = folder.display();
        let text = format!("{folder}: the model has changed since the node started: restart it");
        return Err(Opened::Faulty(text));
    };
    let options = EngineOptions { library, threads, device, tensorrt };
    let engine = Engine::start(Arc::new(models), options);
    match engine {
        Ok(engine) => Ok((model.name.clone(), engine)),
        Err(error @ EngineError::NoRuntime(_)) => Err(Opened::NoRuntime(error.to_string())),
        Err(error) => Err(Opened::Faulty(error.to_string())),
    }
}

fn reply(node: &mut UnixStream, answer: Answer) -> io::Result<()> {
    let (mut findings, seat) = match answer {
        Ok(Found { findings, seat }) => (findings, seat),
        Err(InferError::Transient(text)) => return write_head(node, &Answered::Transient(text)),
        Err(InferError::Permanent(text)) => return write_head(node, &Answered::Permanent(text)),
    };
    let masks = findings.masks.iter_mut();
    let masks: Vec<[Vec<u8>; 2]> = masks
        .map(|mask| [std::mem::take(&mut mask.voxels), std::mem::take(&mut mask.probabilities)])
        .collect();
    let images: Vec<Vec<f32>> =
        findings.derived.iter_mut().map(|image| std::mem::take(&mut image.values)).collect();
    write_head(node, &Answered::Found(Box::new(findings), seat))?;
    for [voxels, probabilities] in &masks {
        node.write_all(voxels)?;
        node.write_all(&[u8::from(!probabilities.is_empty())])?;
        node.write_all(probabilities)?;
    }
    images.iter().try_for_each(|image| node.write_all(image.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::process::answer;
    use gantry_terms::code::Code;
    use gantry_terms::film::Film;
    use gantry_terms::findings::{Algorithm, Findings, Mask};
    use gantry_terms::images::Images;
    use gantry_terms::uid::Uid;

    fn mask(voxels: &[u8], probabilities: &[u8]) -> Mask {
        let code = Code::new("1", "99X", "thing");
        Mask {
            key: "mask".into(),
            label: "Mask".into(),
            category: code.clone(),
            property: code,
            colour: [1, 2, 3],
            voxels: voxels.into(),
            probabilities: probabilities.into(),
        }
    }

    #[test]
    fn masks_come_over_with_their_probabilities_and_without() {
        let code = Code::new("1", "99X", "thing");
        let text = String::new;
        let algorithm = Algorithm {
            name: text(),
            title: text(),
            version: text(),
            manufacturer: text(),
            family: code.clone(),
            digest: text(),
            manifest_digest: text(),
            research_only: true,
        };
        let findings = Findings {
            algorithm,
            procedure: code,
            groups: Vec::new(),
            masks: vec![mask(&[0, 1, 1], &[9, 128, 255]), mask(&[1, 0, 1], &[])],
            derived: Vec::new(),
            remarks: Vec::new(),
        };
        let uid = Uid::parse("1.2.3").expect("a UID");
        let images = Images::from(Film {
            frames: 1,
            channels: 1,
            rows: 1,
            columns: 3,
            pixels: vec![0.0; 3],
            sop_class: uid.clone(),
            sop_instance: uid,
            pixel_spacing: None,
            patient_spacing: None,
        });
        let (mut near, mut far) = UnixStream::pair().expect("two ends");
        reply(&mut near, Ok(Found { findings, seat: Seat::ALONE })).expect("written");
        let found = answer(&mut far, &[images]).expect("read").expect("findings");
        let over = |mask: &Mask| (mask.voxels.clone(), mask.probabilities.clone());
        let masks: Vec<_> = found.findings.masks.iter().map(over).collect();
        assert_eq!(masks, [(vec![0, 1, 1], vec![9, 128, 255]), (vec![1, 0, 1], vec![])]);
    }
}
