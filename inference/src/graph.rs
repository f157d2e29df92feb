//! A graph and its manifest have to mean the same tensors: opened by ONNX Runtime, then names, types and ranks compared.

use crate::manifest::{Side, TensorKind, TensorWanted};
use crate::models::{self, Model};
use crate::problem::{ModelProblem, suggestion};
use crate::site::Site;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

/// Opens the graph whose digest was taken when the models were loaded. From memory, so that what
/// runs is what was hashed; weights in files of their own are therefore not supported.
pub fn open(
    environment: &Environment,
    model: &Model,
    site: &Site,
) -> Result<Session, ModelProblem> {
    let problem = |text: String| ModelProblem::of_file(&model.graph, text);
    let bytes = std::fs::read(&model.graph)
        .map_err(|error| problem(format!("the graph can not be read: {error}")))?;
    if models::digest(&bytes) != model.digest {
        return Err(problem("the graph has changed since the node started: restart it".into()));
    }
    build(environment, &bytes, site).map_err(|reason| {
        problem(format!(
            "the graph of the model `{}` does not open in ONNX Runtime ({}): export it again as \
             an ONNX file, or take its folder away",
            model.name,
            reason.trim()
        ))
    })
}

/// Errors of the builder carry the builder, which may not leave its thread: only their text does.
fn build(environment: &Environment, bytes: &[u8], site: &Site) -> Result<Session, String> {
    let builder = Session::builder(environment).map_err(|error| error.to_string())?;
    // Idle workers would otherwise spin beside the receiving tasks.
    let builder = builder.with_intra_op_spinning(false).map_err(|error| error.to_string())?;
    let builder = match site.providers() {
        none if none.is_empty() => builder,
        providers => builder.with_execution_providers(providers).map_err(|e| e.to_string())?,
    };
    let mut builder = match site.threads {
        Some(threads) => builder.with_intra_threads(threads).map_err(|error| error.to_string())?,
        None => builder,
    };
    builder.commit_from_memory(bytes).map_err(|error| error.to_string())
}

/// Every difference between what the manifest names and what the graph has.
pub fn check(session: &Session, model: &Model) -> Vec<ModelProblem> {
    let manifest = &model.manifest;
    let mut problems = Vec::new();
    for wanted in manifest.taken() {
        problems.extend(compare(&wanted, "input", session.inputs()));
    }
    for outlet in session.inputs() {
        if manifest.taken().all(|wanted| wanted.name != outlet.name()) {
            problems.push(format!("the graph's input `{}` is not in the manifest", outlet.name()));
        }
    }
    for wanted in manifest.given() {
        problems.extend(compare(&wanted, "output", session.outputs()));
    }
    problems.sort();
    problems.dedup();
    problems.into_iter().map(|text| ModelProblem::of_file(&model.graph, text)).collect()
}

fn elements(kind: TensorKind) -> &'static [TensorElementType] {
    match kind {
        TensorKind::Labels => &[TensorElementType::Uint8],
        TensorKind::Classes => &[TensorElementType::Int64, TensorElementType::Int32],
        TensorKind::Numbers | TensorKind::Boxes(_) | TensorKind::Scores => {
            &[TensorElementType::Float32]
        }
    }
}

fn compare(wanted: &TensorWanted, side: &str, outlets: &[Outlet]) -> Option<String> {
    let TensorWanted { name, kind, sides, batch } = wanted;
    let Some(outlet) = outlets.iter().find(|outlet| outlet.name() == *name) else {
        let nearest = suggestion(name, outlets.iter().map(Outlet::name));
        return Some(format!("the graph has no {side} `{name}`{nearest}"));
    };
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Some(format!("the graph's {side} `{name}` is not a tensor"));
    };
    let elements = elements(*kind);
    if !elements.contains(ty) {
        let elements: Vec<String> = elements.iter().map(ToString::to_string).collect();
        let elements = elements.join(" or ");
        return Some(format!("the graph's {side} `{name}` is {ty}, {elements} is needed"));
    }
    let shape = match (batch, &shape[..]) {
        // Numbers of a batch of one are numbers.
        (Some(batch), [first, rest @ ..]) if rest.len() == sides.len() && batch.fits(*first) => {
            rest
        }
        (_, shape) => shape,
    };
    let (found, rank) = (shape.len(), sides.len());
    if found != rank {
        return Some(format!("the graph's {side} `{name}` has {found} dimensions, not {rank}"));
    }
    if sides.iter().zip(shape.iter()).all(|(wanted, fixed)| wanted.fits(*fixed)) {
        return None;
    }
    let list = |sides: Vec<String>| sides.join(" x ");
    let fixed = |side: &i64| if *side < 0 { "any".to_string() } else { side.to_string() };
    let (fixed, wanted) =
        (shape.iter().map(fixed).collect(), sides.iter().map(Side::to_string).collect());
    Some(format!(
        "the graph's {side} `{name}` has {} elements, the manifest means {}",
        list(fixed),
        list(wanted)
    ))
}
