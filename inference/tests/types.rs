//! The types of element that graphs take and give, beside the numbers that each of them can hold.

mod kit;

use gantry_inference::engine::{Engine, InferError};
use gantry_terms::film::Film;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use kit::author::{Author, BOOL, FLOAT, INT64, MANIFEST, UINT8};
use kit::casts::{cast_graph, row_graph};

const INT8: u64 = 3;
const UINT16: u64 = 4;
const INT16: u64 = 5;
const INT32: u64 = 6;
const FLOAT16: u64 = 10;
const DOUBLE: u64 = 11;
const UINT32: u64 = 12;
const UINT64: u64 = 13;
const LABELS: [u64; 8] = [UINT8, INT8, UINT16, INT16, INT32, INT64, UINT32, UINT64];

const CODES: &str = "category = { value = \"1\", scheme = \"99TEST\", meaning = \"A\" }\n\
                     property = { value = \"1\", scheme = \"99TEST\", meaning = \"A\" }\n";

fn mask(reading: &str) -> String {
    format!(
        "[[segmentation]]\nkey = \"mask\"\nlabel = \"Mask\"\ntensor = \"given\"\n{reading}\n{CODES}\
         colour = \"#ff0080\"\ndraw-order = 1\n"
    )
}

/// The numbers of the graph as images.
const IMAGE: &str = "[[image]]\nkey = \"image\"\nlabel = \"Image\"\ntensor = \"given\"\n\
                     derivation = { value = \"113087\", scheme = \"DCM\", meaning = \"Smoothing\" }\n";

/// A model on volumes with these keys of its input and these outputs.
fn author(input: &str, outputs: &str, graph: Vec<u8>) -> Author {
    let head = MANIFEST[..MANIFEST.find("[[group]]").unwrap()]
        .replace("\"slice-row-column\"", "\"batch-channel-slice-row-column\"")
        .replace(
            "slice-order = \"along-normal\"\n",
            &format!("slice-order = \"along-normal\"\n{input}\n"),
        );
    let head = match outputs.contains("[[image]]") {
        true => head.replace("structured-report", "derived-images"),
        false => head,
    };
    Author { manifest: format!("{head}{outputs}"), graph }
}

/// A model on films.
fn of_films(head: &str, outputs: &str, graph: Vec<u8>) -> Author {
    let author = author("", outputs, graph);
    let manifest = author
        .manifest
        .replace("\"volume\"", "\"image\"")
        .replace("\"hounsfield\"", "\"rescaled\"")
        .replace("batch-channel-slice-row-column", "batch-channel-row-column")
        .replace("slice-order = \"along-normal\"\n", "")
        .replace("[algorithm]", &format!("{head}\n[algorithm]"));
    Author { manifest, graph: author.graph }
}

fn volume(voxels: &[f32]) -> Volume {
    let mut volume = kit::air(4, 4);
    volume.voxels = voxels.iter().copied().cycle().take(64).collect();
    volume
}

fn film(pixels: &[f32]) -> Images {
    let uid = |uid: &str| Uid::parse(uid).unwrap();
    Images::from(Film {
        frames: 1,
        channels: 1,
        rows: 1,
        columns: pixels.len(),
        pixels: pixels.to_vec(),
        sop_class: uid("1.2.840.10008.5.1.4.1.1.1"),
        sop_instance: uid("1.2.3"),
        pixel_spacing: None,
        patient_spacing: None,
    })
}

fn infer(engine: &Engine, images: impl Into<Images>) -> Result<Findings, InferError> {
    kit::wait(engine.infer("tiny", vec![images.into()]))
}

