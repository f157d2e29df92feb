//! Volumes of slices with tables and windows: looked up and shown as pydicom does it, slice by slice, or refused with a reason.

mod kit;

use gantry_inference::assembly::Assembly;
use gantry_inference::manifest::Manifest;
use gantry_terms::volume::Volume;
use kit::author::MANIFEST;
use kit::modality::{MODALITY_LUT, Scan, VOI_LUT, table, table_of, window};
use kit::second_opinion::{Question, Random, assert_near};
use std::path::Path;

fn manifest(intensity: &str) -> Manifest {
    let text = MANIFEST
        .replace("\"CT\"", "[\"CT\", \"MR\"]")
        .replace("\"hounsfield\"", &format!("\"{intensity}\""));
    Manifest::parse(Path::new("model.toml"), &text).unwrap()
}

fn assemble(slices: &[Scan], intensity: &str) -> Result<Volume, String> {
    let manifest = manifest(intensity);
    let mut assembly = Assembly::new(manifest.lead());
    for slice in slices {
        assembly.add(&slice.file()).map_err(|error| error.to_string())?;
    }
    assembly.finish().map_err(|error| error.to_string())
}

/// Three slices of 12 bits, each of which says by itself how it is shown.
fn stack(of: impl Fn(u32) -> Vec<u8>) -> Vec<Scan> {
    let mut random = Random(41);
    let plain =
        Scan { modality: "MR", slope: String::new(), intercept: String::new(), ..Scan::default() };
    let mut slices = plain.stack(3);
    for (at, slice) in (0..).zip(&mut slices) {
        slice.pixels = (0..256).map(|_| random.below(4096) as u16).collect();
        slice.more = of(at);
    }
    slices
}

#[test]
fn the_slices_of_a_volume_are_looked_up_and_shown_as_pydicom_does_it() {
    let Some(question) = Question::new() else { return };
    let number = |at: u32, of: u32| (of + 300 * at).to_string();
    let table_and_window = |at: u32| {
        let table = table(MODALITY_LUT, 0, 4096, 16, true);
        [table, window(&number(at, 30_000), "40000", None)].concat()
    };
    let scaled = |slices: Vec<Scan>| {
        let scaled = |slice| Scan { slope: "0.5".into(), intercept: "-100".into(), ..slice };
        slices.into_iter().map(scaled).collect::<Vec<_>>()
    };
    let signed = |slices: Vec<Scan>| {
        let signed = |slice| Scan { signed: true, ..slice };
        slices.into_iter().map(signed).collect::<Vec<_>>()
    };
    let cases = [
        ("nothing said", stack(|_| Vec::new())),
        ("windows", stack(|at| window(&number(at, 1500), &number(at, 900), None))),
        ("exact windows", stack(|at| window(&number(at, 1500), "800.5", Some("LINEAR_EXACT")))),
        ("sigmoids", stack(|at| window("1500", &number(at, 700), Some("SIGMOID")))),
        ("windows of the rescaled", scaled(stack(|at| window(&number(at, 600), "500", None)))),
        ("tables", stack(|at| table(VOI_LUT, 500 + at as i16, 2000, 12, at == 1))),
        ("modality tables", stack(|at| table(MODALITY_LUT, 100 * at as i16, 3000, 16, at == 1))),
        ("signed modality tables", signed(stack(|_| table(MODALITY_LUT, -900, 2000, 16, true)))),
        ("modality tables, then windows", stack(table_and_window)),
    ];
    let mut file = 0;
    for (_, slices) in &cases {
        for slice in slices {
            question.lay(&format!("film-{file}"), &slice.file());
            file += 1;
            let inverted = Scan { photometric: "MONOCHROME1", ..slice.clone() };
            question.lay(&format!("film-{file}"), &inverted.file());
            file += 1;
        }
    }
    question.ask(include_str!("reference/films.py"));
    let mut first = 0;
    for (case, slices) in &cases {
        for (inverted, intensity) in [(0, "rescaled"), (0, "displayed"), (1, "displayed")] {
            println!("{case}, {intensity}, inverted: {inverted}");
            let photometric = ["MONOCHROME2", "MONOCHROME1"][inverted];
            let slices: Vec<Scan> =
                slices.iter().map(|slice| Scan { photometric, ..slice.clone() }).collect();
            let volume = assemble(&slices, intensity).unwrap();
            assert_eq!(volume.displayed, intensity == "displayed");
            for (at, own) in volume.voxels.chunks(256).enumerate() {
                let name = format!("film-{} {intensity}", first + 2 * at + inverted);
                assert_near(own, &question.answer(&name), 1e-6);
            }
        }
        first += 2 * slices.len();
    }
}

