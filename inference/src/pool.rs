//! The models of the node, each in a process of its own: one runs at a time, and together they keep to a budget of memory.

mod residents;
mod turns;

pub use turns::Urgency;

use crate::device::{Device, placed};
use crate::engine::{EngineError, EngineOptions, InferError};
use crate::models::{Model, Models};
use crate::problem::ModelProblem;
use crate::worker::process::{AskError, NotOpened, Process, Worker};
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use residents::Residents;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use turns::{Turns, Wish};

#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// What is started as `program worker`, and calls [`crate::worker::serve`] then.
    pub program: PathBuf,
    /// For each model's process; its device is one of `devices`.
    pub engine: EngineOptions,
    /// What models run on, one run at a time on each; at least one.
    pub devices: Vec<Device>,
    /// Bytes that all processes may take together.
    pub memory: u64,
    /// A routine run that has waited for so long goes before newer stat runs, one at a time.
    pub ageing: Duration,
    /// Behind the time-out of a run, for preparing, reading and the way there and back. A process that
    /// has not answered by then hangs.
    pub grace: Duration,
}

/// Cheap to clone. When the last one is dropped, the processes end.
#[derive(Debug, Clone)]
pub struct Pool {
    models: Arc<Models>,
    options: Arc<PoolOptions>,
    residents: Arc<Mutex<Residents<Worker>>>,
    /// Of the models.
    placed: Arc<BTreeMap<String, Device>>,
    turns: Arc<BTreeMap<Device, Turns>>,
}

/// How often a look is taken at how much a run takes.
const LOOK: Duration = Duration::from_millis(100);

impl Pool {
    /// Opens every graph once, each in its process, and compares it with its manifest. All problems of
    /// all models come at once. Blocks for as long as that takes.
    pub fn start(models: Arc<Models>, options: PoolOptions) -> Result<Self, EngineError> {
        let pool = Self {
            models: models.clone(),
            residents: Arc::new(Mutex::new(Residents::new(options.memory))),
            turns: Arc::new(
                options.devices.iter().map(|on| (*on, Turns::new(options.ageing))).collect(),
            ),
            placed: Arc::new(placed(&sizes(&models), &options.devices)),
            options: Arc::new(options),
        };
        let mut problems = Vec::new();
        for model in models.iter() {
            if !model.manifest.cpu && pool.device(model) == Device::Cpu {
                let text = "its manifest says `cpu = false`, and models run on the CPU here: `gantry doctor` \
                            says why; give the node a CUDA device, or take the model away";
                problems.push(ModelProblem::of_file(&model.graph, text));
                continue;
            }
            match pool.open(model) {
                Ok(worker) => pool.back(model, worker, 0),
                Err(NotOpened::NoRuntime(text)) => return Err(EngineError::Unavailable(text)),
                Err(NotOpened::Faulty(text)) | Err(NotOpened::NotNow(text)) => {
                    problems.push(ModelProblem::of_file(&model.graph, text));
                }
            }
        }
        if problems.is_empty() { Ok(pool) } else { Err(EngineError::Models(problems)) }
    }

    /// Waits for its turn, then for the run. Dropping the future ends the run. Beside the findings it is
    /// told how long they took since the turn came. Who has waited elsewhere before says for how long.
    pub async fn infer(
        &self,
        model: &str,
        images: Vec<Images>,
        urgency: Urgency,
        waited: Duration,
    ) -> Result<(Findings, Duration), InferError> {
        let found = self.models.model(model).cloned();
        let model =
            found.ok_or_else(|| InferError::Permanent(format!("there is no model `{model}`")))?;
        let now = Instant::now();
        let since = now.checked_sub(waited).unwrap_or(now);
        let turns = self.turns.get(&self.device(&model)).ok_or_else(stopped)?;
        let _turn = turns.turn(Wish { urgency, model: model.name.clone(), since }).await;
        let began = Instant::now();
        let voxels = images.iter().map(Images::count).sum();
        if let Some(why) = self.residents().refusal(&model.name, voxels) {
            return Err(InferError::Permanent(why));
        }
        let worker = self.worker(&model).await?;
        let findings = self.run(&model, worker, images, voxels).await?;
        Ok((findings, began.elapsed()))
    }