fn reason(engine: &Engine, images: impl Into<Images>) -> String {
    match infer(engine, images) {
        Err(InferError::Permanent(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// In windows that lie side by side, and as a whole.
const PIECES: [&str; 2] = [
    "",
    "[input.windows]\nsize = [2, 4, 4]\noverlap = 0.0\n\
                               [input.grid]\nmultiple-of = [2, 4, 4]",
];

#[test]
fn labels_of_every_whole_type_are_read_from_volumes_pieces_films_and_batches() {
    let seven = |voxel: &f32| u8::from(*voxel == 7.0);
    let voxels = [7.0, 0.0, 1.0, 7.0, 100.0, 6.0];
    for gives in LABELS {
        for input in PIECES {
            let author = author(input, &mask("value = 7"), cast_graph(FLOAT, gives, 5));
            let Some(engine) = kit::start(&author) else { return };
            let volume = volume(&voxels);
            let expected: Vec<u8> = volume.voxels.iter().map(seven).collect();
            let found = infer(&engine, volume).unwrap();
            assert_eq!(found.masks[0].voxels, expected, "type {gives} {input}");
        }
        let author = of_films("", &mask("value = 7"), cast_graph(FLOAT, gives, 4));
        let Some(engine) = kit::start(&author) else { return };
        let found = infer(&engine, film(&voxels)).unwrap();
        assert_eq!(found.masks[0].voxels, [1, 0, 0, 1, 0, 0], "type {gives} of a film");
        let together = "[batching]\nmost = 4\n";
        let author = of_films(together, &mask("value = 7"), cast_graph(FLOAT, gives, 4));
        let Some(engine) = kit::start(&author) else { return };
        let films = vec![vec![film(&voxels)], vec![film(&[0.0, 7.0, 0.0, 0.0, 0.0, 7.0])]];
        let answers = kit::wait(engine.infer_batch("tiny", films)).into_iter();
        let masks: Vec<_> = answers.map(|a| a.unwrap().findings.masks[0].voxels.clone()).collect();
        assert_eq!(masks, [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1]], "type {gives} of two films");
    }
}

#[test]
fn what_reaches_a_threshold_inside_the_graph_is_a_label() {
    for input in PIECES {
        let author = author(input, &mask("value = 1"), cast_graph(FLOAT, BOOL, 5));
        let Some(engine) = kit::start(&author) else { return };
        let volume = volume(&[0.0, 0.3, -2.0, 0.0, 9.0]);
        let expected: Vec<u8> = volume.voxels.iter().map(|v| u8::from(*v != 0.0)).collect();
        assert_eq!(infer(&engine, volume).unwrap().masks[0].voxels, expected, "{input}");
    }
}

#[test]
fn a_label_that_no_manifest_can_name_fails_the_job_with_its_number() {
    for (gives, voxel) in [(INT64, 300.0), (INT8, -1.0), (INT32, -7.0), (UINT16, 256.0)] {
        for input in PIECES {
            let author = author(input, &mask("value = 1"), cast_graph(FLOAT, gives, 5));
            let Some(engine) = kit::start(&author) else { return };
            let expected = format!(
                "the model `tiny`: the output `given` has the label {voxel}: labels are 0 to 255"
            );
            assert_eq!(reason(&engine, volume(&[1.0, voxel])), expected, "type {gives} {input}");
            assert!(infer(&engine, volume(&[1.0, 100.0])).is_ok());
        }
    }
}

#[test]
fn numbers_of_16_and_64_bits_come_out_as_those_of_32() {
    // `numpy.float16(1000.3)` is 1000.5, and `numpy.float32(numpy.float64(..))` is what it was.
    for (gives, expected) in [(FLOAT16, 1000.5), (DOUBLE, 1000.3), (FLOAT, 1000.3)] {
        for input in PIECES {
            let author = author(input, IMAGE, cast_graph(FLOAT, gives, 5));
            let Some(engine) = kit::start(&author) else { return };
            let found = infer(&engine, volume(&[1000.3])).unwrap();
            assert!(found.derived[0].values.iter().all(|v| *v == expected), "type {gives} {input}");
            let limit = author_of_limit(input, gives);
            let Some(engine) = kit::start(&limit) else { return };
            let found = infer(&engine, volume(&[1000.3, 1000.0])).unwrap();
            assert_eq!(found.masks[0].voxels[..4], [1, 0, 1, 0], "type {gives} {input}");
        }
        let author = Author { graph: row_graph(FLOAT, gives, 3), ..Author::default() };
        let Some(engine) = kit::start(&author) else { return };
        let found = infer(&engine, volume(&[1000.3])).unwrap();
        let told = found.groups[0].measurements[0].value.unwrap();
        assert!((told - 10.0 * f64::from(expected)).abs() < 1e-9, "type {gives}: {told}");
    }
}

fn author_of_limit(input: &str, gives: u64) -> Author {
    author(input, &mask("at-least = 1000.25"), cast_graph(FLOAT, gives, 5))
}

#[test]
fn images_go_in_as_the_type_that_the_graph_takes() {
    for takes in [FLOAT, FLOAT16, DOUBLE, UINT8, INT8, UINT16, INT16, INT32, INT64] {
        for input in PIECES {
            let author = author(input, IMAGE, cast_graph(takes, FLOAT, 5));
            let Some(engine) = kit::start(&author) else { return };
            let volume = volume(&[0.0, 1.0, 127.0, 6.0, 99.0]);
            let found = infer(&engine, volume.clone()).unwrap();
            assert_eq!(found.derived[0].values, volume.voxels, "type {takes} {input}");
        }
        let author = of_films("", &mask("at-least = 7.0"), cast_graph(takes, FLOAT, 4));
        let Some(engine) = kit::start(&author) else { return };
        let found = infer(&engine, film(&[7.0, 6.0, 100.0])).unwrap();
        assert_eq!(found.masks[0].voxels, [1, 0, 1], "type {takes} of a film");
    }
    let Some(engine) = kit::start(&author("", IMAGE, cast_graph(FLOAT16, FLOAT, 5))) else {
        return;
    };
    let found = infer(&engine, volume(&[1000.3])).unwrap();
    assert!(found.derived[0].values.iter().all(|value| *value == 1000.5), "rounded to 16 bits");
}

#[test]
fn what_does_not_fit_into_the_type_of_an_input_fails_the_job() {
    for (takes, voxel, called) in [
        (UINT8, 12.5, "u8"),
        (UINT8, 256.0, "u8"),
        (INT8, -129.0, "i8"),
        (INT64, 0.1, "i64"),
        (FLOAT16, 70_000.0, "f16"),
    ] {
        for input in PIECES {
            let Some(engine) = kit::start(&author(input, IMAGE, cast_graph(takes, FLOAT, 5)))
            else {
                return;
            };
            let expected = format!(
                "the model `tiny`: the input `voxels` takes {called}, which {voxel} does not fit: the \
                 manifest's `steps` have to bring the images into its range"
            );
            assert_eq!(reason(&engine, volume(&[1.0, voxel])), expected, "{input}");
        }
    }
}

#[test]
fn a_number_beyond_32_bits_or_infinite_is_no_image_and_no_score() {
    let infinite = "has values that are no numbers (NaN or infinite)";
    for voxel in [f32::INFINITY, f32::NEG_INFINITY, 1e38, f32::NAN] {
        // What is 1e38 is infinite as float16.
        for (input, outputs) in [(PIECES[0], IMAGE), (PIECES[1], IMAGE)] {
            let author = author(input, outputs, cast_graph(FLOAT, FLOAT16, 5));
            let Some(engine) = kit::start(&author) else { return };
            let said = reason(&engine, volume(&[1.0, voxel]));
            assert!(said.contains(infinite), "{voxel} {input}: {said}");
        }
    }
}