#[test]
fn hounsfield_units_come_of_a_table_that_says_so_and_of_no_other() {
    let of = |kind: &'static str| stack(move |_| table_of(kind, MODALITY_LUT, [0, 4096, 12], true));
    let looked_up = assemble(&of("HU"), "hounsfield").unwrap();
    assert_eq!(looked_up.voxels, assemble(&of("US"), "rescaled").unwrap().voxels);
    let reason = assemble(&of("OD"), "hounsfield").unwrap_err();
    let expected = "instance number 1 has a Modality LUT Sequence to something other than Hounsfield units \
                    (Modality LUT Type)";
    assert_eq!(reason, expected);
    let mut empty = Scan { lut: Some(0), ..Scan::default() };
    assert_eq!(assemble(&[empty.clone()], "hounsfield").unwrap().voxels[0], -1000.0);
    (empty.slope, empty.intercept) = (String::new(), String::new());
    assert!(assemble(&[empty], "hounsfield").is_err(), "neither of them");
}

#[test]
fn slices_whose_numbers_are_of_different_kinds_are_no_volume() {
    let mut slices = stack(|_| table(MODALITY_LUT, 0, 4096, 12, true));
    slices[1].more.clear();
    let expected = "instance number 2 has neither a Rescale Slope nor a Modality LUT Sequence, unlike others of the \
                    series: its numbers are of another kind (PS3.3 C.11.1)";
    assert_eq!(assemble(&slices, "rescaled").unwrap_err(), expected);
    (slices[1].slope, slices[1].intercept) = ("2".into(), "0".into());
    let expected = "instance number 2 has a Rescale Slope, unlike others of the series: its numbers are of another kind \
                    (PS3.3 C.11.1)";
    assert_eq!(assemble(&slices, "rescaled").unwrap_err(), expected);
    assert!(
        assemble(&slices, "displayed").is_ok(),
        "a display shows all of them from dark to bright"
    );
    let mut slices = stack(|_| window("1500", "900", None));
    slices[2].more = window("1500", "0", None);
    let expected =
        "instance number 3 has a window of centre 1500 and width 0, by which nothing can be shown";
    assert_eq!(assemble(&slices, "displayed").unwrap_err(), expected);
}

#[test]
fn what_a_display_shows_of_a_volume_is_nothing_that_can_be_measured() {
    let mask = "[[segmentation]]\nkey = \"a\"\nlabel = \"A\"\ntensor = \"mask\"\nvalue = 1\n\
                category = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                property = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                colour = \"#ff0080\"\ndraw-order = 1\n[[measurement]]";
    let with = |intensity: &str, figure: &str| {
        let text = MANIFEST
            .replace("\"hounsfield\"", &format!("\"{intensity}\""))
            .replace("tensor  = \"numbers\"\nindex   = 0\n", &format!("of = \"a\"\n{figure}\n"))
            .replace("scale   = 10.0\n", "")
            .replace("[[measurement]]", mask);
        let manifest = Manifest::parse(Path::new("model.toml"), &text);
        manifest.map(|_| ()).map_err(|problems| problems[0].to_string())
    };
    for figure in ["figure = \"mean\"", "percentile = 95"] {
        assert_eq!(with("rescaled", figure), Ok(()));
        let reason = with("displayed", figure).unwrap_err();
        let expected =
            "of what a display shows volumes and counts are measured, and no intensities";
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(with("displayed", "figure = \"count\""), Ok(()));
    let image = "[[image]]\nkey = \"b\"\nlabel = \"b\"\ntensor = \"b\"\n\
                 rescale = { slope = 0.001, intercept = 0 }\n\
                 derivation = { value = \"113087\", scheme = \"DCM\", meaning = \"Smoothing\" }\n[[group]]";
    let derived = |intensity: &str| {
        let text = MANIFEST
            .replace("\"hounsfield\"", &format!("\"{intensity}\""))
            .replace("[\"structured-report\"]", "[\"structured-report\", \"derived-images\"]")
            .replace("[[group]]", image);
        let manifest = Manifest::parse(Path::new("model.toml"), &text);
        manifest.map(|_| ()).map_err(|problems| problems[0].to_string())
    };
    assert_eq!(derived("rescaled"), Ok(()));
    let reason = derived("displayed").unwrap_err();
    assert!(reason.contains("images derived of a volume are in its own unit"), "{reason}");
}
