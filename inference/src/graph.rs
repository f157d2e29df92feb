//! A graph and its manifest have to mean the same tensors: opened by ONNX Runtime, then names, types and ranks compared.

use crate::manifest::{Manifest, OutputTensor};
use crate::models::{self, Model};
use crate::problem::{ModelProblem, suggestion};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

/// Opens the graph whose digest was taken when the models were loaded. From memory, so that what
/// runs is what was hashed; weights in files of their own are therefore not supported.
pub fn open(
    environment: &Environment,
    model: &Model,
    threads: Option<usize>,
) -> Result<Session, ModelProblem> {
    let problem = |text: String| ModelProblem::of_file(&model.graph, text);
    let bytes = std::fs::read(&model.graph)
        .map_err(|error| problem(format!("the graph can not be read: {error}")))?;
    if models::digest(&bytes) != model.digest {
        return Err(problem("the graph has changed since the node started: restart it".into()));
    }
    build(environment, &bytes, threads).map_err(|reason| {
        problem(format!(
            "the graph of the model `{}` does not open in ONNX Runtime ({}): export it again as \
             an ONNX file, or take its folder away",
            model.name,
            reason.trim()
        ))
    })
}

/// Errors of the builder carry the builder, which may not leave its thread: only their text does.
fn build(
    environment: &Environment,
    bytes: &[u8],
    threads: Option<usize>,
) -> Result<Session, String> {
    let builder = Session::builder(environment).map_err(|error| error.to_string())?;
    // Idle workers would otherwise spin beside the receiving tasks.
    let builder = builder.with_intra_op_spinning(false).map_err(|error| error.to_string())?;
    let mut builder = match threads {
        Some(threads) => builder.with_intra_threads(threads).map_err(|error| error.to_string())?,
        None => builder,
    };
    builder.commit_from_memory(bytes).map_err(|error| error.to_string())
}

/// Every difference between what the manifest names and what the graph has.
pub fn check(session: &Session, model: &Model) -> Vec<ModelProblem> {
    let manifest = &model.manifest;
    let mut problems = Vec::new();
    for expected in inputs(manifest) {
        problems.extend(expected.compare("input", session.inputs()));
    }
    for outlet in session.inputs() {
        if inputs(manifest).all(|expected| expected.name != outlet.name()) {
            problems.push(format!("the graph's input `{}` is not in the manifest", outlet.name()));
        }
    }
    for expected in outputs(manifest) {
        problems.extend(expected.compare("output", session.outputs()));
    }
    problems.extend(sides(session, manifest));
    problems.sort();
    problems.dedup();
    problems.into_iter().map(|text| ModelProblem::of_file(&model.graph, text)).collect()
}

/// A side that the graph fixes has to be the one that the manifest makes.
fn sides(session: &Session, manifest: &Manifest) -> Vec<String> {
    let size = manifest.lead().grid.as_ref().and_then(|grid| grid.size);
    let help = match size {
        Some(_) => "its [input.grid] makes another one",
        None => "the manifest has to say `size` in [input.grid], or the graph to leave it open",
    };
    let differs = |(fixed, made): (&i64, &i64)| *fixed >= 0 && fixed != made;
    let mut problems = Vec::new();
    for input in &manifest.inputs {
        let name = input.tensor.as_str();
        let outlet = session.inputs().iter().find(|outlet| outlet.name() == name);
        let Some(ValueType::Tensor { shape, .. }) = outlet.map(Outlet::dtype) else { continue };
        // Without a size only what does not depend on the images is known.
        let made = input.axes.shape(size.unwrap_or_default());
        if shape.len() == made.len() && shape.iter().zip(&made).any(differs) {
            problems
                .push(format!("the graph's input `{name}` has the fixed shape {shape:?}: {help}"));
        }
    }
    problems
}

/// A tensor as the manifest means it.
struct Expected<'a> {
    name: &'a str,
    element: TensorElementType,
    rank: usize,
    /// The least number of elements in its only dimension, for tensors of rank 1.
    least: i64,
}

fn inputs(manifest: &Manifest) -> impl Iterator<Item = Expected<'_>> {
    let float = TensorElementType::Float32;
    manifest.inputs.iter().flat_map(move |input| {
        let rank = input.axes.shape([1; 3]).len();
        let voxels = Expected { name: &input.tensor, element: float, rank, least: 0 };
        let spacing = input.spacing_tensor.as_deref();
        let spacing = spacing.map(|name| Expected { name, element: float, rank: 1, least: 3 });
        std::iter::once(voxels).chain(spacing)
    })
}

fn outputs(manifest: &Manifest) -> impl Iterator<Item = Expected<'_>> {
    manifest.tensors().map(|OutputTensor { name, labels, rank, least }| Expected {
        name,
        element: if labels { TensorElementType::Uint8 } else { TensorElementType::Float32 },
        rank,
        least,
    })
}

impl Expected<'_> {
    fn compare(&self, side: &str, outlets: &[Outlet]) -> Option<String> {
        let Some(outlet) = outlets.iter().find(|outlet| outlet.name() == self.name) else {
            let nearest = suggestion(self.name, outlets.iter().map(Outlet::name));
            return Some(format!("the graph has no {side} `{}`{nearest}", self.name));
        };
        let Expected { name, element, rank, least } = self;
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
            return Some(format!("the graph's {side} `{name}` is not a tensor"));
        };
        if ty != element {
            return Some(format!("the graph's {side} `{name}` is {ty}, {element} is needed"));
        }
        if shape.len() != *rank {
            let found = shape.len();
            return Some(format!("the graph's {side} `{name}` has {found} dimensions, not {rank}"));
        }
        let known = shape.first().copied().unwrap_or(-1);
        let too_short = *rank == 1 && known >= 0 && known < *least;
        too_short.then(|| {
            format!("the graph's {side} `{name}` has {known} elements, the manifest means {least}")
        })
    }
}
