//! Masks of a film: read on the model's grid, brought back onto the film's own pixels as by scipy, cleaned in two dimensions, and measured.

mod kit;

use gantry_inference::engine::{Engine, InferError};
use gantry_inference::manifest::Manifest;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, NoValue};
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use kit::author::{Author, scored_graph};
use kit::masks::{FIGURES, mask, of_films, with_figures};
use kit::second_opinion::{Question, Random};
use std::path::Path;

const LEAST: f32 = 0.5;

fn film([rows, columns]: [usize; 2], pixels: Vec<f32>, patient_spacing: Option<[f64; 2]>) -> Film {
    Film {
        frames: 1,
        channels: 1,
        rows,
        columns,
        pixels,
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.1").unwrap(),
        sop_instance: Uid::parse("1.2.3").unwrap(),
        pixel_spacing: patient_spacing,
        patient_spacing,
    }
}

fn start(manifest: String) -> Option<Engine> {
    kit::start(&Author { manifest, graph: scored_graph(4) })
}

fn infer(engine: &Engine, film: Film) -> Result<Findings, InferError> {
    kit::wait(engine.infer("tiny", vec![Images::from(film)]))
}

/// A picture in `#` and `.`, row by row.
fn drawn(rows: &[&str]) -> Vec<u8> {
    rows.concat().bytes().map(|byte| u8::from(byte == b'#')).collect()
}

