//! Images with colours and of many frames, and padding: read as pydicom reads them, and what a graph gets of them.

mod kit;

use gantry_inference::film;
use gantry_inference::manifest::{Input, Manifest};
use gantry_terms::film::Film;
use gantry_terms::findings::MeasurementGroup;
use gantry_terms::uid::Uid;
use kit::author::{Author, rows_graph};
use kit::modality::{Scan, element, text};
use kit::second_opinion::{Question, assert_near};
use std::path::Path;

fn manifest(kind: &str, intensity: &str, more: &str) -> Result<Manifest, String> {
    let text = include_str!("models/chest-film/model.toml")
        .replace("\"image\"\nmodality", &format!("\"{kind}\"\nmodality"))
        .replace("[\"CR\", \"DX\"]", "[\"CR\", \"DX\", \"US\", \"OT\"]")
        .replace("\"displayed\"", &format!("\"{intensity}\""))
        .replace("crop          = \"centre-square\"\nsize          = [28, 28]\n", "")
        .replace("interpolation = \"bicubic\"\n", more);
    Manifest::parse(Path::new("model.toml"), &text).map_err(|problems| problems[0].to_string())
}

fn frames(intensity: &str, colour: &str) -> Input {
    let more = format!("colour = \"{colour}\"\n[input.frames]\ntell = \"mean\"\n");
    manifest("frames", intensity, &more).unwrap().lead().clone()
}

fn rgb(question: &Question, name: &str) -> Film {
    let file = question.file(&format!("{name}.dcm"));
    film::read(&file, &frames("rescaled", "rgb")).unwrap()
}

#[test]
fn colours_are_those_that_pydicom_reads_in_every_layout() {
    let Some(question) = Question::new() else { return };
    question.ask(include_str!("reference/colours.py"));
    let mut exact = vec!["rgb", "rgb-planes", "ybr", "ybr-planes", "ybr-422", "rgb-16", "rgb-rle"];
    exact.extend(["rgb-j2k", "ybr-rle", "palette-8", "palette-16"]);
    if cfg!(feature = "jpeg-ls") {
        exact.extend(["rgb-jpeg-ls", "rgb-jpeg-ls-scans"]);
    }
    for name in exact {
        println!("{name}");
        let film = rgb(&question, name);
        assert_eq!((film.channels, film.rows, film.columns), (3, 40, 34));
        assert_eq!(film.pixels.len(), film.count());
        let expected = question.answer(name);
        assert_eq!(film.pixels.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), expected);
        let shown = film::read(&question.file(&format!("{name}.dcm")), &frames("displayed", "any"));
        let most = if name.ends_with("16") { 65535.0 } else { 255.0 };
        let expected: Vec<f64> = expected.iter().map(|value| value / most).collect();
        assert_near(&shown.unwrap().pixels, &expected, 1e-6);
    }
    // Two decoders of a DCT round differently, and make full colours of halved ones by other means.
    for (name, most) in [
        ("jpeg-444-lossy", 2.0),
        ("jpeg-422-lossy", 8.0),
        ("jpeg-named-rgb-lossy", 2.0),
        ("jpeg-bare-lossy", 2.0),
    ] {
        let (film, expected) = (rgb(&question, name), question.answer(name));
        assert_eq!(film.pixels.len(), expected.len());
        let off = film.pixels.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
        let greatest = off.fold(0.0, f64::max);
        println!("{name}: greatest difference {greatest}");
        assert!(greatest <= most, "{name}: {greatest}");
    }
}

