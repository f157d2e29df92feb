//! One run of one graph on one volume, under watch: ended when it takes too long or when nobody waits for it.

use crate::answers::{Failure, classes_of, labels_of, numbers_of};
use crate::cuda::Gpu;
use crate::cuda::run::{OnGpu, Place};
use crate::device::Fault;
use crate::engine::InferError;
use crate::frames;
use crate::given::{Given, Taken};
use crate::manifest::{InputKind, TensorKind, WindowsWanted};
use crate::models::Model;
use crate::pieces;
use crate::prepare::Prepared;
use crate::runtime::told::told;
use crate::tensors::{Elements, Tensor, Tensors};
use ort::session::{RunOptions, Session, SessionOutputs};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often a run looks whether its caller is still there.
const WATCH: Duration = Duration::from_millis(50);

/// How a run is made: where, and of pieces how many at a time where it is not as the manifest says.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// None: the CPU.
    pub gpu: Option<Arc<Gpu>>,
    pub batch: Option<usize>,
}

/// Blocks until the graph has run, on the whole of the volume or on each of its pieces, or was ended.
pub fn run<T: Send>(
    session: &mut Session,
    model: &Model,
    prepared: &Prepared,
    how: &How,
    reply: &oneshot::Sender<T>,
) -> Result<Tensors, InferError> {
    let options = RunOptions::new().map_err(|error| failure(model, &error))?;
    let limit = model.manifest.time_out;
    let smaller = |wanted: &WindowsWanted| {
        let batch = how.batch.unwrap_or(wanted.batch);
        WindowsWanted { batch, ..*wanted }
    };
    let windows = model.manifest.lead().windows.as_ref().map(smaller);
    let on_device = prepared.inputs.iter().all(|input| input.on_device().is_some());
    let gpu = how.gpu.as_deref().filter(|_| on_device);
    let (tensors, end) = watched(
        limit,
        reply,
        || options.terminate().is_ok(),
        || match (gpu, &windows, &model.manifest.lead().kind) {
            (Some(gpu), windows, _) => {
                let run = OnGpu { gpu, place: Place::Cuda, model, prepared };
                run.run(session, &options, windows.as_ref())
            }
            (None, _, InputKind::Frames(wanted)) => {
                frames::run(session, &options, model, prepared, wanted)
            }
            (None, None, _) => whole(session, &options, model, prepared),
            // What was terminated once ends the runs of all further pieces, too.
            (None, Some(windows), _) => pieces::run(session, &options, model, prepared, windows),
        },
    );
    match (tensors, end) {
        (Ok(tensors), _) => Ok(tensors),
        (Err(Failure::Graph(text)), _) => {
            Err(InferError::Permanent(format!("the model `{}`: {text}", model.name)))
        }
        (Err(_), Some(End::TooLong)) => {
            let (name, seconds) = (&model.name, limit.as_secs_f64());
            let text = format!("the model `{name}` took longer than its {seconds} s and was ended");
            Err(InferError::Transient(text))
        }
        (Err(_), Some(End::NobodyWaits)) => {
            Err(InferError::Transient("the run was ended because nobody waited for it".into()))
        }
        (Err(Failure::Device(error)), None) => Err(failure(model, &error)),
        (Err(Failure::Runtime(error)), None) => Err(failure(model, &error)),
    }
}

fn whole(
    session: &mut Session,
    options: &RunOptions,
    model: &Model,
    prepared: &Prepared,
) -> Result<Tensors, Failure> {
    let kinds = Taken::by(session);
    let mut inputs = spacings(&kinds, model, prepared)?;
    let tensors = model.manifest.tensors();
    let tensors: Vec<_> = tensors.map(|(name, at)| (name, prepared.channels(&at))).collect();
    for (name, (shape, voxels)) in &tensors {
        inputs.push(((*name).into(), kinds.tensor(name, shape.clone(), voxels)?));
    }
    taken(model, &session.run_with_options(inputs, options)?)
}

