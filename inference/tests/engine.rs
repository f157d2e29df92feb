//! The engine with small graphs: what it refuses at start, and how a run that goes wrong is told.

mod kit;

use gantry_inference::engine::{Engine, EngineError, EngineOptions, InferError, Shared};
use gantry_inference::models::Models;
use gantry_inference::runtime::{RuntimeError, find_library};
use gantry_terms::findings::NoValue;
use kit::author::{Author, BOOL, FLOAT, MANIFEST, batch_graph, exact_graph, graph};
use kit::casts::{Weight, strict_graph, weighted_graph};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

fn start(author: &Author, library: PathBuf) -> Result<Engine, String> {
    let folder = tempfile::tempdir().unwrap();
    let models = Models::load(&author.write(folder.path())).unwrap();
    // The graph is read again at its first run: the folder stays.
    let shown = format!("{}/", folder.keep().display());
    Engine::start(Arc::new(models), kit::options(library))
        .map_err(|e| e.to_string().replace(&shown, ""))
}

#[test]
fn a_graph_that_does_not_keep_its_manifest_stops_the_start() {
    let Some(library) = kit::library() else { return };
    let check = |author: Author, expected: &str| {
        let error = start(&author, library.clone()).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        println!("{error}");
    };
    let named =
        |from: &str, to: &str| Author { manifest: MANIFEST.replace(from, to), ..Author::default() };
    let other = |graph: Vec<u8>| Author { graph, ..Author::default() };
    check(
        other(b"PK not a graph".to_vec()),
        "models/tiny/model.onnx: the graph of the model `tiny` does not open in ONNX Runtime",
    );
    check(
        other(Vec::new()),
        "models/tiny/model.onnx: the graph of the model `tiny` does not open in ONNX Runtime",
    );
    check(
        named("\"numbers\"", "\"number\""),
        "models/tiny/model.onnx: the graph has no output `number`, did you mean `numbers`?",
    );
    check(
        named("\"voxels\"", "\"image\""),
        "models/tiny/model.onnx: the graph has no input `image`\n\
         models/tiny/model.onnx: the graph's input `voxels` is not in the manifest",
    );
    check(
        other(graph(BOOL, 3, "numbers", "Not")),
        "models/tiny/model.onnx: the graph's input `voxels` is bool, f32 or f16 or f64 or u8 or i8 or u16 or i16 or i32 or i64 is needed",
    );
    check(
        other(graph(FLOAT, 4, "numbers", "Sqrt")),
        "models/tiny/model.onnx: the graph's input `voxels` has 4 dimensions, not 3",
    );
}

/// With the numbers that its author can act on, and nothing of the source of ONNX Runtime.
#[test]
fn a_graph_that_is_too_new_or_lacks_a_weight_is_told_in_words() {
    let Some(library) = kit::library() else { return };
    let told = |weight: Weight, ir: u64, opset: u64| {
        let author = Author { graph: weighted_graph(&weight, ir, opset), ..Author::default() };
        let error = start(&author, library.clone()).unwrap_err();
        println!("{error}");
        for source in ["onnxruntime::", "onnxruntime_src", ".cc:", ".h:", "std::", "const "] {
            assert!(!error.contains(source), "{error}");
        }
        error
    };
    let opset = told(Weight::Inside, 8, 99);
    let begins = "models/tiny/model.onnx: the graph is of opset 99 of ai.onnx, and this ONNX Runtime \
                  takes up to ";
    assert!(opset.starts_with(begins) && opset.contains("export the graph with opset_version = "));
    let ir = told(Weight::Inside, 99, 17);
    let begins = "models/tiny/model.onnx: the graph is of ONNX IR version 99, and this ONNX Runtime takes \
                  up to ";
    assert!(ir.starts_with(begins), "{ir}");
    let missing = told(Weight::Missing, 8, 17);
    assert!(missing.contains("Node input 'five' is not a graph input, initializer"), "{missing}");
}

#[test]
fn a_run_that_fails_is_told_without_the_source_of_onnx_runtime() {
    let Some(library) = kit::library() else { return };
    // The graph says any size and adds to each row four numbers: a row of three can not be.
    let author = Author { graph: strict_graph(4), ..Author::default() };
    let engine = start(&author, library).unwrap();
    let error = kit::wait(engine.infer("tiny", vec![Arc::new(kit::air(1, 3))])).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, InferError::Permanent(_)), "{text}");
    assert!(text.contains("the model `tiny` failed in ONNX Runtime: ") && text.contains("Add"));
    for source in ["onnxruntime::", "onnxruntime_src", ".cc:", ".h:", " was false"] {
        assert!(!text.contains(source), "{text}");
    }
}

