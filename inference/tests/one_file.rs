//! A graph is one file: weights that lie elsewhere are refused, whatever the working folder has.

mod kit;

use gantry_inference::engine::Engine;
use gantry_inference::models::Models;
use kit::author::{Author, MANIFEST};
use kit::casts::{Weight, weighted_graph};
use std::path::Path;
use std::sync::Arc;

/// As the official `onnx` writes it.
const SAVED: &str = "
import onnx, sys
from onnx import TensorProto as T, helper as h
voxels = h.make_tensor_value_info('voxels', T.FLOAT, ['slices', 'rows', 'columns'])
numbers = h.make_tensor_value_info('numbers', T.FLOAT, ['one', 'voxels'])
five = h.make_tensor('five', T.FLOAT, [1], __import__('numpy').float32([5]).tobytes(), raw=True)
nodes = [h.make_node('Flatten', ['voxels'], ['row'], axis=0), h.make_node('Add', ['row', 'five'], ['numbers'])]
model = h.make_model(h.make_graph(nodes, 'saved', [voxels], [numbers], [five]), opset_imports=[h.make_opsetid('', 17)])
model.ir_version = 8
onnx.save_model(model, sys.argv[1] + '/whole.onnx')
onnx.save_model(model, sys.argv[1] + '/model.onnx', save_as_external_data=True, location='w.bin', size_threshold=0)
again = onnx.load(sys.argv[1] + '/model.onnx')
onnx.save_model(again, sys.argv[1] + '/one.onnx', save_as_external_data=False)
";

/// What is said of a graph at start, or nothing.
fn told(graph: Vec<u8>, library: &Path) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let author = Author { manifest: MANIFEST.into(), graph };
    let models = Models::load(&author.write(folder.path())).unwrap();
    let engine = Engine::start(Arc::new(models), kit::options(library.to_path_buf()));
    engine.err().map(|error| error.to_string())
}

/// One test: the working folder is that of the whole process.
#[test]
fn weights_in_a_file_of_their_own_are_refused_by_the_name_of_their_tensor_wherever_that_file_is() {
    let Some(library) = kit::library() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    let mut graphs = vec![weighted_graph(&Weight::In("w.bin".into()), 8, 17)];
    if let Some(python) = kit::python() {
        let saved = tempfile::tempdir().unwrap();
        kit::run_python(&python, SAVED, &[saved.path()]);
        let read = |name: &str| std::fs::read(saved.path().join(name)).unwrap();
        assert_eq!(std::fs::read(saved.path().join("w.bin")).unwrap(), 5f32.to_le_bytes());
        for name in ["whole.onnx", "one.onnx"] {
            assert_eq!(told(read(name), &library), None, "{name}");
        }
        graphs.push(read("model.onnx"));
    }
    assert_eq!(told(weighted_graph(&Weight::Inside, 8, 17), &library), None);
    for weights in [None, Some(5f32.to_le_bytes()), Some(7f32.to_le_bytes())] {
        if let Some(weights) = weights {
            std::fs::write(folder.path().join("w.bin"), weights).unwrap();
        }
        for graph in &graphs {
            let said = told(graph.clone(), &library).expect("the graph is refused");
            assert!(
                said.contains(
                    "model.onnx: the tensor `five` has its numbers in another file (`w.bin`): "
                ) && said.contains("save_as_external_data=False"),
                "{said}"
            );
        }
    }
}
