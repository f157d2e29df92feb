//! Masks and images that come back from a model's own grid, and figures of masks, beside SimpleITK and scipy.

mod kit;

use gantry_inference::engine::{Engine, InferError};
use gantry_inference::manifest::Manifest;
use gantry_inference::voxels::grid::Grid;
use gantry_terms::film::Film;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use kit::author::{Author, MANIFEST, Said, boxes_graph, volume_graph};
use kit::second_opinion::{Question, Random, assert_near};
use std::path::Path;

const GRID: &str = "[input.grid]\nspacing = [3.1, 1.5, 1.1]";

fn code(key: &str, value: &str) -> String {
    format!("{key} = {{ value = \"{value}\", scheme = \"UCUM\", meaning = \"A\" }}\n")
}

fn mask(reading: &str) -> String {
    format!(
        "[[segmentation]]\nkey = \"mask\"\nlabel = \"Mask\"\n{reading}\n{}{}colour = \"#ff0080\"\ndraw-order = 1\n",
        code("category", "1"),
        code("property", "1")
    )
}

fn figure(name: &str, unit: &str) -> String {
    format!(
        "[[measurement]]\nkey = \"{name}\"\ngroup = \"all\"\nof = \"mask\"\nfigure = \"{name}\"\n{}{}",
        code("concept", "N"),
        code("unit", unit)
    )
}

fn image(more: &str) -> String {
    let derivation = code("derivation", "113087");
    format!(
        "[[image]]\nkey = \"smooth\"\nlabel = \"Smooth\"\ntensor = \"same\"\n{more}\n{derivation}"
    )
}

/// The same numbers as a quantity.
fn map(more: &str) -> String {
    let unit = "unit = { value = \"1\", scheme = \"UCUM\", meaning = \"no units\" }\n";
    format!("{}{}{unit}", image(more).replace("smooth", "map"), code("quantity", "130402"))
}

/// A manifest on volumes in five dimensions, with keys for its input, and these outputs.
fn manifest(input: &str, outputs: &[String]) -> String {
    let numbers = MANIFEST.find("[[group]]").unwrap();
    let group = "[[group]]\nkey = \"all\"\nlabel = \"Everything\"\n";
    let outputs = outputs.concat();
    let head = MANIFEST[..numbers]
        .replace("\"slice-row-column\"", "\"batch-channel-slice-row-column\"")
        .replace(
            "slice-order = \"along-normal\"\n",
            &format!("slice-order = \"along-normal\"\n{input}\n"),
        );
    let head = match outputs.contains("[[image]]") {
        true if outputs.contains("quantity") && outputs.contains("\"map\"") => {
            head.replace("[\"structured-report\"]", "[\"derived-images\", \"parametric-map\"]")
        }
        true => head.replace("[\"structured-report\"]", "[\"derived-images\"]"),
        false => head,
    };
    let group = if outputs.contains("group = ") { group } else { "" };
    format!("{head}{group}{outputs}")
}

fn start(input: &str, outputs: &[String]) -> Option<Engine> {
    kit::start(&Author { manifest: manifest(input, outputs), graph: volume_graph() })
}

fn infer(engine: &Engine, images: impl Into<Images>) -> Result<Findings, InferError> {
    kit::wait(engine.infer("tiny", vec![images.into()]))
}

/// Numbers from 0 to 250 on slices across the body.
fn oblique() -> Volume {
    let mut volume = kit::air(6, 11);
    volume.geometry.row_direction = [0.8, 0.6, 0.0];
    volume.geometry.column_direction = [0.0, 0.0, -1.0];
    volume.geometry.origin = [-20.0, 13.0, 400.0];
    volume.voxels = Random(3).numbers(6 * 11 * 11, 0.0, 250.0);
    volume
}

