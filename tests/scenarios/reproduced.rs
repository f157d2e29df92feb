//! What was kept is made again, byte for byte the same, or it is said what is other than then; and it is shown to a reader.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use kit::instance::ReceivedFile;
use kit::modality::send;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::rules::EMPHYSEMA_ON_PHANTOMS;
use kit::{need, phantom};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A pause that a slow machine makes between two images of a peer is waited for twice over.
const PATIENCE: Duration = Duration::from_secs(600);

/// A folder of models of its own, which may be changed.
fn copied_models(to: &Path) {
    let (from, to) = (need::root().join("models/emphysema"), to.join("emphysema"));
    std::fs::create_dir_all(&to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the model ships").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// `gantry show` prints the report and draws the capture as pydicom reads them at the PACS.
fn compare_shown(node: &Node, series: &str, results: &[ReceivedFile]) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let shown = node.gantry(&["show", series, "--to", &folder.path().to_string_lossy()]);
    assert!(shown.success, "{shown:?}");
    let printed = folder.path().join("printed");
    std::fs::write(&printed, &shown.out).expect("written");
    let other = node.gantry(&["show", "1.2.3"]);
    assert!(!other.success && other.err.contains("help:"), "{other:?}");
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let mut script = Command::new(python);
    script.args(["-c", include_str!("../kit/shown.py")]).arg(&printed).arg(folder.path());
    let output = script.args(results.iter().map(|file| &file.path)).output();
    let output = output.expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{}", shown.out);
}

#[test]
fn a_result_is_made_again_to_the_byte_until_its_model_or_an_image_is_another() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let models = tempfile::TempDir::new().expect("a temporary folder");
    copied_models(models.path());
    let setup = Setup::new()
        .models(models.path())
        .rules("phantom.toml", EMPHYSEMA_ON_PHANTOMS)
        .scanner("CT1");
    // Quiet for so long that images are read before their series is complete.
    let setup = setup.quiet_seconds(5.0).store("duplicates = \"replace\"");
    let node = setup.pacs(&pacs).start();
    let chest = phantom::chest("reproduced");
    send("CT1", &node, &chest.instances);
    let results = pacs.wait_for(2, PATIENCE);
    let report = results.iter().find(|file| file.is_report()).expect("a structured report");
    let report = report.sop_instance.clone();
    let log = node.log();
    let inferred = log.lines().find(|line| line.contains("inferred")).expect("it says how it went");
    assert!(inferred.contains("ahead=") && !inferred.contains("ahead=0"), "{inferred}");

    let again = node.gantry(&["reproduce", &report]);
    let same = |uid: &str| format!("{uid} is the same, byte for byte");
    assert!(again.success && again.out.contains(&same(&report)), "{again:?}");
    assert_eq!(again.out.matches(", as then").count(), 5, "{again:?}");
    let ran = again.out.lines().find(|line| line.contains("ran on cpu with ONNX Runtime "));
    assert!(ran.is_some_and(|line| line.ends_with(", as then")), "{again:?}");
    let both = node.gantry(&["reproduce", &chest.series]);
    assert!(both.success, "{both:?}");
    assert_eq!(both.out.matches("is the same, byte for byte").count(), 2, "{both:?}");
    let image = node.gantry(&["reproduce", &chest.instances[0].sop_instance]);
    assert!(!image.success && image.err.contains("was received, not made here"), "{image:?}");
    assert_eq!(pacs.received().len(), 2, "nothing is sent");

    compare_shown(&node, &chest.series, &results);

    let manifest = models.path().join("emphysema/model.toml");
    let written = std::fs::read_to_string(&manifest).expect("a manifest");
    std::fs::write(&manifest, format!("{written}\n# of another day\n")).expect("written");
    let other = node.gantry(&["reproduce", &report]);
    assert!(!other.success && other.out.contains("manifest is another than then"), "{other:?}");
    std::fs::write(&manifest, written).expect("written");

    let corrected = chest.instances[1].with(tags::IMAGE_COMMENTS, VR::LT, "corrected");
    send("CT1", &node, std::slice::from_ref(&corrected));
    node.wait_until_explained(&chest.series, "complete  yes, revision 2", PATIENCE);
    let replaced = node.gantry(&["reproduce", &report]);
    assert!(!replaced.success && replaced.out.contains("replaced by other bytes"), "{replaced:?}");
}
