//! Models that want another grid than that of the images: what they see there, and that masks come back to the same voxels.

mod kit;

use gantry_inference::engine::{Engine, EngineOptions, InferError};
use gantry_inference::models::Models;
use gantry_terms::findings::{Findings, NoValue};
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;
use kit::author::{Author, MANIFEST, fixed_graph, pair_graph, volume_graph};
use std::sync::Arc;

/// A model on volumes in five dimensions, with more keys for its input and its outputs.
fn author(input: &str, reading: &str, measurements: &str) -> Author {
    let mask = format!(
        "[[segmentation]]\nkey = \"mask\"\nlabel = \"Mask\"\n{reading}\n\
         category = {{ value = \"123037004\", scheme = \"SCT\", meaning = \"Anatomical structure\" }}\n\
         property = {{ value = \"39607008\", scheme = \"SCT\", meaning = \"Lung\" }}\n\
         colour = \"#ff0080\"\ndraw-order = 1\n"
    );
    let volume = "[[measurement]]\nkey = \"volume\"\ngroup = \"all\"\nof = \"mask\"\nfigure = \"volume\"\n\
         concept = { value = \"118565006\", scheme = \"SCT\", meaning = \"Volume\" }\n\
         unit = { value = \"mL\", scheme = \"UCUM\", meaning = \"milliliter\" }\n";
    let numbers = MANIFEST.find("[[measurement]]").unwrap();
    let head = MANIFEST[..numbers]
        .replace("\"slice-row-column\"", "\"batch-channel-slice-row-column\"")
        .replace(
            "slice-order = \"along-normal\"\n",
            &format!("slice-order = \"along-normal\"\n{input}\n"),
        );
    Author { manifest: format!("{head}{volume}{measurements}{mask}"), graph: volume_graph() }
}

/// A model on two series, of which the second is brought onto the first.
fn pair(second: &str) -> Author {
    let one = author("", "tensor = \"difference\"\nat-least = 0.5", "");
    let input = one.manifest.find("[input]").unwrap();
    let rest = one.manifest[input..].find("[[").unwrap() + input;
    let of = |name: &str, onto: &str| {
        format!(
            "[input.{name}]\n{onto}\nkind = \"volume\"\nmodality = \"CT\"\ntensor = \"{name}\"\n\
             intensity = \"hounsfield\"\naxes = \"batch-channel-slice-row-column\"\n\
             slice-order = \"along-normal\"\n\n"
        )
    };
    let (head, tail) = (&one.manifest[..input], &one.manifest[rest..]);
    let manifest = format!("{head}{}{}{tail}", of("second", second), of("first", ""));
    Author { manifest, graph: pair_graph() }
}

/// Numbers from 0 to 250 in no order, on slices that lie across the body.
fn oblique() -> Volume {
    let mut volume = kit::air(5, 7);
    let (cosine, sine) = (0.8, 0.6);
    volume.geometry.row_direction = [cosine, sine, 0.0];
    volume.geometry.column_direction = [0.0, 0.0, -1.0];
    volume.geometry.origin = [-20.0, 13.0, 400.0];
    volume.voxels = (0..5 * 7 * 7).map(|at| ((at * 97 + 13) % 251) as f32).collect();
    volume
}

fn infer(engine: &Engine, volume: Volume) -> Findings {
    kit::wait(engine.infer("tiny", vec![Arc::new(volume)])).unwrap()
}

fn value(findings: &Findings, key: &str) -> Result<f64, NoValue> {
    let mut all = findings.groups.iter().flat_map(|group| &group.measurements);
    all.find(|measurement| measurement.key == key).unwrap().value
}

