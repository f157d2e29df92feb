//! Volumes that go through a graph in pieces: what comes out beside the whole, beside MONAI and beside numpy, and what goes wrong.

mod kit;

use gantry_inference::engine::{Engine, InferError};
use gantry_terms::findings::Findings;
use gantry_terms::volume::Volume;
use kit::author::{
    Author, MANIFEST, exact_graph, mean_graph, placed_graph, slice_graph, volume_graph,
};
use std::sync::Arc;

const FIVE: &str = "batch-channel-slice-row-column";
const FOUR: &str = "batch-channel-row-column";

/// A model whose input has these keys, with one mask for each reading.
fn author(axes: &str, input: &str, readings: &[&str], graph: Vec<u8>) -> Author {
    let mask = |(at, reading): (usize, &&str)| {
        format!(
            "[[segmentation]]\nkey = \"mask-{at}\"\nlabel = \"Mask\"\n{reading}\n\
             category = {{ value = \"123037004\", scheme = \"SCT\", meaning = \"Anatomical structure\" }}\n\
             property = {{ value = \"39607008\", scheme = \"SCT\", meaning = \"Lung\" }}\n\
             colour = \"#ff0080\"\ndraw-order = {at}\n"
        )
    };
    let volume = "[[measurement]]\nkey = \"volume\"\ngroup = \"all\"\nof = \"mask-0\"\nfigure = \"volume\"\n\
         concept = { value = \"118565006\", scheme = \"SCT\", meaning = \"Volume\" }\n\
         unit = { value = \"mL\", scheme = \"UCUM\", meaning = \"milliliter\" }\n";
    let numbers = MANIFEST.find("[[measurement]]").unwrap();
    let head = MANIFEST[..numbers].replace("\"slice-row-column\"", &format!("\"{axes}\"")).replace(
        "slice-order = \"along-normal\"\n",
        &format!("slice-order = \"along-normal\"\n{input}\n"),
    );
    let masks: String = readings.iter().enumerate().map(mask).collect();
    Author { manifest: format!("{head}{volume}{masks}"), graph }
}

/// Whole numbers from -500 to 508 in no order, those that `reference/windows.py` gave to MONAI.
fn volume([slices, rows, columns]: [usize; 3]) -> Volume {
    let mut volume = kit::air(slices, 1);
    (volume.geometry.rows, volume.geometry.columns) = (rows, columns);
    let voxels = slices * rows * columns;
    volume.voxels = (0..voxels).map(|i| ((i * 7919 % 1009) as f32) - 500.0).collect();
    volume
}

fn infer(engine: &Engine, volume: Volume) -> Result<Findings, InferError> {
    kit::wait(engine.infer("tiny", vec![Arc::new(volume)]))
}

fn masks(engine: &Engine, volume: Volume) -> Vec<Vec<u8>> {
    let findings = infer(engine, volume).unwrap();
    findings.masks.into_iter().map(|mask| mask.voxels).collect()
}

