//! A process of its own for one model: what its graph does to this process it does to no other, and when it ends its memory is free again.

mod frame;
pub mod process;

use crate::batch::Seat;
use crate::device::Device;
use crate::engine::{
    Answer, DeviceMemory, Engine, EngineError, EngineOptions, Found, InferError, Shared,
};
use crate::models::Models;
use crate::ran_on::RanOn;
use frame::{read_head, write_head};
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
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

/// What the driver takes of a device for each process, which it tells nobody: a guess.
const CONTEXT: u64 = 512 << 20;

/// The first thing that a worker is told.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    /// Of the model.
    folder: PathBuf,
    library: Option<PathBuf>,
    threads: Option<usize>,
    device: Device,
    tensorrt: bool,
    device_memory: Option<u64>,
    /// Of the graph and of its manifest, as the node has read them.
    digest: String,
    manifest_digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum Opened {
    /// On this device; with the reason where it is not the one that was asked for.
    Ready(Device, Option<String>, OnDevice),
    /// The machine lacks what models need.
    NoRuntime(String),
    /// The model does not keep its manifest, or is another one by now.
    Faulty(String),
}

/// Of the memory of its device, in bytes; 0 on the CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDevice {
    /// What ONNX Runtime may take there.
    pub most: u64,
    /// What the process has taken there at the most, as far as the driver tells.
    pub took: u64,
}

/// For each of a batch, and of these for each input, its images. Their numbers follow, one after the
/// other.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    batch: Vec<Vec<Images>>,
    /// Others have the device, too: a [`Step`] is said where this run wants it and where it leaves it, and it begins there when
    /// it is told [`Told::Go`].
    shares: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Wants,
    Left,
}

#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Asked(Asked),
    /// It has the device now.
    Go,
}

/// One for each of the batch, and behind them [`OnDevice`]. The voxels of the masks follow, one after the other, and then the values of
/// the images.
#[derive(Debug, Serialize, Deserialize)]
enum Answered {
    Found(Box<Findings>, Seat, RanOn),
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
    let mut account = Account::default();
    let on_device = account.told(&engine);
    write_head(&mut node, &Opened::Ready(device, why.map(Into::into), on_device))?;
    while let Ok(Heard::Asked(batch, shares)) = asked.recv() {
        let run =
            Run { node: &node, asked: &asked, shares, engine: &engine, account: account.into() };
        let answers = runtime.block_on(engine.infer_sharing(&name, batch, &run));
        account = run.account.into_inner();
        for answer in answers {
            reply(&mut node, answer)?;
        }
        write_head(&mut node, &account.last)?;
        if engine.is_lost() {
            // A new process may have the device again.
            break;
        }
    }
    Ok(())
}

/// One run, as the node and the device see it.
struct Run<'a> {
    node: &'a UnixStream,
    asked: &'a Receiver<Heard>,
    shares: bool,
    engine: &'a Engine,
    account: RefCell<Account>,
}

impl Shared for Run<'_> {
    /// A node that is not there any more ends this process.
    fn enter(&self) {
        if self.shares && write_head(&mut &*self.node, &Step::Wants).is_ok() {
            let _ = self.asked.recv();
        }
        self.account.borrow_mut().begins(self.engine);
    }

    fn leave(&self) {
        self.account.borrow_mut().told(self.engine);
        if self.shares {
            // The answer fails as well.
            let _ = write_head(&mut &*self.node, &Step::Left);
        }
    }
}

/// What a process has taken of its device: the driver tells what is free for all of them, so only what goes while this one works is
/// this one's.
#[derive(Debug, Default)]
struct Account {
    /// Free when it began to work; none: it has just been opened.
    before: Option<u64>,
    taken: u64,
    most: u64,
    /// As it was told last.
    last: OnDevice,
}

impl Account {
    fn begins(&mut self, engine: &Engine) {
        self.before = engine.device_memory().map(|memory| memory.free);
    }

    fn told(&mut self, engine: &Engine) -> OnDevice {
        self.last = engine.device_memory().map_or_else(OnDevice::default, |memory| self.of(memory));
        self.last
    }