#[test]
fn a_mask_comes_back_to_the_pixels_of_the_film_as_by_pillow_and_scipy() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(31);
    let check = |image: &str, size: [usize; 2], to: [usize; 2], crop: bool, random: &mut Random| {
        let pixels = random.numbers(size[0] * size[1], 0.0, 1.0);
        question.put("film", &pixels).say("size", size).say("to", to);
        question.say("crop", i32::from(crop)).ask(
            "
import numpy
from PIL import Image
from scipy.ndimage import map_coordinates
rows, columns = said(\"size\")
whole = f32(\"film\", [rows, columns])
cut = [min(rows, columns)] * 2 if said(\"crop\") else [rows, columns]
first = [(rows - cut[0]) // 2, (columns - cut[1]) // 2]
film = whole[first[0] : first[0] + cut[0], first[1] : first[1] + cut[1]]
to = said(\"to\")
tensor = numpy.asarray(Image.fromarray(film.astype(numpy.float32)).resize(to[::-1], Image.BILINEAR))
middles = [(numpy.arange(side) + 0.5) * t / side for side, t in zip(cut, to)]
nearest = tensor[numpy.ix_(*[m.astype(int) for m in middles])]
linear = map_coordinates(tensor.astype(float), numpy.meshgrid(*[m - 0.5 for m in middles], indexing=\"ij\"), order=1, mode=\"nearest\")
for name, values in ((\"nearest\", nearest), (\"linear\", linear)):
    back = numpy.full([rows, columns], -1.0)
    back[first[0] : first[0] + cut[0], first[1] : first[1] + cut[1]] = values
    save(name, back)
",
        );
        for (back, name) in [("mask", "nearest"), ("probability", "linear")] {
            let reading = format!("tensor = \"same\"\nat-least = {LEAST}\nback = \"{back}\"");
            let Some(engine) = start(of_films(image, &[mask(&reading)])) else { return };
            let found = infer(&engine, film(size, pixels.clone(), None)).unwrap();
            let expected = question.answer(name);
            let own = &found.masks[0].voxels;
            assert_eq!(own.len(), expected.len());
            assert!(own.contains(&1) && own.contains(&0), "{image}: something is decided");
            for (at, (own, expected)) in own.iter().zip(&expected).enumerate() {
                // What stands at the limit itself may fall on either side.
                let decided = (expected - f64::from(LEAST)).abs() > 1e-5;
                assert!(
                    !decided || (*own == 1) == (*expected >= f64::from(LEAST)),
                    "{image}, {back}: {at}"
                );
            }
        }
    };
    check("size = [11, 6]", [7, 13], [11, 6], false, &mut random);
    check("size = [9, 9]\ncrop = \"centre-square\"", [40, 63], [9, 9], true, &mut random);
    check("size = [40, 30]", [23, 17], [40, 30], false, &mut random);
    check("crop = \"centre-square\"", [12, 5], [5, 5], true, &mut random);
}

#[test]
fn labels_classes_and_probabilities_of_a_film_are_read_where_they_stand() {
    let pixels = vec![0.0, 1.0, 2.0, -1.0, 0.5, 1.0];
    let check = |reading: &str, expected: [u8; 6]| {
        let Some(engine) = start(of_films("", &[mask(reading)])) else { return };
        let found = infer(&engine, film([2, 3], pixels.clone(), None)).unwrap();
        assert_eq!(found.masks[0].voxels, expected, "{reading}");
    };
    check("tensor = \"labels\"\nvalue = 1", [0, 1, 0, 0, 0, 1]);
    check("tensor = \"scores\"\nclass = 1", [0, 1, 1, 0, 1, 1]);
    check("tensor = \"scores\"\nclass = 0", [1, 0, 0, 1, 0, 0]);
    check("tensor = \"same\"\nat-least = 1.0", [0, 1, 1, 0, 0, 1]);
}

/// A block of one slice is all border; a film is a picture.
#[test]
fn what_rows_and_columns_of_a_film_close_in_is_a_hole() {
    let ring = ["......", ".###..", ".#.#.#", ".###.#", "......"];
    let filled = ["......", ".###..", ".###..", ".###..", "......"];
    let reading =
        "tensor = \"same\"\nat-least = 0.5\nleast-voxels = 3\nfill-holes = true".to_string();
    let Some(engine) = start(of_films("", &[mask(&reading)])) else { return };
    let pixels: Vec<f32> = drawn(&ring).into_iter().map(f32::from).collect();
    let found = infer(&engine, film([5, 6], pixels, None)).unwrap();
    assert_eq!(found.masks[0].voxels, drawn(&filled));
}

#[test]
fn figures_of_a_film_are_those_of_its_pixels_and_of_their_size_in_the_patient() {
    let reading = "tensor = \"same\"\nat-least = 2.0";
    let Some(engine) = start(of_films("", &with_figures(reading, &FIGURES))) else { return };
    let pixels = vec![2.0, 0.0, 6.0, 0.0, 1.0, 4.0];
    let told = |spacing| {
        let found = infer(&engine, film([2, 3], pixels.clone(), spacing)).unwrap();
        let numbers = found.groups[0].measurements.iter().map(|m| m.value);
        (numbers.collect::<Vec<_>>(), found.remarks)
    };
    let (numbers, remarks) = told(Some([0.5, 0.2]));
    let near =
        |found: Result<f64, NoValue>, expected: f64| (found.unwrap() - expected).abs() < 1e-9;
    for (found, expected) in numbers.into_iter().zip([0.3, 0.003, 3.0, 2.0, 4.0, 6.0, 12.0]) {
        assert!(near(found, expected), "{found:?}, not {expected}");
    }
    assert!(remarks.is_empty());

    let (numbers, remarks) = told(None);
    assert_eq!(numbers[..2], [Err(NoValue::MeasurementFailure); 2]);
    assert_eq!(numbers[2..4], [Ok(3.0), Ok(2.0)]);
    let remark = "how large a pixel is in the patient the image does not say";
    assert_eq!(remarks, [format!("mm2: {remark}"), format!("cm2: {remark}")]);
}

/// Each of them has the masks that it has alone.
#[test]
fn films_that_go_through_the_graph_together_have_masks_of_their_own() {
    let reading = "tensor = \"same\"\nat-least = 0.5";
    let text = of_films("", &[mask(reading)]);
    let text = text.replacen("[algorithm]", "[batching]\nmost = 4\n\n[algorithm]", 1);
    let Some(engine) = start(text) else { return };
    let of = |pixels: [f32; 4]| vec![Images::from(film([1, 4], pixels.to_vec(), None))];
    let batch = vec![of([1.0, 0.0, 0.0, 1.0]), of([0.0, 0.0, 1.0, 0.0])];
    let answers = kit::wait(engine.infer_batch("tiny", batch));
    let masks = answers.into_iter().map(|answer| answer.unwrap().findings.masks[0].voxels.clone());
    assert_eq!(masks.collect::<Vec<_>>(), [[1, 0, 0, 1], [0, 0, 1, 0]]);
}

#[test]
fn masks_of_coloured_films_have_an_area_and_no_intensities() {
    let image = "colour = \"rgb\"";
    let reading = "tensor = \"same\"\nat-least = 0.5";
    let text = of_films(image, &with_figures(reading, &FIGURES[..4]));
    Manifest::parse(Path::new("model.toml"), &text).unwrap();
    let text = of_films(image, &with_figures(reading, &FIGURES));
    let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
    assert_eq!(problems.len(), 3);
    let text = "of colours an area and a count are measured, and no intensities";
    assert!(problems.iter().all(|problem| problem.to_string().contains(text)), "{problems:?}");
}

#[test]
fn every_fault_of_a_mask_on_a_film_is_told() {
    let reading = "tensor = \"same\"\nat-least = 0.5";
    let check = |from: &str, to: &str, expected: &str| {
        let text = of_films("", &with_figures(reading, &FIGURES[..1]));
        assert!(text.contains(from), "{from}");
        let problems = Manifest::parse(Path::new("model.toml"), &text.replacen(from, to, 1));
        let problems: Vec<String> = problems.unwrap_err().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    };
    check("figure = \"area\"", "figure = \"volume\"", "a film has no volume: figure = \"area\"");
    check("value = \"mm2\"", "value = \"mL\"", "an area is in cm2, mm2 or {pixels}");
    check("kind = \"image\"", "kind = \"frames\"", "[input.frames] is missing");
    check(
        "[\"structured-report\"]",
        "[\"parametric-map\"]",
        "of a film there is no parametric map",
    );
}
