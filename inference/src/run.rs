//! One run of one graph on one volume, under watch: ended when it takes too long or when nobody waits for it.

use crate::engine::{InferError, Reply};
use crate::findings::{Outputs, interpret};
use crate::models::Model;
use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;
use ort::session::{RunOptions, Session, SessionOutputs};
use ort::value::TensorRef;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How often a run looks whether its caller is still there.
const WATCH: Duration = Duration::from_millis(50);

/// Blocks until the graph has run or was ended.
pub fn run(
    session: &mut Session,
    model: &Model,
    volume: &Volume,
    reply: &Reply,
) -> Result<Findings, InferError> {
    let failed = |error: ort::Error| failure(model, &error);
    let geometry = &volume.geometry;
    let shape = [geometry.slices, geometry.rows, geometry.columns];
    let [between_rows, between_columns] = geometry.pixel_spacing;
    let spacing = [geometry.slice_step, between_rows, between_columns].map(|mm| mm as f32);
    let input = &model.manifest.input;
    let voxels = TensorRef::from_array_view((shape, volume.voxels.as_slice())).map_err(failed)?;
    let mut inputs = ort::inputs! { input.tensor.as_str() => voxels };
    if let Some(tensor) = &input.spacing_tensor {
        let spacing = TensorRef::from_array_view(([3usize], spacing.as_slice())).map_err(failed)?;
        inputs.push((tensor.as_str().into(), spacing.into()));
    }
    let options = RunOptions::new().map_err(failed)?;
    let limit = model.manifest.time_out;
    let (outputs, end) = watched(
        limit,
        reply,
        || options.terminate().is_ok(),
        || session.run_with_options(inputs, &options),
    );
    match (outputs, end) {
        (Ok(outputs), _) => interpret(model, geometry, &Tensors(outputs))
            .map_err(|text| InferError::Permanent(format!("the model `{}`: {text}", model.name))),
        (Err(_), Some(End::TooLong)) => {
            let (name, seconds) = (&model.name, limit.as_secs_f64());
            let text = format!("the model `{name}` took longer than its {seconds} s and was ended");
            Err(InferError::Transient(text))
        }
        (Err(_), Some(End::NobodyWaits)) => {
            Err(InferError::Transient("the run was ended because nobody waited for it".into()))
        }
        (Err(error), None) => Err(failure(model, &error)),
    }
}

/// Why the watch ended a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    TooLong,
    NobodyWaits,
}

/// Runs `work` here while another thread looks at the clock and at the caller, and ends it by
/// `terminate`, which says whether it could.
fn watched<T>(
    limit: Duration,
    reply: &Reply,
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

/// Memory may be there next time; what else ONNX Runtime says will be the same.
fn failure(model: &Model, error: &ort::Error) -> InferError {
    let text = format!("the model `{}` failed in ONNX Runtime: {error}", model.name);
    if text.contains("allocate") || text.contains("bad_alloc") {
        InferError::Transient(text)
    } else {
        InferError::Permanent(text)
    }
}

struct Tensors<'a>(SessionOutputs<'a>);

impl Outputs for Tensors<'_> {
    fn numbers(&self, tensor: &str) -> Result<(&[i64], &[f32]), String> {
        let value = self.0.get(tensor).ok_or_else(|| format!("there is no output `{tensor}`"))?;
        let extracted = value.try_extract_tensor::<f32>();
        extracted.map(|(shape, numbers)| (&**shape, numbers)).map_err(|error| error.to_string())
    }

    fn labels(&self, tensor: &str) -> Result<(&[i64], &[u8]), String> {
        let value = self.0.get(tensor).ok_or_else(|| format!("there is no output `{tensor}`"))?;
        let extracted = value.try_extract_tensor::<u8>();
        extracted.map(|(shape, labels)| (&**shape, labels)).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::sync::oneshot;

    /// Work that goes on until it is terminated.
    fn endless(limit: Duration, reply: &Reply) -> Option<End> {
        let (terminate, terminated) = mpsc::channel();
        watched(limit, reply, move || terminate.send(()).is_ok(), || terminated.recv()).1
    }

    #[test]
    fn a_run_is_ended_by_the_clock_or_when_its_caller_leaves() {
        let (reply, caller) = oneshot::channel();
        assert_eq!(endless(Duration::from_millis(1), &reply), Some(End::TooLong));
        drop(caller);
        assert_eq!(endless(Duration::from_secs(3600), &reply), Some(End::NobodyWaits));
    }

    #[test]
    fn a_run_that_finishes_is_left_alone() {
        let (reply, _caller) = oneshot::channel();
        let (result, end) = watched(Duration::from_secs(3600), &reply, || true, || 7);
        assert_eq!((result, end), (7, None));
    }
}
