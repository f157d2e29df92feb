//! Boxes that a graph gives: read from every form, thinned out as by others, and brought back to where the images lie.

mod kit;

use gantry_inference::engine::{Engine, InferError};
use gantry_inference::manifest::Manifest;
use gantry_inference::voxels::boxes::VoxelBox;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::nms::suppressed;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, MeasurementGroup, Presence};
use gantry_terms::images::Images;
use gantry_terms::region::{Parallelepiped, Place, Rectangle};
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use kit::author::{Author, MANIFEST, Said, boxes_graph};
use kit::second_opinion::{Question, Random};
use std::path::Path;

const SIX: &str =
    "\"slice-low\", \"row-low\", \"column-low\", \"slice-high\", \"row-high\", \"column-high\"";
const FOUR: &str = "\"column-low\", \"row-low\", \"column-high\", \"row-high\"";

fn detection(columns: &str, more: &str) -> String {
    format!(
        "[[detection]]\nkey = \"nodule\"\nlabel = \"Nodule\"\nboxes = \"boxes\"\ncolumns = [{columns}]\n\
         scores = \"scores\"\nactivation = \"none\"\nscore-at-least = 0.5\noverlap-at-most = 0.25\n\
         most-boxes = 3\ncolour = \"#ff8000\"\n{more}\n\
         finding = {{ value = \"27925004\", scheme = \"SCT\", meaning = \"Nodule\" }}\n\
         concept = {{ value = \"111012\", scheme = \"DCM\", meaning = \"Certainty of Finding\" }}\n\
         unit = {{ value = \"%\", scheme = \"UCUM\", meaning = \"Percent\" }}\n"
    )
}

/// A model on volumes, with more keys for its input.
fn of_volumes(axes: &str, input: &str, columns: &str, more: &str) -> String {
    let numbers = MANIFEST.find("[[group]]").unwrap();
    let head = MANIFEST[..numbers].replace("\"slice-row-column\"", &format!("\"{axes}\"")).replace(
        "slice-order = \"along-normal\"\n",
        &format!("slice-order = \"along-normal\"\n{input}\n"),
    );
    format!("{head}{}", detection(columns, more))
}

fn of_films(input: &str) -> String {
    let text = include_str!("models/chest-film/model.toml");
    let begin = text.find("[input]").unwrap();
    format!(
        "{}[input]\nkind = \"image\"\nmodality = \"CR\"\ntensor = \"voxels\"\nintensity = \"rescaled\"\n\
         axes = \"batch-channel-row-column\"\n\n[input.image]\n{input}\n\n{}",
        text[..begin].replace(text.lines().find(|line| line.starts_with("sha256")).unwrap_or("-"), ""),
        detection(FOUR, "")
    )
    .replace("cxr_pneumonia28.onnx", "model.onnx")
}

const FIVE: &str = "batch-channel-slice-row-column";

fn said(width: usize, boxes: &[f32], scores: &[f32]) -> Said {
    Said { boxes: boxes.to_vec(), width, scores: scores.to_vec(), labels: vec![1; scores.len()] }
}

fn start(manifest: String, rank: usize, said: &Said) -> Option<Engine> {
    kit::start(&Author { manifest, graph: boxes_graph(rank, said) })
}

fn infer(engine: &Engine, images: impl Into<Images>) -> Result<Findings, InferError> {
    kit::wait(engine.infer("tiny", vec![images.into()]))
}

/// Each box with its label and its number.
fn told(groups: &[MeasurementGroup]) -> Vec<(String, f64)> {
    let number = |group: &MeasurementGroup| group.measurements[0].value.unwrap();
    groups.iter().map(|group| (group.label.clone(), (number(group) * 1e3).round() / 1e3)).collect()
}

fn in_patient(group: &MeasurementGroup) -> Parallelepiped {
    match group.region.as_ref().map(|region| &region.place) {
        Some(Place::Patient(found)) => *found,
        other => panic!("{other:?}"),
    }
}

/// Slices across the body.
fn oblique() -> Volume {
    let mut volume = kit::air(6, 9);
    volume.geometry.row_direction = [0.8, 0.6, 0.0];
    volume.geometry.column_direction = [0.0, 0.0, -1.0];
    volume.geometry.origin = [-20.0, 13.0, 400.0];
    volume
}

