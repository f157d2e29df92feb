//! One thread owns ONNX Runtime's sessions and takes images from one bounded queue; callers wait for their findings.

mod recovering;

use crate::batch::{Seat, alike, apart, stacked};
use crate::device::Device;
use crate::findings::interpret;
use crate::frames;
use crate::graph;
use crate::manifest::InputKind;
use crate::models::{Model, Models};
use crate::prepare::Prepared;
use crate::problem::ModelProblem;
use crate::ran_on::RanOn;
use crate::run::{How, run};
use crate::runtime::{self, RuntimeError};
use crate::site::Site;
use crate::tensors::Tensors;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use ort::environment::Environment;
use ort::session::Session;
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait. What each is about is held in memory, so few: who comes later waits with an
/// `Arc` in hand and the job still leased.
const QUEUE: usize = 4;

#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// The library of ONNX Runtime; without it see [`runtime::find_library`].
    pub library: Option<PathBuf>,
    /// Threads of one run; without it as many as there are cores.
    pub threads: Option<usize>,
    pub device: Device,
    /// By NVIDIA's TensorRT what it can do of a graph on a device.
    pub tensorrt: bool,
    /// Bytes of its memory that ONNX Runtime may take for tensors; without it what is free there at the start, but for a sixteenth of
    /// all.
    pub device_memory: Option<u64>,
}

/// How a run has its device, where others have it before and after. Each is called once for a batch, and may block.
pub trait Shared {
    /// All that needs no device has been done: comes back when this run has it.
    fn enter(&self);
    /// Nothing of this run needs it any more.
    fn leave(&self);
}

/// Nobody else has it.
struct Alone;

impl Shared for Alone {
    fn enter(&self) {}
    fn leave(&self) {}
}

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What ONNX Runtime may take.
    pub most: u64,
    /// What was free before this engine took any.
    pub first: u64,
    pub free: u64,
    /// How much more than now it had for volumes at the most.
    pub gave_back: u64,
}

/// Why no model can run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine lacks what models need. Everything else of the node works without.
    #[error(transparent)]
    NoRuntime(#[from] RuntimeError),
    /// The same, as a process said it.
    #[error("{0}")]
    Unavailable(String),
    /// The models do not keep their manifests: their author must act.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Models(Vec<ModelProblem>),
    #[error("the thread of the engine does not start: {0}")]
    Thread(std::io::Error),
}

/// Why there are no findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// May work later: too slow this time, out of memory, shutting down.
    #[error("{0}")]
    Transient(String),
    /// Will be the same next time.
    #[error("{0}")]
    Permanent(String),
}

/// A handle on the owner thread. When the last one is dropped, the thread ends after its job.
#[derive(Debug, Clone)]
pub struct Engine {
    models: Arc<Models>,
    queue: mpsc::Sender<Request>,
    site: Site,
    /// Models whose tensors can not stay on a device: their graphs take or give other numbers than float32.
    others: Arc<BTreeSet<String>>,
    /// Why it is not the device that was asked for.
    why: Option<Arc<str>>,
    /// ONNX Runtime's version and build.
    runtime: Arc<str>,
    /// The device has failed, and nothing more may be expected of it in this process.
    lost: Arc<AtomicBool>,
}

/// Where a caller waits; closed when it has left.
type Reply = oneshot::Sender<Result<Tensors, InferError>>;

#[derive(Debug)]
struct Request {
    model: Arc<Model>,
    prepared: Arc<Prepared>,
    how: How,
    reply: Reply,
}

impl Engine {
    /// Loads the library, opens every graph once to compare it with its manifest, and starts the
    /// owner thread. Blocks for as long as that takes. All problems of all models come at once.
    pub fn start(models: Arc<Models>, options: EngineOptions) -> Result<Self, EngineError> {
        let library = runtime::find_library(options.library.as_deref())?;
        let environment = runtime::environment(&library)?;
        let (site, why, others) = settle(&environment, &models, &options)?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let owner = Owner { environment, sessions: HashMap::new(), site: site.clone(), requests };
        let thread = std::thread::Builder::new().name("inference".into());
        thread.spawn(move || owner.work()).map_err(EngineError::Thread)?;
        tracing::info!(library = %library.display(), "ONNX Runtime is loaded");
        let why = why.map(Arc::from);
        let others = Arc::new(others);
        let runtime = runtime::build(&library).into();
        Ok(Self { models, queue, site, others, why, runtime, lost: Arc::default() })
    }

    /// What it runs on, and why it is not what was asked for.
    pub fn device(&self) -> (Device, Option<&str>) {
        (self.site.device(), self.why.as_deref())
    }

    /// Of its device; none where that is the CPU.
    pub fn device_memory(&self) -> Option<DeviceMemory> {
        let gpu = self.site.gpu.as_ref()?;
        // A device that does not answer fails the next run, which says so.
        let (free, _) = gpu.memory().ok()?;
        let (first, gave_back) = (gpu.free_at_first() as u64, gpu.gave_back().ok()?);
        Some(DeviceMemory { most: self.site.most, first, free: free as u64, gave_back })
    }