/// Lays the images and the grid that the model sees before SimpleITK.
fn ask(question: &Question, volume: &Volume, script: &str) {
    let images = Grid::of(&volume.geometry).unwrap();
    let grid = images.with_spacing([3.1, 1.5, 1.1]).unwrap();
    question.put("voxels", &volume.voxels).say_grid("images", &images).say_grid("grid", &grid);
    question.ask(script);
}

#[test]
fn masks_of_every_reading_come_back_as_by_simpleitk() {
    let Some(question) = Question::new() else { return };
    let volume = oblique();
    ask(&question, &volume, include_str!("reference/outputs.py"));
    for (reading, name) in [
        ("tensor = \"labels\"\nvalue = 120", "label"),
        ("tensor = \"scores\"\nclass = 1", "class"),
        ("tensor = \"same\"\nat-least = 120.0", "mask"),
        ("tensor = \"same\"\nat-least = 120.0\nback = \"mask\"", "mask"),
        ("tensor = \"same\"\nat-least = 120.0\nback = \"probability\"", "probability"),
    ] {
        let Some(engine) = start(GRID, &[mask(reading)]) else { return };
        let own = &infer(&engine, volume.clone()).unwrap().masks[0].voxels;
        let (other, near) = (question.answer(name), question.answer(&format!("{name} near")));
        assert!(other.contains(&1.0), "{reading}: something is inside");
        for (at, own) in own.iter().enumerate() {
            // Where a number is that of the limit, rounding decides.
            assert!(f64::from(*own) == other[at] || near[at] == 1.0, "{reading}: voxel {at}");
        }
        let off = own.iter().zip(&other).filter(|(own, other)| f64::from(**own) != **other).count();
        assert!(off <= 2, "{reading}: {off} voxels");
    }
}

#[test]
fn a_mask_of_probabilities_is_cleaned_where_it_lies_on_the_images() {
    let reading =
        "tensor = \"same\"\nat-least = 50.0\nback = \"probability\"\nlargest-component = true";
    let Some(engine) = start("[input.grid]\norientation = \"SPL\"", &[mask(reading)]) else {
        return;
    };
    let mut volume = kit::air(4, 9);
    volume.voxels.fill(0.0);
    [0, 1, 9, 200].into_iter().for_each(|at| volume.voxels[at] = 99.0);
    let findings = infer(&engine, volume).unwrap();
    let inside: Vec<usize> = (0..4 * 81).filter(|at| findings.masks[0].voxels[*at] == 1).collect();
    assert_eq!(inside, [0, 1, 9]);
}

#[test]
fn parts_are_counted_and_values_summed_as_by_scipy() {
    let Some(question) = Question::new() else { return };
    let volume = oblique();
    ask(&question, &volume, include_str!("reference/outputs.py"));
    let outputs = [
        mask("tensor = \"same\"\nat-least = 200.0"),
        figure("count", "{parts}"),
        figure("sum", "1"),
    ];
    let Some(engine) = start("", &outputs) else { return };
    let findings = infer(&engine, volume).unwrap();
    let own: Vec<f32> =
        findings.groups[0].measurements.iter().map(|m| m.value.unwrap() as f32).collect();
    assert_near(&own, &question.answer("figures"), 1e-6);
    let nothing =
        [mask("tensor = \"same\"\nat-least = 999.0"), outputs[1].clone(), outputs[2].clone()];
    let Some(engine) = start("", &nothing) else { return };
    let findings = infer(&engine, oblique()).unwrap();
    let own: Vec<f64> = findings.groups[0].measurements.iter().map(|m| m.value.unwrap()).collect();
    assert_eq!(own, [0.0, 0.0]);
}

