//! The actors of these tests: the real data, the shipped models, ONNX Runtime, a modality that writes slices, an author that writes graphs, others who do the same arithmetic.
#![allow(dead_code)] // each test file uses some of them

pub mod author;
pub mod boxes_of_frames;
pub mod casts;
pub mod masks;
pub mod modality;
pub mod second_opinion;
pub mod stand_in;

use gantry_inference::assembly::Assembly;
use gantry_inference::device::Device;
use gantry_inference::engine::{Engine, EngineOptions};
use gantry_inference::models::Models;
use gantry_inference::runtime::find_library;
use gantry_terms::geometry::Geometry;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file or folder of the real data, or nothing with a word to the reader of the log.
pub fn real(path: &str) -> Option<PathBuf> {
    let found = root().join("../shared/data").join(path);
    if !found.exists() {
        println!("skipped: the shared data {path} are not on this machine");
    }
    found.exists().then_some(found)
}

/// A Python with onnx, onnxruntime, numpy and pydicom.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("GANTRY_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: GANTRY_PYTHON names no Python with onnx, numpy and pydicom");
    }
    python
}

/// What the Python printed; its errors end the test.
pub fn run_python(python: &Path, script: &str, arguments: &[&Path]) -> String {
    let output =
        std::process::Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

pub fn library() -> Option<PathBuf> {
    let found = find_library(None).ok();
    if found.is_none() {
        println!("skipped: no ONNX Runtime; set ORT_DYLIB_PATH or run make once");
    }
    found
}

pub fn shipped() -> Arc<Models> {
    Arc::new(Models::load(&root().join("models")).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<String>())
    }))
}

pub fn engine(models: Arc<Models>, library: PathBuf) -> Engine {
    Engine::start(models, EngineOptions { threads: None, ..options(library) }).unwrap()
}

/// On one thread of the CPU; of a device where `GANTRY_TEST_DEVICE` names one, as `cuda:0`: so all these tests hold
/// of a device, too.
pub fn options(library: PathBuf) -> EngineOptions {
    let device = std::env::var("GANTRY_TEST_DEVICE").ok().map(|name| {
        let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        Device::Cuda(number.unwrap_or_else(|| panic!("GANTRY_TEST_DEVICE={name} names no device")))
    });
    EngineOptions {
        library: Some(library),
        threads: Some(1),
        device: device.unwrap_or_default(),
        ..EngineOptions::default()
    }
}

/// On one thread, with the model of this author alone.
pub fn start(author: &author::Author) -> Option<Engine> {
    let library = library()?;
    let folder = tempfile::tempdir().unwrap();
    let models = Models::load(&author.write(folder.path()));
    let models = models.unwrap_or_else(|problems| panic!("{}", problems[0]));
    // The graph is read again at its first run: the folder stays.
    let _ = folder.keep();
    Some(
        Engine::start(Arc::new(models), options(library)).unwrap_or_else(|error| panic!("{error}")),
    )
}

/// The Part 10 files of a series, in the order of their names.
pub fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

pub fn emphysema_volume(files: &[Vec<u8>]) -> Volume {
    let models = shipped();
    let mut assembly = Assembly::new(models.model("emphysema").unwrap().manifest.lead());
    files.iter().for_each(|file| assembly.add(file).unwrap());
    assembly.finish().unwrap()
}

/// Waits for a future on a small runtime of its own.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A volume of air, made and not scanned.
pub fn air(slices: usize, side: usize) -> Volume {
    let geometry = Geometry {
        slices,
        rows: side,
        columns: side,
        origin: [0.0; 3],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [0.7, 0.7],
        slice_step: 2.0,
    };
    let source = |at: usize| SliceSource {
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").unwrap(),
        sop_instance: Uid::parse(&format!("1.2.3.{at}")).unwrap(),
        frame: None,
        position: [0.0, 0.0, 2.0 * at as f64],
    };
    Volume {
        voxels: vec![-1000.0; geometry.voxels()],
        geometry,
        slices: (0..slices).map(source).collect(),
        frame_of_reference: None,
        displayed: false,
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
