//! The shipped model on real chest CT: its figures, its graph, and the volume that it is given.

mod kit;

use gantry_inference::engine::{Engine, EngineOptions};
use gantry_inference::models::Models;
use gantry_terms::findings::Findings;
use std::sync::Arc;

fn figures(findings: &Findings) -> Vec<(String, f64)> {
    let measurements = findings.groups.iter().flat_map(|group| &group.measurements);
    measurements.map(|m| (m.key.clone(), m.value.unwrap())).collect()
}

fn mask_voxels(findings: &Findings, key: &str) -> usize {
    let mask = findings.masks.iter().find(|mask| mask.key == key).unwrap();
    mask.voxels.iter().filter(|voxel| **voxel == 1).count()
}

#[test]
fn a_chest_ct_gets_the_figures_that_an_independent_run_measured() {
    let Some(library) = kit::library() else { return };
    let engine = kit::engine(kit::shipped(), library);
    let check = |series: &str, expected: [f64; 4], lung_voxels: usize| {
        let Some(folder) = kit::real(series) else { return };
        let volume = Arc::new(kit::emphysema_volume(&kit::files(&folder)));
        let findings = kit::wait(engine.infer("emphysema", vec![volume])).unwrap();
        let found = figures(&findings);
        let keys = ["lung-volume", "laa-950", "mean-density", "laa-950-volume"];
        for ((key, expected), (found_key, found)) in keys.iter().zip(expected).zip(&found) {
            println!("{series} {key}: {found} (expected {expected})");
            assert_eq!(key, found_key);
            assert!((found - expected).abs() <= 0.001 * expected.abs(), "{series} {key} {found}");
        }
        println!("{series} lung voxels: {}", mask_voxels(&findings, "lung"));
        assert_eq!(mask_voxels(&findings, "lung"), lung_voxels);
        let order: Vec<&str> = findings.masks.iter().map(|mask| mask.key.as_str()).collect();
        assert_eq!(order, ["lung", "low-attenuation"], "drawn in the manifest's order");
        assert!(findings.algorithm.research_only);
        assert_eq!(findings.algorithm.digest.len(), 64);
    };
    check("ct_chest_A0002_B40f", [2556.7219, 1.3454, -788.8317, 34.3983], 764_676);
    check("ct_chest_A0002_B70f_jpegls", [2560.3464, 6.0326, -792.2534, 154.4547], 765_760);
}

#[test]
fn the_volume_is_the_same_as_one_computed_with_pydicom_and_numpy() {
    let Some(python) = kit::python() else { return };
    let script = "
import glob, hashlib, numpy, pydicom, sys
slices = [pydicom.dcmread(path) for path in glob.glob(sys.argv[1] + '/*.dcm')]
slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
volume = numpy.stack([s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices])
print(hashlib.sha256(volume.astype('<f4').tobytes()).hexdigest(), *volume.shape, slices[0].SOPInstanceUID)
";
    for series in ["ct_chest_A0002_B40f", "ct_chest_A0002_B70f_jpegls"] {
        let Some(folder) = kit::real(series) else { continue };
        let volume = kit::emphysema_volume(&kit::files(&folder));
        let bytes: Vec<u8> = volume.voxels.iter().flat_map(|voxel| voxel.to_le_bytes()).collect();
        let geometry = &volume.geometry;
        let shape = format!("{} {} {}", geometry.slices, geometry.rows, geometry.columns);
        let ours = format!("{} {shape} {}", kit::sha256(&bytes), volume.slices[0].sop_instance);
        assert_eq!(ours, kit::run_python(&python, script, &[&folder]), "{series}");
        assert_eq!(geometry.normal(), [0.0, 0.0, 1.0]);
        assert_eq!(geometry.slice_step, 8.0);
        assert_eq!(geometry.origin, volume.slices[0].position);
    }
}

#[test]
fn the_order_in_which_images_arrive_changes_nothing() {
    let Some(folder) = kit::real("ct_chest_A0002_B40f") else { return };
    let mut files = kit::files(&folder);
    let volume = kit::emphysema_volume(&files);
    files.reverse();
    let reversed = kit::emphysema_volume(&files);
    let shuffled: Vec<Vec<u8>> = (0..30).map(|at| files[at * 7 % 30].clone()).collect();
    let shuffled = kit::emphysema_volume(&shuffled);
    for other in [reversed, shuffled] {
        assert_eq!(volume.geometry, other.geometry);
        assert_eq!(volume.slices, other.slices);
        assert!(volume.voxels == other.voxels);
    }
}

#[test]
fn the_generator_writes_the_shipped_graph_byte_for_byte() {
    let Some(python) = kit::python() else { return };
    let folder = kit::root().join("models/emphysema");
    let made = tempfile::tempdir().unwrap();
    let graph = made.path().join("model.onnx");
    let output = std::process::Command::new(python)
        .arg(folder.join("generate.py"))
        .arg(&graph)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shipped = std::fs::read(folder.join("model.onnx")).unwrap();
    assert!(shipped == std::fs::read(graph).unwrap(), "generate.py and model.onnx differ");
}

#[test]
fn a_run_that_takes_longer_than_its_time_out_is_ended_and_the_next_one_works() {
    let Some(library) = kit::library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("emphysema");
    std::fs::create_dir(&model).unwrap();
    let source = kit::root().join("models/emphysema");
    let manifest = std::fs::read_to_string(source.join("model.toml")).unwrap();
    let hasty = manifest.replace("time-out = 120 ", "time-out = 0.3 ");
    assert_ne!(manifest, hasty);
    std::fs::write(model.join("model.toml"), hasty).unwrap();
    std::fs::copy(source.join("model.onnx"), model.join("model.onnx")).unwrap();
    // On the CPU: a device is done before.
    let options = EngineOptions { library: Some(library), ..EngineOptions::default() };
    let engine = Engine::start(Arc::new(Models::load(folder.path()).unwrap()), options).unwrap();
    let started = std::time::Instant::now();
    let large = Arc::new(kit::air(120, 512));
    let error = kit::wait(engine.infer("emphysema", vec![large])).unwrap_err();
    println!("{error} after {:.2} s", started.elapsed().as_secs_f64());
    let text = "the model `emphysema` took longer than its 0.3 s and was ended";
    assert_eq!(error, gantry_inference::engine::InferError::Transient(text.into()));
    let small = Arc::new(kit::air(2, 32));
    assert!(kit::wait(engine.infer("emphysema", vec![small])).is_ok());
}
