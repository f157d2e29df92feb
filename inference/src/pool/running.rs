//! Room for what a model does, its process, and the watch over what that takes meanwhile.

use super::residents::{Admission, Growth};
use super::together::Asked;
use super::turns::{Turn, Turns};
use super::{Pool, stopped};
use crate::engine::{Answer, EngineOptions, InferError};
use crate::models::Model;
use crate::worker::OnDevice;
use crate::worker::process::{LOOK, NotOpened, Pages, Process, Worker};
use gantry_terms::images::Images;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Who wants room waits in the order in which he came, so that small runs do not keep a large one out for ever. Who has
/// room never waits for a turn or for more of it, so that each of them comes to an end.
#[derive(Debug, Default)]
pub(super) struct Queue {
    first: tokio::sync::Mutex<()>,
    /// Somebody left.
    left: Notify,
}

/// Room that is set aside for one model, and its process, until this is dropped.
struct Place {
    pool: Pool,
    model: String,
    worker: Option<Worker>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Its memory is free before somebody else gets it.
        drop(self.worker.take());
        self.pool.residents().leave(&self.model);
        self.pool.queue.left.notify_one();
    }
}

impl Pool {
    pub(super) async fn try_run(
        &self,
        model: &Arc<Model>,
        turn: &Turn<Asked>,
        batch: Vec<Vec<Images>>,
    ) -> Result<Vec<Answer>, InferError> {
        let voxels = batch.iter().flatten().map(Images::count).sum();
        let batch = Arc::new(batch);
        loop {
            let place = self.place(model, voxels).await?;
            if let Some((place, worker)) = self.worker(place, model, Some(turn)).await?
                && let Some(answers) =
                    self.run_in((place, worker), turn, model, &batch, voxels).await?
            {
                return Ok(answers);
            }
            tracing::info!(model = model.name, "outgrew its room: again in a new process");
        }
    }

    /// None: again, it has outgrown its room.
    async fn run_in(
        &self,
        (place, worker): (Place, Worker),
        turn: &Turn<Asked>,
        model: &Arc<Model>,
        batch: &Arc<Vec<Vec<Images>>>,
        voxels: usize,
    ) -> Result<Option<Vec<Answer>>, InferError> {
        let process = worker.process();
        let held = Held::default();
        // However this ends, also where nobody polls it any more: its process is killed, and then the device is somebody else's.
        let _leaves = Leaves(held.clone());
        let mut guard = KilledOnDrop(Some(process.clone()));
        // Those whose tensors have other shapes run one after the other.
        let runs = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let limit = model.manifest.time_out.saturating_mul(runs) + self.options.grace;
        let (of, batch) = (model.clone(), batch.clone());
        let lane = self.lanes.get(&self.device(model));
        let (asks, asked) = oneshot::channel();
        let (grants, granted) = std::sync::mpsc::channel();
        let leaves = Leaves(held.clone());
        let enter = lane.map(|_| {
            move || {
                asks.send(()).ok()?;
                granted.recv().ok().map(|()| leaves)
            }
        });
        let mut run = tokio::task::spawn_blocking(move || {
            let mut worker = worker;
            let answers = worker.ask(&of, &batch, enter);
            // It has its room until it has ended, even when nobody waits for it any more.
            (worker, answers, place)
        });
        let stops = tokio::select! {
            ended = &mut run => {
                let (worker, answers, place) = ended.map_err(|_| stopped())?;
                guard.0 = None;
                match answers {
                    Ok(_) => self.back(model, worker, voxels),
                    // Its process has ended before somebody else gets its room.
                    Err(_) => drop(worker),
                }
                drop(place);
                return answers.map(Some).map_err(InferError::Transient);
            }
            () = lasts(limit, turn, lane.map(|lane| (lane, asked, grants, &held))) => {
                let (name, seconds) = (&model.name, limit.as_secs());
                let text =
                    format!("the process of the model `{name}` hung for {seconds} s and was ended");
                Err(InferError::Transient(text))
            }
            why = self.outgrown(model, &process, voxels) => match why {
                Some(why) => Err(InferError::Permanent(why)),
                None => Ok(None),
            },
        };
        drop(guard);
        // One that does not end, as a driver holds it, keeps its room and not the turn, nor the device.
        let _ = tokio::time::timeout(self.options.grace, run).await;
        stops
    }

