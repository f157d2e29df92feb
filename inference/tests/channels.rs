//! Several series as the channels of one tensor, beside numpy.

mod kit;

use gantry_inference::engine::{Engine, EngineOptions};
use gantry_inference::manifest::Manifest;
use gantry_inference::models::Models;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use kit::author::{Author, FLOAT, MANIFEST};
use kit::casts::{cast_graph, channels_graph};
use kit::second_opinion::{Question, Random};
use std::path::Path;
use std::sync::Arc;

const FIVE: &str = "batch-channel-slice-row-column";
const FOUR: &str = "batch-channel-row-column";

/// Inputs in this order into one tensor; the last one of them leads. For each a mask of where it is the brightest.
fn author(names: &[&str], axes: &str, lead: &str, graph: Vec<u8>) -> Author {
    let input = |(at, name): (usize, &&str)| {
        let last = at + 1 == names.len();
        let (onto, more) = match last {
            true => {
                (String::new(), format!("{lead}\n").replace("[input.", &format!("[input.{name}.")))
            }
            false => (format!("onto = \"{}\"\n", names[names.len() - 1]), String::new()),
        };
        format!(
            "[input.{name}]\n{onto}kind = \"volume\"\nmodality = \"CT\"\ntensor = \"voxels\"\n\
             intensity = \"hounsfield\"\naxes = \"{axes}\"\nslice-order = \"along-normal\"\n{more}\n"
        )
    };
    let mask = |(at, name): (usize, &&str)| {
        format!(
            "[[segmentation]]\nkey = \"{name}\"\nlabel = \"Mask\"\ntensor = \"given\"\nclass = {at}\n\
             category = {{ value = \"1\", scheme = \"99TEST\", meaning = \"A\" }}\n\
             property = {{ value = \"1\", scheme = \"99TEST\", meaning = \"A\" }}\n\
             colour = \"#ff0080\"\ndraw-order = {at}\n"
        )
    };
    let head = &MANIFEST[..MANIFEST.find("[input]").unwrap()];
    let inputs: String = names.iter().enumerate().map(input).collect();
    let masks: String = names.iter().enumerate().map(mask).collect();
    Author { manifest: format!("{head}{inputs}{masks}"), graph }
}

fn series(seed: u64) -> Volume {
    let mut volume = kit::air(6, 8);
    volume.voxels = Random(seed).numbers(6 * 8 * 8, -100.0, 100.0);
    volume.frame_of_reference = Some(Uid::parse("1.2.3").unwrap());
    volume
}

/// `numpy.stack` in the order in which they are written, which is not that of their names, and `argmax` over it.
#[test]
fn series_that_name_one_tensor_are_its_channels_in_the_order_written() {
    let Some(question) = Question::new() else { return };
    let names = ["t1ce", "flair", "t2", "adc"];
    for (at, name) in names.iter().enumerate() {
        question.put(name, &series(at as u64).voxels);
    }
    question.ask(
        "both = np.stack([f32(name) for name in ['t1ce', 'flair', 't2', 'adc']])\n\
         for at, name in enumerate(['t1ce', 'flair', 't2', 'adc']):\n    save(name + ' is highest', both.argmax(0) == at)",
    );
    let windows = "[input.windows]\nsize = [4, 5, 8]\noverlap = 0.5\nbatch = 3";
    let slices = "[input.windows]\neach = \"slice\"\nbatch = 4";
    for (axes, lead) in [(FIVE, ""), (FIVE, windows), (FOUR, slices)] {
        let graph = cast_graph(FLOAT, FLOAT, if axes == FIVE { 5 } else { 4 });
        let author = author(&names, axes, lead, graph);
        let manifest = Manifest::parse(Path::new("model.toml"), &author.manifest).unwrap();
        // The leading one first, the others by their names: so their images are given.
        let order: Vec<&str> = manifest.inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(order, ["adc", "flair", "t1ce", "t2"]);
        let Some(engine) = kit::start(&author) else { return };
        let seed = |name: &str| names.iter().position(|other| *other == name).unwrap() as u64;
        let images: Vec<Images> =
            order.iter().map(|name| Images::from(series(seed(name)))).collect();
        let found = kit::wait(engine.infer("tiny", images)).unwrap();
        for mask in &found.masks {
            let expected = question.answer(&format!("{} is highest", mask.key));
            let own: Vec<f64> = mask.voxels.iter().map(|voxel| f64::from(*voxel)).collect();
            assert!(expected.contains(&1.0));
            assert_eq!(own, expected, "{} {axes} {lead}", mask.key);
        }
    }
}

#[test]
fn a_series_in_another_place_is_brought_onto_the_grid_of_the_first_as_a_channel() {
    let author = author(&["moved", "first"], FIVE, "", cast_graph(FLOAT, FLOAT, 5));
    let Some(engine) = kit::start(&author) else { return };
    let (mut first, mut moved) = (series(1), series(2));
    // Two slices higher: its slice 0 lies on slice 2.
    moved.geometry.origin[2] = 2.0 * moved.geometry.slice_step;
    first.voxels.fill(0.0);
    let expected: Vec<u8> = (0..6 * 64)
        .map(|at| match at / 64 {
            slice @ 2.. => u8::from(moved.voxels[(slice - 2) * 64 + at % 64] >= 0.0),
            _ => 0, // beyond its images it is as dark as its darkest voxel
        })
        .collect();
    let found = kit::wait(engine.infer("tiny", vec![Images::from(first), Images::from(moved)]));
    assert_eq!(found.unwrap().masks[0].voxels, expected);
}

#[test]
fn channels_that_can_not_be_are_told() {
    let check = |from: &str, to: &str, expected: &str| {
        let author = author(&["a", "b"], FIVE, "", Vec::new());
        assert!(author.manifest.contains(from), "{from}");
        let text = author.manifest.replacen(from, to, 1);
        let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
        let problems: String = problems.iter().map(ToString::to_string).collect();
        assert!(problems.contains(expected), "{problems}");
    };
    let alike =
        "inputs of one tensor are its channels: volumes of the same `axes`, which have a channel";
    check(FIVE, "slice-row-column", alike);
    check(
        "slice-order = \"along-normal\"\n",
        "slice-order = \"along-normal\"\nspacing-tensor = \"voxels\"\n",
        "something goes into this tensor already",
    );
    let Some(library) = kit::library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let author = author(&["a", "b"], FIVE, "", channels_graph(3));
    let models = Arc::new(Models::load(&author.write(folder.path())).unwrap());
    let options =
        EngineOptions { library: Some(library), threads: Some(1), ..EngineOptions::default() };
    let error = Engine::start(models, options).err().unwrap().to_string();
    let expected =
        "input `voxels` has 1 x 3 x any x any x any elements, the manifest means 1 x 2 x ";
    assert!(error.contains(expected), "{error}");
}
