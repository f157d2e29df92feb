//! Enhanced CT and MR images: one object whose frames are a volume, read as pydicom and SimpleITK read it, or refused with a reason.

mod kit;

use gantry_inference::assembly::Assembly;
use gantry_inference::film;
use gantry_inference::manifest::{Input, Intensity, Manifest};
use gantry_terms::volume::Volume;
use kit::author::MANIFEST;
use kit::second_opinion::{Question, assert_near};
use std::path::Path;

fn input(modality: &str, more: &str) -> Input {
    let intensity = if modality == "CT" { "hounsfield" } else { "rescaled" };
    let source = MANIFEST
        .replace("modality    = \"CT\"", &format!("modality = \"{modality}\""))
        .replace("\"hounsfield\"", &format!("\"{intensity}\""))
        .replace("[[group]]", &format!("{more}\n[[group]]"));
    Manifest::parse(Path::new("model.toml"), &source).unwrap().lead().clone()
}

fn assembled(file: &[u8], input: &Input) -> Result<Volume, String> {
    let mut assembly = Assembly::new(input);
    assembly.add(file).map_err(|error| error.to_string())?;
    assembly.finish().map_err(|error| error.to_string())
}

fn geometry(volume: &Volume) -> Vec<f32> {
    let geometry = &volume.geometry;
    let parts: [&[f64]; 5] = [
        &geometry.origin,
        &geometry.row_direction,
        &geometry.column_direction,
        &geometry.pixel_spacing,
        &[geometry.slice_step],
    ];
    parts.concat().into_iter().map(|number| number as f32).collect()
}

#[test]
fn an_enhanced_image_is_the_volume_that_others_read_and_mixed_frames_are_refused() {
    let Some(question) = Question::new() else { return };
    question.ask(include_str!("reference/enhanced.py"));
    let mut names =
        vec!["ct-shared", "ct-own", "ct-sagittal", "mr-slopes", "ct-implicit", "ct-big"];
    names.extend(["ct-rle", "ct-rle-no-table"]);
    names.extend(["ct-j2k", "ct-j2k-no-table", "ct-j2k-fragments"]);
    names.extend(["ct-j2k-fragments-no-table", "ct-j2k-extended"]);
    if cfg!(feature = "jpeg-ls") {
        names.extend(["ct-jpeg-ls", "ct-jpeg-ls-no-table", "ct-jpeg-ls-fragments"]);
        names.extend(["ct-jpeg-ls-fragments-no-table", "ct-jpeg-ls-extended"]);
    }
    for name in names {
        println!("{name}");
        let modality = if name.starts_with("mr") { "MR" } else { "CT" };
        let volume = assembled(&question.file(&format!("{name}.dcm")), &input(modality, ""));
        let volume = volume.unwrap();
        assert_near(&volume.voxels, &question.answer(&format!("{name} voxels")), 1e-6);
        assert_near(&geometry(&volume), &question.answer(&format!("{name} geometry")), 1e-6);
        let frames: Vec<f64> =
            volume.slices.iter().map(|slice| f64::from(slice.frame.unwrap())).collect();
        assert_eq!(frames, question.answer(&format!("{name} frames")));
        assert!(volume.slices.iter().all(|slice| slice.sop_instance.as_str() == "1.2.3.77"));
        assert_eq!(volume.frame_of_reference.unwrap().as_str(), "1.2.3.5");
        if name == "ct-shared" {
            assert_near(&volume.voxels, &question.answer("ct-shared sitk voxels"), 1e-6);
            let own = Volume { frame_of_reference: None, ..volume };
            assert_near(&geometry(&own), &question.answer("ct-shared sitk geometry"), 1e-6);
        }
    }
    let shown = film::read(&question.file("mr-slopes.dcm"), cine("displayed").lead()).unwrap();
    assert_near(&shown.pixels, &question.answer("mr-slopes shown"), 1e-6);
    let of = input("MR", "");
    let input = Input { intensity: Intensity::Displayed, ..of };
    let shown = assembled(&question.file("mr-slopes.dcm"), &input).unwrap();
    assert_near(&shown.voxels, &question.answer("mr-slopes shown"), 1e-6);
    refused(&question);
}

/// A model that takes the frames of an MR.
fn cine(intensity: &str) -> Manifest {
    let source = include_str!("models/chest-film/model.toml")
        .replace("\"image\"\nmodality", "\"frames\"\nmodality")
        .replace("[\"CR\", \"DX\"]", "\"MR\"")
        .replace("\"displayed\"", &format!("\"{intensity}\""))
        .replace("[[group]]", "[input.frames]\ntell = \"mean\"\n[[group]]");
    Manifest::parse(Path::new("model.toml"), &source).unwrap()
}