#[test]
fn turned_and_padded_voxels_come_back_to_where_they_were() {
    let below = |voxel: &f32| u8::from(*voxel >= 100.0);
    for orientation in ["LIA", "SPL", "RSA", "AIR", "ILP"] {
        for size in ["", "size = [20, 21, 22]\nspacing = [0.7, 0.7, 2.0]"] {
            // With a spacing the axes have to be those of the images, slowest first.
            let orientation = if size.is_empty() { orientation } else { "PIL" };
            let size = size.replace("[0.7, 0.7, 2.0]", "[2.0, 0.7, 0.7]");
            let grid = format!("[input.grid]\norientation = \"{orientation}\"\n{size}");
            let reading = "tensor = \"same\"\nat-least = 100.0";
            let Some(engine) = kit::start(&author(&grid, reading, "")) else { return };
            let volume = oblique();
            let expected: Vec<u8> = volume.voxels.iter().map(below).collect();
            let of_voxel = volume.geometry.voxel_volume();
            let findings = infer(&engine, volume);
            assert_eq!(findings.masks[0].voxels, expected, "{grid}");
            let count = expected.iter().filter(|inside| **inside == 1).count();
            let millilitres = value(&findings, "volume").unwrap();
            assert!((millilitres - count as f64 * of_voxel / 1000.0).abs() < 1e-9, "{millilitres}");
        }
    }
}

#[test]
fn a_mask_is_read_from_labels_from_scores_and_from_probabilities() {
    let check = |reading: &str, inside: fn(f32) -> bool| {
        let Some(engine) = kit::start(&author("", reading, "")) else { return };
        let volume = oblique();
        let expected: Vec<u8> =
            volume.voxels.iter().map(|voxel| u8::from(inside(*voxel))).collect();
        assert_eq!(infer(&engine, volume).masks[0].voxels, expected, "{reading}");
    };
    check("tensor = \"labels\"\nvalue = 7", |voxel| voxel == 7.0);
    check("tensor = \"scores\"\nclass = 1", |voxel| voxel > 0.0);
    check("tensor = \"scores\"\nclass = 0", |voxel| voxel == 0.0); // of equal scores the first class
    check("tensor = \"same\"\nat-least = 99.5", |voxel| voxel >= 99.5);
    let Some(engine) = kit::start(&author("", "tensor = \"scores\"\nclass = 2", "")) else {
        return;
    };
    let error = kit::wait(engine.infer("tiny", vec![Arc::new(oblique())])).unwrap_err();
    assert!(
        matches!(&error, InferError::Permanent(text) if text.contains("more than 2 classes")),
        "{error}"
    );
}

#[test]
fn steps_come_in_their_order_before_and_on_the_grid() {
    // 0 to 250 become 0 to 500, what lies above 300 is cut, and the rest goes from 0 to 1.
    let input = "image-steps = [{ piecewise = [[0, 0], [250, 500]] }, { clip = { low = 0, high = 300 } }]\n\
                 steps = [{ min-max = {} }]";
    let Some(engine) = kit::start(&author(input, "tensor = \"same\"\nat-least = 0.999999", ""))
    else {
        return;
    };
    let volume = oblique();
    let expected: Vec<u8> = volume.voxels.iter().map(|voxel| u8::from(*voxel >= 150.0)).collect();
    assert_eq!(infer(&engine, volume).masks[0].voxels, expected);
}

/// Voxels that are padding count in no extreme, in no figure and in no voxel beside them, and are 7 at last.
#[test]
fn padding_is_kept_out_of_steps_and_figures_and_set_last() {
    let grid = "[input.grid]\nspacing = [2.0, 0.7, 0.7]";
    let mean = "[[measurement]]\nkey = \"mean\"\ngroup = \"all\"\nof = \"mask\"\nfigure = \"mean\"\n\
                concept = { value = \"M\", scheme = \"99TEST\", meaning = \"Mean\" }\n\
                unit = { value = \"1\", scheme = \"UCUM\", meaning = \"no units\" }\n";
    for grid in ["", grid] {
        let input = format!("padding = 7\nsteps = [{{ min-max = {{}} }}]\n{grid}");
        let reading = "tensor = \"same\"\nat-least = 0.999";
        let Some(engine) = kit::start(&author(&input, reading, mean)) else { return };
        let mut volume = oblique();
        volume.voxels.iter_mut().step_by(9).for_each(|voxel| *voxel = f32::NAN);
        volume.voxels[1] = 300.0;
        let inside = |voxel: &f32| u8::from(voxel.is_nan() || *voxel == 300.0);
        let expected: Vec<u8> = volume.voxels.iter().map(inside).collect();
        let findings = infer(&engine, volume);
        assert_eq!(findings.masks[0].voxels, expected, "{grid}");
        assert_eq!(value(&findings, "mean"), Ok(300.0), "of what is no padding");
    }
}

