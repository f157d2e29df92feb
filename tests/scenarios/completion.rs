//! When a series is complete: sooner behind a released association and with all images that its header names, later behind a broken one.

use dicom_core::{DataElement, Tag, VR};
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use kit::instance::Instance;
use kit::modality::{Association, dcmsend};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::{need, ports};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Far longer than any of these scenarios runs: what becomes complete does not do so by quiet.
const QUIET_SECONDS: f64 = 600.0;
const PATIENCE: Duration = Duration::from_secs(60);
const RELEASED: &str = "its association released, then quiet for 5 s";
const NUMBER_OF_SERIES_RELATED_INSTANCES: Tag = Tag(0x0020, 0x1209);

const RULE: &str = r#"
[[rule]]
name = "archive"
on = "series"

[rule.select]
Modality = "CT"

[rule.then]
forward = ["PACS"]
"#;

/// A chest of a few images, so that sending takes no time.
fn chest(name: &str) -> PhantomSeries {
    let mut chest = phantom::small_chest(name);
    chest.instances.truncate(4);
    chest
}

fn folder_of(instances: &[Instance]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(instances, folder.path());
    folder
}

/// DCMTK's dcmsend, which releases its association.
fn send(node: &Node, instances: &[Instance]) {
    let folder = folder_of(instances);
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
}

/// DCMTK's storescu, which is told to abort its association behind the last image.
fn send_and_abort(node: &Node, instances: &[Instance]) {
    let folder = folder_of(instances);
    let output = Command::new("storescu")
        .env("TCP_NODELAY", "1")
        .args(["--abort", "--scan-directories", "-aet", "CT1", "-aec", AE_TITLE, "127.0.0.1"])
        .arg(node.port.to_string())
        .arg(folder.path())
        .output()
        .expect("storescu starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn naming(instance: &Instance, images: usize) -> Instance {
    let mut object = instance.object();
    let number = images.to_string();
    object.put(DataElement::new(NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, number.as_str()));
    let mut data_set = Vec::new();
    let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
    object.write_dataset_with_ts(&mut data_set, &syntax).expect("memory can be written");
    Instance { data_set, ..instance.clone() }
}

#[test]
fn a_released_association_completes_its_series_and_a_broken_one_does_not() {
    let Some(()) = need::dcmtk() else { return };
    let node = Setup::new().scanner("CT1").quiet_seconds(QUIET_SECONDS).start();
    let [broken, released] = [chest("broken off"), chest("released")];
    send_and_abort(&node, &broken.instances[..2]);
    node.wait_until_explained(&broken.series, "2 images", PATIENCE);
    send(&node, &released.instances);
    let said = node.wait_until_explained(&released.series, "complete  yes, revision 1", PATIENCE);
    assert!(said.contains(RELEASED), "{said}");
    let said = node.explain(&broken.series);
    assert!(said.contains("complete  not yet"), "{said}");

    // The scanner tries again, with what is here already and with what was missing.
    send(&node, &broken.instances);
    let said = node.wait_until_explained(&broken.series, "complete  yes, revision 1", PATIENCE);
    assert!(said.contains("4 images at") && said.contains(RELEASED), "{said}");
}

#[test]
fn a_late_image_opens_a_revision_that_is_decided_anew() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let setup = Setup::new().rules("archive.toml", RULE).scanner("CT1").pacs(&pacs);
    let node = setup.quiet_seconds(QUIET_SECONDS).start();
    let chest = chest("late");
    send(&node, &chest.instances[..3]);
    let said = node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    assert!(said.contains("decide    \"archive\" (revision 1,"), "{said}");
    assert_eq!(pacs.wait_for(3, PATIENCE).len(), 3);
    send(&node, &chest.instances[3..]);
    let said = node.wait_until_explained(&chest.series, "complete  yes, revision 2", PATIENCE);
    assert!(said.contains("decide    \"archive\" (revision 2,"), "{said}");
    assert!(said.contains("revision 1 with 3 images"), "{said}");
    assert!(said.contains("revision 2 with 4 images"), "{said}");
    assert_eq!(pacs.wait_for(4, PATIENCE).len(), 4);
    let status = node.status();
    assert!(status.contains("pace      CT1:"), "what was learned is told: {status}");
}

#[test]
fn all_images_that_the_header_names_complete_a_series_while_its_association_stays_open() {
    let node = Setup::new().scanner("CT1").quiet_seconds(QUIET_SECONDS).start();
    let chest = chest("named");
    let named: Vec<Instance> = chest.instances.iter().map(|image| naming(image, 4)).collect();
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &named).expect("accepted");
    for image in &named[..3] {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0x0000));
    }
    let missing = "3 of 4 images that (0020,1209) names are here";
    let said = node.wait_until_explained(&chest.series, missing, PATIENCE);
    assert!(said.contains("complete  not yet, due at"), "{said}");
    assert_eq!(association.store(&named[3]).map(|answer| answer.status), Ok(0x0000));
    let said = node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    assert!(said.contains("all 4 images that (0020,1209) names are here"), "{said}");
    assert_eq!(association.echo().map(|answer| answer.status), Ok(0x0000), "it is still open");
    association.release();
}

#[test]
fn what_was_carried_by_an_association_that_a_kill_ended_waits_for_the_scanner_to_try_again() {
    let Some(()) = need::dcmtk() else { return };
    let mut node = Setup::new().scanner("CT1").quiet_seconds(QUIET_SECONDS).start();
    let chest = chest("killed");
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted");
    assert_eq!(association.store(&chest.instances[0]).map(|answer| answer.status), Ok(0x0000));
    node.kill9();
    node.start();
    let other = self::chest("other");
    send(&node, &other.instances);
    node.wait_until_explained(&other.series, "complete  yes, revision 1", PATIENCE);
    let said = node.explain(&chest.series);
    assert!(said.contains("complete  not yet"), "{said}");
    send(&node, &chest.instances);
    let said = node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    assert!(said.contains("revision 1 with 4 images"), "{said}");
    let logged = ports::wait_for(PATIENCE, || node.log().contains("series complete").then_some(()));
    assert!(logged.is_some(), "{}", node.log());
}