#[test]
fn a_volume_in_windows_is_blended_as_monai_blends_it() {
    let monai = include_str!("reference/windows.txt");
    let mut lines = monai.lines().filter(|line| !line.starts_with('#'));
    let mut numbers = |word: &str| -> Option<Vec<f64>> {
        let line = lines.next()?.strip_prefix(word).unwrap();
        Some(line.split_whitespace().map(|number| number.parse().unwrap()).collect())
    };
    let limits = [-400.0, -200.0, -1.0, 0.5, 123.0, 300.0];
    let readings = limits.map(|limit| format!("tensor = \"first\"\nat-least = {limit:?}"));
    let readings = readings.each_ref().map(String::as_str);
    let mut cases = 0;
    while let Some(case) = numbers("case") {
        numbers("starts");
        let blended = numbers("blended").unwrap();
        let three = |at: usize| [0, 1, 2].map(|a| case[at + a] as usize);
        let blending = match case[7] {
            0.0 => "constant",
            0.125 => "gaussian",
            _ => continue,
        };
        for batch in [1, 3] {
            let windows = format!(
                "[input.windows]\nsize = {:?}\noverlap = {:?}\nblending = \"{blending}\"\noutside = -3.0\n\
                 batch = {batch}",
                three(3),
                case[6]
            );
            let author = author(FIVE, &windows, &readings, placed_graph(three(3)));
            let Some(engine) = kit::start(&author) else { return };
            let masks = masks(&engine, volume(three(0)));
            // The numbers are those of two channels, 97 voxels apart; the first is the graph's.
            let places = (0..masks[0].len()).step_by(97);
            for (place, blended) in places.zip(&blended) {
                for (mask, limit) in masks.iter().zip(limits) {
                    let is_near = (blended - limit).abs() < 1e-2;
                    assert!(
                        is_near || (mask[place] == 1) == (*blended >= limit),
                        "{place}: {blended}"
                    );
                }
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 14);
}

#[test]
fn what_answers_each_voxel_by_itself_gives_the_same_in_windows_as_on_the_whole() {
    let readings = [
        "tensor = \"same\"\nat-least = 99.5",
        "tensor = \"scores\"\nclass = 1",
        "tensor = \"scores\"\nclass = 0",
    ];
    let Some(whole) = kit::start(&author(FIVE, "", &readings, volume_graph())) else { return };
    let size = [7, 12, 10];
    let expected = masks(&whole, volume(size));
    let inside: usize = expected[0].iter().map(|inside| usize::from(*inside)).sum();
    assert!(inside > 100 && inside < 700);
    for windows in [
        "size = [4, 4, 4]\noverlap = 0.5\nblending = \"gaussian\"", // the last one is moved back
        "size = [4, 4, 4]\noverlap = 0.0",
        "size = [7, 4, 5]\noverlap = 0", // apart: nothing is blended
        "size = [16, 16, 16]\noutside = 77.0", // larger than the volume
        "size = [16, 3, 16]\nbatch = 3\nblending = \"gaussian\"",
        "size = [1, 1, 1]\nbatch = 64",
    ] {
        let windows = format!("[input.windows]\n{windows}");
        let Some(engine) = kit::start(&author(FIVE, &windows, &readings, volume_graph())) else {
            return;
        };
        assert_eq!(masks(&engine, volume(size)), expected, "{windows}");
    }
}

#[test]
fn labels_are_put_together_from_windows_that_are_apart() {
    let labels = ["tensor = \"labels\"\nvalue = 7"];
    let size = [5, 9, 6];
    let mut volume = volume(size);
    volume.voxels.iter_mut().for_each(|voxel| *voxel = (*voxel + 500.0) % 9.0);
    let expected: Vec<u8> = volume.voxels.iter().map(|voxel| u8::from(*voxel == 7.0)).collect();
    let input = "[input.grid]\nmultiple-of = [2, 4, 3]\noutside = 7.0\n\
                 [input.windows]\nsize = [2, 4, 3]\noverlap = 0.0\nbatch = 5";
    let Some(engine) = kit::start(&author(FIVE, input, &labels, volume_graph())) else { return };
    assert_eq!(masks(&engine, volume.clone()), std::slice::from_ref(&expected));
    let slices = "[input.windows]\neach = \"slice\"";
    let Some(engine) = kit::start(&author(FOUR, slices, &labels, slice_graph())) else { return };
    assert_eq!(masks(&engine, volume), [expected]);
}

#[test]
fn a_graph_that_fixes_its_batch_gets_full_ones() {
    let windows = "[input.windows]\nsize = [4, 4, 4]\noverlap = 0.0\nbatch = 4";
    let readings = ["tensor = \"same\"\nat-least = 99.5"];
    let graph = exact_graph(&[4, 1, 4, 4, 4]);
    let Some(engine) = kit::start(&author(FIVE, windows, &readings, graph)) else { return };
    // Nine windows, three batches of which the last has one.
    let volume = volume([4, 12, 12]);
    let expected: Vec<u8> = volume.voxels.iter().map(|voxel| u8::from(*voxel >= 99.5)).collect();
    assert_eq!(masks(&engine, volume), [expected]);
}

#[test]
fn a_small_convolution_in_windows_is_what_scipy_and_numpy_make_of_it() {
    let Some(question) = kit::second_opinion::Question::new() else { return };
    let limits = [-60.0, -20.0, 1.0, 30.0];
    let readings = limits.map(|limit| format!("tensor = \"mean\"\nat-least = {limit:?}"));
    let readings = readings.each_ref().map(String::as_str);
    let (size, window) = ([14, 21, 18], [8, 10, 9]);
    let windows =
        format!("[input.windows]\nsize = {window:?}\noverlap = 0.5\nblending = \"gaussian\"");
    let Some(engine) = kit::start(&author(FIVE, &windows, &readings, mean_graph(&[3, 3, 3])))
    else {
        return;
    };
    let volume = volume(size);
    question.put("block", &volume.voxels).say("size", size).say("window", window);
    question.ask(include_str!("reference/convolved.py"));
    let blended = question.answer("blended");
    for (mask, limit) in masks(&engine, volume).iter().zip(limits) {
        for (at, (inside, blended)) in mask.iter().zip(&blended).enumerate() {
            let is_near = (blended - limit).abs() < 1e-3;
            assert!(is_near || (*inside == 1) == (*blended >= limit), "{at}: {blended}");
        }
    }
}

#[test]
fn slices_give_what_the_same_graph_gives_in_space() {
    let readings = ["tensor = \"mean\"\nat-least = 3.0"];
    let Some(whole) = kit::start(&author(FIVE, "", &readings, mean_graph(&[1, 3, 5]))) else {
        return;
    };
    let expected = masks(&whole, volume([7, 12, 10]));
    for batch in [1, 3, 64] {
        let slices = format!("[input.windows]\neach = \"slice\"\nbatch = {batch}");
        let Some(engine) = kit::start(&author(FOUR, &slices, &readings, mean_graph(&[3, 5])))
        else {
            return;
        };
        assert_eq!(masks(&engine, volume([7, 12, 10])), expected);
    }
}

#[test]
fn neighbours_of_a_slice_are_its_channels_and_the_outermost_stands_again() {
    let readings = ["tensor = \"most\"\nat-least = 300.0"];
    for neighbours in [0, 1, 2] {
        let slices =
            format!("[input.windows]\neach = \"slice\"\nneighbours = {neighbours}\nbatch = 2");
        let Some(engine) = kit::start(&author(FOUR, &slices, &readings, slice_graph())) else {
            return;
        };
        for slices in [1, 5] {
            let volume = volume([slices, 4, 6]);
            let at = |slice: usize, pixel: usize| volume.voxels[slice * 24 + pixel];
            let most = |slice: usize, pixel: usize| {
                let first = slice.saturating_sub(neighbours);
                let last = (slice + neighbours).min(slices - 1);
                (first..=last).map(|slice| at(slice, pixel)).fold(f32::NEG_INFINITY, f32::max)
            };
            let expected: Vec<u8> = (0..slices * 24)
                .map(|voxel| u8::from(most(voxel / 24, voxel % 24) >= 300.0))
                .collect();
            assert_eq!(masks(&engine, volume.clone()), [expected], "{neighbours}");
        }
    }
}

#[test]
fn a_block_is_padded_to_what_a_graph_divides_it_by_and_the_mask_comes_back() {
    let readings = ["tensor = \"same\"\nat-least = 100.0"];
    let grid = "[input.grid]\nmultiple-of = 8\noutside = 999.0";
    let graph = exact_graph(&[1, 1, 8, 16, 16]);
    let Some(engine) = kit::start(&author(FIVE, grid, &readings, graph)) else { return };
    let volume = volume([5, 9, 16]);
    let expected: Vec<u8> = volume.voxels.iter().map(|voxel| u8::from(*voxel >= 100.0)).collect();
    assert_eq!(masks(&engine, volume), [expected]);
}

#[test]
fn a_threshold_on_each_slice_of_a_chest_ct_has_the_volume_that_numpy_counts() {
    let Some(folder) = kit::real("ct_chest_A0002_B40f") else { return };
    let Some(python) = kit::python() else { return };
    let script = "
import glob, numpy, pydicom, sys
slices = [pydicom.dcmread(path) for path in glob.glob(sys.argv[1] + '/*.dcm')]
slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
volume = numpy.stack([s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices])
around = numpy.maximum(volume, numpy.maximum(numpy.concatenate([volume[:1], volume[:-1]]),
                                             numpy.concatenate([volume[1:], volume[-1:]])))
one = numpy.prod([float(mm) for mm in slices[0].PixelSpacing]) * 8.0 / 1000
print((volume >= -500).sum() * one, (around >= -500).sum() * one)
";
    let said = kit::run_python(&python, script, &[&folder]);
    let readings = ["tensor = \"most\"\nat-least = -500.0"];
    for (neighbours, expected) in said.split_whitespace().enumerate() {
        let expected: f64 = expected.parse().unwrap();
        let slices =
            format!("[input.windows]\neach = \"slice\"\nneighbours = {neighbours}\nbatch = 4");
        let Some(engine) = kit::start(&author(FOUR, &slices, &readings, slice_graph())) else {
            return;
        };
        let findings = infer(&engine, kit::emphysema_volume(&kit::files(&folder))).unwrap();
        let found = findings.groups[0].measurements[0].value.unwrap();
        println!("{neighbours} neighbours: {found:.2} mL (expected {expected:.2})");
        assert!((found - expected).abs() <= 0.001 * expected, "{found} mL, not {expected}");
    }
}

#[test]
fn what_is_no_number_fails_the_job_with_its_place() {
    let windows = "[input.windows]\nsize = [2, 4, 4]\noverlap = 0.0";
    let readings = ["tensor = \"same\"\nat-least = 0.5"];
    let check = |input: &str, expected: &str| {
        let Some(engine) = kit::start(&author(FIVE, input, &readings, volume_graph())) else {
            return;
        };
        let mut volume = volume([4, 8, 8]);
        volume.voxels[2 * 64 + 5 * 8 + 1] = f32::NAN;
        let error = infer(&engine, volume.clone()).unwrap_err();
        assert_eq!(
            error,
            InferError::Permanent(format!("the model `tiny`: the output `same` {expected}"))
        );
        volume.voxels.fill(1.0);
        assert!(infer(&engine, volume).is_ok());
    };
    check(
        windows,
        "has values that are no numbers (NaN or infinite) in the piece that begins at [2, 4, 0]",
    );
    check("", "has values that are no numbers (NaN or infinite)");
}

#[test]
fn an_answer_of_another_shape_than_its_piece_is_told() {
    let check = |axes: &str, windows: &str, graph: Vec<u8>, expected: &str| {
        let input = format!("[input.windows]\n{windows}");
        let author = author(axes, &input, &["tensor = \"mean\"\nat-least = 0.5"], graph);
        let Some(engine) = kit::start(&author) else { return };
        let error = infer(&engine, volume([4, 8, 8])).unwrap_err();
        let text = format!("the model `tiny`: the output `mean` has the shape {expected}");
        assert_eq!(error, InferError::Permanent(text));
    };
    // An even side is not padded enough: what comes out is smaller.
    check(FIVE, "size = [2, 4, 4]", mean_graph(&[1, 2, 2]), "[1, 1, 2, 3, 3], not [1, 1, 2, 4, 4]");
    check(
        FOUR,
        "each = \"slice\"\nbatch = 3",
        mean_graph(&[2, 1]),
        "[3, 1, 7, 8], not [3, 1, 8, 8]",
    );
}

#[test]
fn a_volume_in_pieces_has_one_time_out_and_ends_when_its_caller_leaves() {
    let windows = "[input.windows]\nsize = [1, 1, 1]\noverlap = 0.0";
    let mut author = author(FIVE, windows, &["tensor = \"same\"\nat-least = 0.5"], volume_graph());
    // Two million runs of microseconds: no one of them takes long.
    let large = || vec![Arc::new(volume([128, 128, 128]))];
    author.manifest = author.manifest.replace("time-out = 10\n", "time-out = 0.2\n");
    let Some(engine) = kit::start(&author) else { return };
    let error = kit::wait(engine.infer("tiny", large())).unwrap_err();
    let text = "the model `tiny` took longer than its 0.2 s and was ended";
    assert_eq!(error, InferError::Transient(text.into()));
    assert!(infer(&engine, volume([1, 4, 4])).is_ok());
    author.manifest = author.manifest.replace("time-out = 0.2\n", "time-out = 3600\n");
    let Some(engine) = kit::start(&author) else { return };
    let left = kit::wait(async {
        let soon = std::time::Duration::from_millis(300);
        tokio::time::timeout(soon, engine.infer("tiny", large())).await
    });
    assert!(left.is_err());
    assert!(infer(&engine, volume([1, 4, 4])).is_ok());
}