    /// Whether its device has failed for good: a new process may have it again.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Prepares the images for each input of the model, waits for its turn, then for the run. Dropping the
    /// future ends the run.
    pub async fn infer(
        &self,
        model: &str,
        images: Vec<impl Into<Images>>,
    ) -> Result<Findings, InferError> {
        let images = images.into_iter().map(Into::into).collect();
        let answer = self.infer_batch(model, vec![images]).await.pop();
        answer.unwrap_or_else(|| Err(gone())).map(|found| found.findings)
    }

    /// The same for several that each have images for every input: an answer for each, in their order.
    /// What has one shape goes through the graph together, and fails together.
    pub async fn infer_batch(&self, model: &str, batch: Vec<Vec<Images>>) -> Vec<Answer> {
        self.infer_sharing(model, batch, &Alone).await
    }

    /// The same, with the device only for what runs there: images are prepared on the CPU before and findings measured
    /// behind it. What is prepared on the device is prepared when it is there.
    pub async fn infer_sharing(
        &self,
        model: &str,
        batch: Vec<Vec<Images>>,
        device: &impl Shared,
    ) -> Vec<Answer> {
        let Some(model) = self.models.model(model).cloned() else {
            device.enter();
            device.leave();
            let error = InferError::Permanent(format!("there is no model `{model}`"));
            return batch.iter().map(|_| Err(error.clone())).collect();
        };
        let mut answers: Vec<Answer> = batch.iter().map(|_| Err(gone())).collect();
        let mut members = Vec::with_capacity(batch.len());
        let there = self.is_prepared_there(&model);
        if there {
            device.enter();
        }
        for (at, images) in batch.into_iter().enumerate() {
            match self.member(&model, images).await {
                Ok(member) => members.push((at, member)),
                Err(error) => answers[at] = Err(error),
            }
        }
        if !there {
            device.enter();
        }
        let prepared = members.iter().map(|(_, member)| &*member.prepared);
        let mut ran = Vec::new();
        for group in alike(prepared.enumerate()) {
            let (places, group): (Vec<usize>, Vec<&Member>) =
                group.into_iter().map(|number| (members[number].0, &members[number].1)).unzip();
            let each = self.together(&model, &group).await;
            ran.push((places, group, each));
        }
        device.leave();
        for (places, group, each) in ran {
            let each = each.map(|(each, device)| (each, self.ran_on(device)));
            let found = found_of(&model, &group, each).await;
            for (at, answer) in places.into_iter().zip(found) {
                answers[at] = answer;
            }
        }
        answers
    }

    /// One run for all of them: the tensors of each, and where it was made.
    async fn together(
        &self,
        model: &Arc<Model>,
        group: &[&Member],
    ) -> Result<(Vec<Tensors>, Device), InferError> {
        match group {
            [alone] => {
                let tensors = self.tensors(model, alone.prepared.clone(), Some(&alone.images));
                tensors.await.map(|(all, device)| (vec![all], device))
            }
            _ => {
                let stacked = stacked(group.iter().map(|member| &*member.prepared));
                let (all, device) = self.tensors(model, Arc::new(stacked), None).await?;
                let each = apart(all, group.len()).map_err(|error| failed(model, &error))?;
                Ok((each, device))
            }
        }
    }

    fn ran_on(&self, device: Device) -> RanOn {
        let tensorrt = self.site.tensorrt && device != Device::Cpu;
        RanOn { device, tensorrt, runtime: self.runtime.to_string() }
    }

    async fn member(&self, model: &Arc<Model>, images: Vec<Images>) -> Result<Member, InferError> {
        let images: Arc<[Images]> = images.into();
        let prepared = self.prepared(model, &images, &self.how(model)).await?;
        Ok(Member { images, prepared })
    }
}

