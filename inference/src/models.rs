//! The models on disk: each folder below `models/` with its manifest and its graph, read and checked without ONNX Runtime.

mod versions;

pub use versions::{Catalogue, Faulty};

use crate::manifest::Manifest;
use crate::problem::{ModelProblem, suggestion};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in a model's folder that makes it a model.
pub const MANIFEST: &str = "model.toml";

/// An ONNX file is one message of Protocol Buffers, which can not be longer.
const LARGEST_GRAPH: u64 = (1 << 31) - 1;

/// One model: what its manifest says and which graph it is.
#[derive(Debug)]
pub struct Model {
    /// Its folder's name: what rules call it, and for a version beside that `@` and the version.
    pub name: String,
    pub manifest: Manifest,
    /// SHA-256 of the graph file, lower-case hexadecimal.
    pub digest: String,
    /// The same of the manifest.
    pub manifest_digest: String,
    pub graph: PathBuf,
}

impl Model {
    /// What rules call it, whatever the version.
    pub fn called(&self) -> &str {
        called(&self.name)
    }

    /// As its manifest names it.
    pub fn version(&self) -> &str {
        &self.manifest.algorithm.version
    }
}

/// The name of the model in that of a folder.
pub fn called(folder: &str) -> &str {
    folder.split('@').next().unwrap_or(folder)
}

/// All models by name.
#[derive(Debug, Default)]
pub struct Models(BTreeMap<String, Arc<Model>>);

impl Models {
    /// Reads every folder below `folder` but those of versions beside. One faulty model is enough to
    /// give all problems of all models instead: what runs is what the folder says, or nothing.
    pub fn load(folder: &Path) -> Result<Self, Vec<ModelProblem>> {
        let catalogue = Catalogue::load(folder)?;
        Ok(Self::of(catalogue.iter().filter(|model| !model.name.contains('@')).cloned()))
    }

    /// One model alone: its own folder.
    pub fn one(folder: &Path) -> Result<Self, Vec<ModelProblem>> {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let model = load_model(&absolute)?;
        Ok(Self(BTreeMap::from([(model.name.clone(), Arc::new(model))])))
    }

    /// These, by their folders' names.
    pub fn of(models: impl IntoIterator<Item = Arc<Model>>) -> Self {
        Self(models.into_iter().map(|model| (model.name.clone(), model)).collect())
    }

    /// Takes the place of one of the same name.
    pub fn insert(&mut self, model: Arc<Model>) {
        self.0.insert(model.name.clone(), model);
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn model(&self, name: &str) -> Option<&Arc<Model>> {
        self.0.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.0.values()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, ModelProblem> {
    let unreadable = |error: std::io::Error| {
        ModelProblem::of_file(folder, format!("the folder of the models can not be read: {error}"))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn load_model(folder: &Path) -> Result<Model, Vec<ModelProblem>> {
    let name = model_name(folder).map_err(|problem| vec![problem])?;
    let file = folder.join(MANIFEST);
    let source = std::fs::read_to_string(&file).map_err(|error| {
        let text =
            format!("each folder of a model has a {MANIFEST}, this one can not be read: {error}");
        vec![ModelProblem::of_file(&file, text)]
    })?;
    let manifest = Manifest::parse(&file, &source)?;
    if let Some((_, version)) = name.split_once('@')
        && version != manifest.algorithm.version
    {
        let is = &manifest.algorithm.version;
        let text = format!("the folder is of version {version}, its manifest says {is}");
        return Err(vec![ModelProblem::of_file(&file, text)]);
    }
    let graph = folder.join(&manifest.graph);
    let digest = check_graph(&graph, &manifest).map_err(|problem| vec![problem])?;
    let manifest_digest = self::digest(source.as_bytes());
    Ok(Model { name, manifest, digest, manifest_digest, graph })
}

/// The name stands in rules, in results and in UIDs: it is kept plain.
fn model_name(folder: &Path) -> Result<String, ModelProblem> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (model, version) = match name.split_once('@') {
        Some((model, version)) => (model, Some(version)),
        None => (name, None),
    };
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if model.is_empty() || model.len() > 64 || !model.bytes().all(fits) {
        let text = "the folder's name is the model's name: 1 to 64 of a-z, 0-9, - and _";
        return Err(ModelProblem::of_file(folder, text));
    }
    if version.is_some_and(|version| !versions::names_a_folder(version)) {
        let text = "behind the @ stands the version: 1 to 64 of a-z, A-Z, 0-9, and . _ + -";
        return Err(ModelProblem::of_file(folder, text));
    }
    Ok(name.to_string())
}

fn check_graph(graph: &Path, manifest: &Manifest) -> Result<String, ModelProblem> {
    let length = std::fs::metadata(graph).map_or(0, |about| about.len());
    if length > LARGEST_GRAPH {
        let text = format!(
            "the graph has {} MiB: an ONNX file has at most 2 GiB, and weights in files of their own \
             are not supported; export it smaller, with weights of 16 bits for instance",
            length >> 20
        );
        return Err(ModelProblem::of_file(graph, text));
    }
    let bytes = std::fs::read(graph).map_err(|error| {
        ModelProblem::of_file(graph, format!("the graph can not be read: {error}{}", beside(graph)))
    })?;
    let digest = digest(&bytes);
    match &manifest.sha256 {
        Some(expected) if *expected != digest => Err(ModelProblem::of_file(
            graph,
            format!(
                "its SHA-256 is {digest}, but the manifest says {expected}: \
                 restore the graph, or release it as a new version with the new digest"
            ),
        )),
        _ => Ok(digest),
    }
}

/// A hint at a graph with another name in the same folder.
fn beside(graph: &Path) -> String {
    let entries = graph.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let names: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".onnx"))
        .collect();
    let written = graph.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    suggestion(written, names.iter().map(String::as_str))
}