#[test]
fn a_block_is_cut_or_padded_to_a_size_and_its_voxels_stay_what_they_are() {
    for size in ["[9, 4, 10]", "[3, 7, 3]", "[5, 7, 7]"] {
        let input = format!("[input.grid]\ncrop-or-pad = {size}\noutside = 1000");
        let Some(engine) = kit::start(&author(&input, "tensor = \"same\"\nat-least = 100", ""))
        else {
            return;
        };
        let volume = oblique();
        let sides: Vec<usize> =
            size.trim_matches(['[', ']']).split(", ").map(|side| side.parse().unwrap()).collect();
        // Of a side that is cut, the middle.
        let within = |axis: usize, at: usize| {
            let old: usize = [5, 7, 7][axis];
            let first = (old / 2).saturating_sub(sides[axis] / 2);
            sides[axis] >= old || (first..first + sides[axis]).contains(&at)
        };
        let expected: Vec<u8> = (0..5 * 7 * 7)
            .map(|at| {
                let place = [at / 49, at / 7 % 7, at % 7];
                let kept = (0..3).all(|axis| within(axis, place[axis]));
                u8::from(kept && volume.voxels[at] >= 100.0)
            })
            .collect();
        assert_eq!(infer(&engine, volume).masks[0].voxels, expected, "{size}");
    }
}

