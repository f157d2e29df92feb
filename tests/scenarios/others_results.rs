//! What a model made starts no model: neither this node's results when a PACS sends them back, nor those of others; and the node says why not.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use kit::instance::Instance;
use kit::modality::send;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(180);

/// Makes a report, segments, a picture and images of images.
const MAKES: &str = r#"
[[rule]]
name = "densitometry"
[rule.select]
Modality = "CT"
[rule.then]
run  = "emphysema"
send = { to = ["PACS"], as = ["structured-report", "segmentation", "secondary-capture"] }

[[rule]]
name = "less noise"
[rule.select]
Modality = "CT"
[rule.then]
run  = "denoiser"
send = { to = ["PACS"], as = ["derived-images"] }
"#;

/// Asks for whatever comes, and the last one for segments.
const TAKES: &str = r#"
[[rule]]
name = "whatever comes"
[rule.select]
Modality = { present = true }
[rule.then]
run  = "emphysema"
mode = "shadow"

[[rule]]
name = "whatever goes on"
[rule.select]
Modality = { present = true }
[rule.then]
forward = ["ARCHIVE"]

[[rule]]
name = "segments"
[rule.select]
Modality = "SEG"
[rule.then]
run  = "emphysema"
mode = "shadow"
"#;

/// Under UIDs of its own, and of another patient.
fn of_another_patient(object: &Instance) -> Instance {
    let uid = |tag| {
        format!("{}.9", object.text(tag).chars().take(60).collect::<String>().trim_end_matches('.'))
    };
    let sop_instance = uid(tags::SOP_INSTANCE_UID);
    let with = [
        (tags::PATIENT_ID, VR::LO, "OTHER".to_string()),
        (tags::PATIENT_NAME, VR::PN, "Other^Otto".to_string()),
        (tags::SOP_INSTANCE_UID, VR::UI, sop_instance.clone()),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid(tags::SERIES_INSTANCE_UID)),
    ];
    let changed =
        with.iter().fold(object.clone(), |object, (tag, vr, value)| object.with(*tag, *vr, value));
    Instance { sop_instance, ..changed }
}

/// The node says that the object starts nothing, and goes on all the same.
fn assert_starts_nothing(node: &Node, archive: &Pacs, object: &Instance, already: usize) {
    send("CT1", node, std::slice::from_ref(object));
    archive.wait_for(already + 1, PATIENCE);
    let series = object.text(tags::SERIES_INSTANCE_UID);
    let told = node.wait_until_explained(&series, "decide    \"whatever comes\"", PATIENCE);
    let why = "skipped: results: of what fits 1 is a result of an algorithm, and the rule does not ask for such";
    assert!(told.contains(why), "{told}");
    assert!(told.contains("runs: 1 image selected"), "it goes on: {told}");
    let of_image = node.explain(&object.sop_instance);
    assert!(of_image.contains("fits, but is a result of an algorithm"), "{of_image}");
    let asked = object.text(tags::MODALITY) == "SEG";
    assert_eq!(
        told.contains("\n  infer "),
        asked,
        "only a rule that asks for segments gets them: {told}"
    );
}

#[test]
fn results_start_no_model_whoever_made_them_and_whosever_they_are() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let chest = phantom::small_chest("comes back");
    let pacs = Pacs::up("PACS");
    let maker = Setup::new().rules("a.toml", MAKES).scanner("CT1").pacs(&pacs).start();
    send("CT1", &maker, &chest.instances);
    let made = pacs.wait_for(3 + chest.instances.len(), PATIENCE);
    let one_of = |wanted: &dyn Fn(&kit::instance::ReceivedFile) -> bool| {
        Instance::read(&made.iter().find(|file| wanted(file)).expect("it was made").path)
    };
    let own = [
        one_of(&|file| file.modality == "SR"),
        one_of(&|file| file.modality == "SEG"),
        one_of(&|file| file.is_capture()),
        one_of(&|file| file.sop_class == chest.instances[0].sop_class),
    ];

    // To the node that made them: as they are, and of another patient under their UIDs.
    for object in &own {
        send("CT1", &maker, &[object.clone(), object.with(tags::PATIENT_ID, VR::LO, "CORRECTED")]);
    }
    // What came behind them is decided.
    let behind = phantom::small_chest("behind");
    send("CT1", &maker, &behind.instances[..1]);
    maker.wait_until_explained(&behind.series, "decide    \"less noise\"", PATIENCE);
    for object in &own {
        let told = maker.explain(&object.text(tags::SERIES_INSTANCE_UID));
        assert!(!told.contains("decide    ") && !told.contains("  infer "), "{told}");
    }
    let told = maker.explain(&chest.series);
    assert_eq!(told.matches("\n  infer ").count(), 2, "{told}");
    drop(maker);

    // To one that knows nothing of them.
    let archive = Pacs::up("ARCHIVE");
    let node = Setup::new().rules("b.toml", TAKES).scanner("CT1").pacs(&archive).start();
    let mut sent = 0;
    for object in &own {
        for object in [object.clone(), of_another_patient(object)] {
            assert_starts_nothing(&node, &archive, &object, sent);
            sent += 1;
        }
    }

    // Of another maker.
    let (images, others) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    Instance::write_all(&chest.instances, images.path());
    let output = Command::new(python)
        .args(["-W", "ignore", "-c", include_str!("../kit/vendor.py")])
        .args([images.path(), others.path()])
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["capture.dcm", "segmentation.dcm"] {
        assert_starts_nothing(&node, &archive, &Instance::read(&others.path().join(name)), sent);
        sent += 1;
    }

    // What the scanner derived and reconstructed, and what was modified on its way, is an image as ever.
    let derived = chest.instances[0].with(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY\\AXIAL");
    send("CT1", &node, &[derived]);
    let told = node.wait_until_explained(&chest.series, "\n  infer ", PATIENCE);
    assert!(!told.contains("result of an algorithm"), "{told}");
}
