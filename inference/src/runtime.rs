//! Finds ONNX Runtime's library and loads it once: ort panics on any call before a library is loaded.

pub(crate) mod told;

use ort::environment::Environment;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The folder of a checkout into which `make` puts the library.
const FOLDER: &str = ".onnxruntime";

/// Why there is no ONNX Runtime.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuntimeError {
    #[error(
        "no ONNX Runtime library (libonnxruntime.so) was found; looked at {}: \
         install one or name it in the configuration",
        list(.searched)
    )]
    NotFound { searched: Vec<PathBuf> },
    #[error("the ONNX Runtime library {} does not load: {reason}; version 1.24 or later is needed", .library.display())]
    Unusable { library: PathBuf, reason: String },
    #[error("ONNX Runtime is loaded from {} already, and a process has only one", .0.display())]
    LoadedFromElsewhere(PathBuf),
}

fn list(searched: &[PathBuf]) -> String {
    searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Looks at the configured path, at `ORT_DYLIB_PATH`, beside the executable, and in
/// `.onnxruntime` of the working folder and the folders above it. Who names a path means it:
/// a configured path or a variable that leads nowhere is an error, not a reason to look further.
pub fn find_library(configured: Option<&Path>) -> Result<PathBuf, RuntimeError> {
    let variable = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
    let named = configured.map(Path::to_path_buf).or_else(|| variable.map(PathBuf::from));
    let searched = match named {
        Some(path) => vec![path],
        None => usual_folders(),
    };
    let found = searched.iter().find_map(|place| library_at(place));
    found.ok_or(RuntimeError::NotFound { searched })
}

fn usual_folders() -> Vec<PathBuf> {
    let executable = std::env::current_exe().ok();
    let beside = executable.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let here = std::env::current_dir().unwrap_or_default();
    let above = here.ancestors().map(|folder| folder.join(FOLDER));
    beside.into_iter().chain(above).collect()
}

/// The file itself, or the library in a folder: the plain name first, then the greatest version.
fn library_at(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return std::path::absolute(place).ok();
    }
    let plain = place.join("libonnxruntime.so");
    if plain.is_file() {
        return std::path::absolute(plain).ok();
    }
    let entries = std::fs::read_dir(place).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libonnxruntime.so.") && path.is_file()
    };
    let newest = entries.filter(named).max_by_key(|path| version(path))?;
    std::path::absolute(newest).ok()
}

/// The numbers behind `.so.`, so that 1.31 is above 1.9.
fn version(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.rsplit_once(".so.").map_or("", |(_, version)| version);
    digits.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// What this process has loaded; it stays until the process ends.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads the library, or hands out what the same library gave before.
pub(crate) fn environment(library: &Path) -> Result<Environment, RuntimeError> {
    let unusable = |reason: String| RuntimeError::Unusable { library: library.into(), reason };
    let mut loaded = LOADED.lock().map_err(|_| unusable("a load before this one failed".into()))?;
    match &*loaded {
        Some((path, environment)) if path == library => return Ok(environment.clone()),
        Some((path, _)) => return Err(RuntimeError::LoadedFromElsewhere(path.clone())),
        None => {}
    }
    let builder = ort::init_from(library).map_err(|error| unusable(error.to_string()))?;
    let environment = builder
        .with_name("gantry")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    *loaded = Some((library.into(), environment.clone()));
    Ok(environment)
}

/// What a library is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub library: PathBuf,
    /// As its file is named, links followed: `1.24.1`; empty where that has none. It is one that can be used.
    pub version: String,
    /// Whether it was built with NVIDIA's providers. Their own libraries may still be missing.
    pub cuda: bool,
    pub tensorrt: bool,
}

/// As its file is named, links followed; empty where that has no number.
fn version_of(library: &Path) -> String {
    let named = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_path_buf());
    let digits: Vec<String> = version(&named).iter().map(ToString::to_string).collect();
    digits.join(".")
}

/// `1.31.1 (6af1a93)`: the version of a library that is loaded and the commit that it says it was built of, each where it is
/// known.
pub(crate) fn build(library: &Path) -> String {
    let commit = commit(ort::info()).map(|commit| format!("({commit})"));
    let version = Some(version_of(library)).filter(|version| !version.is_empty());
    version.into_iter().chain(commit).collect::<Vec<_>>().join(" ")
}

/// Out of `ORT Build Info: git-branch=HEAD, git-commit-id=6af1a93, build type=Release`.
fn commit(info: &str) -> Option<&str> {
    let words = |c: char| c == ',' || c.is_whitespace();
    info.split(words)
        .find_map(|word| word.strip_prefix("git-commit-id="))
        .filter(|id| !id.is_empty())
}

/// Loads it, as an engine would.
pub fn about(configured: Option<&Path>) -> Result<About, RuntimeError> {
    use ort::ep::{CUDA, ExecutionProvider, TensorRT};
    let library = find_library(configured)?;
    environment(&library)?;
    Ok(About {
        version: version_of(&library),
        library,
        cuda: CUDA::is_available().unwrap_or(false),
        tensorrt: TensorRT::is_available().unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::commit;

    #[test]
    fn the_commit_of_a_library_is_read_where_it_tells_one() {
        let info = "ORT Build Info: git-branch=HEAD, git-commit-id=6af1a93, fp8-kv-cache=1, build type=Release";
        assert_eq!(commit(info), Some("6af1a93"));
        assert_eq!(commit("ORT Build Info: git-branch=, git-commit-id=, build type=Debug"), None);
        assert_eq!(commit(""), None);
    }
}
