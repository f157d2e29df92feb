//! Films: read as others read them, brought to what a graph takes, and refused with what they lack.

mod kit;

use gantry_inference::film;
use gantry_inference::manifest::{Input, InputKind, Manifest};
use gantry_terms::film::Film;
use gantry_terms::uid::Uid;
use kit::modality::{MODALITY_LUT, Scan, VOI_LUT, sequence, table, text, window};
use kit::second_opinion::{Question, Random, assert_near};
use std::path::Path;

/// The chest film classifier's manifest in which `from` was written as `to`.
fn manifest(from: &str, to: &str) -> Result<Manifest, String> {
    let text = include_str!("models/chest-film/model.toml");
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    Manifest::parse(Path::new("model.toml"), &text).map_err(|problems| problems[0].to_string())
}

fn input(intensity: &str) -> Input {
    manifest("\"displayed\"", &format!("\"{intensity}\"")).unwrap().lead().clone()
}

/// 16 x 16 pixels of 12 bits, without anything that says how they are to be shown.
fn plain() -> Scan {
    let mut random = Random(5);
    Scan {
        modality: "DX",
        slope: String::new(),
        intercept: String::new(),
        pixels: (0..256).map(|_| random.below(4096) as u16).collect(),
        ..Scan::default()
    }
}

#[test]
fn a_film_is_shown_as_pydicom_shows_it() {
    let Some(question) = Question::new() else { return };
    let signed = Scan { signed: true, ..plain() };
    let rescaled = Scan { slope: "0.5".into(), intercept: "-100".into(), ..plain() };
    let both = [table(MODALITY_LUT, 0, 4096, 16, true), window("30000", "40000", None)].concat();
    let cases = [
        ("nothing said", plain()),
        ("signed", signed.clone()),
        ("rescaled", rescaled.clone()),
        ("window", Scan { more: window("2048", "1000", None), ..plain() }),
        ("window, exact", Scan { more: window("2048", "999.5", Some("LINEAR_EXACT")), ..plain() }),
        ("window, sigmoid", Scan { more: window("1500", "800", Some("SIGMOID")), ..plain() }),
        ("window of the rescaled", Scan { more: window("900\\9", "500\\9", None), ..rescaled }),
        ("window of the signed", Scan { more: window("-100", "900", None), ..signed.clone() }),
        ("table", Scan { more: table(VOI_LUT, 1000, 2000, 12, true), ..plain() }),
        ("short table", Scan { more: table(VOI_LUT, 1000, 256, 8, false), ..plain() }),
        ("table of the signed", Scan { more: table(VOI_LUT, -500, 1000, 16, false), ..signed }),
        ("modality table", Scan { more: table(MODALITY_LUT, 0, 4096, 16, false), ..plain() }),
        ("modality table, then a window", Scan { more: both, ..plain() }),
    ];
    let files: Vec<(&str, Vec<u8>)> = cases
        .iter()
        .flat_map(|(case, film)| {
            ["MONOCHROME2", "MONOCHROME1"]
                .map(|photometric| (*case, Scan { photometric, ..film.clone() }.file()))
        })
        .collect();
    for (at, (_, file)) in files.iter().enumerate() {
        question.lay(&format!("film-{at}"), file);
    }
    question.ask(include_str!("reference/films.py"));
    for (at, (case, file)) in files.iter().enumerate() {
        for intensity in ["rescaled", "displayed"] {
            println!("{case} ({at}), {intensity}");
            let own = film::read(file, &input(intensity)).unwrap();
            assert_eq!((own.rows, own.columns), (16, 16));
            assert_near(&own.pixels, &question.answer(&format!("film-{at} {intensity}")), 1e-6);
        }
    }
}

#[test]
fn a_film_tells_where_it_comes_from_and_how_large_its_pixels_are() {
    let film = film::read(&plain().file(), &input("displayed")).unwrap();
    assert_eq!(film.sop_instance.as_str(), "1.2.3.1");
    assert_eq!(film.pixel_spacing, Some([0.7, 0.7]));
    let mut more = Vec::new();
    text(&mut more, 0x0018_1164, b"DS", "0.2\\0.1");
    let at_detector = Scan { pixel_spacing: [0.0, 0.0], more, ..plain() };
    let film = film::read(&at_detector.file(), &input("displayed")).unwrap();
    assert_eq!(film.pixel_spacing, Some([0.2, 0.1]));
}