#[test]
fn an_image_comes_back_as_it_was_and_resampled_as_by_simpleitk() {
    let Some(question) = Question::new() else { return };
    let volume = oblique();
    ask(&question, &volume, include_str!("reference/outputs.py"));
    let turned = "[input.grid]\norientation = \"LIA\"\nmultiple-of = 8";
    for input in ["", turned] {
        let steps = "image-steps = [{ window = { low = -50, high = 450 } }]";
        let back = image("scale = 500\noffset = -50");
        let Some(engine) = start(&format!("{steps}\n{input}"), &[back]) else { return };
        let findings = infer(&engine, volume.clone()).unwrap();
        let expected: Vec<f64> = volume.voxels.iter().map(|voxel| f64::from(*voxel)).collect();
        assert_near(&findings.derived[0].values, &expected, 1e-6);
        assert_eq!(findings.derived[0].label, "Smooth");
    }
    let Some(engine) = start(GRID, &[image("")]) else { return };
    let findings = infer(&engine, volume).unwrap();
    assert_near(&findings.derived[0].values, &question.answer("back"), 1e-5);
}

#[test]
fn what_the_model_did_not_see_stays_as_it_was_and_is_no_number_of_a_quantity() {
    let cut = "[input.grid]\nspacing = [2.0, 0.7, 0.7]\nsize = [4, 5, 5]";
    let Some(engine) = start(cut, &[image("offset = 1000"), map("offset = 1000")]) else { return };
    let mut volume = kit::air(6, 11);
    volume.voxels = Random(3).numbers(6 * 11 * 11, 0.0, 250.0);
    let findings = infer(&engine, volume.clone()).unwrap();
    let seen = |at: usize| {
        let [slice, row, column] = [at / 121, at / 11 % 11, at % 11];
        (1..5).contains(&slice) && (3..8).contains(&row) && (3..8).contains(&column)
    };
    for (at, (own, before)) in findings.derived[0].values.iter().zip(&volume.voxels).enumerate() {
        let expected = if seen(at) { before + 1000.0 } else { *before };
        assert!((own - expected).abs() < 1e-3, "{at}: {own}, not {expected}");
        let told = findings.derived[1].values[at];
        assert!(if seen(at) { told == *own } else { told.is_nan() }, "{at}: {told}, beside {own}");
    }
}

#[test]
fn a_film_comes_back_to_its_own_pixels() {
    let text = include_str!("models/chest-film/model.toml");
    let head = &text[..text.find("[input]").unwrap()];
    let head: String = head
        .lines()
        .filter(|line| !line.starts_with("sha256"))
        .fold(String::new(), |head, line| head + line + "\n");
    let head = head
        .replace("cxr_pneumonia28.onnx", "model.onnx")
        .replace("[\"structured-report\"]", "[\"derived-images\"]");
    let manifest = format!(
        "{head}[input]\nkind = \"image\"\nmodality = \"CR\"\ntensor = \"voxels\"\nintensity = \"rescaled\"\n\
         axes = \"batch-channel-row-column\"\n[input.image]\ncrop = \"centre-square\"\n{}",
        image("offset = 1000")
    );
    let said = Said { boxes: Vec::new(), width: 4, scores: Vec::new(), labels: Vec::new() };
    let Some(engine) = kit::start(&Author { manifest, graph: boxes_graph(4, &said) }) else {
        return;
    };
    let film = Film {
        frames: 1,
        channels: 1,
        rows: 5,
        columns: 8,
        pixels: (0..40).map(|at| at as f32).collect(),
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.1").unwrap(),
        sop_instance: Uid::parse("1.2.3").unwrap(),
        pixel_spacing: None,
        patient_spacing: None,
    };
    let findings = infer(&engine, film).unwrap();
    // The square of five begins at column 1.
    let expected: Vec<f64> = (0..40)
        .map(|at| f64::from(at) + if (1..6).contains(&(at % 8)) { 1000.0 } else { 0.0 })
        .collect();
    assert_near(&findings.derived[0].values, &expected, 1e-7);
}