    /// Waits until there is room for a run on so many voxels, or for opening the graph.
    async fn place(&self, model: &Model, voxels: usize) -> Result<Place, InferError> {
        let _first = self.queue.first.lock().await;
        loop {
            match self.admit(model, voxels) {
                Ok(Some(place)) => return Ok(place),
                Ok(None) => self.queue.left.notified().await,
                Err(why) => return Err(InferError::Permanent(why)),
            }
        }
    }

    /// None: not now. An error is why never.
    fn admit(&self, model: &Model, voxels: usize) -> Result<Option<Place>, String> {
        let admission = self.residents().admit(&model.name, voxels);
        match admission {
            Admission::Now { worker, gone } => {
                let place = Place { pool: self.clone(), model: model.name.clone(), worker };
                unload(gone);
                Ok(Some(place))
            }
            Admission::Later => Ok(None),
            Admission::Never(why) => Err(why),
        }
    }

    /// Comes back when it may not go on: with why it never will, or with nothing where it may begin again.
    async fn outgrown(&self, model: &Model, process: &Process, voxels: usize) -> Option<String> {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = process.peak_memory().unwrap_or(0);
            let growth = self.residents().grows(&model.name, voxels, now);
            match growth {
                Growth::Fits(gone) => unload(gone),
                Growth::Again => return None,
                Growth::Never(why) => return Some(why),
            }
        }
    }

    /// The one that is open, or a new one. None: again, it has outgrown its room.
    async fn worker(
        &self,
        mut place: Place,
        model: &Arc<Model>,
        turn: Option<&Turn<Asked>>,
    ) -> Result<Option<(Place, Worker)>, InferError> {
        let open = place.worker.take();
        if let Some(worker) = open.filter(|worker| !worker.process().has_ended()) {
            return Ok(Some((place, worker)));
        }
        turn.inspect(|turn| turn.loads());
        let began = Instant::now();
        let (pool, of) = (self.clone(), model.clone());
        // It has its room for as long as it takes, even when nobody waits for it any more.
        let opened = tokio::task::spawn_blocking(move || (pool.open(&of), place)).await;
        let took = began.elapsed();
        // What does not open is no reason to go on with it.
        let useful = matches!(opened, Ok((Ok(Some(_)), _)));
        turn.inspect(|turn| turn.loaded(if useful { took } else { Duration::ZERO }));
        let (opened, place) = opened.map_err(|_| stopped())?;
        Ok(opened.map_err(not_opened)?.map(|worker| (place, worker)))
    }

    /// Without a turn: nobody who has one waits for it, but where there is no room for both.
    pub(super) async fn open_beside(&self, model: &Arc<Model>) -> Result<(), InferError> {
        loop {
            let place = self.place(model, 0).await?;
            if let Some((_place, worker)) = self.worker(place, model, None).await? {
                self.back(model, worker, 0);
                return Ok(());
            }
        }
    }

    /// Nothing else is under way yet, so that there is room or never will be.
    pub(super) fn open_at_start(&self, model: &Model) -> Result<(), NotOpened> {
        let Some(_place) = self.admit(model, 0).map_err(NotOpened::TooLarge)? else {
            return Ok(());
        };
        loop {
            if let Some(worker) = self.open(model)? {
                self.back(model, worker, 0);
                return Ok(());
            }
        }
    }

    /// Where room is set aside for it. None: again, it has outgrown that.
    fn open(&self, model: &Model) -> Result<Option<Worker>, NotOpened> {
        let stopped = Mutex::new(None);
        let goes_on = |bytes: u64| {
            let growth = self.residents().grows(&model.name, 0, bytes);
            match growth {
                Growth::Fits(gone) => unload(gone),
                stops => *stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stops),
            }
            stopped.lock().unwrap_or_else(PoisonError::into_inner).is_none()
        };
        let Self { options, .. } = self;
        // What is free by now is not what all may take.
        let device_memory = self.residents().budget_there(&model.name);
        let device = self.device(model);
        let engine = EngineOptions { device, device_memory, ..options.engine.clone() };
        let pages = match self.residents().is_lean(&model.name) {
            true => Pages::Small,
            false => Pages::Large,
        };
        let started = Worker::start(&options.program, model, &engine, pages, goes_on);
        let took = started.as_ref().ok().and_then(|worker| worker.process().peak_memory());
        if let Some(bytes) = took {
            // What it took since the last look.
            goes_on(bytes);
        }
        match stopped.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Growth::Never(why)) => return Err(NotOpened::TooLarge(why)),
            Some(_) => return Ok(None),
            None => {}
        }
        let worker = started?;
        let OnDevice { took: there, most } = worker.on_device();
        let mut residents = self.residents();
        residents.opened(&model.name, took.unwrap_or(0));
        residents.took_there(&model.name, 0, there, most);
        drop(residents);
        match worker.device() {
            (on, None) => {
                tracing::info!(model = model.name, %on, "the model is loaded in a process of its own");
            }
            (on, Some(why)) => {
                let wanted = engine.device;
                tracing::warn!(model = model.name, %on, %wanted, why, "not on its device");
            }
        }
        Ok(Some(worker))
    }

    /// Idle again; what it took is remembered.
    fn back(&self, model: &Model, worker: Worker, voxels: usize) {
        let bytes = worker.process().peak_memory().unwrap_or(0);
        let OnDevice { took: there, most } = worker.on_device();
        let mut residents = self.residents();
        residents.took_there(&model.name, voxels, there, most);
        let gone = residents.back(&model.name, worker, voxels, bytes);
        let refusal = residents.refusal(&model.name, voxels);
        drop(residents);
        unload(gone);
        if let Some(why) = refusal {
            tracing::warn!(model = model.name, why, "too large for the budget");
        }
    }
}