fn refused(question: &Question) {
    let check = |name: &str, expected: &str| {
        let file = question.file(&format!("refused-{name}.dcm"));
        let lossless = input("CT", "[input.limits]\nlossy = false");
        let reason = assembled(&file, &lossless).unwrap_err();
        assert_eq!(reason, expected, "{name}");
        assert!(!reason.contains("SECRET"), "no patient in a reason: {reason}");
    };
    let guess = "which of them make the volume is not said, and nothing is guessed";
    let of = "instance number 3";
    check("stacks", &format!("{of} has 2 stacks (Stack ID): {guess}"));
    check("times", &format!("{of} has 2 temporal positions (Temporal Position Index): {guess}"));
    check("dimension", &format!("{of} has 2 values of the dimension (0018,9087): {guess}"));
    check("types", &format!("{of} has 2 kinds of frames (Frame Type): {guess}"));
    check(
        "gap",
        &format!(
            "a gap: 3 slices are missing between frame 5 of {of} and frame 6 of {of} (10.0 mm instead \
             of 2.5 mm)"
        ),
    );
    check("same", &format!("two slices at the same place: frame 1 of {of} and frame 6 of {of}"));
    check(
        "tilt",
        &format!(
            "the stack leans by 21.8 degrees (gantry tilt): frame 2 of {of} is 1.0 mm beside the place \
             above the first slice"
        ),
    );
    check("count", &format!("{of} has not as many Per-frame Functional Groups as its 6 frames"));
    check("measures", &format!("frame 1 of {of} lacks a usable Pixel Spacing"));
    check("transformation", &format!("frame 1 of {of} lacks a usable Rescale Slope"));
    check("modality", &format!("{of} is of another modality than CT, which the model takes"));
    check("lossy", &format!("{of} was compressed with loss, which the model does not take"));
    check("cut", &format!("frame 6 of {of} has 2510 bytes of pixels where 2640 are needed"));
    check(
        "fragments",
        &format!(
            "{of} has 7 compressed fragments and nothing that says which of its 6 frames they belong to"
        ),
    );
}

/// The images of a real series as one enhanced image, made of them by highdicom.
#[test]
fn a_series_that_was_converted_is_the_same_volume_as_before() {
    let Some(folder) = kit::real("../standards/examples") else { return };
    let Some(question) = Question::new() else { return };
    let slices: Vec<std::path::PathBuf> =
        (1..=12).map(|at| folder.join(format!("src_ct_{at:02}.dcm"))).collect();
    question.say("slices", slices.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>());
    question.ask(
        "
import pydicom
from highdicom.legacy import LegacyConvertedEnhancedCTImage
slices = [pydicom.dcmread(path) for path in said('slices')]
made = LegacyConvertedEnhancedCTImage(slices, '1.2.3.4', 1, '1.2.3.5', 7)
made.save_as(folder / 'converted.dcm')
",
    );
    let input = input("CT", "");
    let mut assembly = Assembly::new(&input);
    for path in &slices {
        assembly.add(&std::fs::read(path).unwrap()).unwrap();
    }
    let before = assembly.finish().unwrap();
    let after = assembled(&question.file("converted.dcm"), &input).unwrap();
    assert_eq!(after.voxels, before.voxels);
    assert_eq!(after.geometry, before.geometry);
    let frames: Vec<Option<u32>> = after.slices.iter().map(|slice| slice.frame).collect();
    println!("{frames:?}");
    assert!(frames.iter().all(Option::is_some));
}

#[test]
fn real_images_whose_functional_groups_were_lost_are_refused_and_their_frames_can_be_read() {
    let Some(folder) = kit::real("multiframe") else { return };
    let Some(question) = Question::new() else { return };
    question.say("image", [folder.join("emri_small.dcm").to_str().unwrap()]);
    question.ask("import pydicom; save('pixels', pydicom.dcmread(said('image')[0]).pixel_array)");
    let cine = cine("rescaled");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for name in ["emri_small.dcm", "emri_small_RLE.dcm"] {
        let reason = assembled(&read(name), &input("MR", "")).unwrap_err();
        assert!(reason.ends_with(
            "has 10 frames and no functional groups, which say where each of them lies"
        ));
        let film = film::read(&read(name), cine.lead()).unwrap();
        assert_eq!((film.frames, film.rows, film.columns), (10, 64, 64));
        assert_near(&film.pixels, &question.answer("pixels"), 0.0);
    }
    let cut = read("emri_small_jpeg_2k_lossless_too_short.dcm");
    let reason = film::read(&cut, cine.lead()).unwrap_err().to_string();
    assert_eq!(reason, "is not a readable DICOM file: it ends in the middle of an element");
}
