//! Films that go through a graph together: each gets the answer that it gets alone, and a bad one spoils no other.

mod kit;

use gantry_inference::batch::Seat;
use gantry_inference::engine::{Answer, Engine, EngineOptions, InferError};
use gantry_inference::film;
use gantry_inference::manifest::Manifest;
use gantry_inference::models::Models;
use gantry_terms::film::Film;
use gantry_terms::findings::NoValue;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use kit::author::{Author, film_graph_of_one, film_weights, films_together};
use kit::second_opinion::{Question, Random, assert_near};
use std::path::Path;
use std::sync::Arc;

const SIDE: usize = 28;
const MANY: &str = "[batching]\nmost = 64\nwait-ms = 20";

fn film_of(side: usize, pixels: Vec<f32>) -> Images {
    let uid = |text: &str| Uid::parse(text).unwrap();
    let film = Film {
        frames: 1,
        channels: 1,
        rows: side,
        columns: side,
        pixels,
        sop_class: uid("1.2.840.10008.5.1.4.1.1.1"),
        sop_instance: uid("1.2.3"),
        pixel_spacing: None,
        patient_spacing: None,
    };
    film.into()
}

fn films(count: usize) -> Vec<Images> {
    let mut random = Random(11);
    (0..count).map(|_| film_of(SIDE, random.numbers(SIDE * SIDE, 0.0, 1.0))).collect()
}

fn ask(engine: &Engine, name: &str, films: &[Images]) -> Vec<Answer> {
    let batch = films.iter().map(|film| vec![film.clone()]).collect();
    kit::wait(engine.infer_batch(name, batch))
}

/// The first number in per cent, as it came, and how the film went through.
fn number(answer: &Answer) -> (Result<f64, NoValue>, Seat) {
    let found = answer.as_ref().unwrap();
    (found.findings.groups[0].measurements[0].value, found.seat)
}

#[test]
fn each_film_of_a_batch_is_answered_as_by_numpy_and_as_it_is_alone() {
    let Some(engine) = kit::start(&films_together(SIDE, MANY)) else { return };
    let Some(question) = Question::new() else { return };
    let films = films(64);
    let pixels: Vec<f32> = films.iter().flat_map(Images::numbers).copied().collect();
    let weights: Vec<f32> = film_weights(SIDE * SIDE).into_iter().flatten().collect();
    question.put("films", &pixels).put("weights", &weights);
    question.ask(include_str!("reference/film_rows.py"));
    let expected = question.answer("probability");
    let mut largest: f64 = 0.0;
    for count in [1, 2, 3, 16, 64] {
        let mut own = Vec::new();
        for (at, answer) in ask(&engine, "tiny", &films[..count]).iter().enumerate() {
            let (number, seat) = number(answer);
            assert_eq!(seat, Seat { at, of: count });
            let alone = ask(&engine, "tiny", &films[at..=at]);
            let (alone, _) = self::number(&alone[0]);
            largest = largest.max((number.unwrap() - alone.unwrap()).abs());
            own.push((number.unwrap() / 100.0) as f32);
        }
        assert_near(&own, &expected[..count], 1e-6);
    }
    println!("at most {largest:e} of a per cent beside the same film alone");
    assert!(largest < 1e-4, "{largest}");
}

#[test]
fn among_as_many_copies_of_itself_a_film_has_the_same_bits_in_the_same_seat() {
    let Some(engine) = kit::start(&films_together(SIDE, MANY)) else { return };
    for count in [1, 2, 5, 16, 33] {
        let films = films(count);
        let together = ask(&engine, "tiny", &films);
        for (at, film) in films.iter().enumerate() {
            let copies = vec![film.clone(); count];
            let again = &ask(&engine, "tiny", &copies)[at];
            assert_eq!(number(&together[at]), number(again), "{at} of {count}");
        }
    }
}

#[test]
fn a_film_that_is_no_good_fails_alone() {
    // The mean is told as it is: beyond 1 it is no probability.
    let mut author = films_together(SIDE, MANY);
    for (from, to) in [
        ("\"probability\"", "\"sums\""),
        ("class            = 0", "class            = 1"),
        ("steps     = [{ clip = { low = 0, high = 1 } }]", ""),
    ] {
        assert!(author.manifest.contains(from), "{from}");
        author.manifest = author.manifest.replace(from, to);
    }
    let Some(engine) = kit::start(&author) else { return };
    let good = |value: f32| film_of(SIDE, vec![value; SIDE * SIDE]);
    let broken = Film { pixels: vec![0.5; 9], ..film(&good(0.0)) };
    let all = [
        good(0.25),
        good(5.0),
        good(0.5),
        broken.into(),
        good(f32::NAN),
        film_of(9, vec![1.0; 81]),
    ];
    let answers = ask(&engine, "tiny", &all);
    for (at, percent) in [(0, 25.0), (2, 50.0), (5, 100.0)] {
        let (value, _) = number(&answers[at]);
        assert!((value.unwrap() - percent).abs() < 1e-3, "{value:?}, not {percent}");
    }
    let refused = |at: usize| answers[at].as_ref().map(|_| ()).unwrap_err().to_string();
    assert!(refused(1).contains("which is no probability"), "{}", refused(1));
    assert!(refused(3).contains("the model `tiny`"), "{}", refused(3));
    assert_eq!(number(&answers[4]).0, Err(NoValue::NotANumber));
}

