//! The models of the node, each in a process of its own: one runs at a time on each device, and together they keep to a budget of memory.

mod needs;
mod residents;
mod running;
mod together;
mod turns;

pub use turns::Urgency;

use crate::batch::Seat;
use crate::device::{Device, placed};
use crate::engine::{Answer, EngineError, EngineOptions, Found, InferError};
use crate::models::{Model, Models};
use crate::problem::ModelProblem;
use crate::ran_on::RanOn;
use crate::worker::process::{NotOpened, Worker};
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use residents::Residents;
use running::{Queue, not_opened};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use together::{Asked, How};
use tokio::sync::oneshot;
use turns::{Turn, Turns, Wish};

#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// What is started as `program worker`, and calls [`crate::worker::serve`] then.
    pub program: PathBuf,
    /// For each model's process; its device is one of `devices`, and the memory there is for all processes together.
    pub engine: EngineOptions,
    /// What models run on, one run at a time on each; at least one. On a CUDA device the next one is prepared meanwhile.
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
    /// May become more while it runs.
    models: Arc<Mutex<Models>>,
    options: Arc<PoolOptions>,
    residents: Arc<Mutex<Residents<Worker>>>,
    /// Who waits for room.
    queue: Arc<Queue>,
    /// Of the models that were there at the start; others go to the first device.
    placed: Arc<BTreeMap<String, Device>>,
    /// Who prepares next, on the CPU who runs.
    turns: Arc<BTreeMap<Device, Turns<Asked>>>,
    /// Who has a CUDA device next, of those that are prepared.
    lanes: Arc<BTreeMap<Device, Turns<()>>>,
    /// Films that a model can take together, where more of them failed.
    together: Arc<Mutex<HashMap<String, usize>>>,
}

/// What came out, and how.
#[derive(Debug, Clone)]
pub struct Told {
    pub findings: Findings,
    /// Its share of the time since the turn came.
    pub took: Duration,
    pub seat: Seat,
    pub on: RanOn,
}

impl Pool {
    /// Opens every graph once, each in its process, and compares it with its manifest. All problems of
    /// all models come at once. Blocks for as long as that takes.
    pub fn start(models: Arc<Models>, options: PoolOptions) -> Result<Self, EngineError> {
        let pool = Self {
            models: Arc::new(Mutex::new(Models::of(models.iter().cloned()))),
            residents: Arc::new(Mutex::new(Residents::new(options.memory, told(&options)))),
            queue: Arc::default(),
            turns: Arc::new(
                options.devices.iter().map(|on| (*on, Turns::new(options.ageing))).collect(),
            ),
            lanes: Arc::new(
                options
                    .devices
                    .iter()
                    .filter(|on| **on != Device::Cpu)
                    .map(|on| (*on, Turns::new(options.ageing)))
                    .collect(),
            ),
            placed: Arc::new(placed(&sizes(&models), &options.devices)),
            together: Arc::default(),
            options: Arc::new(options),
        };
        let mut problems = Vec::new();
        for model in models.iter() {
            pool.know(model);
            let opened = pool.can_run(model).and_then(|()| pool.open_at_start(model));
            match opened {
                Ok(()) => {}
                Err(NotOpened::NoRuntime(text)) => return Err(EngineError::Unavailable(text)),
                // Its jobs say so, and other models run.
                Err(NotOpened::TooLarge(why)) => {
                    tracing::warn!(model = model.name, why, "too large for the budget");
                }
                Err(NotOpened::Faulty(text) | NotOpened::NotNow(text)) => {
                    problems.push(ModelProblem::of_file(&model.graph, text));
                }
            }
        }
        if problems.is_empty() { Ok(pool) } else { Err(EngineError::Models(problems)) }
    }

    /// A further model, which is opened when it is first asked for. What a process of that name has open
    /// stays open.
    pub fn add(&self, model: Arc<Model>) {
        self.know(&model);
        self.models.lock().unwrap_or_else(PoisonError::into_inner).insert(model);
    }