#[test]
fn every_fault_of_an_image_is_told() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = manifest("", &[image("scale = 2")]);
        assert!(text.contains(from), "{from}");
        let problems = Manifest::parse(Path::new("model.toml"), &text.replacen(from, to, 1));
        let problems: Vec<String> = problems.unwrap_err().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    };
    let padded = "an image is not derived of images whose padding is taken out";
    check("slice-order = \"along-normal\"", "slice-order = \"along-normal\"\npadding = 0", padded);
    check("scale = 2", "scale = 0", "a scale is a number other than 0");
    check("scale = 2", "rescale = { slope = 0, intercept = 1 }", "stored values times `slope`");
    let modality = "modality    = \"CT\"";
    let text = manifest("", &[image("rescale = { slope = 0.5, intercept = -10 }")]);
    assert!(Manifest::parse(Path::new("model.toml"), &text).is_ok());
    let problems = Manifest::parse(
        Path::new("model.toml"),
        &text.replacen(modality, "modality = [\"CT\", \"PT\"]", 1),
    );
    let told = problems.unwrap_err()[0].to_string();
    assert!(told.contains("the intercept of PT images is always 0"), "{told}");
    let named = "an image goes out as \"derived-images\": name it among the results";
    check("[\"derived-images\"]", "[\"structured-report\"]", named);
    let together = "`quantity` and `unit` go together";
    let quantity = code("quantity", "130402");
    check("scale = 2\n", &format!("scale = 2\n{quantity}"), together);
    check("scale = 2\n", &format!("scale = 2\n{}", code("unit", "1")), together);
    let unit = code("unit", "1");
    let other = unit.replace("UCUM", "DCM");
    let scheme = "a unit is of the scheme UCUM";
    check("scale = 2\n", &format!("scale = 2\n{quantity}{other}"), scheme);
    let both = format!("scale = 2\n{quantity}{unit}");
    let named = "an image goes out as \"parametric-map\": name it among the results";
    check("scale = 2\n", &both, named);
    let none = "derived images are those of an [[image]] without a `quantity`: there is none";
    check("scale = 2\n", &both, none);
    let rescaled = format!("{both}rescale = {{ slope = 1, intercept = 0 }}\n");
    check("scale = 2\n", &rescaled, "a quantity is stored as it is: leave `rescale` away");
    let none =
        "a parametric map is that of an [[image]] with a `quantity` and a `unit`: there is none";
    check("[\"derived-images\"]", "[\"derived-images\", \"parametric-map\"]", none);
    let text = manifest("", &[mask("tensor = \"labels\"")]);
    let text = text.replacen("[\"structured-report\"]", "[\"derived-images\"]", 1);
    let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
    assert!(problems[0].to_string().contains("derived images are those of an [[image]]"));
    let back = "back = \"probability\"";
    let text = manifest("", &[mask(&format!("tensor = \"labels\"\nvalue = 1\n{back}"))]);
    let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
    assert!(problems[0].to_string().contains("probabilities are what `at-least` reads"));
}

/// Manifest of a mask with these results.
fn with_results(results: &str, outputs: &[String]) -> String {
    manifest("", outputs).replacen("[\"structured-report\"]", results, 1)
}

#[test]
fn probabilities_come_with_the_masks_where_a_fractional_segmentation_is_asked_for() {
    let mut volume = oblique();
    // Beyond 0 and 1 by rounding.
    volume.voxels.iter_mut().for_each(|value| *value = *value / 249.7 - 0.000_5);
    let reading = "tensor = \"same\"\nat-least = 0.5\nleast-voxels = 1000";
    for input in ["", "[input.grid]\norientation = \"SPL\""] {
        let manifest = manifest(input, &[mask(reading)]).replacen(
            "[\"structured-report\"]",
            "[\"fractional-segmentation\"]",
            1,
        );
        let Some(engine) = kit::start(&Author { manifest, graph: volume_graph() }) else { return };
        let found = &infer(&engine, volume.clone()).unwrap().masks[0];
        assert!(found.voxels.iter().all(|voxel| *voxel == 0), "cleaning left nothing of the mask");
        let byte = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let expected: Vec<u8> = volume.voxels.iter().map(byte).collect();
        let far = found.probabilities.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > 1);
        assert_eq!((found.probabilities.len(), far.count()), (expected.len(), 0), "{input}");
    }
    let binary = with_results("[\"segmentation\"]", &[mask(reading)]);
    let Some(engine) = kit::start(&Author { manifest: binary, graph: volume_graph() }) else {
        return;
    };
    assert!(infer(&engine, volume).unwrap().masks[0].probabilities.is_empty());
}