/// PS3.3 10.7.1.1: what was not calibrated is as large as at the detector, and that is larger than in the patient.
#[test]
fn a_pixel_is_as_large_in_the_patient_as_its_film_says_and_of_no_size_where_it_does_not() {
    type Says<'a> = &'a [(u32, &'a [u8; 2], &'a str)];
    const DETECTOR: (u32, &[u8; 2], &str) = (0x0018_1164, b"DS", "0.7\\0.7");
    const MAGNIFIED: (u32, &[u8; 2], &str) = (0x0018_1114, b"DS", "1.4");
    const SCANNED: (u32, &[u8; 2], &str) = (0x0018_2010, b"DS", "0.7\\0.7");
    const CALIBRATED: (u32, &[u8; 2], &str) = (0x0028_0A02, b"CS", "GEOMETRY");
    let cases: [(f64, Says, Option<f64>); 10] = [
        (0.7, &[], None),
        (0.7, &[CALIBRATED], Some(0.7)),
        (0.7, &[DETECTOR], None),
        (0.7, &[MAGNIFIED, DETECTOR], Some(0.5)),
        (0.7, &[DETECTOR, CALIBRATED], Some(0.7)),
        (0.6, &[DETECTOR], Some(0.6)),
        (0.6, &[MAGNIFIED, DETECTOR], Some(0.6)),
        (0.7, &[SCANNED], None),
        (0.6, &[SCANNED], Some(0.6)),
        (0.0, &[(0x0018_1114, b"DS", "0.8"), DETECTOR], None),
    ];
    for (spacing, says, expected) in cases {
        let mut more = Vec::new();
        says.iter().for_each(|(tag, vr, value)| text(&mut more, *tag, vr, value));
        let scan = Scan { modality: "DX", pixel_spacing: [spacing; 2], more, ..plain() };
        let film = film::read(&scan.file(), &input("displayed")).unwrap();
        let found = film.patient_spacing;
        let is_right = match (found, expected) {
            (Some(found), Some(expected)) => found.iter().all(|mm| (mm - expected).abs() < 1e-12),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(is_right, "{spacing} {says:?}: {found:?}");
    }
}

#[test]
fn a_film_that_can_not_be_used_is_refused_with_what_it_lacks() {
    let check = |change: fn(&mut Scan), expected: &str| {
        let mut scan = plain();
        change(&mut scan);
        let reason = film::read(&scan.file(), &input("displayed")).unwrap_err().to_string();
        assert!(reason.starts_with(expected), "{reason}");
        assert!(!reason.contains("SECRET"), "no patient in a reason: {reason}");
    };
    check(|s| s.modality = "CT", "is of another modality than CR or DX, which the model takes");
    check(|s| s.photometric = "RGB", "is neither grey");
    check(|s| (s.photometric, s.samples) = ("RGB", 3), "is not a grey image");
    check(|s| s.frames = Some("2"), "has 2 frames");
    check(|s| s.slope = "2".into(), "lacks a usable Rescale Intercept");
    check(
        |s| s.more = window("10", "0", None),
        "has a window of centre 10 and width 0, by which nothing can be shown",
    );
    check(
        |s| s.more = window("10", "9", Some("CUBIC")),
        "has a VOI LUT Function that the standard does not have",
    );
    check(
        |s| {
            s.more = table(VOI_LUT, 0, 300, 8, true);
            let at = s.more.len() - 40;
            s.more.drain(at..at + 8);
        },
        "is not a readable DICOM file",
    );
    check(
        |s| sequence(&mut s.more, VOI_LUT, true, b"\x28\0\x02\x30US\x02\0\x07\0"),
        "has a VOI LUT Sequence that can not be read",
    );
    check(
        |s| {
            s.more = table(MODALITY_LUT, 0, 300, 8, false);
            let descriptor = s.more.windows(2).position(|pair| pair == [44, 1]).unwrap();
            s.more[descriptor..descriptor + 2].copy_from_slice(&[0, 0]);
        },
        "has a Modality LUT Sequence that can not be read",
    );
}

#[test]
fn a_film_becomes_a_tensor_as_by_pillow() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(8);
    for (rows, columns) in [(40, 57), (131, 90), (28, 28)] {
        let film = Film {
            frames: 1,
            channels: 1,
            rows,
            columns,
            pixels: random.numbers(rows * columns, 0.0, 1.0),
            sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.1").unwrap(),
            sop_instance: Uid::parse("1.2.3").unwrap(),
            pixel_spacing: None,
            patient_spacing: None,
        };
        let keys =
            "\"bicubic\"\nchannels = 3\nmean = [0.485, 0.456, 0.406]\nsd = [0.229, 0.224, 0.225]";
        let manifest = manifest("\"bicubic\"", keys).unwrap();
        let input = manifest.lead();
        let InputKind::Image(wanted) = &input.kind else { panic!("a film") };
        let steps: [&[_]; 2] = [&input.image_steps, &input.steps];
        let tensor = wanted.fill([rows, columns], &film.pixels, steps, None).unwrap();
        assert_eq!((wanted.size_of([rows, columns]), tensor.len()), ([28, 28], 3 * 28 * 28));
        question.put("film", &film.pixels).say("size", [rows, columns]);
        question.ask(include_str!("reference/film_tensor.py"));
        assert_near(&tensor, &question.answer("tensor"), 1e-6);
    }
}

