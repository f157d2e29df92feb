//! Masks and boxes of the frames of a cine: of each frame those that it has as a film, whatever the batch, and told with its number.

mod kit;

use gantry_inference::engine::{Engine, InferError};
use gantry_inference::film;
use gantry_inference::manifest::Manifest;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, NoValue, Presence};
use gantry_terms::images::Images;
use gantry_terms::region::{Place, Rectangle};
use gantry_terms::uid::Uid;
use kit::author::{Author, scored_graph};
use kit::boxes_of_frames::boxes_graph;
use kit::masks::{FIGURES, mask, of_films, of_kind, with_figures};
use kit::modality::{Scan, element};
use kit::second_opinion::Random;
use std::path::Path;

fn cine([rows, columns]: [usize; 2], pixels: Vec<f32>) -> Film {
    Film {
        frames: pixels.len() / (rows * columns),
        channels: 1,
        rows,
        columns,
        pixels,
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.3.1").unwrap(),
        sop_instance: Uid::parse("1.2.3").unwrap(),
        pixel_spacing: None,
        patient_spacing: None,
    }
}

fn of_frames(tell: &str, batch: usize, image: &str, outputs: &[String]) -> String {
    let keys = format!("{image}\n[input.frames]\ntell = \"{tell}\"\nbatch = {batch}\n");
    of_kind("frames", &keys, outputs)
}

fn start(manifest: String) -> Option<Engine> {
    kit::start(&Author { manifest, graph: scored_graph(4) })
}

fn infer(engine: &Engine, film: Film) -> Result<Findings, InferError> {
    kit::wait(engine.infer("tiny", vec![Images::from(film)]))
}

/// As films they are compared with Pillow and scipy (`film_masks.rs`).
#[test]
fn each_frame_has_the_mask_that_it_has_as_a_film() {
    let size = [11, 17];
    let signed = Random(7).numbers(5 * size[0] * size[1], -1.0, 1.0);
    let geometries = ["", "size = [7, 23]", "size = [9, 9]\ncrop = \"centre-square\""];
    let readings = [
        "tensor = \"same\"\nat-least = 0.3\nback = \"probability\"\nleast-voxels = 3",
        "tensor = \"scores\"\nclass = 1\nfill-holes = true",
        "tensor = \"labels\"\nvalue = 0\nlargest-component = true",
        "tensor = \"scores\"\nclass = 1\nat-least = 0.6\nactivation = \"softmax\"\nback = \"probability\"",
        "tensor = \"scores\"\nclass = 0\nat-least = 0.4\nactivation = \"sigmoid\"",
    ];
    for image in geometries {
        for (reading, batch) in readings.iter().zip([1, 2, 64, 3, 2]) {
            // Of probabilities what a fractional segmentation has of them.
            let results = ["[\"structured-report\"]", "[\"fractional-segmentation\"]"];
            let fractional = reading.contains("at-least");
            // Labels are not below 0, and probabilities neither below it nor above 1.
            let pixels: Vec<f32> = match (reading.contains("labels"), fractional) {
                (true, _) => signed.iter().map(|value| value + 1.0).collect(),
                (false, true) => signed.iter().map(|value| value.abs()).collect(),
                (false, false) => signed.clone(),
            };
            let told = |manifest: String| match fractional {
                true => start(manifest.replacen(results[0], results[1], 1)),
                false => start(manifest),
            };
            let (Some(films), Some(frames)) = (
                told(of_films(image, &[mask(reading)])),
                told(of_frames("mean", batch, image, &[mask(reading)])),
            ) else {
                return;
            };
            let whole = infer(&frames, cine(size, pixels.clone())).unwrap();
            let [found] = whole.masks.as_slice() else { panic!("one mask") };
            let mut expected = (Vec::new(), Vec::new());
            for frame in pixels.chunks(size[0] * size[1]) {
                let mut film = infer(&films, cine(size, frame.to_vec())).unwrap();
                expected.0.append(&mut film.masks[0].voxels);
                expected.1.append(&mut film.masks[0].probabilities);
            }
            assert!(expected.0.contains(&0) && expected.0.contains(&1), "{reading}");
            assert_eq!(found.voxels, expected.0, "{image} {reading}");
            assert_eq!(found.probabilities, expected.1, "{image} {reading}");
            assert_eq!(found.probabilities.is_empty(), !fractional);
        }
    }
}

