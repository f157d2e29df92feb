//! A graph and its manifest have to mean the same tensors: opened by ONNX Runtime, then names, types and ranks compared.

mod file;

use crate::answers::{LABELS, NUMBERS};
use crate::given::TAKEN;
use crate::manifest::{Side, TensorKind, TensorWanted};
use crate::models::{self, Model};
use crate::problem::{ModelProblem, suggestion};
use crate::runtime::told::{told, too_new};
use crate::site::Site;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

/// Opens the graph whose digest was taken when the models were loaded. From memory, so that what
/// runs is what was hashed. ONNX Runtime would look for weights in files of their own in the working folder of the
/// process, and no digest covers them: such a graph is refused before it sees it.
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
    let again = |reason: String| {
        problem(format!(
            "the graph of the model `{}` does not open in ONNX Runtime ({reason}): export it again as \
             an ONNX file, or take its folder away",
            model.name
        ))
    };
    let outside = file::outside(&bytes).map_err(|error| again(error.to_string()))?;
    if let Some(text) = not_in_the_file(&outside) {
        return Err(problem(text));
    }
    build(environment, &bytes, site)
        .map_err(|reason| too_new(&reason).map_or_else(|| again(told(&reason)), problem))
}

/// Which tensors have their numbers in other files, and what to do.
fn not_in_the_file(outside: &[file::Outside]) -> Option<String> {
    let (first, others) = outside.split_first()?;
    let name = match first.tensor.as_str() {
        "" => "a tensor without a name".to_string(),
        name => format!("the tensor `{name}`"),
    };
    let elsewhere = match first.file.as_str() {
        "" => "another file".to_string(),
        file => format!("another file (`{file}`)"),
    };
    let others = match others.len() {
        0 => String::new(),
        1 => ", and so does another tensor".to_string(),
        more => format!(", and so do {more} others"),
    };
    Some(format!(
        "{name} has its numbers in {elsewhere}{others}: a graph is one file, so that its SHA-256 says \
         what runs. Write it as one: onnx.save_model(onnx.load(\"model.onnx\"), \"one.onnx\", \
         save_as_external_data=False)"
    ))
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

/// The sides of a graph, as they are told.
const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// Every difference between what the manifest names and what the graph has.
pub fn check(session: &Session, model: &Model) -> Vec<ModelProblem> {
    let manifest = &model.manifest;
    let mut problems = Vec::new();
    for wanted in manifest.taken() {
        problems.extend(compare(&wanted, INPUT, session.inputs()));
    }
    for outlet in session.inputs() {
        if manifest.taken().all(|wanted| wanted.name != outlet.name()) {
            problems.push(format!("the graph's input `{}` is not in the manifest", outlet.name()));
        }
    }
    for wanted in manifest.given() {
        problems.extend(compare(&wanted, OUTPUT, session.outputs()));
    }
    problems.sort();
    problems.dedup();
    problems.into_iter().map(|text| ModelProblem::of_file(&model.graph, text)).collect()
}

/// Whether every number goes in and comes out as float32, as a device needs it.
pub fn is_float32(session: &Session, model: &Model) -> bool {
    let plain = |wanted: TensorWanted, outlets: &[Outlet]| {
        let outlet = outlets.iter().find(|outlet| outlet.name() == wanted.name);
        let element = outlet.and_then(|outlet| outlet.dtype().tensor_type());
        wanted.kind == TensorKind::Labels || element == Some(TensorElementType::Float32)
    };
    model.manifest.taken().all(|wanted| plain(wanted, session.inputs()))
        && model.manifest.given().all(|wanted| plain(wanted, session.outputs()))
}

fn elements(kind: TensorKind, side: &str) -> &'static [TensorElementType] {
    match (kind, side) {
        (_, INPUT) => &TAKEN,
        (TensorKind::Labels, _) => &LABELS,
        (TensorKind::Classes, _) => &[TensorElementType::Int64, TensorElementType::Int32],
        (TensorKind::Numbers | TensorKind::Boxes(_) | TensorKind::Scores, _) => &NUMBERS,
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
    let elements = elements(*kind, side);
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
    let hint = match sides.contains(&Side::OfImages) {
        true => {
            ": say `size` (or of a volume `crop-or-pad`), or export the graph with dynamic axes"
        }
        false => "",
    };
    Some(format!(
        "the graph's {side} `{name}` has {} elements, the manifest means {}{hint}",
        list(fixed),
        list(wanted)
    ))
}