    /// Opens a further model beside what has the turn here, when there is room for it, and runs it once, when its turn has
    /// come. It is added, open and warm, when that went well; else nothing is left of it.
    pub async fn try_out(
        &self,
        model: &Arc<Model>,
        images: Vec<Images>,
    ) -> Result<Findings, InferError> {
        let known = self.has(model);
        if !known {
            // Another one of its name may have been tried.
            self.forget(&model.name);
        }
        self.know(model);
        let tried = match self.can_run(model).map_err(not_opened) {
            Ok(()) => self.open_and_run(model, images).await,
            Err(error) => Err(error),
        };
        match &tried {
            Ok(_) => self.add(model.clone()),
            Err(_) if known => {}
            Err(_) => self.forget(&model.name),
        }
        tried
    }

    async fn open_and_run(
        &self,
        model: &Arc<Model>,
        images: Vec<Images>,
    ) -> Result<Findings, InferError> {
        self.open_beside(model).await?;
        let told = self.ask_of(model, images, How::Alone, Urgency::Routine, Duration::ZERO).await?;
        Ok(told.findings)
    }

    fn has(&self, model: &Model) -> bool {
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let digests = |model: &Model| (model.digest.clone(), model.manifest_digest.clone());
        models.model(&model.name).is_some_and(|known| digests(known) == digests(model))
    }

    fn know(&self, model: &Model) {
        let graph = std::fs::metadata(&model.graph).map_or(0, |about| about.len());
        self.residents().known(&model.name, graph, self.device(model));
    }

    fn forget(&self, model: &str) {
        let idle = self.residents().forget(model);
        drop(idle);
    }

    fn can_run(&self, model: &Model) -> Result<(), NotOpened> {
        if model.manifest.cpu || self.device(model) != Device::Cpu {
            return Ok(());
        }
        let text = "its manifest says `cpu = false`, and models run on the CPU here: `gantry doctor` says why; \
                    give the node a CUDA device, or take the model away";
        Err(NotOpened::Faulty(text.into()))
    }

    /// The most bytes that a process of the model has taken so far, in its largest run; none where none has come back yet.
    pub fn peak(&self, model: &str) -> Option<u64> {
        self.residents().peak(model)
    }

    /// Why a run of the model on so many voxels, or more, would be refused whenever it is asked for, as far as is known: to be asked
    /// before they are read.
    pub fn refusal(&self, model: &str, voxels: usize) -> Option<String> {
        self.residents().refusal(model, voxels)
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
        let told = self.infer_told(model, images, urgency, waited).await?;
        Ok((told.findings, told.took))
    }

    /// The same, with all that is told of the run.
    pub async fn infer_told(
        &self,
        model: &str,
        images: Vec<Images>,
        urgency: Urgency,
        waited: Duration,
    ) -> Result<Told, InferError> {
        self.ask(model, images, How::Alone, urgency, waited).await
    }

    /// The same, but in one run with others of the model that wait, where its manifest has batches.
    pub async fn infer_together(
        &self,
        model: &str,
        images: Vec<Images>,
        urgency: Urgency,
        waited: Duration,
    ) -> Result<Told, InferError> {
        self.ask(model, images, How::Together, urgency, waited).await
    }

    /// The same to the last bit as it was once, when it ran in this seat: in a batch of as many, which are
    /// copies of it.
    pub async fn infer_again(
        &self,
        model: &str,
        images: Vec<Images>,
        urgency: Urgency,
        seat: Seat,
    ) -> Result<Told, InferError> {
        self.ask(model, images, How::InSeat(seat), urgency, Duration::ZERO).await
    }

    /// The model that was loaded lately and whose routine runs go on therefore: who leases jobs in this
    /// order has the next one ready.
    pub fn row(&self) -> Option<String> {
        self.turns.values().find_map(Turns::row)
    }

    async fn ask(
        &self,
        model: &str,
        images: Vec<Images>,
        how: How,
        urgency: Urgency,
        waited: Duration,
    ) -> Result<Told, InferError> {
        let found =
            self.models.lock().unwrap_or_else(PoisonError::into_inner).model(model).cloned();
        let model =
            found.ok_or_else(|| InferError::Permanent(format!("there is no model `{model}`")))?;
        self.ask_of(&model, images, how, urgency, waited).await
    }

