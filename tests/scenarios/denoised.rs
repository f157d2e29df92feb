//! The denoiser that ships, on its way through the node: less noise in a series beside the originals, as ONNX Runtime alone has it.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::Association;
use kit::node::{AE_TITLE, Setup};
use kit::pacs::Pacs;
use kit::validators::assert_as_valid_as;
use kit::{need, phantom};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

/// What the card promises of high noise is more; less than this is another model.
const BETTER_BY_DECIBELS: f64 = 3.0;

const RULE: &str = r#"
[[rule]]
name = "less noise on phantoms"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.then]
run  = "denoiser"
send = { to = ["PACS"], as = ["derived-images"] }
"#;

fn said(python: &Path, script: &str, paths: &[&Path]) -> String {
    let mut command = Command::new(python);
    let output = command.args(["-W", "ignore", "-c", script]).args(paths).output();
    let output = output.expect("Python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A chest whose pixels are a phantom's that the model never saw, without noise and with: two folders. Rows are odd, which
/// the graph cannot take.
fn scans(python: &Path, in_folder: &Path) -> (phantom::PhantomSeries, [std::path::PathBuf; 2]) {
    let options = gantry::phantom::PhantomOptions {
        rows: 333,
        columns: 334,
        pixel_mm: 1.0,
        slices: 6,
        slice_mm: 30.0,
        ..Default::default()
    };
    let chest = phantom::make("denoised", &options);
    let headers = in_folder.join("headers");
    std::fs::create_dir(&headers).expect("a fresh folder can be written");
    Instance::write_all(&chest.instances, &headers);
    let folders = [in_folder.join("clean"), in_folder.join("noisy")];
    let phantoms = need::root().join("models/denoiser");
    let script = include_str!("../kit/noisy_scan.py");
    said(python, script, &[&phantoms, &headers, &folders[0], &folders[1]]);
    (chest, folders)
}

#[test]
fn a_noisy_series_comes_back_with_less_noise_beside_the_originals() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (chest, [clean, noisy]) = scans(&python, folder.path());
    let mut paths: Vec<_> =
        std::fs::read_dir(&noisy).expect("a folder").flatten().map(|file| file.path()).collect();
    paths.sort();
    let images: Vec<Instance> = paths.iter().map(|path| Instance::read(path)).collect();

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().rules("noise.toml", RULE).scanner("CT1");
    let node = setup.pacs(&pacs).start();
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &images).expect("accepted");
    for image in &images {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();
    let received = pacs.wait_for(images.len(), PATIENCE);

    let source = ReceivedFile::first_of(&noisy);
    let made = folder.path().join("made");
    std::fs::create_dir(&made).expect("a fresh folder can be written");
    for (number, file) in received.iter().enumerate() {
        assert_eq!(file.study, source.study, "results stand in the patient's own study");
        assert_as_valid_as(&file.path, &source.path);
        std::fs::copy(&file.path, made.join(format!("{number}.dcm"))).expect("copied");
    }
    let graph = need::root().join("models/denoiser/model.onnx");
    let script = include_str!("../kit/denoised.py");
    let told = said(&python, script, &[&graph, &clean, &noisy, &made]);
    let numbers: Result<Vec<f64>, _> = told.lines().map(str::parse).collect();
    let Ok([before, after]) = numbers.as_deref() else { panic!("{told}") };
    assert!(after - before > BETTER_BY_DECIBELS, "{before} dB became {after} dB");

    let again = node.gantry(&["reproduce", &chest.series]);
    assert_eq!(again.out.matches("is the same, byte for byte").count(), images.len(), "{again:?}");
    assert_eq!(pacs.received().len(), images.len(), "results start nothing by themselves");
}

#[test]
fn an_image_of_many_frames_comes_back_as_one_with_less_noise_in_each() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, [_, noisy]) = scans(&python, folder.path());
    let path = folder.path().join("enhanced");
    said(&python, include_str!("../kit/enhanced.py"), &[&noisy, &path]);
    let image = Instance::guess(&std::fs::read(&path).expect("the image was written"));

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().rules("noise.toml", RULE).scanner("CT1");
    let node = setup.pacs(&pacs).start();
    let images = std::slice::from_ref(&image);
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, images).expect("accepted");
    assert_eq!(association.store(&image).map(|answer| answer.status), Ok(0x0000));
    association.release();
    let received = pacs.wait_for(1, PATIENCE);
    let [made] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(made.sop_class, image.sop_class);
    assert_as_valid_as(&made.path, &path);
    let graph = need::root().join("models/denoiser/model.onnx");
    let script = include_str!("../kit/denoised_frames.py");
    assert_eq!(said(&python, script, &[&graph, &path, &made.path]), "");
    let again = node.gantry(&["reproduce", &made.sop_instance]);
    assert!(again.out.contains("is the same, byte for byte"), "{again:?}");
}

/// Of each scan SSIM by itself: PSNR alone is better for whatever blurs.
#[test]
fn the_card_of_the_denoiser_tells_psnr_and_ssim_as_they_are() {
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = need::root().join("models/denoiser");
    let told = said(&python, include_str!("../kit/denoiser_card.py"), &[&folder]);
    let pair = |line: &str| -> Option<[f64; 2]> {
        let (before, after) = line.split_once(' ')?;
        Some([before.parse().ok()?, after.parse().ok()?])
    };
    let scans: Option<Vec<[f64; 2]>> = told.lines().map(pair).collect();
    let Some(scans) = scans else { panic!("{told}") };
    assert_eq!(scans.len(), 4, "low, moderate, high and very high noise");
    for [before, after] in scans {
        assert!(after > before, "SSIM {before} became {after}");
    }
}

#[test]
fn the_shipped_denoiser_is_checked_and_measured_as_any_model_is() {
    let Some(_) = need::onnx_runtime() else { return };
    let node = Setup::new().lay_out();
    let folder = need::root().join("models/denoiser").display().to_string();
    let checked = node.gantry(&["models", "check", &folder]);
    assert!(checked.success, "{checked:?}");
    let measured = node.gantry(&["models", "bench", "denoiser", "--runs", "1"]);
    assert!(measured.success && measured.out.contains("denoiser"), "{measured:?}");
}