#[test]
fn figures_of_a_mask_are_told_of_each_frame_or_of_those_that_it_is_on() {
    let reading = "tensor = \"same\"\nat-least = 2.0";
    let pixels = vec![2.0, 0.0, 6.0, 0.0, 0.0, 1.0, 0.0, 1.0, 9.0, 0.0, 0.0, 0.0];
    let told = |tell: &str| {
        let Some(engine) = start(of_frames(tell, 2, "", &with_figures(reading, &FIGURES))) else {
            return Vec::new();
        };
        let found = infer(
            &engine,
            Film { patient_spacing: Some([0.5, 0.2]), ..cine([2, 2], pixels.clone()) },
        );
        let of_group = |group: &gantry_terms::findings::MeasurementGroup| {
            let numbers = group.measurements.iter().map(|m| m.value);
            (group.frame, group.segment.clone(), numbers.collect::<Vec<_>>())
        };
        found.unwrap().groups.iter().map(of_group).collect()
    };
    let none = Err(NoValue::NotANumber);
    let near = |found: &[Result<f64, NoValue>], expected: [Result<f64, NoValue>; 7]| {
        found.iter().zip(expected).all(|(found, expected)| match (found, expected) {
            (Ok(found), Ok(expected)) => (found - expected).abs() < 1e-6,
            (found, expected) => *found == expected,
        })
    };
    let each = told("each");
    if each.is_empty() {
        return;
    }
    // mm2, cm2, pixels, parts, mean, highest, sum.
    for ((frame, segment, found), (number, expected)) in each.iter().zip([
        (1, [Ok(0.2), Ok(0.002), Ok(2.0), Ok(1.0), Ok(4.0), Ok(6.0), Ok(8.0)]),
        (2, [Ok(0.0), Ok(0.0), Ok(0.0), Ok(0.0), none, none, Ok(0.0)]),
        (3, [Ok(0.1), Ok(0.001), Ok(1.0), Ok(1.0), Ok(9.0), Ok(9.0), Ok(9.0)]),
    ]) {
        assert_eq!((*frame, segment.as_deref()), (Some(number), Some("mask")));
        assert!(near(found, expected), "{found:?}, not {expected:?}");
    }
    let third = 1.0 / 3.0;
    let mean = [Ok(0.1), Ok(0.001), Ok(1.0), Ok(2.0 * third), Ok(6.5), Ok(7.5), Ok(17.0 * third)];
    let [(None, Some(_), found)] = &told("mean")[..] else { panic!("one group") };
    assert!(near(found, mean), "{found:?}");
    let most = [Ok(0.2), Ok(0.002), Ok(2.0), Ok(1.0), Ok(9.0), Ok(9.0), Ok(9.0)];
    let [(None, Some(_), found)] = &told("max")[..] else { panic!("one group") };
    assert!(near(found, most), "{found:?}");
}

/// Also where the model's grid is another one, a mask is read of the same tensor, and the last batch is not full.
#[test]
fn each_frame_has_the_image_that_it_has_as_a_film() {
    let size = [11, 17];
    let pixels = Random(11).numbers(5 * size[0] * size[1], -1.0, 1.0);
    let image = "[[image]]\nkey = \"quiet\"\nlabel = \"quiet\"\ntensor = \"same\"\nscale = 2.0\noffset = 3.0\n\
                 derivation = { value = \"113087\", scheme = \"DCM\", meaning = \"A\" }\n";
    let of_mask = mask("tensor = \"same\"\nat-least = 0.3");
    let geometries = ["", "size = [7, 23]", "size = [9, 9]\ncrop = \"centre-square\""];
    for (geometry, batch) in geometries.into_iter().zip([1, 2, 64]) {
        let outputs = [of_mask.clone(), image.to_string()];
        let told = |manifest: String| {
            let both = "[\"structured-report\", \"derived-images\"]";
            start(manifest.replacen("[\"structured-report\"]", both, 1))
        };
        let films = told(of_films(geometry, &outputs));
        let frames = told(of_frames("mean", batch, geometry, &outputs));
        let (Some(films), Some(frames)) = (films, frames) else { return };
        let whole = infer(&frames, cine(size, pixels.clone())).unwrap();
        let [found] = whole.derived.as_slice() else { panic!("one image") };
        let mut expected = Vec::new();
        for frame in pixels.chunks(size[0] * size[1]) {
            expected
                .append(&mut infer(&films, cine(size, frame.to_vec())).unwrap().derived[0].values);
        }
        assert_eq!(found.values, expected, "{geometry}");
        if geometry.is_empty() {
            let near = |(own, pixel): (&f32, &f32)| (own - (pixel * 2.0 + 3.0)).abs() < 1e-5;
            assert!(found.values.iter().zip(&pixels).all(near));
        }
        assert_eq!(whole.masks[0].voxels.len(), found.values.len());
    }
}