#[test]
fn real_colours_are_read_as_pydicom_reads_them() {
    let Some(folder) = kit::real("ts") else { return };
    let Some(question) = Question::new() else { return };
    question.say("folder", [folder.to_str().unwrap()]);
    let names = [
        ("pydicom/SC_rgb_rle_2frame", 0.0),
        ("htj2k/HTJ2KLossless_08_RGB", 0.0),
        ("htj2k/HTJ2K_08_RGB", 1.0),
        ("pydicom/SC_rgb_jpeg_dcmtk", 4.0),
        ("pydicom/SC_rgb_dcmtk_+eb+cy+np", 4.0),
        ("pydicom/examples_ybr_color", 60.0),
    ];
    question.say("names", names.map(|(name, _)| name));
    question.ask(
        "
import pydicom
from pydicom.pixels import pixel_array
for at, name in enumerate(said('names')):
    image = pydicom.dcmread(f\"{said('folder')[0]}/{name}.dcm\", force=True)
    shape = (-1, image.Rows, image.Columns, 3)
    save(f'colours-{at}', np.moveaxis(pixel_array(image).reshape(shape), -1, 1))
    file = pathlib.Path(said('folder')[0], name + '.dcm').read_bytes()
    if 'Modality' not in image:  # Behind the SOP Instance UID.
        at_uid = file.index(bytes([8, 0, 0x18, 0]) + b'UI')
        end = at_uid + 8 + int.from_bytes(file[at_uid + 6:at_uid + 8], 'little')
        file = file[:end] + bytes([8, 0, 0x60, 0]) + b'CS' + bytes([2, 0]) + b'US' + file[end:]
    (folder / f'colours-{at}.dcm').write_bytes(file)
",
    );
    for (at, (name, most)) in names.into_iter().enumerate() {
        let file = question.file(&format!("colours-{at}.dcm"));
        let film = film::read(&file, &frames("rescaled", "rgb"));
        let film = film.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = question.answer(&format!("colours-{at}"));
        assert_eq!(film.pixels.len(), expected.len(), "{name}");
        let off = film.pixels.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
        let (greatest, sum) = off.fold((0.0, 0.0), |(most, sum), off| (off.max(most), sum + off));
        println!("{name}: greatest difference {greatest}, mean {}", sum / expected.len() as f64);
        assert!(greatest <= most, "{name}: {greatest}");
        assert!(sum / expected.len() as f64 <= 2.0, "{name}");
    }
}

#[test]
fn an_image_of_the_wrong_colours_or_too_many_frames_is_refused_with_a_reason() {
    let grey =
        Scan { modality: "CR", slope: String::new(), intercept: String::new(), ..Scan::default() };
    let reason = |scan: &Scan, input: &Input| {
        let reason = film::read(&scan.file(), input).unwrap_err().to_string();
        assert!(!reason.contains("SECRET"), "no patient in a reason: {reason}");
        reason
    };
    let of_one = |more: &str| manifest("image", "displayed", more).unwrap().lead().clone();
    let rgb = Scan { samples: 3, photometric: "RGB", ..grey.clone() };
    assert!(reason(&rgb, &of_one("")).starts_with("is not a grey image"));
    let colours = of_one("colour = \"rgb\"\n");
    assert_eq!(
        reason(&grey, &colours),
        "is grey (MONOCHROME1 or MONOCHROME2), the model takes colours"
    );
    let partial = Scan { photometric: "YBR_PARTIAL_420", ..rgb };
    assert!(reason(&partial, &colours).starts_with("is neither grey"));
    let palette = Scan { photometric: "PALETTE COLOR", ..grey.clone() };
    let told = "has a Red Palette Color Lookup Table that can not be read (PS3.3 C.7.9)";
    assert_eq!(reason(&palette, &colours), told);
    let cine = Scan { frames: Some("3"), pixels: vec![7; 768], ..grey.clone() };
    let told = "has 3 frames, and one is taken: kind = \"frames\" takes several";
    assert_eq!(reason(&cine, &of_one("")), told);
    let limited = "[input.frames]\ntell = \"max\"\n[input.limits]\nframes = { max = 2 }\n";
    let limited = manifest("frames", "displayed", limited).unwrap().lead().clone();
    assert_eq!(reason(&cine, &limited), "has 3 frames, the model takes up to 2");
    let told = |how: &str| {
        let more = format!("[input.frames]\ntell = \"{how}\"\n");
        manifest("frames", "displayed", &more).unwrap().lead().clone()
    };
    let many =
        |frames, pixels| Scan { frames: Some(frames), pixels: vec![7; pixels], ..grey.clone() };
    // Of the second one no pixel is there: it is refused before any is read.
    assert_eq!(film::read(&many("500", 500 * 256).file(), &told("each")).unwrap().frames, 500);
    let reason_of_many = reason(&many("501", 0), &told("each"));
    assert!(
        reason_of_many.starts_with("has 501 frames, and each of at most 500"),
        "{reason_of_many}"
    );
    assert_eq!(film::read(&many("501", 501 * 256).file(), &told("mean")).unwrap().frames, 501);
    let endless = Scan { frames: Some("100000"), ..grey.clone() };
    assert_eq!(reason(&endless, &limited), "has 100000 frames, more than the limit of 65536");
    let lossless = of_one("[input.limits]\nlossy = false\n");
    let mut more = Vec::new();
    text(&mut more, 0x0028_2110, b"CS", "01");
    let lossy = Scan { more, ..grey.clone() };
    assert_eq!(
        reason(&lossy, &lossless),
        "was compressed with loss, which the model does not take"
    );
    assert!(film::read(&lossy.file(), &of_one("")).is_ok(), "taken where nothing is said");
    for (photometric, shape) in [("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")] {
        let mut more = Vec::new();
        text(&mut more, 0x2050_0020, b"CS", shape);
        let scan = Scan { photometric, more, ..grey.clone() };
        let told = "has a Presentation LUT Shape that contradicts its Photometric Interpretation";
        assert_eq!(reason(&scan, &of_one("")), told);
    }
}

#[test]
fn a_rescale_slope_that_makes_no_numbers_is_the_fault_of_the_image() {
    let input = manifest("image", "displayed", "").unwrap().lead().clone();
    for (slope, intercept) in
        [("3e38", "0"), ("1e300", "0"), ("1", "3e38"), ("1e-300", "0"), ("-2e38", "0")]
    {
        let scan = Scan {
            modality: "CR",
            slope: slope.into(),
            intercept: intercept.into(),
            ..Scan::default()
        };
        let reason = film::read(&scan.file(), &input).unwrap_err().to_string();
        let told = "has a Rescale Slope or Rescale Intercept by which its values are no numbers of \
                    32 bits";
        assert_eq!(reason, told, "{slope} {intercept}");
    }
}

/// `[100, 200, 200, ..]` with padding of 5 to 9 in the first row; high where a display is bright.
#[test]
fn padding_is_kept_out_of_what_is_measured_and_set_to_what_the_manifest_says() {
    let padded = |photometric| {
        let mut pixels = vec![200; 256];
        (pixels[0], pixels[16]) = (5, 100);
        (pixels[1], pixels[2]) = (9, 7);
        let mut more = Vec::new();
        element(&mut more, 0x0028_0120, b"US", &9u16.to_le_bytes());
        element(&mut more, 0x0028_0121, b"US", &5u16.to_le_bytes());
        let plain = Scan { slope: String::new(), intercept: String::new(), ..Scan::default() };
        Scan { modality: "CR", photometric, pixels, more, ..plain }
    };
    let steps = |steps: &str| format!("[[input.image-steps]]\n{steps}\n");
    let stretched = steps("min-max = {}");
    for (photometric, dark) in [("MONOCHROME2", 0.0), ("MONOCHROME1", 1.0)] {
        for (key, padding, first) in [("", None, -0.95f32), ("padding = -3\n", Some(-3.0), -3.0)] {
            let more = format!("{key}{stretched}");
            let text = manifest_with(&more);
            let input = text.lead().clone();
            assert_eq!(input.padding, padding);
            let film = film::read(&padded(photometric).file(), &input).unwrap();
            let image = input.kind.image().unwrap();
            let steps: [&[_]; 2] = [&input.image_steps, &input.steps];
            let tensor = image.fill([16, 16], &film.pixels, steps, input.padding).unwrap();
            let bright = 1.0 - dark;
            match padding {
                Some(_) => {
                    assert_eq!(tensor[..4], [first, first, first, bright]);
                    assert_eq!(tensor[16], dark);
                }
                None => assert!((tensor[16] - dark).abs() > 0.3, "{}", tensor[16]),
            }
        }
    }
}

/// The chest film classifier's manifest without a grid of its own, "rescaled", and with these keys in front.
fn manifest_with(more: &str) -> Manifest {
    let (keys, steps): (Vec<&str>, Vec<&str>) =
        more.lines().partition(|line| line.starts_with("padding"));
    let text = include_str!("models/chest-film/model.toml")
        .replace("\"displayed\"", &format!("\"rescaled\"\n{}", keys.join("\n")))
        .replace("steps     = [{ clip = { low = 0, high = 1 } }]\n", "")
        .replace("crop          = \"centre-square\"\nsize          = [28, 28]\n", "")
        .replace("interpolation = \"bicubic\"\n", &format!("{}\n", steps.join("\n")));
    Manifest::parse(Path::new("model.toml"), &text).unwrap()
}

/// Of each frame the first number, and what is told of all.
#[test]
fn frames_go_through_the_graph_in_batches_and_are_told_each_or_together() {
    if kit::library().is_none() {
        return;
    }
    let cine = |pixels: &[f32]| Film {
        frames: pixels.len(),
        channels: 1,
        rows: 2,
        columns: 2,
        pixels: pixels.iter().flat_map(|grey| [*grey, 0.5, 0.5, 0.25]).collect(),
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.3.1").unwrap(),
        sop_instance: Uid::parse("1.2.3").unwrap(),
        pixel_spacing: None,
        patient_spacing: None,
    };
    let told = |tell: &str, batch: usize, fixed: Option<u64>, pixels: &[f32]| -> Vec<String> {
        let keys = format!("[input.frames]\ntell = \"{tell}\"\nbatch = {batch}\n");
        let manifest = include_str!("models/chest-film/model.toml")
            .replace("\"image\"\nmodality", "\"frames\"\nmodality")
            .replace("cxr_pneumonia28.onnx", "model.onnx")
            .replace("tensor    = \"image\"", "tensor = \"voxels\"")
            .replace("tensor           = \"probability\"", "tensor = \"numbers\"")
            .replace("crop          = \"centre-square\"\nsize          = [28, 28]\n", "")
            .replace("interpolation = \"bicubic\"\n", &keys);
        let pinned = manifest.lines().filter(|line| !line.starts_with("sha256"));
        let manifest = pinned.collect::<Vec<_>>().join("\n");
        let engine = kit::start(&Author { manifest, graph: rows_graph(fixed) }).unwrap();
        let findings = kit::wait(engine.infer("tiny", vec![cine(pixels)])).unwrap();
        let group = |group: &MeasurementGroup| {
            let number = &group.measurements[0];
            let how = number.derivation.as_ref().map_or("", |code| code.meaning.as_str());
            let (label, frame) = (&group.label, group.frame);
            format!(
                "{label} {frame:?} {how} {:.2} {:?}",
                number.value.unwrap(),
                group.presence.unwrap()
            )
        };
        findings.groups.iter().map(group).collect()
    };
    let greys = [0.1, 0.9, 0.05, 0.2, 0.15];
    for (batch, fixed) in [(1, None), (2, None), (2, Some(2)), (4, Some(4)), (64, None)] {
        println!("{batch} {fixed:?}");
        assert_eq!(told("mean", batch, fixed, &greys), ["Pneumonia None Mean 28.00 Present"]);
        assert_eq!(told("max", batch, fixed, &greys), ["Pneumonia None Maximum 90.00 Present"]);
        let each = told("each", batch, fixed, &greys);
        assert_eq!(each.len(), 5);
        assert_eq!(each[0], "Pneumonia (frame 1) Some(1)  10.00 Absent");
        assert_eq!(each[1], "Pneumonia (frame 2) Some(2)  90.00 Present");
        assert_eq!(each[4], "Pneumonia (frame 5) Some(5)  15.00 Absent");
    }
    assert_eq!(told("mean", 2, None, &[0.1, 0.1, 0.1]), ["Pneumonia None Mean 10.00 Absent"]);
}

#[test]
fn every_fault_of_frames_in_a_manifest_is_told() {
    let check = |kind: &str, more: &str, expected: &str| {
        let problem = manifest(kind, "displayed", more).unwrap_err();
        let first = problem.lines().next().unwrap();
        assert_eq!(first.split_once(": ").map(|(_, told)| told), Some(expected), "{problem}");
    };
    check(
        "frames",
        "",
        "[input.frames] is missing: it says what is told of the frames, tell = \"each\", \"mean\" or \"max\"",
    );
    check(
        "frames",
        "[input.frames]\ntell = \"median\"\n",
        "`median` is not known here; known: `each`, `mean`, `max`",
    );
    check(
        "frames",
        "[input.frames]\ntell = \"max\"\nbatch = 65\n",
        "a batch is 1 to 64 frames at a time",
    );
    let of_cines = "this is for the frames of a cine: kind = \"frames\"";
    check("image", "[input.frames]\ntell = \"max\"\n", of_cines);
    check("image", "[input.limits]\nframes = { max = 3 }\n", of_cines);
    check("image", "colour = \"rgb\"\nchannels = 1\n", "red, green and blue are 3 channels");
    check("image", "colour = \"cmyk\"\n", "`cmyk` is not known here; known: `grey`, `rgb`, `any`");
}
