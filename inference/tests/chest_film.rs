//! The chest film classifier by its manifest alone, on real films, beside reference probabilities and an independent Python.

mod kit;

use gantry_inference::engine::Engine;
use gantry_inference::film;
use gantry_inference::models::Models;
use gantry_terms::findings::{Findings, Presence};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "chest-film";

/// The models with this manifest, in which `from` was written as `to`, and the shared graph.
fn models(folder: &Path, from: &str, to: &str) -> Option<Arc<Models>> {
    let graph = kit::root().join("../shared/models/cxr_pneumonia28.onnx");
    if !graph.exists() {
        println!("skipped: the shared model cxr_pneumonia28.onnx is not on this machine");
        return None;
    }
    let model = folder.join(NAME);
    std::fs::create_dir_all(&model).unwrap();
    let manifest = include_str!("models/chest-film/model.toml");
    assert!(manifest.contains(from), "{from}");
    std::fs::write(model.join("model.toml"), manifest.replace(from, to)).unwrap();
    std::fs::copy(graph, model.join("cxr_pneumonia28.onnx")).unwrap();
    let models = Models::load(folder);
    Some(Arc::new(models.unwrap_or_else(|problems| panic!("{}", problems[0]))))
}

fn find(engine: &Engine, models: &Models, part10: &[u8]) -> Findings {
    let input = models.model(NAME).unwrap().manifest.lead();
    let film = film::read(part10, input).unwrap();
    kit::wait(engine.infer(NAME, vec![film])).unwrap()
}

/// From 0 to 1, and the answer.
fn answer(findings: &Findings) -> (f64, Presence) {
    let [group] = findings.groups.as_slice() else { panic!("{findings:?}") };
    let [measurement] = group.measurements.as_slice() else { panic!("{group:?}") };
    assert_eq!(
        (measurement.key.as_str(), measurement.unit.value.as_str()),
        ("pneumonia-probability", "%")
    );
    (measurement.value.unwrap() / 100.0, group.presence.unwrap())
}

#[test]
fn forty_films_have_their_reference_probabilities() {
    let Some(films) = kit::real("cxr/pneumoniamnist_val") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(models) = models(folder.path(), "", "") else { return };
    let Some(library) = kit::library() else { return };
    let engine = kit::engine(models.clone(), library);
    let table = std::fs::read_to_string(films.join("labels.tsv")).unwrap();
    let mut right = BTreeMap::new();
    let mut largest: f64 = 0.0;
    for row in table.lines().skip(1) {
        let [name, label, expected] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let file = std::fs::read(films.join(name)).unwrap();
        let (probability, presence) = answer(&find(&engine, &models, &file));
        // They were written down with six digits.
        largest = largest.max((probability - expected.parse::<f64>().unwrap()).abs());
        let expected = if label == "1" { Presence::Present } else { Presence::Absent };
        *right.entry(presence == expected).or_insert(0) += 1;
    }
    println!("largest difference {largest:e}, answers right and wrong: {right:?}");
    assert_eq!(right.values().sum::<i32>(), 40);
    assert!(largest < 1e-6, "{largest}");
    assert!(right[&true] >= 36, "{right:?}");
}

/// A Part 10 file of a data set without preamble and head, in Implicit VR Little Endian.
fn with_head(data_set: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2\0");
    file.extend_from_slice(data_set);
    file
}

/// 440 x 440 pixels of 10 bits, MONOCHROME1, with a window: nothing of the recipe is left out.
#[test]
fn an_adult_film_goes_through_as_in_plain_python() {
    let Some(path) = kit::real("cxr/CR-MONO1-10-chest") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(models) = models(folder.path(), "", "") else { return };
    let (Some(library), Some(python)) = (kit::library(), kit::python()) else { return };
    let engine = kit::engine(models.clone(), library);
    let file = with_head(&std::fs::read(&path).unwrap());
    let (probability, presence) = answer(&find(&engine, &models, &file));
    let graph = folder.path().join(NAME).join("cxr_pneumonia28.onnx");
    let script = include_str!("reference/chest_film.py");
    let expected: f64 = kit::run_python(&python, script, &[&path, &graph]).parse().unwrap();
    println!("{probability}, in plain Python {expected}");
    assert!((probability - expected).abs() < 1e-6, "{probability}, not {expected}");
    assert_eq!(presence, Presence::Absent, "a normal chest");
}

#[test]
fn a_film_and_a_graph_of_another_size_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let Some(models) = models(folder.path(), "[28, 28]", "[32, 32]") else { return };
    let Some(library) = kit::library() else { return };
    let options =
        gantry_inference::engine::EngineOptions { library: Some(library), ..Default::default() };
    let error = Engine::start(models, options).unwrap_err().to_string();
    let expected = "the graph's input `image` has any x 1 x 28 x 28 elements, the manifest means 1 x 1 x 32 x 32";
    assert!(error.contains(expected), "{error}");
}