    fn of(&mut self, memory: DeviceMemory) -> OnDevice {
        let before = self.before.unwrap_or(memory.first);
        self.taken = (self.taken + before).saturating_sub(memory.free);
        self.before = Some(memory.free);
        self.most = self.most.max(self.taken + memory.gave_back);
        OnDevice { most: memory.most, took: self.most + CONTEXT }
    }
}

/// From the node.
enum Heard {
    Task(Task),
    /// Whether it shares the device with others.
    Asked(Vec<Vec<Images>>, bool),
    Go,
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
            message = read_told(&mut node);
        }
        std::process::exit(0)
    })?;
    Ok(asked)
}

fn read_told(node: &mut impl io::Read) -> io::Result<Heard> {
    let Asked { batch, shares } = match read_head(node)? {
        Told::Asked(asked) => asked,
        Told::Go => return Ok(Heard::Go),
    };
    let mut with_numbers = |images: Images| {
        let mut numbers = vec![0.0; images.count()];
        node.read_exact(numbers.as_mut_bytes())?;
        Ok(images.with_numbers(numbers))
    };
    let of_one = |images: Vec<Images>| images.into_iter().map(&mut with_numbers).collect();
    let batch = batch.into_iter().map(of_one).collect::<io::Result<_>>()?;
    Ok(Heard::Asked(batch, shares))
}

fn open(task: Task) -> Result<(String, Engine), Opened> {
    let Task { folder, library, threads, device, tensorrt, device_memory, digest, manifest_digest } =
        task;
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
    let options = EngineOptions { library, threads, device, tensorrt, device_memory };
    let engine = Engine::start(Arc::new(models), options);
    match engine {
        Ok(engine) => Ok((model.name.clone(), engine)),
        Err(error @ EngineError::NoRuntime(_)) => Err(Opened::NoRuntime(error.to_string())),
        Err(error) => Err(Opened::Faulty(error.to_string())),
    }
}

fn reply(node: &mut UnixStream, answer: Answer) -> io::Result<()> {
    let (mut findings, seat, on) = match answer {
        Ok(Found { findings, seat, on }) => (findings, seat, on),
        Err(InferError::Transient(text)) => return write_head(node, &Answered::Transient(text)),
        Err(InferError::Permanent(text)) => return write_head(node, &Answered::Permanent(text)),
    };
    let masks = findings.masks.iter_mut();
    let masks: Vec<[Vec<u8>; 2]> = masks
        .map(|mask| [std::mem::take(&mut mask.voxels), std::mem::take(&mut mask.probabilities)])
        .collect();
    let images: Vec<Vec<f32>> =
        findings.derived.iter_mut().map(|image| std::mem::take(&mut image.values)).collect();
    write_head(node, &Answered::Found(Box::new(findings), seat, on))?;
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
    fn a_process_counts_what_goes_while_it_works_and_what_it_gave_back() {
        let mut account = Account::default();
        let mut told = |free, gave_back, before: Option<u64>| {
            account.before = before.or(account.before);
            let took = account.of(DeviceMemory { most: 800, first: 1000, free, gave_back });
            assert_eq!(took.most, 800);
            took.took - CONTEXT
        };
        assert_eq!(told(900, 0, None), 100, "its graph");
        assert_eq!(told(500, 30, Some(700)), 330, "200 went to others before");
        assert_eq!(told(650, 30, Some(600)), 330, "it has less by now, and had as much");
        assert_eq!(told(100, 0, Some(400)), 550);
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
        let on = RanOn { device: Device::Cuda(1), tensorrt: true, runtime: "1.31.1".into() };
        reply(&mut near, Ok(Found { findings, seat: Seat::ALONE, on: on.clone() }))
            .expect("written");
        let found = answer(&mut far, &[images]).expect("read").expect("findings");
        assert_eq!(found.on, on);
        let over = |mask: &Mask| (mask.voxels.clone(), mask.probabilities.clone());
        let masks: Vec<_> = found.findings.masks.iter().map(over).collect();
        assert_eq!(masks, [(vec![0, 1, 1], vec![9, 128, 255]), (vec![1, 0, 1], vec![])]);
    }
}
