//! An enhanced CT, one object with a frame for each slice, from the scanner to a report and a picture at the PACS.

use kit::instance::Instance;
use kit::modality::Association;
use kit::node::{AE_TITLE, Setup};
use kit::pacs::Pacs;
use kit::rules::EMPHYSEMA_ON_PHANTOMS;
use kit::validators::{
    LAA_950, LUNG_VOLUME, MEAN_DENSITY, assert_as_valid_as, figure, measurements, report_tree,
};
use kit::{need, phantom};
use std::process::Command;
use std::time::Duration;

#[test]
fn the_report_of_an_enhanced_image_tells_what_the_report_of_its_slices_would() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let chest = phantom::chest("enhanced");
    let folder = tempfile::tempdir().expect("a temporary folder");
    Instance::write_all(&chest.instances, folder.path());
    let path = folder.path().join("enhanced");
    let script = need::root().join("tests/kit/enhanced.py");
    let made = Command::new(python).arg(script).arg(folder.path()).arg(&path).output();
    let made = made.expect("Python starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let enhanced = Instance::guess(&std::fs::read(&path).expect("the image was written"));
    assert_eq!(enhanced.sop_class, "1.2.840.10008.5.1.4.1.1.2.2");

    let pacs = Pacs::up("PACS");
    let node = Setup::new()
        .rules("phantom.toml", EMPHYSEMA_ON_PHANTOMS)
        .scanner("CT1")
        .pacs(&pacs)
        .start();
    let images = std::slice::from_ref(&enhanced);
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, images).expect("accepted");
    assert_eq!(association.store(&enhanced).map(|answer| answer.status), Ok(0x0000));
    association.release();
    let received = pacs.wait_for(2, Duration::from_secs(120));
    received.iter().for_each(|file| assert_as_valid_as(&file.path, &path));

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let told = report_tree(&report.path);
    for frame in 1..=chest.instances.len() {
        let reference = format!("<contains IMAGE:=(CTl image,,{frame})>");
        assert!(told.contains(&reference), "{reference} is not in\n{told}");
    }
    let Some(measured) = measurements(&report.path) else { return };
    let volume = figure(&measured, LUNG_VOLUME, "mL") / chest.truth.lung_volume_ml;
    assert!((volume - 1.0).abs() < 0.02, "lung volume is {volume} times the truth");
    let emphysema = figure(&measured, LAA_950, "%") - chest.truth.laa950_percent;
    assert!(emphysema.abs() < 0.3, "LAA-950 is {emphysema} percentage points off");
    let density = figure(&measured, MEAN_DENSITY, "[hnsf'U]") - chest.truth.mean_lung_hu;
    assert!(density.abs() < 5.0, "mean lung density is {density} HU off");
}