#[test]
fn figures_of_a_mask_are_of_the_images_and_not_of_what_the_graph_saw() {
    let figure = |key: &str, figure: &str| {
        format!(
            "[[measurement]]\nkey = \"{key}\"\ngroup = \"all\"\nof = \"mask\"\n{figure}\n\
             concept = {{ value = \"N\", scheme = \"99TEST\", meaning = \"Number\" }}\n\
             unit = {{ value = \"1\", scheme = \"UCUM\", meaning = \"no units\" }}\n"
        )
    };
    let figures = [
        figure("mean", "figure = \"mean\""),
        figure("deviation", "figure = \"standard-deviation\""),
        figure("least", "figure = \"minimum\""),
        figure("most", "figure = \"maximum\""),
        figure("median", "percentile = 50"),
    ];
    let input = "steps = [{ window = { low = 0, high = 250 } }]";
    let reading = "tensor = \"same\"\nat-least = 0.5";
    let Some(engine) = kit::start(&author(input, reading, &figures.concat())) else { return };
    let findings = infer(&engine, oblique());
    let mut inside: Vec<f64> =
        oblique().voxels.iter().map(|v| f64::from(*v)).filter(|v| *v >= 125.0).collect();
    inside.sort_by(f64::total_cmp);
    let count = inside.len() as f64;
    let mean = inside.iter().sum::<f64>() / count;
    let deviation = (inside.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    let middle = (inside[(inside.len() - 1) / 2] + inside[inside.len() / 2]) / 2.0;
    let expected = [
        ("mean", mean),
        ("deviation", deviation),
        ("least", inside[0]),
        ("most", inside[inside.len() - 1]),
        ("median", middle),
    ];
    for (key, expected) in expected {
        let found = value(&findings, key).unwrap();
        assert!((found - expected).abs() < 1e-9, "{key}: {found}, not {expected}");
    }
    // Nothing is inside: no volume, and no mean.
    let mut dark = oblique();
    dark.voxels.fill(0.0);
    let findings = infer(&engine, dark);
    assert_eq!(value(&findings, "volume"), Ok(0.0));
    assert_eq!(value(&findings, "mean"), Err(NoValue::NotANumber));
}

#[test]
fn a_mask_is_cleaned_before_it_comes_back() {
    let reading = "tensor = \"same\"\nat-least = 1.0\nlargest-component = true\nfill-holes = true";
    let Some(engine) = kit::start(&author("", reading, "")) else { return };
    let mut volume = kit::air(5, 7);
    let at = |slice: usize, row: usize, column: usize| (slice * 7 + row) * 7 + column;
    // A shell around one voxel, and a speck beside it.
    for slice in 1..4 {
        for row in 1..4 {
            for column in 1..4 {
                volume.voxels[at(slice, row, column)] = 1.0;
            }
        }
    }
    volume.voxels[at(2, 2, 2)] = 0.0;
    let mut expected: Vec<u8> = volume.voxels.iter().map(|voxel| u8::from(*voxel >= 1.0)).collect();
    expected[at(2, 2, 2)] = 1;
    volume.voxels[at(0, 6, 6)] = 1.0;
    assert_eq!(infer(&engine, volume).masks[0].voxels, expected);
}

#[test]
fn a_second_series_is_laid_over_the_first_by_its_place_in_the_patient() {
    let Some(engine) = kit::start(&pair("onto = \"first\"")) else { return };
    let frame = Some(Uid::parse("1.2.3.9").unwrap());
    let first = Volume { frame_of_reference: frame.clone(), ..oblique() };
    // The same place, seen from behind, with one voxel that is brighter.
    let mut second = first.clone();
    let geometry = &mut second.geometry;
    let last = 6.0 * geometry.pixel_spacing[1];
    geometry.origin = [0, 1, 2].map(|at| geometry.origin[at] + last * geometry.row_direction[at]);
    let slices = geometry.slices as f64 - 1.0;
    let normal = geometry.normal();
    geometry.origin =
        [0, 1, 2].map(|at| geometry.origin[at] + slices * geometry.slice_step * normal[at]);
    geometry.row_direction = geometry.row_direction.map(|part| -part);
    let at = |slice: usize, row: usize, column: usize| (slice * 7 + row) * 7 + column;
    for slice in 0..5 {
        for row in 0..7 {
            for column in 0..7 {
                second.voxels[at(4 - slice, row, 6 - column)] =
                    first.voxels[at(slice, row, column)];
            }
        }
    }
    second.voxels[at(4 - 1, 2, 6 - 3)] += 40.0;
    let mut expected = vec![0; 5 * 7 * 7];
    expected[at(1, 2, 3)] = 1;
    let volumes = vec![Arc::new(first.clone()), Arc::new(second.clone())];
    assert_eq!(kit::wait(engine.infer("tiny", volumes)).unwrap().masks[0].voxels, expected);
    let elsewhere = Volume { frame_of_reference: Some(Uid::parse("1.2.3.8").unwrap()), ..second };
    let volumes = vec![Arc::new(first.clone()), Arc::new(elsewhere)];
    let error = kit::wait(engine.infer("tiny", volumes)).unwrap_err();
    let expected = "the model `tiny`: the images for `second` have another Frame of Reference than those \
                    for `first`: nothing says how they lie to each other";
    assert_eq!(error, InferError::Permanent(expected.into()));
    let nowhere = Volume { frame_of_reference: None, ..first.clone() };
    let volumes = vec![Arc::new(first.clone()), Arc::new(nowhere)];
    let error = kit::wait(engine.infer("tiny", volumes)).unwrap_err();
    assert!(error.to_string().contains("have no Frame of Reference UID"), "{error}");
    let error = kit::wait(engine.infer("tiny", vec![Arc::new(first)])).unwrap_err();
    assert_eq!(
        error,
        InferError::Permanent(
            "the model `tiny`: it has 2 inputs, and images for 1 were given".into()
        )
    );
}

#[test]
fn of_several_inputs_one_leads() {
    let check = |second: &str, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let problems = Models::load(&pair(second).write(folder.path())).unwrap_err();
        assert!(problems[0].to_string().contains(expected), "{}", problems[0]);
    };
    check("onto = \"frist\"", "the leading input is `first`: onto = \"first\"");
    check("", "one input leads, over which masks lie; every other one says which it is");
}