/// `1 / (1 + exp(-x))` and `exp(x) / sum(exp(x))` by numpy: of the scores of `volume_graph`, the negative of a voxel and
/// the voxel, the softmax of the second is the sigmoid of twice the voxel.
#[test]
fn logits_become_probabilities_where_the_manifest_says_so_and_fail_the_job_where_it_does_not() {
    let Some(question) = Question::new() else { return };
    let mut volume = oblique();
    volume.voxels.iter_mut().for_each(|value| *value = *value / 10.0 - 12.5);
    question.put("voxels", &volume.voxels);
    question.ask(
        "x = f32('voxels').astype('f8')\nboth = np.exp(np.stack([-x, x]))\n\
         save('sigmoid', 1 / (1 + np.exp(-x)))\nsave('softmax', (both / both.sum(0))[1])\n\
         save('other', (both / both.sum(0))[0])",
    );
    let windows = "[input.windows]\nsize = [3, 11, 11]\noverlap = 0.5";
    for (reading, name) in [
        ("tensor = \"same\"\nat-least = 0.7\nactivation = \"sigmoid\"", "sigmoid"),
        ("tensor = \"scores\"\nclass = 1\nat-least = 0.7\nactivation = \"sigmoid\"", "sigmoid"),
        ("tensor = \"scores\"\nclass = 1\nat-least = 0.7\nactivation = \"softmax\"", "softmax"),
        ("tensor = \"scores\"\nclass = 0\nat-least = 0.7\nactivation = \"softmax\"", "other"),
    ] {
        let expected = question.answer(name);
        for input in ["", windows] {
            let manifest = manifest(input, &[mask(reading)]).replacen(
                "[\"structured-report\"]",
                "[\"fractional-segmentation\"]",
                1,
            );
            let Some(engine) = kit::start(&Author { manifest, graph: volume_graph() }) else {
                return;
            };
            let found = &infer(&engine, volume.clone()).unwrap().masks[0];
            for (at, expected) in expected.iter().enumerate() {
                let byte = f64::from(found.probabilities[at]);
                assert!((byte - 255.0 * expected).abs() < 0.501, "{reading}: {byte}, {expected}");
                let near = (expected - 0.7).abs() < 1e-6;
                assert!(near || (found.voxels[at] == 1) == (*expected >= 0.7), "{reading}: {at}");
            }
            assert!(found.voxels.contains(&0) && found.voxels.contains(&1));
        }
    }
    let none = "tensor = \"same\"\nat-least = 0.7\nactivation = \"none\"";
    let silent = "tensor = \"same\"\nat-least = 0.7";
    for (results, reading, good) in [
        ("structured-report", none, false),
        ("fractional-segmentation", none, false),
        ("fractional-segmentation", silent, false),
        // A limit of numbers in whatever unit.
        ("structured-report", silent, true),
    ] {
        let manifest = manifest("", &[mask(reading)]).replacen("structured-report", results, 1);
        let Some(engine) = kit::start(&Author { manifest, graph: volume_graph() }) else { return };
        match infer(&engine, volume.clone()) {
            Ok(_) => assert!(good, "{results} {reading}"),
            Err(error) => {
                let said = error.to_string();
                assert!(!good && said.contains("which is no probability"), "{reading}: {said}");
            }
        }
    }
}

