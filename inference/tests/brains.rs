//! Models of others, by manifest alone: MeshNets on real MR of the head, beside the volumes that an independent run measured.

mod kit;

use gantry_inference::assembly::Assembly;
use gantry_inference::manifest::Intensity;
use gantry_inference::models::Models;
use gantry_terms::findings::Findings;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A folder of models with this one in it: its manifest from here, its graph from the reference models.
fn with_graph(folder: &Path, name: &str, graph: &str) -> Option<Arc<Models>> {
    let source = kit::root().join("../shared/models").join(graph);
    if !source.exists() {
        println!("skipped: the shared model {graph} is not on this machine");
        return None;
    }
    let model = folder.join(name);
    std::fs::create_dir_all(&model).unwrap();
    let manifest = kit::root().join("inference/tests/models").join(name).join("model.toml");
    std::fs::copy(manifest, model.join("model.toml")).unwrap();
    std::fs::copy(source, model.join(graph)).unwrap();
    let models = Models::load(folder);
    Some(Arc::new(models.unwrap_or_else(|problems| panic!("{}", problems[0]))))
}

fn infer(models: &Arc<Models>, name: &str, series: &Path) -> Option<Findings> {
    let library = kit::library()?;
    let engine = kit::engine(models.clone(), library);
    let mut assembly = Assembly::new(models.model(name).unwrap().manifest.lead());
    kit::files(series).iter().for_each(|file| assembly.add(file).unwrap());
    let volume = Arc::new(assembly.finish().unwrap());
    let voxels = volume.geometry.voxels();
    let findings = kit::wait(engine.infer(name, vec![volume])).unwrap();
    assert!(findings.masks.iter().all(|mask| mask.voxels.len() == voxels));
    Some(findings)
}

fn millilitres(findings: &Findings, key: &str) -> f64 {
    let mut measurements = findings.groups.iter().flat_map(|group| &group.measurements);
    measurements.find(|m| m.key == format!("{key}-volume")).unwrap().value.unwrap()
}

/// Each of them takes gigabytes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Within 2 %, or within the last digit of what was written down.
fn check(name: &str, graph: &str, expected: &[(&str, f64)]) {
    let Some(series) = kit::real("mr_t1_j2k") else { return };
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let Some(models) = with_graph(folder.path(), name, graph) else { return };
    let Some(findings) = infer(&models, name, &series) else { return };
    for (key, expected) in expected {
        let found = millilitres(&findings, key);
        println!("{name} {key}: {found:.2} mL (expected {expected})");
        assert!((found - expected).abs() <= f64::max(0.02 * expected, 0.1), "{key}: {found} mL");
    }
}

#[test]
fn white_and_grey_matter_of_a_real_head_are_as_an_independent_run_measured() {
    let expected = [("white-matter", 637.1), ("grey-matter", 587.3)];
    check("brain-tissue", "meshnet_model5_gw_ae.onnx", &expected);
}

#[test]
fn seventeen_structures_of_a_real_head_are_as_an_independent_run_measured() {
    let expected = [
        ("cerebral-white-matter", 586.2),
        ("cerebral-cortex", 603.6),
        ("lateral-ventricle", 29.1),
        ("inferior-lateral-ventricle", 2.1),
        ("cerebellum-white-matter", 26.8),
        ("cerebellum-cortex", 125.8),
        ("thalamus", 18.4),
        ("caudate", 8.6),
        ("putamen", 12.3),
        ("pallidum", 4.0),
        ("3rd-ventricle", 2.1),
        ("4th-ventricle", 1.7),
        ("brain-stem", 23.0),
        ("hippocampus", 8.2),
        ("amygdala", 3.8),
        ("accumbens-area", 1.1),
        ("ventraldc", 7.8),
    ];
    check("brain-structures", "meshnet_model18cls.onnx", &expected);
}

#[test]
fn the_brain_of_a_real_head_is_as_large_as_an_independent_run_measured() {
    check("brain-mask-mr", "meshnet_mindgrab.onnx", &[("brain", 1905.0)]);
}

#[test]
fn the_graph_for_head_ct_keeps_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let Some(models) = with_graph(folder.path(), "brain-mask-ct", "meshnet_mindgrab.onnx") else {
        return;
    };
    let lead = models.model("brain-mask-ct").unwrap().manifest.lead();
    assert_eq!(lead.modalities, ["CT"]);
    assert_eq!(lead.intensity, Intensity::Hounsfield);
    let Some(library) = kit::library() else { return };
    let _opened_and_compared = kit::engine(models.clone(), library);
}