    async fn run(
        &self,
        model: &Arc<Model>,
        worker: Worker,
        images: Vec<Images>,
        voxels: usize,
    ) -> Result<Findings, InferError> {
        let process = worker.process();
        let _runs = Runs::begin(self, &model.name);
        let mut guard = KilledOnDrop(Some(process.clone()));
        let limit = model.manifest.time_out + self.options.grace;
        let of = model.clone();
        let run = tokio::task::spawn_blocking(move || {
            let mut worker = worker;
            let answer = worker.ask(&of, &images);
            (worker, answer)
        });
        let (worker, answer) = tokio::select! {
            ended = run => ended.map_err(|_| stopped())?,
            () = tokio::time::sleep(limit) => {
                let (name, seconds) = (&model.name, limit.as_secs());
                let text =
                    format!("the process of the model `{name}` hung for {seconds} s and was ended");
                return Err(InferError::Transient(text));
            }
            why = self.outgrown(model, &process, voxels) => return Err(InferError::Permanent(why)),
        };
        guard.0 = None;
        match answer {
            Ok(findings) => {
                self.back(model, worker, voxels);
                Ok(findings)
            }
            Err(AskError::Failed(error)) => {
                self.back(model, worker, voxels);
                Err(error)
            }
            Err(AskError::Ended(text)) => Err(InferError::Transient(text)),
        }
    }

    /// While it runs idle ones go as it grows. Comes back when it has outgrown the whole budget.
    async fn outgrown(&self, model: &Model, process: &Process, voxels: usize) -> String {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = process.peak_memory().unwrap_or(0);
            let mut residents = self.residents();
            if residents.exceeds(now) {
                return residents.exceeded(&model.name, voxels, now);
            }
            unload(residents.make_room(&model.name, now));
        }
    }

    /// The one that is open, or a new one.
    async fn worker(&self, model: &Arc<Model>) -> Result<Worker, InferError> {
        let open = self.residents().take(&model.name);
        if let Some(worker) = open.filter(|worker| !worker.process().has_ended()) {
            unload(self.residents().make_room(&model.name, 0));
            return Ok(worker);
        }
        let (pool, of) = (self.clone(), model.clone());
        let opened = tokio::task::spawn_blocking(move || pool.open(&of)).await;
        opened.map_err(|_| stopped())?.map_err(|error| match error {
            NotOpened::Faulty(text) => InferError::Permanent(text),
            NotOpened::NoRuntime(text) | NotOpened::NotNow(text) => InferError::Transient(text),
        })
    }

    fn open(&self, model: &Model) -> Result<Worker, NotOpened> {
        unload(self.residents().make_room(&model.name, 0));
        let Self { options, .. } = self;
        let engine = EngineOptions { device: self.device(model), ..options.engine.clone() };
        let worker = Worker::start(&options.program, model, &engine)?;
        match worker.device() {
            (on, None) => {
                tracing::info!(model = model.name, %on, "the model is loaded in a process of its own");
            }
            (on, Some(why)) => {
                let wanted = engine.device;
                tracing::warn!(model = model.name, %on, %wanted, why, "not on its device");
            }
        }
        Ok(worker)
    }

    /// How many there are, each of which runs one model at a time.
    pub fn devices(&self) -> usize {
        self.options.devices.len()
    }

    fn device(&self, model: &Model) -> Device {
        self.placed.get(&model.name).copied().unwrap_or_default()
    }

    /// Idle again; what it took is remembered.
    fn back(&self, model: &Model, worker: Worker, voxels: usize) {
        let bytes = worker.process().peak_memory().unwrap_or(0);
        let mut residents = self.residents();
        unload(residents.back(&model.name, worker, voxels, bytes));
        if let Some(why) = residents.refusal(&model.name, voxels) {
            tracing::warn!(model = model.name, why, "too large for the budget");
        }
    }

    fn residents(&self) -> std::sync::MutexGuard<'_, Residents<Worker>> {
        self.residents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of their graphs.
pub fn sizes(models: &Models) -> BTreeMap<String, u64> {
    let bytes = |model: &Model| std::fs::metadata(&model.graph).map_or(0, |about| about.len());
    models.iter().map(|model| (model.name.clone(), bytes(model))).collect()
}

fn stopped() -> InferError {
    InferError::Transient("the engine has stopped".into())
}

/// Their processes end, and are waited for.
fn unload(gone: Vec<(String, Worker)>) {
    for (model, worker) in gone {
        tracing::info!(model, "unloaded: the memory is needed");
        drop(worker);
    }
}

/// A run, for those on other devices, for as long as this is there.
struct Runs(Arc<Mutex<Residents<Worker>>>, String);

impl Runs {
    fn begin(pool: &Pool, model: &str) -> Self {
        pool.residents().running(model, true);
        Self(pool.residents.clone(), model.into())
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running(&self.1, false);
    }
}

/// Nobody waits for what it does any more.
struct KilledOnDrop(Option<Process>);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.kill();
        }
    }
}