#[test]
fn sides_that_a_graph_fixes_are_those_that_the_manifest_makes() {
    let Some(library) = kit::library() else { return };
    let check = |grid: &str, reading: &str, sides: [u64; 5], expected: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        let reading = format!("tensor = \"same\"\n{reading}");
        let author = Author { graph: fixed_graph(sides), ..author(grid, &reading, "") };
        let models = Arc::new(Models::load(&author.write(folder.path())).unwrap());
        let options = EngineOptions {
            library: Some(library.clone()),
            threads: Some(1),
            ..EngineOptions::default()
        };
        let told = Engine::start(models, options).err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(told, None),
            Some(expected) => assert!(told.clone().unwrap().contains(expected), "{told:?}"),
        }
    };
    let cube = "[input.grid]\nsize = [8, 8, 8]";
    check(cube, "at-least = 1.0", [1, 1, 8, 8, 8], None);
    let expected = "has 1 x 1 x 4 x 4 x 4 elements, the manifest means 1 x 1 x 8 x 8 x 8";
    check(cube, "at-least = 1.0", [1, 1, 4, 4, 4], Some(expected));
    check("", "at-least = 1.0", [1, 1, 4, 4, 4], None);
    check(cube, "class = 2", [1, 3, 8, 8, 8], None);
    let expected = "the manifest means 1 x 4 or more x 8 x 8 x 8";
    check(cube, "class = 3", [1, 3, 8, 8, 8], Some(expected));
}

#[test]
fn small_parts_are_taken_away_and_what_lies_outside_is_as_the_manifest_says() {
    let reading = "tensor = \"same\"\nat-least = 1.0\nleast-voxels = 2";
    let Some(engine) = kit::start(&author("", reading, "")) else { return };
    let mut volume = kit::air(3, 5);
    volume.voxels[0] = 1.0;
    (volume.voxels[40], volume.voxels[41]) = (1.0, 1.0);
    let mut expected = vec![0; 75];
    (expected[40], expected[41]) = (1, 1);
    assert_eq!(infer(&engine, volume).masks[0].voxels, expected);

    // One voxel of padding on each side is brighter than all of the images, and comes back nowhere.
    for interpolation in ["nearest", "linear", "area"] {
        let grid = format!(
            "[input.grid]\nspacing = [2.0, 0.7, 0.7]\nsize = [5, 7, 7]\noutside = 9.0\n\
             interpolation = \"{interpolation}\""
        );
        let Some(engine) = kit::start(&author(&grid, "tensor = \"same\"\nat-least = 8.0", ""))
        else {
            return;
        };
        let findings = infer(&engine, kit::air(3, 5));
        let inside = findings.masks[0].voxels.iter().filter(|voxel| **voxel == 1).count();
        assert_eq!(inside, 0, "{interpolation}");
    }
}

#[test]
fn a_fine_grid_of_a_small_part_is_no_large_block() {
    use gantry_inference::voxels::grid::Grid;
    let images = Grid::of(&oblique().geometry).unwrap();
    for (spacing, size) in
        [([0.7, 0.7, 0.7], [3, 4, 20]), ([1.0, 0.35, 0.5], [9, 9, 8]), ([2.0, 0.7, 0.7], [5, 7, 7])]
    {
        let expected = images.with_spacing(spacing).unwrap().centre_crop_or_pad(size).unwrap();
        let found = images.with_spacing_and_size(spacing, size).unwrap();
        assert!(found.is_like(&expected), "{found:?}\n{expected:?}");
    }
    let fine = [0.0001, 0.0001, 0.0001];
    assert!(images.with_spacing(fine).is_err());
    assert_eq!(images.with_spacing_and_size(fine, [8, 8, 8]).unwrap().size(), [8, 8, 8]);
}