    async fn ask_of(
        &self,
        model: &Arc<Model>,
        images: Vec<Images>,
        how: How,
        urgency: Urgency,
        waited: Duration,
    ) -> Result<Told, InferError> {
        if images.iter().any(|images| images.numbers().len() != images.count()) {
            let text = format!("the images for the model `{}` contradict themselves", model.name);
            return Err(InferError::Permanent(text));
        }
        let turns = self.turns.get(&self.device(model)).ok_or_else(stopped)?;
        let now = Instant::now();
        let since = now.checked_sub(waited).unwrap_or(now);
        loop {
            let (reply, answer) = oneshot::channel();
            let joins = how == How::Together;
            let wish = Wish { urgency, model: model.name.clone(), since, joins };
            let asked = Asked { images: images.clone(), how, at: now.into(), reply };
            let leads = async {
                let (turn, asked) = turns.turn(wish.clone(), asked).await;
                self.lead(model, turn, asked, wish).await
            };
            return tokio::select! {
                biased;
                told = answer => match told {
                    Ok(told) => told,
                    // Who took it along left.
                    Err(_) => continue,
                },
                told = leads => told,
            };
        }
    }

    /// Its turn has come: it runs, and those that it takes along are told.
    async fn lead(
        &self,
        model: &Arc<Model>,
        turn: Turn<Asked>,
        first: Asked,
        wish: Wish,
    ) -> Result<Told, InferError> {
        let all = self.gather(model, &turn, first, wish.urgency).await;
        let (answers, took) = self.answers(model, turn, &all, wish).await;
        let took = took / u32::try_from(all.len()).unwrap_or(u32::MAX);
        let told = |answer: Answer| {
            answer.map(|Found { findings, seat, on }| Told { findings, took, seat, on })
        };
        let mut told = answers.into_iter().map(told);
        let first = told.next().unwrap_or_else(|| Err(stopped()));
        for (asked, told) in all.into_iter().skip(1).zip(told) {
            // Who has left needs none.
            let _ = asked.reply.send(told);
        }
        first
    }

    /// One run for all of them; an answer for each.
    async fn run(
        &self,
        model: &Arc<Model>,
        turn: &Turn<Asked>,
        batch: Vec<Vec<Images>>,
    ) -> Vec<Answer> {
        let count = batch.len();
        let answers = self.try_run(model, turn, batch).await;
        answers.unwrap_or_else(|error| vec![Err(error); count])
    }

    fn most_together(&self, model: &str) -> usize {
        let together = self.together.lock().unwrap_or_else(PoisonError::into_inner);
        together.get(model).copied().unwrap_or(usize::MAX)
    }

    fn at_most_together(&self, model: &str, most: usize) {
        tracing::warn!(model, most, "larger batches fail: no more films than this go together");
        let mut together = self.together.lock().unwrap_or_else(PoisonError::into_inner);
        together.insert(model.to_string(), most);
    }

    /// How many runs are of use at the same time: one on each device, and beside each that is no CPU one that is prepared
    /// or measured on the CPU meanwhile.
    pub fn at_once(&self) -> usize {
        self.options.devices.len() + self.lanes.len()
    }

    fn device(&self, model: &Model) -> Device {
        let first = || self.options.devices.first().copied().unwrap_or_default();
        self.placed.get(&model.name).copied().unwrap_or_else(first)
    }

    fn residents(&self) -> std::sync::MutexGuard<'_, Residents<Worker>> {
        self.residents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the devices' memory before anything is there.
fn told(options: &PoolOptions) -> BTreeMap<Device, u64> {
    let each = |most: u64| options.devices.iter().map(move |on| (*on, most));
    options.engine.device_memory.into_iter().flat_map(each).collect()
}

/// Bytes of their graphs.
pub fn sizes(models: &Models) -> BTreeMap<String, u64> {
    let bytes = |model: &Model| std::fs::metadata(&model.graph).map_or(0, |about| about.len());
    models.iter().map(|model| (model.name.clone(), bytes(model))).collect()
}

fn stopped() -> InferError {
    InferError::Transient("the engine has stopped".into())
}