/// What each of a group is told, of its tensors.
async fn found_of(
    model: &Arc<Model>,
    group: &[&Member],
    each: Result<(Vec<Tensors>, RanOn), InferError>,
) -> Vec<Answer> {
    let (each, on) = match each {
        Ok(each) => each,
        Err(error) => return group.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut answers = Vec::with_capacity(group.len());
    for ((at, member), tensors) in group.iter().enumerate().zip(each) {
        let seat = Seat { at, of: group.len() };
        answers.push(member.found(model, tensors, seat, on.clone()).await);
    }
    answers
}

/// What one caller is told.
pub type Answer = Result<Found, InferError>;

#[derive(Debug, Clone)]
pub struct Found {
    pub findings: Findings,
    pub seat: Seat,
    pub on: RanOn,
}

/// One of those that go through the graph together.
struct Member {
    images: Arc<[Images]>,
    prepared: Arc<Prepared>,
}

impl Member {
    async fn found(&self, model: &Arc<Model>, tensors: Tensors, seat: Seat, on: RanOn) -> Answer {
        let (of, images, prepared) = (model.clone(), self.images.clone(), self.prepared.clone());
        let findings = elsewhere(model, move || match &of.manifest.lead().kind {
            InputKind::Frames(wanted) => {
                frames::interpret(&of, &images[0], &prepared, &tensors, wanted)
            }
            _ => interpret(&of, &images[0], &prepared, &tensors),
        });
        let findings = findings.await?.map_err(|error| failed(model, &error))?;
        Ok(Found { findings, seat, on })
    }
}

fn gone() -> InferError {
    InferError::Transient("the engine has stopped".into())
}

/// Where the models run, why not where they were asked to, and the names of those whose numbers are not all float32. Each
/// graph is opened once to compare it with its manifest.
fn settle(
    environment: &Environment,
    models: &Models,
    options: &EngineOptions,
) -> Result<(Site, Option<String>, BTreeSet<String>), EngineError> {
    let mut others = BTreeSet::new();
    let mut problems = |site: &Site| -> Vec<ModelProblem> {
        let mut found = Vec::new();
        for model in models.iter() {
            match graph::open(environment, model, site) {
                Ok(session) => {
                    found.extend(graph::check(&session, model));
                    if !graph::is_float32(&session, model) {
                        others.insert(model.name.clone());
                    }
                }
                Err(problem) => found.push(problem),
            }
        }
        found
    };
    let on_cpu = Site { threads: options.threads, ..Site::default() };
    let found = problems(&on_cpu);
    if !found.is_empty() {
        return Err(EngineError::Models(found));
    }
    if options.device == Device::Cpu {
        return Ok((on_cpu, None, others));
    }
    // What opens on the CPU and not there is for want of the device, not the author's fault.
    let why = match Site::open(options) {
        Ok(site) => match problems(&site).first() {
            None => return Ok((site, None, others)),
            Some(problem) => problem.text.clone(),
        },
        Err(error) => error.to_string(),
    };
    match models.iter().find(|model| !model.manifest.cpu) {
        None => Ok((on_cpu, Some(why), others)),
        Some(model) => {
            let text = format!(
                "it can not run on {}, and `cpu = false` allows no other: {why}",
                options.device
            );
            Err(EngineError::Models(vec![ModelProblem::of_file(&model.graph, text)]))
        }
    }
}

/// Work on voxels, beside the threads that others wait for.
async fn elsewhere<T: Send + 'static>(
    model: &Model,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, InferError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.is_panic() {
        true => panicked(model),
        false => gone(),
    })
}

fn failed(model: &Model, error: &dyn std::fmt::Display) -> InferError {
    InferError::Permanent(format!("the model `{}`: {error}", model.name))
}

fn panicked(model: &Model) -> InferError {
    InferError::Permanent(format!("the model `{}` made the engine panic", model.name))
}

/// What lives on the owner thread only.
struct Owner {
    environment: Environment,
    /// By the model's name and by where, opened at its first run there. Dropped before the device.
    sessions: HashMap<(String, Device), Session>,
    site: Site,
    requests: mpsc::Receiver<Request>,
}

impl Owner {
    fn work(mut self) {
        while let Some(Request { model, prepared, how, reply }) = self.requests.blocking_recv() {
            if reply.is_closed() {
                continue; // nobody waits any more
            }
            let tensors = guarded(&model, || self.run(&model, &prepared, &how, &reply));
            // The caller may have left meanwhile: then the tensors are of no use to anyone.
            let _ = reply.send(tensors);
        }
    }

    fn run(
        &mut self,
        model: &Model,
        prepared: &Prepared,
        how: &How,
        reply: &Reply,
    ) -> Result<Tensors, InferError> {
        let site = if how.gpu.is_some() { self.site.clone() } else { self.site.on_cpu() };
        let key = (model.name.clone(), site.device());
        // Taken out while it runs: after a panic it is not used again.
        let session = self.sessions.remove(&key);
        let mut session = session.map_or_else(|| self.open(model, &site), Ok)?;
        let tensors = run(&mut session, model, prepared, how, reply);
        self.sessions.insert(key, session);
        tensors
    }

    fn open(&self, model: &Model, site: &Site) -> Result<Session, InferError> {
        graph::open(&self.environment, model, site)
            .map_err(|problem| InferError::Permanent(problem.to_string()))
    }
}

/// A panic costs the job, not the thread that all jobs need.
fn guarded<T>(
    model: &Model,
    work: impl FnOnce() -> Result<T, InferError>,
) -> Result<T, InferError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked(model)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_panic_in_the_owner_thread_fails_the_job_and_not_the_node() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let models = Models::load(&shipped).unwrap();
        let model = models.model("emphysema").unwrap();
        let error = guarded::<()>(model, || panic!("as a defect would")).unwrap_err();
        let text = "the model `emphysema` made the engine panic";
        assert_eq!(error, InferError::Permanent(text.into()));
    }
}
