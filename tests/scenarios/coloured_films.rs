//! Films with colours, and a grey one with a window of its own, through a model that takes both: the pictures show what a display shows.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::send;
use kit::need;
use kit::node::Setup;
use kit::pacs::Pacs;
use kit::validators::assert_as_valid_as;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const FILMS: [&str; 4] = ["rgb", "ybr", "palette", "grey"];
const RESULTS: &str = "[\"structured-report\", \"secondary-capture\", \"segmentation\"]";

const RULE: &str = r#"
[[rule]]
name = "red parts of films"
on = "instance"

[rule.select]
Modality = ["CR", "US"]

[rule.then]
run = "bright-film"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture", "segmentation"] }
"#;

/// The model of bright films, of films with colours, too: it says which pixels are red, or bright where all are grey.
fn manifest() -> String {
    let text = include_str!("models/bright-film.toml");
    let from = text.find("results  = ").expect("the results of the manifest");
    let line = text[from..].lines().next().expect("a line");
    let text = text.replacen(line, &format!("results  = {RESULTS}"), 1);
    let text = text.replacen("[\"CR\", \"DX\"]", "[\"CR\", \"US\"]", 1);
    let axes = "axes      = \"batch-channel-row-column\"\n";
    text.replacen(axes, &format!("{axes}\n[input.image]\ncolour = \"any\"\n"), 1)
}

const GRAPH: &str = "
import sys, numpy, onnx
from onnx import TensorProto, helper, numpy_helper
tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ['batch', 'channel', 'rows', 'columns'])
first = numpy_helper.from_array(numpy.array([0], dtype='int64'), 'first')
nodes = [helper.make_node('Gather', ['image', 'first'], ['bright'], axis=1)]
graph = helper.make_graph(nodes, 'red', [tensor('image')], [tensor('bright')], [first])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), sys.argv[1])
";

#[test]
fn the_pictures_of_films_have_the_colours_and_greys_that_a_display_shows() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let run = |script: &str, paths: &[&Path]| {
        let output =
            Command::new(&python).args(["-W", "ignore", "-c", script]).args(paths).output();
        let output = output.expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (images, models) = (folder.path().join("images"), folder.path().join("models"));
    let (model, drawn) = (models.join("bright-film"), folder.path().join("drawn"));
    for path in [&images, &model] {
        std::fs::create_dir_all(path).expect("a folder");
    }
    std::fs::write(model.join("model.toml"), manifest()).expect("written");
    run(GRAPH, &[&model.join("model.onnx")]);
    run(include_str!("../kit/coloured_films.py"), &[&images]);
    let path_of = |name: &str, kind: &str| images.join(format!("{name}.{kind}"));
    let films = FILMS.map(|name| {
        Instance::guess(&std::fs::read(path_of(name, "dcm")).expect("the film was written"))
    });

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().models(&models).rules("red.toml", RULE);
    let node = setup.scanner("CR1").pacs(&pacs).start();
    send("CR1", &node, &films);
    let received = pacs.wait_for(3 * FILMS.len(), PATIENCE);

    for (name, film) in FILMS.iter().zip(&films) {
        let source = path_of(name, "dcm");
        let about = |file: &&ReceivedFile| {
            let text =
                String::from_utf8_lossy(&std::fs::read(&file.path).expect("a file")).into_owned();
            text.contains(&film.sop_instance)
        };
        let results: Vec<&ReceivedFile> = received.iter().filter(about).collect();
        assert_eq!(results.len(), 3, "{name}");
        results.iter().for_each(|file| assert_as_valid_as(&file.path, &source));
        let is_picture = |file: &&&ReceivedFile| file.modality != "SEG" && !file.is_report();
        let capture = results.iter().find(is_picture).expect("a secondary capture");
        let seg = results.iter().find(|file| file.modality == "SEG").expect("a segmentation");
        let to = drawn.to_string_lossy().into_owned();
        let shown = node.gantry(&["show", &film.sop_instance, "--to", &to]);
        assert!(shown.success, "{shown:?}");
        let picture = drawn.join(format!("{}.png", film.sop_instance));
        let paths = [&path_of(name, "npz"), &picture, &capture.path, &seg.path];
        let apart = run(include_str!("../kit/film_pictures.py"), &paths.map(|path| path.as_path()));
        assert_eq!(apart, "", "{name}");
        let again = node.gantry(&["reproduce", &capture.sop_instance]);
        assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
    }
}
