//! Models of others, by manifest alone: MeshNets on real MR of the head, beside the volumes that an independent run measured, and on CT of a
//! head that is made here, beside plain Python.

mod kit;

use gantry_inference::assembly::Assembly;
use gantry_inference::models::Models;
use gantry_terms::findings::Findings;
use kit::modality::Scan;
use kit::second_opinion::{Question, Random};
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

/// 48 slices of 96 x 96, 2.5 x 2.5 x 4 mm, turned by 20 degrees about the axis from left to right and by 10 about the long one, from the vertex down.
const SLICES: usize = 48;
const SIDE: usize = 96;
const PIXEL: f64 = 2.5;
const STEP: f64 = 4.0;

/// Scalp, skull (900 HU), liquor, grey and white matter (38 and 31 HU), ventricles, all but air with noise; upright in the patient around his origin,
/// in slices that lie obliquely to him.
fn head() -> Vec<Vec<u8>> {
    let about = |axis: usize, degrees: f64, [x, y, z]: [f64; 3]| {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        match axis {
            0 => [x, cosine * y - sine * z, sine * y + cosine * z],
            _ => [cosine * x - sine * y, sine * x + cosine * y, z],
        }
    };
    let turned = |axis| about(0, 20.0, about(2, 10.0, axis));
    // Rows from left to right: the normal points to the feet.
    let [row, column, normal] = [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]].map(turned);
    let middle = (SIDE - 1) as f64 / 2.0;
    let mut random = Random(23);
    let mut slice = |at: usize| {
        let along = (at as f64 - (SLICES - 1) as f64 / 2.0) * STEP;
        let place = |down: f64, right: f64| -> [f64; 3] {
            std::array::from_fn(|axis| {
                along * normal[axis] + PIXEL * (down * column[axis] + right * row[axis])
            })
        };
        let pixels = (0..SIDE * SIDE).map(|pixel| {
            let [down, right] = [pixel / SIDE, pixel % SIDE].map(|at| at as f64 - middle);
            let mut noise = || random.between(-1.0, 1.0);
            let hu = hounsfield(place(down, right), 4.0 * (noise() + noise() + noise()));
            (hu.round() + 1024.0) as u16
        });
        let pixels = pixels.collect();
        Scan {
            instance: at as u32 + 1,
            // The scanner went the other way.
            instance_number: (SLICES - at).to_string(),
            rows: SIDE as u16,
            columns: SIDE as u16,
            position: place(-middle, -middle),
            orientation: std::array::from_fn(|at| [row, column][at / 3][at % 3]),
            pixel_spacing: [PIXEL; 2],
            thickness: STEP.to_string(),
            pixels,
            ..Scan::default()
        }
        .file()
    };
    (0..SLICES).map(&mut slice).collect()
}

fn hounsfield(mm: [f64; 3], noise: f64) -> f64 {
    let within = |centre: [f64; 3], axes: [f64; 3]| {
        (0..3).map(|axis| ((mm[axis] - centre[axis]) / axes[axis]).powi(2)).sum::<f64>() < 1.0
    };
    let shell = |mm: f64| within([0.0; 3], [66.0 + mm, 84.0 + mm, 66.0 + mm]);
    let ventricle = |side: f64| within([12.0 * side, 0.0, 5.0], [7.0, 32.0, 11.0]);
    match () {
        () if ventricle(1.0) || ventricle(-1.0) => 6.0 + noise,
        () if shell(-9.0) => 31.0 + noise,
        () if shell(0.0) => 38.0 + noise,
        () if shell(3.0) => 8.0 + noise,
        () if shell(10.0) => 900.0 + noise,
        () if shell(16.0) => 40.0 + noise,
        () => -1000.0,
    }
}

/// By the manifest from Part 10 files to mask and volume, beside the same steps by pydicom, SimpleITK, scipy and Python's ONNX Runtime, on a cube of
/// so many voxels of so many mm, and in all else as the manifest says.
fn check_on_ct(side: usize, mm: f64) {
    let name = "brain-mask-ct";
    let folder = tempfile::tempdir().unwrap();
    if with_graph(folder.path(), name, "meshnet_mindgrab.onnx").is_none() {
        return;
    }
    let file = folder.path().join(name).join("model.toml");
    let manifest = std::fs::read_to_string(&file).unwrap();
    let [size, spacing] = ["[256, 256, 256]", "[1.0, 1.0, 1.0]"];
    assert!(manifest.contains(size) && manifest.contains(spacing));
    let of = manifest.replace(size, &format!("{:?}", [side; 3]));
    std::fs::write(&file, of.replace(spacing, &format!("{:?}", [mm; 3]))).unwrap();
    let models = Arc::new(Models::load(folder.path()).unwrap());
    let model = models.model(name).unwrap();
    let Some(library) = kit::library() else { return };
    let Some(question) = Question::new() else { return };
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let files = head();
    for (at, file) in files.iter().enumerate() {
        question.lay(&format!("slice-{at}"), file);
    }
    question.say("cube", [side as f64, mm]);
    question.lay("graph.onnx", &std::fs::read(&model.graph).unwrap());
    question.ask(include_str!("reference/brain_ct.py"));
    let expected = question.answer("mask");
    let mut assembly = Assembly::new(model.manifest.lead());
    files.iter().for_each(|file| assembly.add(file).unwrap());
    let volume = Arc::new(assembly.finish().unwrap());
    let engine = kit::engine(models.clone(), library);
    let findings = kit::wait(engine.infer(name, vec![volume])).unwrap();
    let own = &findings.masks[0].voxels;
    assert_eq!(own.len(), expected.len());
    let both = own.iter().zip(&expected).filter(|(own, other)| **own == 1 && **other == 1.0);
    let all = own.iter().filter(|own| **own == 1).count() as f64 + expected.iter().sum::<f64>();
    let dice = 2.0 * both.count() as f64 / all;
    let (found, other) = (millilitres(&findings, "brain"), question.answer("millilitres")[0]);
    println!(
        "{name}, {side} voxels of {mm} mm: {found:.2} mL, by Python {other:.2} mL; Dice {dice:.5}"
    );
    assert!(other > 500.0, "there is a brain: {other} mL");
    assert!((found - other).abs() <= 0.02 * other, "{found} mL, not {other} mL");
    // Sums of a float32 convolution are added up in another order: a voxel between two classes may fall either way.
    assert!(dice >= 0.999, "{dice}");
}

/// On a coarse cube, so that it takes seconds.
#[test]
fn the_brain_of_a_made_head_on_ct_is_where_plain_python_finds_it() {
    check_on_ct(64, 4.0);
}

/// As the manifest says.
#[test]
#[ignore = "takes minutes: cargo test --workspace --test brains -- --ignored"]
fn the_brain_of_a_made_head_on_ct_is_where_plain_python_finds_it_at_full_size() {
    check_on_ct(256, 1.0);
}
