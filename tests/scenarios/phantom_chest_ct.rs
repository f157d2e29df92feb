//! A phantom chest CT through the whole node: what it finds is held against the truth.

use kit::modality::send;
use kit::node::Setup;
use kit::pacs::Pacs;
use kit::rules::EMPHYSEMA_ON_PHANTOMS;
use kit::validators::{LAA_950, LUNG_VOLUME, MEAN_DENSITY, assert_valid, figure, measurements};
use kit::{instance::Instance, need, phantom};
use std::time::Duration;

#[test]
fn the_report_of_a_phantom_tells_its_lung_volume_and_its_emphysema() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let node = Setup::new()
        .rules("phantom.toml", EMPHYSEMA_ON_PHANTOMS)
        .scanner("CT1")
        .pacs(&pacs)
        .start();
    let chest = phantom::chest("figures");

    send("CT1", &node, &chest.instances);
    let received = pacs.wait_for(2, Duration::from_secs(120));
    received.iter().for_each(|file| assert_valid(&file.path));

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let Some(measured) = measurements(&report.path) else { return };
    let volume = figure(&measured, LUNG_VOLUME, "mL") / chest.truth.lung_volume_ml;
    assert!((volume - 1.0).abs() < 0.02, "lung volume is {volume} times the truth");
    let emphysema = figure(&measured, LAA_950, "%") - chest.truth.laa950_percent;
    assert!(emphysema.abs() < 0.3, "LAA-950 is {emphysema} percentage points off");
    let density = figure(&measured, MEAN_DENSITY, "[hnsf'U]") - chest.truth.mean_lung_hu;
    assert!(density.abs() < 5.0, "mean lung density is {density} HU off");
}

#[test]
fn a_phantom_is_a_valid_ct_image() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let chest = phantom::small_chest("valid");
    Instance::write_all(&chest.instances[..1], folder.path());
    assert_valid(&folder.path().join("0001.dcm"));
}