/// The tensors of distances between voxels, for the inputs that have one.
pub fn spacings<'a>(
    kinds: &Taken,
    model: &'a Model,
    prepared: &'a Prepared,
) -> Result<Given<'a>, Failure> {
    let mut given = Given::new();
    for (input, prepared) in model.manifest.inputs.iter().zip(&prepared.inputs) {
        if let (Some(tensor), Some(spacing)) = (&input.spacing_tensor, &prepared.spacing) {
            let spacing = kinds.tensor(tensor, vec![3], spacing)?;
            given.push((tensor.as_str().into(), spacing));
        }
    }
    Ok(given)
}

/// The outputs that the manifest names.
fn taken(model: &Model, outputs: &SessionOutputs) -> Result<Tensors, Failure> {
    let mut tensors = Tensors::default();
    for wanted in model.manifest.given() {
        let name = wanted.name;
        if tensors.0.contains_key(name) {
            continue;
        }
        let (shape, elements) = match wanted.kind {
            TensorKind::Labels => {
                let (shape, labels) = labels_of(outputs, name)?;
                (shape, Elements::Labels(labels.into_owned()))
            }
            TensorKind::Classes => {
                let (shape, classes) = classes_of(outputs, name)?;
                (shape, Elements::Classes(classes.into_owned()))
            }
            TensorKind::Numbers | TensorKind::Boxes(_) | TensorKind::Scores => {
                let (shape, numbers) = numbers_of(outputs, name)?;
                (shape, Elements::Numbers(numbers.into_owned()))
            }
        };
        tensors.0.insert(name.to_string(), Tensor { shape: shape.to_vec(), elements });
    }
    Ok(tensors)
}

/// Why the watch ended a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    TooLong,
    NobodyWaits,
}

/// Runs `work` here while another thread looks at the clock and at the caller, and ends it by
/// `terminate`, which says whether it could.
fn watched<T, A: Send>(
    limit: Duration,
    reply: &oneshot::Sender<A>,
    terminate: impl Fn() -> bool + Send,
    work: impl FnOnce() -> T,
) -> (T, Option<End>) {
    let (finished, running) = std::sync::mpsc::channel::<()>();
    let deadline = Instant::now() + limit;
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if running.recv_timeout(left.min(WATCH)) == Err(RecvTimeoutError::Disconnected) {
                    return None;
                }
                let end = match (left.is_zero(), reply.is_closed()) {
                    (true, _) => End::TooLong,
                    (_, true) => End::NobodyWaits,
                    _ => continue,
                };
                if terminate() {
                    return Some(end);
                }
            }
        });
        // Dropped when the work returns or panics: either way the watch ends.
        let finished = finished;
        let result = work();
        drop(finished);
        (result, watch.join().unwrap_or(None))
    })
}

/// Memory and a device may be there next time; what else ONNX Runtime says will be the same.
fn failure(model: &Model, error: &dyn std::fmt::Display) -> InferError {
    let said = error.to_string();
    let text = format!("the model `{}` failed in ONNX Runtime: {}", model.name, told(&said));
    // By all that it says: where it says it tells of the device, too.
    match Fault::of(&said) {
        Fault::OutOfMemory | Fault::Device => InferError::Transient(text),
        Fault::Graph => InferError::Permanent(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::sync::oneshot;

    /// Work that goes on until it is terminated.
    fn endless(limit: Duration, reply: &oneshot::Sender<()>) -> Option<End> {
        let (terminate, terminated) = mpsc::channel();
        watched(limit, reply, move || terminate.send(()).is_ok(), || terminated.recv()).1
    }

    #[test]
    fn a_run_is_ended_by_the_clock_or_when_its_caller_leaves() {
        let (reply, caller) = oneshot::channel::<()>();
        assert_eq!(endless(Duration::from_millis(1), &reply), Some(End::TooLong));
        drop(caller);
        assert_eq!(endless(Duration::from_secs(3600), &reply), Some(End::NobodyWaits));
    }

    #[test]
    fn a_run_that_finishes_is_left_alone() {
        let (reply, _caller) = oneshot::channel::<()>();
        let (result, end) = watched(Duration::from_secs(3600), &reply, || true, || 7);
        assert_eq!((result, end), (7, None));
    }
}
