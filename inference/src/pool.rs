//! The models of the node, each in a process of its own: one runs at a time, urgent ones first, and idle ones go when memory is wanted.

mod turns;

pub use turns::Urgency;

use crate::engine::{EngineError, EngineOptions, InferError};
use crate::models::{Model, Models};
use crate::problem::ModelProblem;
use crate::worker::process::{AskError, NotOpened, Process, Worker};
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use turns::Turns;

#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// What is started as `program worker`, and calls [`crate::worker::serve`] then.
    pub program: PathBuf,
    pub engine: EngineOptions,
    /// Bytes that all processes may take together.
    pub memory: u64,
    /// Behind the time-out of a run, for preparing, reading and the way there and back. A process that
    /// has not answered by then hangs.
    pub grace: Duration,
}

/// Cheap to clone. When the last one is dropped, the processes end.
#[derive(Debug, Clone)]
pub struct Pool {
    models: Arc<Models>,
    options: Arc<PoolOptions>,
    residents: Arc<Mutex<BTreeMap<String, Resident>>>,
    turns: Turns,
}

/// What is known of a model that ran, or could run.
#[derive(Debug)]
struct Resident {
    /// None: it is running, or was ended.
    worker: Option<Worker>,
    used: Instant,
    /// The most bytes that its processes ever took; 0: not known.
    peak: u64,
}

impl Pool {
    /// Opens every graph once, each in its process, and compares it with its manifest. All problems of
    /// all models come at once. Blocks for as long as that takes.
    pub fn start(models: Arc<Models>, options: PoolOptions) -> Result<Self, EngineError> {
        let pool = Self {
            models: models.clone(),
            options: Arc::new(options),
            residents: Arc::default(),
            turns: Turns::default(),
        };
        let mut problems = Vec::new();
        for model in models.iter() {
            match pool.open(model) {
                Ok(worker) => pool.back(model, worker),
                Err(NotOpened::NoRuntime(text)) => return Err(EngineError::Unavailable(text)),
                Err(NotOpened::Faulty(text)) | Err(NotOpened::NotNow(text)) => {
                    problems.push(ModelProblem::of_file(&model.graph, text));
                }
            }
        }
        if problems.is_empty() { Ok(pool) } else { Err(EngineError::Models(problems)) }
    }

    /// Waits for its turn, then for the run. Dropping the future ends the run. Beside the findings it is
    /// told how long they took since the turn came.
    pub async fn infer(
        &self,
        model: &str,
        images: Vec<Images>,
        urgency: Urgency,
    ) -> Result<(Findings, Duration), InferError> {
        let found = self.models.model(model).cloned();
        let model =
            found.ok_or_else(|| InferError::Permanent(format!("there is no model `{model}`")))?;
        let _turn = self.turns.turn(urgency).await;
        let began = Instant::now();
        let worker = self.worker(&model).await?;
        let mut guard = KilledOnDrop(Some(worker.process()));
        let limit = model.manifest.time_out + self.options.grace;
        let (asked, of) = (images, model.clone());
        let run = tokio::task::spawn_blocking(move || {
            let mut worker = worker;
            let answer = worker.ask(&of, &asked);
            (worker, answer)
        });
        let ended = tokio::time::timeout(limit, run).await;
        let (worker, answer) = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => return Err(InferError::Transient("the engine has stopped".into())),
            Err(_) => {
                let (name, seconds) = (&model.name, limit.as_secs());
                let text =
                    format!("the process of the model `{name}` hung for {seconds} s and was ended");
                return Err(InferError::Transient(text));
            }
        };
        guard.0 = None;
        match answer {
            Ok(findings) => {
                self.back(&model, worker);
                Ok((findings, began.elapsed()))
            }
            Err(AskError::Failed(error)) => {
                self.back(&model, worker);
                Err(error)
            }
            Err(AskError::Ended(text)) => Err(InferError::Transient(text)),
        }
    }

    /// The one that is open, or a new one.
    async fn worker(&self, model: &Arc<Model>) -> Result<Worker, InferError> {
        let open =
            self.residents().get_mut(&model.name).and_then(|resident| resident.worker.take());
        if let Some(worker) = open {
            return Ok(worker);
        }
        let (pool, of) = (self.clone(), model.clone());
        let opened = tokio::task::spawn_blocking(move || pool.open(&of)).await;
        let opened = opened.map_err(|_| InferError::Transient("the engine has stopped".into()))?;
        opened.map_err(|error| match error {
            NotOpened::Faulty(text) => InferError::Permanent(text),
            NotOpened::NoRuntime(text) | NotOpened::NotNow(text) => InferError::Transient(text),
        })
    }

    fn open(&self, model: &Model) -> Result<Worker, NotOpened> {
        self.make_room(model);
        let Self { options, .. } = self;
        let worker = Worker::start(&options.program, model, &options.engine)?;
        tracing::info!(model = model.name, "the model is loaded in a process of its own");
        Ok(worker)
    }

    /// Ends idle processes, the one that was not used for longest first, until what this model took
    /// before fits.
    fn make_room(&self, model: &Model) {
        let mut residents = self.residents();
        let wanted = residents.get(&model.name).map_or(0, |resident| resident.peak);
        loop {
            let idle = residents.iter_mut().filter(|(_, resident)| resident.worker.is_some());
            let (taken, oldest) = idle.fold(
                (0, None::<(&String, &mut Resident)>),
                |(sum, oldest), (name, resident)| {
                    let sum = sum + resident.peak;
                    match oldest {
                        Some(other) if other.1.used <= resident.used => (sum, Some(other)),
                        _ => (sum, Some((name, resident))),
                    }
                },
            );
            let Some((name, resident)) = oldest.filter(|_| taken + wanted > self.options.memory)
            else {
                return;
            };
            tracing::info!(model = name, "unloaded: another model needs the memory");
            resident.worker = None;
        }
    }

    /// Idle again; what it took is remembered.
    fn back(&self, model: &Model, worker: Worker) {
        let peak = worker.process().peak_memory().unwrap_or(0);
        let mut residents = self.residents();
        let known = residents.get(&model.name).map_or(0, |resident| resident.peak);
        let peak = peak.max(known);
        let resident = Resident { worker: Some(worker), used: Instant::now(), peak };
        residents.insert(model.name.clone(), resident);
    }

    fn residents(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Resident>> {
        self.residents.lock().unwrap_or_else(PoisonError::into_inner)
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
