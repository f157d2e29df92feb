//! The demo that a new user runs first: it ends well, and what it leaves behind is what it says.

use kit::instance::{ReceivedFile, files_below};
use kit::validators::{LAA_950, LUNG_VOLUME, MEAN_DENSITY, assert_valid, figure, measurements};
use kit::{need, node};
use std::process::Command;

#[test]
fn the_demo_sends_a_phantom_through_the_node_and_lays_report_capture_and_picture_down() {
    let Some(library) = need::onnx_runtime() else { return };
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let output = Command::new(node::program())
        .args(["demo", "--to"])
        .arg(folder.path())
        .current_dir(need::root())
        .env("ORT_DYLIB_PATH", library)
        .output()
        .expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{log}");

    let files = files_below(folder.path());
    let picture = files.iter().find(|path| path.extension().is_some_and(|end| end == "png"));
    let picture = std::fs::read(picture.expect("a picture of the overlay")).expect("readable");
    assert!(picture.starts_with(b"\x89PNG"));
    let objects: Vec<ReceivedFile> =
        files.iter().filter_map(|path| ReceivedFile::read(path)).collect();
    assert!(objects.iter().any(ReceivedFile::is_capture), "{files:?}");
    let report = objects.iter().find(|object| object.is_report()).expect("a structured report");
    objects.iter().for_each(|object| assert_valid(&object.path));

    let Some(measured) = measurements(&report.path) else { return };
    for (code, unit) in [(LUNG_VOLUME, "mL"), (LAA_950, "%"), (MEAN_DENSITY, "[hnsf'U]")] {
        let figure = format!("{:.3}", figure(&measured, code, unit));
        assert!(said.contains(&figure), "the table does not tell {figure}:\n{said}");
    }
}