#[test]
fn of_boxes_that_overlap_the_same_ones_stay_as_by_numpy() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(77);
    let mut cases = Vec::new();
    for (count, reach, most_overlap) in [
        (1, 9.0, 0.5),
        (40, 6.0, 0.0),
        (200, 10.0, 0.3),
        (300, 4.0, 0.5),
        (150, 3.0, 0.9),
        (60, 5.0, 1.0),
    ] {
        let boxes: Vec<VoxelBox> = (0..count)
            .map(|_| {
                // Whole numbers touch, and lie on each other.
                let low = [0; 3].map(|_| random.between(0.0, reach).round());
                VoxelBox { low, high: low.map(|at| at + random.between(0.0, 6.0).round()) }
            })
            .collect();
        // Few different scores: many ties.
        let scores: Vec<f64> = (0..count).map(|_| random.below(8) as f64 / 8.0).collect();
        cases.push((boxes, scores, most_overlap));
    }
    for (at, (boxes, scores, most_overlap)) in cases.iter().enumerate() {
        let rows = boxes.iter().map(|b| [b.low, b.high].concat()).collect::<Vec<_>>();
        question.say(&format!("{at}_boxes"), rows).say(&format!("{at}_scores"), scores);
        question.say(&format!("{at}_overlap"), most_overlap);
    }
    question.say("cases", cases.len()).ask(include_str!("reference/boxes.py"));
    for (at, (boxes, scores, most_overlap)) in cases.iter().enumerate() {
        let own: Vec<f64> =
            suppressed(boxes, scores, *most_overlap).into_iter().map(|at| at as f64).collect();
        assert_eq!(own, question.answer(&format!("{at}_kept")), "case {at}");
    }
}

#[test]
fn boxes_on_a_turned_grid_lie_in_the_patient_where_simpleitk_has_them() {
    let Some(question) = Question::new() else { return };
    let volume = oblique();
    let boxes = [1.0, 2.0, 3.0, 3.0, 5.5, 5.75, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    question.say_grid("images", &Grid::of(&volume.geometry).unwrap()).say("boxes", boxes);
    for orientation in ["LIA", "SPL", "RSA", "AIR", "ILP"] {
        let grid = format!("[input.grid]\norientation = \"{orientation}\"");
        let manifest = of_volumes(FIVE, &grid, SIX, "");
        let Some(engine) = start(manifest, 5, &said(6, &boxes, &[0.75, 0.5])) else { return };
        let found = infer(&engine, volume.clone()).unwrap();
        let names = [("Nodule 1".to_string(), 75.0), ("Nodule 2".to_string(), 50.0)];
        assert_eq!(told(&found.groups), names);
        question.lay("orientation", format!("{orientation:?}").as_bytes());
        question.ask(include_str!("reference/box_corners.py"));
        for (at, group) in found.groups.iter().enumerate() {
            let own = in_patient(group);
            let opposite =
                [0, 1, 2].map(|a| own.corner[a] + own.edges.iter().map(|e| e[a]).sum::<f64>());
            let own = [own.corner, opposite].concat();
            let other = question.answer(&format!("corners_{at}"));
            for (own_mm, mm) in own.iter().zip(&other) {
                assert!((own_mm - mm).abs() < 1e-6, "{orientation}: {own:?}, not {other:?}");
            }
        }
    }
}

#[test]
fn the_best_boxes_of_the_class_are_told_and_how_many_there_were() {
    let boxes: Vec<f32> =
        (0..6).flat_map(|at| [0.0, at as f32, 0.0, 2.0, at as f32 + 1.0, 2.0]).collect();
    let scores = [0.6, 0.9, 0.4, 0.7, 0.8, 0.95];
    let check = |more: &str, said: Said, expected: &[(&str, f64)], remarks: &[&str]| {
        let Some(engine) = start(of_volumes(FIVE, "", SIX, more), 5, &said) else { return };
        let found = infer(&engine, kit::air(4, 9)).unwrap();
        let expected: Vec<_> = expected.iter().map(|(label, n)| (label.to_string(), *n)).collect();
        assert_eq!(
            (told(&found.groups), found.remarks),
            (expected, remarks.iter().map(|r| r.to_string()).collect())
        );
    };
    let three = [("Nodule 1", 95.0), ("Nodule 2", 90.0), ("Nodule 3", 80.0)];
    check("", said(6, &boxes, &scores), &three, &["nodule: the best 3 of 5 boxes"]);
    let of_class = || Said { labels: vec![1, 2, 1, 2, 1, 3], ..said(6, &boxes, &scores) };
    check(
        "labels = \"labels\"\nclass = 2",
        of_class(),
        &[("Nodule 1", 90.0), ("Nodule 2", 70.0)],
        &[],
    );
    let rows: Vec<f32> = scores.iter().flat_map(|score| [1.0 - score, *score]).collect();
    let by_class = Said { labels: vec![1; 6], ..said(6, &boxes, &rows) };
    check("class = 0", by_class, &[("Nodule 1", 60.0)], &[]);
}

#[test]
fn where_nothing_is_found_it_is_said_that_nothing_is_there() {
    for said in [
        said(6, &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0], &[0.4]),
        said(6, &[], &[]),
        // Beside the volume.
        said(6, &[90.0, 0.0, 0.0, 91.0, 1.0, 1.0], &[0.9]),
    ] {
        let Some(engine) = start(of_volumes(FIVE, "", SIX, ""), 5, &said) else { return };
        let found = infer(&engine, kit::air(4, 9)).unwrap();
        let [group] = &found.groups[..] else { panic!("{:?}", found.groups) };
        assert_eq!((group.label.as_str(), group.presence), ("Nodule", Some(Presence::Absent)));
        assert!(group.region.is_none() && group.measurements.is_empty());
    }
}