const DETECTION: &str = "[[detection]]
key = \"nodule\"
label = \"Nodule\"
boxes = \"boxes\"
columns = [\"column-low\", \"row-low\", \"column-high\", \"row-high\"]
scores = \"scores\"
labels = \"labels\"
class = 1
activation = \"none\"
score-at-least = 0.5
overlap-at-most = 0.25
most-boxes = 4
colour = \"#ff8000\"
finding = { value = \"27925004\", scheme = \"SCT\", meaning = \"Nodule\" }
concept = { value = \"111012\", scheme = \"DCM\", meaning = \"Certainty of Finding\" }
unit = { value = \"1\", scheme = \"UCUM\", meaning = \"no units\" }
";

#[test]
fn boxes_lie_on_their_frame_and_take_no_box_of_another_frame_away() {
    let one = |class: f32, score: f32| [1.0, 0.0, 4.0, 1.5, score, class, 0.0, 0.0];
    let moved = [5.0, 0.5, 7.0, 2.0, 0.75, 1.0, 0.0, 0.0];
    // Two rows each: in the first frame the lesser box says the same as the better one.
    let frames = [
        [one(1.0, 0.9), one(1.0, 0.8)],
        [one(2.0, 0.9), one(1.0, 0.25)],
        [one(1.0, 0.9), moved],
        [one(1.0, 0.625), one(1.0, 0.5)],
        [moved, one(1.0, 0.7)],
    ];
    let pixels: Vec<f32> = frames.iter().flatten().flatten().copied().collect();
    for batch in [1, 2, 4] {
        let outputs = [DETECTION.to_string()];
        let manifest = of_frames("max", batch, "", &outputs);
        let Some(engine) = kit::start(&Author { manifest, graph: boxes_graph() }) else { return };
        let found = infer(&engine, cine([2, 8], pixels.clone())).unwrap();
        let told = found.groups.iter().map(|group| {
            let score = (group.measurements[0].value.unwrap() * 1e3).round() / 1e3;
            (group.label.as_str(), group.frame, score)
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ("Nodule 1 (frame 1)", Some(1), 0.9),
                ("Nodule 2 (frame 3)", Some(3), 0.9),
                ("Nodule 3 (frame 3)", Some(3), 0.75),
                ("Nodule 4 (frame 5)", Some(5), 0.75),
            ],
            "{batch}"
        );
        assert_eq!(found.remarks, ["nodule: the best 4 of 6 boxes"]);
        let places = found.groups.iter().map(|group| group.region.as_ref().unwrap().place.clone());
        let moved = Place::Film(Rectangle { top: 0.5, left: 5.0, bottom: 2.0, right: 7.0 });
        let one = Place::Film(Rectangle { top: 0.0, left: 1.0, bottom: 1.5, right: 4.0 });
        assert_eq!(places.collect::<Vec<_>>(), [one.clone(), one, moved.clone(), moved]);

        let nothing = infer(&engine, cine([2, 8], vec![0.0; 48])).unwrap();
        let [group] = &nothing.groups[..] else { panic!("{:?}", nothing.groups) };
        assert_eq!((group.frame, group.presence), (None, Some(Presence::Absent)));
    }
}

#[test]
fn a_graph_that_does_not_keep_its_manifest_on_frames_is_told() {
    let check = |reading: &str, image: &str, pixels: Vec<f32>, expected: &str| {
        let Some(engine) = start(of_frames("mean", 2, image, &[mask(reading)])) else { return };
        let error = infer(&engine, cine([1, 3], pixels)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let nan = vec![1.0, 0.0, 1.0, 0.0, f32::NAN, 1.0];
    let none = "has values that are no numbers (NaN or infinite)";
    check("tensor = \"scores\"\nclass = 1", "", nan.clone(), none);
    check("tensor = \"same\"\nat-least = 0.5", "", nan, none);
    let shape = "the output `same` has the shape [2, 3, 1, 3], not [2, 1, 1, 3]";
    check("tensor = \"same\"\nat-least = 0.5", "channels = 3", vec![1.0; 6], shape);
}

#[test]
fn what_frames_have_not_is_refused_and_colours_have_no_intensities() {
    let reading = "tensor = \"same\"\nat-least = 0.5";
    let check = |image: &str, figures: usize, more: &str, expected: &[&str]| {
        let mut outputs = with_figures(reading, &FIGURES[..figures]);
        outputs.push(more.into());
        let text = of_frames("mean", 1, image, &outputs);
        let problems = Manifest::parse(Path::new("model.toml"), &text).err().unwrap_or_default();
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.to_string().contains(expected), "{problem}");
        }
    };
    let image = "[[image]]\nkey = \"quiet\"\nlabel = \"Quiet\"\ntensor = \"same\"\n\
                 derivation = { value = \"113087\", scheme = \"DCM\", meaning = \"A\" }\n";
    check("", 7, DETECTION, &[]);
    let goes = "an image goes out as \"derived-images\"";
    check("", 4, image, &[goes]);
    check("colour = \"rgb\"", 4, image, &[goes, "an image is derived of grey films and frames"]);
    let colours = "of colours an area and a count are measured, and no intensities";
    check("colour = \"rgb\"", 4, DETECTION, &[]);
    check("colour = \"rgb\"", 7, DETECTION, &[colours; 3]);
    let drawn = |results: &str| {
        let text = of_frames("each", 1, "", &with_figures(reading, &FIGURES[..1]));
        let text = text.replacen("[\"structured-report\"]", results, 1);
        Manifest::parse(Path::new("model.toml"), &text).map(|_| ())
    };
    let all = "[\"structured-report\", \"secondary-capture\", \"segmentation\", \"fractional-segmentation\", \
               \"label-map\", \"presentation-state\"]";
    drawn(all).unwrap();
    let map = drawn("[\"parametric-map\"]").unwrap_err();
    let told =
        map.iter().any(|one| one.to_string().contains("of a film there is no parametric map"));
    assert!(told, "{map:?}");
}

/// Region Spatial Format, Physical Units of both directions, Physical Delta X and Y (PS3.3 C.8.5.5).
type Region = (u16, [u16; 2], [f64; 2]);

fn with_regions(regions: &[Region]) -> Scan {
    let mut items = Vec::new();
    for (format, units, deltas) in regions {
        let mut item = Vec::new();
        element(&mut item, 0x0018_6012, b"US", &format.to_le_bytes());
        for (tag, unit) in [0x0018_6024, 0x0018_6026].into_iter().zip(units) {
            element(&mut item, tag, b"US", &unit.to_le_bytes());
        }
        for (tag, delta) in [0x0018_602C, 0x0018_602E].into_iter().zip(deltas) {
            element(&mut item, tag, b"FD", &delta.to_le_bytes());
        }
        items.extend_from_slice(b"\xFE\xFF\x00\xE0");
        items.extend_from_slice(&(item.len() as u32).to_le_bytes());
        items.extend(item);
    }
    let mut more = b"\x18\x00\x11\x60SQ\0\0".to_vec();
    more.extend_from_slice(&(items.len() as u32).to_le_bytes());
    more.extend(items);
    let (slope, intercept) = (String::new(), String::new());
    Scan { modality: "US", pixel_spacing: [0.0; 2], slope, intercept, more, ..Scan::default() }
}

#[test]
fn pixels_of_ultrasound_are_as_large_as_all_its_flat_regions_say() {
    let text = of_kind("frames", "[input.frames]\ntell = \"mean\"\n", &[DETECTION.to_string()]);
    let text = text.replace("modality = \"CR\"", "modality = \"US\"");
    let input = Manifest::parse(Path::new("model.toml"), &text).unwrap().lead().clone();
    let check = |regions: &[Region], expected: Option<[f64; 2]>| {
        let found = film::read(&with_regions(regions).file(), &input).unwrap().patient_spacing;
        let near = |found: [f64; 2], expected: [f64; 2]| {
            found.iter().zip(expected).all(|(mm, expected)| (mm - expected).abs() < 1e-12)
        };
        let is_right = match (found, expected) {
            (Some(found), Some(expected)) => near(found, expected),
            (found, expected) => found == expected,
        };
        assert!(is_right, "{regions:?}: {found:?}");
    };
    let flat: Region = (1, [3, 3], [0.02, 0.05]);
    check(&[], None);
    check(&[flat], Some([0.5, 0.2]));
    check(&[flat, flat], Some([0.5, 0.2]));
    check(&[(1, [3, 3], [0.02, -0.05])], Some([0.5, 0.2]));
    // A spectrum beside the image says nothing of its pixels.
    check(&[(3, [4, 7], [0.01, 1.0]), flat], Some([0.5, 0.2]));
    check(&[flat, (1, [3, 3], [0.02, 0.06])], None);
    check(&[flat, (1, [3, 0], [0.02, 0.05])], None);
    for none in [[0.0, 0.05], [f64::NAN, 0.05], [0.02, f64::INFINITY]] {
        check(&[(1, [3, 3], none)], None);
    }
}