#[test]
fn every_fault_of_an_activation_is_told() {
    let check = |reading: &str, expected: &str| {
        let text = manifest("", &[mask(reading)]);
        let problems = Manifest::parse(Path::new("model.toml"), &text).unwrap_err();
        let problems: String = problems.iter().map(ToString::to_string).collect();
        assert!(problems.contains(expected), "{problems}");
    };
    check(
        "tensor = \"labels\"\nvalue = 1\nactivation = \"sigmoid\"",
        "labels and the highest score need none",
    );
    check(
        "tensor = \"scores\"\nclass = 1\nactivation = \"softmax\"",
        "labels and the highest score need none",
    );
    check(
        "tensor = \"same\"\nat-least = 3.0\nactivation = \"sigmoid\"",
        "a probability is from 0 to 1",
    );
    check(
        "tensor = \"same\"\nat-least = 0.5\nactivation = \"softmax\"",
        "say which one is meant by `class`",
    );
    check("tensor = \"same\"\nat-least = 0.5\nvalue = 1", "or both of the last two");
}

#[test]
fn a_group_is_of_the_segment_that_it_names_or_that_all_its_measurements_are_of() {
    let mask = mask("tensor = \"labels\"\nvalue = 120");
    let tensor = |name: &str| {
        let figure = figure(name, "mL");
        let of = format!("of = \"mask\"\nfigure = \"{name}\"");
        figure.replace(&of, "tensor = \"numbers\"\nindex = 0")
    };
    let named = |text: String| text.replace("key = \"all\"", "key = \"all\"\nof = \"mask\"");
    let segment = |text: &str| {
        let read = Manifest::parse(Path::new("model.toml"), text);
        read.unwrap_or_else(|problems| panic!("{problems:?}")).groups[0].segment.clone()
    };
    let volume = figure("volume", "mL");
    let of = |outputs: &[String]| manifest("", outputs);
    let lung = Some("mask".to_string());
    assert_eq!(segment(&of(&[mask.clone(), volume.clone()])), lung);
    assert_eq!(segment(&of(&[mask.clone(), volume.clone(), tensor("mean")])), None);
    assert_eq!(segment(&of(&[mask.clone(), tensor("mean")])), None);
    assert_eq!(segment(&named(of(&[mask.clone(), volume, tensor("mean")]))), lung);
    assert_eq!(segment(&named(of(&[mask, tensor("mean")]))), lung);
}

#[test]
fn every_fault_of_segments_is_told() {
    let first = |text: &str| {
        let problems = Manifest::parse(Path::new("model.toml"), text).unwrap_err();
        problems[0].to_string().lines().next().unwrap_or_default().to_string()
    };
    let check = |text: &str, expected: &str| {
        let told = first(text);
        assert!(told.ends_with(expected), "{told}");
    };
    let (label, probable) =
        (mask("tensor = \"labels\"\nvalue = 1"), mask("tensor = \"same\"\nat-least = 0.5"));
    check(
        &with_results("[\"fractional-segmentation\"]", std::slice::from_ref(&label)),
        "a fractional segmentation holds probabilities, and only `at-least` reads some: results = \
         [\"segmentation\"]",
    );
    check(
        &manifest("", &[image("")]).replacen(
            "[\"derived-images\"]",
            "[\"derived-images\", \"segmentation\"]",
            1,
        ),
        "there is nothing to put into it: a segment is a [[segmentation]], with its `category` and \
         `property`",
    );
    let without = label.replace("category = ", "# category = ");
    check(&with_results("[\"segmentation\"]", &[without]), "the key `category` is missing");
    let volume = figure("volume", "mL");
    let of = |key: &str| {
        let text = manifest("", &[probable.clone(), volume.clone()]);
        text.replace("key = \"all\"", &format!("key = \"all\"\nof = \"{key}\""))
    };
    check(&of("maks"), "there is no segmentation `maks`, did you mean `mask`?");
    let other = probable.replace("key = \"mask\"", "key = \"other\"");
    check(
        &format!("{}{other}", of("other")),
        "a measurement of this group is of another segmentation",
    );
}
