//! Models that somebody brings, by a manifest and without code: on another grid than the scanner's, and on several series.

use kit::instance::ReceivedFile;
use kit::modality::dcmsend;
use kit::need;
use kit::node::{AE_TITLE, Setup};
use kit::pacs::Pacs;
use kit::validators::{
    LUNG_VOLUME as VOLUME, assert_as_valid_as, assert_close, figure, measurements, report_tree,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

const HEADS: &str = r#"
[[rule]]
name = "tissue of heads"

[rule.select]
Modality = "MR"

[rule.require]
images = { min = 100 }
spacing = "even"

[rule.then]
run = "brain-tissue"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture"] }
"#;

const PAIRS: &str = r#"
[[rule]]
name = "two kernels of one scan"
on = "study"

[rule.select.soft]
Modality = "CT"
ConvolutionKernel = { like = "B4*" }

[rule.require.soft]
images = { min = 20 }

[rule.select.sharp]
Modality = "CT"
ConvolutionKernel = { like = "B7*" }

[rule.require.sharp]
images = { min = 20 }

[rule.then]
run = "kernel-difference"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture"] }
"#;

/// The folder of one model below a fresh folder of models.
fn model_folder(models: &Path, name: &str, manifest: &Path) -> PathBuf {
    let folder = models.join(name);
    std::fs::create_dir_all(&folder).expect("a fresh folder can be written");
    std::fs::copy(manifest, folder.join("model.toml")).expect("the manifest can be copied");
    folder
}

#[test]
fn a_head_on_its_way_through_the_node_is_measured_by_a_model_that_wants_a_cube() {
    let (Some(series), Some(graph)) =
        (need::shared("data/mr_t1_j2k"), need::shared("models/meshnet_model5_gw_ae.onnx"))
    else {
        return;
    };
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let models = tempfile::tempdir().expect("a temporary folder");
    let manifest = need::root().join("inference/tests/models/brain-tissue/model.toml");
    let folder = model_folder(models.path(), "brain-tissue", &manifest);
    std::fs::copy(graph, folder.join("meshnet_model5_gw_ae.onnx")).expect("the graph is copied");
    let pacs = Pacs::up("PACS");
    let setup = Setup::new().models(models.path()).rules("heads.toml", HEADS);
    let node = setup.scanner("MR1").pacs(&pacs).start();

    dcmsend("MR1", AE_TITLE, node.port, &series).expect("every image is acknowledged");
    let received = pacs.wait_for(2, PATIENCE);

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let source = ReceivedFile::first_of(&series);
    for result in &received {
        assert_as_valid_as(&result.path, &source.path);
        assert_eq!(result.study, source.study, "results stand in the patient's own study");
    }
    let Some(measured) = measurements(&report.path) else { return };
    let volumes: Vec<f64> =
        measured.iter().filter(|one| one.code == VOLUME).map(|one| one.value).collect();
    // Of shared/data/EXPECTED.tsv: an independent run.
    let expected = [637.1, 587.3];
    assert_eq!(volumes.len(), expected.len(), "{measured:?}");
    for (found, expected) in volumes.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 0.02, "{found} mL, not {expected}");
    }
}

#[test]
fn two_series_of_one_study_go_into_one_model() {
    let soft = need::shared("data/ct_chest_A0002_B40f");
    let sharp = need::shared("data/ct_chest_A0002_B70f_jpegls");
    let (Some(soft), Some(sharp), Some(())) = (soft, sharp, need::jpeg_ls()) else { return };
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let models = tempfile::tempdir().expect("a temporary folder");
    let manifest = need::root().join("tests/scenarios/models/kernel-difference.toml");
    let folder = model_folder(models.path(), "kernel-difference", &manifest);
    let output = Command::new(python)
        .args(["-c", include_str!("../kit/pair_model.py")])
        .args([&folder.join("model.onnx"), &soft, &sharp])
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let expected: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().models(models.path()).rules("pairs.toml", PAIRS);
    let node = setup.scanner("CT1").pacs(&pacs).start();
    let checked = node.gantry(&["check"]);
    assert!(checked.success, "{checked:?}");
    dcmsend("CT1", AE_TITLE, node.port, &sharp).expect("every image is acknowledged");
    dcmsend("CT1", AE_TITLE, node.port, &soft).expect("every image is acknowledged");
    let received = pacs.wait_for(2, PATIENCE);

    let source = ReceivedFile::first_of(&soft);
    for result in &received {
        assert_as_valid_as(&result.path, &source.path);
        assert_eq!(result.study, source.study, "results stand in the patient's own study");
    }
    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let Some(measured) = measurements(&report.path) else { return };
    let series = [&source.series, &ReceivedFile::first_of(&sharp).series];
    let told = report_tree(&report.path);
    let images = told.lines().filter(|line| line.contains("IMAGE:")).count();
    assert_eq!(images, 60, "the library names the images of both series:\n{told}");
    let evidence = std::fs::read(&report.path).expect("the report can be read");
    let names = |uid: &str| evidence.windows(uid.len()).any(|part| part == uid.as_bytes());
    assert!(series.iter().all(|uid| names(uid)), "both series are evidence");
    assert!(expected > 1.0, "the two kernels differ: {expected} mL");
    assert_close(figure(&measured, VOLUME, "mL"), expected);
    let explained = node.explain(&source.study);
    assert!(explained.contains("runs: soft: 30 images"), "{explained}");
}

#[test]
fn a_folder_is_checked_before_it_becomes_a_model() {
    let node = Setup::new().scanner("CT1").lay_out();
    let listed = node.gantry(&["models", "list"]);
    assert!(listed.success, "{listed:?}");
    for told in
        ["emphysema", "research only", "takes  input: a volume of CT", "lung-volume", "93ea5109"]
    {
        assert!(listed.out.contains(told), "{told} is not in:\n{}", listed.out);
    }
    let Some(_) = need::onnx_runtime() else { return };
    let shipped = need::root().join("models/emphysema");
    let said = node.gantry(&["models", "check", &shipped.to_string_lossy()]);
    assert!(said.success && said.out.contains("good: the graph has what"), "{said:?}");

    let brought = tempfile::tempdir().expect("a temporary folder");
    let manifest = shipped.join("model.toml");
    let folder = model_folder(brought.path(), "mine", &manifest);
    std::fs::copy(shipped.join("model.onnx"), folder.join("model.onnx")).expect("copied");
    let text = std::fs::read_to_string(&manifest).expect("the manifest can be read");
    let wrong = text.replace("\"lung_mask\"", "\"lungmask\"");
    std::fs::write(folder.join("model.toml"), wrong).expect("a fresh folder can be written");
    let said = node.gantry(&["models", "check", &folder.to_string_lossy()]);
    let expected = "the graph has no output `lungmask`, did you mean `lung_mask`?";
    assert!(!said.success && said.err.contains(expected), "{said:?}");
    let wrong = text.replace("modality       =", "modalty       =");
    std::fs::write(folder.join("model.toml"), wrong).expect("a fresh folder can be written");
    let said = node.gantry(&["models", "check", &folder.to_string_lossy()]);
    assert!(!said.success && said.err.contains("did you mean `modality`?"), "{said:?}");
}