/// Images have as many rows as they have.
#[test]
fn sides_that_a_graph_fixes_and_a_manifest_leaves_to_the_images_stop_the_start() {
    let Some(library) = kit::library() else { return };
    let manifest = MANIFEST.replace("slice-row-column", "batch-channel-slice-row-column");
    let mask = MASK.replace("\"mask\"\nvalue      = 7", "\"same\"\nat-least   = 7.0");
    let manifest = format!("{}{mask}", &manifest[..manifest.find("[[group]]").unwrap()]);
    let graph = exact_graph(&[1, 1, 8, 16, 16]);
    let error =
        start(&Author { manifest: manifest.clone(), graph: graph.clone() }, library.clone());
    let expected = "models/tiny/model.onnx: the graph's input `voxels` has 1 x 1 x 8 x 16 x 16 elements, the \
                    manifest means 1 x 1 x as many as the images have x as many as the images have x as \
                    many as the images have: say `size` (or of a volume `crop-or-pad`), or export the graph \
                    with dynamic axes";
    assert_eq!(error.unwrap_err(), expected);
    for grid in ["size = [8, 16, 16]", "crop-or-pad = [8, 16, 16]"] {
        let input = "slice-order = \"along-normal\"\n";
        let manifest = manifest.replace(input, &format!("{input}[input.grid]\n{grid}\n"));
        let engine = start(&Author { manifest, graph: graph.clone() }, library.clone()).unwrap();
        assert!(kit::wait(engine.infer("tiny", vec![Arc::new(kit::air(3, 20))])).is_ok());
    }
}

#[test]
fn numbers_are_scaled_and_what_is_no_number_has_no_value() {
    let Some(library) = kit::library() else { return };
    let engine = start(&Author::default(), library).unwrap();
    let check = |voxel: f32, expected: Result<f64, NoValue>| {
        let mut volume = kit::air(1, 4);
        volume.voxels[0] = voxel;
        let findings = kit::wait(engine.infer("tiny", vec![Arc::new(volume)])).unwrap();
        assert_eq!(findings.groups[0].measurements[0].value, expected);
    };
    check(9.0, Ok(30.0));
    check(-1.0, Err(NoValue::NotANumber));
    check(f32::INFINITY, Err(NoValue::MeasurementFailure));
}

/// What it was told, in this order.
#[derive(Default)]
struct Told(Mutex<Vec<&'static str>>);

impl Shared for Told {
    fn enter(&self) {
        self.0.lock().unwrap().push("enter");
    }

    fn leave(&self) {
        self.0.lock().unwrap().push("leave");
    }
}

#[test]
fn a_run_that_shares_its_device_enters_and_leaves_it_once_whatever_becomes_of_it() {
    let Some(library) = kit::library() else { return };
    let engine = start(&Author::default(), library).unwrap();
    let good = || vec![Arc::new(kit::air(1, 4)).into()];
    for (model, batch, fine) in [
        ("tiny", vec![good()], 1),
        ("tiny", vec![good(), Vec::new(), good()], 2),
        ("tiny", vec![Vec::new()], 0),
        ("unknown", vec![good()], 0),
    ] {
        let (told, count) = (Told::default(), batch.len());
        let answers = kit::wait(engine.infer_sharing(model, batch, &told));
        assert_eq!(answers.len(), count);
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), fine, "{model}");
        assert_eq!(told.0.into_inner().unwrap(), ["enter", "leave"]);
    }
}

#[test]
fn a_batch_of_one_row_is_read_as_a_row() {
    let Some(library) = kit::library() else { return };
    let author = Author { graph: batch_graph(), ..Author::default() };
    let engine = start(&author, library).unwrap();
    let mut volume = kit::air(1, 4);
    volume.voxels[0] = 9.0;
    let findings = kit::wait(engine.infer("tiny", vec![Arc::new(volume)])).unwrap();
    assert_eq!(findings.groups[0].measurements[0].value, Ok(30.0));
}