fn film(images: &Images) -> Film {
    match images {
        Images::Film(film) => Film::clone(film),
        Images::Volume(_) => panic!("a film"),
    }
}

#[test]
fn films_whose_tensors_have_other_shapes_run_by_themselves() {
    // As many pixels as each film has; the graph takes 28 x 28 of them.
    let mut author = films_together(SIDE, MANY);
    for line in ["size          = [28, 28]", "interpolation = \"bicubic\""] {
        assert!(author.manifest.contains(line), "{line}");
        author.manifest = author.manifest.replace(line, "");
    }
    let Some(engine) = kit::start(&author) else { return };
    let [small, large] = [20, SIDE].map(|side| film_of(side, vec![0.5; side * side]));
    let answers = ask(&engine, "tiny", &[large.clone(), small, large]);
    assert_eq!(number(&answers[0]).1, Seat { at: 0, of: 2 });
    assert_eq!(number(&answers[2]).1, Seat { at: 1, of: 2 });
    let Err(InferError::Permanent(why)) = &answers[1] else { panic!("{:?}", answers[1]) };
    assert!(why.contains("failed in ONNX Runtime"), "{why}");
}

#[test]
fn forty_chest_films_at_once_have_their_reference_probabilities() {
    let Some(folder) = kit::real("cxr/pneumoniamnist_val") else { return };
    let graph = kit::root().join("../shared/models/cxr_pneumonia28.onnx");
    if !graph.exists() {
        println!("skipped: the shared model cxr_pneumonia28.onnx is not on this machine");
        return;
    }
    let (Some(library), models) = (kit::library(), tempfile::tempdir().unwrap()) else { return };
    let graph = std::fs::read(graph).unwrap();
    Author { graph, ..films_together(SIDE, MANY) }.write(models.path());
    let models = Arc::new(Models::load(&models.path().join("models")).unwrap());
    let engine = kit::engine(models.clone(), library);
    let input = models.model("tiny").unwrap().manifest.lead();
    let table = std::fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split('\t').collect()).collect();
    let read = |row: &Vec<&str>| -> Images {
        let file = std::fs::read(folder.join(row[0])).unwrap();
        film::read(&file, input).unwrap().into()
    };
    let films: Vec<Images> = rows.iter().map(read).collect();
    let mut largest = [0.0f64; 2];
    for (at, answer) in ask(&engine, "tiny", &films).iter().enumerate() {
        let (percent, seat) = number(answer);
        assert_eq!(seat, Seat { at, of: 40 });
        let probability = percent.unwrap() / 100.0;
        let alone = ask(&engine, "tiny", &films[at..=at]);
        let alone = number(&alone[0]).0.unwrap() / 100.0;
        let reference: f64 = rows[at][2].parse().unwrap();
        largest[0] = largest[0].max((probability - reference).abs());
        largest[1] = largest[1].max((probability - alone).abs());
    }
    println!(
        "at most {:e} beside the references, {:e} beside the same alone",
        largest[0], largest[1]
    );
    assert!(largest[0] < 1e-6 && largest[1] < 1e-6, "{largest:?}");
}

#[test]
fn every_fault_of_batches_in_a_manifest_is_told() {
    let check = |batching: &str, expected: &str| {
        let text = films_together(SIDE, batching).manifest;
        let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
        let problem = problems[0].to_string();
        let first = problem.lines().next().unwrap();
        let told = first.split_once(": ").map(|(_, told)| told).unwrap_or_default();
        assert_eq!(told, expected, "{problem}");
    };
    check("[batching]\nmost = 1", "a batch has 2 to 64 films at most");
    check("[batching]\nmost = 65", "a batch has 2 to 64 films at most");
    check("[batching]\nmost = 8\nwait-ms = 10001", "`wait-ms` is at most 10000");
    check("[batching]\nmots = 8", "unknown key `mots`, did you mean `most`?");
    check("[batching]\nwait-ms = 8", "the key `most` is missing");
    let text = kit::author::MANIFEST.replace("[algorithm]", "[batching]\nmost = 8\n\n[algorithm]");
    let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
    let told = problems[0].to_string();
    assert!(told.contains("batches are of films, kind = \"image\""), "{told}");
}

#[test]
fn a_graph_that_fixes_its_batch_or_gives_no_row_for_each_film_stops_the_start() {
    let Some(library) = kit::library() else { return };
    let check = |graph: Vec<u8>, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let author = Author { graph, ..films_together(SIDE, MANY) };
        let models = Arc::new(Models::load(&author.write(folder.path())).unwrap());
        let options = EngineOptions {
            library: Some(library.clone()),
            threads: Some(1),
            ..EngineOptions::default()
        };
        let error = Engine::start(models, options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        film_graph_of_one(SIDE * SIDE, true),
        "the graph's input `image` has 1 x any x any x any elements, the manifest means a batch that is \
         left open x 1 x 28 x 28",
    );
    check(
        film_graph_of_one(SIDE * SIDE, false),
        "the graph's output `probability` has 1 dimensions, not 2",
    );
}