#[test]
fn boxes_that_are_none_fail_the_job_with_the_reason() {
    let check = |said: Said, expected: &str| {
        let Some(engine) = start(of_volumes(FIVE, "", SIX, ""), 5, &said) else { return };
        let error = infer(&engine, kit::air(4, 9)).unwrap_err();
        let InferError::Permanent(text) = error else { panic!("{error}") };
        assert!(text.contains(expected), "{text}");
    };
    let inside_out = [2.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    check(said(6, &inside_out, &[0.9]), "that is inside out or no number");
    check(said(6, &[f32::NAN, 0.0, 0.0, 1.0, 1.0, 1.0], &[0.9]), "that is inside out or no number");
    check(said(6, &inside_out, &[f32::NAN]), "has values that are no numbers (NaN or infinite)");
    check(said(6, &inside_out, &[7.5]), "which is no probability");
}

#[test]
fn boxes_of_windows_and_of_slices_lie_where_their_piece_does() {
    let windows = "[input.windows]\nsize = [4, 4, 4]\noverlap = 0.0";
    let one = [1.0, 1.0, 1.0, 2.0, 3.0, 3.0];
    let manifest = of_volumes(FIVE, windows, SIX, "").replace("most-boxes = 3", "most-boxes = 99");
    let Some(engine) = start(manifest, 5, &said(6, &one, &[0.75])) else { return };
    let found = infer(&engine, kit::air(4, 12)).unwrap();
    let mut corners: Vec<[i64; 3]> = found
        .groups
        .iter()
        .map(|g| in_patient(g).corner.map(|mm| (mm * 1e3).round() as i64))
        .collect();
    corners.sort();
    // The middle of the first voxel is 0, and each is 0.7 mm wide: voxel 1, 5 or 9 begins half of that before.
    let begins = [350, 3150, 5950];
    let expected: Vec<[i64; 3]> =
        begins.iter().flat_map(|x| begins.iter().map(|y| [*x, *y, 1000])).collect();
    assert_eq!(corners, expected);

    let slices = "[input.windows]\neach = \"slice\"";
    let flat = [2.0, 1.0, 5.0, 4.0];
    let manifest = of_volumes("batch-channel-row-column", slices, FOUR, "")
        .replace("most-boxes = 3", "most-boxes = 99");
    let Some(engine) = start(manifest, 4, &said(4, &flat, &[0.75])) else { return };
    let volume = kit::air(3, 9);
    let found = infer(&engine, volume.clone()).unwrap();
    let outlines: Vec<_> = found
        .groups
        .iter()
        .flat_map(|group| in_patient(group).outlines(&volume.geometry))
        .collect();
    assert_eq!(outlines.iter().map(|outline| outline.slice).collect::<Vec<_>>(), [0, 1, 2]);
    for outline in outlines {
        let mut corners: Vec<[i64; 2]> = outline
            .corners
            .iter()
            .map(|at| at.map(|pixels| (pixels * 1e6).round() as i64))
            .collect();
        corners.sort();
        let expected =
            [[2, 1], [2, 4], [5, 1], [5, 4]].map(|at| at.map(|pixels: i64| pixels * 1_000_000));
        assert_eq!(corners, expected);
    }
}

#[test]
fn boxes_on_a_cut_and_shrunk_film_lie_on_the_film() {
    let film = Film {
        frames: 1,
        channels: 1,
        rows: 40,
        columns: 60,
        pixels: vec![0.0; 2400],
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.1").unwrap(),
        sop_instance: Uid::parse("1.2.3").unwrap(),
        pixel_spacing: None,
        patient_spacing: None,
    };
    let check = |input: &str, found: [f32; 4], expected: [f64; 4]| {
        let Some(engine) = start(of_films(input), 4, &said(4, &found, &[0.75])) else { return };
        let findings = infer(&engine, film.clone()).unwrap();
        let [top, left, bottom, right] = expected;
        let region = findings.groups[0].region.as_ref().unwrap();
        assert_eq!(region.place, Place::Film(Rectangle { top, left, bottom, right }), "{input}");
        assert_eq!(region.colour, [255, 128, 0]);
    };
    // Column, row, column, row.
    check("", [2.0, 5.0, 4.0, 10.0], [5.0, 2.0, 10.0, 4.0]);
    // The square begins at column 10, and a pixel of the tensor is two of the film wide.
    let square = "crop = \"centre-square\"\nsize = [20, 20]";
    check(square, [2.0, 5.0, 4.0, 10.0], [10.0, 14.0, 20.0, 18.0]);
    check(square, [-5.0, -5.0, 99.0, 99.0], [0.0, 10.0, 40.0, 50.0]);
    check("size = [80, 30]", [2.0, 5.0, 4.0, 10.0], [2.5, 4.0, 5.0, 8.0]);
}

#[test]
fn every_fault_of_a_detection_is_told() {
    let check = |input: &str, from: &str, to: &str, expected: &str| {
        let text = of_volumes(FIVE, input, SIX, "");
        assert!(text.contains(from), "{from}");
        let problems = Manifest::parse(Path::new("model.toml"), &text.replacen(from, to, 1));
        let problems: Vec<String> = problems.unwrap_err().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    };
    check("", "\"slice-low\"", "\"slice-lower\"", "`slice-lower` is no number of a box");
    let each = "a box has of each axis `low` and `high`, or `centre` and `size`, each once";
    check("", "\"slice-low\"", "\"slice-centre\"", each);
    check("", "\"slice-low\"", "\"slice-high\"", each);
    check("", SIX, FOUR, "a volume has boxes of slices, rows and columns: six numbers each");
    check("", "activation = \"none\"", "activation = \"softmax\"", "a softmax is over classes");
    check(
        "",
        "scores = \"scores\"",
        "scores = \"scores\"\nlabels = \"labels\"",
        "say which `class`",
    );
    check("", "score-at-least = 0.5", "score-at-least = 50", "this is a number from 0 to 1");
    check("", "most-boxes = 3", "most-boxes = 0", "there are 1 to 1000 boxes in a report");
    check("", "\"%\"", "\"mm\"", "the unit of a probability is `1` or `%`");
    let slices = "[input.windows]\neach = \"slice\"";
    check(
        slices,
        "columns",
        "columns",
        "an image has boxes of rows and columns: four numbers each",
    );
}

#[test]
fn a_graph_whose_boxes_are_no_boxes_does_not_start() {
    let Some(library) = kit::library() else { return };
    let check = |from: &str, to: &str, expected: &str| {
        let manifest =
            of_volumes(FIVE, "", SIX, "labels = \"labels\"\nclass = 1").replacen(from, to, 1);
        let graph = boxes_graph(5, &said(6, &[0.0; 6], &[0.5]));
        let folder = tempfile::tempdir().unwrap();
        let models = Author { manifest, graph }.write(folder.path());
        let models = gantry_inference::models::Models::load(&models).unwrap();
        let options = gantry_inference::engine::EngineOptions {
            library: Some(library.clone()),
            threads: Some(1),
            ..Default::default()
        };
        let error = Engine::start(std::sync::Arc::new(models), options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "boxes = \"boxes\"",
        "boxes = \"boxs\"",
        "the graph has no output `boxs`, did you mean `boxes`?",
    );
    check(
        "boxes = \"boxes\"",
        "boxes = \"scores\"",
        "the graph's output `scores` has 1 dimensions, not 2",
    );
    check("labels = \"labels\"", "labels = \"scores\"", "is f32, i64 or i32 is needed");
}