const MASK: &str = r##"
[[segmentation]]
key        = "mask"
label      = "Mask"
tensor     = "mask"
value      = 7
category   = { value = "123037004", scheme = "SCT", meaning = "Anatomical structure" }
property   = { value = "39607008", scheme = "SCT", meaning = "Lung" }
colour     = "#ff0080"
draw-order = 1
"##;

#[test]
fn a_mask_holds_the_voxels_of_its_label_and_a_wrong_shape_is_permanent() {
    let Some(library) = kit::library() else { return };
    let author = Author { manifest: format!("{MANIFEST}{MASK}"), ..Author::default() };
    let engine = start(&author, library).unwrap();
    let mut volume = kit::air(2, 2);
    volume.voxels = vec![7.0, 0.0, 1.0, 7.0, 7.0, 6.0, 8.0, 0.0];
    let findings = kit::wait(engine.infer("tiny", vec![Arc::new(volume)])).unwrap();
    assert_eq!(findings.masks[0].voxels, [1, 0, 0, 1, 1, 0, 0, 0]);
    assert_eq!(findings.masks[0].colour, [255, 0, 128]);
    let error = kit::wait(engine.infer("tiny", vec![Arc::new(kit::air(1, 4))])).unwrap_err();
    let text = "the model `tiny`: the output `mask` has the shape [4, 4], not [1, 4, 4]";
    assert_eq!(error, InferError::Permanent(text.into()));
}

#[test]
fn a_volume_that_contradicts_itself_and_an_unknown_model_are_permanent() {
    let Some(library) = kit::library() else { return };
    let engine = start(&Author::default(), library).unwrap();
    let mut volume = kit::air(1, 4);
    volume.voxels.pop();
    let error = kit::wait(engine.infer("tiny", vec![Arc::new(volume)])).unwrap_err();
    assert!(matches!(error, InferError::Permanent(_)), "{error}");
    let error = kit::wait(engine.infer("tinny", vec![Arc::new(kit::air(1, 4))])).unwrap_err();
    assert_eq!(error, InferError::Permanent("there is no model `tinny`".into()));
    assert!(kit::wait(engine.infer("tiny", vec![Arc::new(kit::air(1, 4))])).is_ok());
}

#[test]
fn a_graph_that_changes_under_the_running_node_is_not_run() {
    let Some(library) = kit::library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let models = Author::default().write(folder.path());
    let engine = kit::engine(Arc::new(Models::load(&models).unwrap()), library);
    std::fs::write(models.join("tiny/model.onnx"), graph(FLOAT, 3, "numbers", "Abs")).unwrap();
    let error = kit::wait(engine.infer("tiny", vec![Arc::new(kit::air(1, 4))])).unwrap_err();
    assert!(error.to_string().contains("has changed since the node started"), "{error}");
}

#[test]
fn many_callers_share_the_one_engine() {
    let Some(library) = kit::library() else { return };
    let engine = start(&Author::default(), library).unwrap();
    kit::wait(async {
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..20u8 {
            let engine = engine.clone();
            let mut volume = kit::air(1, 4);
            volume.voxels[0] = f32::from(caller) * f32::from(caller);
            callers
                .spawn(async move { (caller, engine.infer("tiny", vec![Arc::new(volume)]).await) });
        }
        while let Some(finished) = callers.join_next().await {
            let (caller, findings) = finished.unwrap();
            let value = findings.unwrap().groups[0].measurements[0].value;
            assert_eq!(value, Ok(10.0 * f64::from(caller)));
        }
    });
}

#[test]
fn without_a_library_the_engine_says_where_it_looked() {
    let nowhere = PathBuf::from("/nowhere/libonnxruntime.so");
    let error = find_library(Some(&nowhere)).unwrap_err();
    assert_eq!(error, RuntimeError::NotFound { searched: vec![nowhere.clone()] });
    assert!(error.to_string().contains("/nowhere/libonnxruntime.so"), "{error}");
    let options =
        EngineOptions { library: Some(nowhere), threads: None, ..EngineOptions::default() };
    let error = Engine::start(Arc::new(Models::default()), options).unwrap_err();
    assert!(matches!(error, EngineError::NoRuntime(_)), "{error}");
}

#[test]
fn a_file_that_is_no_library_is_told_and_a_folder_gives_its_newest_version() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.31.1", "other.so"] {
        std::fs::write(folder.path().join(name), "not a library").unwrap();
    }
    let found = find_library(Some(folder.path())).unwrap();
    assert_eq!(found.file_name().unwrap(), "libonnxruntime.so.1.31.1");
}