#[test]
fn every_fault_of_a_film_in_a_manifest_is_told_with_its_line() {
    let check = |from: &str, to: &str, expected: &str| {
        let problem = manifest(from, to).unwrap_err();
        let first = problem.lines().next().unwrap();
        let told = first.split_once(": ").map(|(_, told)| told).unwrap_or_default();
        assert_eq!(told, expected, "{problem}");
    };
    let size = "size          = [28, 28]";
    check(size, "size = [28, 0]", "a size is rows and columns above 0, at most 33554432 pixels");
    check(size, "", "there is no `size` to interpolate for");
    check(size, "sise = [28, 28]", "unknown key `sise`, did you mean `size`?");
    check(
        size,
        "size = [28, 28]\nchannels = 2",
        "a film goes in as 1 channel, or as 3 that are the same",
    );
    check(size, "size = [28, 28]\nmean = [0.5]", "`mean` and `sd` go together");
    check(
        size,
        "size = [28, 28]\nmean = [0.5, 0.5]\nsd = [1.0]",
        "one number for each of the `channels`",
    );
    check(
        size,
        "size = [28, 28]\nmean = [0.5]\nsd = [0.0]",
        "the deviations of channels is [0.0], it must be above 0: the model's manifest has to be mended",
    );
    let axes = "axes      = \"batch-channel-row-column\"";
    let with = |key: &str| format!("{axes}\n{key}");
    let of_volumes =
        |key: &str| format!("`{key}` is for volumes, a film has rows and columns: [input.image]");
    check(axes, &with("slice-order = \"along-normal\""), &of_volumes("slice-order"));
    check(axes, &with("spacing-tensor = \"mm\""), &of_volumes("spacing-tensor"));
    check(axes, &with("grid = { spacing = [1.0, 1.0, 1.0] }"), &of_volumes("grid"));
    check(axes, &with("limits = { slices = { min = 2 } }"), &of_volumes("slices"));
    check(
        axes,
        "axes = \"slice-row-column\"",
        "a film goes in with axes = \"batch-channel-row-column\"",
    );
    check(
        "\"displayed\"",
        "\"hounsfield\"",
        "a film has no Hounsfield units: `displayed` or `rescaled`",
    );
    check("[\"CR\", \"DX\"]", "[]", "name at least one modality");
    check("[\"CR\", \"DX\"]", "7", "a modality is a word, or a list of words");
}

#[test]
fn a_presentation_state_is_of_grey_images() {
    let text = include_str!("models/chest-film/model.toml");
    let size = "size          = [28, 28]";
    assert!(text.contains(size));
    let text = text.replacen("[\"structured-report\"]", "[\"presentation-state\"]", 1);
    let text = text.replacen(size, &format!("{size}\ncolour = \"rgb\""), 1);
    let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let grey = "a presentation state is of grey images: colour = \"grey\"";
    assert!(told.iter().any(|problem| problem.contains(grey)), "{told:?}");
}

#[test]
fn every_fault_of_a_classification_is_told_with_its_line() {
    let check = |from: &str, to: &str, expected: &str| {
        let problem = manifest(from, to).unwrap_err();
        let first = problem.lines().next().unwrap();
        let told = first.split_once(": ").map(|(_, told)| told).unwrap_or_default();
        assert_eq!(told, expected, "{problem}");
    };
    let finding =
        "finding = { value = \"233604007\", scheme = \"SCT\", meaning = \"Pneumonia\" }\n";
    check(finding, "", "this group has no `finding`: a classification says whether one is there");
    let group = "group            = \"pneumonia\"";
    check(group, "group = \"neumonia\"", "there is no group `neumonia`, did you mean `pneumonia`?");
    let present = "present-at-least = 0.154";
    check(present, "present-at-least = 15.4", "a probability is from 0 to 1");
    check(
        present,
        "present-at-least = 0.1\nabsent-below = 0.2",
        "`absent-below` is not above `present-at-least`",
    );
    check("\"%\"", "\"mL\"", "the unit of a probability is `1` or `%`, of the scheme UCUM");
    check("\"none\"", "\"relu\"", "`relu` is not known here; known: `none`, `sigmoid`, `softmax`");
    let again = "[[classification]]\nkey = \"again\"\ngroup = \"pneumonia\"\ntensor = \"probability\"\n\
                 class = 0\nactivation = \"none\"\npresent-at-least = 0.5\n\
                 concept = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                 unit = { value = \"1\", scheme = \"UCUM\", meaning = \"no units\" }\n\
                 [[classification]]";
    check(
        "[[classification]]",
        again,
        "a classification above answers for this group already: one finding, one group",
    );
}