/// A run's turn on its device.
type Held = Arc<Mutex<Option<Turn<()>>>>;

/// It ends when this is dropped.
struct Leaves(Held);

impl Drop for Leaves {
    fn drop(&mut self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }
}

/// How a run has its device: whose turns there are, when it wants one, whom to tell that it has it, and what it has then.
type Lane<'a> = (&'a Turns<()>, oneshot::Receiver<()>, std::sync::mpsc::Sender<()>, &'a Held);

/// Comes back when a run has lasted too long, what it waits for its device not counted. There its turn is somebody else's from when
/// its images are prepared, and the most urgent of those that are prepared has the device next.
async fn lasts(limit: Duration, turn: &Turn<Asked>, lane: Option<Lane<'_>>) {
    if let Some((lane, asked, grants, held)) = lane {
        match tokio::time::timeout(limit, asked).await {
            Err(_) => return,
            // It ends without.
            Ok(Err(_)) => return std::future::pending().await,
            Ok(Ok(())) => {}
        }
        turn.give_away();
        let began = Instant::now();
        let (has, ()) = lane.turn(turn.wish().clone(), ()).await;
        turn.has_waited(began.elapsed());
        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(has);
        // Who has ended meanwhile needs none.
        if grants.send(()).is_err() {
            drop(Leaves(held.clone()));
        }
    }
    tokio::time::sleep(limit).await;
}

pub(super) fn not_opened(error: NotOpened) -> InferError {
    match error {
        NotOpened::Faulty(text) | NotOpened::TooLarge(text) => InferError::Permanent(text),
        NotOpened::NoRuntime(text) | NotOpened::NotNow(text) => InferError::Transient(text),
    }
}

/// Their processes end, and are waited for.
fn unload(gone: Vec<(String, Worker)>) {
    for (model, worker) in gone {
        tracing::info!(model, "unloaded: the memory is needed");
        drop(worker);
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
