//! The picture before the validators of other makers, and what it shows.

mod kit;

use gantry_results::secondary_capture;
use kit::phantom::Phantom;
use kit::{model, validators};

#[test]
fn a_picture_of_a_phantom_is_valid() {
    let scan = Phantom::axial(30, 64, 96).scan();
    let findings = model::findings(&scan.volume);
    let result = secondary_capture(&scan.source, &scan.volume, &findings, &kit::provenance())
        .expect("a picture");
    let folder = tempfile::tempdir().expect("a folder");
    let path = kit::file(folder.path(), "overlay.dcm", &result);
    std::fs::copy(&path, "/tmp/gsc.dcm").unwrap();
    assert_eq!(validators::complaints(&path), Vec::<String>::new());
}

#[test]
fn real() {
    let scan = kit::ct::scan().unwrap();
    let findings = kit::ct::findings(&scan.volume);
    let result = secondary_capture(&scan.source, &scan.volume, &findings, &kit::provenance())
        .expect("a picture");
    let folder = tempfile::tempdir().expect("a folder");
    let path = kit::file(folder.path(), "overlay.dcm", &result);
    std::fs::copy(&path, "/tmp/gscr.dcm").unwrap();
    assert_eq!(validators::complaints(&path), Vec::<String>::new());
}
